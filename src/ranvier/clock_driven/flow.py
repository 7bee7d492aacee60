"""The closed-form flow of a linear neuron in JAX, and when it first meets the threshold.

With u = V - v_leak, I the synaptic current and s the time since both,

    I(s) = I e^{-s/tau_syn}        u(s) = u e^{-s/tau_mem} + I kappa(s)
    kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,    x = s (1/tau_mem - 1/tau_syn)

for every ratio of the time constants, 1 included, without cancellation.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ranvier._exprel import exprel
from ranvier.crossing import exact_root

STEPS = 100
"""More than the bisections that any float allows; Newton needs about five."""

Lanes = Float[Array, "batch size"]


class Rates(NamedTuple):
    """1/tau_mem and 1/tau_syn of each neuron (per ms)."""

    mem: Float[Array, "*ones size"]
    syn: Float[Array, "*ones size"]

    def flow(
        self, u: Float[Array, "*lanes"], i: Float[Array, "*lanes"], s: Float[Array, "*lanes"]
    ) -> tuple[Float[Array, "*lanes"], Float[Array, "*lanes"]]:
        """(u, I) after s ms."""
        decay = jnp.exp(-s * self.mem)
        kernel = s * self.mem * decay * exprel(s * (self.mem - self.syn))
        return u * decay + i * kernel, i * jnp.exp(-s * self.syn)

    def peak(self, u: Lanes, i: Lanes) -> Lanes:
        """Time of the only maximum of u(s), where `i > u` and `i > 0`; inf if u rises for ever."""
        drop = (1.0 - u / jnp.where(i > 0, i, 1.0)) / self.syn
        z = drop * (self.syn - self.mem)
        small = jnp.abs(z) < 1e-12
        safe = jnp.where(small | (z >= 1.0), 0.5, z)
        bent = -drop * jnp.log1p(-safe) / safe
        return jnp.where(z >= 1.0, jnp.inf, jnp.where(small, drop, bent))


def first_crossing(
    rates: Rates, u: Lanes, i: Lanes, theta: Float[Array, "#batch size"], span: Lanes, armed: Bool[Array, "batch size"]
) -> tuple[Bool[Array, "batch size"], Lanes]:
    """First s in (0, span] at which u(s) = theta, with its exact first derivative.

    Without events u has at most one maximum, so a first crossing is bracketed by 0 and the end, where u has reached
    theta there, or else by 0 and that maximum. None is missed, and each is found to rounding.

    Args:
        rates: The neurons' rates.
        u: Potential above rest at the start, at most theta.
        i: Synaptic current at the start.
        theta: Threshold above rest, > 0.
        span: How far to look (ms).
        armed: Neurons that can spike.

    Returns:
        Whether there is a crossing, and when (0 where there is none).
    """
    fixed = Rates(*lax.stop_gradient(rates))
    u0, i0, level, end = lax.stop_gradient((u, i, jnp.broadcast_to(theta, u.shape), span))
    may = armed & (i0 > level) & (end > 0)
    reached = fixed.flow(u0, i0, end)[0] >= level
    top = jnp.minimum(fixed.peak(u0, i0), end)
    crosses = may & (reached | ((top < end) & (fixed.flow(u0, i0, top)[0] >= level)))
    # Neurons that do not cross solve u = 0, I = 2, theta = 1 instead, whose slope at 0 is not 0.
    safe = lambda value, plain: jnp.where(crosses, value, plain)
    parts = safe(u0, 0.0), safe(i0, 2.0), safe(level, 0.0)
    upper = jnp.where(crosses, jnp.where(reached, end, top), 0.0)
    solve = lambda: _bracketed_root(fixed, *parts, upper)
    root = lax.cond(jnp.any(crosses), solve, lambda: jnp.zeros_like(upper))
    gap = lambda s: rates.flow(safe(u, 0.0), safe(i, 2.0), s)[0] - safe(theta, 0.0)
    return crosses, jnp.where(crosses, exact_root(gap, root), 0.0)


def _bracketed_root(rates: Rates, u: Lanes, i: Lanes, theta: Lanes, upper: Lanes) -> Lanes:
    """Zero of u(s) - theta between 0 and `upper`, by Newton's method with bisection as a guard.

    A neuron is done when its guess rests, or its potential is theta to rounding: on a slow rise that comes first, and
    the guess then never rests.
    """
    eps = jnp.finfo(upper.dtype).eps
    close, level = 4.0 * eps * upper, eps * (jnp.abs(u) + jnp.abs(i) + jnp.abs(theta))

    def improve(carry: tuple) -> tuple:
        low, high, guess, _, steps = carry
        value, current = rates.flow(u, i, guess)
        slope = (current - value) * rates.mem
        low, high = jnp.where(value < theta, guess, low), jnp.where(value < theta, high, guess)
        newton = guess + (theta - value) / jnp.where(slope > 0, slope, 1.0)
        trusted = (slope > 0) & (newton >= low) & (newton <= high)
        better = jnp.where(trusted, newton, 0.5 * (low + high))
        moved = (jnp.abs(better - guess) > close) & (jnp.abs(theta - value) > level)
        return low, high, better, moved, steps + 1

    def moving(carry: tuple) -> Bool[Array, ""]:
        *_, moved, steps = carry
        return (steps < STEPS) & jnp.any(moved)

    slope, bend = (i - u) * rates.mem, (-i * rates.syn - (i - u) * rates.mem) * rates.mem
    under = slope * slope + 2.0 * bend * (theta - u)
    quadratic = 2.0 * (theta - u) / (slope + jnp.sqrt(jnp.maximum(under, 0.0)))
    guess = jnp.where((under > 0) & (quadratic >= 0) & (quadratic <= upper), quadratic, 0.5 * upper)
    start = (jnp.zeros_like(upper), upper, guess, jnp.ones_like(upper, bool), jnp.zeros((), jnp.int32))
    return lax.while_loop(moving, improve, start)[2]
