"""The closed-form flow of a linear neuron in JAX, and when it first meets the threshold.

With u = V - v_leak - bias, I the synaptic current and s the time since both,

    I(s) = I e^{-s/tau_syn}        u(s) = u e^{-s/tau_mem} + I kappa(s)
    kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,    x = s (1/tau_mem - 1/tau_syn)

for every ratio of the time constants, 1 included, without cancellation. With respect to s both are differentiated by
their own differential equations, which cost next to nothing, rather than through the functions.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float

from ranvier._exprel import exprel
from ranvier._ruled import active_jvp, ruled
from ranvier.crossing import touch

STEPS = 100
"""More than the bisections that any float allows; Newton needs about five."""

Lanes = Float[Array, "batch size"]


class Rates(NamedTuple):
    """1/tau_mem and 1/tau_syn of each neuron (per ms)."""

    mem: Float[Array, "*ones size"]
    syn: Float[Array, "*ones size"]

    def after(
        self, u: Float[Array, "*lanes"], i: Float[Array, "*lanes"], s: Float[Array, "*lanes"]
    ) -> tuple[Float[Array, "*lanes"], Float[Array, "*lanes"]]:
        """(u, I) after s ms, for finite s."""
        decay, fading, kernel = flow(s, self.mem, self.syn)
        return u * decay + i * kernel, i * fading

    def peak(self, u: Lanes, i: Lanes) -> Lanes:
        """Time of the only maximum of u(s), where `i > u` and `i > 0`; inf if u rises for ever."""
        drop = (1.0 - u / jnp.where(i > 0, i, 1.0)) / self.syn
        z = drop * (self.syn - self.mem)
        small = jnp.abs(z) < 1e-12
        safe = jnp.where(small | (z >= 1.0), 0.5, z)
        bent = -drop * jnp.log1p(-safe) / safe
        return jnp.where(z >= 1.0, jnp.inf, jnp.where(small, drop, bent))


def flow(
    s: Float[Array, "*lanes"], mem: Float[Array, "*ones size"], syn: Float[Array, "*ones size"]
) -> tuple[Float[Array, "*lanes"], Float[Array, "*lanes"], Float[Array, "*lanes"]]:
    """`e^{-s/tau_mem}`, `e^{-s/tau_syn}` and kappa(s), for finite s, differentiable to every order.

    Args:
        s: Time that passes (ms).
        mem: 1/tau_mem (per ms).
        syn: 1/tau_syn (per ms).
    """
    return ruled(_flow, _flow_rule, s, mem, syn)


def _flow(s: Array, mem: Array, syn: Array) -> tuple[Array, Array, Array]:
    decay = jnp.exp(-s * mem)
    return decay, jnp.exp(-s * syn), s * mem * decay * exprel(s * (mem - syn))


def _flow_rule(given: Any, values: Any, tangents: Any) -> Any:
    """By s through the flow's own differential equations, which cost next to nothing."""
    (s, mem, syn), (decay, fading, kernel), parts = given, values, []
    if not isinstance(tangents[0], SymbolicZero):
        slopes = -decay * mem, -fading * syn, (fading - kernel) * mem
        parts.append(tuple(slope * tangents[0] for slope in slopes))
    if not all(isinstance(tangent, SymbolicZero) for tangent in tangents[1:]):
        parts.append(active_jvp(lambda rates: _flow(s, *rates), (mem, syn), tuple(tangents[1:])))
    return jax.tree.map(lambda *each: sum(each[1:], each[0]), *parts)


def first_crossing(
    rates: Rates,
    start: tuple[Lanes, Lanes],
    later: tuple[Lanes, Lanes],
    theta: Float[Array, "#batch size"],
    span: Lanes,
    armed: Bool[Array, "batch size"],
) -> tuple[Bool[Array, "batch size"], Lanes]:
    """First s in (0, span] at which u(s) = theta: its value, without a derivative.

    Without events u has at most one maximum, so a first crossing is bracketed by 0 and the end, where u has reached
    theta there, or else by 0 and that maximum. None is missed, and each is found to rounding.
    A maximum that only touches theta is no crossing (`ranvier.crossing.touch`). Where theta is below rest, u falls
    first, if at all, then rises past it, and stays above: the end decides.

    Args:
        rates: The neurons' rates.
        start: (u, I) at the start; u is at most theta.
        later: (u, I) after `span`.
        theta: Threshold relative to rest.
        span: How far to look (ms).
        armed: Neurons that can spike.

    Returns:
        Whether there is a crossing, and when (0 where there is none).
    """
    (u, i), level = start, jnp.broadcast_to(theta, span.shape)
    may = armed & (jnp.maximum(i, 0.0) > level) & (span > 0)
    top_level = touch(level)
    reached = may & (later[0] >= top_level)
    # If u falls at the end, its maximum is inside; if it ends within a rounding of theta, its maximum decides too.
    peaks = may & ~reached & (level >= 0) & ((later[1] < later[0]) | (later[0] >= level))

    def solve() -> tuple[Bool[Array, "batch size"], Lanes]:
        peak = jnp.where(peaks, rates.peak(u, i), span)
        top, bounded = jnp.minimum(peak, span), jnp.isfinite(peak)
        highest = rates.after(u, i, jnp.where(bounded, peak, span))[0]
        crosses = reached | (peaks & (~bounded | (highest >= top_level)))
        # Neurons that do not cross solve u = 0, I = 2, theta = 0 instead, whose root is 0.
        parts = (jnp.where(crosses, *pair) for pair in ((u, 0.0), (i, 2.0), (level, 0.0), (top, 0.0)))
        return crosses, jnp.where(crosses, _bracketed_root(rates, *parts), 0.0)

    return lax.cond(jnp.any(reached | peaks), solve, lambda: (jnp.zeros(u.shape, bool), jnp.zeros_like(u)))


def _bracketed_root(rates: Rates, u: Lanes, i: Lanes, theta: Lanes, upper: Lanes) -> Lanes:
    """Zero of u(s) - theta between 0 and `upper`, by Newton's method with bisection as a guard.

    A neuron is done when its guess rests, or its potential is theta to rounding: on a slow rise that comes first, and
    the guess then never rests.
    """
    eps = jnp.finfo(upper.dtype).eps
    close, level = 4.0 * eps * upper, eps * (jnp.abs(u) + jnp.abs(i) + jnp.abs(theta))

    def improve(carry: tuple) -> tuple:
        low, high, guess, _, steps = carry
        value, current = rates.after(u, i, guess)
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
