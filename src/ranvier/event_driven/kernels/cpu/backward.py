"""Backward pass: the adjoint of the forward pass, window by window in reverse (EventProp with delays).

Between boundaries `p_I(t) = p_I(t+s) e^{-s/tau_syn} + p_u(t+s) kappa(s)` and `p_u(t) = p_u(t+s) e^{-s/tau_mem}`.
Arrivals leave p as it is; their senders look it up (`pull.py`). At a record `p_u += dL/dV`. At a spike, with V' just
before it, V'_r where integration resumes (after the refractory time, in which p_u = 0) and p_u(r) the adjoint there,

    p_u- = (p_u(r) V'_r - G)/V'        G = dL/dt* + sum over its events of dL/dt_arrival
    dL/dtheta -= p_u-        dL/drho += p_u(r)        dL/drefractory -= p_u(r) V'_r

and p_I is continuous. (The (I, M) form of this is in Mészáros, Knight and Nowotny, Nat. Commun. 2025.) Where the value
of a spike is wanted (`ranvier.gradients`), p_u- is another, and the rest is the same.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import (
    Clock,
    Inputs,
    Membranes,
    Record,
    Synapses,
    Train,
    Trains,
    Wiring,
    rates_of,
)
from ranvier.event_driven.kernels.cpu.borrow import borrow, uncounted
from ranvier.event_driven.kernels.cpu.fan_out import Room, new_room
from ranvier.event_driven.kernels.cpu.flow import flow
from ranvier.event_driven.kernels.cpu.forward import record_range
from ranvier.event_driven.kernels.cpu.pieces import MARK, Pieces, begin, forget, interrupt, new_pieces
from ranvier.event_driven.kernels.cpu.pull import FAST, Gradient, clear, pull
from ranvier.event_driven.kernels.cpu.share import bounds, take
from ranvier.event_driven.kernels.cpu.trains import new_train, recall
from ranvier.event_driven.kernels.cpu.walk import after

SPIKE, RESTART, RECORDED = range(3)


class Value(NamedTuple):
    """What a spike is worth: see `ranvier.gradients`, also for the numbers.

    `presence`: dL/d(presence), as far as the loss depends on it directly, (batch, places); without places if the
    derivative is exact. `worth`: place for W of each spike of a sample.
    """

    presence: np.ndarray
    worth: np.ndarray
    timing: float
    scale: float
    reset: float
    refractory: float


class Adjoint(NamedTuple):
    """Adjoint of one sample's neurons: p_I, p_u, whether held in a refractory period, p_u at the latest restart."""

    current: np.ndarray
    u: np.ndarray
    held: np.ndarray
    restart: np.ndarray


class Boundaries(NamedTuple):
    """What interrupts neurons in one window: offset, kind, neuron, index of the spike or record; then links.

    `head[j]` is the latest boundary of neuron j, `next` the one before it; `units` are the neurons that have any.
    `first` (populations, windows + 1): the first spike of a window. Restarts are listed by window for a whole sample.
    """

    offset: np.ndarray
    kind: np.ndarray
    place: np.ndarray
    next: np.ndarray
    head: np.ndarray
    units: np.ndarray
    first: np.ndarray
    restart_head: np.ndarray
    restart_next: np.ndarray


@no_type_check
@njit(nogil=True)
def run_backward(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, inputs: Inputs,
                 trains: Trains, direct: np.ndarray, seed: np.ndarray, presence: np.ndarray, parts: tuple, cap: float,
                 early: np.ndarray, sums: Gradient, taken: np.ndarray) -> None:  # fmt: skip
    """Sum the gradient of chunks of samples until all are taken.

    Args:
        wiring: Who is joined to whom.
        synapses: Weights and delays.
        membranes: Constants of the neurons.
        clock: Windows.
        record: When potentials were written.
        inputs: Input spikes, sorted.
        trains: Spikes of neurons, as the forward pass left them.
        direct: dL/d(spike time) of neurons, (batch, places), as far as the loss depends on it directly.
        seed: dL/d(recorded potential), (batch, values).
        presence: dL/d(presence of a spike), like `direct`; without places if the derivative is exact.
        parts: timing, scale, reset, refractory of `ranvier.gradients.Parts`.
        cap: Largest 1/V' to use at a spike (inf: no guard).
        early: Place for dL/d(input time), (batch, places); of no length if it is not wanted.
        sums: Room for the sums of every chunk, (chunks, ...).
        taken: How many chunks are taken, by whatever thread; see `share.take`.
    """
    neurons = membranes.theta.shape[0]
    adjoint = Adjoint(np.zeros(neurons), np.zeros(neurons), np.zeros(neurons, np.bool_), np.zeros(neurons))
    boundaries, pieces = _new_boundaries(wiring, clock, record), new_pieces(wiring, clock, record, neurons)
    ring, room = np.zeros(clock.span * neurons * 2, synapses.weight.dtype), new_room(wiring, synapses)
    train, chunks = new_train(wiring, synapses), sums.theta.shape[0]
    owed = np.zeros(train.slope.shape[0])
    value = Value(presence, np.zeros(owed.shape[0]), parts[0], parts[1], parts[2], parts[3])
    chunk = take(taken)
    while chunk < chunks:
        gradient = Gradient(sums.current[chunk], sums.u[chunk], sums.delay[chunk],
                            sums.theta[chunk], sums.rho[chunk], sums.refractory[chunk])  # fmt: skip
        clear(gradient)
        _differentiate(wiring, synapses, membranes, clock, record, inputs, train, trains, owed, direct, seed, value,
                       cap, early, gradient, bounds(chunk, chunks, direct.shape[0]), adjoint, boundaries, pieces, ring,
                       room, taken)  # fmt: skip
        chunk = take(taken)


@no_type_check
@njit(nogil=True)
def _differentiate(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record,
                   inputs: Inputs, train: Train, trains: Trains, owed: np.ndarray, direct: np.ndarray, seed: np.ndarray,
                   value: Value, cap: float, early: np.ndarray, gradient: Gradient, samples: tuple[int, int],
                   adjoint: Adjoint, boundaries: Boundaries, pieces: Pieces, ring: np.ndarray, room: Room,
                   taken: np.ndarray) -> None:  # fmt: skip
    """The same with room to work in, and without counting references; left undone once `taken[1]` is not 0."""
    wiring, synapses, membranes = borrow(wiring), borrow(synapses), borrow(membranes)
    record, train, gradient = borrow(record), borrow(train), borrow(gradient)
    adjoint, boundaries, pieces, room = borrow(adjoint), borrow(boundaries), borrow(pieces), borrow(room)
    inputs, trains, value = borrow(inputs), borrow(trains), borrow(value)
    owed, direct, seed, early, ring, taken = borrow((owed, direct, seed, early, ring, taken))
    first, timed = wiring.spike_start[wiring.inputs], early.shape[0] > 0
    for b in range(samples[0], samples[1]):
        ring[:] = 0
        adjoint.current[:] = 0.0
        adjoint.u[:] = 0.0
        adjoint.held[:] = False
        adjoint.restart[:] = 0.0
        forget(pieces)
        recall(wiring, clock, inputs, trains, b, train)
        owed[:first], owed[first:] = 0.0, direct[b]
        if value.presence.shape[1] > 0:
            value.worth[first:] = value.presence[b]
        _replay(wiring, membranes, clock, train, adjoint, boundaries)
        for k in range(clock.windows - 1, -1, -1):
            if taken[1] != 0:
                return
            for p in range(wiring.size.shape[0] - 1, -1, -1):
                if p >= wiring.inputs:
                    _retreat(wiring, synapses, membranes, clock, record, train, owed, seed, value, cap, gradient, b, k,
                             p, adjoint, boundaries, pieces, ring, room)  # fmt: skip
                    continue
                pull(wiring, synapses, membranes, clock, train, boundaries.first[p, k], boundaries.first[p, k + 1], p,
                     k % clock.span, timed, 1.0, False, ring, pieces, room, gradient, owed, value.worth)  # fmt: skip
        if timed:
            early[b] = owed[:first]


@no_type_check
@njit(nogil=True)
def _new_boundaries(wiring: Wiring, clock: Clock, record: Record) -> Boundaries:
    places = wiring.spike_start[-1] + wiring.capacity[-1]
    room = 2 * places + record.window.shape[1] * wiring.size.max() + 1
    return Boundaries(np.zeros(room), np.zeros(room, np.int8), np.zeros(room, np.int64), np.zeros(room, np.int64),
                      np.zeros(wiring.size.max(), np.int64), np.zeros(wiring.size.max(), np.int64),
                      np.zeros((wiring.size.shape[0], clock.windows + 1), np.int64),
                      np.zeros(clock.windows, np.int64), np.zeros(places, np.int64))  # fmt: skip


@no_type_check
@njit(nogil=True)
def _replay(wiring: Wiring, membranes: Membranes, clock: Clock, train: Train, adjoint: Adjoint,
            boundaries: Boundaries) -> None:  # fmt: skip
    """Find again which spikes lie in a window, and which neurons restart in it."""
    boundaries.restart_head[:] = -1
    final = clock.windows - 1
    for p in range(wiring.size.shape[0]):
        q = wiring.spike_start[p]
        end = q + train.total[p]
        for k in range(clock.windows):
            boundaries.first[p, k] = q
            while q < end and train.window[q] == k:
                q += 1
        boundaries.first[p, clock.windows] = q
        for q in range(wiring.spike_start[p], end):
            if p < wiring.inputs:
                continue
            n = wiring.neuron_start[p] + train.unit[q]
            if membranes.refractory[n] > 0.0:
                k, offset = after(train.window[q], train.offset[q], membranes.refractory[n], clock.window)
                if k > final or (k == final and offset > clock.last):
                    adjoint.held[n] = True
                else:
                    boundaries.restart_next[q] = boundaries.restart_head[k]
                    boundaries.restart_head[k] = q


@no_type_check
@uncounted(inline="always")
def _retreat(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, record: Record, train: Train,
             owed: np.ndarray, seed: np.ndarray, value: Value, cap: float, gradient: Gradient, b: int, k: int, p: int,
             adjoint: Adjoint, boundaries: Boundaries, pieces: Pieces, ring: np.ndarray,
             room: Room) -> None:  # fmt: skip
    """Take every neuron of population p back through window k."""
    start, size, turn = wiring.neuron_start[p], wiring.size[p], k % clock.span
    cell, place = turn * membranes.theta.shape[0] + start, turn * wiring.size.shape[0] + p
    part = slice(start, start + size)
    pieces.head[place] = -1
    pieces.latest[cell : cell + size] = -1
    interrupted = _find_boundaries(wiring, membranes, clock, record, train, b, k, p, boundaries)
    end = clock.last if k == clock.windows - 1 else clock.window
    for at in range(interrupted):
        j = boundaries.units[at]
        piece = interrupt(pieces, place, cell + j, j)
        pieces.current[piece], pieces.u[piece] = adjoint.current[start + j], adjoint.u[start + j]
    _decay(adjoint.current[part], adjoint.u[part], membranes.decay_syn[part], membranes.decay_mem[part],
           membranes.kernel[part], ring[2 * cell : 2 * (cell + size)])  # fmt: skip
    for at in range(interrupted):
        j = boundaries.units[at]
        ring[2 * (cell + j)], ring[2 * (cell + j) + 1] = MARK, 0.0
        piece = np.int64(pieces.latest[cell + j])
        adjoint.current[start + j], adjoint.u[start + j] = pieces.current[piece], pieces.u[piece]
        _exact(wiring, synapses, membranes, clock, train, owed, seed, value, cap, gradient, b, turn, p, j, piece, end,
               adjoint, boundaries, pieces, ring, room)  # fmt: skip


@no_type_check
@uncounted(fastmath=FAST)
def _decay(
    current: np.ndarray, u: np.ndarray, decay_syn: np.ndarray, decay_mem: np.ndarray, kernel: np.ndarray,
    cells: np.ndarray,
) -> None:  # fmt: skip
    """Write (p_I, p_u) at the window's end into the ring, and go back to its start."""
    for j in range(current.shape[0]):
        p_i, p_u = current[j], u[j]
        cells[2 * j], cells[2 * j + 1] = p_i, p_u
        current[j] = p_i * decay_syn[j] + p_u * kernel[j]
        u[j] = p_u * decay_mem[j]


@no_type_check
@uncounted(inline="always")
def _find_boundaries(wiring: Wiring, membranes: Membranes, clock: Clock, record: Record, train: Train, b: int, k: int,
                     p: int, boundaries: Boundaries) -> int:  # fmt: skip
    """List the boundaries of each neuron of population p in window k, latest first; how many neurons have any."""
    low, high = record_range(record, b, k, p)
    first, last = boundaries.first[p, k], boundaries.first[p, k + 1]
    if low == high and first == last and boundaries.restart_head[k] < 0:
        return 0
    boundaries.head[: wiring.size[p]] = -1
    count = 0, 0
    for q in range(first, last):
        count = _insert(boundaries, count, train.unit[q], float(train.offset[q]), SPIKE, q)
    q = boundaries.restart_head[k]
    while q >= 0:
        if wiring.spike_start[p] <= q < wiring.spike_start[p] + wiring.capacity[p]:
            j = train.unit[q]
            hold = membranes.refractory[wiring.neuron_start[p] + j]
            _, offset = after(train.window[q], train.offset[q], hold, clock.window)
            count = _insert(boundaries, count, j, offset, RESTART, q)
        q = boundaries.restart_next[q]
    for r in range(low, high):
        place = record.value_start[p] + (r - record.time_start[p]) * wiring.size[p]
        for j in range(wiring.size[p]):
            count = _insert(boundaries, count, j, float(record.offset[b, r]), RECORDED, place + j)
    return count[1]


@no_type_check
@uncounted(inline="always")
def _insert(boundaries: Boundaries, count: tuple[int, int], j: int, offset: float, kind: int,
            index: int) -> tuple[int, int]:  # fmt: skip
    """Put a boundary into neuron j's list, latest first; at one instant: record, restart, spike in this order.

    `count`: how many boundaries and neurons are listed.
    """
    new, neurons = count
    boundaries.offset[new], boundaries.kind[new], boundaries.place[new] = offset, kind, index
    before, at = -1, boundaries.head[j]
    if at < 0:
        boundaries.units[neurons] = j
        neurons += 1
    while at >= 0 and (
        boundaries.offset[at] > offset or (boundaries.offset[at] == offset and boundaries.kind[at] > kind)
    ):
        before, at = at, boundaries.next[at]
    boundaries.next[new] = at
    if before < 0:
        boundaries.head[j] = new
    else:
        boundaries.next[before] = new
    return new + 1, neurons


@no_type_check
@uncounted(inline="always")
def _exact(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, owed: np.ndarray,
           seed: np.ndarray, value: Value, cap: float, gradient: Gradient, b: int, turn: int, p: int, j: int,
           piece: int, t: float, adjoint: Adjoint, boundaries: Boundaries, pieces: Pieces, ring: np.ndarray,
           room: Room) -> None:  # fmt: skip
    """Take one neuron back through one window, whose latest piece ends at t, from boundary to boundary."""
    n, at = wiring.neuron_start[p] + j, boundaries.head[j]
    rates = rates_of(membranes, n)
    while True:
        p_i, p_u = adjoint.current[n], adjoint.u[n]
        syn, mem, kernel = flow(t - clock.window, rates)
        pieces.current[piece], pieces.u[piece] = p_i * syn + p_u * kernel, p_u * mem
        to = boundaries.offset[at] if at >= 0 else 0.0
        syn, mem, kernel = flow(t - to, rates)
        adjoint.current[n], adjoint.u[n] = p_i * syn + p_u * kernel, p_u * mem
        pieces.start[piece] = t = to
        if at < 0:
            return
        kind, index = boundaries.kind[at], boundaries.place[at]
        if kind == SPIKE:
            valued = value.presence.shape[1] > 0
            pull(wiring, synapses, membranes, clock, train, index, index + 1, p, turn, True, value.timing, valued, ring,
                 pieces, room, gradient, owed, value.worth)  # fmt: skip
            _spike(membranes, train, owed, value, cap, gradient, index, n, adjoint)
        elif kind == RESTART:
            adjoint.restart[n], adjoint.u[n], adjoint.held[n] = adjoint.u[n], 0.0, True
        elif adjoint.held[n]:
            gradient.rho[n] += seed[b, index]
        else:
            adjoint.u[n] += seed[b, index]
        at = boundaries.next[at]
        pieces.before[piece] = begin(pieces)
        piece = pieces.before[piece]


@no_type_check
@uncounted(inline="always")
def _spike(membranes: Membranes, train: Train, owed: np.ndarray, value: Value, cap: float, gradient: Gradient, q: int,
           n: int, adjoint: Adjoint) -> None:  # fmt: skip
    """Cross a spike backward; see the module's formula, and that of `ranvier.gradients`."""
    resumed = adjoint.restart[n] if membranes.refractory[n] > 0.0 else adjoint.u[n]
    flowing = resumed * train.restart[q]
    slope = train.slope[q]
    inverse = min(1.0 / slope if slope > 0.0 else np.inf, cap)
    if value.presence.shape[1] > 0:
        moved = value.timing * flowing - owed[q]
        worth = value.worth[q]
        if resumed != 0.0:
            worth += resumed * _interrupted(membranes, n, membranes.theta[n] + slope / membranes.rate_mem[n], value)
        adjoint.u[n] = value.scale / membranes.theta[n] * worth
        if moved != 0.0:
            adjoint.u[n] += moved * inverse
    else:
        adjoint.u[n] = (flowing - owed[q]) * inverse
    adjoint.restart[n] = 0.0
    adjoint.held[n] = False
    gradient.theta[n] -= adjoint.u[n]
    gradient.rho[n] += resumed
    gradient.refractory[n] -= flowing


@no_type_check
@uncounted(inline="always")
def _interrupted(membranes: Membranes, n: int, current: float, value: Value) -> float:
    """What reset and refractory time do to the potential at the restart, as far as they count; I = `current` at t*."""
    rho = membranes.rho[n]
    _, mem, kernel = flow(membranes.refractory[n], rates_of(membranes, n))
    reset, hold = (rho - membranes.theta[n]) * mem, rho * (1.0 - mem) - current * kernel
    return value.reset * reset + value.refractory * hold
