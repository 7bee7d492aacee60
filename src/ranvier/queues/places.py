"""Moves that several queues are made of: admitting an event, choosing places, delivering what is due."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PyTree

from ranvier.queues.abstract import AbstractQueue, Counters, Due, QueueState


class Arrival(eqx.Module):
    """An event at the door of each queue.

    Args:
        time: Arrival time as the policy has it; `inf` where there is no event.
        payload: What it carries, in the types of the state.
        wanted: Whether there is an event.
        late: Whether it arrives before `now`.
        broken: Whether its time is not a number.
    """

    time: Float[Array, "*shape"]
    payload: PyTree[Array]
    wanted: Bool[Array, "*shape"]
    late: Bool[Array, "*shape"]
    broken: Bool[Array, "*shape"]


def admit(
    queue: AbstractQueue,
    state: QueueState,
    now: ArrayLike,
    time: Float[ArrayLike, "*shape"],
    payload: PyTree[ArrayLike],
) -> Arrival:
    """Check an event's shape and structure against the state, and its time against `now`."""
    name, dtype, shape = type(queue).__name__, state.time.dtype, state.time.shape[1:]
    if jnp.shape(time) != shape:
        msg = f"{name}.push: `time` must have the shape of the queues, {shape}; got {jnp.shape(time)}."
        raise ValueError(msg)
    want, got = jax.tree.structure(state.payload), jax.tree.structure(payload)
    if want != got:
        msg = f"{name}.push: `payload` must have the structure given to `empty`, {want}; got {got}."
        raise ValueError(msg)
    carried = jax.tree.map(lambda leaf, new: jnp.asarray(new, leaf.dtype), state.payload, payload)
    for old, new in zip(jax.tree.leaves(state.payload), jax.tree.leaves(carried), strict=True):
        if new.shape != old.shape[1:]:
            msg = f"{name}.push: a leaf of `payload` must have shape {old.shape[1:]}; got {new.shape}."
            raise ValueError(msg)
    now, time = jnp.asarray(now, dtype), jnp.asarray(time, dtype)
    return Arrival(queue.policy.not_before(time, now), carried, time < jnp.inf, time < now, jnp.isnan(time))


def count(counters: Counters, arrival: Arrival, *, lost: Bool[Array, "*shape"], held: Int[Array, "*shape"]) -> Counters:
    """Add one push to the counters: `lost` events, and how many are `held` now."""
    return Counters(
        counters.dropped + (lost | arrival.broken).astype(jnp.int32),
        counters.late + arrival.late.astype(jnp.int32),
        counters.clamped,
        jnp.maximum(counters.peak, held),
    )


def held(time: Float[Array, "places *shape"]) -> Int[Array, "*shape"]:
    """How many places are in use."""
    return jnp.sum(time < jnp.inf, axis=0, dtype=jnp.int32)


def numbers(time: Float[Array, "places *shape"]) -> Int[Array, "places *ones"]:
    """The number of each place, to be compared with one per queue."""
    return jnp.arange(time.shape[0], dtype=jnp.int32).reshape(-1, *(1,) * (time.ndim - 1))


def choose(mask: Bool[Array, "..."], new: PyTree[Array], old: PyTree[Array]) -> PyTree[Array]:
    """Leaf by leaf `new` where `mask` is set, else `old`; a leaf may have further axes at the end."""
    wide = lambda leaf: mask.reshape(mask.shape + (1,) * (leaf.ndim - mask.ndim))
    return jax.tree.map(lambda yes, no: jnp.where(wide(no), yes, no), new, old)


def row(tree: PyTree[Array]) -> PyTree[Array]:
    """One event per queue as a row of places."""
    return jax.tree.map(lambda leaf: leaf[None], tree)


def shift(leaf: Array, by: int, fill: float = 0.0) -> Array:
    """Every place takes what the one `by` further down holds (further up if negative); `fill` comes in."""
    hole = jnp.full_like(leaf[: abs(by)], fill)
    return jnp.concatenate([leaf[by:], hole] if by > 0 else [hole, leaf[:by]])


def first_free(time: Float[Array, "places *shape"]) -> Int[Array, "*shape"]:
    """The first free place of each queue, the number of places where none is free."""
    return jnp.min(jnp.where(time < jnp.inf, time.shape[0], numbers(time)), axis=0)


def deliver(state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
    """Take every due event out of its place, whatever their order."""
    due = state.time <= jnp.asarray(until, state.time.dtype)
    out = Due(jnp.where(due, state.time, jnp.inf), state.payload)
    return QueueState(jnp.where(due, jnp.inf, state.time), state.payload, state.counters), out


def require_capacity(name: str, capacity: int) -> None:
    """Raise unless `capacity` is a whole number of places, at least one."""
    if not isinstance(capacity, int) or capacity < 1:
        msg = f"{name}: `capacity` must be a whole number, at least 1; got {capacity!r}. "
        raise ValueError(msg + "`queues.capacity(delay_max, rate_max)` tells how many a line needs.")
