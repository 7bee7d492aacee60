"""The Hodgkin-Huxley neuron: spikes that make and end themselves, without a reset."""

from typing import ClassVar

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._exprel import exprel
from ranvier._parameters import parameter
from ranvier.neurons.abstract_ode import AbstractODENeuron
from ranvier.rules import Rule, below, check, finite, positive
from ranvier.synapses import AbstractSynapse, ExponentialCurrent


class HodgkinHuxley(AbstractODENeuron):
    """The squid's giant axon, one compartment.

        c_mem v' = -g_na m^3 h (v - e_na) - g_k n^4 (v - e_k) - g_leak (v - e_leak) + bias + I
        x' = alpha_x(v) (1 - x) - beta_x(v) x        for x = m, h, n

    The upstroke through `v_threshold` is the spike. Nothing is reset; the neuron has to fall below `v_threshold` before
    it can spike again. It starts at v = v_initial with the gates at rest. Units: mV, ms, uA/cm2, mS/cm2, uF/cm2. Rates
    are those of 6.3 degrees Celsius with a resting potential of -65 mV; at v = -40 and -55 mV, where they read 0/0,
    they are computed in a form that does not.

    Args:
        c_mem: Membrane capacitance (uF/cm2), > 0; scalar or one per neuron, as all of these.
        g_na: Largest sodium conductance (mS/cm2), > 0.
        g_k: Largest potassium conductance (mS/cm2), > 0.
        g_leak: Leak conductance (mS/cm2), > 0.
        e_na: Reversal potential of sodium (mV).
        e_k: Reversal potential of potassium (mV).
        e_leak: Reversal potential of the leak (mV).
        v_threshold: Potential whose upward crossing is the spike (mV), above `v_initial`.
        v_initial: Potential at t = 0 (mV).
        bias: Constant current (uA/cm2).
        synapse: What turns events into the current I (uA/cm2).

    Raises:
        ValueError: a capacitance or conductance is not above 0, a value is not finite, or `v_initial` is not below
            `v_threshold`.

    References:
        Hodgkin & Huxley, J. Physiol. 117 (1952), with the sign of v and its zero as in Dayan & Abbott, Theoretical
        Neuroscience (2001), chapter 5.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.HodgkinHuxley(g_k=30.0)
        >>> v, m, h, n = neuron.initial(1, float)[:, 0]
        >>> round(float(n), 4)
        0.3177
    """

    c_mem: Float[Array, "*#size"]
    g_na: Float[Array, "*#size"]
    g_k: Float[Array, "*#size"]
    g_leak: Float[Array, "*#size"]
    e_na: Float[Array, "*#size"]
    e_k: Float[Array, "*#size"]
    e_leak: Float[Array, "*#size"]
    v_threshold: Float[Array, "*#size"]
    v_initial: Float[Array, "*#size"]
    bias: Float[Array, "*#size"]
    synapse: AbstractSynapse
    spiking: ClassVar[bool] = True
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        *,
        c_mem: ArrayLike = 1.0,
        g_na: ArrayLike = 120.0,
        g_k: ArrayLike = 36.0,
        g_leak: ArrayLike = 0.3,
        e_na: ArrayLike = 50.0,
        e_k: ArrayLike = -77.0,
        e_leak: ArrayLike = -54.387,
        v_threshold: ArrayLike = 0.0,
        v_initial: ArrayLike = -65.0,
        bias: ArrayLike = 0.0,
        synapse: AbstractSynapse | None = None,
    ):
        self.c_mem = parameter("HodgkinHuxley", "c_mem", c_mem)
        self.g_na = parameter("HodgkinHuxley", "g_na", g_na)
        self.g_k = parameter("HodgkinHuxley", "g_k", g_k)
        self.g_leak = parameter("HodgkinHuxley", "g_leak", g_leak)
        self.e_na = parameter("HodgkinHuxley", "e_na", e_na)
        self.e_k = parameter("HodgkinHuxley", "e_k", e_k)
        self.e_leak = parameter("HodgkinHuxley", "e_leak", e_leak)
        self.v_threshold = parameter("HodgkinHuxley", "v_threshold", v_threshold)
        self.v_initial = parameter("HodgkinHuxley", "v_initial", v_initial)
        self.bias = parameter("HodgkinHuxley", "bias", bias)
        self.synapse = ExponentialCurrent() if synapse is None else synapse
        check("HodgkinHuxley", self.rules())

    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be."""
        return (
            positive("c_mem", self.c_mem, "a capacitance in uF/cm2"),
            positive("g_na", self.g_na, "a conductance in mS/cm2"),
            positive("g_k", self.g_k, "a conductance in mS/cm2"),
            positive("g_leak", self.g_leak, "a conductance in mS/cm2"),
            finite("e_na", self.e_na),
            finite("e_k", self.e_k),
            finite("e_leak", self.e_leak),
            finite("v_threshold", self.v_threshold),
            finite("v_initial", self.v_initial),
            finite("bias", self.bias),
            below("v_initial", self.v_initial, "v_threshold", self.v_threshold),
            *self.synapse.rules(),
        )

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`v = v_initial`, gates at `alpha / (alpha + beta)`."""
        v = jnp.broadcast_to(self.v_initial, (size,)).astype(dtype)
        gates = [opens / (opens + closes) for opens, closes in _rates(v)]
        return jnp.stack([v, *gates])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`v'`, `m'`, `h'`, `n'`."""
        del t
        v, *gates = state
        m, h, n = gates
        ionic = (
            self.g_na * m**3 * h * (v - self.e_na) + self.g_k * n**4 * (v - self.e_k) + self.g_leak * (v - self.e_leak)
        )
        slopes = [opens * (1.0 - x) - closes * x for x, (opens, closes) in zip(gates, _rates(v), strict=True)]
        return jnp.stack([(self.bias + current - ionic) / self.c_mem, *slopes])

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`v`."""
        return state[0]

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`v - v_threshold`."""
        return state[0] - self.v_threshold

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """The state, unchanged."""
        return state


Rates = tuple[Float[Array, " size"], Float[Array, " size"]]


def _rates(v: Float[Array, " size"]) -> tuple[Rates, Rates, Rates]:
    """Rates of opening and closing (per ms) of m, h and n."""
    m = 1.0 / exprel(-(v + 40.0) / 10.0), 4.0 * jnp.exp(-(v + 65.0) / 18.0)
    h = 0.07 * jnp.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + jnp.exp(-(v + 35.0) / 10.0))
    n = 0.1 / exprel(-(v + 55.0) / 10.0), 0.125 * jnp.exp(-(v + 65.0) / 80.0)
    return m, h, n
