"""Spikes: who fired, and when.

A spike train is two arrays: `time` (ms), sorted along its last axis, and `unit`, the neuron that fired. Free places
at the end hold `time = inf` and `unit = -1` (the convention of NIRData's `EventData`); only `time` is ever tested,
and `inf` means never. A leading axis, where there is one, is the batch. `size` is the number of units of the
population, silent ones included, where it is known.
"""

import math
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ranvier import _spike_arrays
from ranvier._concrete import concrete
from ranvier._uncounted import counted_only


class Spikes(eqx.Module):
    """Spike times and the neurons they belong to.

    `Spikes.from_ragged` and `Spikes.from_dense` make them from lists and from arrays of 0 and 1.

    Args:
        time: Spike times in ms, ascending, `inf` where there is no spike; shape (n,) or (batch, n).
        unit: Index of the neuron of each spike, -1 where there is none; same shape; kept as 32-bit integers.
        size: Number of units of the population, where known; `simulate` and the encoders say it.
        presence: 1 for each spike and 0 for each free place; same shape. Simulators give it where their gradient sees
            spikes appear and vanish (`ranvier.SpikeValue`, surrogates): its gradient is what each spike is worth.
        missed: 0 for each unit, shape (size,) or (batch, size): its gradient is what spikes would be worth that were
            not fired, where a simulator sees them (surrogates).

    Raises:
        ValueError: the shapes differ, `time` is not floating or `unit` not integer, a unit is beyond 32 bits or does
            not exist in a population of `size`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.Spikes(jnp.array([0.5, 2.0, jnp.inf]), jnp.array([1, 0, -1]), size=2).time.shape
        (3,)
    """

    time: Float[Array, "*batch n"]
    unit: Int[Array, "*batch n"]
    size: int | None = eqx.field(static=True)
    presence: Float[Array, "*batch n"] | None = None
    missed: Float[Array, "*batch size"] | None = None

    def __init__(
        self,
        time: ArrayLike | Sequence[Any],
        unit: ArrayLike | Sequence[Any],
        size: int | None = None,
        *,
        presence: Float[ArrayLike, "*batch n"] | None = None,
        missed: Float[ArrayLike, "*batch size"] | None = None,
    ):
        self.time = jnp.asarray(time)
        self.unit = _spike_arrays.as_units(unit)
        self.size = size if size is None else int(size)
        self.presence, self.missed = (None if one is None else jnp.asarray(one) for one in (presence, missed))
        if not jnp.issubdtype(self.time.dtype, jnp.floating):
            msg = f"Spikes: `time` must be floating-point (ms); got {self.time.dtype}. Pass floats such as 2.0."
            raise ValueError(msg)
        if self.time.shape != self.unit.shape or self.time.ndim == 0:
            msg = (
                "Spikes: `time` and `unit` must have one shape, (n,) or (batch, n); "
                f"got {self.time.shape} and {self.unit.shape}."
            )
            raise ValueError(msg)
        if self.size is not None:
            _spike_arrays.check_units(self.time, self.unit, self.size)

    @classmethod
    def from_ragged(
        cls,
        times: Sequence[ArrayLike | Sequence[Any]],
        units: Sequence[ArrayLike | Sequence[Any]],
        *,
        size: int | None = None,
    ) -> "Spikes":
        """Sort and pad a list of spike trains, one (times, units) pair for each sample, into one batch.

        Args:
            times: For each sample its spike times (ms), in any order; `inf` is no spike.
            units: For each sample the neuron of each spike, integers. Floats are refused even where they are whole:
                a 7.0 may be what is left of another number after rounding.
            size: Number of units of the population, where known.

        Returns:
            `Spikes` of shape (samples, longest train). Spikes of equal time keep the order they came in.

        Raises:
            ValueError: naming sample and value: a time is NaN or -inf; a unit is not an integer, below 0, beyond 32
                bits, or not below `size`; or the numbers of times and units differ.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes.from_ragged([[2.0, 1.0], [3.0]], [[0, 1], [1]], size=2).unit.tolist()
            [[1, 0], [1, -1]]
        """
        if len(times) != len(units) or len(times) == 0:
            msg = f"from_ragged: `times` and `units` need one entry per sample; got {len(times)} and {len(units)}."
            raise ValueError(msg)
        rows = [_spike_arrays.sorted_row(n, *pair, size) for n, pair in enumerate(zip(times, units, strict=True))]
        width = max(1, *(len(row.time) for row in rows))
        all_times = np.full((len(rows), width), np.inf)
        all_units = np.full((len(rows), width), -1, np.int32)
        for sample, row in enumerate(rows):
            all_times[sample, : len(row.time)] = row.time
            all_units[sample, : len(row.time)] = row.unit
        return cls(jnp.asarray(all_times), jnp.asarray(all_units), size)

    @classmethod
    def from_dense(cls, dense: ArrayLike, *, dt: float) -> "Spikes":
        """The spikes of an array of 0 and 1 with a place for every bin of time: bin k becomes the time `k dt`.

        Args:
            dense: Integers, booleans or floats, 0 or 1, shape (bins, size) or (batch, bins, size).
            dt: Length of a bin (ms).

        Returns:
            `Spikes` with as many places as the fullest sample needs; with as many as there are bins where `dense` is
            traced (inside `jax.jit`), where the number is not known. `to_dense(dt, bins * dt)` gives the array back.

        Raises:
            ValueError: `dt` is not above 0, the array has another shape, or holds something else than 0 and 1 (a
                RuntimeError at run time where it is traced).

        Example:
            >>> import numpy as np, ranvier as rv
            >>> spikes = rv.Spikes.from_dense(np.array([[0, 1], [0, 0], [1, 1]]), dt=0.5)
            >>> spikes.time.tolist(), spikes.unit.tolist(), spikes.size
            ([0.0, 1.0, 1.0], [1, 0, 1], 2)
        """
        _spike_arrays.check_bin("from_dense", dt)
        array = jnp.asarray(dense)
        if array.ndim not in (2, 3) or 0 in array.shape:
            msg = f"from_dense: the array must have shape (bins, size) or (batch, bins, size); got {array.shape}."
            raise ValueError(msg)
        array, bins, size = _spike_arrays.zeros_and_ones(array), array.shape[-2], array.shape[-1]
        flat = array.reshape(*array.shape[:-2], bins * size)
        known = concrete(flat)
        width = flat.shape[-1] if known is None else max(1, int(known.sum(axis=-1).max()))
        place = jnp.argsort(~flat, axis=-1, stable=True)[..., :width].astype(jnp.int32)
        fires = jnp.take_along_axis(flat, place, axis=-1)
        time = (place // size).astype(float) * dt
        return cls(jnp.where(fires, time, jnp.inf), jnp.where(fires, place % size, -1), size)

    def to_dense(self, dt: float, t_end: float) -> Bool[Array, "*batch bins size"]:
        """Whether each unit fired in each bin of time, `k dt <= t < (k + 1) dt`.

        Args:
            dt: Length of a bin (ms).
            t_end: End of the last bin (ms), a whole number of bins.

        Returns:
            Booleans of shape (bins, size) or (batch, bins, size). They have no gradient.

        Raises:
            ValueError: `dt` or `t_end` is not valid, `size` is not known, a spike is not in [0, t_end), or two spikes
                of one unit are in one bin. The last two are a RuntimeError at run time inside `jax.jit`.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes([0.2, 1.9], [1, 0], size=2).to_dense(dt=1.0, t_end=2.0).astype(int).tolist()
            [[0, 1], [1, 0]]
        """
        _spike_arrays.check_bin("to_dense", dt)
        size, bins = known_size(self, "to_dense"), round(t_end / dt)
        if not (bins >= 1 and math.isclose(bins * dt, t_end, rel_tol=1e-6)):
            msg = f"to_dense: `t_end` must be a whole number of bins of {dt} ms; got {t_end} ms, {t_end / dt} bins."
            raise ValueError(msg)
        count, lost = jnp.vectorize(
            lambda time, unit: _spike_arrays.binned(time, unit, dt, (bins, size)), signature="(n),(n)->(bins,size),()"
        )(self.time, self.unit)
        together = "two spikes of one unit are in one bin; take a smaller `dt`"
        outside = f"a spike is outside [0, {t_end}) ms, or its unit not in 0..{size - 1}; use crop(0, {t_end}) first"
        count = _spike_arrays.refuse(count, lost > 0, f"to_dense: {outside}")
        return _spike_arrays.refuse(count, count > 1, f"to_dense: {together}") > 0

    def with_size(self, size: int) -> "Spikes":
        """The same spikes of a population of which the number of units is known.

        Args:
            size: Number of units.

        Raises:
            ValueError: a unit is not in 0..size - 1.

        Example:
            >>> import ranvier as rv
            >>> rv.first_spike(rv.Spikes([1.0], [2]).with_size(3)).tolist()
            [inf, inf, 1.0]
        """
        return Spikes(self.time, self.unit, size, presence=self.presence, missed=self.missed)

    def crop(self, start: Float[ArrayLike, ""], end: Float[ArrayLike, ""]) -> "Spikes":
        """The spikes with `start <= t < end`. Times stay as they are; `shift(-start)` counts them from `start`.

        Args:
            start: First time (ms) that is kept.
            end: First time (ms) that is not.

        Returns:
            `Spikes` of the same shape; the places of those left out are padding at the end.

        Raises:
            ValueError: `end` is not above `start`.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes([1.0, 2.0, 3.0], [0, 1, 2], size=3).crop(1.5, 3.0).time.tolist()
            [2.0, inf, inf]
        """
        first, last = concrete(start), concrete(end)
        if first is not None and last is not None and not first < last:
            msg = f"crop: `end` must be after `start`; got start = {start} ms, end = {end} ms."
            raise ValueError(msg)
        out = (self.time < start) | (self.time >= end)  # NaN is neither, and stays to be found
        order = jnp.argsort(out, axis=-1, stable=True)
        time, unit = jnp.where(out, jnp.inf, self.time), jnp.where(out, -1, self.unit)
        along = lambda values: jnp.take_along_axis(values, order, axis=-1)
        presence = None if self.presence is None else along(jnp.where(out, 0.0, self.presence))
        return Spikes(along(time), along(unit), self.size, presence=presence)

    def shift(self, by: Float[ArrayLike, ""]) -> "Spikes":
        """The same spikes `by` ms later, or earlier if `by` is below 0.

        Args:
            by: Time (ms).

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes([1.0, 2.0], [0, 1]).shift(0.5).time.tolist()
            [1.5, 2.5]
        """
        return Spikes(self.time + by, self.unit, self.size, presence=self.presence, missed=self.missed)

    @staticmethod
    def concatenate(trains: Sequence["Spikes"]) -> "Spikes":
        """Put the samples of several batches into one, in their order; each is padded to the longest.

        A train without a batch axis counts as one sample. For several trains within each sample see `merge`.

        Args:
            trains: Spikes of shape (n,) or (batch, n).

        Returns:
            `Spikes` of shape (samples in all, longest train); its `size` is that of those that have one.

        Raises:
            ValueError: the list is empty, or the sizes of the populations differ.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes.concatenate([rv.Spikes([1.0, 2.0], [0, 1]), rv.Spikes([3.0], [1])]).unit.tolist()
            [[0, 1], [1, -1]]
        """
        size = _spike_arrays.common_size("concatenate", [train.size for train in trains])
        width = max(train.time.shape[-1] for train in trains)

        def rows(values: Array, free: float | int) -> Array:
            batch = jnp.atleast_2d(values)
            return jnp.pad(batch, ((0, 0), (0, width - batch.shape[-1])), constant_values=free)

        time, unit, *presence = (
            jnp.concatenate([rows(part, free) for part in parts])
            for parts, free in zip(_parts(trains), (math.inf, -1, 0.0), strict=False)
        )
        return Spikes(time, unit, size, presence=presence[0] if presence else None)

    @staticmethod
    def merge(trains: Sequence["Spikes"]) -> "Spikes":
        """All spikes of several trains of one population, sample by sample, in order of time.

        With `shift` it puts trains one after the other: `Spikes.merge([first, second.shift(100.0)])`.

        Args:
            trains: Spikes with the same batch, shape (n,) or (batch, n) each.

        Returns:
            `Spikes` with as many places as all of them; spikes of equal time keep the order of the list.

        Raises:
            ValueError: the list is empty, or batches or sizes of the populations differ.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes.merge([rv.Spikes([1.0, 3.0], [0, 1]), rv.Spikes([2.0], [1])]).time.tolist()
            [1.0, 2.0, 3.0]
        """
        size = _spike_arrays.common_size("merge", [train.size for train in trains])
        batches = [train.time.shape[:-1] for train in trains]
        if len(set(batches)) > 1:
            msg = f"merge: all spikes must have the same batch; got {batches}. `concatenate` joins batches."
            raise ValueError(msg)
        joined = [jnp.concatenate(parts, axis=-1) for parts in _parts(trains)]
        order = jnp.argsort(joined[0], axis=-1, stable=True)
        time, unit, *presence = (jnp.take_along_axis(values, order, axis=-1) for values in joined)
        return Spikes(time, unit, size, presence=presence[0] if presence else None)


def first_spike(spikes: Spikes) -> Float[Array, "*batch size"]:
    """Time of each neuron's first spike, `inf` where a neuron is silent.

    `t_j = min {time_n : unit_n = j}`. The gradient goes to that one spike.

    Args:
        spikes: Spikes of one population, sorted; shape (n,) or (batch, n).

    Returns:
        First spike times (ms), shape (size,) or (batch, size).

    Raises:
        ValueError: `spikes.size` is not known.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.first_spike(rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 1, -1]), size=3)).tolist()
        [inf, 1.0, inf]
    """
    known_size(spikes, "first_spike")
    return _first(spikes)


@jax.jit
def _first(spikes: Spikes) -> Float[Array, "*batch size"]:
    if spikes.time.ndim > 1:
        return jax.vmap(_first)(spikes)
    size, capacity = known_size(spikes, "first_spike"), spikes.time.shape[0]
    unit = jnp.where(jnp.isfinite(spikes.time), spikes.unit, size)
    place = jnp.full(size, capacity).at[unit].min(jnp.arange(capacity), mode="drop")
    return jnp.concatenate([spikes.time, jnp.full(1, jnp.inf, spikes.time.dtype)])[place]


def spike_count(spikes: Spikes) -> Float[Array, "*batch size"]:
    """Number of spikes of each neuron, as a float: the sum of their `presence`.

    Differentiable where the simulator's gradient sees spikes appear and vanish: `EventDriven(gradient=SpikeValue())`,
    or a surrogate, whose gradient also sees the spikes that a neuron missed. With exact derivatives it would be 0
    everywhere, and to differentiate it raises.

    Args:
        spikes: Spikes of one population; shape (n,) or (batch, n).

    Returns:
        Counts, shape (size,) or (batch, size), of the dtype of the times.

    Raises:
        ValueError: `spikes.size` is not known; or it is differentiated and the spikes have no `presence`. In forward
            mode its derivative is NaN then.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.spike_count(rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 1, -1]), size=3)).tolist()
        [0.0, 2.0, 0.0]
    """
    known_size(spikes, "spike_count")
    return _count(spikes)


@jax.jit
def _count(spikes: Spikes) -> Float[Array, "*batch size"]:
    if spikes.time.ndim > 1:
        return jax.vmap(_count)(spikes)
    present = counted_only(spikes.time) if spikes.presence is None else spikes.presence
    size = known_size(spikes, "spike_count")
    unit = jnp.where(jnp.isfinite(spikes.time), spikes.unit, size)
    start = jnp.zeros(size, present.dtype) if spikes.missed is None else spikes.missed
    return start.at[unit].add(present, mode="drop")


def known_size(spikes: Spikes, owner: str) -> int:
    """Number of units of the population, or an error that says how to give it."""
    if spikes.size is None:
        msg = (
            f"{owner}: the number of units of these spikes' population is not known. Say it with "
            "spikes.with_size(n), or when they are made: Spikes(time, unit, size=n)."
        )
        raise ValueError(msg)
    return spikes.size


def _parts(trains: Sequence[Spikes]) -> list[list[Array]]:
    """Times, units and, if any of them has one, presences of several trains."""
    parts = [[train.time for train in trains], [train.unit for train in trains]]
    filled = [counted_only(train.time) if train.presence is None else train.presence for train in trains]
    return parts if all(train.presence is None for train in trains) else [*parts, filled]
