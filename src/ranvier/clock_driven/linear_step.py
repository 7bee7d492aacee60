"""One step of a population that is linear between events, in closed form.

Each neuron cuts the step into pieces at its own arrivals, its spikes and the ends of its refractory times, and takes
each piece as a whole. Nothing depends on the length of the step. Times are offsets from its start, so that nothing is
lost to rounding late in a simulation in float32.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.flow import Rates, first_crossing

TOGETHER = 3
"""Pieces taken between two looks at whether any neuron needs more: two events and the rest are the usual step."""

Lanes = Float[Array, "batch size"]
Events = Float[Array, "events batch size"]


class Membrane(NamedTuple):
    """Parameters of each neuron; potentials are relative to v_leak."""

    rates: Rates
    theta: Float[Array, "1 size"]
    rho: Float[Array, "1 size"]
    refractory: Float[Array, "1 size"]


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


class Walk(NamedTuple):
    """Each neuron on its way through the step: its state, the offset it has reached, its next event, its spikes."""

    u: Lanes
    i: Lanes
    now: Lanes
    wake: Lanes
    resting: Bool[Array, "batch size"]
    next: Int[Array, "batch size"]
    fired: Int[Array, "batch size"]
    spikes: Float[Array, "spikes batch size"]


def linear_step(
    membrane: Membrane,
    state: LinearState,
    step: Int[Array, ""],
    dt: Float[Array, ""],
    h: Float[Array, "batch 1"],
    arrivals: Events,
    weights: Events,
    max_spikes: int,
) -> tuple[LinearState, Float[Array, "spikes batch size"], Int[Array, "batch size"]]:
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

    Returns:
        The population at the end, the offsets of its spikes, ascending, inf for none; and what did not fit.
    """
    _, batch, size = arrivals.shape
    never, nothing = jnp.full((1, batch, size), jnp.inf, arrivals.dtype), jnp.zeros((1, batch, size), arrivals.dtype)
    times, jumps = jnp.concatenate([arrivals, never]), jnp.concatenate([weights, nothing])
    end = jnp.broadcast_to(h, (batch, size))
    zero = jnp.zeros((batch, size), jnp.int32)
    wake = (state.wake_step - step).astype(dt.dtype) * dt + state.wake
    spikes = jnp.broadcast_to(never, (max_spikes, batch, size))
    walk = Walk(state.u, state.i, jnp.zeros_like(state.u), wake, state.resting, zero, zero, spikes)
    unfinished = lambda walk: (walk.now < end) | (_own(times, walk.next) <= end)
    piece = lambda walk, _: (_piece(membrane, times, jumps, end, walk), None)
    pieces = jax.checkpoint(lambda walk: lax.scan(piece, walk, length=TOGETHER)[0])

    def advance(walk: Walk, _: None) -> tuple[Walk, None]:
        return lax.cond(jnp.any(unfinished(walk)), pieces, lambda walk: walk, walk), None

    walk, _ = lax.scan(advance, walk, length=-(-(len(times) + 2 * max_spikes + 1) // TOGETHER))
    fired = walk.fired > 0
    wake_step, wake = jnp.where(fired, step, state.wake_step), jnp.where(fired, walk.wake, state.wake)
    after = LinearState(walk.u, walk.i, wake_step, wake, walk.resting)
    lost = jnp.maximum(walk.fired - max_spikes, 0) + unfinished(walk).astype(jnp.int32)
    return after, walk.spikes, lost


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


def _own(rows: Events, index: Int[Array, "batch size"]) -> Lanes:
    """Each neuron's entry; rows are few, and reading all is quicker than a gather."""
    places = jnp.arange(len(rows), dtype=jnp.int32)[:, None, None]
    return jnp.sum(jnp.where(places == index[None], rows, 0.0), axis=0)


def _piece(membrane: Membrane, times: Events, jumps: Events, end: Lanes, walk: Walk) -> Walk:
    """Take each neuron to its next arrival, the end of its refractory time, its spike, or the end."""
    due = _own(times, walk.next)
    awake = ~walk.resting
    stop = jnp.minimum(due, end)
    wakes = walk.resting & (walk.wake <= stop)  # a piece of its own, even of length 0: time may be differentiated
    target = jnp.where(wakes, walk.wake, stop)
    span = target - walk.now
    crosses, root = first_crossing(membrane.rates, walk.u, walk.i, membrane.theta, span, awake)
    passed = jnp.where(crosses, root, span)
    u, i = membrane.rates.flow(walk.u, walk.i, passed)
    u = jnp.where(crosses, membrane.rho, jnp.where(awake, u, walk.u))
    now = jnp.where(crosses, walk.now + root, target)
    arrives = ~crosses & ~wakes & (due <= target)
    i = i + jnp.where(arrives, _own(jumps, walk.next), 0.0)
    # An infinite refractory time must not meet the tangent of `now`: inf is chosen, not added to.
    forever = jnp.isinf(membrane.refractory)
    rest = now + jnp.where(forever, 0.0, membrane.refractory)
    wake = jnp.where(crosses, jnp.where(forever, jnp.inf, rest), walk.wake)
    places = jnp.arange(len(walk.spikes), dtype=jnp.int32)[:, None, None]
    spikes = jnp.where((places == walk.fired[None]) & crosses[None], now[None], walk.spikes)
    resting = crosses | (walk.resting & ~wakes)
    index, fired = walk.next + arrives.astype(jnp.int32), walk.fired + crosses.astype(jnp.int32)
    return Walk(u, i, now, wake, resting, index, fired, spikes)
