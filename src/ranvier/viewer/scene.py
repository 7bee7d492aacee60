"""A scene: all there is to see of one sample in plain numbers, whatever draws it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ranvier.dense import dense
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.viewer.placing import Place, positions

DRAWN = 3000
"""Axons that are drawn at most: those of the largest weights, as many of each connection as its share of all."""


@dataclass(frozen=True, eq=False)
class Scene:
    """One sample, seen.

    Neurons are numbered through all populations.

    Args:
        title: What is seen.
        names: Name of each population.
        starts: Number of the first neuron of each population, and how many there are.
        place: Where each neuron stands.
        flat: Whether all stand in a plane.
        pre: Sending neuron of each axon that is drawn.
        post: Receiving neuron.
        weight: Its weight.
        delay: Its delay (ms).
        synapses: How many synapses the network has.
        time: Time of each spike (ms), ascending.
        neuron: Which neuron fired.
        t_end: End of the sample (ms).
        units: Names of the neurons of the last population, such as classes; else numbers.
        answer: Which of them is the answer, and when it is known (ms); None if nothing decides.
        label: Which would be right; None if that is not known.
    """

    title: str
    names: tuple[str, ...]
    starts: tuple[int, ...]
    place: Float[np.ndarray, "neurons 3"]
    flat: bool
    pre: Int[np.ndarray, " axons"]
    post: Int[np.ndarray, " axons"]
    weight: Float[np.ndarray, " axons"]
    delay: Float[np.ndarray, " axons"]
    synapses: int
    time: Float[np.ndarray, " spikes"]
    neuron: Int[np.ndarray, " spikes"]
    t_end: float
    units: tuple[str, ...]
    answer: tuple[int, float] | None
    label: int | None

    @property
    def note(self) -> str:
        """How much of the network is drawn, in words."""
        drawn = len(self.weight)
        some = f"{self.synapses:,} synapses"
        return some if drawn == self.synapses else f"the {drawn:,} strongest of {some}"


def scene(
    network: Network,
    spikes: Mapping[str, Spikes],
    *,
    t_end: float,
    title: str = "",
    place: Place = positions,
    units: Sequence[str] = (),
    answer: tuple[int, float] | None = None,
    label: int | None = None,
    drawn: int = DRAWN,
) -> Scene:
    """What there is to see of one sample.

    Args:
        network: The network, of known values.
        spikes: Spikes of each population of one sample, inputs included: `{"input": spikes, **solution.spikes}`.
        t_end: End of the sample (ms).
        title: What is seen.
        place: Where neurons are drawn: `positions`, `by_layers`, `by_delays` of this module, or a function of your own.
        units: Names of the neurons of the last population.
        answer: Which of them is the answer, and when it is known (ms); default the first of them that fires.
        label: Which would be right.
        drawn: Axons that are drawn at most.

    Raises:
        ValueError: spikes have a batch axis, or are of a population that is not there.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.viewer import scene
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> scene(net, {"input": rv.Spikes(jnp.array([1.0]), jnp.array([0]))}, t_end=5.0).synapses
        6
    """
    _check(network, spikes)
    places = place(network)
    starts = np.cumsum([0, *(one.size for one in network.members)]).tolist()
    first = dict(zip(network.names, starts, strict=False))
    every = np.concatenate([places[name] for name in network.names])
    time = np.concatenate([np.zeros(0), *(np.asarray(one.time, float) for one in spikes.values())])
    neuron = np.concatenate([np.zeros(0, int), *(np.asarray(one.unit) + first[name] for name, one in spikes.items())])
    there = np.isfinite(time)
    order = np.argsort(time[there], kind="stable")
    time, neuron = time[there][order], neuron[there][order]
    count = network.members[-1].size
    own = (neuron >= starts[-2]) & (neuron < starts[-1])
    if answer is None and own.any():
        answer = int(neuron[own][0] - starts[-2]), float(time[own][0])
    axons, synapses = _axons(network, first, drawn)
    names = tuple(units) if len(units) == count else tuple(map(str, range(count)))
    flat = bool(np.ptp(every[:, 2]) < 1e-9)
    pre, post, weight, delay = axons
    return Scene(title, network.names, tuple(starts), every, flat, pre, post, weight, delay, synapses, time, neuron,
                 float(t_end), names, answer, label)  # fmt: skip


def _check(network: Network, spikes: Mapping[str, Spikes]) -> None:
    for name, train in spikes.items():
        if name not in network.names:
            msg = (
                f"scene: `spikes` names {name!r}, which is no population of this network; it has {list(network.names)}."
            )
            raise ValueError(msg)
        if train.time.ndim != 1:
            msg = f"scene: `spikes` must be those of one sample; got shape {train.time.shape} for {name!r}."
            raise ValueError(msg)


def _axons(network: Network, first: dict[str, int], most: int) -> tuple[tuple[np.ndarray, ...], int]:
    """Ends, weights and delays of the axons that are drawn, and the number of all synapses."""
    parts = []
    for link in dense(network):
        exists = np.ones(link.weight.shape, bool) if link.exists is None else np.asarray(link.exists)
        pre, post = np.nonzero(exists)
        weight = np.asarray(link.weight, float)[exists]
        delay = np.broadcast_to(np.asarray(link.delay, float), exists.shape)[exists]
        if not (np.isfinite(weight).all() and np.isfinite(delay).all()):
            msg = (
                f"scene: {link.name} has weights or delays that are not finite, which cannot be drawn; did it diverge?"
            )
            raise ValueError(msg)
        parts.append((pre + first[link.pre], post + first[link.post], weight, delay))
    synapses = sum(len(part[0]) for part in parts)
    kept = []
    for part in parts:
        room = len(part[0]) if synapses <= most else max(most * len(part[0]) // synapses, 1)
        best = np.sort(np.argsort(-np.abs(part[2]), kind="stable")[:room])
        kept.append([column[best] for column in part])
    return tuple(np.concatenate([part[n] for part in kept]) for n in range(4)), synapses
