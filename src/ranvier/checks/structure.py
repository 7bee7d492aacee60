"""The discrete side of a simulation: what must stay as it is for a derivative to exist.

Spike times are smooth functions of weights, delays and thresholds as long as every neuron keeps its number of
spikes, and every arrival its place among the instants at which its neuron is special: spikes, ends of
refractory times, and times at which a potential is recorded. Where an arrival passes such an instant the
derivative jumps. The order of two arrivals does not matter: they add up. `signature` sums this up in a value
that can be compared. `slopes` gives dV/dt at the spikes: where it is small the threshold is only grazed, and
a spike time hardly has a derivative.

All of this is computed here from spike times, weights and delays, in NumPy, without a simulator.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from ranvier.connections import Connection
from ranvier.dense import dense
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.patterns import Pairs

LINEAR = ("checks: a network's spike structure", "Compare with central differences of your own.")
"""Who asks for linear neurons, and what to do with others."""


class Train(NamedTuple):
    """Spikes of one population, without padding, ordered by unit and then by time."""

    time: Float[np.ndarray, " n"]
    unit: Int[np.ndarray, " n"]


def by_unit(time: Float[np.ndarray, " n"], unit: Int[np.ndarray, " n"]) -> Train:
    """Drop the padding and sort by unit, then by time.

    Example:
        >>> import numpy as np
        >>> from ranvier.checks.structure import by_unit
        >>> by_unit(np.array([1.0, 2.0, np.inf]), np.array([1, 0, -1])).time.tolist()
        [2.0, 1.0]
    """
    spike = np.isfinite(time)
    time, unit = time[spike], unit[spike]
    order = np.lexsort((time, unit))
    return Train(time[order], unit[order])


class Wiring(NamedTuple):
    """Sizes of the populations of neurons; sender, receiver and synapses of each connection."""

    sizes: dict[str, int]
    links: tuple[tuple[str, str, Bool[np.ndarray, "pre post"]], ...]


def wiring(network: Network) -> Wiring:
    """What `signature` needs of a network.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.checks.structure import wiring
        >>> wiring(rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))).sizes
        {'output': 3}
    """
    sizes = {name: network.size(name) for name in network.neurons}
    return Wiring(sizes, tuple((link.pre, link.post, _exists(network, link)) for link in network.connections))


def signature(
    wired: Wiring,
    trains: dict[str, Train],
    delays: tuple[Float[np.ndarray, "_ _"], ...],
    refractory: dict[str, Float[np.ndarray, "..."]],
    record: dict[str, Float[np.ndarray, "..."]],
) -> bytes:
    """Everything discrete about a run: two runs with equal signatures lie on one smooth piece.

    Args:
        wired: The network's wiring.
        trains: Spikes of every population, inputs included.
        delays: Delays (ms) of every connection.
        refractory: Refractory times (ms) of every population of neurons.
        record: Record times (ms) by population.

    Returns:
        Spikes per neuron, the order of each neuron's special instants, and each arrival's place among them.
    """
    parts: list[np.ndarray] = []
    instants: dict[str, list[np.ndarray]] = {}
    nothing = np.zeros(0)
    for name, size in wired.sizes.items():
        time, unit = trains.get(name, Train(nothing, np.zeros(0, int)))
        rest = np.broadcast_to(refractory[name], size)[unit]
        ends, at = (rest > 0) & (rest < np.inf), record.get(name, nothing)
        times = np.concatenate([time, (time + rest)[ends], np.tile(at, size)])
        units = np.concatenate([unit, unit[ends], np.repeat(np.arange(size), len(at))])
        order = np.lexsort((times, units))
        last = np.cumsum(np.bincount(units, minlength=size)).tolist()
        times = times[order]
        instants[name] = [times[start:stop] for start, stop in zip([0, *last], last, strict=False)]
        parts += [np.bincount(unit, minlength=size), order]
    for (pre, post, exists), delay in zip(wired.links, delays, strict=True):
        sent = trains[pre]
        arrival, there = sent.time[:, None] + np.broadcast_to(delay, exists.shape)[sent.unit], exists[sent.unit]
        parts += [np.searchsorted(marks, arrival[there[:, unit], unit]) for unit, marks in enumerate(instants[post])]
    return b"".join(np.asarray(part, np.int32).tobytes() + b"|" for part in parts)


def order(trains: dict[str, Train]) -> bytes:
    """In which order the neurons of each population fire, as a value to compare."""
    return b"".join(np.argsort(train.time, kind="stable").tobytes() + b"|" for train in trains.values())


def _exists(network: Network, link: Connection) -> Bool[np.ndarray, "pre post"]:
    """Where there is a synapse."""
    shape = network.size(link.pre), network.size(link.post)
    if not isinstance(link.pattern, Pairs):
        return np.full(shape, True)
    exists = np.full(shape, False)
    exists[np.asarray(link.pattern.pre), np.asarray(link.pattern.post)] = True
    return exists


def arrivals(
    train: Train, delay: Float[np.ndarray, "#pre #post"], shape: tuple[int, ...]
) -> Float[np.ndarray, "n post"]:
    """When each spike of the sending population arrives at each neuron of the receiving one (ms)."""
    return train.time[:, None] + np.broadcast_to(delay, shape)[train.unit]


def slopes(
    network: Network, trains: dict[str, Train], delays: tuple[Float[np.ndarray, "_ _"], ...]
) -> dict[str, Float[np.ndarray, "..."]]:
    """Slope dV/dt (threshold units per ms) just before each spike.

    At threshold, `V' = (v_leak + bias - v_threshold + I) / tau_mem`.
    `I` is the sum of `w e^{-(t - t_a)/tau_syn}` over the arrivals before the spike. Spikes that reach a
    neuron in its refractory time count: the current goes on.

    Args:
        network: The network, with its numbers.
        trains: Spikes of every population, inputs included.
        delays: Delays (ms) of every connection.

    Returns:
        Slopes of each spiking population, in the order of its `Train`.
    """
    found = {}
    for name in network.neurons:
        size = network.size(name)
        neuron = linear(network.neurons[name], *LINEAR)
        if not neuron.spiking:
            continue
        train = trains[name]
        current = np.zeros(train.time.shape)
        tau = np.broadcast_to(np.asarray(neuron.tau_syn), size)
        for link, delay in zip(dense(network), delays, strict=True):
            if link.post != name:
                continue
            arrival = arrivals(trains[link.pre], delay, link.weight.shape)
            weight = np.asarray(link.weight)[trains[link.pre].unit]
            for unit in range(size):
                mine = train.unit == unit
                age = train.time[mine, None] - arrival[None, :, unit]
                decay = np.where(age > 0, np.exp(-np.maximum(age, 0) / tau[unit]), 0.0)
                current[mine] += decay @ weight[:, unit]
        gap = np.broadcast_to(np.asarray(neuron.rest - neuron.v_threshold), size)[train.unit]
        found[name] = (gap + current) / np.broadcast_to(np.asarray(neuron.tau_mem), size)[train.unit]
    return found
