"""Files of spikes in the layout of the Spiking Heidelberg Digits (SHD), checked when they are opened.

    spikes/times[n]   times of sample n in seconds, float16, float32 or float64
    spikes/units[n]   the unit of each of them
    labels[n]         its class
    extra/keys, extra/speaker, extra/speaker_names, extra/split, extra/files, extra/meta_info   optional

Half precision leaves steps of 0.49 ms from 0.5 s on and of 0.98 ms from 1 s on: many spikes of SHD share their time.
They are widened before they are scaled to ms, where float16 would overflow. Files that ranvier writes have times in
float32, splits, and checksums of spikes and of names, for HDF5 has none. Source: Cramer, Stradmann, Schemmel, Zenke,
IEEE TNNLS 33 (2022), doi:10.1109/TNNLS.2020.3044364.
"""

import json
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float, Int

from ranvier.datasets.patient_file import PatientFile
from ranvier.datasets.spike_checks import SpikeFileError, Tally, about_names, about_samples, check_rows, open_spikes

TimeUnit = Literal["s", "ms", "us"]
SCALE: dict[str, float] = {"s": 1000.0, "ms": 1.0, "us": 1e-3}
"""From the unit of a file to ms."""
SPLITS = ("train", "validation", "test")
ROWS = 256
"""Samples that are read at once when a file is checked."""
PIECE = 1 << 26
"""Bytes of a file that are read at once when it is checked, if its samples are that long."""
MEMORY = 1 << 30
"""Bytes of spikes up to which a file is kept in memory."""


class Rows(NamedTuple):
    """Spikes of some samples, one behind the other.

    Args:
        start: Where each sample begins; one more for the end.
        time: Times (ms), ascending within a sample.
        unit: Units.
    """

    start: Int[np.ndarray, " more"]
    time: Float[np.ndarray, " spikes"]
    unit: Int[np.ndarray, " spikes"]


class SpikeFile:
    """Samples of a file of spikes. Use `read_spike_file` to open one.

    Args:
        path: The file.
        tally: What was found when it was checked.
        kept: All spikes, if they are kept in memory.
        scale: From the file's unit of time to ms.
    """

    def __init__(self, path: Path, tally: Tally, kept: Rows | None, scale: float):
        self.path, self.kept, self.scale = path, kept, scale
        self.count, self.label, self.classes = tally.count, tally.label, tally.classes
        self.channels, self.end, self.notes, self.checksum = tally.channels, tally.end, tally.notes, tally.checksum
        self.speaker, self.speakers, self.split = tally.speaker, tally.speakers, tally.split
        self.fingerprint = tally.fingerprint

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.label)

    def read(self, rows: Int[np.ndarray, " n"]) -> Rows:
        """Spikes of some samples, in that order.

        Args:
            rows: Numbers of the samples.

        Raises:
            SpikeFileError: the file has changed since it was opened.
        """
        start = np.concatenate([[0], np.cumsum(self.count[rows])])
        if self.kept is not None:
            begin = self.kept.start[rows]
            place = np.repeat(begin - start[:-1], self.count[rows]) + np.arange(start[-1])
            return Rows(start, self.kept.time[place], self.kept.unit[place])
        wanted, back = np.unique(rows, return_inverse=True)
        with open_spikes(self.path) as file:
            found = check_rows(self.path, file, wanted, self.scale)
        if [len(time) for time, _ in found] != self.count[wanted].tolist():
            msg = f"{self.path}: the file has changed since it was opened; start again."
            raise SpikeFileError(msg)
        some = [found[at] for at in back]
        none = (np.zeros(0, np.float32), np.zeros(0, np.int32))
        return Rows(start, *(np.concatenate(part) for part in zip(*(some or [none]), strict=True)))


def read_spike_file(
    path: Path | str, *, channels: int | None = None, time_unit: TimeUnit = "s", memory: int = MEMORY
) -> SpikeFile:
    """Open a file of spikes and check all of it.

    Args:
        path: An HDF5 file in the layout of SHD.
        channels: Input units; default what the file says, else one more than the highest unit in it.
        time_unit: Unit of its times, `s`, `ms` or `us`.
        memory: Bytes of spikes up to which they are kept in memory; else they are read again batch by batch.

    Returns:
        Its samples. `notes` says what is unusual but allowed, such as samples without a spike.

    Raises:
        FileNotFoundError: there is no such file.
        SpikeFileError: it is no such file, or a sample is wrong; the message names file, sample, what was found and
            what was expected.

    Example:
        >>> import tempfile, numpy as np
        >>> from ranvier.datasets import SpikeWriter, read_spike_file
        >>> path = tempfile.mkdtemp() + "/two.h5"
        >>> with SpikeWriter(path, classes=("no", "yes"), channels=3) as out:
        ...     out.add(np.array([1.0, 5.5]), np.array([0, 2]), label=1)
        ...     out.add(np.array([2.5]), np.array([1]), label=0)
        >>> file = read_spike_file(path)
        >>> file.size, file.channels, file.read(np.array([0])).time.tolist()
        (2, 3, [1.0, 5.5])
    """
    where = Path(path)
    stamp = where.stat().st_mtime_ns if where.is_file() else 0
    return _read(where.absolute(), stamp, channels, time_unit, memory)


@lru_cache(maxsize=4)
def _read(path: Path, stamp: int, channels: int | None, time_unit: str, memory: int) -> SpikeFile:
    """The file, once for all seeds and parts that ask for it; another `stamp` is another file."""
    del stamp
    with open_spikes(path) as file:
        tally = Tally(path, file, channels)
        bytes_there = path.stat().st_size  # lists of different lengths are never compressed: at most 16 bytes a spike
        parts: list[tuple[np.ndarray, np.ndarray]] | None = [] if bytes_there <= 2 * memory else None
        step = max(1, min(ROWS, PIECE * tally.size // bytes_there))
        for first in range(0, tally.size, step):
            rows = np.arange(first, min(first + step, tally.size))
            found = check_rows(path, file, rows, SCALE[time_unit], tally)
            parts = None if parts is None or 8 * tally.spikes > memory else parts + found
        tally.close(SCALE[time_unit])
    kept = None
    if parts is not None:
        start = np.concatenate([[0], np.cumsum(tally.count)])
        times, units = ([part[side] for part in parts] for side in (0, 1))
        kept = Rows(start, np.concatenate(times), np.concatenate(units))
    return SpikeFile(path, tally, kept, SCALE[time_unit])


class SpikeWriter:
    """Writes a file of spikes, sample by sample; it appears under its name when it is whole.

    Args:
        path: The file.
        classes: Names of the classes.
        channels: Number of units.
        speakers: Names of the speakers, if known.
        facts: What else to keep, as JSON knows it, such as the numbers of the encoder.

    Raises:
        ValueError: a sample does not fit: unsorted, negative or infinite times, a unit or a label out of range.

    Example:
        See `read_spike_file`.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        classes: Sequence[str],
        channels: int,
        speakers: Sequence[str] = (),
        facts: dict[str, Any] | None = None,
    ):
        self.path, self.classes, self.channels, self.speakers = Path(path), tuple(classes), channels, tuple(speakers)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.facts, self.labels, self.who, self.parts, self.names = facts or {}, [], [], [], []
        self.waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self.checksum = 0

    def __enter__(self) -> "SpikeWriter":
        self.disk = PatientFile(self.partial)
        self.file = h5py.File(self.disk, "w")
        for name, kind in (("times", np.float32), ("units", np.uint16)):
            self.file.create_dataset(f"spikes/{name}", (0,), h5py.vlen_dtype(kind), maxshape=(None,), chunks=(ROWS,))
        return self

    def add(
        self,
        time: Float[np.ndarray, " n"],
        unit: Int[np.ndarray, " n"],
        *,
        label: int,
        speaker: int = -1,
        split: int = -1,
        name: str = "",
    ) -> None:
        """Add a sample.

        Args:
            time: Times (ms), ascending.
            unit: Units.
            label: Class.
            speaker: Number of the speaker, -1 for unknown.
            split: 0 train, 1 validation, 2 test, -1 for none.
            name: File that it comes from.
        """
        fits = 0 <= label < len(self.classes) and np.shape(time) == np.shape(unit)
        fits = fits and bool(np.isfinite(time).all() and (np.diff(time, prepend=0.0) >= 0).all())
        if not fits or (len(unit) > 0 and not 0 <= np.min(unit) <= np.max(unit) < min(self.channels, 1 << 16)):
            msg = (
                f"SpikeWriter: sample {len(self.labels)} does not fit; expected ascending times >= 0, units below "
                f"{self.channels}, a label below {len(self.classes)}; got label {label}, {len(time)} spikes."
            )
            raise ValueError(msg)
        row = (np.asarray(time, np.float64) / 1000.0).astype(np.float32), np.asarray(unit, np.uint16)
        self.checksum = zlib.crc32(row[1].tobytes(), zlib.crc32(row[0].tobytes(), self.checksum))
        self.waiting.append(row)
        for kept, value in ((self.labels, label), (self.who, speaker), (self.parts, split), (self.names, name)):
            kept.append(value)
        if len(self.waiting) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        done = len(self.labels) - len(self.waiting)
        for side, name in enumerate(("times", "units")):
            place: Any = self.file[f"spikes/{name}"]
            place.resize((len(self.labels),))
            for at, row in enumerate(self.waiting):
                place[done + at] = row[side]
        self.disk.check()
        self.waiting = []

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None:
                self._close()
        finally:
            self.file.close()
            self.disk.close()
            self.partial.unlink(missing_ok=True)

    def _close(self) -> None:
        """Write what is left, and give the file its name."""
        self._flush()
        text = h5py.string_dtype()
        extra = self.file.create_group("extra")
        self.file["labels"] = np.asarray(self.labels, np.uint16)
        extra.create_dataset("keys", data=list(self.classes), dtype=text)
        extra.create_dataset("files", data=self.names, dtype=text)
        extra["speaker"], extra["split"] = np.asarray(self.who, np.int32), np.asarray(self.parts, np.int8)
        self.checksum = about_samples(self.checksum, *map(np.asarray, (self.labels, self.who, self.parts)))
        extra.create_dataset("speaker_names", data=list(self.speakers), dtype=text, shape=(len(self.speakers),))
        names = about_names(self.channels, self.classes, self.speakers)
        facts = {"channels": self.channels, "checksum": self.checksum, "facts": json.dumps(self.facts)}
        self.file.attrs.update(facts | {"names_checksum": names})
        self.file.close()
        self.disk.close()
        self.disk.check()
        self.partial.replace(self.path)
