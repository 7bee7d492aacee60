"""The JAX-facing primitive: one function with a hand-written adjoint, computed by the engine.

`event_driven(plan, call)` takes the numbers of a call and gives spike times, units, potentials and counters. Its
gradient with respect to weights, delays, theta, rho, refractory times, time constants, input times and starts is what
`ranvier.gradients` says.
A perturbed number whose derivative it cannot give raises: a derivative is never silently zero.
"""

from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ranvier.event_driven import library
from ranvier.event_driven.call import Call, Forward, arrays, cut, cut_rows, cut_wide, forward_shapes
from ranvier.event_driven.derivatives import first_order
from ranvier.event_driven.plan import Plan

DIFFERENTIABLE = ("weights", "delays", "theta", "rho", "refractory", "tau_mem", "tau_syn", "times", "start", "current")


RECORDS = (
    "EventDriven: the gradient with respect to `record` times is not available; pass them through "
    "jax.lax.stop_gradient, or take the gradient with respect to other arguments only."
)


VALUES = (
    "EventDriven: the value of a spike does not pass from piece to piece: pass `start` through jax.lax.stop_gradient, "
    "so that each piece is differentiated alone, or take gradient=ExactDerivative()."
)


class Result(NamedTuple):
    """What one call gives.

    `times`, `units` (batch, places) per population of neurons, and `presence` if the gradient has the value of spikes
    in it; `voltages` (batch, rows, size) per recorded one, see `Plan.rows`; counters (batch, populations), `events` and
    `exact` (batch,) and one `status`; if wanted, `currents` (batch, size) at the end, and `since`, times (batch,
    places) of all spikes from there, those from before t = 0 in front; these have no derivative.
    """

    times: tuple[Any, ...]
    presence: tuple[Any, ...]
    units: tuple[Any, ...]
    voltages: tuple[Any, ...]
    silent: Any
    guarded: Any
    dropped: Any
    in_flight: Any
    spikes: Any
    events: Any
    exact: Any
    status: Any
    currents: tuple[Any, ...]
    since: tuple[Any, ...]


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def event_driven(plan: Plan, call: Call) -> Result:
    """Simulate one batch of input spikes; see the module."""
    return _forward(plan, call)[0]


def _forward(plan: Plan, call: Call) -> tuple[Result, tuple[Array, ...], Forward]:
    """The result, and what the backward pass needs: the arrays of the call, and those of the engine."""
    given = arrays(plan, call)
    shapes = forward_shapes(plan, call.times[0].shape[0])
    found = Forward(*first_order(lambda *these: library.run(plan, shapes, these, backward=False))(*given))
    neurons = plan.sizes[plan.inputs :]
    rooms = [(room,) for room in plan.capacities[plan.inputs :]]
    recorded = [(count, size) for count, size in zip(plan.rows, neurons, strict=True) if count]
    old = plan.given[plan.inputs :]  # what was there before stands in front
    before = jnp.asarray((0,) * plan.inputs + old, jnp.int32)[None]
    new = lambda flat: tuple(part[:, start:] for part, start in zip(cut_rows(flat, rooms), old, strict=True))
    times = new(found.times)
    presence = tuple(jnp.isfinite(time).astype(time.dtype) for time in times) if plan.valued else ()
    result = Result(
        times, presence, new(found.units), cut_rows(found.voltages, recorded), found.silent, found.guarded,
        found.dropped, found.in_flight, jnp.maximum(found.spikes - before, 0), found.events, found.exact,
        found.status, cut_rows(found.current, [(size,) for size in neurons]) if plan.ending else (),
        cut_rows(found.since, rooms) if plan.ending else (),
    )  # fmt: skip
    return result, given, found


class Kept(eqx.Module):
    """What the backward pass needs: the arrays of the call, the spikes as the engine keeps them, the shapes of the
    call, and whether the gradients of time constants, of input times and of starts are wanted."""

    given: tuple[Array, ...]
    spikes: tuple[Array, ...]
    shapes: Call = eqx.field(static=True)
    taus: bool = eqx.field(static=True)
    timed: bool = eqx.field(static=True)
    begun: bool = eqx.field(static=True)


def _forward_rule(plan: Plan, call: Call) -> tuple[Result, Kept]:
    """Forward pass under differentiation: refuses what has no derivative here."""
    for field, group in zip(Call._fields, call, strict=True):
        for leaf in jax.tree.leaves(group, is_leaf=lambda leaf: hasattr(leaf, "perturbed")):
            if leaf.perturbed and field not in DIFFERENTIABLE:
                raise ValueError(RECORDS)
    if plan.valued and plan.started and any(leaf.perturbed for leaf in call.times[plan.inputs :]):
        raise ValueError(VALUES)
    values = jax.tree.map(lambda leaf: leaf.value, call, is_leaf=lambda leaf: hasattr(leaf, "perturbed"))
    result, given, found = _forward(plan, values)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), values)
    spikes = (found.window, found.offset, found.units, found.slope, found.restart, found.spikes, found.peak_window,
              found.peak)  # fmt: skip
    groups = call.tau_mem + call.tau_syn, call.times, call.start + call.current
    taus, timed, begun = (any(leaf.perturbed for leaf in group) for group in groups)
    return result, Kept(given, spikes, shapes, taus, timed, begun)


def _backward_rule(plan: Plan, kept: Kept, cotangent: Result) -> tuple[Call]:
    """Backward pass: sums over the batch for all but input times and starts, which are left out unless wanted."""
    call, real = kept.shapes, jnp.dtype(plan.dtype)
    batch, places = call.times[0].shape[0], sum(part.shape[1] for part in call.times)

    def joined(parts: tuple[Any, ...]) -> Array:
        zero = jax.custom_derivatives.SymbolicZero
        filled = (jnp.zeros(part.shape, real) if isinstance(part, zero) else part for part in parts)
        return jnp.concatenate([jnp.zeros((batch, 0), real), *(part.reshape(batch, -1) for part in filled)], axis=1)

    def late(parts: tuple[Any, ...]) -> Array:
        return jnp.concatenate([
            jnp.pad(joined((part,)), ((0, 0), (start, 0)))
            for part, start in zip(parts, plan.given[plan.inputs :], strict=True)
        ], axis=1) if parts else joined(())  # fmt: skip

    seeds = late(cotangent.times), joined(cotangent.voltages), joined(cotangent.currents), late(cotangent.presence)
    neurons = (sum(plan.sizes[plan.inputs :]),)
    taus, early = neurons if kept.taus else (0,), (batch, places if kept.timed else 0)
    begun = (batch, 2 * neurons[0] if kept.begun else 0)
    flat = [kept.given[0].shape, kept.given[1].shape, neurons, neurons, neurons, taus, taus, early, begun]
    shapes = [jax.ShapeDtypeStruct(shape, real) for shape in flat]
    call_engine = first_order(lambda *these: library.run(plan, shapes, these, backward=True))
    found = call_engine(*kept.given, *kept.spikes, *seeds)
    fields = DIFFERENTIABLE[:5]
    gradients = {field: cut(part, getattr(call, field)) for field, part in zip(fields, found, strict=False)}
    if kept.taus:
        gradients |= {
            field: cut_wide(plan, found[at], getattr(call, field)) for at, field in ((5, "tau_mem"), (6, "tau_syn"))
        }
    if kept.timed:
        gradients["times"] = cut_rows(found[7], [part.shape[1:] for part in call.times])
    if kept.begun:
        found = cut_rows(found[8], [part.shape[1:] for part in call.start + call.current])
        gradients |= {"start": found[: len(call.start)], "current": found[len(call.start) :]}
    nothing = {field: jax.tree.map(_no_gradient, getattr(call, field)) for field in Call._fields}
    return (Call(**(nothing | gradients)),)


def _no_gradient(leaf: jax.ShapeDtypeStruct) -> Array | np.ndarray:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.zeros(leaf.shape, leaf.dtype) if floating else np.zeros(leaf.shape, jax.dtypes.float0)


event_driven.defvjp(_forward_rule, _backward_rule, symbolic_zeros=True)
