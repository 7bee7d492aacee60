"""Summaries: what can be recorded of a potential over a whole simulation, one number per neuron, without record times.

A population that integrates (`ranvier.LI`) has them wherever it has potentials at times:

    solution = rv.simulate(net, spikes, rv.EventDriven(), t_end=60.0, record={"output": rv.summaries.Maximum()})
    solution.voltages["output"]  # (batch, 1, size); one row for each summary that was asked for

`EventDriven` and `FirstSpike` give them exactly, in closed form between events, with exact derivatives. `ClockDriven`
and `Surrogate` take them from the potentials at their steps.
"""

import abc
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


class AbstractSummary(abc.ABC):
    """A number for each neuron, of its potential V over [0, t_end]. Implementations are frozen dataclasses.

    It is either the maximum of V, or the integral of V with the weight `e^{-decay t}` times a gain.
    """

    @property
    @abc.abstractmethod
    def decay(self) -> float | None:
        """Of the integral's weight (per ms); None for the maximum."""

    @abc.abstractmethod
    def at_rest(self, t_end: float) -> float:
        """What it is of a potential that is 1 all the time."""

    def gain(self, t_end: float) -> float:
        """What the integral is multiplied by; 1 for the maximum."""
        return 1.0 if self.decay is None else self.at_rest(t_end) / _whole(self.decay, t_end)

    def on_grid(
        self, voltage: Float[Array, "*batch times size"], times: Float[np.ndarray, " times"]
    ) -> Float[Array, "*batch size"]:
        """The summary of a potential that is known at ascending times, from 0 to the end, and straight between them.

        Args:
            voltage: The potentials.
            times: The times (ms).
        """
        if self.decay is None:
            return jnp.max(voltage, axis=-2)
        weight = self.gain(float(times[-1])) * _shares(self.decay, times)
        return jnp.einsum("t,...ts->...s", jnp.asarray(weight, voltage.dtype), voltage)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Maximum(AbstractSummary):
    """The highest potential, at its true instant: `max_t V(t)`, the ends 0 and t_end included.

    Its derivative is that of V at that instant, with what the instant's own move adds where an event arrives there and
    turns V. Of equal maxima the earliest counts. Of several events that turn V at one instant each owes a part by its
    weight.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> weight = rv.initializers.constant(2.0)
        >>> net = rv.feedforward([1, 1], neuron=rv.LI(10.0, 10.0), weight=weight, key=jax.random.key(0))
        >>> record = {"output": rv.summaries.Maximum()}
        >>> solution = rv.simulate(net, rv.Spikes([1.0], [0]), rv.EventDriven(), t_end=50.0, record=record)
        >>> bool(jnp.allclose(solution.voltages["output"], 2.0 / jnp.e))
        True
    """

    @property
    def decay(self) -> None:
        """None."""
        return None

    def at_rest(self, t_end: float) -> float:
        """1."""
        del t_end
        return 1.0


@dataclasses.dataclass(frozen=True)
class _AbstractWeighted(AbstractSummary):
    """With weights e^{-t / tau}.

    Args:
        tau: Time constant (ms) of weights that favour early times, > 0; inf for none.
    """

    tau: float = math.inf

    def __post_init__(self):
        check_tau(type(self).__name__, self.tau)

    @property
    def decay(self) -> float:
        """1/tau."""
        return 1.0 / self.tau


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Integral(_AbstractWeighted):
    """The integral of the potential (ms), weighted if wanted: `integral from 0 to t_end of e^{-t / tau} V(t) dt`.

    Args:
        tau: Time constant (ms) of weights that favour early times, > 0; inf for none.

    Raises:
        ValueError: `tau` is not above 0.

    Example:
        >>> from ranvier.summaries import Integral
        >>> Integral(tau=1000.0).decay
        0.001
    """

    def at_rest(self, t_end: float) -> float:
        """`tau (1 - e^{-t_end / tau})`."""
        return _whole(self.decay, t_end)


@jax.tree_util.register_static
@dataclasses.dataclass(frozen=True)
class Mean(_AbstractWeighted):
    """The mean potential, weighted if wanted: the integral of `e^{-t / tau} V` over that of `e^{-t / tau}`.

    Args:
        tau: Time constant (ms) of weights that favour early times, > 0; inf for none.

    Raises:
        ValueError: `tau` is not above 0.

    Example:
        >>> from ranvier.summaries import Mean
        >>> Mean().gain(t_end=50.0)
        0.02
    """

    def at_rest(self, t_end: float) -> float:
        """1."""
        del t_end
        return 1.0


Summaries = tuple[AbstractSummary, ...]
"""What is asked of one population."""


def as_summaries(given: object) -> Summaries | None:
    """A summary, or several, as a tuple; None if it is anything else, such as times.

    Args:
        given: What may be summaries.

    Example:
        >>> from ranvier.summaries import Maximum, as_summaries
        >>> as_summaries(Maximum()), as_summaries([10.0, 20.0])
        ((Maximum(),), None)
    """
    several = given if isinstance(given, tuple | list) else (given,)
    found = tuple(one for one in several if isinstance(one, AbstractSummary))
    return found if found and len(found) == len(several) else None


def above_rest(
    asked: Summaries, found: Float[Array, "batch summaries size"], leak: Float[Array, "*#size"], t_end: float
) -> Float[Array, "batch summaries size"]:
    """Summaries of V = leak + u, of the maxima and plain integrals of u.

    Args:
        asked: The summaries of one population.
        found: For each of them the maximum, or the integral of `e^{-decay t} u` (ms).
        leak: The potential at rest.
        t_end: End of the simulation (ms).
    """
    column = lambda values: jnp.array(list(values), found.dtype)[None, :, None]
    gain, rest = column(one.gain(t_end) for one in asked), column(one.at_rest(t_end) for one in asked)
    return gain * found + rest * leak.reshape(1, 1, -1)


def check_tau(owner: str, tau: float) -> None:
    """Refuse what is no time constant of weights."""
    if not tau > 0:
        msg = f"{owner}: `tau` must be a time in ms above 0, or inf; got {tau}."
        raise ValueError(msg)


def _whole(decay: float, span: float) -> float:
    """The integral of `e^{-decay t}` over a time."""
    return span if decay == 0 else -math.expm1(-decay * span) / decay


def _shares(decay: float, times: Float[np.ndarray, " times"]) -> Float[np.ndarray, " times"]:
    """Weight of each time in the integral of `e^{-decay t}` times a function that is straight between them."""
    at = np.asarray(times, float)
    step = np.diff(at)
    x = decay * step
    small = x < 1e-4
    safe = np.where(small, 1.0, x)
    whole = np.where(small, 1.0 - x / 2 + x**2 / 6, -np.expm1(-safe) / safe)
    late = np.where(small, 0.5 - x / 3 + x**2 / 8, (-np.expm1(-safe) - safe * np.exp(-safe)) / safe**2)
    found, early = np.zeros_like(at), step * np.exp(-decay * at[:-1])
    found[:-1] += early * (whole - late)
    found[1:] += early * late
    return found
