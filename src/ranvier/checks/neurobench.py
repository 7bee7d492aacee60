"""What an inference costs, in the words of NeuroBench: its keys, and what they mean where there are no time steps.

    footprint              bytes of all arrays of the network
    parameter_count        numbers that can learn: weights, delays, positions that delays follow from
    connection_sparsity    share of all pairs of neurons of connected populations without a weight, or of weight 0
    activation_sparsity    share of the neurons' steps of `step` ms without a spike
    Effective_ACs          additions of a weight: for each spike, inputs included, the synapses of weight other than 0
                           that it reaches
    Effective_MACs         multiplications with a weight: none, for a spike is a spike
    Dense                  what a network in steps of `step` ms would do: every pair of neurons in each step

The last three (`synaptic_operations`) are per inference, that is, per sample. In continuous time there is no step:
`step` only makes sparsity and `Dense` comparable with networks that have one.
"""

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ranvier.dense import dense
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.selection import partition


def operations(network: Network, trains: Mapping[str, Spikes], *, t_end: float, step: float = 1.0) -> dict[str, Any]:
    """NeuroBench's metrics of a network and of what it does with some samples.

    Args:
        network: The network.
        trains: Spikes of all populations, inputs included, shape (samples, n): `{"input": spikes, **solution.spikes}`.
        t_end: End of a sample (ms).
        step: Length of a time step (ms), for `activation_sparsity` and `Dense`.

    Returns:
        `footprint`, `parameter_count`, `connection_sparsity`, `activation_sparsity`, and `synaptic_operations`, a
        dictionary of `Effective_MACs`, `Effective_ACs` and `Dense`; and `spikes`, the spikes of each population per
        sample.

    Raises:
        ValueError: `step` is not above 0, or spikes have no batch axis.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.checks import operations
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> found = operations(net, {"input": rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 1]]))}, t_end=10.0)
        >>> found["synaptic_operations"]
        {'Effective_MACs': 0.0, 'Effective_ACs': 6.0, 'Dense': 60.0}

    References:
        Yik et al., The NeuroBench framework for benchmarking neuromorphic computing, Nat. Commun. 16, 1545 (2025).
    """
    if not step > 0:
        msg = f"operations: `step` must be above 0 ms; got {step}."
        raise ValueError(msg)
    flat = [name for name, train in trains.items() if np.ndim(train.time) != 2]
    if flat:
        msg = f"operations: spikes must have shape (samples, n); got {np.shape(trains[flat[0]].time)} for {flat[0]!r}."
        raise ValueError(msg)
    samples = max((len(train.time) for train in trains.values()), default=1)
    steps, pairs, used, added = math.ceil(t_end / step), 0, 0, 0.0
    for link in dense(network):
        weight = np.asarray(link.weight)
        there = weight != 0 if link.exists is None else (weight != 0) & np.asarray(link.exists)
        pairs, used = pairs + weight.size, used + int(there.sum())
        if link.pre in trains:
            added += float(_counts(trains[link.pre], network.size(link.pre)) @ there.sum(axis=1)) / samples
    learned = jax.tree.leaves(partition(network)[0])
    return {
        "footprint": sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(network)),
        "parameter_count": sum(leaf.size for leaf in learned),
        "connection_sparsity": 1 - used / max(pairs, 1),
        "activation_sparsity": _sparsity(network, trains, steps, step),
        "synaptic_operations": {"Effective_MACs": 0.0, "Effective_ACs": added, "Dense": float(pairs * steps)},
        "spikes": {name: int(np.isfinite(np.asarray(train.time)).sum()) / samples for name, train in trains.items()},
    }


def _counts(train: Spikes, size: int) -> np.ndarray:
    """Spikes of each unit, over all samples."""
    there = np.isfinite(np.asarray(train.time))
    return np.bincount(np.asarray(train.unit)[there], minlength=size)


def _sparsity(network: Network, trains: Mapping[str, Spikes], steps: int, step: float) -> float:
    """Share of the steps of all neurons without a spike; a step with several counts once."""
    active, every = 0, 0
    for name, neuron in network.neurons.items():
        if not neuron.spiking or name not in trains:
            continue
        time, unit = np.asarray(trains[name].time, float), np.asarray(trains[name].unit)
        sample, place = np.nonzero(np.isfinite(time))
        bins = np.minimum((time[sample, place] / step).astype(int), steps - 1)
        active += len(np.unique(np.stack([sample, unit[sample, place], bins]), axis=1).T)
        every += len(time) * network.size(name) * steps
    return 1 - active / every if every else float("nan")
