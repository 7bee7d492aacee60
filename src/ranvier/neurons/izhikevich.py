"""Izhikevich's neuron, with its state kept in coordinates in which spikes are smooth."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._parameters import parameter
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, below, check, finite, positive
from ranvier.synapses import AbstractSynapse, ExponentialCurrent

CURVATURE = 0.04
"""Coefficient of v^2 (per mV and ms)."""
CENTRE = -62.5
"""Potential (mV) at which 0.04 v^2 + 5 v + 140 is smallest."""
LOWEST = -16.25
"""Its value there (mV/ms)."""
RADIUS = 20.0
"""Scale (mV) of the angle: about where the quadratic term equals `LOWEST`."""


class Izhikevich(AbstractODENeuron):
    """Izhikevich's simple model: bursts, chatters, adapts and resonates with four parameters.

        v' = 0.04 v^2 + 5 v + 140 - u + bias + I        u' = a (b v - u)

    When v reaches `v_peak`: `v = c`, `u += d`. v and u are in mV and mV/ms, currents in mV/ms. It starts at v = c,
    u = b c. The parameters default to regular spiking; fast spiking is a = 0.1, d = 2; chattering is c = -50, d = 2;
    intrinsically bursting is c = -55, d = 4.

    The state is (y, z) with `v = -62.5 + 20 tan(y)` and `u = z - 25 a b log(cos(y)^2) / 2`: v and u rush to infinity
    together, y and z do not, so an upstroke needs no shorter steps than the rest.

    Args:
        a: Rate of the recovery (per ms), > 0; scalar or one per neuron, as all of these.
        b: Sensitivity of the recovery to v (per ms).
        c: Potential after a spike (mV), below `v_peak`.
        d: Recovery added by a spike (mV/ms).
        v_peak: Potential at which the spike is emitted (mV).
        bias: Constant current (mV/ms).
        synapse: What turns events into the current I.

    Raises:
        ValueError: `a` is not above 0, a value is not finite, or `c` is not below `v_peak`.

    References:
        Izhikevich, IEEE Trans. Neural Netw. 14 (2003).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.Izhikevich(a=0.1, d=2.0)
        >>> round(float(neuron.voltage(neuron.initial(1, float))[0]), 3)
        -65.0
    """

    a: Float[Array, "*#size"]
    b: Float[Array, "*#size"]
    c: Float[Array, "*#size"]
    d: Float[Array, "*#size"]
    v_peak: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        a: ArrayLike = 0.02,
        b: ArrayLike = 0.2,
        c: ArrayLike = -65.0,
        d: ArrayLike = 8.0,
        *,
        v_peak: ArrayLike = 30.0,
        bias: ArrayLike = 0.0,
        synapse: AbstractSynapse | None = None,
    ):
        self.a = parameter("Izhikevich", "a", a)
        self.b = parameter("Izhikevich", "b", b)
        self.c = parameter("Izhikevich", "c", c)
        self.d = parameter("Izhikevich", "d", d)
        self.v_peak = parameter("Izhikevich", "v_peak", v_peak)
        self.bias = parameter("Izhikevich", "bias", bias)
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        check("Izhikevich", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            positive("a", self.a, "a rate per ms"),
            finite("b", self.b),
            finite("c", self.c),
            finite("d", self.d),
            finite("v_peak", self.v_peak),
            finite("bias", self.bias),
            below("c", self.c, "v_peak", self.v_peak),
            *self.synapse.rules(),
        )

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`v = c`, `u = b c`."""
        y = jnp.broadcast_to(_angle(self.c), (size,)).astype(dtype)
        return jnp.stack([y, self.b * self.c - self._lift(y)])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`y' = cos(y)^2 v' / 20`, and `z'`, in which what grows without bound has cancelled."""
        del t
        y, z = state
        sin, cos = jnp.sin(y), jnp.cos(y)
        u = z + self._lift(y)
        rest = (LOWEST - u + self.bias + current) / RADIUS
        y_slope = CURVATURE * RADIUS * sin**2 + rest * cos**2
        z_slope = self.a * (self.b * CENTRE - u) + self.a * self.b * (RADIUS - rest / CURVATURE) * sin * cos
        return jnp.stack([y_slope, z_slope])

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`-62.5 + 20 tan(y)`."""
        return CENTRE + RADIUS * jnp.tan(state[0])

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`y - y(v_peak)`."""
        return state[0] - _angle(self.v_peak)

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """`v = c`, `u += d`."""
        y, z = state
        after = jnp.broadcast_to(_angle(self.c), y.shape)
        return jnp.stack([after, z + self._lift(y) + self.d - self._lift(after)])

    def _lift(self, y: Float[Array, " size"]) -> Float[Array, " size"]:
        """What u has more than z."""
        return -0.5 * self.a * self.b / CURVATURE * jnp.log(jnp.cos(y) ** 2)


def _angle(v: Float[Array, "*#size"]) -> Float[Array, "*#size"]:
    return jnp.arctan((v - CENTRE) / RADIUS)
