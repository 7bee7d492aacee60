"""Taps: a delay, on a grid, as weights of whole numbers of steps.

A delay of p steps, p any real number, is spread over the taps 0, 1, ..., so that what arrives is a continuous function
of p. `Linear` uses the two neighbours of p: second order in the step, the choice for a simulation. `Gaussian` and
`Tent` may be wide, so that a gradient sees what lies further away, and are made sharp during training: dilated
convolutions with learnable spacings (DCLS), here for comparison.
"""

import abc

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float

from ranvier._parameters import parameter
from ranvier.rules import check, finite


class AbstractTaps(eqx.Module):
    """How a delay is spread over whole steps."""

    @abc.abstractmethod
    def __call__(self, position: Float[Array, "*delays"], count: int) -> Float[Array, " taps *delays"]:
        """Weights of taps 0 to count - 1 for delays of `position` steps; they add up to 1."""


class Linear(AbstractTaps):
    """`max(0, 1 - |k - p|)`: linear interpolation between the two neighbouring steps.

    At a whole p the derivative is that from above, at the last tap from below.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.taps import Linear
        >>> Linear()(jnp.array(1.25), 4).tolist()
        [0.0, 0.75, 0.25, 0.0]
    """

    def __call__(self, position: Float[Array, "*delays"], count: int) -> Float[Array, " taps *delays"]:
        """`max(0, 1 - |k - p|)`."""
        below = jnp.clip(jnp.floor(lax.stop_gradient(position)), 0.0, max(count - 2.0, 0.0))
        step, share = _distance(below, count), (position - below)[None]
        return jnp.where(step == 0, 1.0 - share, jnp.where(step == 1, share, 0.0))


class Gaussian(AbstractTaps):
    """`e^{-(k - p)^2 / (2 s^2)}` with `s = |sigma| + 0.27`, divided by its sum over all taps (plus 1e-7).

    The kernel of DCLS-Delays. It reaches beyond p, so its gradient tells a delay of spikes that it does not yet meet;
    it is cut off at the longest delay's tap. At sigma = 0 the tap of a whole p holds 99.8 %.

    Args:
        sigma: Width in steps, a number. Start wide and go to 0 in training: see `sharpened`.

    Raises:
        ValueError: `sigma` is not finite.

    References:
        Hammouamri, Khalfaoui-Hassani & Masquelier, ICLR (2024), arXiv:2306.17670; the package `dcls`.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.taps import Gaussian
        >>> [round(float(weight), 3) for weight in Gaussian(sigma=0.23)(jnp.array(1.0), 3)]
        [0.107, 0.787, 0.107]
    """

    sigma: Float[Array, ""]

    def __init__(self, sigma: ArrayLike = 0.0):
        self.sigma = parameter("Gaussian", "sigma", sigma)
        check("Gaussian", [finite("sigma", self.sigma)])

    def __call__(self, position: Float[Array, "*delays"], count: int) -> Float[Array, " taps *delays"]:
        """The bell, divided by its sum."""
        width = jnp.abs(self.sigma.astype(position.dtype)) + 0.27
        bell = jnp.exp(-0.5 * jnp.square(_distance(position, count) / width))
        return bell / (jnp.sum(bell, axis=0, keepdims=True) + 1e-7)


class Tent(AbstractTaps):
    """`max(0, 1 + |sigma| - |k - p|)`, divided by its sum over all taps (plus 1e-7): a wide linear interpolation.

    Args:
        sigma: Width in steps beyond that of `Linear`, a number.

    Raises:
        ValueError: `sigma` is not finite.

    References:
        Khalfaoui-Hassani, Pellegrini & Masquelier, arXiv:2306.00817 (2023); the package `dcls`, version "max".

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.taps import Tent
        >>> [round(float(weight), 3) for weight in Tent(sigma=1.0)(jnp.array(1.0), 3)]
        [0.25, 0.5, 0.25]
    """

    sigma: Float[Array, ""]

    def __init__(self, sigma: ArrayLike = 0.0):
        self.sigma = parameter("Tent", "sigma", sigma)
        check("Tent", [finite("sigma", self.sigma)])

    def __call__(self, position: Float[Array, "*delays"], count: int) -> Float[Array, " taps *delays"]:
        """The tent, divided by its sum."""
        width = jnp.abs(self.sigma.astype(position.dtype)) + 1.0
        distance = _distance(position, count)
        distance = distance * lax.stop_gradient(jnp.sign(distance))  # |distance|, whose derivative at 0 is 0
        tent = jnp.maximum(width - distance, 0.0)
        return tent / (jnp.sum(tent, axis=0, keepdims=True) + 1e-7)


def sharpened(epoch: ArrayLike, *, start: float, end: float, epochs: int) -> Float[Array, ""]:
    """Width of the kernel in an epoch: from `start` down to `end`, by the same factor each epoch, then `end`.

    `sigma = start (end / start)^min(1, (epoch - 1) / (epochs - 1))`.

    Args:
        epoch: Number of the epoch, from 1.
        start: Width in the first epoch, > 0.
        end: Width in epoch `epochs` and after, > 0.
        epochs: How many epochs it takes, >= 2.

    Raises:
        ValueError: a width is not above 0, or `epochs` below 2.

    Example:
        >>> from ranvier.taps import sharpened
        >>> [round(float(sharpened(epoch, start=4.0, end=0.25, epochs=3)), 3) for epoch in (1, 2, 3, 9)]
        [4.0, 1.0, 0.25, 0.25]
    """
    if not (start > 0 and end > 0 and epochs >= 2):
        msg = f"sharpened: widths must be above 0, `epochs` at least 2; got start {start}, end {end}, epochs {epochs}."
        raise ValueError(msg)
    share = jnp.minimum((jnp.asarray(epoch, jnp.result_type(float)) - 1.0) / (epochs - 1), 1.0)
    return start * (end / start) ** share


def _distance(position: Float[Array, "*delays"], count: int) -> Float[Array, " taps *delays"]:
    taps = jnp.arange(count, dtype=position.dtype)
    return taps.reshape(-1, *(1 for _ in position.shape)) - position[None]
