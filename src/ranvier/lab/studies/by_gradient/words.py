"""Spoken words as spikes, read from a file, and how training moves them."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ranvier.events import Spikes
from ranvier.train import Dataset

NAMES = ("training", "validation", "testing")
LENGTH = 1000.0
"""Words are this long (ms)."""


def read_words(path: str | Path) -> tuple[Dataset, Dataset, Dataset]:
    """Samples to train on, to choose with, and to report.

    Args:
        path: An `.npz` file with `off` (samples + 1), `T` (ms) and `U` (spikes), `lab` and `spl` (samples): the spikes
            of sample n are those from off[n] to off[n + 1], `spl` is `training`, `validation` or `testing`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it lacks one of these.
    """
    if not Path(path).is_file():
        msg = f"read_words: {path} is not a file; give one of spikes (.npz) that holds off, T, U, lab and spl."
        raise FileNotFoundError(msg)
    with np.load(path) as file:
        missing = {"off", "T", "U", "lab", "spl"} - set(file.files)
        if missing:
            msg = f"read_words: {path} must hold off, T, U, lab and spl; it lacks {', '.join(sorted(missing))}."
            raise ValueError(msg)
        start, time, unit, label, part = (file[name] for name in ("off", "T", "U", "lab", "spl"))
    channels, classes = int(unit.max()) + 1, int(label.max()) + 1

    def dataset(name: str) -> Dataset:
        samples = np.flatnonzero(part == name)
        return Dataset(_padded(start, time, unit, samples, channels), label[samples].astype(np.int32), classes=classes)

    train, validation, test = map(dataset, NAMES)
    return train, validation, test


def _padded(
    start: Int[np.ndarray, " more"],
    time: Float[np.ndarray, " spikes"],
    unit: Int[np.ndarray, " spikes"],
    samples: Int[np.ndarray, " n"],
    channels: int,
) -> Spikes:
    width = int(np.max(start[samples + 1] - start[samples], initial=1))
    times, units = np.full((len(samples), width), np.inf, np.float32), np.full((len(samples), width), -1, np.int32)
    for row, n in enumerate(samples):
        one = slice(start[n], start[n + 1])
        times[row, : start[n + 1] - start[n]], units[row, : start[n + 1] - start[n]] = time[one], unit[one]
    return Spikes(times, units, size=channels)


@dataclasses.dataclass(frozen=True)
class Shift:
    """Moves all spikes of a sample by one number of channels and one time; those that leave the sample are left out.

    Args:
        channels: Largest number of channels, either way.
        time: Longest time (ms), either way.
        length: Length of a sample (ms).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.lab.studies.by_gradient.words import Shift
        >>> spikes = rv.Spikes(jnp.array([[1.0, 2.0, jnp.inf]]), jnp.array([[0, 1, -1]]), 4)
        >>> Shift(0, 0.0)(spikes, key=jax.random.key(0)).unit.tolist()
        [[0, 1, -1]]
    """

    channels: int
    time: float
    length: float = LENGTH

    def __call__(self, spikes: Spikes, *, key: PRNGKeyArray) -> Spikes:
        """The samples of a batch, each moved by its own numbers.

        Args:
            spikes: Spikes of shape (batch, n).
            key: Random key.
        """
        one, two = jax.random.split(key)
        shape = (*spikes.time.shape[:-1], 1)
        moved = spikes.unit + jax.random.randint(one, shape, -self.channels, self.channels + 1, spikes.unit.dtype)
        real = spikes.time < jnp.inf
        late = jnp.where(real, spikes.time, 0.0)
        late = late + jax.random.uniform(two, shape, spikes.time.dtype, -self.time, self.time)
        size = spikes.size or 1
        kept = real & (moved >= 0) & (moved < size) & (late >= 0.0) & (late <= self.length)
        place = jnp.where(kept, jnp.cumsum(kept, axis=-1) - 1, kept.shape[-1])
        row = jnp.arange(kept.shape[0], dtype=place.dtype)[:, None]
        gather = lambda empty, part: jnp.full_like(part, empty).at[row, place].set(part, mode="drop")
        return Spikes(gather(jnp.inf, late), gather(-1, moved), spikes.size)
