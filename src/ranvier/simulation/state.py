"""The state of a network between two pieces of a run."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ranvier.network import Network


class State(eqx.Module):
    """All that a network needs to go on from where it stood: `simulate(..., end=True).end`, `start` of the next call.

    Arrays have the batch axis of the input spikes, where there is one. Times count from the moment of the state, so
    that nothing is lost to rounding however long a run goes on.

    Args:
        voltage: Potentials of each population of neurons.
        current: Their synaptic currents. Events that arrive just at the moment of the state are not in it: they are
            still on their way.
        time: For every population, inputs too, the latest spikes (ms, at most 0, ascending), `-inf` where there is
            none: their events may be on their way, their neurons in a refractory time.
        unit: The neurons of these spikes.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> first = rv.simulate(net, spikes, rv.EventDriven(), t_end=4.0, end=True)
        >>> nothing = rv.Spikes(jnp.array([jnp.inf, jnp.inf]), jnp.array([-1, -1]))
        >>> second = rv.simulate(net, nothing, rv.EventDriven(), t_end=16.0, start=first.end)
        >>> whole = rv.simulate(net, spikes, rv.EventDriven(), t_end=20.0)
        >>> counts = [int(one.stats.spikes["output"]) for one in (first, second, whole)]
        >>> counts[0] + counts[1] == counts[2] > counts[0]
        True
    """

    voltage: dict[str, Float[Array, "*batch size"]]
    current: dict[str, Float[Array, "*batch size"]]
    time: dict[str, Float[Array, "*batch places"]]
    unit: dict[str, Int[Array, "*batch places"]]


def check_state(network: Network, state: object, lead: tuple[int, ...]) -> State:
    """A state with a batch axis, refused where it is not one of this network and this batch.

    Args:
        network: The network.
        state: What was given as `start`.
        lead: Shape of the batch, () or (batch,).

    Raises:
        ValueError: it is no state, or one of another network or batch.
    """
    if not isinstance(state, State):
        msg = f"simulate: `start` must be a state, simulate(..., end=True).end of the call before; got {state!r}."
        raise ValueError(msg)
    for parts, names in (
        (state.voltage, network.neurons),
        (state.current, network.neurons),
        (state.time, network.names),
    ):
        if set(parts) != set(names):
            msg = f"simulate: `start` is of a network of {sorted(state.time)}; this one has {sorted(network.names)}."
            raise ValueError(msg)
    for part in (state.voltage, state.current):
        _check_shapes(part, {name: (*lead, network.size(name)) for name in part})
    _check_shapes(state.time, {name: (*lead, at.shape[-1]) for name, at in state.time.items()})
    _check_shapes(state.unit, {name: at.shape for name, at in state.time.items()})
    return state if lead else jax.tree.map(lambda leaf: leaf[None], state)


def _check_shapes(arrays: Mapping[str, Array], wanted: Mapping[str, tuple[int, ...]]) -> None:
    for name, array in arrays.items():
        if jnp.shape(array) != wanted[name]:
            msg = (
                f"simulate: `start` has an array of shape {jnp.shape(array)} for {name!r}, where the network and the "
                f"input spikes need {wanted[name]}. Is it the state of another batch?"
            )
            raise ValueError(msg)
