"""Neurons that are linear between events: LIF and LI. With `I` the synaptic current,

    tau_mem dV/dt = v_leak - V + bias + I        tau_syn dI/dt = -I        an event of weight w: I += w

and both start at V = v_leak, I = 0. Every parameter is a scalar, shared by the population, or one value per neuron.
Potentials and currents are in units of the threshold, times in ms.
"""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ranvier._parameters import parameter
from ranvier.neurons.abstract import AbstractLinearNeuron
from ranvier.rules import Rule, above_zero, below, check, finite, waiting
from ranvier.status import LEAK, RESET


class LIF(AbstractLinearNeuron):
    """Leaky integrate-and-fire neuron with exponential synaptic current.

    When V reaches `v_threshold` from below a spike is emitted, V is set to `v_reset` and stays there for `refractory`
    ms, while the current goes on. `refractory = inf` allows one spike per neuron.

    Without events V relaxes to `v_leak + bias`. Where that is above `v_threshold`, the neuron fires by itself, every

        T = refractory + tau_mem ln((v_leak + bias - v_reset) / (v_leak + bias - v_threshold))

    ms after its first spike, which comes at another time, since V starts at `v_leak` and not at `v_reset`.

    Args:
        tau_mem: Membrane time constant (ms), > 0; scalar or one per neuron, as all of these.
        tau_syn: Synaptic time constant (ms), > 0. Any ratio to `tau_mem`, 1 included.
        v_threshold: Threshold, above `v_reset` and `v_leak`.
        v_reset: Potential after a spike.
        v_leak: Potential at rest without a bias, and at t = 0.
        bias: Constant current, of any sign.
        refractory: Time (ms) that V stays at `v_reset`, >= 0 or inf.

    Raises:
        ValueError: a time constant is not positive, `refractory` is negative, a value is not finite, or `v_reset` or
            `v_leak` is not below `v_threshold`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> float(rv.LIF(tau_mem=10.0, tau_syn=2.5).tau_mem)
        10.0
        >>> float(rv.LIF(bias=jnp.array([0.5, 1.5])).rest.max())  # the second neuron fires by itself
        1.5
    """

    tau_mem: Float[Array, "*#size"]
    tau_syn: Float[Array, "*#size"]
    v_leak: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    v_threshold: Float[Array, "*#size"]
    v_reset: Float[Array, "*#size"]
    refractory: Float[Array, "*#size"]
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        tau_mem: ArrayLike = 20.0,
        tau_syn: ArrayLike = 5.0,
        *,
        v_threshold: ArrayLike = 1.0,
        v_reset: ArrayLike = 0.0,
        v_leak: ArrayLike = 0.0,
        bias: ArrayLike = 0.0,
        refractory: ArrayLike = 0.0,
    ):
        self.tau_mem = parameter("LIF", "tau_mem", tau_mem)
        self.tau_syn = parameter("LIF", "tau_syn", tau_syn)
        self.v_threshold = parameter("LIF", "v_threshold", v_threshold)
        self.v_reset = parameter("LIF", "v_reset", v_reset)
        self.v_leak = parameter("LIF", "v_leak", v_leak)
        self.bias = parameter("LIF", "bias", bias)
        self.refractory = parameter("LIF", "refractory", refractory)
        check("LIF", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_mem", self.tau_mem),
            above_zero("tau_syn", self.tau_syn),
            finite("v_threshold", self.v_threshold),
            finite("v_reset", self.v_reset),
            finite("v_leak", self.v_leak),
            finite("bias", self.bias),
            below("v_reset", self.v_reset, "v_threshold", self.v_threshold, RESET),
            below("v_leak", self.v_leak, "v_threshold", self.v_threshold, LEAK),
            waiting("refractory", self.refractory),
        )


class LI(AbstractLinearNeuron):
    """Leaky integrator: the same membrane without a threshold, used as readout.

    Args:
        tau_mem: Membrane time constant (ms), > 0; scalar or one per neuron.
        tau_syn: Synaptic time constant (ms), > 0.
        v_leak: Potential at rest without a bias, and at t = 0.
        bias: Constant current: V relaxes to `v_leak + bias`.

    Raises:
        ValueError: a time constant is not positive or a value is not finite.

    Example:
        >>> import ranvier as rv
        >>> rv.LI(tau_mem=20.0, tau_syn=5.0).spiking
        False
    """

    tau_mem: Float[Array, "*#size"]
    tau_syn: Float[Array, "*#size"]
    v_leak: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    spiking: ClassVar[bool] = False
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self, tau_mem: ArrayLike = 20.0, tau_syn: ArrayLike = 5.0, *, v_leak: ArrayLike = 0.0, bias: ArrayLike = 0.0
    ):
        self.tau_mem = parameter("LI", "tau_mem", tau_mem)
        self.tau_syn = parameter("LI", "tau_syn", tau_syn)
        self.v_leak = parameter("LI", "v_leak", v_leak)
        self.bias = parameter("LI", "bias", bias)
        check("LI", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            above_zero("tau_mem", self.tau_mem),
            above_zero("tau_syn", self.tau_syn),
            finite("v_leak", self.v_leak),
            finite("bias", self.bias),
        )

    @property
    def v_threshold(self) -> Float[Array, ""]:
        """Infinity: a leaky integrator never spikes."""
        return jnp.full((), jnp.inf, self.tau_mem.dtype)

    @property
    def v_reset(self) -> Float[Array, ""]:
        """Never used."""
        return jnp.zeros((), self.tau_mem.dtype)

    @property
    def refractory(self) -> Float[Array, ""]:
        """Never used."""
        return jnp.zeros((), self.tau_mem.dtype)
