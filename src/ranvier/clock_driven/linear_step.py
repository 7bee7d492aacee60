"""One step of a population that is linear between events, in closed form.

A search finds the spikes and the state at the step's end: that is the simulation. Its derivative does not look at how
the search went. Given the order of events and spikes, u at each spike and at the step's end is a sum over what came
before, and the rule below differentiates that sum, at the times that were found. Nothing depends on the length of the
step. Times are offsets from its start, so that nothing is lost to rounding late in a simulation in float32.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from ranvier._ruled import active_jvp, first_order, ruled, still
from ranvier.checkpoints import KEPT
from ranvier.clock_driven.flow import Rates, flow
from ranvier.clock_driven.legs import through
from ranvier.clock_driven.spike_search import Events, Found, Lanes, Membrane, Way, find_spikes
from ranvier.clock_driven.timing import Emitted
from ranvier.gradients import ExactDerivative, Parts

EXACT = ExactDerivative().parts()
SECOND = (
    "ClockDriven: a second derivative of a spike's value, which is an estimate and no function's derivative; take "
    "gradient=ExactDerivative(), whose second derivatives are exact."
)


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
    way = Way(membrane, state.u, state.i, wake, state.resting, end, arrivals, weights)
    result = ruled(partial(_walk, max_spikes, parts), partial(_tangent, parts), way)
    found, spikes = jax.tree.map(lambda leaf: checkpoint_name(leaf, KEPT), result)
    last, fired = spikes.sent[0], jnp.isfinite(found.times[0])
    for at in range(1, max_spikes):
        last = jnp.where(jnp.isfinite(found.times[at]), spikes.sent[at], last)
    # An infinite refractory time must not meet the tangent of a spike: inf is chosen, not added to.
    forever = jnp.isinf(membrane.refractory)
    rest = jnp.where(fired, last, 0.0) + jnp.where(forever, 0.0, membrane.refractory)
    rest = jnp.where(forever, jnp.inf, rest)
    resting = jnp.where(fired, rest > end, state.resting & (wake > end))
    wake_step, wake = jnp.where(fired, step, state.wake_step), jnp.where(fired, rest, state.wake)
    return LinearState(found.u, found.i, wake_step, wake, resting), spikes, found.lost


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
    _, fading, kernel = flow(passed, rates.mem[None], rates.syn[None])
    later = rates.after(state.u, state.i, jnp.broadcast_to(h, state.u.shape))
    u, i = later[0] + jnp.sum(weight * kernel, axis=0), later[1] + jnp.sum(weight * fading, axis=0)
    return state._replace(u=u, i=i)


def _walk(max_spikes: int, parts: Parts, way: Way) -> tuple[Found, Emitted]:
    found = find_spikes(way, max_spikes)
    valued = parts.scale > 0
    return found, Emitted(found.times, found.times, jnp.ones_like(found.times)) if valued else Emitted(found.times)


def _tangent(
    parts: Parts, args: tuple[Way], result: tuple[Found, Emitted], tangents: tuple[Way]
) -> tuple[Found, Emitted]:
    """The derivative at the spikes that were found."""
    (way,), (moves,) = args, tangents
    found = jax.tree.map(lambda leaf: checkpoint_name(leaf, KEPT), result[0])

    def tangent() -> tuple[Lanes, Lanes, Emitted]:
        start, there = (way, found) if parts.scale == 0 else first_order((way, found), SECOND)
        return active_jvp(through(start, there, parts), start, moves)

    # Its coefficients are computed in the backward pass, from what entered the step.
    u, i, spikes = jax.checkpoint(tangent, prevent_cse=False)()
    counts: Any = still(found.taken), still(found.lost)
    return Found(u, i, spikes.offset, *counts), spikes
