"""Spoken digits: the Free Spoken Digit Dataset, ten digits of a few speakers, as spikes of a cochlea.

The file comes from `ranvier encode recordings.zip digits.h5 --high 3800`, for the recordings have 8 kHz. A random split
tells digits of known speakers apart; `--split leave-out --speaker theo` asks for a speaker that training has not heard.
Source: Jackson et al., github.com/Jakobovski/free-spoken-digit-dataset (CC BY-SA 4.0).
"""

import dataclasses

import numpy as np
from jaxtyping import Int

from ranvier.datasets.spike_files import SpikeFile
from ranvier.lab.composition import Preset
from ranvier.lab.spike_tasks import OneFile, Random, data_folder
from ranvier.lab.tasks.gsc import RECIPE


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpokenDigits(OneFile):
    """Ten digits of a few speakers in a file of `ranvier encode`, split at random.

    Args:
        file: The file; empty: `digits.h5` in the folder `spoken-digits` of that which RANVIER_DATA names.

    Example:
        >>> from ranvier.lab.tasks.spoken_digits import PRESET
        >>> PRESET.experiment.task.split.name
        'random'
    """

    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """The file, three times."""
        if self.file:
            return super().files()
        what = "digits.h5, of: ranvier encode recordings.zip digits.h5 --high 3800"
        return dataclasses.replace(self, file=str(data_folder("", "spoken-digits", what) / "digits.h5")).files()


PRESET = Preset(dataclasses.replace(RECIPE, task=SpokenDigits(split=Random())))
