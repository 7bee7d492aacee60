"""Tasks whose samples are spikes in files: SHD, SSC, Google Speech Commands, spoken digits, and any other file."""

import abc
import dataclasses
import math
import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Int

from ranvier.datasets.parts import Parts, leave_one_speaker_out, official_parts, random_parts, speaker_parts
from ranvier.datasets.spike_files import Rows, SpikeFile, read_spike_file
from ranvier.lab.parts import AbstractPart, AbstractSpikeTask, Data
from ranvier.lab.ranges import Limit, NotNegative, Seed, Share, SomeCount
from ranvier.lab.settings import Choice
from ranvier.train import Stream

FEW = 64
"""Samples by which initial weights are scaled."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSplit(AbstractPart, abc.ABC):
    """Which samples of a file are for what."""

    name: ClassVar[str]

    @abc.abstractmethod
    def parts(self, file: SpikeFile) -> Parts:
        """Numbers of the samples to train on, to choose with, to report."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Official(AbstractSplit):
    """The splits that the file names."""

    name: ClassVar[str] = "official"

    def parts(self, file: SpikeFile) -> Parts:
        """`ranvier.datasets.official_parts`."""
        return official_parts(file)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Random(AbstractSplit):
    """Samples at random; speakers may be in several parts.

    Args:
        validation: Share of the samples that choose.
        test: Share of the samples that are reported.
        seed: Decides which.
    """

    name: ClassVar[str] = "random"
    validation: Share = 0.1
    test: Share = 0.1
    seed: Seed = 0

    def parts(self, file: SpikeFile) -> Parts:
        """`ranvier.datasets.random_parts`."""
        return random_parts(file, validation=self.validation, test=self.test, seed=self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class BySpeaker(AbstractSplit):
    """Speakers at random: each is in one part only.

    Args:
        validation: Share of the speakers that choose.
        test: Share of the speakers that are reported.
        seed: Decides who.
    """

    name: ClassVar[str] = "speaker"
    validation: Share = 0.1
    test: Share = 0.1
    seed: Seed = 0

    def parts(self, file: SpikeFile) -> Parts:
        """`ranvier.datasets.speaker_parts`."""
        return speaker_parts(file, validation=self.validation, test=self.test, seed=self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LeaveOut(AbstractSplit):
    """One speaker is reported, another one chooses.

    Args:
        speaker: Name or number of the speaker to report.
        seed: Decides who chooses.
    """

    name: ClassVar[str] = "leave-out"
    speaker: str = "0"
    seed: Seed = 0

    def parts(self, file: SpikeFile) -> Parts:
        """`ranvier.datasets.leave_one_speaker_out`."""
        return leave_one_speaker_out(file, self.speaker, seed=self.seed)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Auto(AbstractSplit):
    """The splits that the file names; else by speaker, if there are ten or more; else at random."""

    name: ClassVar[str] = "auto"

    def parts(self, file: SpikeFile) -> Parts:
        """Whichever it is."""
        if file.split is not None and (file.split >= 0).any():
            return official_parts(file)  # which refuses splits that are not whole: test samples must not be learned
        known = file.speaker is not None and file.speaker.min() >= 0 and len(np.unique(file.speaker)) >= 10
        return speaker_parts(file) if known else random_parts(file)


Split = Annotated[AbstractSplit, Choice(Auto(), Official(), BySpeaker(), LeaveOut(), Random())]
"""Any of these."""


class Pooled:
    """A file with fewer channels, and without what comes late: unit u of n becomes `u channels // n`.

    Args:
        file: The file.
        channels: Channels that are left; None for all.
        cut: Spikes at this time (ms) or later are left out.
    """

    def __init__(self, file: SpikeFile, channels: int | None, cut: float):
        self.file, self.cut, self.channels = file, cut, channels or file.channels
        self.count, self.checksum = file.count, hash((file.checksum, self.channels, cut)) % 2**62
        self.end = min(cut, file.end)
        if self.channels > file.channels:
            msg = f"{file.path} has {file.channels} channels; channels must be at most that; got {channels}."
            raise ValueError(msg)

    def read(self, rows: Int[np.ndarray, " n"]) -> Rows:
        """Spikes of some samples, in that order.

        Args:
            rows: Numbers of the samples.
        """
        start, time, unit = self.file.read(rows)
        unit = unit * self.channels // self.file.channels
        if self.cut > self.file.end:
            return Rows(start, time, unit)
        kept = time < self.cut
        return Rows(np.concatenate([[0], np.cumsum(kept)])[start], time[kept], unit[kept])


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSpikeFiles(AbstractSpikeTask, abc.ABC):
    """Samples that are spikes in files.

    Args:
        channels: Neighbouring channels are merged until so many are left; none for all.
        cut: Input spikes at this time (ms) or later are left out.
        rest: Time (ms) from there, or from the last spike, to the end of a simulation, for spikes under way.
    """

    channels: SomeCount = None
    cut: Limit = math.inf
    rest: NotNegative = 150.0

    @abc.abstractmethod
    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """Three files (which may be the same), and which of their samples train, choose, and are reported."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Those of the file to train on."""
        return self.files()[0][0].classes

    @property
    def inputs(self) -> int:
        """Channels that are left."""
        return self.channels or self.files()[0][0].channels

    @property
    def t_end(self) -> float:
        """A while after the last spike."""
        return float(math.ceil(min(self.cut, max(file.end for file in self.files()[0])) + self.rest))

    def data(self, dtype: str) -> Data:
        """The samples, read when they are needed.

        Args:
            dtype: Precision of times.
        """
        files, rows = self.files()
        again = repeated(files, rows)
        if again > len(rows[2]) // 2:
            msg = (
                f"{again} of {len(rows[2])} test samples are among those to train on, spike by spike: "
                f"{files[0].path} and {files[2].path} hold the same; give the right files."
            )
            raise ValueError(msg)
        made = [
            Stream(Pooled(file, self.channels, self.cut), own, file.label[own], classes=len(self.classes), dtype=dtype)
            for file, own in zip(files, rows, strict=True)
        ]
        return Data(*made)

    def some(self) -> Rows:
        """Samples from the first to the last one to train on."""
        files, rows = self.files()
        chosen = np.unique(np.linspace(0, len(rows[0]) - 1, FEW).astype(int))
        return Pooled(files[0], self.channels, self.cut).read(rows[0][chosen])

    def notes(self) -> tuple[str, ...]:
        """What is unusual about the files, in sentences."""
        files, rows = self.files()
        each = {file.path: file for file in files}
        late = [path.name for path, file in each.items() if file.end >= self.cut]
        sizes = ", ".join(f"{len(own)} {name}" for own, name in zip(rows, ("train", "validation", "test"), strict=True))
        told = [f"{path.name}: {'; '.join(file.notes)}" for path, file in each.items() if file.notes]
        again = repeated(files, rows)
        told += [f"{again} of {len(rows[2])} test samples are among those to train on, spike by spike"] if again else []
        return (sizes, *told, *([f"{', '.join(late)}: spikes from {self.cut:g} ms on are left out"] if late else []))


def repeated(files: tuple[SpikeFile, ...], rows: tuple[Int[np.ndarray, " _"], ...]) -> int:
    """Test samples that are the same, spike by spike, as one to train on; silent ones do not count.

    Args:
        files: Files to train on, to choose with, and to report.
        rows: Which of their samples.
    """
    own = files[2].fingerprint[rows[2]][files[2].count[rows[2]] > 0]
    return int(np.isin(own, files[0].fingerprint[rows[0]]).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneFile(AbstractSpikeFiles):
    """The samples of one file of spikes, of `ranvier encode` or in the layout of SHD.

    Args:
        file: The file.
        split: Which samples train, choose, and are reported.
    """

    file: str = ""
    split: Split = Auto()

    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """The file, three times."""
        return _one_file(Path(self.file), _stamp(Path(self.file)), self.split)


@lru_cache(maxsize=8)
def _one_file(
    path: Path, stamp: int, split: AbstractSplit
) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
    del stamp
    file = read_spike_file(path)
    return (file,) * 3, tuple(split.parts(file))


def _stamp(path: Path) -> int:
    return path.stat().st_mtime_ns if path.is_file() else 0


def data_folder(given: str, task: str, what: str) -> Path:
    """The folder of a data set: as given, else of the task's name in RANVIER_DATA.

    Args:
        given: As given; may be empty.
        task: Name of the task.
        what: What should be in there.

    Raises:
        ValueError: neither says where it is.
    """
    known = os.environ.get("RANVIER_DATA")
    if given:
        return Path(given)
    if known:
        return Path(known) / task
    msg = (
        f"{task}: the data are not there; name the folder that holds {what} (--folder DIR), or set the environment "
        f"variable RANVIER_DATA to the folder that has it in {task}/."
    )
    raise ValueError(msg)
