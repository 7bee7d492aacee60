"""When a potential meets its threshold: the time of a crossing, with its exact derivatives of every order.

A crossing x(a) is where `f(x, a) = 0`. The implicit function theorem gives `dx = -(df/da) da / (df/dx)` there, and what
stands on the right is again a function of x and a, so that this one rule serves second and higher derivatives too.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ranvier._ruled import active_jvp, ruled

Function = Callable[..., Float[Array, "*shape"]]


def touch(theta: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Up to where a maximum of the potential only touches the threshold, to rounding: theta (1 + 64 eps).

    Touching is not crossing: a spike is where the potential meets its threshold while it rises. A maximum of exactly
    the threshold is none, in every simulator, for such a spike would have no derivative. Below rest there are no
    maxima between events: a threshold there is met as it is.

    Args:
        theta: Threshold relative to rest.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.crossing import touch
        >>> above = touch(jnp.array([1.0, -1.0]))
        >>> bool(0.0 < above[0] - 1.0 < 1e-4), float(above[1])
        (True, -1.0)
    """
    return theta * jnp.where(theta > 0, 1.0 + 64.0 * float(jnp.finfo(theta.dtype).eps), 1.0)


def exact_root(
    f: Function,
    root: Float[Array, "*shape"],
    *args: Any,
    slope: Float[Array, "*shape"] | None = None,
    max_inverse_slope: float = math.inf,
) -> Float[Array, "*shape"]:
    """Give `root`, a zero of `f` found by any means, its exact derivatives, in forward and reverse mode.

    `d root = -df / f'`, where f' is the slope at the root, itself a function of root and `args` where it is
    differentiated again.

    Args:
        f: `f(x, *args)`, applied to each element of x by itself. Whatever array it needs must be in `args`.
        root: Zeros of it, where it has a slope.
        *args: Pytrees of arrays, of any type. What is not perturbed costs nothing.
        slope: The slope's value there, where it is known; default the derivative of `f`.
        max_inverse_slope: Where 1/f' is larger, this number stands for it, as a constant.

    Returns:
        The same zeros, differentiable. Where the slope is 0 no derivative exists, and it is not finite.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> square_root = lambda a: exact_root(lambda x, a: x * x - a, jnp.sqrt(a), a)
        >>> float(jax.grad(square_root)(4.0)), float(jax.grad(jax.grad(square_root))(4.0))
        (0.25, -0.03125)
    """
    value, known = lax.stop_gradient((root, slope))
    return ruled(lambda value, *_: value, partial(_rule, f, max_inverse_slope), value, known, args)


def _rule(f: Function, limit: float, given: Any, root: Any, tangents: Any) -> Any:
    _, known, args = given
    if known is None:
        slope = _slope(f, root, args)
    else:
        slope = ruled(lambda known, *_: known, partial(_known_rule, f), known, root, args)
    if limit < math.inf:
        slope = jnp.where(slope * limit >= 1.0, slope, 1.0 / limit)
    return -active_jvp(lambda args: f(root, *args), args, tangents[2]) / slope


def _slope(f: Function, root: Any, args: Any) -> Any:
    return jax.jvp(lambda x: f(x, *args), (root,), (jnp.ones_like(root),))[1]


def _known_rule(f: Function, given: Any, slope: Any, tangents: Any) -> Any:
    """A slope whose value is known is computed only to be differentiated."""
    del slope
    return active_jvp(lambda at: _slope(f, *at), tuple(given[1:]), tuple(tangents[1:]))
