"""From arrivals to first spikes: every causal prefix of the sorted arrivals, and the first that reaches threshold.

The state (I, u) just after arrival k, referred to that arrival's own time, follows from the one before:

    I_k = a I_{k-1} + w_k        u_k = b u_{k-1} + kappa I_{k-1}        a, b, kappa over t_k - t_{k-1}

All factors lie in [0, 1], so nothing overflows or cancels at late times, and maps of this kind compose to one another:
an associative scan finds all prefixes. A neuron spikes from the first prefix whose potential meets the threshold before
the next arrival; only there a root is solved for, and `exact_root` gives it its derivative.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ranvier.closed_form.roots import Start, first_root, flow, potential, reaches
from ranvier.crossing import exact_root


class Arrivals(NamedTuple):
    """Sorted arrivals of one sample at a population; times (n, post), or (n, 1) where all receivers share them.

    Places without an event are at the end, with `time = inf` and weight 0.
    """

    time: Float[Array, "n #post"]
    weight: Float[Array, "n post"]


class Tau(NamedTuple):
    """Time constants, one per neuron or shared."""

    mem: Float[Array, "*#post"]
    syn: Float[Array, "*#post"]


class Prefixes(NamedTuple):
    """State just after each arrival, and the time to the next (`inf` after the last)."""

    time: Float[Array, "n #post"]
    span: Float[Array, "n #post"]
    current: Float[Array, "n post"]
    u: Float[Array, "n post"]


def sort_arrivals(time: Float[Array, "n #post"], weight: Float[Array, "n post"]) -> Arrivals:
    """Put arrivals in time order; `inf` goes to the end."""
    order = jnp.argsort(lax.stop_gradient(time), axis=0)
    return Arrivals(jnp.take_along_axis(time, order, axis=0), jnp.take_along_axis(weight, order, axis=0))


def prefixes(arrivals: Arrivals, tau: Tau) -> Prefixes:
    """All prefixes of the arrivals at a population that starts at rest."""
    some = jnp.isfinite(arrivals.time)
    time = jnp.where(some, arrivals.time, 0.0)
    latest = jnp.concatenate([time[:1], time[:-1]])
    gap = jnp.where(some, time - latest, 0.0)
    decay_mem, kernel = flow(gap, tau.mem, tau.syn)
    decay_syn = jnp.exp(-gap / tau.syn)
    weight = jnp.where(some, arrivals.weight, 0.0)
    full = [jnp.broadcast_to(part, weight.shape) for part in (decay_syn, decay_mem, kernel)]

    def then(first: tuple, second: tuple) -> tuple:
        a, b, kappa, i, u = first
        c, d, eta, j, v = second
        return a * c, b * d, kappa * d + a * eta, c * i + j, d * u + eta * i + v

    *_, current, u = lax.associative_scan(then, (*full, weight, jnp.zeros_like(weight)))
    following = jnp.concatenate([arrivals.time[1:], jnp.full_like(arrivals.time[:1], jnp.inf)])
    span = jnp.where(some, following - time, -1.0)
    return Prefixes(time, span, current, u)


def first_spikes(found: Prefixes, tau: Tau, theta: Float[Array, "*#post"], t_end: float) -> Float[Array, " post"]:
    """First spike of each neuron (ms), `inf` where it is silent until `t_end`.

    Args:
        found: Prefixes of its arrivals.
        tau: Time constants.
        theta: Threshold relative to rest, above 0.
        t_end: Spikes after it do not count (ms).
    """
    fixed = lax.stop_gradient(found)
    held = jax.tree.map(lax.stop_gradient, (tau, theta))
    starts = Start(fixed.current, fixed.u, held[1], *held[0])
    hits = reaches(starts, jnp.broadcast_to(fixed.span, fixed.u.shape))
    place = jnp.argmax(hits, axis=0)[None]
    fires = jnp.any(hits, axis=0)
    pick = lambda part: jnp.take_along_axis(jnp.broadcast_to(part, hits.shape), place, axis=0)[0]
    start = Start(
        _or(fires, pick(found.current), 4.0 * theta), _or(fires, pick(found.u), 0.0 * theta), theta, tau.mem, tau.syn
    )
    start = Start(*(jnp.broadcast_to(part, fires.shape) for part in start))
    span = _or(fires, lax.stop_gradient(pick(found.span)), jnp.inf)
    root = first_root(lax.stop_gradient(start), span)
    s = exact_root(lambda at: potential(start, at) - start.theta, root)
    time = pick(found.time) + s
    inside: Bool[Array, " post"] = fires & (lax.stop_gradient(time) <= t_end)
    return jnp.where(inside, time, jnp.inf)


def potentials_at(found: Prefixes, tau: Tau, times: Float[Array, " times"]) -> Float[Array, "times post"]:
    """u at given times (ms), arrivals at that instant included."""
    due = jnp.broadcast_to(jnp.where(found.span >= 0.0, lax.stop_gradient(found.time), jnp.inf), found.u.shape)
    count = jax.vmap(lambda column: jnp.searchsorted(column, lax.stop_gradient(times), side="right"), 1, 1)(due)
    place = jnp.maximum(count - 1, 0)
    pick = lambda part: jnp.take_along_axis(jnp.broadcast_to(part, found.u.shape), place, axis=0)
    some = count > 0
    s = jnp.where(some, times[:, None] - pick(found.time), 0.0)
    decay, kernel = flow(s, tau.mem, tau.syn)
    return jnp.where(some, pick(found.u) * decay + pick(found.current) * kernel, 0.0)


def _or(
    fires: Bool[Array, " post"], value: Float[Array, "*#post"], otherwise: Float[Array, "*#post"] | float
) -> Float[Array, " post"]:
    return jnp.where(fires, value, otherwise)
