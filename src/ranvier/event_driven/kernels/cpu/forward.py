"""Forward pass: window by window, aggregated where no neuron can reach threshold, exact where one might.

Aggregation is exact too, because the flow is linear; only finding a spike needs the order of events. At a window's
start

    u(t) <= u0 + max(max(I0, 0) - u0, 0) (1 - e^{-h/tau_mem}) + lift

where `lift` sums what every positive event can add inside the window. Below threshold: take the aggregated update.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Clock, Membranes, Output, Record, Synapses, Train, Wiring
from ranvier.event_driven.kernels.cpu.arrivals import Arrivals, Calendar, collect, weight_of
from ranvier.event_driven.kernels.cpu.deposit import LANES, deposit, gather
from ranvier.event_driven.kernels.cpu.flow import first_crossing, flow

NEVER = np.int64(2) ** 62


class State(NamedTuple):
    """Neurons of one sample: current, potential, and where its refractory period ends (window -1: not in one)."""

    current: np.ndarray
    u: np.ndarray
    held_window: np.ndarray
    held_offset: np.ndarray
    held_spike: np.ndarray


@no_type_check
@njit(nogil=True)
def run_forward(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, train: Train,
            output: Output, cap: float, samples: np.ndarray) -> None:  # fmt: skip
    """Simulate the given samples; fills `train` and `output`.

    Args:
        wiring: Who is joined to whom.
        synapses: Weights and delays.
        membranes: Constants of the neurons.
        clock: Windows.
        record: When to write potentials.
        train: Spikes (batch, places); those of inputs are given, sorted, with their `count`.
        output: Spikes, potentials relative to rest (batch, values) and counters.
        cap: Largest 1/V' that the backward pass will use: spikes beyond it are counted.
        samples: Which samples to simulate.
    """
    neurons = membranes.theta.shape[0]
    state = State(np.zeros(neurons), np.zeros(neurons), np.zeros(neurons, np.int64), np.zeros(neurons),
                  np.zeros(neurons, np.int64))  # fmt: skip
    calendar = new_calendar(wiring, clock)
    arrivals = new_arrivals(wiring)
    ring = np.zeros((clock.mask + 1, neurons, LANES), synapses.weight.dtype)
    sums = np.zeros((3, wiring.size.max()), synapses.weight.dtype)
    for b in samples:
        state.current[:] = 0.0
        state.u[:] = 0.0
        state.held_window[:] = -1
        ring[:] = 0
        calendar.head[:] = -1
        calendar.first[:, 0] = wiring.spike_start
        for k in range(clock.windows):
            calendar.first[:, k + 1] = calendar.first[:, k]
            for p in range(wiring.size.shape[0]):
                if p >= wiring.inputs:
                    gather(wiring, synapses, membranes, clock, calendar, train, b, k, p, ring, sums)
                    _advance(wiring, synapses, membranes, clock, record, calendar, train, b, k, p, state, sums, output,
                             arrivals)  # fmt: skip
                _emit(wiring, synapses, membranes, clock, calendar, train, b, k, p, ring, output)
        output.broken[b] = not np.isfinite(state.current.sum() + state.u.sum())
        _finish(wiring, clock, train, b, output, cap)


@no_type_check
@njit(nogil=True)
def new_calendar(wiring: Wiring, clock: Clock) -> Calendar:
    """Empty lists for one thread."""
    nodes = 1
    for c in range(wiring.pre.shape[0]):
        nodes = max(nodes, wiring.link_start[c] + wiring.capacity[wiring.pre[c]])
    return Calendar(
        np.zeros((wiring.size.shape[0], clock.windows + 2), np.int64),
        np.full((wiring.pre.shape[0], clock.windows), -1, np.int64),
        np.full(nodes, -1, np.int64),
        np.zeros((nodes, 4)),
    )


@no_type_check
@njit(nogil=True)
def new_arrivals(wiring: Wiring) -> Arrivals:
    """Room for every spike of every sender of one population."""
    room = 1
    for p in range(wiring.inputs, wiring.size.shape[0]):
        total = 0
        for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
            total += wiring.capacity[wiring.pre[wiring.in_list[at]]]
        room = max(room, total)
    return Arrivals(np.zeros(room), np.zeros(room, np.int32), np.zeros(room, np.int32), np.zeros(room, np.int64))


@no_type_check
@njit(nogil=True)
def _emit(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
          b: int, k: int, p: int, ring: np.ndarray, output: Output) -> None:  # fmt: skip
    """Send the spikes of population p in window k on their way."""
    q = calendar.first[p, k]
    end = wiring.spike_start[p] + train.count[b, p]
    while q < end and train.window[b, q] == k:
        deposit(wiring, synapses, membranes, clock, calendar, train, b, q, p, ring)
        _count_in_flight(wiring, synapses, clock, train, b, q, p, output)
        q += 1
    calendar.first[p, k + 1] = q


@no_type_check
@njit(nogil=True)
def _count_in_flight(wiring: Wiring, synapses: Synapses, clock: Clock, train: Train, b: int, q: int, p: int,
                     output: Output) -> None:  # fmt: skip
    """Count the events of spike q that are due after the end."""
    final = clock.windows - 1
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        post = wiring.post[c]
        if train.window[b, q] + wiring.max_shift[c] + 1 < final:
            continue
        row = wiring.delay_start[c] + train.unit[b, q] * wiring.row_stride[c]
        for j in range(wiring.size[post]):
            entry = row + j * wiring.column_stride[c]
            late = 1 if train.offset[b, q] + synapses.frac[entry] >= clock.window else 0
            k = train.window[b, q] + synapses.shift[entry] + late
            offset = float(train.offset[b, q] + synapses.frac[entry]) - late * clock.window
            if k > final or (k == final and offset > clock.last):
                output.in_flight[b, post] += 1


@no_type_check
@njit(nogil=True)
def _advance(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record,
             calendar: Calendar, train: Train, b: int, k: int, p: int, state: State, sums: np.ndarray,
             output: Output, arrivals: Arrivals) -> None:  # fmt: skip
    """Take every neuron of population p through window k, and put its spikes of this window in time order."""
    start = wiring.neuron_start[p]
    begin = wiring.spike_start[p] + train.count[b, p]
    due, done = record_range(record, b, k, p)
    for j in range(wiring.size[p]):
        n = start + j
        u, current = state.u[n], state.current[n]
        held = state.held_window[n]
        if due == done and held > k:
            state.current[n] = current * membranes.decay_syn[n] + sums[0, j]
            continue
        bound = u + max(max(current, 0.0) - u, 0.0) * membranes.rise[n] + sums[2, j] * membranes.headroom[n]
        room = clock.margin * (membranes.theta[n] + abs(u) + sums[2, j])
        if due == done and held < k and bound < membranes.theta[n] - room:
            state.current[n] = current * membranes.decay_syn[n] + sums[0, j]
            state.u[n] = u * membranes.decay_mem[n] + current * membranes.kernel[n] + sums[1, j]
            continue
        output.exact[b] += 1
        found = collect(wiring, synapses, clock, calendar, train, b, k, p, j, arrivals)
        _exact(wiring, synapses, membranes, clock, record, train, b, k, p, j, found, due, done, state, output,
               arrivals)  # fmt: skip
    end = wiring.spike_start[p] + train.count[b, p]
    _sort_spikes(train, b, begin, end)
    for q in range(begin, end):
        state.held_spike[start + train.unit[b, q]] = q


@no_type_check
@njit(nogil=True)
def record_range(record: Record, b: int, k: int, p: int) -> tuple[int, int]:
    """Record times of population p that lie in window k: a range of columns of `record`."""
    first, last = record.time_start[p], record.time_start[p + 1]
    if first == last:
        return 0, 0
    low = first + np.searchsorted(record.window[b, first:last], k)
    high = low
    while high < last and record.window[b, high] == k:
        high += 1
    return low, high


@no_type_check
@njit(nogil=True)
def _exact(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, train: Train,
           b: int, k: int, p: int, j: int, found: int, due: int, done: int, state: State, output: Output,
           arrivals: Arrivals) -> None:  # fmt: skip
    """Take one neuron through one window event by event, finding every spike, reset and restart on the way."""
    n = wiring.neuron_start[p] + j
    end = clock.last if k == clock.windows - 1 else clock.window
    t, a = 0.0, 0
    while True:
        stop = end
        if a < found and arrivals.offset[a] < stop:
            stop = arrivals.offset[a]
        if due < done and float(record.offset[b, due]) < stop:
            stop = float(record.offset[b, due])
        _flow_to(wiring, membranes, clock, train, b, k, p, j, t, stop, state, output)
        t = stop
        if due < done and float(record.offset[b, due]) <= stop:
            place = record.value_start[p] + (due - record.time_start[p]) * wiring.size[p] + j
            output.voltage[b, place] = state.u[n]
            due += 1
        elif a < found and arrivals.offset[a] <= stop:
            state.current[n] += weight_of(wiring, synapses, arrivals.connection[a], arrivals.sender[a], j)
            a += 1
        else:
            return


@no_type_check
@njit(nogil=True)
def _flow_to(wiring: Wiring, membranes: Membranes, clock: Clock, train: Train, b: int, k: int, p: int, j: int,
             t: float, stop: float, state: State, output: Output) -> None:  # fmt: skip
    """Let one neuron flow from offset t to `stop`, where nothing arrives in between; it may spike many times."""
    n = wiring.neuron_start[p] + j
    tau_mem, tau_syn, rho = membranes.tau_mem[n], membranes.tau_syn[n], membranes.rho[n]
    while True:
        if state.held_window[n] >= 0:
            restart = state.held_offset[n] if state.held_window[n] <= k else np.inf
            until = min(max(restart, t), stop)
            state.current[n] *= flow(until - t, tau_mem, tau_syn)[0]
            t = until
            if restart > stop:
                return
            state.held_window[n] = -1
            train.restart[b, state.held_spike[n]] = (state.current[n] - rho) / tau_mem
        s = -1.0
        if wiring.spiking[p]:
            s = first_crossing(state.current[n], state.u[n], membranes.theta[n], tau_mem, tau_syn, stop - t)
        decay_syn, decay_mem, kernel = flow(stop - t if s < 0.0 else s, tau_mem, tau_syn)
        state.u[n] = state.u[n] * decay_mem + state.current[n] * kernel
        state.current[n] *= decay_syn
        if s < 0.0:
            return
        t += s
        state.u[n] = rho
        _spike(wiring, membranes, clock, train, b, k, p, j, t, state, output)


@no_type_check
@njit(nogil=True)
def _spike(wiring: Wiring, membranes: Membranes, clock: Clock, train: Train, b: int, k: int, p: int, j: int, t: float,
           state: State, output: Output) -> None:  # fmt: skip
    """Write down a spike of neuron j at offset t of window k and begin its refractory period."""
    n = wiring.neuron_start[p] + j
    full = train.count[b, p] == wiring.capacity[p]
    hold = membranes.refractory[n]
    if full:
        output.dropped[b, p] += 1
        hold = np.inf if output.dropped[b, p] > wiring.capacity[p] else hold
    q = wiring.spike_start[p] + train.count[b, p] - full
    if not full:
        train.count[b, p] += 1
        train.window[b, q], train.offset[b, q], train.unit[b, q] = k, t, j
        train.slope[b, q] = (state.current[n] - membranes.theta[n]) / membranes.tau_mem[n]
        train.restart[b, q] = (state.current[n] - membranes.rho[n]) / membranes.tau_mem[n] if hold == 0.0 else 0.0
    if hold > 0.0:
        state.held_spike[n] = q
        state.held_window[n], state.held_offset[n] = after(k, t, hold, clock.window)


@no_type_check
@njit(nogil=True)
def after(k: int, offset: float, duration: float, window: float) -> tuple[int, float]:
    """Window and offset of the moment `duration` ms after an offset of window k; NEVER if it is infinite."""
    passed = np.floor((offset + duration) / window)
    if not passed < 1e15:
        return NEVER, 0.0
    return k + np.int64(passed), offset + duration - passed * window


@no_type_check
@njit(nogil=True)
def _sort_spikes(train: Train, b: int, begin: int, end: int) -> None:
    """Put the new spikes of one window in time order (insertion: there are few)."""
    for a in range(begin + 1, end):
        offset, unit, slope, restart = train.offset[b, a], train.unit[b, a], train.slope[b, a], train.restart[b, a]
        at = a
        while at > begin and train.offset[b, at - 1] > offset:
            train.offset[b, at] = train.offset[b, at - 1]
            train.unit[b, at] = train.unit[b, at - 1]
            train.slope[b, at] = train.slope[b, at - 1]
            train.restart[b, at] = train.restart[b, at - 1]
            at -= 1
        train.offset[b, at], train.unit[b, at] = offset, unit
        train.slope[b, at], train.restart[b, at] = slope, restart


@no_type_check
@njit(nogil=True)
def _finish(wiring: Wiring, clock: Clock, train: Train, b: int, output: Output, cap: float) -> None:
    """Write the spikes of one sample as times, sorted and padded, and count silent neurons and guarded spikes."""
    end = (clock.windows - 1) * clock.window + clock.last
    for p in range(wiring.inputs, wiring.size.shape[0]):
        first = wiring.spike_start[p]
        last = first + train.count[b, p]
        fired = np.zeros(wiring.size[p], np.bool_)
        for q in range(first, last):
            output.time[b, q] = min(train.window[b, q] * clock.window + train.offset[b, q], end)
            output.unit[b, q] = train.unit[b, q]
            fired[train.unit[b, q]] = True
            output.guarded[b, p] += train.slope[b, q] * cap < 1.0
        output.time[b, last : first + wiring.capacity[p]] = np.inf
        output.unit[b, last : first + wiring.capacity[p]] = -1
        output.silent[b, p] = wiring.size[p] - fired.sum()
