"""A doctor for networks that do not learn: look at everything once, and say what is most likely wrong."""

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from ranvier.checks import symptoms
from ranvier.checks.findings import Diagnosis
from ranvier.checks.vitals import measure
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.readouts import AbstractReadout, as_readout
from ranvier.simulation import AbstractSimulator, Solution

SAMPLES = 200
"""Samples that are looked at."""


def diagnose(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    *,
    t_end: float,
    readout: AbstractReadout | Callable[[Solution], Any] | None = None,
    loss: Callable[[Any, Any], Float[Array, ""]] | None = None,
    target: Any = None,
    learn: tuple[str, ...] = (),
    rates: Mapping[str, float] | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> Diagnosis:
    """Why does this network not learn? One simulation and one gradient of some samples, and what they tell.

    It looks for silent and saturated neurons, input times in another unit, time constants and delays that do not go
    with the length of the simulation, outputs that tell nothing apart, one class or one answer only, labels out of
    step, learning rates beside the weights that they move, gradients that vanish or explode, and delays at a bound.
    The more is given the more can be seen.

    Args:
        network: The network.
        spikes: Input spikes of shape (samples, n), or one for each input population; the first 200 samples are used.
            Unlike `ranvier.simulate` this takes spikes after `t_end`, and reports them.
        simulator: How it is simulated.
        t_end: End of the simulation (ms).
        readout: What is read off a simulation, as for `ranvier.Recipe`.
        loss: `loss(value, target)` of a sample.
        target: Target of each sample, such as its class.
        learn: What learns, as for `ranvier.partition`; default weights and delays.
        rates: Learning rates by path, such as `{"weight": 0.02}`.
        history: Metrics of the epochs so far, as in `Fitted.epochs`.

    Returns:
        A `Diagnosis`: `print` it, look at its `findings`, the likeliest first, or `draw` it.

    Raises:
        ValueError: the arguments do not fit together.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.checks import diagnose
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(0.1), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([[1.0, 20.0]]), jnp.array([[0, 1]]))
        >>> found = diagnose(net, spikes, rv.EventDriven(), t_end=50.0)
        >>> found.findings[0].symptom.value, found.findings[0].where
        ('silent neurons', 'output')
    """
    if any(leaf.ndim != 2 for leaf in jax.tree.leaves(spikes)):
        msg = "diagnose: `spikes` must have shape (samples, n); give one sample as Spikes(time[None], unit[None])."
        raise ValueError(msg)
    some, goal = jax.tree.map(lambda leaf: leaf[:SAMPLES], (spikes, jax.tree.map(np.asarray, target)))
    read = None if readout is None else as_readout(readout)
    vitals = measure(network, some, simulator, float(t_end), read, loss, goal, learn)
    lines = list(history)
    found = chain(
        symptoms.numbers(vitals),
        symptoms.inputs(vitals),
        symptoms.time_constants(vitals),
        symptoms.arrivals(vitals),
        symptoms.activity(vitals),
        symptoms.readout(vitals),
        symptoms.labels(vitals, lines),
        symptoms.steps(vitals, rates or {}, lines),
        symptoms.gradients(vitals),
        symptoms.bounds(vitals),
    )
    return Diagnosis(tuple(sorted(found, key=lambda finding: -finding.likelihood)), vitals)
