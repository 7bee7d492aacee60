"""MNIST: handwritten digits, each bright pixel one input spike, the brighter the earlier, dark pixels silent.

After Göltz et al. (Nat. Mach. Intell. 3, 2021): encoding, time constants, network, loss, batch, noise on the input
times. What differs was chosen on validation data. Weights start small, N(0.06, 0.1) in place of (in our units, twice
theirs) N(0.1, 1.6): thousands of steps fewer to the same accuracy. The loss tells times 0.1 ms apart, not 0.2. Outputs
other than the right one may stay silent, and silent ones are woken by steps that do not grow far.
"""

import dataclasses
import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from ranvier.datasets.mnist import CLASSES, SIDE, mnist_splits
from ranvier.datasets.samples import Splits
from ranvier.encoders import latency
from ranvier.events import Spikes
from ranvier.experiments.latency_experiment import AbstractLatencyExperiment
from ranvier.network import Network
from ranvier.train import RunFolder


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mnist(AbstractLatencyExperiment):
    """Every number of an MNIST run: those of `AbstractLatencyExperiment`, with other defaults, and where the data are.

    Args:
        folder: Folder of the four files of MNIST; where it is empty, `mnist` in the folder that the environment
            variable RANVIER_DATA names.

    Raises:
        ValueError: a number is out of range or of no use to the method, or a name is unknown.

    Example:
        >>> from ranvier.experiments import Mnist
        >>> Mnist(hidden=20).network().connections[0].weight.shape
        (784, 20)
    """

    name: ClassVar[str] = "mnist"
    classes: ClassVar[tuple[str, ...]] = CLASSES
    inputs: ClassVar[int] = SIDE * SIDE

    epochs: int = 40
    batch: int = 80
    delay: str = "none"
    hidden: int = 350
    weight_mean: float = 0.06
    weight_std: float = 0.1
    weight_lr: float = 0.005
    delay_lr: float = 0.01
    loss: str = "cross-entropy"
    loss_tau: float = 0.1
    silent_output: float | None = 0.3
    recovery_max: float = 0.002
    jitter: float = 0.2
    folder: str = ""

    @classmethod
    def tuned(cls, **changes: Any) -> "Mnist":
        """With the changes, and nothing else."""
        return cls(**changes)

    def splits(self) -> Splits:
        """The digits."""
        known = os.environ.get("RANVIER_DATA")
        if not self.folder and not known:
            msg = (
                "mnist: nobody said where the data are; name the folder of the four files of MNIST (--set folder=DIR), "
                "or set RANVIER_DATA to the folder that has them in mnist/."
            )
            raise ValueError(msg)
        return mnist_splits(self.folder or Path(known or "") / "mnist")

    def encode(self, feature: Float[np.ndarray, "samples pixels"]) -> Spikes:
        """Input spikes of images, brightest pixel first."""
        return latency(1 - feature.astype(self.dtype), t_early=self.t_early, t_late=self.t_late, never=1.0)

    def draw(self, folder: RunFolder, network: Network) -> Path:
        """Confusion matrix, learning curves, a raster of each digit, histograms."""
        test = self.splits().test
        places = int((test.feature > 0).sum(axis=1).max())

        def encode(feature: Float[np.ndarray, "samples pixels"]) -> Spikes:
            spikes = self.encode(feature)
            return Spikes(spikes.time[:, :places], spikes.unit[:, :places], spikes.size)

        return self.report(folder, network, encode=encode, points=test.feature, label=test.label, image=SIDE)
