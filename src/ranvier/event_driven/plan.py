"""The plan of a simulation: everything about it that is known before any number is.

Order of the populations inside a window, length of the window, capacities, and how each connection is delivered. A
plan is hashable: JAX compiles one program for each.
"""

import dataclasses
import itertools

import numpy as np

from ranvier.gradients import Parts
from ranvier.graph import cycle_limit
from ranvier.network import Network

MOST_WINDOWS = 2**22
"""Into so many windows a simulation is cut at most: beyond, a mistake in a time constant is likelier than patience."""

SAFE = {"float32": 2.0, "float64": 8.0}
"""Largest window in units of the smallest time constant: beyond, e^{f/tau} costs digits."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """Static description of one simulation. Populations are numbered: inputs first, then neurons in running order.

    `pairs`: how many a connection has, -1 if it has all synapses. Of each population of neurons: `records` is the
    number of its record times, `peaked` whether its highest potential is wanted, `near` whether that of its silent
    neurons is, `decays` those of its integrals.
    `given`: spikes of a population that are known, those of inputs and those from before t = 0; `started`: whether
    there may be such; `ending`: whether the state at the end is wanted.
    """

    populations: tuple[str, ...]
    inputs: int
    sizes: tuple[int, ...]
    capacities: tuple[int, ...]
    mixed: tuple[bool, ...]
    links: tuple[str, ...]
    pre: tuple[int, ...]
    post: tuple[int, ...]
    delay_shapes: tuple[tuple[int, int], ...]
    pairs: tuple[int, ...]
    low: tuple[float, ...]
    records: tuple[int, ...]
    peaked: tuple[bool, ...]
    near: tuple[bool, ...]
    decays: tuple[tuple[float, ...], ...]
    dtype: str
    t_end: float
    longest_window: float
    parts: Parts
    threads: int | None
    given: tuple[int, ...]
    started: bool
    ending: bool

    @property
    def valued(self) -> bool:
        """Whether the gradient has the value of a spike in it."""
        return self.parts.scale > 0

    @property
    def rows(self) -> tuple[int, ...]:
        """How many numbers the engine gives of a neuron's potential, in each population of neurons."""
        wanted = zip(self.records, self.peaked, self.decays, strict=True)
        return tuple(times + peaked + len(decays) for times, peaked, decays in wanted)

    @property
    def peaks(self) -> int:
        """Neurons whose highest potential is watched."""
        wanted = zip(self.sizes[self.inputs :], self.peaked, self.near, strict=True)
        return sum(size for size, peaked, near in wanted if peaked or near)

    def integers(self) -> np.ndarray:
        """What the engine reads of the plan: see `engine/network/plan.h`."""
        none = (0,) * self.inputs
        wanted = (
            none + self.records,
            none + self.peaked,
            none + tuple(map(len, self.decays)),
            self.given,
            none + self.near,
        )
        populations = zip(self.sizes, self.capacities, self.mixed, *wanted, strict=True)
        links = zip(self.pre, self.post, self.delay_shapes, self.pairs, strict=True)
        return np.array([
            self.inputs, len(self.populations), len(self.links), self.threads or 0, int(self.started),
            *(number for population in populations for number in population),
            *(number for pre, post, shape, pairs in links for number in (pre, post, *shape, pairs)),
        ], np.int64)  # fmt: skip

    def numbers(self) -> np.ndarray:
        """The same, real ones."""
        decays = itertools.chain(*self.decays)
        return np.array([self.t_end, self.longest_window, *self.parts, *self.low, *decays], np.float64)


def longest_window(network: Network, arrivals: int, t_end: float, min_delay: float, wanted: float | None) -> float:
    """Longest window (ms) that keeps the order of populations, and is not longer than useful.

    At most the smallest delay bound that closes a cycle. Within that, `wanted`, or what lets about eight input spikes
    arrive in a window.

    Args:
        network: The network.
        arrivals: Input spikes expected per sample.
        t_end: End of the simulation (ms).
        min_delay: Smallest bound accepted around a cycle (ms).
        wanted: The user's choice, or None.

    Raises:
        ValueError: a cycle has a delay bound below `min_delay`.
    """
    limit, cycle = cycle_limit(network)
    if limit < min_delay:
        msg = (
            f"EventDriven: {', '.join(cycle)} form a cycle whose delays may be as small as {limit} ms; the smallest "
            f"allowed is min_delay = {min_delay} ms. Give one of them a larger lower bound, for example "
            f"rv.synaptic(low={max(min_delay, 0.5)}, ...), or lower EventDriven(min_delay=...), which costs time."
        )
        raise ValueError(msg)
    choice = 8.0 * t_end / max(arrivals, 1.0) if wanted is None else wanted
    return min(limit, choice, 2.0 * t_end)
