"""N-TIDIGITS: spoken digits, heard by a silicon cochlea of 64 channels, several spikes for each.

The published training samples are split by speaker: a fifth of the speakers choose the best epoch.
"""

import dataclasses
import os
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ranvier.datasets import Samples, SpikeSamples, Splits, ntidigits
from ranvier.datasets.tidigits import CHANNELS, CLASSES
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.methods import EventDriven, Value
from ranvier.lab.models import Layers, LearnedWeights, NoDelays
from ranvier.lab.parts import AbstractTask
from ranvier.lab.ranges import Positive
from ranvier.lab.readouts import Potential
from ranvier.lab.training import NoRecovery, Training

EVERY = 5
"""Every so many speakers one is for validation."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ntidigits(AbstractTask):
    """Single digits; spikes after `t_end` are left out. A row of features is the times, then the channels.

    Args:
        t_end: End of each simulation (ms).
        file: The published HDF5 file; empty: `n-tidigits.hdf5` in the folder that the environment variable RANVIER_DATA
            names.

    Example:
        >>> from ranvier.lab.tasks.ntidigits import Ntidigits
        >>> len(Ntidigits(file="n-tidigits.hdf5").classes)
        11
    """

    classes: ClassVar[tuple[str, ...]] = CLASSES
    inputs: ClassVar[int] = CHANNELS
    t_end: Positive = 1000.0
    file: str = ""

    def splits(self) -> Splits:
        """The samples.

        Raises:
            ValueError: neither `file` nor RANVIER_DATA says where the file is.
        """
        known = os.environ.get("RANVIER_DATA")
        if not self.file and not known:
            msg = (
                "ntidigits: the file is not set; name it (--file FILE), or set the environment variable RANVIER_DATA "
                "to the folder that has n-tidigits.hdf5."
            )
            raise ValueError(msg)
        return _splits(Path(self.file) if self.file else Path(known or "") / "n-tidigits.hdf5", self.t_end)

    def encode(self, feature: Float[np.ndarray, "samples columns"]) -> Spikes:
        """Input spikes of samples."""
        places = feature.shape[1] // 2
        return Spikes(feature[:, :places], feature[:, places:].astype(np.int32), size=CHANNELS)


@lru_cache(maxsize=2)
def _splits(path: Path, t_end: float) -> Splits:
    found = ntidigits(path)
    names = sorted(set(found.speaker))
    chosen = set(names[EVERY - 1 :: EVERY] or names[-1:])
    held = np.array([name in chosen for name in found.speaker])
    if held.all():  # one speaker only
        held = np.arange(len(held)) % EVERY == min(EVERY, len(held)) - 1
    parts = found.train.part(np.flatnonzero(~held)), found.train.part(np.flatnonzero(held)), found.test
    return Splits(*(_samples(part, t_end) for part in parts))


def _samples(part: SpikeSamples, t_end: float) -> Samples:
    spikes = part.spikes.crop(0.0, t_end)
    feature = np.concatenate([np.asarray(spikes.time), np.asarray(spikes.unit)], axis=1, dtype=np.float64)
    return Samples(feature, part.label)


PRESET = Preset(
    Experiment(
        task=Ntidigits(),
        model=Layers(
            hidden=128, weight=LearnedWeights(mean=0.0, std=0.2, lr=0.005), delay=NoDelays(), tau_mem=20.0,
            tau_syn=10.0, tau_out=200.0, max_spikes=100,
        ),
        readout=Potential(scale=10.0),
        method=EventDriven(gradient=Value()),
        training=Training(epochs=40, batch=100, recovery=NoRecovery()),
    ),
    tuned=(
        ({"delay": "axonal"}, {"delay_high": 60.0, "delay_mean": 30.0, "delay_std": 15.0}),
        ({"delay": "dendritic"}, {"delay_high": 60.0, "delay_mean": 30.0, "delay_std": 15.0}),
        ({"delay": "synaptic"}, {"delay_high": 60.0, "delay_mean": 30.0, "delay_std": 15.0}),
        ({"method": "surrogate"}, {"dt": 4.0, "beta": 20.0}),
        ({"method": "clock-driven"}, {"dt": 4.0}),
    ),
)  # fmt: skip
"""Numbers that were not chosen on the data, which are not free to be kept here."""
