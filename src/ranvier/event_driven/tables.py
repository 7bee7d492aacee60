"""From the numbers of a call to the kernel's arrays, and from the kernel's sums to gradients."""

from functools import cache
from typing import Any, NamedTuple

import jax
import numpy as np

from ranvier.event_driven import packing
from ranvier.event_driven.kernels.cpu import arrays, pull
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.plan import Plan


class Call(NamedTuple):
    """The numbers of one call, as JAX arrays at first and as NumPy arrays on the host.

    Per connection, per population of neurons, per input, per recorded population.
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


class Prepared(NamedTuple):
    """The kernel's arrays for one network: what does not depend on inputs and records."""

    wiring: arrays.Wiring
    synapses: arrays.Synapses
    membranes: arrays.Membranes
    clock: arrays.Clock


def membranes(plan: Plan, call: Call) -> arrays.Membranes:
    """Constants of every neuron; what a window does to them is for the kernel to fill."""
    columns = (call.tau_mem, call.tau_syn, call.theta, call.rho, call.refractory)
    sizes = plan.sizes[plan.inputs :]
    room = np.empty((11, sum(sizes)))
    for row, column in zip((0, 1, 3, 4, 5), columns, strict=True):
        start = 0
        for part, size in zip(column, sizes, strict=True):
            room[row, start : start + size] = part
            start += size
    np.divide(1.0, room[:2], out=room[:2])
    gap = room[0] - room[1]
    room[2] = np.where(gap == 0.0, 0.0, room[0] / np.where(gap == 0.0, 1.0, gap))
    return arrays.Membranes(*room)


def synapses(plan: Plan, wiring: arrays.Wiring, call: Call) -> arrays.Synapses:
    """Weights end to end, and room for what the kernel makes of them and of the delays."""
    weight = np.concatenate([w.reshape(-1) for w in call.weights])
    real, delays = weight.dtype, int(wiring.delay_start[-1])
    scattered = weight.size if np.any(wiring.mode == arrays.SCATTER) else 0
    turned = weight.size if np.any(wiring.mode != arrays.ROW) else 0
    whole, part = np.empty((2, delays), np.int32), np.zeros((4, delays), real)
    return arrays.Synapses(
        weight, whole[0], part[0], whole[1], part[1], part[2], part[3], np.zeros(LANES * scattered, real),
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


@cache
def train_layout(plan: Plan, batch: int) -> packing.Layout:
    """How the spikes of a batch are packed."""
    real, whole = np.dtype(plan.dtype), np.dtype(np.int32)
    shapes: list[Any] = [
        jax.ShapeDtypeStruct((batch, sum(plan.capacities)), kind) for kind in (whole, real, whole, real, real)
    ]
    shapes.append(jax.ShapeDtypeStruct((batch, len(plan.populations)), whole))
    return packing.layout(arrays.Train._make(shapes))


def empty_train(plan: Plan, batch: int) -> tuple[arrays.Train, tuple[np.ndarray, np.ndarray]]:
    """Room for the spikes of a batch, and the two arrays that hold all of it; see `packing`."""
    layout = train_layout(plan, batch)
    packed = np.zeros(layout.real, plan.dtype), np.zeros(layout.whole, np.int32)
    return packing.unpack(layout, *packed), packed


def load_inputs(plan: Plan, call: Call, window: float, windows: int, train: arrays.Train) -> None:
    """Write the given spikes into the train, as windows and offsets."""
    start = plan.starts(plan.capacities)
    for p in range(plan.inputs):
        part = slice(start[p], start[p + 1])
        time = np.where(np.isfinite(call.times[p]), call.times[p], 0).astype(plan.dtype)
        k, offset = _split(time, window, windows)
        late = np.maximum(k - (windows - 1), 0)
        train.window[:, part] = k - late
        train.offset[:, part] = np.minimum(offset + late * np.dtype(plan.dtype).type(window), window)
        train.unit[:, part] = call.units[p]
        train.total[:, p] = np.isfinite(call.times[p]).sum(axis=1)


def empty_output(plan: Plan, batch: int) -> arrays.Output:
    """Output of a batch in which nothing happens."""
    places = (batch, sum(plan.capacities))
    values = sum(count * size for count, size in zip(plan.records, plan.sizes[plan.inputs :], strict=True))
    counts = [np.zeros((batch, len(plan.populations)), np.int32) for _ in range(4)]
    return arrays.Output(
        np.full(places, np.inf, plan.dtype), np.full(places, -1, np.int32), np.zeros((batch, values), plan.dtype),
        counts[0], counts[1], counts[2], counts[3], np.zeros(batch, np.int32), np.zeros(batch, np.bool_),
    )  # fmt: skip


def empty_gradients(ready: Prepared, chunks: int) -> tuple[pull.Gradient, list[pull.Gradient]]:
    """Zeros for the sums of every chunk: all of them, (chunks, ...), and chunk by chunk."""
    synapses, neurons, real = ready.synapses, ready.membranes.theta.size, ready.synapses.weight.dtype
    weights = synapses.weight.size
    per_synapse = weights if np.any(ready.wiring.column_stride > 0) else 0
    lengths = [(synapses.lanes.size, real), (weights, real), (per_synapse, real), (synapses.frac.size, np.float64)]
    lengths += [(neurons, np.dtype(np.float64))] * 3
    whole = pull.Gradient(*(np.zeros((chunks, length), kind) for length, kind in lengths))
    return whole, [pull.Gradient(*(field[chunk] for field in whole)) for chunk in range(chunks)]


def split_gradient(
    plan: Plan, call: Call, ready: Prepared, sums: pull.Gradient, owed: np.ndarray
) -> tuple[tuple[np.ndarray, ...], ...]:
    """Add the chunks up in their order and cut the result into the shapes of the call."""
    total = pull.Gradient(*(np.add.reduce(chunks) for chunks in sums))
    wiring, real = ready.wiring, np.dtype(plan.dtype)
    weights, delays = [], []
    for c, (weight, delay) in enumerate(zip(call.weights, call.delays, strict=True)):
        dense = slice(wiring.weight_start[c], wiring.weight_start[c] + weight.size)
        part = slice(wiring.delay_start[c], wiring.delay_start[c] + delay.size)
        x_i = total.current[dense].reshape(weight.shape)
        if wiring.column_stride[c] > 0:
            x_u = total.u[dense].reshape(weight.shape)
            if wiring.mode[c] == arrays.SCATTER:
                x_i, x_u = _from_lanes(plan, c, ready.synapses, part, total.lanes[LANES * dense.start :], x_i, x_u)
            tau_mem, tau_syn = (tau[plan.post[c] - plan.inputs] for tau in (call.tau_mem, call.tau_syn))
            change = weight * (x_i / tau_syn - x_u / tau_mem)
            delays.append(change.sum(axis=0, keepdims=True) if delay.shape[0] == 1 else change)
        else:
            delays.append(total.delay[part].reshape(delay.shape))
        weights.append(x_i)
    delays = [delay.astype(real) for delay in delays]
    neuron = plan.starts(plan.sizes[plan.inputs :])
    per_neuron = [
        tuple(column[neuron[p] : neuron[p + 1]].astype(real) for p in range(len(neuron) - 1))
        for column in (total.theta, total.rho, total.refractory)
    ]
    start = plan.starts(plan.capacities)
    times = tuple(owed[:, start[p] : start[p + 1]].astype(real) for p in range(plan.inputs))
    return tuple(weights), tuple(delays), *per_neuron, times


def _from_lanes(
    plan: Plan, c: int, synapses: arrays.Synapses, part: slice, lanes: np.ndarray, x_i: np.ndarray, x_u: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of x_I and x_u of a SCATTER connection: those given and those of its lanes; see `pull.Gradient`."""
    sums = lanes[: LANES * x_i.size].reshape(*x_i.shape, LANES)
    tables = (synapses.decay_syn, synapses.decay_mem, synapses.kernel)
    syn, mem, kernel = (table[part].reshape(plan.delay_shapes[c]) for table in tables)
    x_i = x_i + syn * sums[..., 0] + mem * sums[..., 1] + kernel * sums[..., 2]
    return x_i, x_u + mem * sums[..., 3]


def nan_gradient(plan: Plan, call: Call) -> tuple[tuple[np.ndarray, ...], ...]:
    """What there is to say about a simulation that was refused: not a number, in every shape."""
    groups = (call.weights, call.delays, call.theta, call.rho, call.refractory, call.times)
    return tuple(tuple(np.full(array.shape, np.nan, plan.dtype) for array in group) for group in groups)
