"""Fashion-MNIST: clothes, each bright pixel one input spike, the brighter the earlier.

Encoding, network and numbers are those of `mnist`.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar

from ranvier.datasets import Splits, fashion_mnist_splits
from ranvier.datasets.mnist import FASHION_CLASSES
from ranvier.lab.composition import Preset
from ranvier.lab.tasks import mnist


@dataclasses.dataclass(frozen=True, kw_only=True)
class FashionMnist(mnist.AbstractImages):
    """50,000 pieces to train on, as published.

    Args:
        folder: Folder of the four published files; empty: `fashion-mnist` in the folder that the environment variable
            RANVIER_DATA names.

    Example:
        >>> from ranvier.lab.tasks.fashion_mnist import FashionMnist
        >>> FashionMnist(folder="data/fashion").inputs
        784
    """

    classes: ClassVar[tuple[str, ...]] = FASHION_CLASSES
    home: ClassVar[str] = "fashion-mnist"

    def read(self, folder: Path, download: bool) -> Splits:
        """`ranvier.datasets.fashion_mnist_splits`."""
        return fashion_mnist_splits(folder, download=download)


PRESET = Preset(dataclasses.replace(mnist.PRESET.experiment, task=FashionMnist()), mnist.PRESET.tuned)
