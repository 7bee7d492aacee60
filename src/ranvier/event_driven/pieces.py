"""Start and stop: what the engine is given of a state, and the state at the end of a call."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.event_driven.rows import Rows
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.simulation.state import State


def with_past(spikes: dict[str, Spikes], start: State | None) -> dict[str, Spikes]:
    """Input spikes, those from before in front."""
    if start is None:
        return spikes
    join = lambda before, now: jnp.concatenate([before.astype(now.dtype), now], axis=1)
    return {
        name: Spikes(join(start.time[name], train.time), join(start.unit[name], train.unit), train.size)
        for name, train in spikes.items()
    }


Arrays = tuple[Array, ...]


def at_start(
    network: Network, order: tuple[str, ...], batch: int, start: State | None
) -> tuple[Arrays, Arrays, Arrays, Arrays]:
    """Of each population of neurons, in order: u and current at t = 0, times and units of the spikes before.

    Args:
        network: The network.
        order: Its populations of neurons.
        batch: Size of the batch.
        start: The state to go on from; at rest where there is none.
    """
    dtype = network.dtype
    neurons = [linear(network.neurons[name], "EventDriven", "") for name in order]
    wide = lambda value, name: jnp.broadcast_to(value.astype(dtype), (batch, network.size(name)))
    if start is None:
        u = tuple(wide(-neuron.bias, name) for neuron, name in zip(neurons, order, strict=True))
        none = jnp.zeros((batch, 0), dtype), jnp.zeros((batch, 0), jnp.int32)
        return u, tuple(map(jnp.zeros_like, u)), (none[0],) * len(order), (none[1],) * len(order)
    rest = [wide(neuron.rest, name) for neuron, name in zip(neurons, order, strict=True)]
    each = lambda parts, kind: tuple(parts[name].astype(kind) for name in order)
    voltage, current = each(start.voltage, dtype), each(start.current, dtype)
    u = tuple(v - r for v, r in zip(voltage, rest, strict=True))
    return u, current, each(start.time, dtype), each(start.unit, jnp.int32)


def with_end(record: dict[str, Float[Array, "batch times"]], network: Network, batch: int, t_end: float) -> dict:
    """Record times, and the end after them, for every population: whatever lies after the end is the end."""
    last = jnp.full((batch, 1), 2.0 * t_end, network.dtype)
    none = jnp.zeros((batch, 0), network.dtype)
    return {
        name: jnp.concatenate([record.get(name, none).astype(network.dtype), last], axis=1) for name in network.neurons
    }


def ended(
    network: Network,
    links: tuple[Rows, ...],
    trains: dict[str, Spikes],
    since: dict[str, Float[Array, "batch places"]],
    state: tuple[dict[str, Float[Array, "batch size"]], dict[str, Float[Array, "batch size"]]],
    start: State | None,
    t_end: float,
) -> tuple[State, Bool[Array, ""]]:
    """The state at the end, and whether it has too few places.

    Args:
        network: The network.
        links: Its connections.
        trains: All spikes of this call by population, without those of `start`.
        since: Times of the spikes of neurons from the end, those of `start` included: values without a derivative.
        state: Potentials and currents at the end.
        start: Where the call began.
        t_end: How long it went (ms).
    """
    times, units, full = {}, {}, [jnp.zeros((), bool)]
    for name in network.names:
        time, unit = trains[name].time, trains[name].unit.astype(jnp.int32)
        if start is not None:
            time = jnp.concatenate([start.time[name].astype(time.dtype), time], axis=1)
            unit = jnp.concatenate([start.unit[name], unit], axis=1)
        places = trains[name].time.shape[1] if start is None else start.time[name].shape[1]
        some = jnp.isfinite(time)
        at = jnp.where(some, time, 0.0)
        value = since[name] + (at - lax.stop_gradient(at)) if name in since else at - t_end
        time = jnp.where(some, value, -jnp.inf)
        time, unit = lax.sort((time, unit), dimension=1, num_keys=1)
        left_out = time.shape[1] - places
        full.append(jnp.any(_counts(network, links, name, time[:, :left_out], unit[:, :left_out])))
        times[name], units[name] = time[:, left_out:], unit[:, left_out:]
    return State(*state, times, units), jnp.any(jnp.stack(full))


def _counts(
    network: Network, links: tuple[Rows, ...], name: str, time: Float[Array, "batch n"], unit: Int[Array, "batch n"]
) -> Bool[Array, "batch n"]:
    """Which spikes still have events on their way, or hold their neuron."""
    time = lax.stop_gradient(time)
    longest = [jnp.max(lax.stop_gradient(link.delay), initial=0.0) for link in links if link.pre == name]
    flying = time + jnp.max(jnp.stack([jnp.zeros((), time.dtype), *longest])) >= 0
    if name not in network.neurons:
        return flying
    neuron = linear(network.neurons[name], "EventDriven", "")
    hold = jnp.broadcast_to(lax.stop_gradient(neuron.refractory), (network.size(name),))
    return flying | (jnp.isfinite(time) & (time + hold[jnp.maximum(unit, 0)] > 0))
