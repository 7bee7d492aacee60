"""Controls: what of a data set does a network use? The same spikes without their rates, or backwards in time.

Source of both: Yu, Sun & Goodman, arXiv:2507.16043. How missing spikes are filled in is ours.
"""

import math

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from ranvier._random import generator
from ranvier.events import Spikes, known_size


def equal_counts(spikes: Spikes, count: int, *, t_end: float, key: PRNGKeyArray) -> Spikes:
    """Spikes without rates: every unit fires exactly `count` times in every sample.

    Of a unit that fires more often, `count` spikes stay, chosen at random. One that fires less often keeps all of its
    spikes, and fires in addition at times uniform in [0, t_end). So spike counts say nothing any more; times still do.

    Args:
        spikes: Spikes of shape (n,) or (samples, n), of a population of known size.
        count: Spikes of each unit, at least 1. Choose it near the median of the data.
        t_end: End of a sample (ms).
        key: Random key.

    Returns:
        `Spikes` of shape (samples, count * size), or (count * size,), sorted.

    Raises:
        ValueError: `count` or `t_end` is out of range, or the size of the population is not known.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier import datasets
        >>> spikes = rv.Spikes([[1.0, 2.0, 3.0]], [[0, 0, 0]], size=2)
        >>> rv.spike_count(datasets.equal_counts(spikes, 2, t_end=9.0, key=jax.random.key(0))).tolist()
        [[2.0, 2.0]]
    """
    if not (count >= 1 and 0 < t_end < math.inf):
        msg = f"equal_counts: `count` must be at least 1 and `t_end` a time in ms above 0; got {count} and {t_end}."
        raise ValueError(msg)
    size, random = known_size(spikes, "equal_counts"), generator(key)
    time, unit = (np.atleast_2d(np.asarray(part)) for part in (spikes.time, spikes.unit))
    found = np.empty((len(time), count * size), time.dtype)
    owner = np.tile(np.repeat(np.arange(size), count), (len(time), 1))
    for sample, (times, units) in enumerate(zip(time, unit, strict=True)):
        there = np.isfinite(times)
        place = (t_end * random.random(count * size)).reshape(size, count)
        for one in np.unique(units[there]):
            own = times[there & (units == one)]
            kept = random.permutation(own)[:count]
            place[one, : len(kept)] = kept
        found[sample] = place.ravel()
    order = np.argsort(found, axis=1, kind="stable")
    found, owner = np.take_along_axis(found, order, axis=1), np.take_along_axis(owner, order, axis=1)
    shape = (*spikes.time.shape[:-1], count * size)
    return Spikes(jnp.asarray(found.reshape(shape)), owner.reshape(shape), size)


def time_reversed(spikes: Spikes, *, t_end: float) -> Spikes:
    """Spikes backwards: `t -> t_end - t`. Counts, intervals and coincidences stay, the order of events does not.

    Args:
        spikes: Spikes of shape (n,) or (samples, n).
        t_end: End of a sample (ms); no spike is later.

    Returns:
        `Spikes` of the same shape, sorted.

    Raises:
        ValueError: a spike is later than `t_end`.

    Example:
        >>> import ranvier as rv
        >>> from ranvier import datasets
        >>> datasets.time_reversed(rv.Spikes([1.0, 4.0, float("inf")], [0, 1, -1], size=2), t_end=5.0).time.tolist()
        [1.0, 4.0, inf]
    """
    latest = float(np.max(np.asarray(spikes.time), where=np.isfinite(spikes.time), initial=0.0))
    if not latest <= t_end:
        msg = f"time_reversed: `t_end` must not be before the last spike; got {t_end} ms, a spike is at {latest} ms."
        raise ValueError(msg)
    time = jnp.where(jnp.isfinite(spikes.time), t_end - spikes.time, jnp.inf)
    order = jnp.argsort(time, axis=-1, stable=True)
    along = lambda values: jnp.take_along_axis(values, order, axis=-1)
    presence = None if spikes.presence is None else along(spikes.presence)
    return Spikes(along(time), along(spikes.unit), spikes.size, presence=presence)
