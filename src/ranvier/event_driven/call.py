"""The arrays that cross the border to the engine, documented once, in one order: that of `engine/call.h`."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from ranvier.event_driven.plan import Plan


class Call(NamedTuple):
    """The numbers of one call.

    Per connection, per population of neurons, per connection with pairs (two arrays of neurons), per population (spikes
    of inputs, and those from before t = 0), per recorded population, per population of neurons for each sample (u and
    current at t = 0); and what the rules say of them all, a key of `ranvier.status.STATUS` or 0.
    """

    weights: tuple[Any, ...]
    delays: tuple[Any, ...]
    theta: tuple[Any, ...]
    rho: tuple[Any, ...]
    refractory: tuple[Any, ...]
    tau_mem: tuple[Any, ...]
    tau_syn: tuple[Any, ...]
    height: tuple[Any, ...]
    pairs: tuple[Any, ...]
    times: tuple[Any, ...]
    units: tuple[Any, ...]
    records: tuple[Any, ...]
    start: tuple[Any, ...]
    current: tuple[Any, ...]
    status: tuple[Any, ...]


class Forward(NamedTuple):
    """What the forward pass gives: spikes (batch, places), potentials and their summaries (batch, values), what is kept
    for the backward pass, counters (batch, populations), where potentials were highest (batch, peaks) and (batch,
    2 peaks), events and neurons that were computed event by event (batch,), a status, and, if wanted, currents at the
    end (batch, neurons) and times of spikes from there (batch, places)."""

    times: Any
    units: Any
    voltages: Any
    window: Any
    offset: Any
    slope: Any
    restart: Any
    silent: Any
    guarded: Any
    dropped: Any
    in_flight: Any
    spikes: Any
    peak_window: Any
    peak: Any
    events: Any
    exact: Any
    status: Any
    current: Any
    since: Any


def arrays(plan: Plan, call: Call) -> tuple[Array, ...]:
    """The arrays of a call, each group laid end to end: what both passes take first."""
    real, sizes, batch = jnp.dtype(plan.dtype), plan.sizes[plan.inputs :], call.times[0].shape[0]
    flat = lambda group, kind=real: jnp.concatenate([jnp.zeros(0, kind), *(part.reshape(-1) for part in group)])
    wide = lambda group: flat([jnp.broadcast_to(part, (size,)) for part, size in zip(group, sizes, strict=True)])
    rows = lambda group, kind: jnp.concatenate([jnp.zeros((batch, 0), kind), *group], axis=1)
    groups = call.theta, call.rho, call.refractory, call.tau_mem, call.tau_syn, call.height
    neurons = (wide(group) for group in groups)
    sides = zip(*call.pairs, strict=True) if call.pairs else ((), ())
    return (
        flat(call.weights), flat(call.delays), *neurons, *(flat(side, jnp.int32) for side in sides),
        rows(call.times, real), rows(call.units, jnp.int32), rows(call.records, real),
        rows(call.start + call.current, real), call.status[0],
    )  # fmt: skip


def forward_shapes(plan: Plan, batch: int) -> Forward:
    """Shapes of what the forward pass gives."""
    real, whole = jnp.dtype(plan.dtype), jnp.dtype(jnp.int32)
    places, values = sum(plan.capacities[plan.inputs :]), zip(plan.rows, plan.sizes[plan.inputs :], strict=True)
    reals, wholes = (jax.ShapeDtypeStruct((batch, places), kind) for kind in (real, whole))
    counts, single = (jax.ShapeDtypeStruct(shape, whole) for shape in ((batch, len(plan.populations)), (batch,)))
    return Forward(
        times=reals, units=wholes,
        voltages=jax.ShapeDtypeStruct((batch, sum(count * size for count, size in values)), real),
        window=wholes, offset=reals, slope=reals, restart=reals,
        silent=counts, guarded=counts, dropped=counts, in_flight=counts, spikes=counts,
        peak_window=jax.ShapeDtypeStruct((batch, plan.peaks), whole),
        peak=jax.ShapeDtypeStruct((batch, 2 * plan.peaks), real),
        events=single, exact=single, status=jax.ShapeDtypeStruct((), whole),
        current=jax.ShapeDtypeStruct((batch, sum(plan.sizes[plan.inputs :]) if plan.ending else 0), real),
        since=jax.ShapeDtypeStruct((batch, places if plan.ending else 0), real),
    )  # fmt: skip


def cut(flat: Array, parts: tuple[Any, ...]) -> tuple[Array, ...]:
    """What was laid end to end, in the shapes of its parts."""
    found, start = [], 0
    for part in parts:
        size = math.prod(part.shape)
        found.append(flat[start : start + size].reshape(part.shape))
        start += size
    return tuple(found)


def cut_wide(plan: Plan, flat: Array, parts: tuple[Any, ...]) -> tuple[Array, ...]:
    """What was laid end to end after it was made one for each neuron: sums, where a part is common to all."""
    sizes = [jax.ShapeDtypeStruct((size,), flat.dtype) for size in plan.sizes[plan.inputs :]]
    whole = cut(flat, tuple(sizes))
    return tuple(
        jnp.sum(one).reshape(part.shape) if math.prod(part.shape) == 1 else one.reshape(part.shape)
        for one, part in zip(whole, parts, strict=True)
    )


def cut_rows(flat: Array, shapes: list[tuple[int, ...]]) -> tuple[Array, ...]:
    """The same for arrays side by side, (batch, ...): the shapes are those of one sample."""
    found, start = [], 0
    for shape in shapes:
        size = math.prod(shape)
        found.append(flat[:, start : start + size].reshape(flat.shape[0], *shape))
        start += size
    return tuple(found)
