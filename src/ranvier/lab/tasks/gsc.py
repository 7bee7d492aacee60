"""Google Speech Commands: spoken words of many speakers, as spikes of a cochlea.

`ranvier encode` makes the file of the archive, of its folder, or of a list; the official splits have no speaker in two
parts. The recipe is that of `docs/guides/speech.md`: a recurrent layer with synaptic delays, trained by the value of a
spike, read out by the mean potential of leaky integrators, early times counting more. Source: Warden, arXiv:1804.03209.
"""

import dataclasses

import numpy as np
from jaxtyping import Int

from ranvier.datasets.spike_files import SpikeFile
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.methods import EventDriven, Value
from ranvier.lab.readouts import Mean
from ranvier.lab.spike_tasks import Official, OneFile, data_folder
from ranvier.lab.stacks import Stack
from ranvier.lab.training import Eased, NoRecovery, SpeechTraining


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gsc(OneFile):
    """Spoken words in a file of `ranvier encode`, official test speakers.

    Args:
        file: The file; empty: `gsc.h5` in the folder `gsc` of that which the environment variable RANVIER_DATA names.

    Example:
        >>> from ranvier.lab.tasks.gsc import PRESET
        >>> PRESET.experiment.model.delay.name
        'synaptic'
    """

    def files(self) -> tuple[tuple[SpikeFile, ...], tuple[Int[np.ndarray, " _"], ...]]:
        """The file, three times."""
        if self.file:
            return super().files()
        path = data_folder("", "gsc", "gsc.h5, of: ranvier encode speech_commands.tar.gz gsc.h5") / "gsc.h5"
        return dataclasses.replace(self, file=str(path)).files()


RECIPE = Experiment(
    task=Gsc(split=Official()),
    model=Stack(),
    readout=Mean(),
    method=EventDriven(gradient=Value()),
    training=SpeechTraining(
        epochs=40, batch=64, patience=10, schedule=Eased(), recovery=NoRecovery(), shift=8, move=60.0
    ),
)
"""What the other tasks of spoken words start from, too."""

PRESET = Preset(RECIPE)
