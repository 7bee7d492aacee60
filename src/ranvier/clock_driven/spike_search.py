"""When linear neurons spike within a step: values only, without derivatives.

Each neuron walks through the step from event to event, in closed form, until it has reached the end. The walk ends with
the last neuron's last piece, so most steps take three pieces, and what it finds is then differentiated as a whole.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.flow import Rates, first_crossing

Lanes = Float[Array, "batch size"]
Events = Float[Array, "events batch size"]


class Membrane(NamedTuple):
    """Parameters of each neuron; potentials are relative to rest, v_leak + bias. `height`: v_threshold - v_leak."""

    rates: Rates
    theta: Float[Array, "1 size"]
    rho: Float[Array, "1 size"]
    refractory: Float[Array, "1 size"]
    height: Float[Array, "1 size"]


class Way(NamedTuple):
    """Neurons at the start of a step, how far they go (ms), and the events of the step.

    Args:
        membrane: The neurons.
        u: Potential above rest.
        i: Synaptic current.
        wake: End of the refractory time (ms), for those that rest.
        resting: Neurons that rest.
        end: How far to go (ms).
        arrivals: Offsets of the events (ms), ascending for each neuron, inf for none.
        weights: Weight of each event.
    """

    membrane: Membrane
    u: Lanes
    i: Lanes
    wake: Lanes
    resting: Bool[Array, "batch size"]
    end: Lanes
    arrivals: Events
    weights: Events


class Found(NamedTuple):
    """What a search found.

    Args:
        u: Potential above rest at the end.
        i: Synaptic current there.
        times: Offsets of the spikes (ms), ascending, inf for none.
        taken: Events that came before each of them.
        lost: Spikes that did not fit, and neurons that did not reach the end.
    """

    u: Lanes
    i: Lanes
    times: Float[Array, "spikes batch size"]
    taken: Int[Array, "spikes batch size"]
    lost: Int[Array, "batch size"]


class Walk(NamedTuple):
    """Each neuron on its way through the step: its state, the offset it has reached, its next event, its spikes."""

    u: Lanes
    i: Lanes
    now: Lanes
    wake: Lanes
    resting: Bool[Array, "batch size"]
    next: Int[Array, "batch size"]
    fired: Int[Array, "batch size"]
    times: Float[Array, "spikes batch size"]
    taken: Int[Array, "spikes batch size"]


def find_spikes(way: Way, max_spikes: int) -> Found:
    """Follow neurons for the length of a step; nothing of it is differentiated.

    Args:
        way: The neurons, and what happens to them.
        max_spikes: Room for spikes of one neuron.
    """
    membrane, u, i, wake, resting, end, arrivals, weights = lax.stop_gradient(way)
    _, batch, size = arrivals.shape
    times = jnp.concatenate([arrivals, jnp.full((1, batch, size), jnp.inf, u.dtype)])
    jumps = jnp.concatenate([weights, jnp.zeros((1, batch, size), u.dtype)])
    zero = jnp.zeros((batch, size), jnp.int32)
    room = (max_spikes, batch, size)
    start = Walk(u, i, jnp.zeros_like(u), wake, resting, zero, zero,
                 jnp.full(room, jnp.inf, u.dtype), jnp.zeros(room, jnp.int32))  # fmt: skip
    pieces = len(times) + 2 * max_spikes + 1
    unfinished = lambda walk: (walk.now < end) | (_own(times, walk.next) <= end)
    going = lambda carry: (carry[1] < pieces) & jnp.any(unfinished(carry[0]))
    piece = lambda carry: (_piece(membrane, times, jumps, end, carry[0]), carry[1] + 1)
    walk, _ = lax.while_loop(going, piece, (start, jnp.zeros((), jnp.int32)))
    lost = jnp.maximum(walk.fired - max_spikes, 0) + unfinished(walk).astype(jnp.int32)
    return Found(walk.u, walk.i, walk.times, walk.taken, lost)


def _own(rows: Events, index: Int[Array, "batch size"]) -> Lanes:
    """Each neuron's entry; rows are few, and reading all is quicker than a gather."""
    places = jnp.arange(len(rows), dtype=jnp.int32)[:, None, None]
    return jnp.sum(jnp.where(places == index[None], rows, 0.0), axis=0)


def _piece(membrane: Membrane, times: Events, jumps: Events, end: Lanes, walk: Walk) -> Walk:
    """Take each neuron to its next arrival, the end of its refractory time, its spike, or the end."""
    due = _own(times, walk.next)
    awake = ~walk.resting
    stop = jnp.minimum(due, end)
    wakes = walk.resting & (walk.wake <= stop)
    target = jnp.where(wakes, walk.wake, stop)
    span = target - walk.now
    later = membrane.rates.after(walk.u, walk.i, span)
    crosses, root = first_crossing(membrane.rates, (walk.u, walk.i), later, membrane.theta, span, awake)
    now = jnp.where(crosses, walk.now + root, target)
    u = jnp.where(crosses, membrane.rho, jnp.where(awake, later[0], walk.u))
    i = jnp.where(crosses, walk.i * jnp.exp(-root * membrane.rates.syn), later[1])
    arrives = ~crosses & ~wakes & (due <= target)
    place = jnp.arange(len(walk.times), dtype=jnp.int32)[:, None, None]
    here = (place == walk.fired[None]) & crosses[None]
    return Walk(
        u,
        i + jnp.where(arrives, _own(jumps, walk.next), 0.0),
        now,
        jnp.where(crosses, now + membrane.refractory, walk.wake),
        crosses | (walk.resting & ~wakes),
        walk.next + arrives.astype(jnp.int32),
        walk.fired + crosses.astype(jnp.int32),
        jnp.where(here, now[None], walk.times),
        jnp.where(here, walk.next[None], walk.taken),
    )
