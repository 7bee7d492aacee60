"""Backward: what one spike receives from the neurons it reached.

With (p_I, p_u) the adjoint at the end of the window in which an event of weight w arrived s earlier,

    x_I = p_I e^{-s/tau_syn} + p_u kappa(s)        x_u = p_u e^{-s/tau_mem}
    dL/dw = x_I        dL/dt_arrival = dL/ddelay = w (x_I/tau_syn - x_u/tau_mem)        dL/dpresence = w x_I

A SCATTER connection does this eight events at a time (`gather.py`). A neuron that was interrupted in that window
(`pieces.py`) holds MARK in the ring; its events are looked up one by one, with the adjoint of their piece.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import (
    GENERAL,
    ROW,
    Clock,
    Membranes,
    Synapses,
    Train,
    Wiring,
    rates_of,
)
from ranvier.event_driven.kernels.cpu.arrivals import place
from ranvier.event_driven.kernels.cpu.borrow import part, uncounted
from ranvier.event_driven.kernels.cpu.deposit import FAST
from ranvier.event_driven.kernels.cpu.fan_out import Room, locate, set_factors
from ranvier.event_driven.kernels.cpu.flow import Rates, flow
from ranvier.event_driven.kernels.cpu.gather import gather, gather_and_value, gather_and_weigh
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.kernels.cpu.marks import BITS, list_bits
from ranvier.event_driven.kernels.cpu.pieces import Pieces, piece_at


class Gradient(NamedTuple):
    """Sums over one chunk of samples: of x_I and x_u per weight (flat), and of dL/ddelay for one delay per sender.

    For other delays dL/ddelay follows from the first two; `delay` is then not touched. The rest is per neuron: with
    respect to theta, rho and the refractory time.
    """

    current: np.ndarray
    u: np.ndarray
    delay: np.ndarray
    theta: np.ndarray
    rho: np.ndarray
    refractory: np.ndarray


@no_type_check
@njit(nogil=True)
def clear(gradient: Gradient) -> None:
    """Set every sum to zero."""
    gradient.current[:] = 0.0
    gradient.u[:] = 0.0
    gradient.delay[:] = 0.0
    gradient.theta[:] = 0.0
    gradient.rho[:] = 0.0
    gradient.refractory[:] = 0.0


@no_type_check
@uncounted(inline="always")
def pull(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, first: int, last: int,
         p: int, turn: int, timed: bool, share: float, valued: bool, ring: np.ndarray, pieces: Pieces, room: Room,
         gradient: Gradient, owed: np.ndarray, worth: np.ndarray) -> None:  # fmt: skip
    """Add up what spikes `first` to `last - 1` of population p receive, in whose window the ring is at `turn`.

    Their parts of dL/dt_q, times `share`, are added to `owed`, if they are wanted (`timed`); those of dL/dpresence to
    `worth`, if they are (`valued`).
    """
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        size, to = wiring.size[wiring.post[c]], wiring.neuron_start[wiring.post[c]]
        weights, delays, stride = wiring.weight_start[c], wiring.delay_start[c], wiring.row_stride[c]
        if wiring.mode[c] == GENERAL:
            for q in range(first, last):
                timing, value = _general(wiring, synapses, membranes, clock, train, q, c, ring, pieces, gradient)
                owed[q] += share * timing
                if valued:
                    worth[q] += value
        elif wiring.mode[c] == ROW:
            for q in range(first, last):
                timing, value = _shared(wiring, synapses, membranes, clock, train, q, c, valued, ring, pieces, gradient)
                owed[q] += share * timing
                if valued:
                    worth[q] += value
        else:
            rates = rates_of(membranes, to)
            more = membranes.decay_syn[to], membranes.decay_mem[to], membranes.kernel[to]
            for q in range(first, last):
                offset, i = train.offset[q], train.unit[q]
                row, start = weights + i * size, delays + i * stride
                set_factors(clock.window - offset, rates, more, room.factors)
                locate(part(synapses.cell, start, size), part(synapses.frac, start, size), offset, clock.window,
                       turn * membranes.theta.shape[0], membranes.theta.shape[0], clock.span, room.events)  # fmt: skip
                timing, value = _scattered(
                    size, room.events, part(synapses.frac, start, size), part(synapses.decay_syn, start, size),
                    part(synapses.kernel, start, size), part(synapses.weight, row, size),
                    part(gradient.current, row, size), part(gradient.u, row, size), rates, offset, clock.window, timed,
                    valued, ring, room.factors, room.noted, room.places, pieces.latest, pieces.before, pieces.start,
                    pieces.current, pieces.u,
                )  # fmt: skip
                owed[q] += share * timing
                if valued:
                    worth[q] += value


@no_type_check
@uncounted(inline="always")
def _shared(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, q: int, c: int,
            valued: bool, ring: np.ndarray, pieces: Pieces, gradient: Gradient) -> tuple[float, float]:  # fmt: skip
    """A ROW connection."""
    i, post = train.unit[q], wiring.post[c]
    size, to, start = wiring.size[post], wiring.neuron_start[post], wiring.delay_start[c] + i * wiring.row_stride[c]
    row, rates = wiring.weight_start[c] + i * size, rates_of(membranes, to)
    k, offset = place(clock, synapses, train, q, start)
    turn = k % clock.span
    cell = turn * membranes.theta.shape[0] + to
    weight, current = synapses.weight[row : row + size], gradient.current[row : row + size]
    cells, passed = ring[2 * cell : 2 * (cell + size)], flow(clock.window - offset, rates)
    if valued:
        total, value = _valued_row(weight, current, cells, passed, rates)
    else:
        total, value = _row(weight, current, cells, passed, rates), 0.0
    gradient.delay[start] += total
    piece = pieces.head[turn * wiring.size.shape[0] + post]
    while piece >= 0:
        timing, worth = _event(wiring, synapses, membranes, clock, c, i, pieces.unit[piece], piece, offset, pieces,
                               gradient)  # fmt: skip
        total += timing
        value += worth
        piece = pieces.other[piece]
    return total, value


@no_type_check
@uncounted(forceinline=True)
def _scattered(
    size: int, events: np.ndarray, frac: np.ndarray, decay_syn: np.ndarray, kappa: np.ndarray, weight: np.ndarray,
    sums_current: np.ndarray, sums_u: np.ndarray, rates: Rates, offset: float, length: float, timed: bool,
    valued: bool, ring: np.ndarray, factors: np.ndarray, noted: np.ndarray, places: np.ndarray, latest: np.ndarray,
    before: np.ndarray, start: np.ndarray, current: np.ndarray, u: np.ndarray,
) -> tuple[float, float]:  # fmt: skip
    """A SCATTER connection. The last five arrays are the `pieces`."""
    real, total, value, skew = ring.dtype.type, 0.0, 0.0, 1.0 - rates.syn / rates.mem
    synapse, sums = (decay_syn, kappa, real(skew)), (sums_current, sums_u)
    noted[size // BITS] = 0
    if valued:
        sum_timing, sum_value = gather_and_value(ring, events, synapse, sums, factors, size, noted, weight,
                                                 (real(rates.syn), real(rates.mem)))  # fmt: skip
        total += sum_timing
        value += sum_value
    elif timed:
        total += gather_and_weigh(ring, events, synapse, sums, factors, size, noted, weight,
                                  (real(rates.syn), real(rates.mem)))  # fmt: skip
    else:
        gather(ring, events, synapse, sums, factors, size, noted)
    for hit in range(list_bits(noted, size, places)):
        j = places[np.uintp(hit)]
        late = np.int64(events[j] & np.uint32(1))
        piece = latest[events[j] // np.uint32(LANES)]
        if piece >= 0:  # else p_I just happens to be that zero, and all is done
            piece = piece_at(start, before, np.int64(piece), float(offset + frac[j]) - late * length)
            p_i, p_u, kind = current[piece], u[piece], LANES * late
            held = p_u * factors[kind + 1]
            x_i = decay_syn[j] * (p_i * factors[kind] + p_u * factors[kind + 2]) + kappa[j] * held
            x_u = (decay_syn[j] - skew * kappa[j]) * held
            sums_current[j] += x_i
            sums_u[j] += x_u
            total += weight[j] * (x_i * rates.syn - x_u * rates.mem)
            value += weight[j] * x_i
    return total, value


@no_type_check
@uncounted(inline="always")
def _event(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, c: int, i: int, j: int, piece: int,
           offset: float, pieces: Pieces, gradient: Gradient) -> tuple[float, float]:  # fmt: skip
    """An event that arrived at `offset` of a window in which its neuron was interrupted; `piece` is the latest."""
    piece = piece_at(pieces.start, pieces.before, piece, offset)
    rates = rates_of(membranes, wiring.neuron_start[wiring.post[c]] + j)
    syn, mem, kernel = flow(clock.window - offset, rates)
    x_i, x_u = pieces.current[piece] * syn + pieces.u[piece] * kernel, pieces.u[piece] * mem
    return _owe(wiring, synapses, c, i, j, x_i, x_u, rates, gradient)


@no_type_check
@uncounted(fastmath=FAST)
def _row(
    weight: np.ndarray, current: np.ndarray, cells: np.ndarray, passed: tuple, rates: Rates,
) -> float:  # fmt: skip
    """One delay per sender: a whole row at once."""
    real = weight.dtype.type
    syn, mem, kernel = real(passed[0]), real(passed[1]), real(passed[2])
    rate_syn, rate_mem = real(rates.syn), real(rates.mem)
    total = real(0)
    for j in range(weight.shape[0]):
        x_i = cells[2 * j] * syn + cells[2 * j + 1] * kernel
        current[j] += x_i
        total += weight[j] * (x_i * rate_syn - cells[2 * j + 1] * mem * rate_mem)
    return float(total)


@no_type_check
@uncounted(fastmath=FAST)
def _valued_row(
    weight: np.ndarray, current: np.ndarray, cells: np.ndarray, passed: tuple, rates: Rates,
) -> tuple[float, float]:  # fmt: skip
    """The same, and what the row is worth."""
    real = weight.dtype.type
    syn, mem, kernel = real(passed[0]), real(passed[1]), real(passed[2])
    rate_syn, rate_mem = real(rates.syn), real(rates.mem)
    total, value = real(0), real(0)
    for j in range(weight.shape[0]):
        x_i = cells[2 * j] * syn + cells[2 * j + 1] * kernel
        current[j] += x_i
        total += weight[j] * (x_i * rate_syn - cells[2 * j + 1] * mem * rate_mem)
        value += weight[j] * x_i
    return float(total), float(value)


@no_type_check
@uncounted(inline="always")
def _general(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, q: int,
             c: int, ring: np.ndarray, pieces: Pieces, gradient: Gradient) -> tuple[float, float]:  # fmt: skip
    """For neurons with time constants of their own: exponentials for every event."""
    post, i, neurons = wiring.post[c], train.unit[q], membranes.theta.shape[0]
    total, value = 0.0, 0.0
    for j in range(wiring.size[post]):
        n = wiring.neuron_start[post] + j
        entry = wiring.delay_start[c] + i * wiring.row_stride[c] + j * wiring.column_stride[c]
        k, offset = place(clock, synapses, train, q, entry)
        piece = pieces.latest[(k % clock.span) * neurons + n]
        if piece >= 0:
            timing, worth = _event(wiring, synapses, membranes, clock, c, i, j, piece, offset, pieces, gradient)
            total += timing
            value += worth
            continue
        at = 2 * ((k % clock.span) * neurons + n)
        p_i, p_u, rates = float(ring[at]), float(ring[at + 1]), rates_of(membranes, n)
        syn, mem, kernel = flow(clock.window - offset, rates)
        timing, worth = _owe(wiring, synapses, c, i, j, p_i * syn + p_u * kernel, p_u * mem, rates, gradient)
        total += timing
        value += worth
    return total, value


@no_type_check
@uncounted(inline="always")
def _owe(wiring: Wiring, synapses: Synapses, c: int, i: int, j: int, x_i: float, x_u: float, rates: Rates,
         gradient: Gradient) -> tuple[float, float]:  # fmt: skip
    """Book one event's adjoint (x_I, x_u at its arrival); return dL/dt of its arrival, and what it is worth."""
    at = wiring.weight_start[c] + i * wiring.size[wiring.post[c]] + j
    owed = synapses.weight[at] * (x_i * rates.syn - x_u * rates.mem)
    gradient.current[at] += x_i
    if wiring.column_stride[c] > 0:
        gradient.u[at] += x_u
    else:
        gradient.delay[wiring.delay_start[c] + i * wiring.row_stride[c]] += owed
    return owed, synapses.weight[at] * x_i
