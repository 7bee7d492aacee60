"""One step of a population that is linear between events, in closed form.

A search finds the spikes and the state at the step's end: that is the simulation. Its derivative does not look at how
the search went. Given the order of events and spikes, u at each spike and at the step's end is a sum over what came
before, and the rule below differentiates that sum, at the times that were found. Nothing depends on the length of the
step. Times are offsets from its start, so that nothing is lost to rounding late in a simulation in float32.
"""

from functools import partial
from typing import Any, NamedTuple

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


Packed = tuple[Float[Array, "numbers batch size"], Int[Array, "counts batch size"]]


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
    valued = parts.scale > 0
    rule = partial(_tangent, parts, max_spikes)
    numbers, counts = ruled(partial(_walk, max_spikes, valued), rule, way)
    numbers, counts = checkpoint_name(numbers, KEPT), checkpoint_name(counts, KEPT)
    found, spikes = _unpacked(numbers, counts, max_spikes)
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


def _walk(max_spikes: int, valued: bool, way: Way) -> Packed:
    found = find_spikes(way, max_spikes)
    times = found.times
    spikes = Emitted(times, times, jnp.ones_like(times)) if valued else Emitted(times)
    return _packed(found.u, found.i, spikes), jnp.concatenate([found.taken, found.lost[None]])


def _packed(u: Lanes, i: Lanes, spikes: Emitted) -> Float[Array, "numbers batch size"]:
    """The state at the end and the spikes as one array: what reverse mode keeps costs by the array to compile."""
    return jnp.concatenate([u[None], i[None], *(part for part in spikes if part is not None)])


def _unpacked(
    numbers: Float[Array, "numbers batch size"], counts: Int[Array, "counts batch size"], max_spikes: int
) -> tuple[Found, Emitted]:
    """What `_walk` packed."""
    offset = numbers[2 : 2 + max_spikes]
    more = numbers[2 + max_spikes :]
    spikes = Emitted(offset, more[:max_spikes], more[max_spikes:]) if len(more) else Emitted(offset)
    return Found(numbers[0], numbers[1], offset, counts[:-1], counts[-1]), spikes


def _tangent(parts: Parts, max_spikes: int, args: tuple[Way], result: Packed, tangents: tuple[Way]) -> Any:
    """The derivative at the spikes that were found."""
    (way,), (moves,) = args, tangents
    numbers, counts = (checkpoint_name(part, KEPT) for part in result)
    found, _ = _unpacked(numbers, counts, max_spikes)
    start, there = (way, found) if parts.scale == 0 else first_order((way, found), SECOND)
    u, i, spikes = active_jvp(through(start, there, parts), start, moves)
    return _packed(u, i, spikes), still(counts)
