"""Augmentations: what training does to input spikes, anew in every step, and evaluation does not.

Each is a value that is called with the spikes of a batch and a random key, for `ranvier.train.Recipe(augment=...)`.
"""

import dataclasses
import math
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ranvier.closed_form.sorting import sort_by_time
from ranvier.events import Spikes, known_size


@dataclasses.dataclass(frozen=True)
class Jitter:
    """Moves every spike by a normal number of its own, no further back than time 0.

    `t_n -> max(t_n + std N(0, 1), 0)`, and then sorts.

    Args:
        std: Standard deviation (ms), >= 0.

    Raises:
        ValueError: it is not.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Jitter
        >>> spikes = rv.Spikes(jnp.array([[1.0, 1.1, jnp.inf]]), jnp.array([[0, 1, -1]]))
        >>> moved = Jitter(0.5)(spikes, key=jax.random.key(0))
        >>> bool((jnp.diff(moved.time[0, :2]) >= 0).all()), moved.unit[0, 2].item()
        (True, -1)

    Source: Göltz et al., Nat. Mach. Intell. 3 (2021), doi:10.1038/s42256-021-00388-x, trains MNIST with noise on its
    input times.
    """

    std: float

    def __post_init__(self):
        if not 0 <= self.std < math.inf:
            msg = f"Jitter: `std` must be a time in ms >= 0; got {self.std}."
            raise ValueError(msg)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """Other times for the same spikes.

        Args:
            spikes: Spikes, shape (*batch, n).
            key: Random key.
        """
        noise = self.std * jax.random.normal(key, spikes.time.shape, spikes.time.dtype)
        return _sorted(jnp.maximum(spikes.time + noise, 0.0), spikes.unit, spikes.size)


@dataclasses.dataclass(frozen=True)
class Shift:
    """Moves all spikes of a sample by some channels, and by some time; what leaves the edges is left out.

    `unit -> unit + n`, n a whole number from -channels to channels; `t -> t + d`, d uniform from -time to time.

    Args:
        channels: Most channels, >= 0.
        time: Longest time (ms), >= 0.
        end: Spikes that would be at this time (ms) or later are left out, as are those before 0.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Shift
        >>> spikes = rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 3]]), size=9)
        >>> moved = Shift(channels=2)(spikes, key=jax.random.key(1))
        >>> moved.time.tolist(), (moved.unit[0, 1] - moved.unit[0, 0]).item()
        ([[1.0, 2.0]], 3)

    Source: Cramer et al., IEEE TNNLS 33 (2022), and Nowotny, Turner, Knight, arXiv:2212.01232, shift channels.
    """

    channels: int = 0
    time: float = 0.0
    end: float = math.inf

    def __post_init__(self):
        _check("Shift", channels=self.channels, time=self.time, end=self.end)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """Other times and units.

        Args:
            spikes: Spikes, shape (*batch, n); their `size` must be known if channels are moved.
            key: Random key.
        """
        first, second = jax.random.split(key)
        shape, dtype = (*spikes.time.shape[:-1], 1), spikes.time.dtype
        by = jax.random.randint(first, shape, -self.channels, self.channels + 1, jnp.int32)
        unit = spikes.unit + by
        time = spikes.time + jax.random.uniform(second, shape, dtype, -self.time, self.time)
        inside = (unit >= 0) & (unit < known_size(spikes, "Shift")) if self.channels else unit >= unit
        return _kept(time, unit, inside & (time >= 0) & (time < self.end), spikes.size)


@dataclasses.dataclass(frozen=True)
class Stretch:
    """Slows each sample down or speeds it up: `t -> t s`, s uniform from 1 - share to 1 + share.

    Args:
        share: Largest change, in [0, 1).
        end: Spikes that would be at this time (ms) or later are left out.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Stretch
        >>> moved = Stretch(0.1)(rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 3]])), key=jax.random.key(1))
        >>> bool(jnp.isclose(moved.time[0, 1], 2 * moved.time[0, 0]))
        True
    """

    share: float
    end: float = math.inf

    def __post_init__(self):
        _check("Stretch", share=self.share, end=self.end)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """Other times for the same spikes.

        Args:
            spikes: Spikes, shape (*batch, n).
            key: Random key.
        """
        shape, dtype = (*spikes.time.shape[:-1], 1), spikes.time.dtype
        time = spikes.time * jax.random.uniform(key, shape, dtype, 1.0 - self.share, 1.0 + self.share)
        return _kept(time, spikes.unit, time < self.end, spikes.size)


@dataclasses.dataclass(frozen=True)
class Drop:
    """Leaves each spike out with some probability.

    Args:
        share: Probability, in [0, 1).

    Raises:
        ValueError: it is not.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Drop
        >>> spikes = rv.Spikes(jnp.arange(1000.0), jnp.zeros(1000, jnp.int32))
        >>> 400 < jnp.isfinite(Drop(0.5)(spikes, key=jax.random.key(0)).time).sum().item() < 600
        True
    """

    share: float

    def __post_init__(self):
        _check("Drop", share=self.share)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """Fewer spikes.

        Args:
            spikes: Spikes, shape (*batch, n).
            key: Random key.
        """
        kept = jax.random.uniform(key, spikes.time.shape) >= self.share
        return _kept(spikes.time, spikes.unit, kept, spikes.size)


@dataclasses.dataclass(frozen=True)
class Noise:
    """Adds spikes of random units at random times before `end`, the same number to each sample.

    Args:
        count: Spikes that are added, >= 0.
        end: End of their times (ms), > 0.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Noise
        >>> spikes = rv.Spikes(jnp.array([[1.0, jnp.inf]]), jnp.array([[0, -1]]), size=4)
        >>> jnp.isfinite(Noise(3, end=10.0)(spikes, key=jax.random.key(0)).time).sum().item()
        4
    """

    count: int
    end: float

    def __post_init__(self):
        _check("Noise", count=self.count, end=self.end)

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """More spikes.

        Args:
            spikes: Spikes, shape (*batch, n); their `size` must be known.
            key: Random key.
        """
        first, second = jax.random.split(key)
        shape = (*spikes.time.shape[:-1], self.count)
        time = jax.random.uniform(first, shape, spikes.time.dtype, 0.0, self.end)
        unit = jax.random.randint(second, shape, 0, known_size(spikes, "Noise"), jnp.int32)
        joined = jnp.concatenate([spikes.time, time], axis=-1), jnp.concatenate([spikes.unit, unit], axis=-1)
        return _sorted(*joined, spikes.size)


@dataclasses.dataclass(frozen=True)
class Blend:
    """Mixes samples with another one of their class in the batch.

    Both are moved to the mean of their middles, in channel and in time, and each spike is kept with probability 1/2.
    A sample whose class is alone in the batch stays as it is.

    Args:
        share: Probability that a sample is mixed, in [0, 1].

    Raises:
        ValueError: it is not.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Blend
        >>> spikes = rv.Spikes(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([[0, 1], [2, 3]]), size=4)
        >>> Blend(1.0)(spikes, label=jnp.array([0, 1]), key=jax.random.key(0)).time[:, :2].tolist()
        [[1.0, 2.0], [3.0, 4.0]]

    Source: Nowotny, Turner, Knight, arXiv:2212.01232, who add such samples to an epoch.
    """

    labelled: ClassVar[bool] = True
    share: float = 0.5

    def __post_init__(self):
        if not 0 <= self.share <= 1:
            msg = f"Blend: `share` must be between 0 and 1; got {self.share}."
            raise ValueError(msg)

    def __call__(self, spikes: Spikes, *, label: Int[Array, " batch"], key: PRNGKeyArray) -> Spikes:
        """Mixed samples, of twice as many places.

        Args:
            spikes: Spikes, shape (batch, n); their `size` must be known.
            label: Class of each sample.
            key: Random key.
        """
        who, whether, which = jax.random.split(key, 3)
        size, batch = known_size(spikes, "Blend"), len(label)
        there = jnp.isfinite(spikes.time)
        some = there.any(axis=1)  # not those that only fill up a batch
        able = (label[:, None] == label[None, :]) & ~jnp.eye(batch, dtype=bool) & some[:, None] & some[None, :]
        other = jnp.argmax(jnp.where(able, jax.random.uniform(who, (batch, batch)), -1.0), axis=1)
        mixed = (jax.random.uniform(whether, (batch,)) < self.share) & able.any(axis=1)
        middle = [
            jnp.mean(part, axis=1, where=there, keepdims=True)
            for part in (spikes.time, spikes.unit.astype(spikes.time.dtype))
        ]
        halves = []
        for own in (jnp.arange(batch), other):
            by = [jnp.where(jnp.isfinite(m + m[other]), 0.5 * (m + m[other]) - m[own], 0.0) for m in middle]
            time = spikes.time[own] + by[0].astype(spikes.time.dtype)
            halves.append((time, spikes.unit[own] + jnp.round(by[1]).astype(jnp.int32)))
        time, unit = (jnp.concatenate([one[part] for one in halves], axis=1) for part in (0, 1))
        kept = jax.random.bernoulli(which, 0.5, time.shape) & (time >= 0) & (unit >= 0) & (unit < size)
        new = _sorted(jnp.where(kept, time, jnp.inf), unit, size)
        wide = ((0, 0), (0, spikes.time.shape[1]))
        old = jnp.pad(spikes.time, wide, constant_values=jnp.inf), jnp.pad(spikes.unit, wide, constant_values=-1)
        chosen = [jnp.where(mixed[:, None], a, b) for a, b in zip((new.time, new.unit), old, strict=True)]
        return Spikes(chosen[0], chosen[1], size)


@dataclasses.dataclass(frozen=True)
class Chain:
    """Several augmentations, one after the other, each with a key of its own.

    Args:
        parts: The augmentations.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.augmentations import Chain, Drop, Jitter
        >>> spikes = rv.Spikes(jnp.array([[1.0, 2.0]]), jnp.array([[0, 3]]))
        >>> Chain((Drop(0.1), Jitter(0.1)))(spikes, key=jax.random.key(0)).time.shape
        (1, 2)
    """

    labelled: ClassVar[bool] = True
    parts: tuple[Any, ...]

    def __call__(self, spikes: Spikes, *, label: Int[Array, " batch"] | None = None, key: PRNGKeyArray) -> Spikes:
        """Spikes after all of them.

        Args:
            spikes: Spikes, shape (*batch, n).
            label: Class of each sample, for those that mix samples.
            key: Random key.
        """
        for one, own in zip(self.parts, jax.random.split(key, max(len(self.parts), 1)), strict=False):
            spikes = one(spikes, label=label, key=own) if getattr(one, "labelled", False) else one(spikes, key=own)
        return spikes


def _sorted(time: Float[Array, "*batch n"], unit: Int[Array, "*batch n"], size: int | None) -> Spikes:
    """Spikes in order of time; what is at `inf` is none."""
    time, unit = sort_by_time(jnp.moveaxis(time, -1, 0), jnp.moveaxis(unit, -1, 0))
    time, unit = jnp.moveaxis(time, 0, -1), jnp.moveaxis(unit, 0, -1)
    return Spikes(time, jnp.where(jnp.isfinite(time), unit, -1), size)


def _kept(
    time: Float[Array, "*batch n"], unit: Int[Array, "*batch n"], kept: Bool[Array, "*batch n"], size: int | None
) -> Spikes:
    """Some of the spikes, which are in order already, moved up."""
    kept = kept & jnp.isfinite(time)
    n = time.shape[-1]
    place = jnp.where(kept, jnp.cumsum(kept, axis=-1) - 1, n)

    def row(place: Int[Array, " n"], time: Float[Array, " n"], unit: Int[Array, " n"]) -> tuple[Array, Array]:
        times = jnp.full(n, jnp.inf, time.dtype).at[place].set(time, mode="drop")
        return times, jnp.full(n, -1, unit.dtype).at[place].set(unit, mode="drop")

    flat = [jnp.reshape(part, (-1, n)) for part in (place, time, unit)]
    times, units = jax.vmap(row)(*flat)
    return Spikes(times.reshape(time.shape), units.reshape(unit.shape), size)


def _check(owner: str, **numbers: float | int) -> None:
    """Refuse numbers out of range: shares in [0, 1), ends above 0, anything else at least 0."""
    for name, value in numbers.items():
        fine = {"share": 0 <= value < 1, "end": value > 0}.get(name, 0 <= value < math.inf)
        if not fine:
            wanted = {"share": "at least 0 and below 1", "end": "a time in ms above 0"}.get(
                name, "finite and at least 0"
            )
            msg = f"{owner}: `{name}` must be {wanted}; got {value}."
            raise ValueError(msg)
