"""Spacing: layers so far apart, and their neurons so far from each other, that delays start as they are wanted.

Delays by distance have the distribution that positions give them; free delays any. To compare the two, both must start
alike. Neurons of a layer are drawn around its centre, each coordinate with standard deviation s, and the centres of two
layers are L apart. The distance of two neurons is then that of a normal vector of mean (L, 0, ...) and standard
deviation sqrt(2) s: its mean square is `L^2 + 2 D s^2` in D dimensions, and s follows from its mean.
"""

import numpy as np

from ranvier.lab.ranges import SettingError

DRAWN = 40_000
"""Vectors that the mean is taken over; always the same ones."""


def spacing(mean: float, std: float, dimensions: int) -> tuple[float, float]:
    """Distance of the centres of two layers, and standard deviation of each coordinate within one.

    Args:
        mean: Mean of the distances of two neurons of neighbouring layers.
        std: Their standard deviation.
        dimensions: Of the space.

    Raises:
        SettingError: no such distances spread so much around their mean in so many dimensions.

    Example:
        >>> from ranvier.lab.spacing import spacing
        >>> [round(value, 3) for value in spacing(1.0, 0.1, 2)]
        [0.995, 0.071]
    """
    half = np.random.default_rng(0).normal(size=(DRAWN // 2, dimensions))
    vectors = np.concatenate([half, -half]) / np.sqrt((half**2).mean(axis=0))  # mean 0 and variance 1 to the last digit
    square = mean**2 + std**2

    def found(s: float) -> tuple[float, float]:
        apart = np.sqrt(max(square - 2 * dimensions * s**2, 0.0))
        moved = np.sqrt(2) * s * vectors + np.eye(dimensions)[0] * apart
        return float(apart), float(np.linalg.norm(moved, axis=1).mean())

    least, most = 0.0, float(np.sqrt(square / (2 * dimensions)))
    if found(most)[1] > mean * (1 + 1e-3):
        name = "delay_std"
        problem = f"is too large for distances of mean {mean:g} in {dimensions} dimensions; got {std:g}"
        raise SettingError(name, problem)
    for _ in range(50):
        middle = (least + most) / 2
        least, most = (middle, most) if found(middle)[1] > mean else (least, middle)
    return found(most)[0], most
