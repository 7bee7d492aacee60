"""Where a step's cubic first reaches 0 from below: the crossing of a neuron without a closed form."""

from typing import NamedTuple

import jax.numpy as jnp
from equinox.internal import unvmap_any
from jax import lax
from jaxtyping import Array, Bool, Float

from ranvier.crossing import exact_root
from ranvier.integrators import hermite

STEPS = 100
"""More than the bisections that any float allows; Newton needs about five."""


class Cubic(NamedTuple):
    """A cubic on [0, 1] by values and slopes at both ends."""

    start: Float[Array, " size"]
    start_slope: Float[Array, " size"]
    end: Float[Array, " size"]
    end_slope: Float[Array, " size"]

    def __call__(self, fraction: Float[Array, " size"]) -> Float[Array, " size"]:
        """Its value."""
        return hermite(*self, fraction)

    def slope(self, fraction: Float[Array, " size"]) -> Float[Array, " size"]:
        """Its derivative."""
        rise = self.end - self.start
        bend = 3.0 * rise - 2.0 * self.start_slope - self.end_slope
        twist = self.start_slope + self.end_slope - 2.0 * rise
        return self.start_slope + fraction * (2.0 * bend + fraction * 3.0 * twist)

    def crest(self) -> Float[Array, " size"]:
        """Where in (0, 1) its only maximum is, 1 where there is none."""
        rise = self.end - self.start
        bend = 3.0 * rise - 2.0 * self.start_slope - self.end_slope
        twist = self.start_slope + self.end_slope - 2.0 * rise
        square = bend**2 - 3.0 * twist * self.start_slope
        root = jnp.sqrt(jnp.maximum(square, 0.0))
        # The zero of the slope at which the curvature is negative, in the form that does not cancel.
        below = jnp.where(root > bend, root - bend, 1.0)
        above = jnp.where(twist == 0, 1.0, 3.0 * twist)
        crest = jnp.where(bend <= 0, self.start_slope / below, -(bend + root) / above)
        inside = (square > 0) & (crest > 0) & (crest < 1)
        return jnp.where(inside, crest, 1.0)


def first_crossing(cubic: Cubic, armed: Bool[Array, " size"]) -> tuple[Bool[Array, " size"], Float[Array, " size"]]:
    """First upward zero of each neuron's cubic, with its exact derivatives.

    A cubic below 0 at the start has at most one maximum before its end, so its first zero is bracketed by the start and
    that maximum, or the end: none is missed, also where the cubic is below 0 again at the end. Found by Newton's method
    with bisection as a guard, to rounding.

    Args:
        cubic: The spike conditions in a step.
        armed: Whether a neuron may spike: its condition is below 0 at the start.

    Returns:
        Whether there is a crossing, and at which fraction of the step (0.5 where there is none). Where the threshold is
        touched with slope 0 there is no derivative, and the fraction is not finite.
    """
    rising = Cubic(*(jnp.full_like(cubic.start, value) for value in (-1.0, 2.0, 1.0, 2.0)))
    fixed = Cubic(*lax.stop_gradient(cubic))
    crest = fixed.crest()
    crosses = armed & ((fixed(crest) >= 0) | (fixed.end >= 0))
    safe = Cubic(*(jnp.where(crosses, part, plain) for part, plain in zip(cubic, rising, strict=True)))
    upper = jnp.where(crosses & (fixed(crest) >= 0), crest, 1.0)
    root = _bracketed_root(Cubic(*lax.stop_gradient(safe)), upper)
    return crosses, exact_root(lambda fraction, cubic: cubic(fraction), root, safe)


def _bracketed_root(cubic: Cubic, upper: Float[Array, " size"]) -> Float[Array, " size"]:
    """Zero between 0, where the cubic is negative, and `upper`, where it is not, to rounding of guess or value."""
    close = 2.0 * jnp.finfo(upper.dtype).eps
    level = close * sum(jnp.abs(part) for part in cubic)

    def improve(carry: tuple) -> tuple:
        low, high, guess, _, steps = carry
        value, slope = cubic(guess), cubic.slope(guess)
        low, high = jnp.where(value < 0, guess, low), jnp.where(value < 0, high, guess)
        newton = guess - value / jnp.where(slope == 0, 1.0, slope)
        trusted = (slope != 0) & (newton >= low) & (newton <= high)
        better = jnp.where(trusted, newton, 0.5 * (low + high))
        return low, high, better, jnp.where(jnp.abs(value) > level, jnp.abs(better - guess), 0.0), steps + 1

    def moving(carry: tuple) -> Bool[Array, ""]:
        *_, moved, steps = carry
        return (steps < STEPS) & unvmap_any(moved > close)

    middle = 0.5 * upper
    start = (jnp.zeros_like(upper), upper, middle, jnp.ones_like(upper), jnp.zeros((), jnp.int32))
    return lax.while_loop(moving, improve, start)[2]
