"""The function (e^x - 1) / x, which closed forms and rate functions meet where two time constants or voltages agree."""

import jax.numpy as jnp
from jaxtyping import Array, Float

SERIES_BELOW = 0.25
"""Where the series takes over: it is exact to rounding there, and so are its first and second derivatives."""


def exprel(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """`(e^x - 1) / x`, 1 at x = 0, with derivatives that lose no digits near 0.

    Args:
        x: Any real numbers.

    Returns:
        Values of the same shape.

    Example:
        >>> import jax.numpy as jnp
        >>> [round(float(value), 4) for value in exprel(jnp.array([0.0, 1.0]))]
        [1.0, 1.7183]
    """
    near = jnp.abs(x) < SERIES_BELOW
    small, large = jnp.where(near, x, 0.0), jnp.where(near, 1.0, x)
    series = jnp.ones_like(x)
    for n in range(12, 1, -1):
        series = 1.0 + series * small / n
    return jnp.where(near, series, jnp.expm1(large) / large)
