"""MNIST: handwritten digits, each bright pixel one input spike, the brighter the earlier.

Dark pixels are silent. After Göltz et al. (Nat. Mach. Intell. 3, 2021): encoding, time constants, network, loss, batch,
noise on the input times. What differs was chosen on validation data. Weights start small, N(0.06, 0.1) in place of (in
our units, twice theirs) N(0.1, 1.6): thousands of steps fewer to the same accuracy. The loss tells times 0.1 ms apart,
not 0.2. Outputs other than the right one may stay silent, and silent ones are woken by steps that do not grow far.
"""

import abc
import dataclasses
import os
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from ranvier.datasets import Splits, mnist_splits
from ranvier.datasets.mnist import CLASSES, SIDE
from ranvier.encoders import latency
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.models import LearnedWeights, NoDelays, OneHidden
from ranvier.lab.parts import AbstractTask, Picture
from ranvier.lab.ranges import NotNegative, Positive
from ranvier.lab.readouts import CrossEntropy
from ranvier.lab.training import Bump, Training


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractImages(AbstractTask, abc.ABC):
    """Grey images as spikes.

    Args:
        folder: Folder of the four published files.
        download: Fetch files that are not there.
        t_early: Input spike time (ms) of the brightest ink.
        t_late: Input spike time (ms) of the faintest ink.
    """

    home: ClassVar[str]
    """Folder below RANVIER_DATA."""
    inputs: ClassVar[int] = SIDE * SIDE
    picture: ClassVar[Picture] = Picture(image=SIDE)
    folder: str = ""
    download: bool = False
    t_early: NotNegative = 0.15
    t_late: Positive = 2.0

    @abc.abstractmethod
    def read(self, folder: Path, download: bool) -> Splits:
        """The samples of a folder."""

    def splits(self) -> Splits:
        """The samples.

        Raises:
            ValueError: neither `folder` nor RANVIER_DATA says where the files are.
        """
        known = os.environ.get("RANVIER_DATA")
        if not self.folder and not known:
            msg = (
                f"{self.home}: the folder of the data is not set; name the folder with the four MNIST files "
                "(--folder DIR), or set the environment variable RANVIER_DATA to the folder that has them in "
                f"{self.home}/."
            )
            raise ValueError(msg)
        return self.read(Path(self.folder) if self.folder else Path(known or "") / self.home, self.download)

    def encode(self, feature: Float[np.ndarray, "samples pixels"]) -> Spikes:
        """Input spikes of images, brightest pixel first."""
        return latency(1 - feature, t_early=self.t_early, t_late=self.t_late, never=1.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mnist(AbstractImages):
    """50,000 digits to train on, as published.

    Args:
        folder: Folder of the four published files; empty: `mnist` in the folder that the environment variable
            RANVIER_DATA names.

    Example:
        >>> from ranvier.lab.tasks.mnist import Mnist
        >>> Mnist(folder="data/mnist").inputs
        784
    """

    classes: ClassVar[tuple[str, ...]] = CLASSES
    home: ClassVar[str] = "mnist"

    def read(self, folder: Path, download: bool) -> Splits:
        """`ranvier.datasets.mnist_splits`."""
        return mnist_splits(folder, download=download)


PRESET = Preset(
    Experiment(
        task=Mnist(),
        model=OneHidden(hidden=350, weight=LearnedWeights(mean=0.06, std=0.1, lr=0.005), delay=NoDelays()),
        readout=CrossEntropy(loss_tau=0.1),
        training=Training(epochs=40, batch=80, jitter=0.2, recovery=Bump(output=0.3, max_step=0.002)),
    ),
    tuned=(
        ({"delay": "axonal"}, {"delay_lr": 0.01}),
        ({"delay": "dendritic"}, {"delay_lr": 0.01}),
        ({"delay": "synaptic"}, {"delay_lr": 0.01}),
        ({"weight": "fixed"}, {"recovery": "none", "weight_mean": 0.06, "weight_std": 0.1}),
    ),
)
