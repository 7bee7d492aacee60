"""Spikes: who fired, and when.

A spike train is two arrays: `time` (ms), sorted along its last axis, and `unit`, the neuron that fired. Free places
at the end hold `time = inf` and `unit = -1` (the convention of NIRData's `EventData`); only `time` is ever tested,
and `inf` means never. A leading axis, where there is one, is the batch.
"""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int


class Spikes(eqx.Module):
    """Spike times and the neurons they belong to.

    Args:
        time: Spike times in ms, ascending, `inf` where there is no spike; shape (n,) or (batch, n).
        unit: Index of the neuron of each spike, -1 where there is none; same shape.

    Raises:
        ValueError: the shapes differ, or `time` is not floating or `unit` not integer.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.Spikes(jnp.array([0.5, 2.0, jnp.inf]), jnp.array([1, 0, -1])).time.shape
        (3,)
    """

    time: Float[Array, "*batch n"]
    unit: Int[Array, "*batch n"]

    def __init__(self, time: ArrayLike | Sequence, unit: ArrayLike | Sequence):
        self.time = jnp.asarray(time)
        self.unit = jnp.asarray(unit)
        if not jnp.issubdtype(self.time.dtype, jnp.floating):
            msg = f"Spikes: `time` must be floating-point (ms); got {self.time.dtype}. Pass floats such as 2.0."
            raise ValueError(msg)
        if self.unit.size == 0:
            self.unit = self.unit.astype(jnp.int32)
        if not jnp.issubdtype(self.unit.dtype, jnp.integer):
            msg = f"Spikes: `unit` must hold integer neuron indices; got {self.unit.dtype}."
            raise ValueError(msg)
        if self.time.shape != self.unit.shape or self.time.ndim == 0:
            msg = (
                "Spikes: `time` and `unit` must have one shape, (n,) or (batch, n); "
                f"got {self.time.shape} and {self.unit.shape}."
            )
            raise ValueError(msg)

    @classmethod
    def from_ragged(cls, times: Sequence[ArrayLike | Sequence], units: Sequence[ArrayLike | Sequence]) -> "Spikes":
        """Sort and pad a list of spike trains, one (times, units) pair for each sample, into one batch.

        Args:
            times: For each sample its spike times (ms), in any order.
            units: For each sample the neuron of each spike.

        Returns:
            `Spikes` of shape (samples, longest train). Spikes of equal time keep the order they came in.

        Example:
            >>> import ranvier as rv
            >>> rv.Spikes.from_ragged([[2.0, 1.0], [3.0]], [[0, 1], [1]]).unit.tolist()
            [[1, 0], [1, -1]]
        """
        if len(times) != len(units) or len(times) == 0:
            msg = f"from_ragged: `times` and `units` need one entry per sample; got {len(times)} and {len(units)}."
            raise ValueError(msg)
        rows = [(np.asarray(time, float), np.asarray(unit, np.int32)) for time, unit in zip(times, units, strict=True)]
        width = max(1, *(len(time) for time, _ in rows)) if rows else 1
        all_times = np.full((len(rows), width), np.inf)
        all_units = np.full((len(rows), width), -1, np.int32)
        for sample, (time, unit) in enumerate(rows):
            if time.shape != unit.shape or time.ndim != 1:
                msg = f"from_ragged: sample {sample} has times {time.shape} and units {unit.shape}; both must be (n,)."
                raise ValueError(msg)
            order = np.argsort(time, kind="stable")
            all_times[sample, : len(time)] = time[order]
            all_units[sample, : len(time)] = unit[order]
        return cls(jnp.asarray(all_times), jnp.asarray(all_units))


def first_spike(spikes: Spikes, size: int) -> Float[Array, "*batch size"]:
    """Time of each neuron's first spike, `inf` where a neuron is silent.

    `t_j = min {time_n : unit_n = j}`. The gradient goes to that one spike.

    Args:
        spikes: Spikes of one population, sorted; shape (n,) or (batch, n).
        size: Number of neurons of the population.

    Returns:
        First spike times (ms), shape (size,) or (batch, size).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.first_spike(rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 1, -1])), size=3).tolist()
        [inf, 1.0, inf]
    """
    if spikes.time.ndim > 1:
        return jax.vmap(lambda one: first_spike(one, size))(spikes)
    capacity = spikes.time.shape[0]
    unit = jnp.where(jnp.isfinite(spikes.time), spikes.unit, size)
    place = jnp.full(size, capacity).at[unit].min(jnp.arange(capacity), mode="drop")
    never = jnp.full(1, jnp.inf, spikes.time.dtype)
    return jnp.concatenate([spikes.time, never])[place]


def spike_count(spikes: Spikes, size: int) -> Int[Array, "*batch size"]:
    """Number of spikes of each neuron.

    Args:
        spikes: Spikes of one population; shape (n,) or (batch, n).
        size: Number of neurons of the population.

    Returns:
        Counts, shape (size,) or (batch, size). They have no gradient.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.spike_count(rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([1, 1, -1])), size=3).tolist()
        [0, 2, 0]
    """
    if spikes.time.ndim > 1:
        return jax.vmap(lambda one: spike_count(one, size))(spikes)
    unit = jnp.where(jnp.isfinite(spikes.time), spikes.unit, size)
    return jnp.zeros(size, jnp.int32).at[unit].add(1, mode="drop")
