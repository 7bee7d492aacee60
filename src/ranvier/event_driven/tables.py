"""From the numbers of a call to the kernel's arrays, and from the kernel's sums to gradients."""

from functools import cache
from typing import Any, NamedTuple, cast

import jax
import numpy as np

from ranvier.event_driven import packing
from ranvier.event_driven.kernels.cpu import arrays, pull
from ranvier.event_driven.plan import Plan


class Call(NamedTuple):
    """The numbers of one call, as JAX arrays at first and as NumPy arrays on the host.

    Per connection, per population of neurons, per input, per recorded population; and what the rules say of them all, a
    key of `ranvier.status.STATUS` or 0.
    """

    weights: tuple[Any, ...]
    delays: tuple[Any, ...]
    theta: tuple[Any, ...]
    rho: tuple[Any, ...]
    refractory: tuple[Any, ...]
    tau_mem: tuple[Any, ...]
    tau_syn: tuple[Any, ...]
    times: tuple[Any, ...]
    units: tuple[Any, ...]
    records: tuple[Any, ...]
    status: tuple[Any, ...]


class Prepared(NamedTuple):
    """The kernel's arrays for one network: what does not depend on inputs and records."""

    wiring: arrays.Wiring
    synapses: arrays.Synapses
    membranes: arrays.Membranes
    clock: arrays.Clock


@cache
def lowest(plan: Plan) -> np.ndarray:
    """Lower bound of every connection's delays (ms)."""
    return np.array(plan.low)


def membranes(plan: Plan, call: Call) -> arrays.Membranes:
    """Constants of every neuron; time constants are to become rates, and the rest filled, by the kernel."""
    columns = (call.tau_mem, call.tau_syn, call.theta, call.rho, call.refractory)
    sizes = plan.sizes[plan.inputs :]
    room = np.empty((len(arrays.Membranes._fields), sum(sizes)))
    for row, column in zip((0, 1, 3, 4, 5), columns, strict=True):
        start = 0
        for part, size in zip(column, sizes, strict=True):
            room[row, start : start + size] = part
            start += size
    return arrays.Membranes(*room)


class Lengths(NamedTuple):
    """Of the kernel's arrays: weights, delays, weights whose events go to a ring, weights in transposed copies, weights
    with a sum of x_u."""

    weights: int
    delays: int
    scattered: int
    turned: int
    per_synapse: int


@cache
def lengths(plan: Plan) -> Lengths:
    """Lengths of a plan's arrays."""
    joined = wiring(plan)
    weights = int(joined.weight_start[-1])
    return Lengths(
        weights, int(joined.delay_start[-1]), weights * bool(np.any(joined.mode == arrays.SCATTER)),
        weights * bool(np.any(joined.mode != arrays.ROW)), weights * bool(np.any(joined.column_stride > 0)),
    )  # fmt: skip


def synapses(plan: Plan, weight: np.ndarray) -> arrays.Synapses:
    """Weights end to end, and room for what the kernel makes of them and of the delays."""
    real, (_, delays, scattered, turned, _) = weight.dtype, lengths(plan)
    whole, part = np.empty((2, delays), np.int32), np.zeros((3, delays), real)
    return arrays.Synapses(
        weight, whole[0], part[0], whole[1], part[1], part[2], np.zeros(scattered, real), np.zeros(scattered, real),
        np.empty(turned, np.int32), np.empty(2 * turned, real), np.zeros(len(plan.links), np.int64),
    )  # fmt: skip


def _mode(plan: Plan, c: int) -> int:
    _, columns = plan.delay_shapes[c]
    if plan.mixed[plan.post[c]]:
        return arrays.GENERAL
    return arrays.ROW if columns == 1 else arrays.SCATTER


@cache
def wiring(plan: Plan) -> arrays.Wiring:
    """Who is joined to whom."""
    links, count = range(len(plan.links)), len(plan.populations)
    mode = np.array([_mode(plan, c) for c in links], np.int64)
    rows, columns = np.array(plan.delay_shapes, np.int64).reshape(-1, 2).T
    incoming = [[c for c in links if plan.post[c] == p] for p in range(count)]
    outgoing = [[c for c in links if plan.pre[c] == p] for p in range(count)]
    ringed = [any(mode[c] in (arrays.SCATTER, arrays.GENERAL) for c in group) for group in incoming]
    listed = [plan.capacities[plan.pre[c]] if mode[c] == arrays.ROW else 0 for c in links]
    neurons = [0] * plan.inputs + list(plan.sizes[plan.inputs :])
    return arrays.Wiring(
        inputs=plan.inputs,
        size=np.array(plan.sizes, np.int64),
        neuron_start=plan.starts(neurons)[:-1],
        sender_start=plan.starts(plan.sizes)[:-1],
        spike_start=plan.starts(plan.capacities)[:-1],
        capacity=np.array(plan.capacities, np.int64),
        pre=np.array(plan.pre, np.int64),
        post=np.array(plan.post, np.int64),
        mode=mode,
        row_stride=np.where(rows > 1, columns, 0),
        column_stride=np.where(columns > 1, 1, 0),
        weight_start=plan.starts(plan.sizes[plan.pre[c]] * plan.sizes[plan.post[c]] for c in links),
        delay_start=plan.starts((rows * columns).tolist()),
        link_start=plan.starts(listed)[:-1],
        in_first=plan.starts(len(group) for group in incoming),
        in_list=np.array([c for group in incoming for c in group] or [0], np.int64),
        out_first=plan.starts(len(group) for group in outgoing),
        out_list=np.array([c for group in outgoing for c in group] or [0], np.int64),
        ringed=np.array(ringed),
        mixed=np.array(plan.mixed),
    )


def _split(time: np.ndarray, window: float, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows and rest of a time or delay (ms); exact, since the window is a power of two.

    Only a rest within a rounding of the window's end is moved, by that rounding: see `flow.wraps`.
    """
    k = np.minimum(np.floor(time / time.dtype.type(window)), windows + 1)
    rest = time - k * time.dtype.type(window)
    most = time.dtype.type(window) * (1 - np.finfo(time.dtype).eps)
    return k.astype(np.int32), np.minimum(rest, most).astype(time.dtype)


def record(plan: Plan, call: Call, window: float, windows: int) -> arrays.Record:
    """Record times as windows and offsets."""
    batch = call.times[0].shape[0]
    if not call.records:
        return _no_record(batch, len(plan.populations))
    counts = [0] * plan.inputs + list(plan.records)
    chosen = iter(call.records)
    lists = [next(chosen).astype(np.float64) if count else np.zeros((batch, 0)) for count in counts]
    k, offset = _split(np.concatenate(lists, axis=1), window, windows)
    edge = k > windows - 1
    offset = np.where(edge, offset + (k - (windows - 1)) * window, offset)
    sizes = [count * size for count, size in zip(counts, plan.sizes, strict=True)]
    last = plan.t_end - (windows - 1) * window
    k = np.where(edge, windows - 1, k).astype(np.int32)
    return arrays.Record(
        k,
        np.where(k == windows - 1, np.minimum(offset, last), offset),
        plan.starts(counts),
        plan.starts(sizes),
    )


@cache
def _no_record(batch: int, populations: int) -> arrays.Record:
    nothing = np.zeros(populations + 1, np.int64)
    return arrays.Record(np.zeros((batch, 0), np.int32), np.zeros((batch, 0)), nothing, nothing)


def inputs(call: Call) -> arrays.Inputs:
    """Input spikes, all populations side by side; read-only in any case, since the kernel is compiled for that."""
    time, unit = (
        (group[0] if len(group) == 1 else np.concatenate(group, axis=1)).view() for group in (call.times, call.units)
    )
    time.flags.writeable = unit.flags.writeable = False
    return arrays.Inputs(time, unit)


@cache
def trains_layout(plan: Plan, batch: int) -> packing.Layout:
    """How the spikes of the neurons of a batch are packed."""
    real, whole = np.dtype(plan.dtype), np.dtype(np.int32)
    shapes: list[Any] = [
        jax.ShapeDtypeStruct((batch, sum(plan.capacities[plan.inputs :])), kind)
        for kind in (whole, real, whole, real, real)
    ]
    shapes.append(jax.ShapeDtypeStruct((batch, len(plan.populations)), whole))
    return packing.layout(arrays.Trains._make(shapes))


def empty_trains(plan: Plan, batch: int) -> tuple[arrays.Trains, tuple[np.ndarray, np.ndarray]]:
    """Room for the spikes of a batch, and the two arrays that hold all of it; see `packing`."""
    layout = trains_layout(plan, batch)
    packed = np.zeros(layout.real, plan.dtype), np.zeros(layout.whole, np.int32)
    return packing.unpack(layout, *packed), packed


def empty_output(plan: Plan, batch: int) -> arrays.Output:
    """Output of a batch in which nothing happens."""
    places = (batch, sum(plan.capacities[plan.inputs :]))
    values = sum(count * size for count, size in zip(plan.records, plan.sizes[plan.inputs :], strict=True))
    counts = [np.zeros((batch, len(plan.populations)), np.int32) for _ in range(4)]
    return arrays.Output(
        np.full(places, np.inf, plan.dtype), np.full(places, -1, np.int32), np.zeros((batch, values), plan.dtype),
        counts[0], counts[1], counts[2], counts[3], np.zeros(batch, np.int32), np.zeros(batch, np.bool_),
    )  # fmt: skip


SPARE_BYTES = 2**26
"""Sums of this size or less are kept for the next call: new pages cost up to a quarter of a backward pass."""

_spare: list[pull.Gradient] = []


def gradient_sums(plan: Plan, ready: Prepared, chunks: int) -> pull.Gradient:
    """Room for the sums of every chunk, (chunks, ...), which the kernel sets to zero."""
    weights, delays, _, _, per_synapse = lengths(plan)
    neurons, real, double = ready.membranes.theta.size, ready.synapses.weight.dtype, np.dtype(np.float64)
    rows = ((weights, real), (per_synapse, real), (delays, double), *((neurons, double),) * 3)
    try:
        spare = _spare.pop()
    except IndexError:  # none yet, or another thread has it
        spare = ()
    if [(part.shape, part.dtype) for part in spare] == [((chunks, length), kind) for length, kind in rows]:
        return cast(pull.Gradient, spare)
    return pull.Gradient(*(np.empty((chunks, length), kind) for length, kind in rows))


def spare(sums: pull.Gradient) -> None:
    """Keep sums that nobody needs any more for the next call."""
    if sum(part.nbytes for part in sums) <= SPARE_BYTES:
        _spare[:] = [sums]


def empty_synapses(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Zeros for the gradient of all weights and of all delays, flat."""
    return np.zeros(lengths(plan).weights, plan.dtype), np.zeros(lengths(plan).delays, plan.dtype)


def split_gradient(
    plan: Plan, call: Call, weight: np.ndarray, delay: np.ndarray, sums: pull.Gradient, early: np.ndarray | None
) -> tuple[tuple[np.ndarray, ...], ...]:
    """Cut the gradient, whose sums over chunks stand in the first one's place, into the shapes of the call."""
    real, joined = np.dtype(plan.dtype), wiring(plan)
    weights = _cut(weight, joined.weight_start, call.weights)
    delays = _cut(delay, joined.delay_start, call.delays)
    neurons = [_cut(part[0].astype(real), joined.neuron_start[plan.inputs :], call.theta) for part in sums[-3:]]
    if early is None:
        return weights, delays, *neurons
    start = joined.spike_start
    return weights, delays, *neurons, tuple(early[:, start[p] : start[p + 1]] for p in range(plan.inputs))


def _cut(flat: np.ndarray, starts: np.ndarray, like: tuple[np.ndarray, ...]) -> tuple[np.ndarray, ...]:
    return tuple(flat[start : start + part.size].reshape(part.shape) for start, part in zip(starts, like, strict=False))


def nan_gradient(plan: Plan, call: Call, timed: bool) -> tuple[tuple[np.ndarray, ...], ...]:
    """What there is to say about a simulation that was refused: not a number, in every shape."""
    groups = call.weights, call.delays, call.theta, call.rho, call.refractory, *([call.times] if timed else [])
    return tuple(tuple(np.full(array.shape, np.nan, plan.dtype) for array in group) for group in groups)
