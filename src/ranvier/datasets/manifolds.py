"""Random manifolds: classes that differ in smooth relations between spike times, and in nothing else.

For class c, spike j and unit i, a point x of the cube [0, 1]^D becomes

    y(x) = prod_d sum_(k = 1 .. K - 1) A_dk s_k sin(2 pi (k x_d B_dk + C_dk))

with A, B, C uniform in [0, 1], drawn anew for each c, j, i, d and k. The amplitudes s_k fall with the exponent
`smoothness`: **the larger it is, the smoother the manifold** (where a figure is labelled with 1/alpha it is the other
way round). K = min(ceil(precision^(-1/smoothness)), 1000). Every y is brought to [0, 1] by the smallest and the largest
value that it takes on a fixed set of points, the same for all samples that are ever drawn; the few that lie beyond are
moved to the end.

Two spectra are published under one name: `numpy_spectrum` and `torch_spectrum`. They are different data sets.

Source: Zenke & Vogels, Neural Comput. 33 (2021), doi:10.1162/neco_a_01367; spectra as in github.com/fzenke/randman.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ranvier._random import generator
from ranvier.datasets.samples import Samples, Splits

Spectrum = Callable[[Int[np.ndarray, " terms"], float], Float[np.ndarray, " terms"]]

MOST_TERMS = 1000
PRECISION = 1e-3
"""Terms of amplitudes below this one are left out, as published."""
REFERENCE = 1000
"""Points that fix the range of each unit; more where the manifold has more dimensions."""


def numpy_spectrum(k: Int[np.ndarray, " terms"], smoothness: float) -> Float[np.ndarray, " terms"]:
    """Amplitudes of the published NumPy version, `1 / (k + 1)^smoothness`.

    Args:
        k: Numbers of the terms, from 0.
        smoothness: Exponent.

    Example:
        >>> import numpy as np
        >>> from ranvier import datasets
        >>> datasets.numpy_spectrum(np.arange(2), 2.0).tolist()
        [1.0, 0.25]
    """
    return 1.0 / (k + 1.0) ** smoothness


def torch_spectrum(k: Int[np.ndarray, " terms"], smoothness: float) -> Float[np.ndarray, " terms"]:
    """Amplitudes of the published PyTorch and JAX versions, `1 / ((k + 1)^smoothness + 1)`.

    Args:
        k: Numbers of the terms, from 0.
        smoothness: Exponent.

    Example:
        >>> import numpy as np
        >>> from ranvier import datasets
        >>> datasets.torch_spectrum(np.arange(2), 2.0).tolist()
        [0.5, 0.2]
    """
    return 1.0 / ((k + 1.0) ** smoothness + 1.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Manifolds:
    """Manifolds, one for each class and spike; `random_manifolds` draws samples of them.

    Args:
        amplitude: A times s, shape (classes, spikes, units, dimension, terms).
        frequency: k times B, same shape.
        phase: C, same shape.
        low: Smallest value on the reference points, shape (classes, spikes, units).
        high: Largest value there.

    Example:
        >>> import jax, numpy as np
        >>> from ranvier import datasets
        >>> manifolds = datasets.draw_manifolds(classes=2, units=3, smoothness=3.0, key=jax.random.key(0))
        >>> manifolds(np.array([[0.1], [0.2]]), label=1).shape
        (2, 3)
    """

    amplitude: Float[np.ndarray, "classes spikes units dimension terms"]
    frequency: Float[np.ndarray, "classes spikes units dimension terms"]
    phase: Float[np.ndarray, "classes spikes units dimension terms"]
    low: Float[np.ndarray, "classes spikes units"]
    high: Float[np.ndarray, "classes spikes units"]

    @property
    def dimension(self) -> int:
        """Dimension of each manifold."""
        return self.amplitude.shape[3]

    def __call__(self, x: Float[np.ndarray, "points dimension"], label: int) -> Float[np.ndarray, "points columns"]:
        """The values of all units at points of one class's manifolds, each in [0, 1].

        Args:
            x: Points in [0, 1]^dimension.
            label: The class.

        Returns:
            Shape (points, spikes * units), the units of the first spike before those of the second.
        """
        found = _heights(self, x, label)
        span = np.maximum(self.high[label] - self.low[label], 1e-7)
        return np.clip((found - self.low[label]) / span, 0.0, 1.0).reshape(len(x), self.low[label].size)


def draw_manifolds(
    *,
    classes: int = 10,
    units: int = 20,
    dimension: int = 1,
    smoothness: float = 1.0,
    spikes: int = 1,
    spectrum: Spectrum = torch_spectrum,
    key: PRNGKeyArray,
) -> Manifolds:
    """Draw manifolds, each from a key of its own.

    Args:
        classes: Number of classes.
        units: Number of units.
        dimension: Dimension D of each manifold.
        smoothness: Exponent with which amplitudes fall; the larger the smoother. Published as alpha.
        spikes: Spikes of each unit.
        spectrum: Amplitudes from term numbers and smoothness: `torch_spectrum` or `numpy_spectrum`.
        key: Random key.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> datasets.draw_manifolds(dimension=2, smoothness=3.0, key=jax.random.key(0)).amplitude.shape
        (10, 1, 20, 2, 10)
    """
    for name, count in (("classes", classes), ("units", units), ("dimension", dimension), ("spikes", spikes)):
        if count < 1:
            msg = f"draw_manifolds: `{name}` must be at least 1; got {count}."
            raise ValueError(msg)
    if not 0 < smoothness < math.inf:
        msg = f"draw_manifolds: `smoothness` must be a finite number above 0; got {smoothness}."
        raise ValueError(msg)
    terms = min(math.ceil(PRECISION ** (-1 / smoothness) * (1 - 1e-12)), MOST_TERMS)
    k, shape = np.arange(terms), (3, spikes, units, dimension, terms)
    drawn = [generator(jax.random.fold_in(key, label)).random(shape) for label in range(classes)]
    a, b, c = (np.stack([one[part] for one in drawn]) for part in range(3))
    strength = np.where(k == 0, 0.0, spectrum(k, smoothness))
    none = np.zeros((classes, spikes, units))
    raw = Manifolds(a * strength, k * b, c, none, none)
    points = _reference(dimension, key)
    heights = [_heights(raw, points, label) for label in range(classes)]
    low, high = (np.stack([bound(found, axis=0) for found in heights]) for bound in (np.min, np.max))
    return dataclasses.replace(raw, low=low, high=high)


def random_manifolds(
    train: int = 8000,
    validation: int = 1000,
    test: int = 1000,
    *,
    manifolds: Manifolds,
    key: PRNGKeyArray,
) -> Splits:
    """Samples of random manifolds: points drawn uniformly, classes equally often.

    Args:
        train: Samples to train on; fewer are not the beginning of more.
        validation: Samples to choose with.
        test: Samples to report.
        manifolds: The manifolds, from `draw_manifolds`.
        key: Random key, another one than that of the manifolds.

    Returns:
        `Splits(train, validation, test)`. Features are values in [0, 1], shape (samples, spikes * units), the units of
        the first spike before those of the second: `datasets.channel_spikes(100.0 * feature, units)` fires every unit
        equally often, within 100 ms. Labels are the classes, in random order, each as often as the others or once more.

    Raises:
        ValueError: a number of samples is not at least 1.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> manifolds = datasets.draw_manifolds(classes=3, units=5, smoothness=3.0, key=jax.random.key(0))
        >>> splits = datasets.random_manifolds(60, 30, 30, manifolds=manifolds, key=jax.random.key(1))
        >>> splits.train.feature.shape
        (60, 5)
    """
    keys = jax.random.split(key, 3)
    return Splits(*(_samples(manifolds, size, one) for size, one in zip((train, validation, test), keys, strict=True)))


def _samples(manifolds: Manifolds, size: int, key: PRNGKeyArray) -> Samples:
    if size < 1:
        msg = f"random_manifolds: each part needs at least 1 sample; got {size}."
        raise ValueError(msg)
    random, classes = generator(key), len(manifolds.amplitude)
    label = random.permutation(np.arange(size) % classes)
    x = random.random((size, manifolds.dimension))
    feature = np.empty((size, manifolds.amplitude[0, :, :, 0, 0].size))
    for one in range(classes):
        feature[label == one] = manifolds(x[label == one], one)
    return Samples(feature, label)


def _reference(dimension: int, key: PRNGKeyArray) -> Float[np.ndarray, "points dimension"]:
    """Points that fix the range: evenly spaced on a line, random in more dimensions."""
    if dimension == 1:
        return np.linspace(0.0, 1.0, REFERENCE)[:, None]
    return generator(jax.random.fold_in(key, 2**31)).random((2 * REFERENCE, dimension))


def _heights(
    manifolds: Manifolds, x: Float[np.ndarray, "points dimension"], label: int
) -> Float[np.ndarray, "points spikes units"]:
    """Values before they are brought to [0, 1]."""
    rows = manifolds.amplitude[label], manifolds.frequency[label], manifolds.phase[label]
    found = np.empty((len(x), *rows[0].shape[:2]))
    for at in np.ndindex(rows[0].shape[:2]):
        amplitude, frequency, phase = (row[at] for row in rows)  # (dimension, terms)
        waves = np.sin(2 * np.pi * (x[:, :, None] * frequency + phase))
        found[:, *at] = np.prod(np.einsum("pdk,dk->pd", waves, amplitude), axis=1)
    return found
