"""N-TIDIGITS18: spoken digits, heard by a silicon cochlea of 64 channels, read from the published HDF5 file.

`train_labels` and `test_labels` are names that end in `-` and the digits that are said, such as `man-ae-a-z1o`; the
spikes of a name are in `train_timestamps/NAME` (s) and `train_addresses/NAME` (channel), those of the test likewise.
Samples of a single digit are kept. There are eleven classes, o (0), 1 to 9, and z (10), "zero".

HDF5 has no checksum of its own: everything that can be wrong with a number is looked for.
Source: Anumula, Neil, Delbruck, Liu, Front. Neurosci. 12 (2018), doi:10.3389/fnins.2018.00023.
"""

import dataclasses
import hashlib
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float, Int

from ranvier._hdf5 import heap_trouble, type_trouble
from ranvier.datasets.first_bytes import something_else
from ranvier.events import Spikes

CHANNELS = 64
CLASSES = ("o", *"123456789", "z")
MD5 = "360a2d11e5429555c9197381cf6b58e0"
LONGEST = 60.0
"""A time (s) beyond this one says that the file's unit of time is another one."""


@dataclasses.dataclass(frozen=True, eq=False)
class SpikeSamples:
    """Spikes of several lengths, and classes.

    Args:
        time: Spike times (ms) of each sample, ascending.
        unit: Channel of each spike.
        label: Class of each sample.
        size: Number of channels.

    Example:
        >>> import numpy as np
        >>> from ranvier.datasets.tidigits import SpikeSamples
        >>> SpikeSamples((np.array([1.0, 2.0]),), (np.array([0, 3]),), np.array([7]), 4).spikes.size
        4
    """

    time: tuple[Float[np.ndarray, " _"], ...]
    unit: tuple[Int[np.ndarray, " _"], ...]
    label: Int[np.ndarray, " samples"]
    size: int

    @property
    def spikes(self) -> Spikes:
        """All samples, padded to the longest."""
        return Spikes.from_ragged(self.time, self.unit, size=self.size)

    def part(self, rows: Int[np.ndarray, " _"]) -> "SpikeSamples":
        """Some of the samples.

        Args:
            rows: Which ones.
        """
        chosen = [int(row) for row in rows]
        pick = lambda values: tuple(values[row] for row in chosen)
        return SpikeSamples(pick(self.time), pick(self.unit), self.label[chosen], self.size)


class Digits(NamedTuple):
    """What the file holds.

    Args:
        train: Samples to train on and to choose with.
        test: Samples to report.
        speaker: Speaker of each training sample: the first two parts of its name.
    """

    train: SpikeSamples
    test: SpikeSamples
    speaker: tuple[str, ...]


def ntidigits(path: Path | str) -> Digits:
    """Read the single digits of N-TIDIGITS18.

    Args:
        path: The HDF5 file.

    Returns:
        Samples to train on and to test, in the order of the file; spikes of a sample in order of time, equal times in
        the order of the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: naming file and sample: it is no HDF5 file or truncated, a part is missing, times and channels
            differ in number, a time is not finite, below 0 or beyond a minute, a channel is not in 0..63, a name does
            not end in digits, or a part has no single digit.

    Warns:
        UserWarning: the file's digest is not that of the published one.

    Example:
        >>> from ranvier import datasets
        >>> datasets.ntidigits("/no/such/file.hdf5")
        Traceback (most recent call last):
            ...
        FileNotFoundError: N-TIDIGITS: there is no /no/such/file.hdf5; name the published HDF5 file.
    """
    path = Path(path)
    if not path.is_file():
        problem = f"{path} is a folder" if path.is_dir() else f"there is no {path}"
        msg = f"N-TIDIGITS: {problem}; name the published HDF5 file."
        raise FileNotFoundError(msg)
    words = something_else(path)
    if words is not None:
        msg = f"N-TIDIGITS: {path} {words}."
        raise ValueError(msg)
    trouble = heap_trouble(path)
    if trouble:
        msg = f"N-TIDIGITS: {path} is broken: {trouble}; fetch it again."
        raise ValueError(msg)
    try:
        with h5py.File(path, "r") as file:
            parts = [_part(path, file, part) for part in ("train", "test")]
    except (OSError, RuntimeError, KeyError, OverflowError, MemoryError, TypeError, UnicodeDecodeError) as error:
        told = str(error).partition("\n")[0]
        msg = f"N-TIDIGITS: {path} is no HDF5 file, or is broken or truncated ({told}); fetch it again."
        raise ValueError(msg) from error
    (train, names), (test, _) = parts
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if digest != MD5:
        words = f"N-TIDIGITS: {path} has the md5 {digest}; that of the published file is {MD5}. HDF5 has no checksum."
        warnings.warn(words, UserWarning, stacklevel=2)
    return Digits(train, test, tuple("-".join(name.split("-")[:2]) for name in names))


def _part(path: Path, file: h5py.File, part: str) -> tuple[SpikeSamples, list[str]]:
    """The single digits of a part, and their names."""
    groups = f"{part}_labels", f"{part}_timestamps", f"{part}_addresses"
    missing = [name for name in groups if name not in file]
    if missing:
        msg = f"N-TIDIGITS: {path} must hold {', '.join(groups)}; it lacks {', '.join(missing)}."
        raise ValueError(msg)
    stored = _whole(path, file, groups[0])
    names = [name.decode("ascii") if isinstance(name, bytes) else str(name) for name in stored.tolist()]
    said = [_digits(path, name) for name in names]
    chosen = [name for name, digits in zip(names, said, strict=True) if len(digits) == 1]
    if not chosen:
        msg = f"N-TIDIGITS: {path}: no name in {groups[0]} ends in a single digit; is it another file?"
        raise ValueError(msg)
    if len(set(chosen)) != len(chosen):
        msg = f"N-TIDIGITS: {path}: a name stands twice in {groups[0]}; fetch the file again."
        raise ValueError(msg)
    rows = [_sample(path, file, groups[1], groups[2], name) for name in chosen]
    label = np.array([CLASSES.index(digits) for digits in said if len(digits) == 1])
    times, units = zip(*rows, strict=True)
    return SpikeSamples(times, units, label, CHANNELS), chosen


def _whole(path: Path, group: h5py.Group, name: str) -> Any:
    """All numbers of a part."""
    part: Any = group[name]
    trouble = type_trouble(part.id.get_type()) if isinstance(part, h5py.Dataset) else "it is no list"
    if trouble:
        msg = f"N-TIDIGITS: {path}: {name} is broken: {trouble}; fetch the file again."
        raise ValueError(msg)
    return np.asarray(part[()])


def _digits(path: Path, name: str) -> str:
    """What is said, from the name of a sample."""
    start, dash, digits = name.rpartition("-")
    if not (start and dash and digits and set(digits) <= set(CLASSES)):
        msg = (
            f"N-TIDIGITS: {path}: names of samples must end in `-` and digits, of {' '.join(CLASSES)}; got {name!r}. "
            "Is it another file?"
        )
        raise ValueError(msg)
    return digits


def _sample(
    path: Path, file: h5py.File, times: str, units: str, name: str
) -> tuple[Float[np.ndarray, " _"], Int[np.ndarray, " _"]]:
    """Times (ms) and channels of one sample, in order."""
    found = []
    for group in (times, units):
        inside: Any = file[group]
        if name not in inside:
            msg = f"N-TIDIGITS: {path}: sample {name} has no entry in {group}; fetch the file again."
            raise ValueError(msg)
        found.append(_whole(path, inside, name).reshape(-1))
    time, unit = found[0].astype(np.float64), found[1]
    if len(time) != len(unit):
        msg = f"N-TIDIGITS: {path}: sample {name} has {len(time)} times and {len(unit)} channels; expected the same."
        raise ValueError(msg)
    if not np.issubdtype(unit.dtype, np.integer) or (len(unit) and not (unit.min() >= 0 and unit.max() < CHANNELS)):
        span = f"{unit.min()} to {unit.max()}" if len(unit) else "none"
        msg = f"N-TIDIGITS: {path}: sample {name} must have channels 0..{CHANNELS - 1}; got {unit.dtype}, {span}."
        raise ValueError(msg)
    if len(time) and not (np.isfinite(time).all() and time.min() >= 0 and time.max() <= LONGEST):
        msg = (
            f"N-TIDIGITS: {path}: times of sample {name} must be seconds from 0 to {LONGEST:g}; got "
            f"{time.min()} to {time.max()}. Is their unit another one, or is the file broken?"
        )
        raise ValueError(msg)
    order = np.argsort(time, kind="stable")
    return 1000.0 * time[order], unit[order].astype(np.int64)
