"""Spiking Speech Commands: 35 spoken words, 105,829 recordings, 700 channels; read from the three published files.

They are larger than most memories and are read batch by batch. Source: Cramer et al., IEEE TNNLS 33 (2022),
doi:10.1109/TNNLS.2020.3044364.
"""

import dataclasses

import numpy as np
from jaxtyping import Int

from ranvier.datasets.spike_files import SpikeFile, read_spike_file
from ranvier.lab.composition import Preset
from ranvier.lab.ranges import Limit, SomeCount
from ranvier.lab.spike_tasks import AbstractSpikeFiles, data_folder
from ranvier.lab.stacks import Stack
from ranvier.lab.tasks.gsc import RECIPE
from ranvier.lab.tasks.shd import CHANNELS

FILES = ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ssc(AbstractSpikeFiles):
    """35 spoken words, official validation and test files.

    Args:
        folder: Folder of ssc_train.h5, ssc_valid.h5 and ssc_test.h5; empty: `ssc` in the one that RANVIER_DATA names.

    Example:
        >>> from ranvier.lab.tasks.ssc import Ssc
        >>> Ssc().cut
        1000.0
    """

    folder: str = ""
    channels: SomeCount = 140
    cut: Limit = 1000.0

    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """The three files."""
        folder = data_folder(self.folder, "ssc", ", ".join(FILES))
        files = tuple(read_spike_file(folder / name, channels=CHANNELS) for name in FILES)
        return files, tuple(np.arange(file.size) for file in files)


PRESET = Preset(
    dataclasses.replace(RECIPE, task=Ssc(), model=Stack(hidden=256)),
)
