"""The state of linear neurons at their spikes and at a step's end as a function whose derivative is exact.

A leg is the way from the step's start, or from a spike, to the next spike, or to the end. For the first part of it a
neuron may rest (refractory): then events add to its current only. With the times at which legs begin to move and at
which they stop held fixed, the state at the end of a leg is a sum over its events,

    I = sum w e^{-s/tau_syn}        u = sum w kappa(s)        s from the event to that time

and a chain from leg to leg, in which a spike moves by `-du / u'` and all that follows moves with it. So events, most of
the work, are gone through once, however many spikes there are.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Bool, Float, Int

from ranvier._ruled import ruled, still
from ranvier.clock_driven.flow import flow
from ranvier.clock_driven.spike_search import Found, Lanes, Membrane, Way
from ranvier.clock_driven.timing import Emitted
from ranvier.gradients import Parts

Legs = Float[Array, "legs batch size"]


class Marks(NamedTuple):
    """Times between which a leg moves, and whether a spike ends it; the derivative takes them as given."""

    begin: Legs
    stop: Legs
    fires: Bool[Array, "legs batch size"]


class Sums(NamedTuple):
    """What the events of each leg make of the current where it begins to move, and of (u, I) where it stops."""

    before: Legs
    u: Legs
    i: Legs


def through(way: Way, found: Found, parts: Parts) -> Callable[[Way], tuple[Lanes, Lanes, Emitted]]:
    """A function of the way through a step that has the derivative of (u, I) at the end and of the spikes.

    Args:
        way: The way.
        found: What a search found on it.
        parts: How a spike is differentiated.

    Returns:
        The function, to be differentiated at this way.
    """
    marks = _marks(way, found)

    def smooth(way: Way) -> tuple[Lanes, Lanes, Emitted]:
        sums = _events(way, found, marks)
        u, i, now = way.u, way.i, jnp.zeros_like(way.u)
        moves = jnp.where(way.resting, jnp.where(way.wake <= marks.stop[0], way.wake, _stop(way, marks, 0)), 0.0)
        spikes = []
        for leg in range(len(marks.stop)):
            if leg > 0:
                wakes = jnp.isfinite(way.membrane.refractory) & marks.fires[leg - 1]
                rest = now + jnp.where(wakes, way.membrane.refractory, 0.0)
                moves = jnp.where(wakes & (rest <= marks.stop[leg]), rest, _stop(way, marks, leg))
            u, i = _leg(way, marks, sums, leg, (u, i, now, moves))
            if leg < len(found.times):
                one, u, i, now = _spike(way, marks, parts, leg, u, i)
                spikes.append(one)
        return u, i, jax.tree.map(lambda *each: jnp.stack(each), *spikes)

    return smooth


def _marks(way: Way, found: Found) -> Marks:
    fires = jnp.isfinite(found.times)
    fires = jnp.concatenate([fires, jnp.zeros((1, *fires.shape[1:]), bool)])
    times = jnp.concatenate([found.times, way.end[None]])
    stop = jnp.where(fires, times, way.end[None])
    first = jnp.where(way.resting, jnp.minimum(way.wake, stop[0]), 0.0)
    wakes = jnp.isfinite(way.membrane.refractory)[None] & fires[:-1]
    rest = stop[:-1] + jnp.where(wakes, way.membrane.refractory[None], 0.0)
    later = jnp.where(wakes, jnp.minimum(rest, stop[1:]), stop[1:])
    return Marks(jnp.concatenate([first[None], later]), stop, fires)


def _stop(way: Way, marks: Marks, leg: int) -> Lanes:
    """Where a leg stops: a spike is held, the end of the way is not."""
    return jnp.where(marks.fires[leg], marks.stop[leg], way.end)


def _events(way: Way, found: Found, marks: Marks) -> Sums:
    """Sums over the events of each leg."""
    count = len(marks.stop)
    there = way.arrivals <= way.end[None]
    arrivals, weights = jnp.where(there, way.arrivals, 0.0), jnp.where(there, way.weights, 0.0)
    place = jnp.arange(len(arrivals), dtype=jnp.int32)[:, None, None]
    leg = jnp.zeros(arrivals.shape, jnp.int32)
    for spike in range(count - 1):
        leg = leg + (marks.fires[spike][None] & (place >= found.taken[spike][None])).astype(jnp.int32)
    begin = _pick(leg, marks.begin)
    stop = jnp.where(_pick(leg, marks.fires), _pick(leg, marks.stop), way.end[None])
    before = arrivals < begin
    passed = jnp.where(there, jnp.where(before, begin, stop) - arrivals, 0.0)
    _, fading, kernel = flow(passed, way.membrane.rates.mem[None], way.membrane.rates.syn[None])
    i, u = weights * fading, jnp.where(before, 0.0, weights * kernel)
    of_leg = leg[None] == jnp.arange(count, dtype=jnp.int32)[:, None, None, None]
    total = lambda part, where: jnp.sum(jnp.where(where, part[None], 0.0), axis=1)
    return Sums(total(i, of_leg & before[None]), total(u, of_leg), total(i, of_leg & ~before[None]))


def _pick(leg: Int[Array, "events batch size"], values: Array) -> Array:
    """The value of each event's leg."""
    picked = values[:1]
    for at in range(1, len(values)):
        picked = jnp.where(leg == at, values[at][None], picked)
    return picked


def _leg(way: Way, marks: Marks, sums: Sums, leg: int, start: tuple[Lanes, ...]) -> tuple[Lanes, Lanes]:
    """(u, I) where a leg stops."""
    (u, i, now, moves), rates = start, way.membrane.rates
    begin = marks.begin[leg]
    i = i * jnp.exp(-(begin - now) * rates.syn) + sums.before[leg]
    i = i * (1.0 - rates.syn * (moves - begin))  # the difference is 0, and so is what is neglected
    u, i = rates.after(u, i, _stop(way, marks, leg) - moves)
    return u + sums.u[leg], i + sums.i[leg]


def _spike(way: Way, marks: Marks, parts: Parts, leg: int, u: Lanes, i: Lanes) -> tuple[Emitted, Lanes, Lanes, Lanes]:
    """The spike that ends a leg, (u, I) after it, and the time that others meet; no change, and the end, if none does.

    A spike's value (`ranvier.gradients`) is no function of the neuron's state: what it is multiplied by is held.
    """
    fires, stop, membrane = marks.fires[leg], marks.stop[leg], way.membrane
    gap = jnp.where(fires, u - membrane.theta, 0.0)
    slope = jnp.maximum(jnp.where(fires, (i - u) * membrane.rates.mem, 1.0), 1.0 / parts.max_inverse_slope)
    move = ruled(lambda gap, _: jnp.zeros_like(gap), _move, gap, slope)
    offset, rho = jnp.where(fires, stop + move, jnp.inf), jnp.broadcast_to(membrane.rho, u.shape)
    onward, spike = stop + move, Emitted(offset)
    if parts.scale > 0:
        move = parts.timing * move
        onward = stop + move
        worth = parts.scale / membrane.height * gap
        rho = rho + worth * lax.stop_gradient(_interrupted(parts, membrane, i))
        spike = Emitted(offset, jnp.where(fires, onward, jnp.inf), 1.0 + worth)
    i = i * (1.0 - jnp.where(fires, membrane.rates.syn * move, 0.0))
    return spike, jnp.where(fires, rho, u), i, jnp.where(fires, onward, way.end)


def _interrupted(parts: Parts, membrane: Membrane, i: Lanes) -> Lanes:
    """What reset and refractory time do to the potential at the restart, as far as they count; I = i at the spike."""
    rates, hold, rho = membrane.rates, membrane.refractory, membrane.rho
    gone, _, kernel = flow(jnp.where(jnp.isinf(hold), 0.0, hold), rates.mem, rates.syn)
    return parts.reset * (rho - membrane.theta) * gone + parts.refractory * (rho * (1.0 - gone) - i * kernel)


def _move(given: tuple[Lanes, Lanes], move: Lanes, tangents: tuple[Lanes, Lanes]) -> Any:
    """Of `-gap / slope`, which is 0 at a spike, so that only the gap counts."""
    del move
    return still(given[0]) if isinstance(tangents[0], SymbolicZero) else -tangents[0] / given[1]
