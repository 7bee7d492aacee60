"""What a data set gives: features and labels, and which of them are for what."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class Samples:
    """Features and labels of a data set.

    Args:
        feature: One row per sample, shape (samples, features).
        label: Class of each sample, shape (samples,).

    Example:
        >>> from ranvier import datasets
        >>> datasets.yin_yang_samples(10, seed=0).feature.shape
        (10, 4)
    """

    feature: Float[np.ndarray, "samples features"]
    label: Int[np.ndarray, " samples"]


class Splits(NamedTuple):
    """Samples to train on, to choose hyperparameters with, and to report."""

    train: Samples
    validation: Samples
    test: Samples
