"""Readouts: what is read off a simulation, one number per output, for losses, metrics and predictions.

A readout is a value that is called with a `Solution` and knows what has to be recorded for it: potentials at times, or
summaries of potentials over the whole simulation (`ranvier.summaries`), which `EventDriven` gives exactly:

    readout = readouts.MaxPotential("output")
    solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=60.0, record=readout.record)
    loss = losses.cross_entropy(readout(solution), label)

All work with and without a batch axis. `decide` turns the numbers into a class: the output that fires first
(`earliest`) or has the highest number (`highest`). Any function of a solution can stand where a readout can; it is
`Custom(function, record=...)` that says what it needs recorded.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int

from ranvier.events import first_spike, spike_count
from ranvier.simulation import Solution
from ranvier.summaries import AbstractSummary, Integral, Maximum, Mean, Summaries, as_summaries, check_tau

Record = Mapping[str, tuple[float, ...] | Summaries]
Decide = Callable[[Any], Int[Array, "*batch"]]


def earliest(first: Float[Array, "*batch outputs"]) -> Int[Array, "*batch"]:
    """The output that fires before all others; -1, no answer, where none does or two tie.

    Args:
        first: First spike times (ms), `inf` where an output is silent, shape (*batch, outputs).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.readouts import earliest
        >>> earliest(jnp.array([[2.0, 1.0], [1.0, 1.0], [jnp.inf, jnp.inf]])).tolist()
        [1, -1, -1]
    """
    soonest = jnp.min(first, axis=-1, keepdims=True)
    alone = (jnp.sum(first == soonest, axis=-1) == 1) & jnp.isfinite(soonest[..., 0])
    return jnp.where(alone, jnp.argmin(first, axis=-1), -1).astype(jnp.int32)


def highest(value: Float[Array, "*batch outputs"]) -> Int[Array, "*batch"]:
    """The output with the highest number; -1, no answer, where two tie.

    Args:
        value: A number per output, shape (*batch, outputs).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.readouts import highest
        >>> highest(jnp.array([[0.2, 0.1], [0.3, 0.3]])).tolist()
        [0, -1]
    """
    alone = jnp.sum(value == jnp.max(value, axis=-1, keepdims=True), axis=-1) == 1
    return jnp.where(alone, jnp.argmax(value, axis=-1), -1).astype(jnp.int32)


class AbstractReadout(abc.ABC):
    """Reduces a solution to numbers. Implementations are frozen dataclasses.

    Args:
        record: What has to be recorded of each population, times (ms) or summaries, for `ranvier.simulate(record=...)`.
        decide: What makes a class of the numbers, such as `earliest`; None if there is no rule.
    """

    record: Record
    decide: Decide | None

    @abc.abstractmethod
    def __call__(self, solution: Solution) -> Any:
        """Read the numbers off a solution, of one sample or of a batch."""


@dataclasses.dataclass(frozen=True)
class FirstSpike(AbstractReadout):
    """Time of each output's first spike (ms), `inf` where it is silent. The earliest output is the answer.

    `t_j = min {t : j spikes at t}`, shape (*batch, outputs).

    Args:
        population: The output population.

    Example:
        >>> from ranvier import readouts
        >>> readouts.FirstSpike("output").record
        {}
    """

    population: str = "output"

    @property
    def record(self) -> Record:
        """No potentials."""
        return {}

    decide = staticmethod(earliest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """First spike times (ms).

        Args:
            solution: What `ranvier.simulate` gave.

        Raises:
            ValueError: the population has no spikes in this solution.
        """
        return first_spike(_spikes(solution, self))


@dataclasses.dataclass(frozen=True)
class SpikeCount(AbstractReadout):
    """Number of spikes of each output. The output with most of them is the answer.

    A number of spikes has no derivative with respect to spike times: see `ranvier.spike_count` for the simulators that
    can differentiate it; with the others a gradient through it raises.

    Args:
        population: The output population.

    Example:
        >>> from ranvier import readouts
        >>> readouts.SpikeCount("output").population
        'output'
    """

    population: str = "output"

    @property
    def record(self) -> Record:
        """No potentials."""
        return {}

    decide = staticmethod(highest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """Numbers of spikes.

        Args:
            solution: What `ranvier.simulate` gave.

        Raises:
            ValueError: the population has no spikes in this solution.
        """
        return spike_count(_spikes(solution, self))


@dataclasses.dataclass(frozen=True)
class Potential(AbstractReadout):
    """Potentials of the outputs at one time, or at several. The highest output is the answer, at each time.

    Args:
        population: The output population.
        times: A time (ms): the result has shape (*batch, outputs). Or ascending times: (*batch, times, outputs).

    Raises:
        ValueError: there is no time, or they are not finite, >= 0 and ascending.

    Example:
        >>> from ranvier import readouts
        >>> readouts.Potential("output", 50.0).record
        {'output': (50.0,)}
    """

    population: str
    times: float | Sequence[float] | Float[np.ndarray, " times"]

    def __post_init__(self):
        given = np.asarray(self.times, float)
        kept = _ascending("Potential", given)
        object.__setattr__(self, "times", kept if given.ndim else kept[0])

    @property
    def record(self) -> Record:
        """The times."""
        return {self.population: tuple(np.atleast_1d(np.asarray(self.times)).tolist())}

    decide = staticmethod(highest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """Potentials.

        Args:
            solution: What `ranvier.simulate` gave with `record=readout.record`.

        Raises:
            ValueError: other times, or none, were recorded.
        """
        voltage = _voltages(solution, self)
        return voltage if isinstance(self.times, tuple) else voltage[..., 0, :]


@dataclasses.dataclass(frozen=True)
class MaxPotential(AbstractReadout):
    """The highest potential of each output over the whole simulation. The highest output is the answer.

    `max_t V(t)`, at its true instant: `ranvier.summaries.Maximum`.

    Args:
        population: The output population, which integrates.

    Example:
        >>> from ranvier import readouts
        >>> readouts.MaxPotential("output").record
        {'output': (Maximum(),)}
    """

    population: str

    @property
    def record(self) -> Record:
        """The maximum."""
        return {self.population: (Maximum(),)}

    decide = staticmethod(highest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """Highest potentials; a ValueError if they were not recorded with `record=readout.record`."""
        return _voltages(solution, self)[..., 0, :]


@dataclasses.dataclass(frozen=True)
class MeanPotential(AbstractReadout):
    """The mean potential of each output over the whole simulation, weighted if wanted. The highest is the answer.

    `integral of e^(-t / tau) V(t) dt / integral of e^(-t / tau) dt`, from 0 to t_end: `ranvier.summaries.Mean`.

    Args:
        population: The output population, which integrates.
        tau: Time constant (ms) of weights that favour early times; inf for none.

    Raises:
        ValueError: `tau` is not above 0.

    Example:
        >>> from ranvier import readouts
        >>> readouts.MeanPotential("output", tau=1000.0).record
        {'output': (Mean(tau=1000.0),)}
    """

    population: str
    tau: float = math.inf

    def __post_init__(self):
        check_tau(type(self).__name__, self.tau)

    @property
    def record(self) -> Record:
        """The mean."""
        return {self.population: (Mean(self.tau),)}

    decide = staticmethod(highest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """Weighted means; a ValueError if they were not recorded with `record=readout.record`."""
        return _voltages(solution, self)[..., 0, :]


@dataclasses.dataclass(frozen=True)
class IntegralPotential(AbstractReadout):
    """The integral of the potential of each output (ms), weighted if wanted. The highest is the answer.

    `integral from 0 to t_end of e^(-t / tau) V(t) dt`: `ranvier.summaries.Integral`.

    Args:
        population: The output population, which integrates.
        tau: Time constant (ms) of weights that favour early times; inf for none.

    Raises:
        ValueError: `tau` is not above 0.

    Example:
        >>> from ranvier import readouts
        >>> readouts.IntegralPotential("output").record
        {'output': (Integral(tau=inf),)}

    Source: with `cross_entropy`, Nowotny, Turner & Knight, Neuromorph. Comput. Eng. 5 (2025), arXiv:2212.01232.
    """

    population: str
    tau: float = math.inf

    def __post_init__(self):
        check_tau(type(self).__name__, self.tau)

    @property
    def record(self) -> Record:
        """The integral."""
        return {self.population: (Integral(self.tau),)}

    decide = staticmethod(highest)

    def __call__(self, solution: Solution) -> Float[Array, "*batch outputs"]:
        """Weighted integrals; a ValueError if they were not recorded with `record=readout.record`."""
        return _voltages(solution, self)[..., 0, :]


@dataclasses.dataclass(frozen=True)
class Custom(AbstractReadout):
    """Any function of a solution, with what it needs recorded.

    Args:
        function: `function(solution)`, anything that the loss can use.
        record: What to record of each population, ascending times (ms) or summaries; default nothing.
        decide: What makes a class of what the function gives, such as `highest`; default nothing does.

    Raises:
        ValueError: times are not valid, as for `Potential`.

    Example:
        >>> from ranvier import readouts
        >>> late = readouts.Custom(lambda solution: solution.voltages["output"][..., -10:, :].mean(axis=-2),
        ...                        record={"output": list(range(1, 60))}, decide=readouts.highest)
        >>> late.record["output"][-1]
        59.0
    """

    function: Callable[[Solution], Any]
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary] = dataclasses.field(default_factory=dict)
    decide: Decide | None = None

    def __post_init__(self):
        times = lambda at: _ascending("Custom", np.atleast_1d(np.asarray(at, float)))
        kept = {name: as_summaries(at) or times(at) for name, at in self.record.items()}
        object.__setattr__(self, "record", kept)

    def __call__(self, solution: Solution) -> Any:
        """What the function gives.

        Args:
            solution: What `ranvier.simulate` gave with `record=readout.record`.
        """
        return self.function(solution)


def as_readout(readout: AbstractReadout | Callable[[Solution], Any]) -> AbstractReadout:
    """A readout as it is; any other function as `Custom` without anything recorded.

    Args:
        readout: Either.

    Raises:
        ValueError: it cannot be called.

    Example:
        >>> from ranvier.readouts import as_readout
        >>> as_readout(lambda solution: solution.voltages["output"]).decide is None
        True
    """
    if isinstance(readout, AbstractReadout):
        return readout
    if isinstance(readout, type) or not callable(readout):
        got = f"the class {readout.__name__}, without ()" if isinstance(readout, type) else repr(readout)
        msg = f"`readout` must be a readout such as ranvier.readouts.FirstSpike('output'), or a function; got {got}."
        raise ValueError(msg)
    return Custom(readout)


def _ascending(owner: str, times: Float[np.ndarray, "*times"]) -> tuple[float, ...]:
    flat = np.atleast_1d(times)
    if flat.ndim != 1 or flat.size == 0 or not (np.isfinite(flat).all() and flat[0] >= 0 and (np.diff(flat) > 0).all()):
        msg = f"{owner}: `times` must be finite, >= 0 ms and ascending, at least one; got {times}."
        raise ValueError(msg)
    return tuple(flat.tolist())


def _spikes(solution: Solution, readout: FirstSpike | SpikeCount) -> Any:
    if readout.population not in solution.spikes:
        there = list(solution.spikes)
        msg = f"{readout}: this solution has spikes of {there} only; Potential and its like read populations without."
        raise ValueError(msg)
    return solution.spikes[readout.population]


def _voltages(
    solution: Solution, readout: Potential | MaxPotential | MeanPotential | IntegralPotential
) -> Float[Array, "*batch records outputs"]:
    name, wanted = readout.population, readout.record[readout.population]
    recorded = solution.voltages.get(name)
    if recorded is None or recorded.shape[-2] != len(wanted):
        asked = as_summaries(wanted)
        needs = f"potentials of {name!r} at its {len(wanted)} times" if asked is None else f"{asked[0]} of {name!r}"
        got = "none" if recorded is None else recorded.shape[-2]
        msg = (
            f"{type(readout).__name__}: needs the {needs}; {got} were recorded. Pass record=readout.record to simulate."
        )
        raise ValueError(msg)
    return recorded
