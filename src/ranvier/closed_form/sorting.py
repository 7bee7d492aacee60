"""Sorting by time along the first axis, with all other axes side by side.

Batcher's bitonic network: log2(n) (log2(n) + 1) / 2 rounds in which each place compares with one other place, the same
for every line, so that whole registers of lines move at once. `lax.sort` sorts line by line, and took two to eight
times as long on a CPU for 30 to 4,000 events.
"""

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

from ranvier.events import Spikes


def sort_by_time(
    time: Float[Array, "n *#lines"], payload: Shaped[Array, "n *#lines"]
) -> tuple[Float[Array, "n *#lines"], Shaped[Array, "n *lines"]]:
    """Sort times, and a payload with them; `inf` goes to the end.

    Args:
        time: Times; an axis of size 1 is shared by all lines of the payload.
        payload: What moves along.

    Example:
        >>> import jax.numpy as jnp
        >>> time, unit = sort_by_time(jnp.array([3.0, 1.0, jnp.inf, 2.0, 0.0]), jnp.arange(5))
        >>> unit.tolist()
        [4, 1, 3, 0, 2]
    """
    n = time.shape[0]
    partners = _partners(n)
    size = partners.shape[1]
    time = jnp.concatenate([time, jnp.full((size - n, *time.shape[1:]), jnp.inf, time.dtype)])
    lines = jnp.broadcast_shapes(time.shape[1:], payload.shape[1:])
    payload = jnp.broadcast_to(payload, (n, *lines))
    payload = jnp.concatenate([payload, jnp.zeros((size - n, *lines), payload.dtype)])
    place = jnp.arange(size, dtype=jnp.int32)

    def compare(carry: tuple[Array, Array], partner: Int[Array, " size"]) -> tuple[tuple[Array, Array], None]:
        time, payload = carry
        other = time[partner]
        first = jnp.reshape(place < partner, (size, *(1 for _ in time.shape[1:])))
        stays = jnp.where(first, time <= other, time >= other)
        return (jnp.where(stays, time, other), jnp.where(stays, payload, payload[partner])), None

    (time, payload), _ = lax.scan(compare, (time, payload), jnp.asarray(partners))
    return time[:n], payload[:n]


def in_order(first: Float[Array, "batch size"], presence: Float[Array, "batch size"] | None = None) -> Spikes:
    """First spikes, by neuron, as sorted and padded `Spikes`; the inverse of `ranvier.first_spike`.

    Args:
        first: First spikes, `inf` for none.
        presence: 1 for each spike, where it has a derivative.

    Example:
        >>> import jax.numpy as jnp
        >>> in_order(jnp.array([[2.0, jnp.inf, 1.0]])).unit.tolist()
        [[2, 0, -1]]
    """
    unit = jnp.broadcast_to(jnp.arange(first.shape[1], dtype=jnp.int32)[:, None], first.T.shape)
    time, unit = sort_by_time(first.T, unit)
    real = jnp.isfinite(time).T
    if presence is not None:
        presence = jnp.where(real, jnp.take_along_axis(presence, unit.T, axis=1), 0.0)
    return Spikes(time.T, jnp.where(real, unit.T, -1), size=first.shape[1], presence=presence)


def _partners(n: int) -> Int[np.ndarray, "rounds size"]:
    """For each round the place that each place compares with: its mirror image in a block, then ever nearer ones."""
    levels = (max(n, 1) - 1).bit_length()
    masks = [mask for level in range(levels) for mask in [(2 << level) - 1, *(1 << k for k in reversed(range(level)))]]
    return np.arange(1 << levels, dtype=np.int32) ^ np.array(masks, np.int32).reshape(-1, 1)
