"""The JAX-facing primitive: one function with a hand-written adjoint, computed on the host.

`event_driven(plan, call)` takes the numbers of a call and gives spike times, units, potentials and counters. Its
gradient with respect to weights, delays, theta, rho, refractory times and input times is what `ranvier.gradients` says.
A perturbed number whose derivative it cannot give raises: a derivative is never silently zero.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ranvier._callbacks import interrupt_outside
from ranvier.event_driven import packing, tables
from ranvier.event_driven.derivatives import first_order
from ranvier.event_driven.host import backward_call, forward_call
from ranvier.event_driven.plan import Plan
from ranvier.event_driven.tables import Call, trains_layout

DIFFERENTIABLE = ("weights", "delays", "theta", "rho", "refractory", "times")


class Result(NamedTuple):
    """What one call gives, as JAX arrays here and as NumPy arrays on the host.

    `times`, `units` (batch, places) per population of neurons, and `presence` if the gradient has the value of spikes
    in it; `voltages` (batch, times, size) per recorded one; counters (batch, populations), `exact` (batch,) and one
    `status`.
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
    exact: Any
    status: Any


class Packed(NamedTuple):
    """A tree of arrays as two; see `packing`."""

    real: Any
    whole: Any


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def event_driven(plan: Plan, call: Call) -> Result:
    """Simulate one batch of input spikes; see the module."""
    return _forward(plan, call)[0]


def _with_presence(plan: Plan, result: Result) -> Result:
    """1 for each spike, 0 for each free place, where their gradient is wanted."""
    times = result.times if plan.valued else ()
    return result._replace(presence=tuple(jnp.isfinite(time).astype(time.dtype) for time in times))


def _forward(plan: Plan, call: Call) -> tuple[Result, Packed, Packed]:
    """The result, and what the backward pass needs: the call and the spikes."""
    batch, count = call.times[0].shape[0], len(plan.populations)
    real, whole = jnp.dtype(plan.dtype), jnp.dtype(jnp.int32)
    cut, recorded = _cuts(plan)

    def shaped(shape: tuple[int, ...], dtype: Any) -> Any:
        return jax.ShapeDtypeStruct((batch, *shape), dtype)

    rooms = [plan.capacities[p] for p, _ in cut]
    counts: Any = shaped((count,), whole)
    result = Result(
        tuple(shaped((room,), real) for room in rooms),
        (),
        tuple(shaped((room,), whole) for room in rooms),
        tuple(shaped((plan.records[p], plan.sizes[p + plan.inputs]), real) for p, _ in recorded),
        silent=counts, guarded=counts, dropped=counts, in_flight=counts, spikes=counts,
        exact=shaped((), whole), status=jax.ShapeDtypeStruct((), whole),
    )  # fmt: skip
    spikes, numbers = trains_layout(plan, batch), packing.layout(call)
    trains = Packed(jax.ShapeDtypeStruct((spikes.real,), real), jax.ShapeDtypeStruct((spikes.whole,), whole))
    given, kinds = Packed(*packing.pack(call, real)), (result, trains)

    def host(*arrays: Any) -> tuple[Result, Packed]:
        return _over_vmap(lambda one: _host_forward(plan, packing.unpack(numbers, *one)), kinds, arrays)

    call_host = lambda *arrays: jax.pure_callback(host, kinds, *arrays, vmap_method="expand_dims")
    result, trains = first_order(call_host)(*given)
    return _with_presence(plan, result), trains, given


def _cuts(plan: Plan) -> tuple[list[tuple[int, slice]], list[tuple[int, slice]]]:
    """Where each population of neurons has its spikes, and each recorded one its potentials, in the flat arrays."""
    start = plan.starts(plan.capacities[plan.inputs :])
    cut = [(p + plan.inputs, slice(start[p], start[p + 1])) for p in range(len(plan.records))]
    values = plan.starts(n * size for n, size in zip(plan.records, plan.sizes[plan.inputs :], strict=True))
    recorded = [(p, slice(values[p], values[p + 1])) for p, times in enumerate(plan.records) if times]
    return cut, recorded


def _host_forward(plan: Plan, call: Call) -> tuple[Result, Packed]:
    trains, kept = tables.empty_trains(plan, call.times[0].shape[0])
    output, status = forward_call(plan, call, trains)
    cut, recorded = _cuts(plan)
    result = Result(
        tuple(output.time[:, part] for _, part in cut),
        (),
        tuple(output.unit[:, part] for _, part in cut),
        tuple(
            output.voltage[:, part].reshape(-1, plan.records[p], plan.sizes[p + plan.inputs]) for p, part in recorded
        ),
        output.silent, output.guarded, output.dropped, output.in_flight, trains.total, output.exact, np.int32(status),
    )  # fmt: skip
    return result, Packed(*kept)


def _over_vmap(function: Any, kinds: Any, given: tuple[Any, ...]) -> Any:
    """Call `function` once for every element of the axes that `vmap` put in front of the (flat) arguments.

    `kinds` says what it returns. A Ctrl-C meanwhile is a KeyboardInterrupt where the program was called; what is
    returned then means nothing.
    """
    arrays = [np.asarray(array) for array in given]
    try:
        return _each(function, arrays)
    except KeyboardInterrupt:
        interrupt_outside()
    lead = np.broadcast_shapes(*(array.shape[:-1] for array in arrays))
    return jax.tree.map(lambda kind: np.zeros((*lead, *kind.shape), kind.dtype), kinds)


def _each(function: Any, arrays: list[np.ndarray]) -> Any:
    if arrays[0].ndim == 1:
        return function(arrays)
    lead = np.broadcast_shapes(*(array.shape[:-1] for array in arrays))
    whole = [np.broadcast_to(array, (*lead, array.shape[-1])).reshape(-1, array.shape[-1]) for array in arrays]
    for array in whole:
        array.flags.writeable = False  # as they are without `vmap`: kernels are compiled for that
    results = [function([array[at] for array in whole]) for at in range(math.prod(lead))]
    return jax.tree.map(lambda *parts: np.stack(parts).reshape(lead + np.shape(parts[0])), *results)


class Kept(eqx.Module):
    """What the backward pass needs: the call, packed, the spikes, the call's shapes, and whether the gradient of input
    times is wanted."""

    given: Packed
    trains: Packed
    shapes: Call = eqx.field(static=True)
    timed: bool = eqx.field(static=True)


def _forward_rule(plan: Plan, call: Call) -> tuple[Result, Kept]:
    """Forward pass under differentiation: refuses what has no derivative here."""
    for field, group in zip(Call._fields, call, strict=True):
        for place, leaf in enumerate(group):
            if leaf.perturbed and field not in DIFFERENTIABLE:
                raise ValueError(_refusal(plan, field, place))
    values = jax.tree.map(lambda leaf: leaf.value, call, is_leaf=lambda leaf: hasattr(leaf, "perturbed"))
    result, trains, given = _forward(plan, values)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), values)
    return result, Kept(given, trains, shapes, any(leaf.perturbed for leaf in call.times))


def _refusal(plan: Plan, field: str, place: int) -> str:
    if field == "records":
        return (
            "EventDriven: the gradient with respect to `record` times is not available; pass them through "
            "jax.lax.stop_gradient, or take the gradient with respect to other arguments only."
        )
    owner = plan.populations[plan.inputs + place]
    return (
        f"EventDriven: the gradient with respect to `{field}` of population {owner!r} is not available. Differentiate "
        'only what you train: learn, fixed = rv.partition(network, "weight", "delay"), then combine inside the loss.'
    )


def _backward_rule(plan: Plan, kept: Kept, cotangent: Result) -> tuple[Call]:
    """Backward pass: sums over the batch for everything but the input times, which are left out unless wanted."""
    call, timed = kept.shapes, kept.timed
    zero = jax.custom_derivatives.SymbolicZero
    batch, real = call.times[0].shape[0], jnp.dtype(plan.dtype)

    def joined(parts: tuple[Any, ...]) -> Array:
        filled = (jnp.zeros(part.shape, real) if isinstance(part, zero) else part for part in parts)
        return jnp.concatenate([jnp.zeros((batch, 0), real), *(part.reshape(batch, -1) for part in filled)], axis=1)

    seeds = joined(cotangent.times), joined(cotangent.voltages), joined(cotangent.presence)
    fields = DIFFERENTIABLE if timed else DIFFERENTIABLE[:-1]
    groups = tuple(getattr(call, field) for field in fields)
    found_shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, real), groups)
    layouts = (packing.layout(call), trains_layout(plan, batch), packing.layout(seeds))

    def host(*given: Any) -> Any:
        return _over_vmap(lambda one: _host_backward(plan, layouts, timed, one), found_shapes, given)

    packed = (*kept.given, *kept.trains, packing.pack(seeds, real)[0])
    call_host = lambda *arrays: jax.pure_callback(host, found_shapes, *arrays, vmap_method="expand_dims")
    found = first_order(call_host)(*packed)
    gradients = dict(zip(fields, found, strict=True))
    nothing = {field: tuple(_no_gradient(leaf) for leaf in getattr(call, field)) for field in Call._fields}
    return (Call(**(nothing | gradients)),)


def _host_backward(plan: Plan, layouts: tuple[packing.Layout, ...], timed: bool, given: list[np.ndarray]) -> Any:
    call, trains = packing.unpack(layouts[0], *given[:2]), packing.unpack(layouts[1], *given[2:4])
    direct, seed, presence = packing.unpack(layouts[2], given[4], given[4])
    return backward_call(plan, call, trains, direct, seed, presence, timed)


def _no_gradient(leaf: jax.ShapeDtypeStruct) -> Array | np.ndarray:
    floating = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jnp.zeros(leaf.shape, leaf.dtype) if floating else np.zeros(leaf.shape, jax.dtypes.float0)


event_driven.defvjp(_forward_rule, _backward_rule, symbolic_zeros=True)
