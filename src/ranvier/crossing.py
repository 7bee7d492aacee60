"""When a potential meets its threshold: the time of a crossing, with its exact first derivative."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def exact_root(
    f: Callable[[Float[Array, "*shape"]], Float[Array, "*shape"]],
    root: Float[Array, "*shape"],
    slope: Float[Array, "*shape"] | None = None,
) -> Float[Array, "*shape"]:
    """Give `root`, a zero of `f` found by any means, its exact first derivative.

    One Newton step `root - f(root) / f'(root)` in which root and slope are constants, so that only what `f` depends on
    is differentiated: `d root = -df / f'`. Higher derivatives are wrong.

    Args:
        f: A function of one number, applied to each element by itself.
        root: Zeros of it, where it has a slope.
        slope: The slope there, where it is known or to be limited; default the derivative of `f`.

    Returns:
        The same zeros, differentiable. Where the slope is 0 no derivative exists and the result is not finite.

    References:
        Bolte, Pauwels & Vaiter, One-step differentiation of iterative algorithms, NeurIPS (2023).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> square_root = lambda a: exact_root(lambda x: x * x - a, jnp.sqrt(a))
        >>> float(jax.grad(square_root)(4.0))
        0.25
    """
    root = lax.stop_gradient(root)
    given = jax.jvp(f, (root,), (jnp.ones_like(root),))[1] if slope is None else slope
    return root - f(root) / lax.stop_gradient(given)
