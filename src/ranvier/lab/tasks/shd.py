"""Spiking Heidelberg Digits: 20 spoken digits, 10,420 recordings, 700 channels; read from the two published files.

There is no official validation set, and two of the twelve speakers are only in the test file: so validation takes
speakers out of the training file. Published accuracies differ in that; those selected on the test file are higher by
one to two points. Source: Cramer et al., IEEE TNNLS 33 (2022), doi:10.1109/TNNLS.2020.3044364.
"""

import dataclasses

import numpy as np
from jaxtyping import Int

from ranvier.datasets.spike_files import SpikeFile, read_spike_file
from ranvier.lab.composition import Preset
from ranvier.lab.ranges import Limit, Seed, SomeCount
from ranvier.lab.spike_tasks import AbstractSpikeFiles, data_folder
from ranvier.lab.stacks import Stack
from ranvier.lab.tasks.gsc import RECIPE

CHANNELS = 700
FILES = ("shd_train.h5", "shd_test.h5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shd(AbstractSpikeFiles):
    """20 spoken digits, test speakers of whom two are new.

    Args:
        folder: Folder of shd_train.h5 and shd_test.h5; empty: `shd` in the folder that RANVIER_DATA names.
        speakers: Speakers of the training file that choose the best epoch.
        speaker_seed: Decides who they are.

    Example:
        >>> from ranvier.lab.tasks.shd import Shd
        >>> Shd(cut=1000.0, channels=140).channels
        140
    """

    folder: str = ""
    channels: SomeCount = 140
    cut: Limit = 1000.0
    speakers: SomeCount = 2
    speaker_seed: Seed = 0

    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """The training file twice, and the test file."""
        folder = data_folder(self.folder, "shd", " and ".join(FILES))
        known, test = (read_spike_file(folder / name, channels=CHANNELS) for name in FILES)
        chosen = self._validation(known)
        own = np.arange(known.size)
        return (known, known, test), (np.setdiff1d(own, chosen), chosen, np.arange(test.size))

    def _validation(self, known: SpikeFile) -> Int[np.ndarray, " _"]:
        """Samples of some speakers of the training file."""
        speaker = np.zeros(known.size, int) if known.speaker is None else known.speaker
        there = np.unique(speaker)
        count = self.speakers or 1
        if len(there) <= count:
            msg = (
                f"{known.path}: expected more than {count} speakers in extra/speaker, to take some for validation; "
                f"found {len(there)}. Is this the file as published?"
            )
            raise ValueError(msg)
        who = np.random.default_rng(self.speaker_seed).permutation(there)[:count]
        return np.flatnonzero(np.isin(speaker, who))


PRESET = Preset(
    dataclasses.replace(RECIPE, task=Shd(), model=Stack(hidden=256)),
)
