"""Kernels: how a synapse answers an arrival, in closed form.

The state is linear in the arrivals. A step of length dt takes the state to its end and gives the average of its last
part over the step, which is what the voltage sees: with the value at the end instead, a voltage would jump whenever an
arrival moves from one step into the next, and so would every derivative.
"""

import abc
import functools
from collections.abc import Mapping
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier._exprel import exprel
from ranvier.rules import above_zero, check, not_above

State = tuple[Float[Array, "*shape"], ...]
Impulse = tuple[Float[Array, "rows *shape"], ...]
Parameters = Mapping[str, Float[Array, "*shape"]]


class AbstractKernel(eqx.Module):
    """What follows an arrival. `states` and `code` name it in tables of Jaxley."""

    states: eqx.AbstractClassVar[tuple[str, ...]]
    code: eqx.AbstractClassVar[str]

    @abc.abstractmethod
    def parameters(self) -> dict[str, float]:
        """Parameters of each synapse, with their values at first."""

    @abc.abstractmethod
    def decay(self, state: State, s: Float[Array, "*shape"] | float, parameters: Parameters) -> State:
        """The state s ms later, if nothing arrives."""

    @abc.abstractmethod
    def impulse(self, s: Float[Array, "rows *shape"], parameters: Parameters) -> Impulse:
        """What an arrival adds to the state, s ms after it."""

    @abc.abstractmethod
    def area(
        self, start: State, end: State, arrivals: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """Integral (ms) of the last state over a step in which so many arrivals came, from its two ends."""


def step(
    kernel: AbstractKernel,
    state: State,
    arrival: Float[Array, "rows *shape"],
    dt: float,
    parameters: Parameters,
) -> tuple[State, Float[Array, "*shape"]]:
    """One step of a synapse.

    An arrival before the step counts in full: its effect comes late, by less than a step, and none of it is lost.

    Args:
        kernel: The kernel.
        state: Its state at the start of the step.
        arrival: Times (ms) of arrivals from the start of the step, at most dt; `inf` where there is none.
        dt: The step (ms).
        parameters: Its parameters.

    Returns:
        The state at the end, and the average over the step of its last part.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.interop.jaxley.kernels import Exponential, step
        >>> arrival, tau = jnp.array([[0.5]]), {"tau": jnp.array([2.0])}
        >>> (g,), average = step(Exponential(), (jnp.zeros(1),), arrival, 1.0, tau)
        >>> round(float(g[0]), 4), round(float(average[0]), 4)
        (0.7788, 0.4424)
    """
    there = arrival < jnp.inf
    since = jnp.where(there, dt - jnp.where(there, arrival, dt), 0.0)

    @functools.partial(jax.checkpoint, prevent_cse=False)  # reverse mode keeps `since` only
    def answers(since: Float[Array, "rows *shape"], parameters: Parameters) -> State:
        return tuple(jnp.sum(jnp.where(there, part, 0.0), axis=0) for part in kernel.impulse(since, parameters))

    nothing = tuple(jnp.zeros_like(part) for part in state)
    new = jax.lax.cond(jnp.any(there), answers, lambda *_: nothing, since, dict(parameters))  # in most steps none
    end = tuple(old + add for old, add in zip(kernel.decay(state, dt, parameters), new, strict=True))
    arrivals = jnp.sum(there, axis=0, dtype=arrival.dtype)
    return end, kernel.area(state, end, arrivals, parameters) / dt


class Exponential(AbstractKernel):
    """Jumps by 1 and decays, `tau g' = -g`: NEURON's ExpSyn.

    Args:
        tau: Time constant (ms), > 0, with which a synapse starts; each has its own.

    Raises:
        ValueError: `tau` is not a time above 0.

    Example:
        >>> from ranvier.interop.jaxley import Exponential
        >>> Exponential(tau=5.0).parameters()
        {'tau': 5.0}
    """

    tau: float = eqx.field(static=True)
    states: ClassVar[tuple[str, ...]] = ("g",)
    code: ClassVar[str] = ""

    def __init__(self, tau: float = 2.0):
        self.tau = float(tau)
        check("Exponential", [above_zero("tau", self.tau)])

    def parameters(self) -> dict[str, float]:
        """`tau` (ms)."""
        return {"tau": self.tau}

    def decay(self, state: State, s: Float[Array, "*shape"] | float, parameters: Parameters) -> State:
        """`g e^{-s/tau}`."""
        return (state[0] * jnp.exp(-s / parameters["tau"]),)

    def impulse(self, s: Float[Array, "rows *shape"], parameters: Parameters) -> Impulse:
        """`e^{-s/tau}`."""
        return (jnp.exp(-s / parameters["tau"][None]),)

    def area(
        self, start: State, end: State, arrivals: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """`tau (g_start + arrivals - g_end)`."""
        return parameters["tau"] * (start[0] + arrivals - end[0])


class DoubleExponential(AbstractKernel):
    """Rises and decays, with a peak of 1: NEURON's Exp2Syn.

    Two stages, `tau_rise x' = -x` and `tau_decay g' = c x - g`, with c such that one arrival, `x += 1`, makes g peak
    at 1. The closed form holds for equal time constants too, and loses no digits near them.

    Args:
        tau_rise: Time constant of the rise (ms), > 0, with which a synapse starts.
        tau_decay: Time constant of the decay (ms), not below `tau_rise`, with which a synapse starts.

    Raises:
        ValueError: a time constant is not a time above 0, or `tau_rise` is above `tau_decay`.

    Example:
        >>> from ranvier.interop.jaxley import DoubleExponential
        >>> DoubleExponential(0.5, 5.0).parameters()
        {'tau_rise': 0.5, 'tau_decay': 5.0}
    """

    tau_rise: float = eqx.field(static=True)
    tau_decay: float = eqx.field(static=True)
    states: ClassVar[tuple[str, ...]] = ("x", "g")
    code: ClassVar[str] = "Double"

    def __init__(self, tau_rise: float = 0.5, tau_decay: float = 5.0):
        self.tau_rise, self.tau_decay = float(tau_rise), float(tau_decay)
        rules = [above_zero("tau_rise", self.tau_rise), above_zero("tau_decay", self.tau_decay)]
        check("DoubleExponential", [*rules, not_above("tau_rise", self.tau_rise, "tau_decay", self.tau_decay)])

    def parameters(self) -> dict[str, float]:
        """`tau_rise` and `tau_decay` (ms)."""
        return {"tau_rise": self.tau_rise, "tau_decay": self.tau_decay}

    def decay(self, state: State, s: Float[Array, "*shape"] | float, parameters: Parameters) -> State:
        """`x e^{-s/tau_rise}` and `g e^{-s/tau_decay} + x h(s)`, with h the answer to one arrival."""
        x, g = state
        fast, slow, answer = _answer(s, parameters["tau_rise"], parameters["tau_decay"])
        return x * fast, g * slow + x * answer

    def impulse(self, s: Float[Array, "rows *shape"], parameters: Parameters) -> Impulse:
        """`e^{-s/tau_rise}` and `h(s)`."""
        fast, _, answer = _answer(s, parameters["tau_rise"][None], parameters["tau_decay"][None])
        return fast, answer

    def area(
        self, start: State, end: State, arrivals: Float[Array, "*shape"], parameters: Parameters
    ) -> Float[Array, "*shape"]:
        """`c tau_rise (x_start + arrivals - x_end) + tau_decay (g_start - g_end)`."""
        rise, fall = parameters["tau_rise"], parameters["tau_decay"]
        return _scale(rise, fall) * rise * (start[0] + arrivals - end[0]) + fall * (start[1] - end[1])


def _answer(s: Array | float, rise: Array, fall: Array) -> tuple[Array, Array, Array]:
    """The two exponentials, and `h(s) = c s/tau_decay e^{-s/tau_decay} exprel(s/tau_decay - s/tau_rise)`."""
    slow = jnp.exp(-s / fall)
    return jnp.exp(-s / rise), slow, _scale(rise, fall) * (s / fall) * slow * exprel(s / fall - s / rise)


def _scale(rise: Array, fall: Array) -> Array:
    """What makes the peak 1: `c = (tau_decay / tau_rise)^(tau_decay / (tau_decay - tau_rise))`, e where they agree."""
    ratio = jnp.log(fall / rise)
    return jnp.exp(1.0 / exprel(-ratio))
