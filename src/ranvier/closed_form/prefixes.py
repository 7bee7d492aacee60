"""From arrivals to first spikes: every causal prefix of the sorted arrivals, and the first that reaches threshold.

The state (I, u) just after arrival k, referred to that arrival's own time, follows from the one before:

    I_k = a I_{k-1} + w_k        u_k = b u_{k-1} + kappa I_{k-1}        a, b, kappa over t_k - t_{k-1}

All factors lie in [0, 1], so nothing overflows or cancels at late times, and maps of this kind compose to one another:
an associative scan finds all prefixes. A neuron spikes from the first prefix whose potential meets the threshold before
the next arrival; only there a root is solved for, and `exact_root` gives it its derivative.

Arrays are (events, neurons, samples): samples stand side by side in memory.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float

from ranvier._ruled import active_jvp, first_order, ruled
from ranvier.closed_form.roots import Start, first_root, flow, reaches
from ranvier.closed_form.sorting import sort_by_time
from ranvier.crossing import exact_root
from ranvier.gradients import Parts

SECOND = (
    "FirstSpike: a second derivative of a spike's value, which is an estimate and no function's derivative; take "
    "gradient=ExactDerivative(), whose second derivatives are exact."
)


class Arrivals(NamedTuple):
    """Arrivals at a population, in any order; axes of size 1 are shared. Places without an event have `time = inf`."""

    time: Float[Array, "n #post #batch"]
    weight: Float[Array, "n post #batch"]


class Cells(NamedTuple):
    """Neurons: time constants, u at t = 0, threshold relative to rest, and `height`, v_threshold - v_leak, the unit of
    a spike's value; one per neuron or shared."""

    mem: Float[Array, "1 #post 1"]
    syn: Float[Array, "1 #post 1"]
    start: Float[Array, "1 #post 1"]
    theta: Float[Array, "1 #post 1"]
    height: Float[Array, "1 #post 1"]


class Prefixes(NamedTuple):
    """State just after each arrival, in time order, and the time to the next (`inf` after the last)."""

    time: Float[Array, "n #post #batch"]
    span: Float[Array, "n #post #batch"]
    current: Float[Array, "n post batch"]
    u: Float[Array, "n post batch"]


def prefixes(arrivals: Arrivals, cells: Cells) -> Prefixes:
    """All prefixes of the arrivals at a population."""
    due, weight = sort_by_time(*arrivals)
    some = jnp.isfinite(due)
    time = jnp.where(some, due, 0.0)
    latest = jnp.concatenate([time[:1], time[:-1]])
    gap = jnp.where(some, time - latest, 0.0)
    gap = jnp.broadcast_to(gap, jnp.broadcast_shapes(gap.shape, cells.mem.shape, cells.syn.shape))
    decay_mem, kernel = flow(gap, cells.mem, cells.syn)
    decay_syn = jnp.exp(-gap / cells.syn)
    weight = jnp.where(some, weight, 0.0)
    full = [jnp.broadcast_to(part, weight.shape) for part in (decay_syn, decay_mem, kernel)]

    def then(first: tuple, second: tuple) -> tuple:
        a, b, kappa, i, u = first
        c, d, eta, j, v = second
        return a * c, b * d, kappa * d + a * eta, c * i + j, d * u + eta * i + v

    begun = jnp.broadcast_to(cells.start * jnp.exp(-time[:1] / cells.mem), weight[:1].shape)
    left = jnp.concatenate([begun, jnp.zeros_like(weight[1:])])
    *_, current, u = lax.associative_scan(then, (*full, weight, left))
    following = jnp.concatenate([due[1:], jnp.full_like(due[:1], jnp.inf)])
    return Prefixes(time, jnp.where(some, following - time, -1.0), current, u)


class Fired(NamedTuple):
    """First spikes of neurons.

    Args:
        time: Of each neuron's (ms), `inf` where it is silent until the end.
        onward: The same with the derivative that others meet (`ranvier.gradients`).
        presence: 1 for each spike and 0 for each silent neuron, with the derivative of a spike's presence, where it
            has one.
        limited: Whether the derivative of the time is limited.
    """

    time: Float[Array, "post batch"]
    onward: Float[Array, "post batch"]
    presence: Float[Array, "post batch"] | None
    limited: Bool[Array, "post batch"]


def first_spikes(arrivals: Arrivals, cells: Cells, t_end: Float[ArrayLike, ""], parts: Parts) -> Fired:
    """First spike of each neuron.

    The search is not differentiated. At its result T, `exact_root` takes the derivative of
    `u(0) e^{-T/tau_mem} + sum w kappa(T - t) = theta` over the arrivals that came before, in whatever order they stand.
    There V' = (I - theta) / tau_mem.

    Args:
        arrivals: Arrivals in any order.
        cells: The neurons; thresholds above 0.
        t_end: Spikes after it do not count (ms).
        parts: How a spike is differentiated.
    """
    root, limit, current = _search(*jax.tree.map(lax.stop_gradient, (arrivals, cells)))
    fires = jnp.isfinite(root)
    slope = lax.stop_gradient(jnp.where(fires, (current - cells.theta) / cells.mem, 1.0))
    limited = ~(slope * parts.max_inverse_slope >= 1.0)
    causal = fires & (arrivals.time < limit)

    found, given = jnp.where(fires, root, 0.0), (arrivals, cells, fires, causal)
    time = exact_root(_above_threshold, found, *given, slope=slope, max_inverse_slope=parts.max_inverse_slope)
    fires = fires & (lax.stop_gradient(time) <= t_end)
    known = lambda time: jnp.where(fires, time, jnp.inf)[0]
    onward, presence = time, None
    if parts.scale > 0:
        onward = lax.stop_gradient(time)
        onward = onward + parts.timing * (time - onward)
        one = _presence(found, parts.scale / cells.height, given)
        presence = jnp.where(fires, one, 0.0)[0]
    return Fired(known(time), known(onward), presence, (fires & limited)[0])


def _presence(root: Float[Array, "1 post batch"], h: Float[Array, "1 #post 1"], given: Any) -> Any:
    """1, which the potential at the spike answers for: its derivative is h times that of the potential."""

    def rule(args: Any, out: Any, tangents: Any) -> Any:
        del out
        root, h, given = first_order(args, SECOND)
        return h * active_jvp(lambda given: _above_threshold(root, *given), given, tangents[2])

    return ruled(lambda root, *_: jnp.ones_like(root), rule, *lax.stop_gradient((root, h)), given)


def _above_threshold(
    at: Float[Array, "1 post batch"],
    arrivals: Arrivals,
    cells: Cells,
    fires: Bool[Array, "1 post batch"],
    causal: Bool[Array, "n post batch"],
) -> Float[Array, "1 post batch"]:
    """What the causal arrivals make of u at a given time, above threshold; 0 for neurons that do not fire."""
    _, kernel = flow(jnp.where(causal, at - arrivals.time, 0.0), cells.mem, cells.syn)
    u = jnp.sum(jnp.where(causal, arrivals.weight * kernel, 0.0), axis=0, keepdims=True)
    u = u + cells.start * jnp.exp(-at / cells.mem)
    return jnp.where(fires, u - cells.theta, 0.0)


def _search(
    arrivals: Arrivals, cells: Cells
) -> tuple[Float[Array, "1 post batch"], Float[Array, "1 post batch"], Float[Array, "1 post batch"]]:
    """For each neuron its first spike (`inf`: none), a time that parts the arrivals before it from all others, and I.

    The time is halfway between two arrivals: compiled twice, the same arrival may differ by a rounding.
    """
    found = prefixes(arrivals, cells)
    hits = reaches(
        Start(found.current, found.u, cells.theta, cells.mem, cells.syn), jnp.broadcast_to(found.span, found.u.shape)
    )
    fires = jnp.any(hits, axis=0, keepdims=True)
    here = jnp.arange(len(hits))[:, None, None] == jnp.argmax(hits, axis=0, keepdims=True)
    pick = lambda part: jnp.sum(jnp.where(here, part, 0.0), axis=0, keepdims=True)
    current, u = jnp.where(fires, pick(found.current), 4.0 * cells.theta), jnp.where(fires, pick(found.u), 0.0)
    start = Start(current, u, cells.theta, cells.mem, cells.syn)
    latest = pick(found.time)
    span = jnp.where(fires, pick(found.span), jnp.inf)
    wait = first_root(start, span)
    current = start.current * jnp.exp(-wait / cells.syn)
    return jnp.where(fires, latest + wait, jnp.inf), latest + 0.5 * span, current


def potentials_at(
    found: Prefixes, cells: Cells, times: Float[Array, "times batch"]
) -> Float[Array, "times post batch"]:
    """u at given times (ms), arrivals at that instant included."""
    due = jnp.where(found.span >= 0.0, found.time, jnp.inf)
    count = jnp.sum(lax.stop_gradient(due[:, None] <= times[None, :, None]), axis=0)
    some, place = count > 0, jnp.maximum(count - 1, 0)

    def pick(part: Float[Array, "n #post batch"]) -> Float[Array, "times #post batch"]:
        return jnp.take_along_axis(part, jnp.broadcast_to(place, (len(times), *part.shape[1:])), axis=0)

    s = jnp.where(some, times[:, None] - pick(found.time), 0.0)
    decay, kernel = flow(s, cells.mem, cells.syn)
    before = cells.start * jnp.exp(-times[:, None] / cells.mem)
    return jnp.where(some, pick(found.u) * decay + pick(found.current) * kernel, before)
