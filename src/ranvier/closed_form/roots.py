"""When a potential first meets its threshold, if nothing more arrives.

With u = V - v_leak - bias, s the time since the state (I, u), and theta = v_threshold - v_leak - bias, above 0, the
spike is the first s with

    u e^{-s/tau_mem} + I kappa(s) = theta        kappa(s) = (s/tau_mem) e^{-s/tau_mem} (e^x - 1)/x,
                                                 x = s (1/tau_mem - 1/tau_syn)

It needs I > theta > u; up to the potential's only maximum u then rises and is concave. Two ratios have a closed form,
`equal` (tau_mem = tau_syn, Lambert W) and `double` (tau_mem = 2 tau_syn, a square root); `implicit` serves every ratio.
All three give the root; its derivative is for `ranvier.crossing.exact_root`.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ranvier._exprel import exprel
from ranvier.crossing import touch

STEPS = 8
"""Steps of `implicit`: convergence is cubic, and two of them are enough away from a grazing spike."""


class Start(NamedTuple):
    """State of a neuron at an arrival, its threshold and time constants; all relative to rest."""

    current: Float[Array, "*shape"]
    u: Float[Array, "*shape"]
    theta: Float[Array, "*#shape"]
    tau_mem: Float[Array, "*#shape"]
    tau_syn: Float[Array, "*#shape"]


def potential(start: Start, s: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """u at s ms after the start.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> start = Start(one(0.0), one(1.0), one(2.0), one(10.0), one(5.0))
        >>> round(float(potential(start, one(10.0))), 4)
        0.3679
    """
    decay, kernel = flow(s, start.tau_mem, start.tau_syn)
    return start.u * decay + start.current * kernel


def flow(
    s: Float[Array, "*shape"], tau_mem: Float[Array, "*#shape"], tau_syn: Float[Array, "*#shape"]
) -> tuple[Float[Array, "*shape"], Float[Array, "*shape"]]:
    """`e^{-s/tau_mem}` and `kappa(s)`.

    Example:
        >>> import jax.numpy as jnp
        >>> decay, kernel = flow(jnp.array(5.0), jnp.array(5.0), jnp.array(5.0))
        >>> round(float(kernel), 4)
        0.3679
    """
    rate = s / tau_mem
    decay = jnp.exp(-rate)
    return decay, rate * decay * exprel(rate - s / tau_syn)


def peak(start: Start) -> Float[Array, "*shape"]:
    """Time of the only maximum of u, for I > u and I > 0; `inf` where u rises for ever.

    `s = -drop log(1 - z)/z` with `drop = tau_syn (1 - u/I)` and `z = drop (1/tau_syn - 1/tau_mem)`.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> float(peak(Start(one(1.0), one(0.0), one(2.0), one(5.0), one(5.0))))
        5.0
    """
    drop = start.tau_syn * (1.0 - start.u / start.current)
    z = drop * (1.0 / start.tau_syn - 1.0 / start.tau_mem)
    near = jnp.abs(z) < 1e-4
    safe = jnp.where(near | (z >= 1.0), 0.5, z)
    ratio = jnp.where(near, 1.0 + z * (1 / 2 + z * (1 / 3 + z / 4)), -jnp.log1p(-safe) / safe)
    return jnp.where(z >= 1.0, jnp.inf, drop * ratio)


def reaches(start: Start, span: Float[Array, "*shape"]) -> Bool[Array, "*shape"]:
    """Whether u meets theta within `span` ms; a maximum that only touches it does not (`ranvier.crossing.touch`).

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> bool(reaches(Start(one(9.0), one(0.0), one(1.0), one(5.0), one(5.0)), one(jnp.inf)))
        True
    """
    may = start.current > start.theta
    safe = start._replace(current=jnp.where(may, start.current, 1.0), u=jnp.where(may, start.u, 0.0))
    high = jnp.minimum(span, peak(safe))
    finite = jnp.isfinite(high)
    top = jnp.where(finite, potential(safe, jnp.where(finite, high, 0.0)), 0.0)
    level = jnp.where(high < span, touch(start.theta), start.theta)
    return may & (span > 0.0) & (top >= level)


def equal(start: Start) -> Float[Array, "*shape"]:
    """The root for tau_mem = tau_syn = tau: `s = tau (v - u/I)` with `v e^{-v} = (theta/I) e^{-u/I}`, v <= 1.

    So `v = -W(-c)` on the principal branch of Lambert's W. Near its branch point, a grazing spike, W loses half of its
    digits if it is computed from c. Here `delta = 1 - v` is found from `log(1 - delta) + delta = L`,
    `L = 1 + log(theta/I) - u/I`, which keeps them.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> start = Start(one(4.0), one(0.0), one(1.0), one(5.0), one(5.0))
        >>> round(float(potential(start, equal(start))), 5)
        1.0
    """
    depth = jnp.minimum(1.0 + jnp.log(start.theta / start.current) - start.u / start.current, 0.0)
    p = jnp.sqrt(-2.0 * jnp.expm1(depth))
    small = jnp.exp(depth - 1.0)
    delta = jnp.where(depth > -0.5, p * (1.0 - p * (1 / 3 - p * 11 / 72)), 1.0 - small * (1.0 + small))
    tiny = jnp.finfo(delta.dtype).tiny
    for _ in range(4):
        delta = jnp.clip(delta, tiny, 1.0 - jnp.finfo(delta.dtype).epsneg)
        gap = jnp.log1p(-delta) + delta - depth
        slope, bend = -delta / (1.0 - delta), -1.0 / jnp.square(1.0 - delta)
        newton = gap / slope
        delta = delta - newton / (1.0 - 0.5 * newton * bend / slope)
    return jnp.maximum(start.tau_mem * (1.0 - delta - start.u / start.current), 0.0)


def double(start: Start) -> Float[Array, "*shape"]:
    """The root for tau_mem = 2 tau_syn: `x = e^{-s/tau_mem}` solves `I x^2 - (u + I) x + theta = 0`; the larger x.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> start = Start(one(9.0), one(0.0), one(1.0), one(2.0), one(1.0))
        >>> round(float(potential(start, double(start))), 5)
        1.0
    """
    middle = start.u + start.current
    root = jnp.sqrt(jnp.maximum(middle * middle - 4.0 * start.current * start.theta, 0.0))
    # 1 - x without cancellation: (I - u - root) / (2 I), times its conjugate
    rest = start.current - start.u
    below = 2.0 * (start.theta - start.u) / jnp.maximum(rest + root, jnp.finfo(root.dtype).tiny)
    return -start.tau_mem * jnp.log1p(-jnp.minimum(below, 1.0 - jnp.finfo(root.dtype).epsneg))


def implicit(start: Start, high: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The root for any ratio, in (0, high], where u meets theta while it rises.

    From s = 0, each step solves the parabola through value, slope and bend: u is concave, so it comes from below, and
    cubic convergence does not slow down where the spike grazes the threshold.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> start = Start(one(9.0), one(0.0), one(1.0), one(7.0), one(3.0))
        >>> round(float(potential(start, implicit(start, one(2.0)))), 5)
        1.0
    """

    def step(s: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
        here = start.current * jnp.exp(-s / start.tau_syn)
        value = potential(start, s)
        gap, slope = start.theta - value, (here - value) / start.tau_mem
        bend = (-here / start.tau_syn - slope) / start.tau_mem
        under = jnp.maximum(jnp.square(slope) + 2.0 * bend * gap, 0.0)
        ahead = slope + jnp.sqrt(under)
        move = 2.0 * gap / jnp.where(ahead > 0.0, ahead, 1.0)
        return jnp.clip(s + jnp.where(ahead > 0.0, move, 0.0), 0.0, high)

    return lax.fori_loop(0, STEPS, lambda _, s: step(s), jnp.zeros_like(high))


def first_root(start: Start, span: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The root, where `reaches` says that there is one within `span`; by the closed form where the ratio has one.

    Example:
        >>> import jax.numpy as jnp
        >>> one = lambda value: jnp.array(value)
        >>> start = Start(one(9.0), one(0.0), one(1.0), one(2.0), one(1.0))
        >>> round(float(first_root(start, one(jnp.inf)) - double(start)), 5)
        0.0
    """
    same = jnp.all(start.tau_mem == start.tau_syn)
    twice = jnp.all(start.tau_mem == 2.0 * start.tau_syn)
    high = jnp.minimum(span, peak(start))
    branch = jnp.where(same, 0, jnp.where(twice, 1, 2))
    return lax.switch(branch, [lambda: equal(start), lambda: double(start), lambda: implicit(start, high)])
