"""Merged events: sums over a step's arrivals at a neuron, and the one event of each sign that they stand for."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from ranvier.clock_driven.timing import Delay, Sparks

MANY = 1024
"""Input spikes handled at a time: more would need more memory, fewer more time."""
NEVER = 2**30
"""A period of slots that no step reaches."""
FEW = 8
"""Spikes of a sample in one step that are always handled; for more than twice as many there is another branch."""

Sums = Float[Array, "*steps batch two post two"]
"""For each sign of the weight: sums of the weights, and of weights times offsets."""


def merge(sums: Float[Array, "batch two post two"], dt: Float[Array, ""]) -> tuple[Array, Array]:
    """The event of each sign that has the same total weight and centre of weight.

    Args:
        sums: Of one step.
        dt: Length of the step (ms).

    Returns:
        Offsets and weights, shape (2, batch, post), the earlier first. Where nothing arrived the weight is 0.
    """
    weight, moment = jnp.moveaxis(sums[..., 0], 1, 0), jnp.moveaxis(sums[..., 1], 1, 0)
    some = weight != 0
    # Without a weight the event stands at the step's end, so that the derivative with respect to it is not lost.
    centre = jnp.where(some, moment / jnp.where(some, weight, 1.0), dt)
    centre = centre - lax.stop_gradient(jnp.maximum(centre - dt, 0.0))  # rounding, beyond the end of the step
    swap = centre[0] > centre[1]
    order = lambda pair: jnp.stack([jnp.where(swap, pair[1], pair[0]), jnp.where(swap, pair[0], pair[1])])
    return order(centre), order(weight)


def deposit_all(
    sums: Sums, sparks: Sparks, weight: Float[Array, "pre post"], delay: Delay, dt: Float[Array, ""]
) -> Sums:
    """Add the events of given spikes to the sums of all steps; what arrives after the last step is left out.

    Args:
        sums: Of every step.
        sparks: The spikes.
        weight: Weights.
        delay: Delays.
        dt: Length of a step (ms).
    """
    flat, batch, total = _flat(sparks), len(sparks.unit), sparks.unit.size
    if total == 0:
        return sums
    many = min(MANY, total)
    place = jnp.arange(-(-total // many) * many, dtype=jnp.int32)
    place = jnp.where(place < total, jnp.where(jnp.isfinite(flat.offset[place % total]), place, total), total)
    add = jax.checkpoint(_add, static_argnums=(3, 7))  # its indices would be kept for every event
    step = lambda sums, part: (add(sums, flat, part, total // batch, weight, delay, dt, NEVER), None)
    return lax.scan(step, sums, place.reshape(-1, many))[0]


def deposit_step(
    ring: Sums, sparks: Sparks, weight: Float[Array, "pre post"], delay: Delay, dt: Float[Array, ""]
) -> Sums:
    """Add the events of one step's spikes to a ring, where step k has slot k modulo the number of slots.

    Most steps have few spikes, for which there is a branch of its own.

    Args:
        ring: Sums of the steps to come.
        sparks: Places for the spikes, most of them empty.
        weight: Weights.
        delay: Delays.
        dt: Length of a step (ms).
    """
    batch, total = sparks.unit.shape[0], sparks.unit.size
    few = FEW * batch if total > 2 * FEW * batch else total  # a branch for little more would not pay

    def deposit(ring: Sums, sparks: Sparks, weight: Float[Array, "pre post"], delay: Delay) -> Sums:
        flat = _flat(sparks)
        place = jnp.nonzero(jnp.isfinite(flat.offset), size=total, fill_value=total)[0].astype(jnp.int32)
        # Computed again in the backward pass: a branch would keep what it needs in every step, taken or not.
        add = jax.checkpoint(
            lambda ring, place: _add(ring, flat, place, total // batch, weight, delay, dt, ring.shape[0])
        )
        if few == total:
            return add(ring, place)
        return lax.cond(place[few] < total, lambda: add(ring, place), lambda: add(ring, place[:few]))

    return jax.checkpoint(deposit)(ring, sparks, weight, delay)


def _flat(sparks: Sparks) -> Sparks:
    return jax.tree.map(lambda part: part.reshape(-1), sparks)


def _add(
    sums: Sums,
    flat: Sparks,
    place: Int[Array, " few"],
    per_sample: int,
    weight: Float[Array, "pre post"],
    delay: Delay,
    dt: Float[Array, ""],
    period: int,
) -> Sums:
    """Add the events of the spikes at some places, those beyond the last place being none; slots have a period."""
    slots, _, _, post, _ = sums.shape

    known = place < flat.unit.size
    at = jnp.where(known, place, 0)
    unit = flat.unit[at]
    late, arrival = delay.arrival(jnp.where(known, flat.offset[at], 0.0)[:, None], dt, unit)
    rows = weight[unit] if flat.presence is None else weight[unit] * flat.presence[at][:, None]
    slot = (flat.step[at][:, None] + late) % period
    slot = jnp.broadcast_to(jnp.where(known[:, None], slot, slots), rows.shape)
    target = jnp.arange(post, dtype=jnp.int32)[None]
    where = (slot, (at // per_sample)[:, None], (rows < 0).astype(jnp.int32), target)
    return sums.at[where].add(jnp.stack([rows, rows * arrival], axis=-1), mode="drop")
