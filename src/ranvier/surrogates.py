"""Surrogates: spikes that are 0 or 1, with a derivative that is not the true one but teaches.

A surrogate S of `x = V - v_threshold` is `H(x)`, 1 where x >= 0 and 0 elsewhere, in the forward pass; its derivative is
taken to be a bump h(x) around threshold. Learning depends little on the bump's shape and much on its scale (Zenke &
Vogels, Neural Comput. 33, 2021), so the usual ones are here with the scale they were published with.

    rv.Surrogate(dt=0.1, surrogate=rv.surrogates.superspike(beta=10.0))
"""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier._ruled import first_order, ruled

SECOND = (
    "a second derivative through a surrogate: the surrogate stands for a spike's derivative without being one, so that "
    "its own derivative means nothing. Take ClockDriven() or FirstSpike(), whose second derivatives are "
    "exact."
)


class SurrogateSpike(eqx.Module):
    """A spike `H(x)` whose derivative is `shape(x, **numbers)`. First derivatives only: the second raises.

    Args:
        shape: The bump h: a function of x, applied to each element, and of the numbers below.
        numbers: Name and value of each of its parameters.

    Raises:
        ValueError: it is differentiated twice.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from ranvier.surrogates import superspike
        >>> spike = superspike(beta=10.0)
        >>> spike, spike(jnp.array([-0.1, 0.1])).tolist(), float(jax.grad(spike)(0.1))
        (superspike(beta=10.0), [0.0, 1.0], 0.25)
    """

    shape: Callable[..., Float[Array, "*shape"]] = eqx.field(static=True)
    numbers: tuple[tuple[str, float], ...] = eqx.field(static=True)

    def __call__(self, x: Float[Array, "*shape"] | float) -> Float[Array, "*shape"]:
        """`H(x)`, with the derivative `h(x)`."""
        # Where x is not finite, neither is the spike.
        return ruled(lambda x: (x >= 0).astype(x.dtype) + 0.0 * (x - x), self._tangent, jnp.asarray(x))

    def _tangent(self, args: tuple[Array], spikes: Array, tangents: tuple[Array]) -> Array:
        del spikes
        return first_order(self.slope(*args), SECOND) * tangents[0]

    def slope(self, x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The bump `h(x)`."""
        return self.shape(x, **dict(self.numbers))

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value!r}" for name, value in self.numbers)
        return f"{self.shape.__name__.removeprefix('_')}({numbers})"


def superspike(beta: float = 10.0) -> SurrogateSpike:
    """`h(x) = 1 / (beta |x| + 1)^2`: 1 at threshold, with tails that reach far.

    Args:
        beta: Steepness (per unit of potential), > 0.

    Source: Zenke & Ganguli, Neural Comput. 30 (2018).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import superspike
        >>> float(superspike(beta=1.0).slope(jnp.array(1.0)))
        0.25
    """
    return SurrogateSpike(_superspike, _positive("superspike", beta=beta))


def sigmoid(beta: float = 10.0) -> SurrogateSpike:
    """`h(x) = beta s(beta x) (1 - s(beta x))`, s the logistic function: the derivative of `s(beta x)`.

    Args:
        beta: Steepness (per unit of potential), > 0; h(0) = beta / 4.

    Source: Zenke & Vogels, Neural Comput. 33 (2021).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import sigmoid
        >>> float(sigmoid(beta=4.0).slope(jnp.array(0.0)))
        1.0
    """
    return SurrogateSpike(_sigmoid, _positive("sigmoid", beta=beta))


def arctan(alpha: float = 2.0) -> SurrogateSpike:
    """`h(x) = (alpha / 2) / (1 + (pi alpha x / 2)^2)`: the derivative of an arcus tangens that rises by 1.

    Args:
        alpha: Steepness (per unit of potential), > 0; h(0) = alpha / 2.

    Source: Fang et al., ICCV (2021).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import arctan
        >>> float(arctan(alpha=2.0).slope(jnp.array(0.0)))
        1.0
    """
    return SurrogateSpike(_arctan, _positive("arctan", alpha=alpha))


def triangle(beta: float = 1.0, gamma: float = 0.3) -> SurrogateSpike:
    """`h(x) = gamma max(0, 1 - beta |x|)`: the derivative of a piecewise quadratic step.

    Args:
        beta: Inverse half-width (per unit of potential), > 0.
        gamma: Height, > 0.

    Source: Esser et al., PNAS 113 (2016); gamma = 0.3: Bellec et al., NeurIPS (2018).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import triangle
        >>> float(triangle(beta=1.0, gamma=1.0).slope(jnp.array(-0.25)))
        0.75
    """
    return SurrogateSpike(_triangle, _positive("triangle", beta=beta, gamma=gamma))


def rectangle(width: float = 1.0) -> SurrogateSpike:
    """`h(x) = 1 / width where |x| < width / 2`, else 0: the derivative of a linear ramp.

    Args:
        width: Width (in units of potential), > 0.

    Source: Wu et al., Front. Neurosci. 12 (2018).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import rectangle
        >>> float(rectangle(width=0.5).slope(jnp.array(0.2)))
        2.0
    """
    return SurrogateSpike(_rectangle, _positive("rectangle", width=width))


def gaussian(sigma: float = 0.5) -> SurrogateSpike:
    """`h(x) = exp(-x^2 / (2 sigma^2)) / (sigma sqrt(2 pi))`.

    Args:
        sigma: Standard deviation (in units of potential), > 0.

    Source: Yin, Corradi & Bohté, Nat. Mach. Intell. 3 (2021).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import gaussian
        >>> round(float(gaussian(sigma=0.5).slope(jnp.array(0.0))), 4)
        0.7979
    """
    return SurrogateSpike(_gaussian, _positive("gaussian", sigma=sigma))


def multi_gaussian(sigma: float = 0.5, height: float = 0.15, scale: float = 6.0) -> SurrogateSpike:
    """`h(x) = (1 + height) N(x; 0, sigma) - height (N(x; sigma, scale sigma) + N(x; -sigma, scale sigma))`.

    N(x; m, s) is the normal density. The sides are negative: a potential far from threshold is pushed the other way.

    Args:
        sigma: Standard deviation of the middle (in units of potential), > 0.
        height: Weight of the sides, > 0.
        scale: Their width in units of sigma, > 0.

    Source: Yin, Corradi & Bohté, Nat. Mach. Intell. 3 (2021).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.surrogates import multi_gaussian
        >>> float(multi_gaussian().slope(jnp.array(2.0))) < 0
        True
    """
    return SurrogateSpike(_multi_gaussian, _positive("multi_gaussian", sigma=sigma, height=height, scale=scale))


def _positive(owner: str, **numbers: float) -> tuple[tuple[str, float], ...]:
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            msg = f"surrogates.{owner}: `{name}` must be finite and above 0; got {value}."
            raise ValueError(msg)
    return tuple((name, float(value)) for name, value in numbers.items())


def _superspike(x: Float[Array, "*shape"], beta: float) -> Float[Array, "*shape"]:
    return 1.0 / (beta * jnp.abs(x) + 1.0) ** 2


def _sigmoid(x: Float[Array, "*shape"], beta: float) -> Float[Array, "*shape"]:
    rise = jax.nn.sigmoid(beta * x)
    return beta * rise * (1.0 - rise)


def _arctan(x: Float[Array, "*shape"], alpha: float) -> Float[Array, "*shape"]:
    return 0.5 * alpha / (1.0 + (0.5 * math.pi * alpha * x) ** 2)


def _triangle(x: Float[Array, "*shape"], beta: float, gamma: float) -> Float[Array, "*shape"]:
    return gamma * jnp.maximum(1.0 - beta * jnp.abs(x), 0.0)


def _rectangle(x: Float[Array, "*shape"], width: float) -> Float[Array, "*shape"]:
    return jnp.where(jnp.abs(x) < 0.5 * width, jnp.full_like(x, 1.0 / width), jnp.zeros_like(x))


def _gaussian(x: Float[Array, "*shape"], sigma: float) -> Float[Array, "*shape"]:
    return jnp.exp(-0.5 * (x / sigma) ** 2) / (sigma * math.sqrt(2.0 * math.pi))


def _multi_gaussian(x: Float[Array, "*shape"], sigma: float, height: float, scale: float) -> Float[Array, "*shape"]:
    sides = _gaussian(x - sigma, scale * sigma) + _gaussian(x + sigma, scale * sigma)
    return (1.0 + height) * _gaussian(x, sigma) - height * sides
