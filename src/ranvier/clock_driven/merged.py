"""Merged events: sums over a step's arrivals at a neuron, and the one event of each sign that they stand for."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ranvier.clock_driven.timing import Delay, Sparks

CHUNK = 128
"""Spikes handled at a time: more would need more memory, fewer more time."""

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


def deposit(
    ring: Sums,
    sparks: Sparks,
    weight: Float[Array, "pre post"],
    delay: Delay,
    dt: Float[Array, ""],
    around: bool,
) -> Sums:
    """Add the events of spikes to the sums of the steps in which they arrive.

    Args:
        ring: Sums of each step.
        sparks: The spikes.
        weight: Weights.
        delay: Delays.
        dt: Length of a step (ms).
        around: Step k is in slot k modulo their number. Otherwise later steps are left out.

    Returns:
        The new sums.
    """
    slots, batch, _, post, _ = ring.shape
    flat = Sparks(*(part.reshape(-1) for part in sparks))
    total = flat.unit.size
    chunk = min(CHUNK, total)
    present = jnp.isfinite(flat.offset)
    place = jnp.nonzero(present, size=-(-total // chunk) * chunk, fill_value=total)[0].astype(jnp.int32)
    per_sample = total // batch
    targets = jnp.arange(post, dtype=jnp.int32)[None]

    def add(ring: Sums, place: Array) -> Sums:
        known = place < total
        at = jnp.where(known, place, 0)
        unit = flat.unit[at]
        offset = jnp.where(known, flat.offset[at], 0.0)[:, None]
        late, arrival = delay.arrival(offset, dt, unit)
        late = jnp.broadcast_to(late, (len(at), post))
        rows = weight[unit]
        slot = flat.step[at][:, None] + late
        slot = jnp.where(known[:, None], slot % slots if around else slot, slots)
        update = jnp.stack([rows, rows * arrival], axis=-1)
        return ring.at[slot, (at // per_sample)[:, None], (rows < 0).astype(jnp.int32), targets].add(
            update, mode="drop"
        )

    add = jax.checkpoint(add)
    if len(place) == chunk:
        return add(ring, place)
    step = lambda ring, place: (lax.cond(place[0] < total, add, lambda ring, _: ring, ring, place), None)
    return lax.scan(step, ring, place.reshape(-1, chunk))[0]
