"""Backward: what one spike receives from the neurons it reached, where nothing happened between arrival and window end.

With (p_I, p_u) the adjoint at the end of the window in which an event of weight w arrived s earlier,

    x_I = p_I e^{-s/tau_syn} + p_u kappa(s)        x_u = p_u e^{-s/tau_mem}
    dL/dw = x_I        dL/dt_arrival = dL/ddelay = w (x_I/tau_syn - x_u/tau_mem)

Neurons with a boundary (a spike, a restart, a record) in that window hold zeros in `ring`: they send what they owe
themselves, event by event (`backward.py`).
"""

from typing import NamedTuple, no_type_check

import numpy as np

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
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.deposit import FAST, Room, locate, set_factors
from ranvier.event_driven.kernels.cpu.flow import Rates, flow
from ranvier.event_driven.kernels.cpu.lanes import LANES, gather, gather_and_weigh


class Gradient(NamedTuple):
    """Sums over one chunk of samples: of x_I and x_u per weight (flat), and of dL/ddelay for one delay per sender.

    For other delays dL/ddelay follows from the first two; `delay` is then not touched. A SCATTER connection adds the
    spike's share of both to `lanes`, four per weight, and only in the end multiplies by its own:

        x_I = decay_syn lanes_0 + decay_mem lanes_1 + kernel lanes_2        x_u = decay_mem lanes_3

    The rest is per neuron: with respect to theta, rho and the refractory time.
    """

    lanes: np.ndarray
    current: np.ndarray
    u: np.ndarray
    delay: np.ndarray
    theta: np.ndarray
    rho: np.ndarray
    refractory: np.ndarray


@no_type_check
@uncounted(inline="always")
def pull(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, b: int, q: int, p: int,
         timed: bool, ring: np.ndarray, room: Room, gradient: Gradient) -> float:  # fmt: skip
    """Add up what spike q of population p receives; returns its part of dL/dt_q, if that is wanted (`timed`)."""
    total, neurons = 0.0, membranes.theta.shape[0]
    i = train.unit[b, q]
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        if wiring.mode[c] == GENERAL:
            total += _general(wiring, synapses, membranes, clock, train, b, q, c, ring, gradient)
            continue
        size, to = wiring.size[wiring.post[c]], wiring.neuron_start[wiring.post[c]]
        rates = rates_of(membranes, to)
        row = wiring.weight_start[c] + i * size
        start = wiring.delay_start[c] + i * wiring.row_stride[c]
        first = train.window[b, q] % clock.span
        if wiring.mode[c] == ROW:
            k, offset = place(clock, synapses, train, b, q, start)
            cell = (k - train.window[b, q] + first) * neurons + to
            owed = _row(synapses.weight[row : row + size], gradient.current[row : row + size],
                        ring[2 * cell : 2 * (cell + size)], flow(clock.window - offset, rates), rates)  # fmt: skip
            gradient.delay[start] += owed
            total += owed
            continue
        set_factors(clock.window - train.offset[b, q], clock.window, rates, room.factors)
        locate(synapses.cell[start : start + size], synapses.frac[start : start + size], train.offset[b, q],
               clock.window, first * neurons, neurons, room.events)  # fmt: skip
        lanes = slice(LANES * row, LANES * (row + size))
        if timed:
            _set_gains(room.factors, rates, room.gains)
            total += gather_and_weigh(ring, room.events, gradient.lanes[lanes], room.factors, size,
                                      synapses.lanes[lanes], room.gains)  # fmt: skip
        else:
            gather(ring, room.events, gradient.lanes[lanes], room.factors, size)
    return total


@no_type_check
@uncounted()
def _set_gains(factors: np.ndarray, rates: Rates, gains: np.ndarray) -> None:
    """From `factors` to what makes dL/dt_arrival of (p_I, p_u, p_u, p_u) and a synapse's lanes."""
    for late in range(2):
        at = LANES * late
        syn, kernel, mem = factors[at], factors[at + 1], factors[at + 3]
        gains[at] = gains[at + 2] = syn * rates.syn
        gains[at + 1] = kernel * rates.syn - mem * rates.mem


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
@uncounted(inline="always")
def _general(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, b: int, q: int,
             c: int, ring: np.ndarray, gradient: Gradient) -> float:  # fmt: skip
    """For neurons with time constants of their own: exponentials for every event."""
    post, i = wiring.post[c], train.unit[b, q]
    first = train.window[b, q] - train.window[b, q] % clock.span
    total = 0.0
    for j in range(wiring.size[post]):
        n = wiring.neuron_start[post] + j
        entry = wiring.delay_start[c] + i * wiring.row_stride[c] + j * wiring.column_stride[c]
        k, offset = place(clock, synapses, train, b, q, entry)
        at = 2 * ((k - first) * membranes.theta.shape[0] + n)
        p_i, p_u = float(ring[at]), float(ring[at + 1])
        syn, mem, kernel = flow(clock.window - offset, rates_of(membranes, n))
        total += owe(wiring, synapses, membranes, c, i, j, p_i * syn + p_u * kernel, p_u * mem, gradient)
    return total


@no_type_check
@uncounted(inline="always")
def owe(wiring: Wiring, synapses: Synapses, membranes: Membranes, c: int, i: int, j: int, x_i: float, x_u: float,
        gradient: Gradient) -> float:  # fmt: skip
    """Book one event's adjoint (x_I, x_u at its arrival) and return dL/dt of its arrival."""
    n = wiring.neuron_start[wiring.post[c]] + j
    at = wiring.weight_start[c] + i * wiring.size[wiring.post[c]] + j
    owed = synapses.weight[at] * (x_i * membranes.rate_syn[n] - x_u * membranes.rate_mem[n])
    gradient.current[at] += x_i
    if wiring.column_stride[c] > 0:
        gradient.u[at] += x_u
    else:
        gradient.delay[wiring.delay_start[c] + i * wiring.row_stride[c]] += owed
    return owed
