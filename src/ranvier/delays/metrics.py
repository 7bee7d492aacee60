"""Metrics: how far apart two positions are, and the derivative of that.

A metric is called with the positions of the senders and of the receivers of some synapses, which broadcast against each
other, as `pattern.ends` gives them: shapes (pre, 1, dimensions) and (1, post, dimensions), or (synapses, dimensions)
twice. It goes through the dimensions one by one and adds up, so that no array has all three axes; `SpatialDelay` has
the differences computed again for the derivative instead of keeping them. Differences of positions are exact where
positions are close, which the form `|x|^2 + |y|^2 - 2 x y` is not: in float32 it loses half the digits at distance 0.

At distance 0 a length has no derivative; here it is 0 there, the middle of all slopes.
"""

import abc
from collections.abc import Iterable
from functools import reduce

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractMetric(eqx.Module):
    """How far apart two positions are."""

    @abc.abstractmethod
    def __call__(self, pre: Float[Array, "*#ends d"], post: Float[Array, "*#ends d"]) -> Float[Array, "*synapses"]:
        """Length of the way from each sender to each receiver, in the unit of the positions."""

    @abc.abstractmethod
    def problem(self, dimensions: int) -> str:
        """What is wrong with positions of so many dimensions; empty if nothing is."""


class Euclidean(AbstractMetric):
    """The straight way, `sqrt(sum_k (x_k - y_k)^2)`, in any number of dimensions.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Euclidean
        >>> float(Euclidean()(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]]))[0])
        5.0
    """

    def __call__(self, pre: Float[Array, "*#ends d"], post: Float[Array, "*#ends d"]) -> Float[Array, "*synapses"]:
        """Square root of the sum of squared differences."""
        return _root(_total(_square(pre[..., k] - post[..., k]) for k in range(pre.shape[-1])))

    def problem(self, dimensions: int) -> str:
        """None."""
        del dimensions
        return ""


class Manhattan(AbstractMetric):
    """The way along the axes, `sum_k |x_k - y_k|`, in any number of dimensions.

    Where two positions agree in a coordinate, the derivative along it is 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Manhattan
        >>> float(Manhattan()(jnp.array([[0.0, 0.0]]), jnp.array([[3.0, 4.0]]))[0])
        7.0
    """

    def __call__(self, pre: Float[Array, "*#ends d"], post: Float[Array, "*#ends d"]) -> Float[Array, "*synapses"]:
        """Sum of the absolute differences."""
        return _total(_absolute(pre[..., k] - post[..., k]) for k in range(pre.shape[-1]))

    def problem(self, dimensions: int) -> str:
        """None."""
        del dimensions
        return ""


class Sphere(AbstractMetric):
    """The shortest way on a sphere around the origin, `radius angle(x, y)`; only the directions of positions count.

    `angle = 2 atan2(|u - v|, |u + v|)` of the directions u and v, which keeps its digits at small and large angles. At
    opposite positions, where the shortest way is not unique, the derivative is 0. The origin has no direction: a
    position there makes its delays NaN, which is refused like any delay that is not finite.

    Args:
        radius: Radius of the sphere, > 0, in the unit of the positions.

    Raises:
        ValueError: `radius` is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Sphere
        >>> round(float(Sphere(2.0)(jnp.array([[5.0, 0.0, 0.0]]), jnp.array([[0.0, 1.0, 0.0]]))[0]), 6)
        3.141593
    """

    radius: float = eqx.field(static=True)

    def __init__(self, radius: float):
        self.radius = _above_zero("Sphere", "radius", radius)

    def __call__(self, pre: Float[Array, "*#ends d"], post: Float[Array, "*#ends d"]) -> Float[Array, "*synapses"]:
        """The angle between two directions, times the radius."""
        one, other = _direction(pre), _direction(post)
        apart = Euclidean()(one, other)
        return 2.0 * self.radius * jnp.arctan2(apart, Euclidean()(one, -other))

    def problem(self, dimensions: int) -> str:
        """One dimension has no directions."""
        return "a sphere needs positions of at least 2 dimensions" if dimensions < 2 else ""


class Ring(AbstractMetric):
    """The shorter way around a ring: every coordinate repeats after `length`.

    `sqrt(sum_k r_k^2)` with `r_k = x_k - y_k - length round((x_k - y_k) / length)`: in one dimension a ring, in two a
    torus. Positions may be any numbers. Exactly half-way around, the derivative is that of one of the two ways.

    Args:
        length: Length around the ring, > 0, in the unit of the positions.

    Raises:
        ValueError: `length` is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Ring
        >>> round(float(Ring(10.0)(jnp.array([[1.0]]), jnp.array([[9.5]]))[0]), 6)
        1.5
    """

    length: float = eqx.field(static=True)

    def __init__(self, length: float):
        self.length = _above_zero("Ring", "length", length)

    def __call__(self, pre: Float[Array, "*#ends d"], post: Float[Array, "*#ends d"]) -> Float[Array, "*synapses"]:
        """Square root of the sum of squared ways."""
        ways = (pre[..., k] - post[..., k] for k in range(pre.shape[-1]))
        return _root(_total(_square(way - self.length * jnp.round(way / self.length)) for way in ways))

    def problem(self, dimensions: int) -> str:
        """None."""
        del dimensions
        return ""


def _total(parts: Iterable[Float[Array, "*shape"]]) -> Float[Array, "*shape"]:
    """The sum over the dimensions."""
    return reduce(jnp.add, parts)


def _square(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    return x * x


def _absolute(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """|x|, whose derivative at 0 is 0."""
    return x * jnp.sign(x)


def _root(square: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """A square root whose derivative at 0 is 0."""
    there = square > 0
    return jnp.where(there, jnp.sqrt(jnp.where(there, square, 1.0)), 0.0)


def _direction(position: Float[Array, "*shape d"]) -> Float[Array, "*shape d"]:
    """The position at distance 1 of the origin; NaN for the origin itself."""
    square = _total(_square(position[..., k]) for k in range(position.shape[-1]))
    return position / jnp.sqrt(square)[..., None]


def _above_zero(owner: str, name: str, value: float) -> float:
    if not 0 < value < float("inf"):
        msg = f"{owner}: `{name}` must be a finite number above 0, in the unit of the positions; got {value}."
        raise ValueError(msg)
    return float(value)
