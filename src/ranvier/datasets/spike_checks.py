"""What is checked of a file of spikes: each sample when it is read, the whole when it is opened.

Ties keep the order of the file. HDF5 itself notices few changes of a byte (of 200 flips in a file of spikes 12 were
refused and 2 read back wrong), so everything that can be wrong with a number is looked for here.
"""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float, Int

from ranvier._hdf5 import heap_trouble, list_trouble, type_trouble
from ranvier.datasets.first_bytes import something_else

LIKELY_SECONDS = (1e-3, 1e2)
"""A last spike outside of these (s) says that the unit of time is another one."""
MOST = 50_000_000
"""Spikes of one sample beyond which its length is taken for a broken number."""
PACKED = 1000
"""Times that compression makes a part smaller at most; HDF5 itself would read on for hours."""
LATEST = 1e15
"""A time, in any unit, beyond which it is none."""
UNITS = 1 << 24
"""A unit beyond which it is none."""
Row = tuple[Float[np.ndarray, " _"], Int[np.ndarray, " _"]]


class SpikeFileError(ValueError):
    """A file of spikes is not what it should be; the message names it."""


def open_spikes(path: Path) -> h5py.File:
    """Open the file.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: there is none.
        SpikeFileError: it is something else; the message says what.
    """
    if path.is_dir():
        msg = f"{path} is a folder; name the HDF5 file in it, or encode a folder of sounds first: ranvier encode."
        raise SpikeFileError(msg)
    if not path.is_file():
        msg = f"there is no {path}; name an HDF5 file in the layout of SHD."
        raise FileNotFoundError(msg)
    words = something_else(path)
    if words is not None:
        msg = f"{path} {words}."
        raise SpikeFileError(msg)
    try:
        return h5py.File(path, "r")
    except Exception as error:
        msg = f"{path} is no HDF5 file, or is truncated; fetch or write it again ({_one_line(error)})."
        raise SpikeFileError(msg) from error


class Tally:
    """What is known of a file of spikes; lengths and the like come in as its samples are checked.

    Args:
        path: The file.
        file: The file, open.
        channels: Number of units, where it is given.

    Raises:
        SpikeFileError: a part is missing, or parts do not fit together.
    """

    def __init__(self, path: Path, file: h5py.File, channels: int | None):
        self.path, self.checksum, self.spikes, self.end, self.highest = path, 0, 0, 0.0, -1
        self.unsorted, self.counts, self.prints = 0, [], []
        trouble = heap_trouble(path)
        if trouble:
            msg = f"{path} is broken: {trouble}; fetch or write it again."
            raise SpikeFileError(msg)
        times, units, labels = (_part(path, file, name) for name in ("spikes/times", "spikes/units", "labels"))
        self.size = len(labels)
        if not len(times) == len(units) == self.size or self.size == 0:
            found = f"{len(times)} times, {len(units)} units, {self.size} labels"
            msg = f"{path}: spikes/times, spikes/units and labels must have one entry per sample; found {found}."
            raise SpikeFileError(msg)
        self.label = refuse_labels(path, _all(path, labels))
        names = _optional(path, file, "extra/keys", self.size, whole=False)
        self.classes = tuple(names) if names else tuple(str(n) for n in range(int(self.label.max()) + 1))
        if self.label.max() >= len(self.classes):
            at = int(np.argmax(self.label >= len(self.classes)))
            msg = (
                f"{path}: sample {at}: label {self.label[at]} is none of the {len(self.classes)} classes of extra/keys."
            )
            raise SpikeFileError(msg)
        self.speaker: Int[np.ndarray, " samples"] | None = _optional(path, file, "extra/speaker", self.size, whole=True)
        self.split: Int[np.ndarray, " samples"] | None = _optional(path, file, "extra/split", self.size, whole=True)
        self.speakers: tuple[str, ...] = tuple(
            _optional(path, file, "extra/speaker_names", self.size, whole=False) or ()
        )
        self.wanted, there = (_attribute(path, file, name) for name in ("checksum", "channels"))
        self.said = there if channels is None else channels
        about = _attribute(path, file, "names_checksum")
        if about is not None and about != about_names(there, self.classes, self.speakers):
            msg = f"{path}: channels, classes or speakers are not those that were written (checksum); write it again."
            raise SpikeFileError(msg)
        if self.said is None and self.highest_of_layout():
            self.said = 700

    def highest_of_layout(self) -> bool:
        """Whether the file is one of SHD or SSC, whose 700 channels it does not mention."""
        return self.path.name.startswith(("shd_", "ssc_"))

    def add(self, at: int, row: Row, raw: tuple[Any, Any], *, sorted_already: bool) -> None:
        """Take a sample into account.

        Args:
            at: Its number.
            row: Its spikes in ms.
            raw: As they are in the file.
            sorted_already: Whether their times ascend there.
        """
        time, unit = row
        self.counts.append(len(time))
        self.spikes += len(time)
        self.unsorted += not sorted_already
        self.checksum = zlib.crc32(raw[1].tobytes(), zlib.crc32(raw[0].tobytes(), self.checksum))
        self.prints.append(hash((zlib.crc32(raw[0].tobytes()), zlib.crc32(raw[1].tobytes()), len(time))))
        if len(time):
            self.end, self.highest = max(self.end, float(time[-1])), max(self.highest, int(unit.max()))
        if self.said is not None and self.highest >= self.said:
            msg = f"{self.path}: sample {at}: unit {self.highest}; expected units below {self.said}, the channels."
            raise SpikeFileError(msg)

    def close(self, scale: float) -> None:
        """After the last sample: look at the whole.

        Args:
            scale: From the file's unit of time to ms.

        Raises:
            SpikeFileError: there is no spike, the unit of time is another one, or the checksum is wrong.
        """
        self.count, self.fingerprint = np.asarray(self.counts, np.int64), np.asarray(self.prints, np.int64)
        self.channels = self.said or self.highest + 1
        self.checksum = about_samples(self.checksum, self.label, self.speaker, self.split)
        if self.wanted is not None and self.wanted != self.checksum:
            msg = f"{self.path}: the spikes are not those that were written (checksum); write or fetch it again."
            raise SpikeFileError(msg)
        if self.spikes == 0:
            msg = f"{self.path}: no sample has a spike; expected at least one."
            raise SpikeFileError(msg)
        if not LIKELY_SECONDS[0] <= self.end / 1000.0 <= LIKELY_SECONDS[1]:
            msg = (
                f"{self.path}: the last spike is at {self.end / scale:g}, {self.end:g} ms; expected between 1 ms and "
                "100 s. The file has another unit of time: read it by read_spike_file(path, time_unit='ms'), or 's' or "
                "'us', and write it again."
            )
            raise SpikeFileError(msg)
        silent, missing = int((self.count == 0).sum()), np.setdiff1d(np.arange(len(self.classes)), self.label)
        self.notes = tuple(
            words
            for words, there in (
                (f"{silent} of {self.size} samples have no spike", silent),
                (f"{self.unsorted} samples were not in order of time and have been sorted", self.unsorted),
                (f"no sample of class {', '.join(self.classes[n] for n in missing[:9])}", len(missing)),
            )
            if there
        )


def about_samples(checksum: int, *numbers: Int[np.ndarray, " _"] | None) -> int:
    """A checksum of spikes, with labels, speakers and splits taken in.

    Args:
        checksum: That of the spikes.
        *numbers: One number per sample each, or None.
    """
    for one in numbers:
        checksum = checksum if one is None else zlib.crc32(one.astype("<i8").tobytes(), checksum)
    return checksum


def about_names(channels: int | None, classes: Sequence[str], speakers: Sequence[str]) -> int:
    """A checksum of what a file says of its numbers.

    Args:
        channels: How many units.
        classes: Names of the classes.
        speakers: Names of the speakers.
    """
    return zlib.crc32(json.dumps([channels, list(classes), list(speakers)]).encode())


def check_rows(
    path: Path, file: h5py.File, rows: Int[np.ndarray, " n"], scale: float, tally: Tally | None = None
) -> list[Row]:
    """Read samples and refuse what is wrong with them.

    Args:
        path: The file, for messages.
        file: The file, open.
        rows: Numbers of the samples, ascending.
        scale: From its unit of time to ms.
        tally: Where to add them up, if anywhere.

    Raises:
        SpikeFileError: a sample cannot be read or is wrong.
    """
    try:
        whole = slice(int(rows[0]), int(rows[-1]) + 1) if len(rows) else slice(0)
        chosen: Any = whole if len(rows) == whole.stop - whole.start else rows
        parts: list[Any] = [file[f"spikes/{name}"] for name in ("times", "units")]
        times, units = (np.asarray(part[chosen], object) for part in parts)
    except Exception as error:
        msg = f"{path}: samples {rows[0]} to {rows[-1]} cannot be read, the file is broken ({_one_line(error)})."
        raise SpikeFileError(msg) from error
    found = []
    for at, time, unit in zip(rows.tolist(), times, units, strict=True):
        raw = np.asarray(time), np.asarray(unit)
        wrong = _trouble(raw[0], raw[1])
        if wrong:
            msg = f"{path}: sample {at}: {wrong}."
            raise SpikeFileError(msg)
        moment = raw[0].astype(np.float64) * scale
        ascending = bool((np.diff(moment) >= 0).all())
        order = slice(None) if ascending else np.argsort(moment, kind="stable")
        row = moment[order].astype(np.float32), raw[1][order].astype(np.int32)
        if tally is not None:
            tally.add(at, row, raw, sorted_already=ascending)
        found.append(row)
    return found


def refuse_labels(path: Path, label: Any) -> Int[np.ndarray, " samples"]:
    """Labels as integers.

    Args:
        path: The file, for messages.
        label: What stands there.

    Raises:
        SpikeFileError: they are not whole numbers from 0.
    """
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        msg = f"{path}: labels must be whole numbers, one per sample; found {label.dtype} of shape {label.shape}."
        raise SpikeFileError(msg)
    found = label.astype(np.int64)
    if found.min() < 0 or found.max() > 100_000:
        at = int(np.argmax((found < 0) | (found > 100_000)))
        msg = f"{path}: sample {at}: label {found[at]}; expected 0, 1, ... for the classes."
        raise SpikeFileError(msg)
    return found


def _trouble(time: Any, unit: Any) -> str:
    """What is wrong with a sample; empty where nothing is."""
    if time.ndim != 1 or unit.ndim != 1 or len(time) != len(unit):
        return f"{time.shape} times and {unit.shape} units; expected as many of one as of the other"
    if len(time) > MOST:
        return f"{len(time)} spikes; expected at most {MOST}"
    if len(time) == 0:
        return ""
    if not np.issubdtype(time.dtype, np.floating):
        return f"times are {time.dtype}; expected floating-point seconds"
    if not np.issubdtype(unit.dtype, np.integer):
        return f"units are {unit.dtype}; expected whole numbers"
    with np.errstate(all="ignore"):  # of a broken file these may be bits that are no number
        wrong = ~((time >= 0) & (time.astype(np.float64) < LATEST))
    if wrong.any():
        return f"time {time[wrong][0]}; expected finite times >= 0"
    wrong = (unit < 0) | (unit >= UNITS)
    return f"unit {unit[wrong][0]}; expected units from 0, below {UNITS}" if wrong.any() else ""


def _part(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """A part that must be there."""
    try:
        found = file[name]
    except Exception as error:
        there = _names(file) if isinstance(error, KeyError) else _one_line(error)
        wanted = "the layout of SHD: spikes/times, spikes/units, labels"
        msg = f"{path}: {name} is missing; expected {wanted}. Found: {there}."
        raise SpikeFileError(msg) from error
    if not isinstance(found, h5py.Dataset) or found.ndim != 1:
        msg = f"{path}: {name} must be a list, one entry per sample; found {found}."
        raise SpikeFileError(msg)
    try:
        trouble = list_trouble(path, found)
    except Exception as error:
        trouble = _one_line(error)
    if trouble:
        msg = f"{path}: {name} is broken: {trouble}; fetch or write it again."
        raise SpikeFileError(msg)
    packed = 1 if found.chunks is None else PACKED
    if found.size * found.dtype.itemsize > packed * path.stat().st_size:
        msg = f"{path}: {name} has {found.size} entries, more than the file can hold; it is broken: fetch it again."
        raise SpikeFileError(msg)
    return found


def _names(file: h5py.File) -> str:
    """The parts of a file, or why they cannot be told."""
    try:
        return ", ".join(file) or "nothing"
    except Exception as error:
        return _one_line(error)


def _all(path: Path, part: h5py.Dataset) -> Any:
    try:
        return np.asarray(part[:])
    except Exception as error:
        msg = f"{path}: {part.name} cannot be read, the file is broken ({_one_line(error)})."
        raise SpikeFileError(msg) from error


def _optional(path: Path, file: h5py.File, name: str, size: int, *, whole: bool) -> Any:
    """A part that may be there: whole numbers, one for each sample, or names."""
    try:
        there = name in file
    except Exception as error:
        msg = f"{path}: {name} cannot be read, the file is broken ({_one_line(error)})."
        raise SpikeFileError(msg) from error
    if not there:
        return None
    found = _all(path, _part(path, file, name))
    if not whole:
        return [text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in found]
    if not np.issubdtype(found.dtype, np.integer) or len(found) != size:
        got = f"{len(found)} of {found.dtype}"
        msg = f"{path}: {name} must hold a whole number for each of the {size} samples; found {got}."
        raise SpikeFileError(msg)
    return found.astype(np.int64)


def _attribute(path: Path, file: h5py.File, name: str) -> int | None:
    """A whole number that the file may have as an attribute."""
    try:
        broken = name in file.attrs and type_trouble(file.attrs.get_id(name).get_type())
        if broken:
            raise ValueError(broken)
        value = file.attrs.get(name)
        found = None if value is None else np.asarray(value)
    except Exception as error:
        msg = f"{path}: the attribute {name} cannot be read, the file is broken ({_one_line(error)})."
        raise SpikeFileError(msg) from error
    if found is None:
        return None
    if found.size != 1 or not np.issubdtype(found.dtype, np.integer):
        msg = f"{path}: the attribute {name} must be a whole number; found {found.dtype} of shape {found.shape}."
        raise SpikeFileError(msg)
    return int(found.item())


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
