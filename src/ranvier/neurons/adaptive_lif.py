"""The adaptive LIF: each spike, and a depolarised membrane, strengthens a current that holds the neuron back."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._parameters import parameter
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, above_zero, below, check, finite
from ranvier.status import LEAK, RESET
from ranvier.synapses import AbstractSynapse, ExponentialCurrent


class AdaptiveLIF(AbstractODENeuron):
    """Leaky integrate-and-fire neuron with an adaptation current w.

        tau_mem v' = v_leak - v - w + bias + I        tau_adapt w' = a (v - v_leak) - w

    When v reaches `v_threshold`: `v = v_reset`, `w += b`. It starts at v = v_leak, w = 0. Potentials and currents are
    in units of the threshold, as for `LIF`.

    Args:
        tau_mem: Membrane time constant (ms), > 0; scalar or one per neuron, as all of these.
        tau_adapt: Time constant of the adaptation (ms), > 0.
        a: Adaptation to the potential, 0 for none.
        b: Adaptation added by a spike.
        v_threshold: Threshold, above `v_reset` and `v_leak`.
        v_reset: Potential after a spike.
        v_leak: Potential at rest, and at t = 0.
        bias: Constant current.
        synapse: What turns events into the current I.

    Raises:
        ValueError: a time constant is not above 0, a value is not finite, or `v_reset` or `v_leak` is not below
            `v_threshold`.

    References:
        Gerstner, Kistler, Naud & Paninski, Neuronal Dynamics (2014), chapter 6.

    Example:
        >>> import ranvier as rv
        >>> float(rv.AdaptiveLIF(tau_mem=10.0, b=0.5, synapse=rv.synapses.AlphaCurrent(tau_syn=2.0)).b)
        0.5
    """

    tau_mem: Float[Array, "*#size"]
    tau_adapt: Float[Array, "*#size"]
    a: Float[Array, "*#size"]
    b: Float[Array, "*#size"]
    v_threshold: Float[Array, "*#size"]
    v_reset: Float[Array, "*#size"]
    v_leak: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        tau_mem: ArrayLike = 20.0,
        tau_adapt: ArrayLike = 100.0,
        *,
        a: ArrayLike = 0.0,
        b: ArrayLike = 0.2,
        v_threshold: ArrayLike = 1.0,
        v_reset: ArrayLike = 0.0,
        v_leak: ArrayLike = 0.0,
        bias: ArrayLike = 0.0,
        synapse: AbstractSynapse | None = None,
    ):
        self.tau_mem = parameter("AdaptiveLIF", "tau_mem", tau_mem)
        self.tau_adapt = parameter("AdaptiveLIF", "tau_adapt", tau_adapt)
        self.a = parameter("AdaptiveLIF", "a", a)
        self.b = parameter("AdaptiveLIF", "b", b)
        self.v_threshold = parameter("AdaptiveLIF", "v_threshold", v_threshold)
        self.v_reset = parameter("AdaptiveLIF", "v_reset", v_reset)
        self.v_leak = parameter("AdaptiveLIF", "v_leak", v_leak)
        self.bias = parameter("AdaptiveLIF", "bias", bias)
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        check("AdaptiveLIF", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_mem", self.tau_mem),
            above_zero("tau_adapt", self.tau_adapt),
            finite("a", self.a),
            finite("b", self.b),
            finite("v_threshold", self.v_threshold),
            finite("v_reset", self.v_reset),
            finite("v_leak", self.v_leak),
            finite("bias", self.bias),
            below("v_reset", self.v_reset, "v_threshold", self.v_threshold, RESET),
            below("v_leak", self.v_leak, "v_threshold", self.v_threshold, LEAK),
            *self.synapse.rules(),
        )

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`v = v_leak`, `w = 0`."""
        v = jnp.broadcast_to(self.v_leak, (size,)).astype(dtype)
        return jnp.stack([v, jnp.zeros_like(v)])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`v'` and `w'`."""
        del t
        v, w = state
        above = v - self.v_leak
        return jnp.stack(
            [(self.bias + current - above - w) / self.tau_mem, (self.a * above - w) / self.tau_adapt],
        )

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`v`."""
        return state[0]

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`v - v_threshold`."""
        return state[0] - self.v_threshold

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """`v = v_reset`, `w += b`."""
        w = state[1] + self.b
        return jnp.stack([jnp.broadcast_to(self.v_reset, w.shape), w])
