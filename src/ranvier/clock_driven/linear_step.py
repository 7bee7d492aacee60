"""One step of a population that is linear between events, in closed form.

First a search without derivatives finds the spikes. Given their order, the state at each of them and at the step's end
is one sum over what came before, and that is what is differentiated. Nothing depends on the length of the step. Times
are offsets from its start, so that nothing is lost to rounding late in a simulation in float32.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.blocks import KEPT
from ranvier.clock_driven.flow import Rates
from ranvier.clock_driven.spike_search import Events, Found, Lanes, Membrane, find_spikes
from ranvier.clock_driven.timing import Emitted
from ranvier.crossing import exact_root
from ranvier.gradients import ExactDerivative, Parts

EXACT = ExactDerivative().parts()


class LinearState(NamedTuple):
    """A population between two steps.

    Args:
        u: Potential above rest.
        i: Synaptic current.
        wake_step: Step of the last spike.
        wake: End of the refractory time after it, as an offset from that step's start (ms).
        resting: Whether that end is still to come.
    """

    u: Lanes
    i: Lanes
    wake_step: Int[Array, "batch size"]
    wake: Lanes
    resting: Bool[Array, "batch size"]


class Leg(NamedTuple):
    """Where a leg, a way without spikes, starts: a state, the offset it has reached, and the events it has taken."""

    u: Lanes
    i: Lanes
    now: Lanes
    wake: Lanes
    resting: Bool[Array, "batch size"]
    taken: Int[Array, "batch size"]


def linear_step(
    membrane: Membrane,
    state: LinearState,
    step: Int[Array, ""],
    dt: Float[Array, ""],
    h: Float[Array, "batch 1"],
    arrivals: Events,
    weights: Events,
    max_spikes: int,
    parts: Parts = EXACT,
) -> tuple[LinearState, Emitted, Int[Array, "batch size"]]:
    """Advance neurons that may spike by h ms through their events, exactly and differentiably.

    Args:
        membrane: The neurons.
        state: The population at the step's start.
        step: Index of the step.
        dt: Length of the simulation's steps (ms).
        h: How far to go (ms), in [0, dt].
        arrivals: Offsets of the events from the step's start (ms), ascending for each neuron, inf for none. Those
            after h are left out.
        weights: Weight of each event.
        max_spikes: Room for spikes of one neuron in one step.
        parts: How a spike is differentiated.

    Returns:
        The population at the end, its spikes, ascending, and what did not fit.
    """
    end = jnp.broadcast_to(h, state.u.shape)
    wake = (state.wake_step - step).astype(dt.dtype) * dt + state.wake
    found = find_spikes(membrane, state.u, state.i, wake, state.resting, end, arrivals, weights, max_spikes)
    found = jax.tree.map(lambda leaf: checkpoint_name(leaf, KEPT), found)
    start = Leg(state.u, state.i, jnp.zeros_like(end), wake, state.resting, jnp.zeros(end.shape, jnp.int32))
    leg, spikes = jax.checkpoint(partial(_through, parts))(membrane, start, found, end, arrivals, weights)
    fired = jnp.isfinite(found.times[0])
    wake_step, wake = jnp.where(fired, step, state.wake_step), jnp.where(fired, leg.wake, state.wake)
    return LinearState(leg.u, leg.i, wake_step, wake, leg.resting), spikes, found.lost


def silent_step(
    rates: Rates, state: LinearState, h: Float[Array, "batch 1"], arrivals: Events, weights: Events
) -> LinearState:
    """The same for neurons that never spike, whose events add up in any order.

    Args:
        rates: The neurons' rates.
        state: The population at the step's start.
        h: How far to go (ms).
        arrivals: Offsets of the events from the step's start (ms), inf for none. Those after h are left out.
        weights: Weight of each event.

    Returns:
        The population at the end.
    """
    here = arrivals <= h[None]
    passed = jnp.where(here, h[None] - jnp.where(here, arrivals, 0.0), 0.0)
    weight = jnp.where(here, weights, 0.0)
    u, i = Rates(rates.mem[None], rates.syn[None]).flow(jnp.zeros_like(weight), weight, passed)
    later = rates.flow(state.u, state.i, jnp.broadcast_to(h, state.u.shape))
    return state._replace(u=later[0] + jnp.sum(u, axis=0), i=later[1] + jnp.sum(i, axis=0))


def _through(
    parts: Parts, membrane: Membrane, leg: Leg, found: Found, end: Lanes, arrivals: Events, weights: Events
) -> tuple[Leg, Emitted]:
    """From spike to spike, and on to the end."""
    there = arrivals <= end[None]

    def advance(leg: Leg, times: Lanes, taken: Int[Array, "batch size"]) -> tuple[Leg, Emitted]:
        return _advance(parts, membrane, leg, times, taken, end, jnp.where(there, arrivals, jnp.inf), weights)

    never, all_taken = jnp.full_like(end, jnp.inf), jnp.full(end.shape, len(arrivals), jnp.int32)
    times, taken = jnp.concatenate([found.times, never[None]]), jnp.concatenate([found.taken, all_taken[None]])

    def rest(leg: Leg) -> tuple[Leg, Emitted]:
        return lax.scan(lambda leg, spike: advance(leg, *spike), leg, (times[1:], taken[1:]))

    leg, first = advance(leg, times[0], taken[0])
    none = jax.tree.map(lambda _: jnp.broadcast_to(never, found.times.shape), first)
    leg, others = lax.cond(jnp.any(jnp.isfinite(times[0])), rest, lambda leg: (leg, none), leg)
    return leg, jax.tree.map(lambda one, more: jnp.concatenate([one[None], more[:-1]]), first, others)


def _advance(
    parts: Parts,
    membrane: Membrane,
    leg: Leg,
    spike: Lanes,
    taken: Int[Array, "batch size"],
    end: Lanes,
    arrivals: Events,
    weights: Events,
) -> tuple[Leg, Emitted]:
    """From a leg's start to a spike found before and its reset, or to the end where there is none."""
    rates = membrane.rates
    fires = jnp.isfinite(spike)
    root = jnp.where(fires, spike, end)
    last = jnp.where(fires, taken, len(arrivals))
    place = jnp.arange(len(arrivals), dtype=jnp.int32)[:, None, None]
    mine = (place >= leg.taken[None]) & (place < last[None]) & jnp.isfinite(arrivals)
    wakes = leg.resting & (leg.wake <= root)
    moves = jnp.where(wakes, leg.wake, jnp.where(leg.resting, root, leg.now))
    u, i = rates.flow(leg.u, rates.fade(leg.i, moves - leg.now), root - moves)
    at, jump = jnp.where(mine, arrivals, root[None]), jnp.where(mine, weights, 0.0)
    # What arrives during the refractory time feeds the current only.
    begin = jnp.where(at < moves[None], moves[None], at)
    each = Rates(rates.mem[None], rates.syn[None])
    more = each.flow(jnp.zeros_like(jump), each.fade(jump, begin - at), root[None] - begin)
    u, i = u + jnp.sum(more[0], axis=0), i + jnp.sum(more[1], axis=0)
    spikes, now, restart = _spike(parts, membrane, fires, root, u, i)
    now = jnp.where(fires, now, end)
    i = jnp.where(fires, rates.fade(i, now - lax.stop_gradient(root)), i)
    # An infinite refractory time must not meet the tangent of `now`: inf is chosen, not added to.
    forever = jnp.isinf(membrane.refractory)
    rest = now + jnp.where(forever, 0.0, membrane.refractory)
    return Leg(
        jnp.where(fires, restart, u),
        i,
        now,
        jnp.where(fires, jnp.where(forever, jnp.inf, rest), leg.wake),
        fires | (leg.resting & ~wakes),
        last,
    ), spikes


def _spike(
    parts: Parts, membrane: Membrane, fires: Bool[Array, "batch size"], root: Lanes, u: Lanes, i: Lanes
) -> tuple[Emitted, Lanes, Lanes]:
    """Spikes with (u, I) at their times, which are known; the times that others meet; and u after them."""
    slope = lax.stop_gradient(jnp.where(fires, (i - u) * membrane.rates.mem, 1.0))
    slope = jnp.maximum(slope, 1.0 / parts.max_inverse_slope)
    gap = jnp.where(fires, u - membrane.theta, 0.0)
    now = exact_root(lambda s: gap + slope * (s - root), root)
    offset, rho = jnp.where(fires, now, jnp.inf), jnp.broadcast_to(membrane.rho, u.shape)
    if parts.scale == 0:
        return Emitted(offset), now, rho
    held = lax.stop_gradient(now)
    onward = held + parts.timing * (now - held)
    worth = parts.scale / lax.stop_gradient(membrane.theta) * (gap - lax.stop_gradient(gap))
    restart = rho + worth * lax.stop_gradient(_interrupted(parts, membrane, i))
    return Emitted(offset, jnp.where(fires, onward, jnp.inf), 1.0 + worth), onward, restart


def _interrupted(parts: Parts, membrane: Membrane, i: Lanes) -> Lanes:
    """What reset and refractory time do to the potential at the restart, as far as they count; I = i at the spike."""
    hold, rho = membrane.refractory, membrane.rho
    hold = jnp.where(jnp.isinf(hold), 0.0, hold)
    gone, kernel = (
        membrane.rates.values(jnp.ones_like(i), jnp.zeros_like(i), jnp.broadcast_to(hold, i.shape))[0],
        (membrane.rates.values(jnp.zeros_like(i), jnp.ones_like(i), jnp.broadcast_to(hold, i.shape))[0]),
    )
    return parts.reset * (rho - membrane.theta) * gone + parts.refractory * (rho * (1.0 - gone) - i * kernel)
