"""What arrives at a population in one step, and how it is picked from all that waits or is known beforehand."""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.merged import Sums
from ranvier.clock_driven.timing import Delay, Grid, Sparks


class Arrivals(NamedTuple):
    """What arrives at a population in one step.

    Args:
        times: Offsets of the events from the step's start (ms), inf for none.
        weights: Their weights.
        sums: For merged events, sums over each sign of the weights and of weights times offsets.
        lost: Events that did not fit.
    """

    times: Float[Array, "events batch size"]
    weights: Float[Array, "events batch size"]
    sums: Sums | None
    lost: Int[Array, " batch"]


def padded(arrivals: Arrivals, more: int) -> Arrivals:
    """Arrivals of all steps, and `more` steps after them in which nothing arrives."""

    def pad(leaf: Array, value: float) -> Array:
        return jnp.pad(
            leaf, ((0, more), *((0, 0) for _ in leaf.shape[1:])), constant_values=jnp.asarray(value, leaf.dtype)
        )

    sums = None if arrivals.sums is None else pad(arrivals.sums, 0.0)
    return Arrivals(pad(arrivals.times, jnp.inf), pad(arrivals.weights, 0.0), sums, pad(arrivals.lost, 0.0))


def earliest(
    offset: Float[Array, "waiting batch pre #post"],
    weight: Float[Array, "pre post"],
    events: int,
    presence: Float[Array, "waiting batch pre"] | None = None,
) -> Arrivals:
    """The events of this step with their weights, the earliest where more arrive than there is room for.

    Args:
        offset: Offset (ms) at which each event that waits arrives in this step; `inf` if it does not.
        weight: Weights.
        events: Room.
        presence: That of each spike that waits, if it has a derivative.
    """
    waiting, batch, pre, _ = offset.shape
    offset = jnp.moveaxis(offset, 0, 1).reshape(batch, waiting * pre, -1).swapaxes(1, 2)
    width = min(events, waiting * pre)
    negative, place = lax.top_k(-offset, width)  # (batch, post or 1, width)
    post = weight.shape[1]
    unit = jnp.broadcast_to(place % pre, (batch, post, width))
    weights = weight[unit, jnp.arange(post, dtype=jnp.int32)[None, :, None]]
    if presence is not None:
        here = jnp.moveaxis(presence, 0, 1).reshape(batch, 1, waiting * pre)
        weights = weights * jnp.take_along_axis(here, place, axis=2)
    times = jnp.broadcast_to(-negative, (batch, post, width))
    here = jnp.isfinite(times)
    found = jnp.broadcast_to(jnp.sum(jnp.isfinite(offset), axis=2, dtype=jnp.int32), (batch, post))
    lost = jnp.sum(jnp.maximum(found - width, 0), axis=1, dtype=jnp.int32)
    times, weights = jnp.moveaxis(times, 2, 0), jnp.moveaxis(jnp.where(here, weights, 0.0), 2, 0)
    return Arrivals(times, weights, None, lost)


def by_step(
    sparks: Sparks,
    weight: Float[Array, "pre post"],
    delay: Delay,
    exists: Bool[Array, "pre post"] | None,
    grid: Grid,
    events: int,
    steps: int,
) -> Arrivals:
    """All arrivals of known spikes, sorted by time and laid out by step; every array has a leading axis of steps.

    Args:
        sparks: The spikes.
        weight: Weights.
        delay: Delays.
        exists: Where there is a synapse; None for everywhere.
        grid: The steps.
        events: Room for events per neuron and step.
        steps: Number of steps.
    """
    batch, count = sparks.unit.shape
    post, width = weight.shape[1], min(events, count)
    late, at = delay.arrival(sparks.offset[..., None], grid.dt, sparks.unit)
    shape = (batch, count, post)
    real = jnp.isfinite(sparks.offset)[..., None]
    if exists is not None:
        real = real & exists[sparks.unit]
    arrival = jnp.broadcast_to(jnp.where(real, sparks.step[..., None] + late, steps), shape)
    at = jnp.broadcast_to(jnp.where(real, at, 0.0), shape)
    arrival, at, carried = lax.sort((arrival, at, weight[sparks.unit]), dimension=1, num_keys=2)
    place = jnp.broadcast_to(jnp.arange(count, dtype=jnp.int32)[None, :, None], shape)
    before = jnp.concatenate([jnp.full((batch, 1, post), -1, jnp.int32), arrival[:, :-1]], axis=1)
    first = lax.cummax(jnp.where(arrival != before, place, 0), axis=1)
    rank = place - first
    lost = jnp.sum((rank >= width) & (arrival < steps), axis=(1, 2), dtype=jnp.int32)
    sample, target = (
        jnp.arange(batch, dtype=jnp.int32)[:, None, None],
        jnp.arange(post, dtype=jnp.int32)[None, None, :],
    )
    where = (arrival, rank, sample, target)
    times = jnp.full((steps, width, batch, post), jnp.inf, at.dtype).at[where].set(at, mode="drop")
    weights = jnp.zeros((steps, width, batch, post), at.dtype).at[where].set(carried, mode="drop")
    per_step = jnp.zeros((steps, batch), jnp.int32).at[0].set(lost)
    return Arrivals(times, weights, None, per_step)
