"""Spoken words as spikes, read from a file."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ranvier.events import Spikes
from ranvier.train import Dataset

NAMES = ("training", "validation", "testing")


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
