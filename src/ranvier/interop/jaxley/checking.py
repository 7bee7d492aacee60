"""Look at a network of Jaxley: what cannot work, before it runs, and what was lost, afterwards."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Array, Int

from ranvier.interop.jaxley.delayed import DelayedSynapse


def dropped(net: Any, states: Mapping[str, Array]) -> dict[str, Int[np.ndarray, " synapses"]]:
    """Spikes that found no place in the queue of their synapse.

    Args:
        net: The network, a `jaxley.Network`.
        states: The last states, from `jaxley.integrate(..., return_states=True)`.

    Returns:
        For each type of `DelayedSynapse` the number of each of its synapses.

    Example:
        >>> import jax.numpy as jnp
        >>> from types import SimpleNamespace
        >>> from ranvier.interop.jaxley import DelayedSynapse, dropped
        >>> net = SimpleNamespace(base=SimpleNamespace(synapses=[DelayedSynapse()]))
        >>> dropped(net, {"DelayedSynapse4_dropped": jnp.array([0.0, 2.0])})
        {'DelayedSynapse4': array([0, 2])}
    """
    ours = [one for one in net.base.synapses if isinstance(one, DelayedSynapse)]
    return {str(one.name): np.asarray(states[one.key("dropped")]).astype(int) for one in ours}


def check(net: Any, states: Mapping[str, Array] | None = None) -> None:
    """Raise if delayed synapses of a network cannot work, or, given its last states, if one of them lost a spike.

    Args:
        net: The network, a `jaxley.Network`.
        states: The last states, from `jaxley.integrate(..., return_states=True)`; None to check the network alone.

    Raises:
        ValueError: a sending compartment has a channel that resets the voltage before synapses see it (`Fire`,
            `Izhikevich` and `AdEx` of Jaxley); a delay or a time constant is not valid; or a spike was dropped by a
            queue that does not forgive it.

    Example:
        >>> from types import SimpleNamespace
        >>> from ranvier.interop.jaxley import check
        >>> check(SimpleNamespace(base=SimpleNamespace(synapses=[])))
    """
    for synapse in net.base.synapses:
        if isinstance(synapse, DelayedSynapse):
            _check_senders(net.base, synapse)
            _check_delays(net.base, synapse)
            if states is not None:
                _check_dropped(synapse, np.asarray(states[synapse.key("dropped")]))


def _check_senders(net: Any, synapse: DelayedSynapse) -> None:
    """Channels that change the voltage themselves hide its spikes."""
    senders = net.edges.loc[net.edges.type == synapse.name, "pre_index"].to_numpy()
    for channel in net.channels:
        module = type(channel).__module__
        hides = module.startswith("jaxley.channels.non_capacitive") and not module.endswith(".rate")
        there = net.nodes.loc[senders, channel.name].to_numpy(bool) if hides else np.zeros(1, bool)
        if there.any():
            at = senders[np.argmax(there)]
            msg = (
                f"{synapse.name}: the sending compartment {at} has the channel {channel.name}, which resets v "
                "before a synapse sees the spike. Use ranvier.interop.jaxley.LIF in its place."
            )
            raise ValueError(msg)


def _check_delays(net: Any, synapse: DelayedSynapse) -> None:
    """Delays and time constants as they stand in the table."""
    rows = net.edges[net.edges.type == synapse.name]
    for name in ("delay", *synapse.kernel.parameters()):
        value = rows[synapse.key(name)].to_numpy(float)
        right = (value >= 0 if name == "delay" else value > 0) & np.isfinite(value)
        if not right.all():
            wanted = ">= 0" if name == "delay" else "above 0"
            msg = f"{synapse.name}: `{synapse.key(name)}` must be {wanted} (ms); got {value[np.argmin(right)]}."
            raise ValueError(msg)


def _check_dropped(synapse: DelayedSynapse, count: np.ndarray) -> None:
    if not count.any() or synapse.queue.policy.forgiving:
        return
    msg = (
        f"{synapse.name}: {int(count.sum())} spikes found no place in the queue, first of "
        f"synapse {int(np.argmax(count > 0))}. {synapse.queue.advice()}"
    )
    raise ValueError(msg)
