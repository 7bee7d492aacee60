"""From the numbers of a call to the kernel's arrays, and from the kernel's sums to gradients."""

import math
from functools import cache
from typing import Any, NamedTuple, no_type_check

import jax
import numpy as np
from numba import njit

from ranvier.event_driven import packing
from ranvier.event_driven.kernels.cpu import arrays, flow, pull
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


def membranes(plan: Plan, call: Call, window: float) -> arrays.Membranes:
    """Constants of every neuron, and what one window does to its state."""
    columns = (call.tau_mem, call.tau_syn, call.theta, call.rho, call.refractory)
    sizes = plan.sizes[plan.inputs :]
    flat = [
        np.concatenate([np.broadcast_to(part, (size,)) for part, size in zip(column, sizes, strict=True)])
        for column in columns
    ]
    tau_mem, tau_syn, theta, rho, refractory = (column.astype(np.float64) for column in flat)
    mem, syn, gain = rates(tau_mem, tau_syn)
    return arrays.Membranes(mem, syn, gain, theta, rho, refractory, *_window_effects(mem, syn, gain, window))


def rates(tau_mem: Any, tau_syn: Any) -> tuple[Any, Any, Any]:
    """The fields of `flow.Rates`."""
    mem, syn = 1.0 / tau_mem, 1.0 / tau_syn
    return mem, syn, np.where(mem == syn, 0.0, mem / np.where(mem == syn, 1.0, mem - syn))


@no_type_check
@njit(nogil=True, cache=True)
def _window_effects(mem: np.ndarray, syn: np.ndarray, gain: np.ndarray, window: float) -> tuple[np.ndarray, ...]:
    """Decays and kernel over one window, `1 - e^{-h/tau_mem}`, and how far `lift` may understate a peak."""
    out = np.empty((5, mem.shape[0]))
    for n in range(mem.shape[0]):
        own = flow.Rates(mem[n], syn[n], gain[n])
        decay_syn, decay_mem, kernel = flow.flow(window, own)
        peak = flow.peak_time(1.0, 0.0, own)
        highest = flow.flow(peak, own)[2]
        out[:, n] = decay_mem, decay_syn, kernel, -math.expm1(-window * mem[n]), 1.0
        if peak < window:
            out[4, n] = highest / kernel
    return out[0], out[1], out[2], out[3], out[4]


def connect(plan: Plan, call: Call, window: float, windows: int) -> tuple[arrays.Wiring, arrays.Synapses]:
    """Wiring, and weights and delays laid end to end, delays split once into windows and rest."""
    links = range(len(plan.links))
    mode = np.array([_mode(plan, c) for c in links], np.int64)
    rows, columns = np.array(plan.delay_shapes, np.int64).reshape(-1, 2).T
    weight_start, delay_start = (
        plan.starts(w.size for w in call.weights),
        plan.starts(d.size for d in call.delays),
    )
    weight = np.concatenate([w.reshape(-1) for w in call.weights])
    bounded = [np.maximum(d.reshape(-1), low) for d, low in zip(call.delays, plan.low, strict=True)]  # rounding only
    delay = np.concatenate(bounded).astype(weight.dtype)
    shift, frac = _split(delay, window, windows)
    decays = [np.zeros_like(delay) for _ in range(3)]
    lanes = np.zeros((weight.size if np.any(mode == arrays.SCATTER) else 0, LANES), weight.dtype)
    shift_t, arriving = np.zeros(weight.size, np.int32), np.zeros((weight.size, 2), weight.dtype)
    for c in links:
        part, dense = slice(delay_start[c], delay_start[c + 1]), slice(weight_start[c], weight_start[c + 1])
        post = plan.post[c] - plan.inputs
        if mode[c] == arrays.SCATTER:
            own = flow.Rates(*map(float, rates(call.tau_mem[post].flat[0], call.tau_syn[post].flat[0])))
            _rest_factors(frac[part], own, *(table[part] for table in decays))
            for lane, table in enumerate(decays):
                lanes[dense, lane] = (call.weights[c] * table[part].reshape(plan.delay_shapes[c])).reshape(-1)
        if mode[c] != arrays.ROW:
            for table, transposed in ((shift, shift_t), (frac, arriving[:, 0])):
                wide = np.broadcast_to(table[part].reshape(plan.delay_shapes[c]), call.weights[c].shape)
                transposed[dense] = wide.T.reshape(-1)
            arriving[dense, 1] = call.weights[c].T.reshape(-1)
    cell = _cells(plan, shift, delay_start)
    longest = np.array([shift[delay_start[c] : delay_start[c + 1]].max() for c in links], np.int64)
    wiring = _wiring(plan, mode, rows, columns, weight_start, delay_start, longest)
    return wiring, arrays.Synapses(
        weight, shift, frac, cell, decays[0], decays[1], decays[2], lanes.reshape(-1), shift_t, arriving.reshape(-1)
    )


def _cells(plan: Plan, shift: np.ndarray, delay_start: np.ndarray) -> np.ndarray:
    """Where in a ring each delay's target is, relative to the emission window's first cell."""
    neurons = [0] * plan.inputs + list(plan.sizes[plan.inputs :])
    start = plan.starts(neurons)
    cell = shift * np.int32(start[-1])
    for c, (rows, columns) in enumerate(plan.delay_shapes):
        if columns > 1:
            target = np.tile(np.arange(columns, dtype=np.int32), rows)
            cell[delay_start[c] : delay_start[c + 1]] += target + np.int32(start[plan.post[c]])
    return cell


def _mode(plan: Plan, c: int) -> int:
    _, columns = plan.delay_shapes[c]
    if plan.mixed[plan.post[c]]:
        return arrays.GENERAL
    return arrays.ROW if columns == 1 else arrays.SCATTER


def _wiring(plan: Plan, mode: np.ndarray, rows: np.ndarray, columns: np.ndarray, weight_start: np.ndarray,
            delay_start: np.ndarray, longest: np.ndarray) -> arrays.Wiring:  # fmt: skip
    links, count = range(len(plan.links)), len(plan.populations)
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
        weight_start=weight_start[:-1],
        delay_start=delay_start[:-1],
        link_start=plan.starts(listed)[:-1],
        max_shift=longest,
        in_first=plan.starts(len(group) for group in incoming),
        in_list=np.array([c for group in incoming for c in group] or [0], np.int64),
        out_first=plan.starts(len(group) for group in outgoing),
        out_list=np.array([c for group in outgoing for c in group] or [0], np.int64),
        ringed=np.array(ringed),
        spiking=np.array(plan.spiking),
    )


def _split(time: np.ndarray, window: float, windows: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows and rest of a time or delay (ms); exact, since the window is a power of two.

    Only a rest within a rounding of the window's end is moved, by that rounding: see `flow.wraps`.
    """
    k = np.minimum(np.floor(time / time.dtype.type(window)), windows + 1)
    rest = time - k * time.dtype.type(window)
    most = time.dtype.type(window) * (1 - np.finfo(time.dtype).eps)
    return k.astype(np.int32), np.minimum(rest, most).astype(time.dtype)


@no_type_check
@njit(nogil=True, cache=True)
def _rest_factors(
    frac: np.ndarray, rates: flow.Rates, decay_syn: np.ndarray, decay_mem: np.ndarray, kernel: np.ndarray
) -> None:
    for n in range(frac.shape[0]):
        decay_syn[n], decay_mem[n], kernel[n] = flow.flow(-float(frac[n]), rates)


def record(plan: Plan, call: Call, window: float, windows: int) -> arrays.Record:
    """Record times as windows and offsets."""
    batch = call.times[0].shape[0]
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
def train_shapes(plan: Plan, batch: int) -> arrays.Train:
    """Shapes and dtypes of the spikes of a batch; a tree for `packing`."""
    real, whole = np.dtype(plan.dtype), np.dtype(np.int32)
    shapes: list[Any] = [
        jax.ShapeDtypeStruct((batch, sum(plan.capacities)), kind) for kind in (whole, real, whole, real, real)
    ]
    shapes.append(jax.ShapeDtypeStruct((batch, len(plan.populations)), whole))
    return arrays.Train._make(shapes)


def empty_train(plan: Plan, batch: int) -> arrays.Train:
    """Room for the spikes of a batch."""
    shapes = train_shapes(plan, batch)
    return packing.unpack(shapes, *train_room(plan, batch))


def train_room(plan: Plan, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays that the spikes of a batch pack into."""
    real, whole = packing.sizes(train_shapes(plan, batch))
    return np.zeros(real, plan.dtype), np.zeros(whole, np.int32)


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


def empty_gradient(ready: Prepared) -> pull.Gradient:
    """Zeros for the sums of one chunk."""
    weights, neurons = ready.synapses.weight, ready.membranes.theta.size
    per_synapse = np.any(ready.wiring.column_stride > 0)
    return pull.Gradient(
        np.zeros_like(ready.synapses.lanes), np.zeros_like(weights),
        np.zeros_like(weights if per_synapse else weights[:0]), np.zeros(ready.synapses.frac.size), np.zeros(neurons),
        np.zeros(neurons), np.zeros(neurons),
    )  # fmt: skip


def split_gradient(
    plan: Plan, call: Call, ready: Prepared, sums: list[pull.Gradient], owed: np.ndarray
) -> tuple[tuple[np.ndarray, ...], ...]:
    """Add the chunks up in their order and cut the result into the shapes of the call."""
    total = pull.Gradient(*(_add(parts) for parts in zip(*sums, strict=True)))
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


def _add(parts: tuple[np.ndarray, ...]) -> np.ndarray:
    total = parts[0]
    for part in parts[1:]:
        total += part
    return total


def nan_gradient(plan: Plan, call: Call) -> tuple[tuple[np.ndarray, ...], ...]:
    """What there is to say about a simulation that was refused: not a number, in every shape."""
    groups = (call.weights, call.delays, call.theta, call.rho, call.refractory, call.times)
    return tuple(tuple(np.full(array.shape, np.nan, plan.dtype) for array in group) for group in groups)
