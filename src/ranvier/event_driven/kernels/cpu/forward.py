"""Forward pass: window by window, aggregated where no neuron can reach threshold, exact where one might.

Aggregation is exact too, because the flow is linear; only finding a spike needs the order of events. See `bound.py`
for which is which.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import (
    Clock,
    Inputs,
    Membranes,
    Output,
    Record,
    Synapses,
    Train,
    Trains,
    Wiring,
    rates_of,
)
from ranvier.event_driven.kernels.cpu.arrivals import (
    Arrivals,
    Calendar,
    Rows,
    clear,
    collect,
    collect_rows,
    new_arrivals,
    new_calendar,
    open_window,
    remember,
)
from ranvier.event_driven.kernels.cpu.borrow import borrow, uncounted
from ranvier.event_driven.kernels.cpu.bound import aggregate, bound, flag
from ranvier.event_driven.kernels.cpu.deposit import deposit, gather
from ranvier.event_driven.kernels.cpu.fan_out import Room, new_room
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.kernels.cpu.marks import BITS, USUAL
from ranvier.event_driven.kernels.cpu.quiet import State, pass_by, quiet_until
from ranvier.event_driven.kernels.cpu.share import take
from ranvier.event_driven.kernels.cpu.trains import keep, load, new_train
from ranvier.event_driven.kernels.cpu.walk import after, walk


class Fired(NamedTuple):
    """Room for one window: which neurons take the exact path (`bound.py`), and the spikes of one of them."""

    excess: np.ndarray
    marks: np.ndarray
    flagged: np.ndarray
    offset: np.ndarray
    slope: np.ndarray
    restart: np.ndarray


@no_type_check
@njit(nogil=True)
def run_forward(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, inputs: Inputs,
            trains: Trains, output: Output, cap: float, taken: np.ndarray) -> None:  # fmt: skip
    """Simulate samples until all are taken; fills `trains` and `output`.

    Args:
        wiring: Who is joined to whom.
        synapses: Weights and delays.
        membranes: Constants of the neurons.
        clock: Windows.
        record: When to write potentials.
        inputs: Input spikes, sorted.
        trains: Spikes of neurons, for the backward pass.
        output: Spikes, potentials relative to rest (batch, values) and counters.
        cap: Largest 1/V' that the backward pass will use: spikes beyond it are counted.
        taken: How many samples are taken, by whatever thread; see `share.take`.
    """
    neurons = membranes.theta.shape[0]
    state = State(np.zeros(neurons), np.zeros(neurons), np.zeros(neurons, np.int64), np.zeros(neurons),
                  np.zeros(neurons, np.int64))  # fmt: skip
    calendar = new_calendar(wiring, synapses, clock)
    rows, loose, arrivals = new_arrivals(wiring)
    ring = np.zeros(clock.span * neurons * LANES, synapses.weight.dtype)
    sums = np.zeros((3, wiring.size.max()), synapses.weight.dtype)
    fired, room, train = new_fired(wiring), new_room(wiring, synapses), new_train(wiring, synapses)
    b = take(taken)
    while b < trains.total.shape[0]:
        _simulate(wiring, synapses, membranes, clock, record, inputs, train, trains, output, cap, b, state, calendar,
                  rows, loose, arrivals, fired, (ring, sums, taken), room)  # fmt: skip
        b = take(taken)


@no_type_check
@njit(nogil=True)
def _simulate(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, inputs: Inputs,
              train: Train, trains: Trains, output: Output, cap: float, b: int, state: State,
              calendar: Calendar, rows: Rows, loose: Arrivals, arrivals: Arrivals, fired: Fired,
              scratch: tuple[np.ndarray, np.ndarray, np.ndarray], room: Room) -> None:  # fmt: skip
    """One sample, with room to work in, and without counting references; left undone once `taken[1]` is not 0."""
    wiring, synapses, membranes = borrow(wiring), borrow(synapses), borrow(membranes)
    record, train, output = borrow(record), borrow(train), borrow(output)
    inputs, trains = borrow(inputs), borrow(trains)
    state, calendar, fired = borrow(state), borrow(calendar), borrow(fired)
    rows, loose, arrivals = borrow(rows), borrow(loose), borrow(arrivals)
    ring, sums, taken = borrow(scratch)
    room = borrow(room)
    state.current[:] = 0.0
    state.u[:] = 0.0
    state.held_window[:] = -1
    ring[:] = 0
    clear(wiring, calendar)
    load(wiring, clock, inputs, b, train)
    k, busy = 0, 0  # whatever was sent so far arrives before window `busy`
    while k < clock.windows and taken[1] == 0:
        if k >= busy:
            until = quiet_until(wiring, membranes, clock, record, calendar, train, b, k, state)
            pass_by(wiring, membranes, clock, calendar, train, k, until, state)
            k = until
        calendar.first[:, k + 1] = calendar.first[:, k]
        open_window(wiring, calendar, train, k)
        for p in range(wiring.size.shape[0]):
            if p >= wiring.inputs:
                gather(wiring, synapses, membranes, clock, calendar, train, k, p, ring, sums)
                _advance(wiring, synapses, membranes, clock, record, calendar, train, b, k, p, state, sums, output,
                         rows, loose, arrivals, fired)  # fmt: skip
            _emit(wiring, synapses, membranes, clock, calendar, train, b, k, p, ring, room, output)
            if calendar.first[p, k + 1] > calendar.first[p, k]:
                busy = k + clock.span
        k += 1
    output.broken[b] = not np.isfinite(state.current.sum() + state.u.sum())
    _finish(wiring, clock, train, b, output, cap, fired.flagged)
    keep(wiring, train, b, trains)


@no_type_check
@njit(nogil=True)
def new_fired(wiring: Wiring) -> Fired:
    """Room for as many spikes of one neuron in one window as a population may have in all, and one more."""
    room = 1
    for p in range(wiring.inputs, wiring.size.shape[0]):
        room = max(room, wiring.capacity[p] + 1)
    return Fired(
        np.zeros(wiring.size.max()),
        np.zeros((wiring.size.max() // BITS + 1) * BITS, np.uint8),
        np.zeros(wiring.size.max() + USUAL, np.uintp),
        np.zeros(room),
        np.zeros(room),
        np.zeros(room),
    )


@no_type_check
@uncounted(inline="always")
def _emit(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
          b: int, k: int, p: int, ring: np.ndarray, room: Room, output: Output) -> None:  # fmt: skip
    """Send the spikes of population p in window k on their way."""
    q = first = calendar.first[p, k]
    end = wiring.spike_start[p] + train.total[p]
    base = (k % clock.span) * membranes.theta.shape[0]
    while q < end and train.window[q] == k:
        remember(wiring, calendar, train, p, q)
        q += 1
    calendar.first[p, k + 1] = q
    deposit(wiring, synapses, membranes, clock, calendar, train, first, q, p, base, ring, room)
    if k + clock.span >= clock.windows:
        for late in range(first, q):
            _count_in_flight(wiring, synapses, clock, train, b, late, p, output)


@no_type_check
@uncounted(inline="always")
def _count_in_flight(wiring: Wiring, synapses: Synapses, clock: Clock, train: Train, b: int, q: int, p: int,
                     output: Output) -> None:  # fmt: skip
    """Count the events of spike q that are due after the end."""
    final = clock.windows - 1
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        post = wiring.post[c]
        if train.window[q] + synapses.longest[c] + 1 < final:
            continue
        row = wiring.delay_start[c] + train.unit[q] * wiring.row_stride[c]
        size, shared = wiring.size[post], wiring.column_stride[c] == 0
        delays = slice(row, row + (1 if shared else size))
        left = (final - train.window[q]) * clock.window + clock.last
        late = _count_after(synapses.shift[delays], synapses.frac[delays], train.offset[q], clock.window, left)
        output.in_flight[b, post] += late * size if shared else late


@no_type_check
@uncounted()
def _count_after(shift: np.ndarray, frac: np.ndarray, offset: float, window: float, left: float) -> int:
    """How many delays take a spike at `offset` of a window further than `left` from the window's start."""
    count = 0
    for e in range(shift.shape[0]):
        count += 1 if shift[e] * window + float(offset + frac[e]) > left else 0
    return count


@no_type_check
@uncounted(inline="always")
def _advance(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record,
             calendar: Calendar, train: Train, b: int, k: int, p: int, state: State, sums: np.ndarray,
             output: Output, rows: Rows, loose: Arrivals, arrivals: Arrivals, fired: Fired) -> None:  # fmt: skip
    """Take every neuron of population p through window k, and put its spikes of this window in time order."""
    start, size = wiring.neuron_start[p], wiring.size[p]
    begin = wiring.spike_start[p] + train.total[p]
    due, done = record_range(record, b, k, p)
    group = 1 if wiring.mixed[p] else size
    for first in range(0, size, group):
        n, own = start + first, slice(first, first + group)
        part = slice(n, n + group)
        bound(
            k, due < done, clock.margin, state.current[part], state.u[part], state.held_window[part],
            membranes.decay_syn[n], membranes.decay_mem[n], membranes.kernel[n], membranes.rise[n],
            membranes.bend[n], membranes.theta[part], sums[2, own], fired.excess[own],
        )  # fmt: skip
        aggregate(fired.excess[own], state.current[part], state.u[part], membranes.decay_syn[n],
                   membranes.decay_mem[n], membranes.kernel[n], sums[0, own], sums[1, own])  # fmt: skip
    flagged = flag(fired.excess, size, fired.marks, fired.flagged)
    output.exact[b] += flagged
    count = collect_rows(wiring, synapses, clock, calendar, train, k, p, rows) if flagged > 0 else 0
    for at in range(flagged):
        j = np.int64(fired.flagged[at])
        found = collect(wiring, synapses, clock, calendar, train, k, p, j, rows, count, loose, arrivals)
        _exact(wiring, membranes, clock, record, train, b, k, p, j, found, due, done, state, sums, output, arrivals,
               fired)  # fmt: skip
    end = wiring.spike_start[p] + train.total[p]
    if end > begin:
        _sort_spikes(train.offset, train.unit, train.slope, train.restart, begin, end)
    for q in range(begin, end):
        state.held_spike[start + train.unit[q]] = q


@no_type_check
@uncounted(inline="always")
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
@uncounted(inline="always")
def _exact(wiring: Wiring, membranes: Membranes, clock: Clock, record: Record, train: Train, b: int, k: int, p: int,
           j: int, found: int, due: int, done: int, state: State, sums: np.ndarray, output: Output, arrivals: Arrivals,
           fired: Fired) -> None:  # fmt: skip
    """Take one neuron through one window event by event, and write down what happened."""
    n, until = wiring.neuron_start[p] + j, -1.0
    fall, decay_mem = membranes.theta[n] - membranes.rho[n], membranes.decay_mem[n]
    ahead = (
        state.current[n] * membranes.decay_syn[n] + sums[0, j],
        state.u[n] * decay_mem + state.current[n] * membranes.kernel[n] + sums[1, j],
        fired.excess[j] < fall * decay_mem,
    )
    if state.held_window[n] >= 0:
        until = state.held_offset[n] if state.held_window[n] == k else np.inf
    place = output.voltage[b, record.value_start[p] + j :]
    state.current[n], state.u[n], until, resumed, count = walk(
        state.current[n], state.u[n], until, rates_of(membranes, n), membranes.theta[n], membranes.rho[n],
        membranes.refractory[n],
        clock.last if k == clock.windows - 1 else clock.window,
        arrivals.offset[:found], arrivals.weight, record.offset[b, due:done],
        place[(due - record.time_start[p]) * wiring.size[p] :], wiring.size[p], clock.window, ahead,
        fired.offset, fired.slope, fired.restart,
    )  # fmt: skip
    if resumed == resumed:
        train.restart[state.held_spike[n]] = resumed
        state.held_window[n] = -1
    for m in range(count):
        if train.total[p] == wiring.capacity[p]:
            output.dropped[b, p] += 1
            continue
        q = wiring.spike_start[p] + train.total[p]
        train.total[p] += 1
        train.window[q], train.offset[q], train.unit[q] = k, fired.offset[m], j
        train.slope[q], train.restart[q] = fired.slope[m], fired.restart[m]
        state.held_spike[n] = q
    if count > 0:
        state.held_window[n] = -1
        if until >= 0.0:
            ends = after(k, fired.offset[count - 1], membranes.refractory[n], clock.window)
            state.held_window[n], state.held_offset[n] = ends


@no_type_check
@uncounted()
def _sort_spikes(
    offset: np.ndarray, unit: np.ndarray, slope: np.ndarray, restart: np.ndarray, begin: int, end: int,
) -> None:  # fmt: skip
    """Put the new spikes of one window in time order (insertion: there are few)."""
    for a in range(begin + 1, end):
        this = offset[a], unit[a], slope[a], restart[a]
        b = a
        while b > begin and offset[b - 1] > this[0]:
            offset[b], unit[b], slope[b], restart[b] = (
                offset[b - 1],
                unit[b - 1],
                slope[b - 1],
                restart[b - 1],
            )
            b -= 1
        offset[b], unit[b], slope[b], restart[b] = this


@no_type_check
@uncounted(inline="always")
def _finish(wiring: Wiring, clock: Clock, train: Train, b: int, output: Output, cap: float, fired: np.ndarray) -> None:
    """Write the spikes of one sample as times, sorted and padded, and count silent neurons and guarded spikes."""
    end, inputs = (clock.windows - 1) * clock.window + clock.last, wiring.spike_start[wiring.inputs]
    for p in range(wiring.inputs, wiring.size.shape[0]):
        first, last = wiring.spike_start[p], wiring.spike_start[p] + train.total[p]
        fired[: wiring.size[p]] = 0
        for q in range(first, last):
            output.time[b, q - inputs] = min(train.window[q] * clock.window + train.offset[q], end)
            output.unit[b, q - inputs] = train.unit[q]
            fired[train.unit[q]] = 1
            output.guarded[b, p] += train.slope[q] * cap < 1.0
        rest = slice(last - inputs, first + wiring.capacity[p] - inputs)
        output.time[b, rest], output.unit[b, rest] = np.inf, -1
        output.silent[b, p] = wiring.size[p] - fired[: wiring.size[p]].sum()
