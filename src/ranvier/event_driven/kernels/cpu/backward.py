"""Backward pass: the adjoint of the forward pass, window by window in reverse (EventProp with delays).

Between events `p_I(t) = p_I(t+s) e^{-s/tau_syn} + p_u(t+s) kappa(s)` and `p_u(t) = p_u(t+s) e^{-s/tau_mem}`. Arrivals
leave p as it is (`pull.py` says what they owe). At a record `p_u += dL/dV`. At a spike, with V' just before it, V'_r
where integration resumes (after the refractory time, in which p_u = 0) and p_u(r) the adjoint there,

    p_u- = (p_u(r) V'_r - G)/V'        G = dL/dt* + sum over its events of dL/dt_arrival
    dL/dtheta -= p_u-        dL/drho += p_u(r)        dL/drefractory -= p_u(r) V'_r

and p_I is continuous. (The (I, M) form of this is in Mészáros, Knight and Nowotny, Nat. Commun. 2025.)
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import (
    ROW,
    Clock,
    Membranes,
    Record,
    Synapses,
    Train,
    Wiring,
    rates_of,
)
from ranvier.event_driven.kernels.cpu.arrivals import (
    SPIKE_OF,
    TAG,
    Arrivals,
    Calendar,
    clear,
    close_window,
    collect,
    collect_rows,
    new_arrivals,
    new_calendar,
    remember,
    schedule,
)
from ranvier.event_driven.kernels.cpu.borrow import borrow, uncounted
from ranvier.event_driven.kernels.cpu.deposit import Room, new_room
from ranvier.event_driven.kernels.cpu.flow import Rates, flow
from ranvier.event_driven.kernels.cpu.forward import after, record_range
from ranvier.event_driven.kernels.cpu.lanes import prefetch
from ranvier.event_driven.kernels.cpu.pull import Gradient, pull
from ranvier.event_driven.kernels.cpu.share import bounds, take

SPIKE, RESTART, RECORDED = range(3)


class Adjoint(NamedTuple):
    """Adjoint of one sample's neurons: p_I, p_u, whether held in a refractory period, p_u at the latest restart."""

    current: np.ndarray
    u: np.ndarray
    held: np.ndarray
    restart: np.ndarray


class Boundaries(NamedTuple):
    """What interrupts neurons in one window: offset, kind, neuron, index of the spike or record; then links.

    `head[j]` is the latest boundary of neuron j, `next` the one before it.
    """

    offset: np.ndarray
    kind: np.ndarray
    place: np.ndarray
    next: np.ndarray
    head: np.ndarray
    restart_head: np.ndarray
    restart_next: np.ndarray


@no_type_check
@njit(nogil=True)
def run_backward(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, train: Train,
                 owed: np.ndarray, seed: np.ndarray, cap: float, timed: bool, sums: Gradient,
                 taken: np.ndarray) -> None:  # fmt: skip
    """Sum the gradient of chunks of samples until all are taken.

    Args:
        wiring: Who is joined to whom.
        synapses: Weights and delays.
        membranes: Constants of the neurons.
        clock: Windows.
        record: When potentials were written.
        train: Spikes, as the forward pass left them.
        owed: dL/d(spike time), (batch, places): direct terms on entry; on return complete, inputs included.
        seed: dL/d(recorded potential), (batch, values).
        cap: Largest 1/V' to use at a spike (inf: no guard).
        timed: Whether dL/d(input time) is wanted; if not, `owed` of inputs is incomplete.
        sums: Sums of every chunk, (chunks, ...), to add to.
        taken: How many chunks are taken, by whatever thread; see `share.take`.
    """
    neurons = membranes.theta.shape[0]
    adjoint = Adjoint(np.zeros(neurons), np.zeros(neurons), np.zeros(neurons, np.bool_), np.zeros(neurons))
    calendar = new_calendar(wiring, clock)
    arrivals = new_arrivals(wiring)
    boundaries = _new_boundaries(wiring, clock, record)
    ring = np.zeros(2 * clock.span * neurons * 2, synapses.weight.dtype)
    rows, loose, room = new_arrivals(wiring), new_arrivals(wiring), new_room(wiring, synapses)
    chunks = sums.theta.shape[0]
    chunk = take(taken)
    while chunk < chunks:
        gradient = Gradient(sums.lanes[chunk], sums.current[chunk], sums.u[chunk], sums.delay[chunk],
                            sums.theta[chunk], sums.rho[chunk], sums.refractory[chunk])  # fmt: skip
        _differentiate(wiring, synapses, membranes, clock, record, train, owed, seed, cap, timed, gradient,
                       bounds(chunk, chunks, owed.shape[0]), adjoint, calendar, rows, loose, arrivals, boundaries,
                       ring, room)  # fmt: skip
        chunk = take(taken)


@no_type_check
@njit(nogil=True)
def _differentiate(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, train: Train,
                   owed: np.ndarray, seed: np.ndarray, cap: float, timed: bool, gradient: Gradient,
                   samples: tuple[int, int], adjoint: Adjoint, calendar: Calendar, rows: Arrivals,
                   loose: Arrivals, arrivals: Arrivals, boundaries: Boundaries, ring: np.ndarray,
                   room: Room) -> None:  # fmt: skip
    """The same with room to work in, and without counting references."""
    wiring, synapses, membranes = borrow(wiring), borrow(synapses), borrow(membranes)
    record, train, gradient = borrow(record), borrow(train), borrow(gradient)
    adjoint, calendar, boundaries = borrow(adjoint), borrow(calendar), borrow(boundaries)
    rows, loose, arrivals = borrow(rows), borrow(loose), borrow(arrivals)
    owed, seed, ring = borrow((owed, seed, ring))
    room = borrow(room)
    for b in range(samples[0], samples[1]):
        ring[:] = 0
        adjoint.current[:] = 0.0
        adjoint.u[:] = 0.0
        adjoint.held[:] = False
        adjoint.restart[:] = 0.0
        _replay(wiring, synapses, membranes, clock, calendar, train, b, adjoint, boundaries)
        half = ring.shape[0] // 2
        for k in range(clock.windows - 1, -1, -1):
            if (k + 1) % clock.span == 0:
                ring[half:] = ring[:half]
                ring[:half] = 0
            for p in range(wiring.size.shape[0] - 1, -1, -1):
                if p >= wiring.inputs:
                    _retreat(wiring, synapses, membranes, clock, record, calendar, train, owed, seed, cap, gradient, b,
                             k, p, adjoint, boundaries, rows, loose, arrivals, ring, room)  # fmt: skip
                    continue
                for q in range(calendar.first[p, k], calendar.first[p, k + 1]):
                    owed[b, q] += pull(wiring, synapses, membranes, clock, train, b, q, p, timed, ring, room,
                                       gradient)  # fmt: skip
            close_window(wiring, calendar, train, b, k)


@no_type_check
@njit(nogil=True)
def _new_boundaries(wiring: Wiring, clock: Clock, record: Record) -> Boundaries:
    places = wiring.spike_start[-1] + wiring.capacity[-1]
    room = 2 * places + record.window.shape[1] * wiring.size.max() + 1
    return Boundaries(np.zeros(room), np.zeros(room, np.int8), np.zeros(room, np.int64), np.zeros(room, np.int64),
                      np.zeros(wiring.size.max(), np.int64), np.zeros(clock.windows, np.int64),
                      np.zeros(places, np.int64))  # fmt: skip


@no_type_check
@njit(nogil=True)
def _replay(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
            b: int, adjoint: Adjoint, boundaries: Boundaries) -> None:  # fmt: skip
    """Find again which spikes lie in a window, which arrive in it by ROW connections, and which restart in it."""
    clear(wiring, calendar)
    boundaries.restart_head[:] = -1
    final = clock.windows - 1
    for p in range(wiring.size.shape[0]):
        q = wiring.spike_start[p]
        end = q + train.total[b, p]
        for k in range(clock.windows):
            calendar.first[p, k] = q
            while q < end and train.window[b, q] == k:
                q += 1
        calendar.first[p, clock.windows] = q
        for q in range(wiring.spike_start[p], end):
            age = (final >> calendar.group[0]) - (train.window[b, q] >> calendar.group[0])
            remember(wiring, calendar, train, b, p, q, age)
            for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
                if wiring.mode[wiring.out_list[at]] == ROW:
                    schedule(wiring, synapses, clock, calendar, train, b, q, wiring.out_list[at])
            if p < wiring.inputs:
                continue
            n = wiring.neuron_start[p] + train.unit[b, q]
            if membranes.refractory[n] > 0.0:
                k, offset = after(train.window[b, q], train.offset[b, q], membranes.refractory[n], clock.window)
                if k > final or (k == final and offset > clock.last):
                    adjoint.held[n] = True
                else:
                    boundaries.restart_next[q] = boundaries.restart_head[k]
                    boundaries.restart_head[k] = q


@no_type_check
@uncounted(inline="always")
def _retreat(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record,
             calendar: Calendar, train: Train, owed: np.ndarray, seed: np.ndarray, cap: float, gradient: Gradient,
             b: int, k: int, p: int, adjoint: Adjoint, boundaries: Boundaries, rows: Arrivals,
             loose: Arrivals, arrivals: Arrivals, ring: np.ndarray, room: Room) -> None:  # fmt: skip
    """Take every neuron of population p back through window k."""
    start, size = wiring.neuron_start[p], wiring.size[p]
    interrupted = _find_boundaries(wiring, membranes, clock, record, calendar, train, b, k, p, boundaries)
    at = 2 * ((k % clock.span) * membranes.theta.shape[0] + start)
    cells = ring[at : at + 2 * size]
    for j in range(size):
        n = start + j
        if interrupted and boundaries.head[j] >= 0:
            cells[2 * j] = 0.0
            cells[2 * j + 1] = 0.0
            continue
        p_i, p_u = adjoint.current[n], adjoint.u[n]
        cells[2 * j] = p_i
        cells[2 * j + 1] = p_u
        adjoint.current[n] = p_i * membranes.decay_syn[n] + p_u * membranes.kernel[n]
        adjoint.u[n] = p_u * membranes.decay_mem[n]
    if not interrupted:
        return
    count = collect_rows(wiring, synapses, clock, calendar, train, b, k, p, rows)
    for j in range(size):
        if boundaries.head[j] >= 0:
            found = collect(wiring, synapses, clock, calendar, train, b, k, p, j, rows, count, loose, arrivals)
            _exact(wiring, synapses, membranes, clock, train, owed, seed, cap, gradient, b, k, p, j, found, adjoint,
                   boundaries, arrivals, ring, room)  # fmt: skip


@no_type_check
@uncounted(inline="always")
def _find_boundaries(wiring: Wiring, membranes: Membranes, clock: Clock, record: Record, calendar: Calendar,
                     train: Train, b: int, k: int, p: int, boundaries: Boundaries) -> bool:  # fmt: skip
    """List the boundaries of each neuron of population p in window k, latest first; False if there are none."""
    low, high = record_range(record, b, k, p)
    first, last = calendar.first[p, k], calendar.first[p, k + 1]
    if low == high and first == last and boundaries.restart_head[k] < 0:
        return False
    boundaries.head[: wiring.size[p]] = -1
    count = 0
    for q in range(first, last):
        count = _insert(boundaries, count, train.unit[b, q], float(train.offset[b, q]), SPIKE, q)
    q = boundaries.restart_head[k]
    while q >= 0:
        if wiring.spike_start[p] <= q < wiring.spike_start[p] + wiring.capacity[p]:
            j = train.unit[b, q]
            hold = membranes.refractory[wiring.neuron_start[p] + j]
            _, offset = after(train.window[b, q], train.offset[b, q], hold, clock.window)
            count = _insert(boundaries, count, j, offset, RESTART, q)
        q = boundaries.restart_next[q]
    for r in range(low, high):
        place = record.value_start[p] + (r - record.time_start[p]) * wiring.size[p]
        for j in range(wiring.size[p]):
            count = _insert(boundaries, count, j, float(record.offset[b, r]), RECORDED, place + j)
    return count > 0


@no_type_check
@uncounted(inline="always")
def _insert(boundaries: Boundaries, count: int, j: int, offset: float, kind: int, index: int) -> int:
    """Put a boundary into neuron j's list, latest first; at one instant: record, restart, spike in this order."""
    boundaries.offset[count], boundaries.kind[count], boundaries.place[count] = offset, kind, index
    before, at = -1, boundaries.head[j]
    while at >= 0 and (
        boundaries.offset[at] > offset or (boundaries.offset[at] == offset and boundaries.kind[at] > kind)
    ):
        before, at = at, boundaries.next[at]
    boundaries.next[count] = at
    if before < 0:
        boundaries.head[j] = count
    else:
        boundaries.next[before] = count
    return count + 1


@no_type_check
@uncounted(inline="always")
def _exact(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, owed: np.ndarray,
           seed: np.ndarray, cap: float, gradient: Gradient, b: int, k: int, p: int, j: int, found: int,
           adjoint: Adjoint, boundaries: Boundaries, arrivals: Arrivals, ring: np.ndarray,
           room: Room) -> None:  # fmt: skip
    """Take one neuron back through one window: from boundary to boundary, and in between from event to event."""
    n = wiring.neuron_start[p] + j
    rates = rates_of(membranes, n)
    t = clock.last if k == clock.windows - 1 else clock.window
    left, at = found, boundaries.head[j]
    _find_sums(arrivals.tag[:found], wiring.weight_start, wiring.size[p], j, train.unit[b], gradient.current,
               gradient.u, arrivals.slot)  # fmt: skip
    while left > 0 and arrivals.offset[left - 1] > t:
        left -= 1
    while True:
        to = boundaries.offset[at] if at >= 0 else 0.0
        adjoint.current[n], adjoint.u[n], left = _events(
            adjoint.current[n], adjoint.u[n], rates, t, to, left, arrivals.offset, arrivals.weight, arrivals.tag,
            arrivals.slot, wiring.delay_start, wiring.row_stride, wiring.column_stride, train.unit[b],
            gradient.current, gradient.u, gradient.delay, owed[b],
        )  # fmt: skip
        t = to
        if at < 0:
            return
        kind, index = boundaries.kind[at], boundaries.place[at]
        if kind == SPIKE:
            owed[b, index] += pull(wiring, synapses, membranes, clock, train, b, index, p, True, ring, room,
                                    gradient)  # fmt: skip
            _spike(membranes, train, owed, cap, gradient, b, index, n, adjoint)
        elif kind == RESTART:
            adjoint.restart[n], adjoint.u[n], adjoint.held[n] = adjoint.u[n], 0.0, True
        elif adjoint.held[n]:
            gradient.rho[n] += seed[b, index]
        else:
            adjoint.u[n] += seed[b, index]
        at = boundaries.next[at]


@no_type_check
@uncounted(forceinline=True)
def _find_sums(
    tag: np.ndarray, weight_start: np.ndarray, size: int, j: int, unit: np.ndarray, into_weight: np.ndarray, into_u:
    np.ndarray, slot: np.ndarray,
) -> None:  # fmt: skip
    """Where each arrival at neuron j has its sums; asks for them, since they are far apart."""
    for a in range(tag.shape[0]):
        slot[a] = weight_start[tag[a] >> TAG] + unit[tag[a] & SPIKE_OF] * size + j
        prefetch(into_weight, slot[a])
        prefetch(into_u, slot[a])


@no_type_check
@uncounted(forceinline=True)
def _events(
    p_i: float, p_u: float, rates: Rates, t: float, to: float, left: int, offset: np.ndarray, weight: np.ndarray,
    tag: np.ndarray, slots: np.ndarray, delay_start: np.ndarray, row_stride: np.ndarray, column_stride: np.ndarray,
    unit: np.ndarray, into_weight: np.ndarray, into_u: np.ndarray, into_delay: np.ndarray, owed: np.ndarray,
) -> tuple[float, float, int]:  # fmt: skip
    """Back from offset t to offset `to`, booking what every arrival on the way owes; see `pull.py`."""
    while True:
        here = offset[left - 1] if left > 0 and offset[left - 1] >= to else to
        decay_syn, decay_mem, kernel = flow(t - here, rates)
        p_i = p_i * decay_syn + p_u * kernel
        p_u *= decay_mem
        t = here
        if left == 0 or offset[left - 1] < to:
            return p_i, p_u, left
        left -= 1
        due = weight[left] * (p_i * rates.syn - p_u * rates.mem)
        q, c, slot = tag[left] & SPIKE_OF, tag[left] >> TAG, slots[left]
        into_weight[slot] += p_i
        if column_stride[c] > 0:
            into_u[slot] += p_u
        else:
            into_delay[delay_start[c] + unit[q] * row_stride[c]] += due
        owed[q] += due


@no_type_check
@uncounted(inline="always")
def _spike(membranes: Membranes, train: Train, owed: np.ndarray, cap: float, gradient: Gradient, b: int, q: int, n: int,
           adjoint: Adjoint) -> None:  # fmt: skip
    """Cross a spike backward; see the module's formula."""
    resumed = adjoint.restart[n] if membranes.refractory[n] > 0.0 else adjoint.u[n]
    flowing = resumed * train.restart[b, q]
    slope = train.slope[b, q]
    inverse = min(1.0 / slope if slope > 0.0 else np.inf, cap)
    adjoint.u[n] = (flowing - owed[b, q]) * inverse
    adjoint.restart[n] = 0.0
    adjoint.held[n] = False
    gradient.theta[n] -= adjoint.u[n]
    gradient.rho[n] += resumed
    gradient.refractory[n] -= flowing
