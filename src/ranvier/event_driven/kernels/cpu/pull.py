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
    SCATTER,
    Clock,
    Membranes,
    Synapses,
    Train,
    Wiring,
)
from ranvier.event_driven.kernels.cpu.arrivals import place
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.deposit import FAST, pass_on
from ranvier.event_driven.kernels.cpu.flow import flow


class Gradient(NamedTuple):
    """Sums over one chunk of samples: of x_I and x_u per weight (flat), and of dL/ddelay where delays are shared.

    For one delay per synapse dL/ddelay follows from the first two; `delay` is then not touched. The rest is per
    neuron: with respect to theta, rho and the refractory time.
    """

    current: np.ndarray
    u: np.ndarray
    delay: np.ndarray
    theta: np.ndarray
    rho: np.ndarray
    refractory: np.ndarray


@no_type_check
@uncounted()
def pull(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, b: int, q: int, p: int,
         ring: np.ndarray, factors: np.ndarray, gradient: Gradient) -> float:  # fmt: skip
    """Add up what spike q of population p receives; returns its part of dL/dt_q."""
    total, neurons = 0.0, membranes.theta.shape[0]
    i = train.unit[b, q]
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        if wiring.mode[c] == GENERAL:
            total += _general(wiring, synapses, membranes, clock, train, b, q, c, ring, gradient)
            continue
        post = wiring.post[c]
        size, to = wiring.size[post], wiring.neuron_start[post]
        tau_mem, tau_syn = membranes.tau_mem[to], membranes.tau_syn[to]
        row = wiring.weight_start[c] + i * size
        start = wiring.delay_start[c] + i * wiring.row_stride[c]
        weight, current = synapses.weight[row : row + size], gradient.current[row : row + size]
        if wiring.mode[c] == ROW:
            k, offset = place(clock, synapses, train, b, q, start)
            first = train.window[b, q] - train.window[b, q] % clock.span
            cells = ring[2 * ((k - first) * neurons + to) : 2 * ((k - first) * neurons + to + size)]
            owed = _row(weight, current, cells, flow(clock.window - offset, tau_mem, tau_syn), tau_mem, tau_syn)
            gradient.delay[start] += owed
            total += owed
            continue
        pass_on(clock.window - train.offset[b, q], clock.window, tau_mem, tau_syn, factors)
        inside = slice(start, start + size)
        tables = (synapses.cell[inside], synapses.frac[inside], synapses.decay_syn[inside],
                  synapses.decay_mem[inside], synapses.kernel[inside])  # fmt: skip
        moment = ((train.window[b, q] % clock.span) * neurons, train.offset[b, q], clock.window, neurons)
        if wiring.mode[c] == SCATTER:
            u = gradient.u[row : row + size]
            total += _scattered(weight, current, u, tables, ring, factors, moment, tau_mem, tau_syn)
        else:
            delay = gradient.delay[inside]
            total += _columns(weight, current, delay, tables, ring, factors, moment, tau_mem, tau_syn)
    return total


@no_type_check
@uncounted(fastmath=FAST)
def _row(
    weight: np.ndarray, current: np.ndarray, cells: np.ndarray, passed: tuple, tau_mem: float, tau_syn: float,
) -> float:  # fmt: skip
    """One delay per sender: a whole row at once."""
    real = weight.dtype.type
    syn, mem, kernel = real(passed[0]), real(passed[1]), real(passed[2])
    rate_syn, rate_mem = real(1.0 / tau_syn), real(1.0 / tau_mem)
    total = real(0)
    for j in range(weight.shape[0]):
        x_i = cells[2 * j] * syn + cells[2 * j + 1] * kernel
        current[j] += x_i
        total += weight[j] * (x_i * rate_syn - cells[2 * j + 1] * mem * rate_mem)
    return float(total)


@no_type_check
@uncounted(fastmath=FAST)
def _scattered(
    weight: np.ndarray, current: np.ndarray, u: np.ndarray, tables: tuple, ring: np.ndarray, factors: np.ndarray,
    moment: tuple, tau_mem: float, tau_syn: float,
) -> float:  # fmt: skip
    """The inner loop of the backward pass: one spike out of the ring, one delay per synapse."""
    cell, frac, decay_syn, decay_mem, kernel = tables
    base, offset, window, neurons = moment
    real = weight.dtype.type
    per_window = real(1.0 / window)
    rate_syn, rate_mem = real(1.0 / tau_syn), real(1.0 / tau_mem)
    total = real(0)
    for j in range(weight.shape[0]):
        late = np.int64((offset + frac[j]) * per_window)
        at = np.uintp(2 * (base + cell[j] + neurons * late))
        p_i, p_u = ring[at], ring[at + np.uintp(1)]
        syn, mem, passed = factors[np.uintp(late), 0], factors[np.uintp(late), 1], factors[np.uintp(late), 2]
        x_i = p_i * decay_syn[j] * syn + p_u * (decay_mem[j] * passed + kernel[j] * syn)
        x_u = p_u * decay_mem[j] * mem
        current[j] += x_i
        u[j] += x_u
        total += weight[j] * (x_i * rate_syn - x_u * rate_mem)
    return float(total)


@no_type_check
@uncounted(fastmath=FAST)
def _columns(
    weight: np.ndarray, current: np.ndarray, delay: np.ndarray, tables: tuple, ring: np.ndarray, factors:
    np.ndarray, moment: tuple, tau_mem: float, tau_syn: float,
) -> float:  # fmt: skip
    """One delay per receiver: the same, with the delay's gradient summed over senders at once."""
    cell, frac, decay_syn, decay_mem, kernel = tables
    base, offset, window, neurons = moment
    per_window = weight.dtype.type(1.0 / window)
    total = 0.0
    for j in range(weight.shape[0]):
        late = np.int64((offset + frac[j]) * per_window)
        at = np.uintp(2 * (base + cell[j] + neurons * late))
        p_i, p_u = ring[at], ring[at + np.uintp(1)]
        syn, mem, passed = factors[np.uintp(late), 0], factors[np.uintp(late), 1], factors[np.uintp(late), 2]
        x_i = p_i * decay_syn[j] * syn + p_u * (decay_mem[j] * passed + kernel[j] * syn)
        x_u = p_u * decay_mem[j] * mem
        owed = weight[j] * (x_i / tau_syn - x_u / tau_mem)
        current[j] += x_i
        delay[j] += owed
        total += owed
    return total


@no_type_check
@uncounted()
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
        syn, mem, kernel = flow(clock.window - offset, membranes.tau_mem[n], membranes.tau_syn[n])
        total += owe(wiring, synapses, membranes, c, i, j, p_i * syn + p_u * kernel, p_u * mem, gradient)
    return total


@no_type_check
@uncounted()
def owe(wiring: Wiring, synapses: Synapses, membranes: Membranes, c: int, i: int, j: int, x_i: float, x_u: float,
        gradient: Gradient) -> float:  # fmt: skip
    """Book one event's adjoint (x_I, x_u at its arrival) and return dL/dt of its arrival."""
    n = wiring.neuron_start[wiring.post[c]] + j
    at = wiring.weight_start[c] + i * wiring.size[wiring.post[c]] + j
    owed = synapses.weight[at] * (x_i / membranes.tau_syn[n] - x_u / membranes.tau_mem[n])
    gradient.current[at] += x_i
    if wiring.row_stride[c] > 0 and wiring.column_stride[c] > 0:
        gradient.u[at] += x_u
    else:
        gradient.delay[wiring.delay_start[c] + i * wiring.row_stride[c] + j * wiring.column_stride[c]] += owed
    return owed
