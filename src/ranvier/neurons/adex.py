"""The adaptive exponential integrate-and-fire neuron, with its state kept in coordinates in which spikes are smooth."""

from typing import ClassVar

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._parameters import parameter
from ranvier.crossing import exact_root
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, above_zero, below, check, finite, positive
from ranvier.synapses import AbstractSynapse, ExponentialCurrent

NEWTON = 4
"""Steps of `_folded`: the first guess is right to 17 %, and three of them leave 1e-11, for any potential."""


class AdEx(AbstractODENeuron):
    """Adaptive exponential integrate-and-fire neuron.

        c_mem v' = -g_leak (v - v_leak) + g_leak delta_t e^x - w + bias + I        x = (v - v_threshold) / delta_t
        tau_adapt w' = a (v - v_leak) - w

    When v reaches `v_peak`: `v = v_reset`, `w += b`. It starts at v = v_leak, w = 0. Units: mV, ms, pA, nS, pF.

    The state is (y, z). y is a coordinate that is about x - 3/4 at rest and reaches 0, at a constant speed, when v
    reaches infinity: with `r(s) = 1 - e^-s`, `-y = s` and `q = s - r(s)^2 (3 - 2 log r(s)) / 4`, it is
    `x = -log(e^q - 1)`. And `w = z + k (1 - r(q) + r(q) log r(q))` with `k = a delta_t c_mem / (tau_adapt g_leak)`,
    which takes out of w what grows with v. So an upstroke needs no shorter steps than the rest, and `v_peak` may be
    as high as you like.

    Args:
        c_mem: Membrane capacitance (pF), > 0; scalar or one per neuron, as all of these.
        g_leak: Leak conductance (nS), > 0; the membrane time constant is c_mem / g_leak ms.
        v_leak: Potential at rest, and at t = 0 (mV).
        v_threshold: Potential at which the exponential term has slope g_leak (mV).
        delta_t: Sharpness of the spike (mV), > 0.
        tau_adapt: Time constant of the adaptation (ms), > 0.
        a: Adaptation to the potential (nS).
        b: Adaptation added by a spike (pA).
        v_reset: Potential after a spike (mV).
        v_peak: Potential at which the spike is emitted (mV), above `v_threshold` and `v_reset`.
        bias: Constant current (pA).
        synapse: What turns events into the current I (pA).

    Raises:
        ValueError: a time constant, `c_mem`, `g_leak` or `delta_t` is not above 0, a value is not finite, or `v_reset`
            or `v_threshold` is not below `v_peak`.

    References:
        Brette & Gerstner, J. Neurophysiol. 94 (2005), whose parameters are the defaults.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.AdEx(b=0.0, v_leak=-70.0)
        >>> round(float(neuron.voltage(neuron.initial(1, float))[0]), 3)
        -70.0
    """

    c_mem: Float[Array, "*#size"]
    g_leak: Float[Array, "*#size"]
    v_leak: Float[Array, "*#size"]
    v_threshold: Float[Array, "*#size"]
    delta_t: Float[Array, "*#size"]
    tau_adapt: Float[Array, "*#size"]
    a: Float[Array, "*#size"]
    b: Float[Array, "*#size"]
    v_reset: Float[Array, "*#size"]
    v_peak: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        c_mem: ArrayLike = 281.0,
        g_leak: ArrayLike = 30.0,
        v_leak: ArrayLike = -70.6,
        v_threshold: ArrayLike = -50.4,
        delta_t: ArrayLike = 2.0,
        tau_adapt: ArrayLike = 144.0,
        a: ArrayLike = 4.0,
        b: ArrayLike = 80.5,
        v_reset: ArrayLike = -70.6,
        v_peak: ArrayLike = -40.0,
        bias: ArrayLike = 0.0,
        synapse: AbstractSynapse | None = None,
    ):
        self.c_mem = parameter("AdEx", "c_mem", c_mem)
        self.g_leak = parameter("AdEx", "g_leak", g_leak)
        self.v_leak = parameter("AdEx", "v_leak", v_leak)
        self.v_threshold = parameter("AdEx", "v_threshold", v_threshold)
        self.delta_t = parameter("AdEx", "delta_t", delta_t)
        self.tau_adapt = parameter("AdEx", "tau_adapt", tau_adapt)
        self.a = parameter("AdEx", "a", a)
        self.b = parameter("AdEx", "b", b)
        self.v_reset = parameter("AdEx", "v_reset", v_reset)
        self.v_peak = parameter("AdEx", "v_peak", v_peak)
        self.bias = parameter("AdEx", "bias", bias)
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        check("AdEx", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            positive("c_mem", self.c_mem, "a capacitance in pF"),
            positive("g_leak", self.g_leak, "a conductance in nS"),
            finite("v_leak", self.v_leak),
            finite("v_threshold", self.v_threshold),
            positive("delta_t", self.delta_t, "a potential in mV"),
            above_zero("tau_adapt", self.tau_adapt),
            finite("a", self.a),
            finite("b", self.b),
            finite("v_reset", self.v_reset),
            finite("v_peak", self.v_peak),
            finite("bias", self.bias),
            below("v_reset", self.v_reset, "v_peak", self.v_peak),
            below("v_threshold", self.v_threshold, "v_peak", self.v_peak),
            *self.synapse.rules(),
        )

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`v = v_leak`, `w = 0`."""
        y = jnp.broadcast_to(self._folded(self.v_leak), (size,)).astype(dtype)
        return jnp.stack([y, -self._lift(_rest(_unfold(y)[0]))])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`y' = -q' / (dq/ds)` and `z' = w' - k d(r log r - r)/dt`, with `q' = -r v' / delta_t`."""
        del t
        y, z = state
        q, unfolding = _unfold(y)
        rest = _rest(q)
        above = self._voltage(q) - self.v_leak
        w = z + self._lift(rest)
        leak = (self.bias + current - w - self.g_leak * above) / self.delta_t
        rise = (rest * leak + self.g_leak * (1.0 - rest)) / self.c_mem
        w_slope = (self.a * above - w) / self.tau_adapt
        return jnp.stack([rise / unfolding, w_slope + self._scale() * (1.0 - rest) * _log(rest) * rise])

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`v_threshold + delta_t x`."""
        return self._voltage(_unfold(state[0])[0])

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`y - y(v_peak)`."""
        return state[0] - self._folded(self.v_peak)

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """`v = v_reset`, `w += b`."""
        y, z = state
        after = jnp.broadcast_to(self._folded(self.v_reset), y.shape)
        lifted, lift = (self._lift(_rest(_unfold(at)[0])) for at in (y, after))
        return jnp.stack([after, z + lifted + self.b - lift])

    def _voltage(self, q: Float[Array, " size"]) -> Float[Array, " size"]:
        return self.v_threshold - self.delta_t * (q + _log(_rest(q)))

    def _folded(self, v: Float[Array, "*#size"]) -> Float[Array, "*#size"]:
        """The coordinate y of a potential, by Newton's method: `_unfold` has a slope between 0.5 and 1.

        Written out, since it is a constant of the simulation, which a compiler takes out of a loop if it is no loop.
        """
        q = jax.nn.softplus(-(v - self.v_threshold) / self.delta_t)
        fixed = lax.stop_gradient(q)
        rest = _rest(fixed)
        y = -fixed - rest**2 * (0.75 - 0.5 * _log(rest))
        for _ in range(NEWTON):
            found, slope = _unfold(y)
            y = y + (found - fixed) / slope
        return exact_root(lambda y, q: _unfold(y)[0] - q, y, q)

    def _scale(self) -> Float[Array, "*#size"]:
        return self.a * self.delta_t * self.c_mem / (self.tau_adapt * self.g_leak)

    def _lift(self, rest: Float[Array, " size"]) -> Float[Array, " size"]:
        """What w has more than z."""
        return self._scale() * (1.0 - rest + rest * _log(rest))


def _unfold(y: Float[Array, "*#size"]) -> tuple[Float[Array, "*#size"], Float[Array, "*#size"]]:
    """`q = log(1 + e^-x)` as a function of s = -y, and its derivative with respect to s.

    Near the spike, where e^x - x drives x, `q = s - 3 s^2 / 4 + s^2 log(s) / 2` makes s fall at a constant speed up to
    terms of order s^2 log(s), without which the end of an upstroke would cost a step its accuracy.
    """
    rest = _rest(-y)
    log = _log(rest)
    return -y - rest**2 * (0.75 - 0.5 * log), 1.0 - rest * (1.0 - rest) * (1.0 - log)


def _rest(q: Float[Array, "*#size"]) -> Float[Array, "*#size"]:
    """The share `1 - e^-q`, from 1 far from the spike to 0 at infinity."""
    return -jnp.expm1(-q)


def _log(share: Float[Array, "*#size"]) -> Float[Array, "*#size"]:
    """`log r`; a step that ends beyond infinity, at r <= 0, is mirrored, for its interpolant wants some value there."""
    size = jnp.abs(share)
    return jnp.log(jnp.maximum(size, jnp.finfo(size.dtype).tiny))
