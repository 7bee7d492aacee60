"""Layouts: where the neurons of a population stand at the start.

A layout is a function `(size, dtype=None, *, key=None) -> positions`, of shape (size, dimensions). Call it for one
population, `Population(30, neuron, layouts.ball(2.0, 3)(30, key=key))`, or give it to a builder as `position`.
Positions learn where `"hidden.position"` is among what learns, and stay where it is not.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float, PRNGKeyArray

Layout = Callable[..., Float[Array, "size dimensions"]]
"""`(size, dtype=None, *, key=None)`: positions of a population."""

GREENWOOD = (165.4, 2.1, 0.88)
"""A (Hz), a and k of `f = A (10^(a x) - k)` for the human cochlea, x the share of its length from the apex."""


def line(length: float, dimensions: int = 1) -> Layout:
    """Neurons at equal distances on a line along the first axis, its middle at the origin.

    Args:
        length: From the first neuron to the last.
        dimensions: Of the space; the other coordinates are 0.

    Raises:
        ValueError: `length` is not above 0, or `dimensions` below 1.

    Example:
        >>> from ranvier.layouts import line
        >>> line(2.0)(3).tolist()
        [[-1.0], [0.0], [1.0]]
    """
    _check("line", length, "length", dimensions, 1)
    return _known(lambda size: _in(dimensions, [_spread(size, length)]))


def ring(radius: float, dimensions: int = 2) -> Layout:
    """Neurons at equal distances on a circle around the origin, in the first two axes.

    Args:
        radius: Of the circle.
        dimensions: Of the space, at least 2.

    Raises:
        ValueError: `radius` is not above 0, or `dimensions` below 2.

    Example:
        >>> from ranvier.layouts import ring
        >>> ring(2.0)(4).round(6).tolist()
        [[2.0, 0.0], [0.0, 2.0], [-2.0, 0.0], [-0.0, -2.0]]
    """
    _check("ring", radius, "radius", dimensions, 2)

    def place(size: int) -> Float[np.ndarray, "size dimensions"]:
        angle = 2 * np.pi * np.arange(size) / size
        return _in(dimensions, [radius * np.cos(angle), radius * np.sin(angle)])

    return _known(place)


def sheet(width: float, dimensions: int = 2) -> Layout:
    """Neurons on a square grid in the first two axes, row by row, its middle at the origin.

    Args:
        width: From the first column to the last.
        dimensions: Of the space, at least 2.

    Raises:
        ValueError: `width` is not above 0, or `dimensions` below 2.

    Example:
        >>> from ranvier.layouts import sheet
        >>> sheet(2.0)(4).tolist()
        [[-1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [1.0, 1.0]]
    """
    _check("sheet", width, "width", dimensions, 2)

    def place(size: int) -> Float[np.ndarray, "size dimensions"]:
        columns = math.ceil(math.sqrt(size))
        steps = _spread(columns, width)
        row, column = np.divmod(np.arange(size), columns)
        rows = int(row.max()) + 1
        return _in(dimensions, [steps[column], steps[row] - steps[:rows].mean()])

    return _known(place)


def ball(radius: float, dimensions: int = 3) -> Layout:
    """Neurons anywhere in a ball around the origin, drawn evenly by volume.

    Args:
        radius: Of the ball.
        dimensions: Of the space; 2 makes it a disc.

    Raises:
        ValueError: `radius` is not above 0, or `dimensions` below 1; when called, `key` is missing.

    Example:
        >>> import jax
        >>> from ranvier.layouts import ball
        >>> ball(2.0)(30, key=jax.random.key(0)).shape
        (30, 3)
    """
    _check("ball", radius, "radius", dimensions, 1)

    def place(size: int, dtype: DTypeLike | None = None, *, key: PRNGKeyArray | None = None) -> Float[Array, "size _"]:
        direction, far = jax.random.split(_key("ball", key))
        towards = jax.random.normal(direction, (size, dimensions), _dtype(dtype))
        share = jax.random.uniform(far, (size, 1), _dtype(dtype)) ** (1 / dimensions)
        return radius * share * towards / jnp.linalg.norm(towards, axis=1, keepdims=True)

    return place


def normal(std: float, dimensions: int = 3) -> Layout:
    """Neurons around the origin, each coordinate from a normal distribution.

    Args:
        std: Standard deviation of each coordinate.
        dimensions: Of the space.

    Raises:
        ValueError: `std` is not above 0, or `dimensions` below 1; when called, `key` is missing.

    Example:
        >>> import jax
        >>> from ranvier.layouts import normal
        >>> normal(1.0, 2)(30, key=jax.random.key(0)).shape
        (30, 2)
    """
    _check("normal", std, "std", dimensions, 1)

    def place(size: int, dtype: DTypeLike | None = None, *, key: PRNGKeyArray | None = None) -> Float[Array, "size _"]:
        return std * jax.random.normal(_key("normal", key), (size, dimensions), _dtype(dtype))

    return place


def tonotopic(frequency: ArrayLike | Sequence[Any], length: float, dimensions: int = 1) -> Layout:
    """Channels of sound where a cochlea has them: on a line along the first axis, low frequencies first.

    `x = length (log10(f / A + k) / a - 1/2)`, the place-frequency map of the human cochlea with A = 165.4 Hz, a = 2.1,
    k = 0.88 (Greenwood, J. Acoust. Soc. Am. 87, 1990): 20 Hz and 20.7 kHz are its ends.

    Args:
        frequency: Centre frequency of each channel (Hz), shape (size,), > 0.
        length: Length of the cochlea, in the unit of the positions.
        dimensions: Of the space; the other coordinates are 0.

    Raises:
        ValueError: a frequency is not above 0, `length` is not above 0, or, when called, `size` is not that of
            `frequency`.

    Example:
        >>> from ranvier.layouts import tonotopic
        >>> tonotopic([19.848, 20677.0], length=2.0)(2).round(3).tolist()
        [[-1.0], [1.0]]
    """
    _check("tonotopic", length, "length", dimensions, 1)
    known = np.asarray(frequency, float)
    if known.ndim != 1 or not np.all((known > 0) & np.isfinite(known)):
        msg = f"tonotopic: `frequency` must hold the frequency of each channel (Hz), > 0; got {frequency!r}."
        raise ValueError(msg)
    scale, slope, shift = GREENWOOD
    share = np.log10(known / scale + shift) / slope

    def place(size: int) -> Float[np.ndarray, "size dimensions"]:
        if size != len(known):
            msg = f"tonotopic: `frequency` has {len(known)} channels, the population {size}; give one for each."
            raise ValueError(msg)
        return _in(dimensions, [length * (share - 0.5)])

    return _known(place)


def moved(layout: Layout, by: ArrayLike | Sequence[Any]) -> Layout:
    """Another layout, moved: layers apart from each other, for example.

    Args:
        layout: The layout.
        by: By how much, shape (dimensions,).

    Example:
        >>> from ranvier.layouts import line, moved
        >>> moved(line(2.0, dimensions=2), [0.0, 5.0])(2).tolist()
        [[-1.0, 5.0], [1.0, 5.0]]
    """
    shift = np.asarray(by, float)

    def place(size: int, dtype: DTypeLike | None = None, *, key: PRNGKeyArray | None = None) -> Float[Array, "size _"]:
        position = layout(size, dtype, key=key)
        if shift.shape != position.shape[1:]:
            msg = f"moved: `by` must have one number per dimension, {position.shape[1]}; got shape {shift.shape}."
            raise ValueError(msg)
        return position + jnp.asarray(shift, position.dtype)[None, :]

    return place


def _known(place: Callable[[int], Float[np.ndarray, "size dimensions"]]) -> Layout:
    """A layout without chance, from a function of the size."""

    def layout(size: int, dtype: DTypeLike | None = None, *, key: PRNGKeyArray | None = None) -> Float[Array, "size _"]:
        del key
        return jnp.asarray(place(size), _dtype(dtype))

    return layout


def _in(dimensions: int, coordinates: Sequence[Float[np.ndarray, " size"]]) -> Float[np.ndarray, "size dimensions"]:
    """Positions whose first coordinates are given, the others 0."""
    position = np.zeros((len(coordinates[0]), dimensions))
    for axis, values in enumerate(coordinates):
        position[:, axis] = values
    return position


def _spread(count: int, length: float) -> Float[np.ndarray, " count"]:
    return np.linspace(-length / 2, length / 2, count) if count > 1 else np.zeros(1)


def _dtype(dtype: DTypeLike | None) -> DTypeLike:
    return jnp.result_type(float) if dtype is None else dtype


def _key(owner: str, key: PRNGKeyArray | None) -> PRNGKeyArray:
    if key is None:
        msg = f"{owner}: positions are drawn at random; pass `key`, for example key=jax.random.key(0)."
        raise ValueError(msg)
    return key


def _check(owner: str, size: float, name: str, dimensions: int, least: int) -> None:
    if not 0 < size < math.inf:
        msg = f"{owner}: `{name}` must be a finite number above 0; got {size}."
        raise ValueError(msg)
    if isinstance(dimensions, bool) or not isinstance(dimensions, int) or dimensions < least:
        msg = f"{owner}: `dimensions` must be a whole number, at least {least}; got {dimensions!r}."
        raise ValueError(msg)
