"""The plain arrays behind `Spikes`: their checks, and conversions from lists and from bins of time."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ranvier._concrete import concrete

LARGEST_UNIT = np.iinfo(np.int32).max


class Row(NamedTuple):
    """One sample's spikes in order of time."""

    time: Float[np.ndarray, " n"]
    unit: Int[np.ndarray, " n"]


def as_units(unit: ArrayLike | Sequence[Any]) -> Int[Array, "*shape"]:
    """Neuron indices as 32-bit integers; what is not an integer, or does not fit, is refused."""
    array = unit if isinstance(unit, Array) else np.asarray(unit)
    if array.size == 0:
        return jnp.zeros(array.shape, jnp.int32)
    if not np.issubdtype(array.dtype, np.integer):
        msg = f"Spikes: `unit` must hold integer neuron indices; got {array.dtype}."
        raise ValueError(msg)
    known = concrete(array) if np.iinfo(array.dtype).max > LARGEST_UNIT else None
    if known is not None and (known.max() > LARGEST_UNIT or known.min() < -LARGEST_UNIT):
        worst = known.max() if known.max() > LARGEST_UNIT else known.min()
        msg = f"Spikes: `unit` must hold neuron indices of at most {LARGEST_UNIT}; got {worst}."
        raise ValueError(msg)
    return jnp.asarray(array, jnp.int32)


def check_units(time: Float[Array, "*batch n"], unit: Int[Array, "*batch n"], size: int) -> None:
    """Refuse spikes of neurons that a population of `size` does not have, where they are known."""
    if size < 1:
        msg = f"Spikes: `size`, the number of units of the population, must be at least 1; got {size}."
        raise ValueError(msg)
    times, units = concrete(time), concrete(unit)
    if times is None or units is None:
        return
    wrong = (times != np.inf) & ((units < 0) | (units >= size))
    if wrong.any():
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        msg = (
            f"Spikes: a population of `size` {size} has the units 0..{size - 1}; got unit {units[at]} at {at}, and "
            f"{wrong.sum()} such spikes in all. Is `size` the number of units, or are they counted from 1?"
        )
        raise ValueError(msg)


def sorted_row(sample: int, time: ArrayLike | Sequence[Any], unit: ArrayLike | Sequence[Any], size: int | None) -> Row:
    """One sample of `Spikes.from_ragged`, sorted and without the times that are `inf`."""
    times, units = np.asarray(time, float), np.asarray(unit)
    if times.shape != units.shape or times.ndim != 1:
        msg = f"from_ragged: sample {sample} has times {times.shape} and units {units.shape}; both must be (n,)."
        raise ValueError(msg)
    never = times == np.inf
    wrong_time = np.isnan(times) | (times == -np.inf)
    _refuse_entry(sample, times, wrong_time, "times must be numbers in ms, or inf for no spike", "time")
    if not np.issubdtype(units.dtype, np.integer):
        advice = "units must be integers, the indices of neurons; convert them with astype(int) if they are whole"
        _refuse_entry(sample, units, np.ones(units.shape, bool), advice, "unit")
    below = LARGEST_UNIT + 1 if size is None else size
    outside = ~never & ((units < 0) | (units >= below))
    _refuse_entry(sample, units, outside, f"units must be in 0..{below - 1}", "unit")
    order = np.argsort(times[~never], kind="stable")
    return Row(times[~never][order], units[~never][order].astype(np.int32))


def _refuse_entry(sample: int, values: np.ndarray, wrong: Bool[np.ndarray, " n"], wanted: str, name: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        msg = f"from_ragged: {wanted}; got {name} {values[at]} at place {at} of sample {sample}."
        raise ValueError(msg)


def check_bin(owner: str, dt: float) -> None:
    """Refuse a length of bins that is none."""
    if not 0 < dt < np.inf:
        msg = f"{owner}: `dt`, the length of a bin, must be a time in ms above 0; got {dt}."
        raise ValueError(msg)


def zeros_and_ones(array: Array) -> Bool[Array, "*shape"]:
    """An array of 0 and 1 as booleans; anything else is refused."""
    if array.dtype == bool:
        return array
    wrong, known = (array != 0) & (array != 1), concrete(array)
    wanted = "from_dense: a bin holds 0 or 1, no spike or one; take a smaller `dt` where a unit fires twice in a bin"
    if known is not None and (bad := (known != 0) & (known != 1)).any():
        at = tuple(int(index) for index in np.argwhere(bad)[0])
        msg = f"{wanted}. Got {known[at]} at {at}."
        raise ValueError(msg)
    return (array if known is not None else eqx.error_if(array, wrong.any(), f"{wanted}.")) != 0


def binned(
    time: Float[Array, " n"], unit: Int[Array, " n"], dt: float, shape: tuple[int, int]
) -> tuple[Int[Array, "bins size"], Int[Array, ""]]:
    """How often each unit fired in each bin, and how many spikes have no place there.

    A time that is the start of a bin but for rounding belongs to that bin.
    """
    bins, size = shape
    spike = time != jnp.inf
    place = jnp.where(spike, time, 0) / dt
    whole = jnp.round(place)
    near = jnp.abs(place - whole) <= 8 * jnp.finfo(time.dtype).eps * jnp.abs(whole)
    place = jnp.where(near, whole, jnp.floor(place))
    inside = spike & (place >= 0) & (place < bins) & (unit >= 0) & (unit < size)
    row = jnp.where(inside, place, bins).astype(jnp.int32)
    count = jnp.zeros(shape, jnp.int32).at[row, jnp.where(inside, unit, 0)].add(1, mode="drop")
    return count, jnp.sum(spike & ~inside, dtype=jnp.int32)


def refuse(values: Array, wrong: Bool[Array, "*shape"], message: str) -> Array:
    """The values, or an error if anything is wrong: at once where it is known, else when it has been computed."""
    known = concrete(wrong)
    if known is None:
        return eqx.error_if(values, jnp.any(wrong), message)
    if known.any():
        raise ValueError(message)
    return values


def common_size(owner: str, sizes: Sequence[int | None]) -> int | None:
    """The number of units of a population from which several trains come, where one of them says it.

    Args:
        owner: Who asks, for messages.
        sizes: What each train says, or None.

    Raises:
        ValueError: there is no train, or they differ.

    Example:
        >>> from ranvier._spike_arrays import common_size
        >>> common_size("example", [None, 3])
        3
    """
    if not sizes:
        msg = f"{owner}: needs at least one Spikes; got none."
        raise ValueError(msg)
    found = {size for size in sizes if size is not None}
    if len(found) > 1:
        msg = f"{owner}: all spikes must be of one population; got sizes {sorted(found)}. Is `with_size` needed?"
        raise ValueError(msg)
    return found.pop() if found else None
