"""Random initial values, as functions `(key, shape, dtype) -> array` in the manner of `jax.nn.initializers`."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

Initializer = Callable[..., Float[Array, "*shape"]]


def normal(mean: float, std: float) -> Initializer:
    """Values from a normal distribution, `N(mean, std^2)`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> rv.initializers.normal(1.0, 0.5)(jax.random.key(0), (4, 3), jnp.float32).shape
        (4, 3)
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        return mean + std * jax.random.normal(key, shape, dtype)

    return initialize


def uniform(low: float, high: float) -> Initializer:
    """Values spread evenly between `low` and `high`.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> bool((rv.initializers.uniform(1.0, 2.0)(jax.random.key(0), (4, 3), jnp.float32) >= 1.0).all())
        True
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        return jax.random.uniform(key, shape, dtype, low, high)

    return initialize


def constant(value: float) -> Initializer:
    """The same value everywhere.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> float(rv.initializers.constant(2.0)(jax.random.key(0), (4, 3), jnp.float32)[0, 0])
        2.0
    """

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        del key
        return jnp.full(shape, value, dtype)

    return initialize
