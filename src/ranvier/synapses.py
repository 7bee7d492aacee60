"""Synapses: from weighted events to the current that drives an ODE neuron.

    arrive      an event adds its weight to the synapse's state
    flow        the state some ms later, in closed form
    current     what the membrane receives

The state has shape (variables, size). It is linear in the weights, so events may come in any number and order; nothing
here knows of steps. `weight` is in units of the neuron's current (of its conductance, for a conductance synapse), and
except for the alpha and double exponential shapes, whose *peak* is the weight, it is the jump that an event makes.
Time constants are scalars or one value per neuron.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._exprel import exprel
from ranvier._parameters import parameter
from ranvier.rules import Rule, above_zero, check, finite, not_above


class AbstractSynapse(eqx.Module):
    """All synapses of one kind onto a population of neurons."""

    variables: eqx.AbstractClassVar[int]

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """State at t = 0: nothing has arrived."""
        return jnp.zeros((self.variables, size), dtype)

    @abc.abstractmethod
    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""

    @abc.abstractmethod
    def arrive(
        self, state: Float[Array, "variables size"], weight: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """State after an event of the given weight at each neuron (0: no event)."""

    @abc.abstractmethod
    def flow(self, state: Float[Array, "variables size"], s: Float[Array, " size"]) -> Float[Array, "variables size"]:
        """State s ms later, if nothing arrives."""

    @abc.abstractmethod
    def current(self, state: Float[Array, "variables size"], v: Float[Array, " size"]) -> Float[Array, " size"]:
        """Current into a membrane at potential v."""


class ExponentialCurrent(AbstractSynapse):
    """Current that jumps and decays, `tau_syn I' = -I`; an event of weight w: `I += w`.

    Args:
        tau_syn: Time constant (ms), > 0; scalar or one per neuron.

    Raises:
        ValueError: `tau_syn` is not a time above 0.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> synapse = rv.synapses.ExponentialCurrent(tau_syn=5.0)
        >>> state = synapse.arrive(synapse.initial(1, float), jnp.array([2.0]))
        >>> later = synapse.flow(state, jnp.array([5.0]))
        >>> round(float(synapse.current(later, jnp.zeros(1))[0]), 4)
        0.7358
    """

    tau_syn: Float[Array, "*#size"]
    variables: ClassVar[int] = 1

    def __init__(self, tau_syn: ArrayLike = 5.0):
        self.tau_syn = parameter("ExponentialCurrent", "tau_syn", tau_syn)
        check("ExponentialCurrent", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (above_zero("tau_syn", self.tau_syn),)

    def arrive(
        self, state: Float[Array, "variables size"], weight: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`I += w`."""
        return state + weight[None]

    def flow(self, state: Float[Array, "variables size"], s: Float[Array, " size"]) -> Float[Array, "variables size"]:
        """`I e^{-s/tau_syn}`."""
        return state * jnp.exp(-s / self.tau_syn)[None]

    def current(self, state: Float[Array, "variables size"], v: Float[Array, " size"]) -> Float[Array, " size"]:
        """`I`."""
        del v
        return state[0]


class DoubleExponentialCurrent(AbstractSynapse):
    """Current with a rise and a decay, in which a single event of weight w peaks at w.

    Two stages, `tau_rise x' = -x` and `tau_decay y' = (tau_decay / tau_rise) x - y`; an event of weight w: `x += w`.
    The current is y, scaled to that peak: `I(s) ~ w (e^{-s/tau_decay} - e^{-s/tau_rise})`. The closed form holds for
    equal time constants too, and loses no digits near them.

    Args:
        tau_rise: Time constant of the rise (ms), > 0; scalar or one per neuron.
        tau_decay: Time constant of the decay (ms), not below `tau_rise`.

    Raises:
        ValueError: a time constant is not a time above 0, or `tau_rise` is above `tau_decay`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> synapse = rv.synapses.DoubleExponentialCurrent(tau_rise=1.0, tau_decay=4.0)
        >>> state = synapse.arrive(synapse.initial(1, float), jnp.array([3.0]))
        >>> peak = jnp.log(jnp.array([4.0])) * 4.0 / 3.0
        >>> round(float(synapse.current(synapse.flow(state, peak), jnp.zeros(1))[0]), 4)
        3.0
    """

    tau_rise: Float[Array, "*#size"]
    tau_decay: Float[Array, "*#size"]
    variables: ClassVar[int] = 2

    def __init__(self, tau_rise: ArrayLike = 1.0, tau_decay: ArrayLike = 5.0):
        self.tau_rise = parameter("DoubleExponentialCurrent", "tau_rise", tau_rise)
        self.tau_decay = parameter("DoubleExponentialCurrent", "tau_decay", tau_decay)
        check("DoubleExponentialCurrent", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_rise", self.tau_rise),
            above_zero("tau_decay", self.tau_decay),
            not_above("tau_rise", self.tau_rise, "tau_decay", self.tau_decay),
        )

    def arrive(
        self, state: Float[Array, "variables size"], weight: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`x += w`."""
        return state.at[0].add(weight)

    def flow(self, state: Float[Array, "variables size"], s: Float[Array, " size"]) -> Float[Array, "variables size"]:
        """`x e^{-s/tau_rise}` and `(y + x (s/tau_rise) exprel(s/tau_decay - s/tau_rise)) e^{-s/tau_decay}`."""
        x, y = state
        passed = jnp.exp(-s / self.tau_decay)
        z = s / self.tau_decay - s / self.tau_rise
        return jnp.stack([x * jnp.exp(-s / self.tau_rise), (y + x * (s / self.tau_rise) * exprel(z)) * passed])

    def current(self, state: Float[Array, "variables size"], v: Float[Array, " size"]) -> Float[Array, " size"]:
        """`y / q`, with `q = (tau_rise/tau_decay)^(tau_rise / (tau_decay - tau_rise))` the peak of y for x = 1."""
        del v
        # log q = -m / (e^m - 1) with m = log(tau_decay / tau_rise)
        return state[1] * jnp.exp(1.0 / exprel(jnp.log(self.tau_decay / self.tau_rise)))


class AlphaCurrent(AbstractSynapse):
    """Alpha-shaped current, `I(s) = w (s/tau_syn) e^{1 - s/tau_syn}` for an event of weight w: it peaks at w.

    Args:
        tau_syn: Time of the peak (ms), > 0; scalar or one per neuron.

    Raises:
        ValueError: `tau_syn` is not a time above 0.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> synapse = rv.synapses.AlphaCurrent(tau_syn=2.0)
        >>> state = synapse.arrive(synapse.initial(1, float), jnp.array([3.0]))
        >>> round(float(synapse.current(synapse.flow(state, jnp.array([2.0])), jnp.zeros(1))[0]), 4)
        3.0
    """

    tau_syn: Float[Array, "*#size"]
    variables: ClassVar[int] = 2

    def __init__(self, tau_syn: ArrayLike = 2.0):
        self.tau_syn = parameter("AlphaCurrent", "tau_syn", tau_syn)
        check("AlphaCurrent", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (above_zero("tau_syn", self.tau_syn),)

    def arrive(
        self, state: Float[Array, "variables size"], weight: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`x += w`."""
        return state.at[0].add(weight)

    def flow(self, state: Float[Array, "variables size"], s: Float[Array, " size"]) -> Float[Array, "variables size"]:
        """`x e^{-s/tau_syn}` and `(y + x s/tau_syn) e^{-s/tau_syn}`."""
        x, y = state
        passed = jnp.exp(-s / self.tau_syn)
        return jnp.stack([x * passed, (y + x * s / self.tau_syn) * passed])

    def current(self, state: Float[Array, "variables size"], v: Float[Array, " size"]) -> Float[Array, " size"]:
        """`e y`."""
        del v
        return state[1] * np.e


class ConductanceExponential(AbstractSynapse):
    """Conductance that jumps and decays, `I = g (e_rev - v)`, `tau_syn g' = -g`; an event of weight w: `g += w`.

    Args:
        tau_syn: Time constant (ms), > 0; scalar or one per neuron.
        e_rev: Reversal potential, in units of v.

    Raises:
        ValueError: `tau_syn` is not a time above 0, or `e_rev` is not finite.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> synapse = rv.synapses.ConductanceExponential(tau_syn=5.0, e_rev=0.0)
        >>> state = synapse.arrive(synapse.initial(1, float), jnp.array([0.5]))
        >>> float(synapse.current(state, jnp.array([-60.0]))[0])
        30.0
    """

    tau_syn: Float[Array, "*#size"]
    e_rev: Float[Array, "*#size"]
    variables: ClassVar[int] = 1

    def __init__(self, tau_syn: ArrayLike = 5.0, e_rev: ArrayLike = 0.0):
        self.tau_syn = parameter("ConductanceExponential", "tau_syn", tau_syn)
        self.e_rev = parameter("ConductanceExponential", "e_rev", e_rev)
        check("ConductanceExponential", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_syn", self.tau_syn),
            finite("e_rev", self.e_rev),
        )

    def arrive(
        self, state: Float[Array, "variables size"], weight: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`g += w`."""
        return state + weight[None]

    def flow(self, state: Float[Array, "variables size"], s: Float[Array, " size"]) -> Float[Array, "variables size"]:
        """`g e^{-s/tau_syn}`."""
        return state * jnp.exp(-s / self.tau_syn)[None]

    def current(self, state: Float[Array, "variables size"], v: Float[Array, " size"]) -> Float[Array, " size"]:
        """`g (e_rev - v)`."""
        return state[0] * (self.e_rev - v)
