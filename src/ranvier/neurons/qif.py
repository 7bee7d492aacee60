"""The quadratic integrate-and-fire neuron, with its potential kept as an angle in which spikes are smooth."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._parameters import parameter
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, above_zero, below, check, finite
from ranvier.status import LEAK
from ranvier.synapses import AbstractSynapse, ExponentialCurrent


class QIF(AbstractODENeuron):
    """Quadratic integrate-and-fire neuron, the simplest model whose spikes have an upstroke.

        tau_mem v' = (v - v_leak) (v - v_threshold) / (v_threshold - v_leak) + bias + I

    Near rest it is a LIF with the same time constant; above `v_threshold` it runs away, and at `v_peak`: `v = v_reset`.
    It starts at v = v_leak.

    The state is the angle y of `v = c + r tan(y)`, with c in the middle between `v_leak` and `v_threshold` and r half
    their distance, so that `tau_mem y' = ((bias + I) / r) cos(y)^2 - cos(2 y) / 2`: bounded, however steep v is.

    Args:
        tau_mem: Membrane time constant (ms), > 0; scalar or one per neuron, as all of these.
        v_leak: Potential at rest, and at t = 0.
        v_threshold: Potential above which the neuron fires by itself, above `v_leak`.
        v_peak: Potential at which the spike is emitted, above `v_threshold` and `v_reset`.
        v_reset: Potential after a spike.
        bias: Constant current, in units of v.
        synapse: What turns events into the current I.

    Raises:
        ValueError: `tau_mem` is not above 0, a value is not finite, or the potentials are not in this order.

    References:
        Ermentrout & Kopell, SIAM J. Appl. Math. 46 (1986); Latham et al., J. Neurophysiol. 83 (2000).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.QIF(tau_mem=10.0, v_leak=-65.0, v_threshold=-50.0, v_peak=0.0, v_reset=-60.0)
        >>> round(float(neuron.voltage(neuron.initial(1, float))[0]), 3)
        -65.0
    """

    tau_mem: Float[Array, "*#size"]
    v_leak: Float[Array, "*#size"]
    v_threshold: Float[Array, "*#size"]
    v_peak: Float[Array, "*#size"]
    v_reset: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        tau_mem: ArrayLike = 20.0,
        *,
        v_leak: ArrayLike = 0.0,
        v_threshold: ArrayLike = 1.0,
        v_peak: ArrayLike = 10.0,
        v_reset: ArrayLike = 0.0,
        bias: ArrayLike = 0.0,
        synapse: AbstractSynapse | None = None,
    ):
        self.tau_mem = parameter("QIF", "tau_mem", tau_mem)
        self.v_leak = parameter("QIF", "v_leak", v_leak)
        self.v_threshold = parameter("QIF", "v_threshold", v_threshold)
        self.v_peak = parameter("QIF", "v_peak", v_peak)
        self.v_reset = parameter("QIF", "v_reset", v_reset)
        self.bias = parameter("QIF", "bias", bias)
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        check("QIF", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_mem", self.tau_mem),
            finite("v_leak", self.v_leak),
            finite("v_threshold", self.v_threshold),
            finite("v_peak", self.v_peak),
            finite("v_reset", self.v_reset),
            finite("bias", self.bias),
            below("v_leak", self.v_leak, "v_threshold", self.v_threshold, LEAK),
            below("v_threshold", self.v_threshold, "v_peak", self.v_peak),
            below("v_reset", self.v_reset, "v_peak", self.v_peak),
            *self.synapse.rules(),
        )

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`v = v_leak`."""
        return jnp.broadcast_to(self._angle(self.v_leak), (1, size)).astype(dtype)

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`y' = cos(y)^2 v' / r`."""
        del t
        y = state[0]
        drive = (self.bias + current) / self._radius()
        return ((drive * jnp.cos(y) ** 2 - 0.5 * jnp.cos(2.0 * y)) / self.tau_mem)[None]

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`c + r tan(y)`."""
        return self._centre() + self._radius() * jnp.tan(state[0])

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`y - y(v_peak)`."""
        return state[0] - self._angle(self.v_peak)

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """`v = v_reset`."""
        return jnp.broadcast_to(self._angle(self.v_reset), state.shape)

    def _centre(self) -> Float[Array, "*#size"]:
        return 0.5 * (self.v_leak + self.v_threshold)

    def _radius(self) -> Float[Array, "*#size"]:
        return 0.5 * (self.v_threshold - self.v_leak)

    def _angle(self, v: Float[Array, "*#size"]) -> Float[Array, "*#size"]:
        return jnp.arctan((v - self._centre()) / self._radius())
