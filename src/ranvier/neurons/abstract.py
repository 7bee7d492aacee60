"""What a neuron is: a state that flows, a condition for a spike, and a reset."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier.rules import Rule


class AbstractNeuron(eqx.Module):
    """A population of neurons of one kind. Its state has shape (variables, size)."""

    spiking: eqx.AbstractClassVar[bool]
    learns: eqx.AbstractClassVar[tuple[str, ...]]

    @abc.abstractmethod
    def rules(self) -> tuple[Rule, ...]:
        """What its parameters must be: checked when it is made and, since training changes them, in every run."""

    @abc.abstractmethod
    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """State at t = 0."""

    @abc.abstractmethod
    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """Slope of the state (per ms) at time t (ms), with a synaptic current."""

    @abc.abstractmethod
    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """Membrane potential."""

    @abc.abstractmethod
    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """A number that crosses 0 from below when the neuron spikes."""

    @abc.abstractmethod
    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """State after a spike, from that before it."""


class AbstractLinearNeuron(AbstractNeuron):
    """A membrane that is linear between events, with exponential current synapses; its state is (V, I)."""

    tau_mem: eqx.AbstractVar[Float[Array, "*#size"]]
    tau_syn: eqx.AbstractVar[Float[Array, "*#size"]]
    v_leak: eqx.AbstractVar[Float[Array, "*#size"]]
    bias: eqx.AbstractVar[Float[Array, "*#size"]]
    v_threshold: eqx.AbstractVar[Float[Array, "*#size"]]
    v_reset: eqx.AbstractVar[Float[Array, "*#size"]]
    refractory: eqx.AbstractVar[Float[Array, "*#size"]]

    @property
    def rest(self) -> Float[Array, "*#size"]:
        """`v_leak + bias`: the potential to which a neuron without events relaxes."""
        return self.v_leak + self.bias

    def initial(self, size: int, dtype: DTypeLike) -> Float[Array, "variables size"]:
        """`V = v_leak`, `I = 0`."""
        v = jnp.broadcast_to(self.v_leak, (size,)).astype(dtype)
        return jnp.stack([v, jnp.zeros_like(v)])

    def dynamics(
        self, t: ArrayLike, state: Float[Array, "variables size"], current: Float[Array, " size"]
    ) -> Float[Array, "variables size"]:
        """`V'` and `I'`; `current` is added to I."""
        del t
        v, i = state
        return jnp.stack([(self.rest - v + i + current) / self.tau_mem, -i / self.tau_syn])

    def voltage(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`V`."""
        return state[0]

    def condition(self, state: Float[Array, "variables size"]) -> Float[Array, " size"]:
        """`V - v_threshold`."""
        return state[0] - self.v_threshold

    def reset(self, state: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        """`V = v_reset`."""
        return state.at[0].set(self.v_reset)


def linear(neuron: AbstractNeuron, asker: str, advice: str) -> AbstractLinearNeuron:
    """The neuron, which `asker` needs to be linear between events.

    Args:
        neuron: Any neuron.
        asker: Who asks, for the message.
        advice: What to do where it is not.

    Returns:
        The same neuron.

    Raises:
        ValueError: it is not linear between events.

    Example:
        >>> import ranvier as rv
        >>> linear(rv.LIF(), "this example", "").spiking
        True
    """
    if not isinstance(neuron, AbstractLinearNeuron):
        kind = type(neuron).__name__
        msg = f"{asker} needs neurons that are linear between events (LIF or LI); got {kind}. {advice}"
        raise ValueError(msg)
    return neuron
