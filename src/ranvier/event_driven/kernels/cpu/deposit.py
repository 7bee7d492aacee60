"""Forward: what the arrivals of a window add to a neuron's state at the window's end, summed over many of them.

An event of weight w, at offset o of a window of length h, leaves `w e^{-(h-o)/tau_syn}` in I and `w kappa(h-o)` in
u. A third number sums the positive ones of the latter: it bounds how far the events can lift u inside the window.
"""

from typing import no_type_check

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
    rates_of,
)
from ranvier.event_driven.kernels.cpu.arrivals import Calendar, place, schedule
from ranvier.event_driven.kernels.cpu.borrow import part, uncounted
from ranvier.event_driven.kernels.cpu.fan_out import Room, locate, set_factors
from ranvier.event_driven.kernels.cpu.flow import Rates, flow
from ranvier.event_driven.kernels.cpu.lanes import LANES, drain
from ranvier.event_driven.kernels.cpu.scatter import scatter

FAST = {"contract", "nsz", "reassoc"}


@no_type_check
@uncounted(inline="always")
def deposit(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
            first: int, last: int, p: int, base: int, ring: np.ndarray, room: Room) -> None:  # fmt: skip
    """Send spikes `first` to `last - 1` of population p, all of one window, through every connection.

    That window has its cells in the ring from `base` on.
    """
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        mode, post = wiring.mode[c], wiring.post[c]
        if mode == ROW:
            for q in range(first, last):
                schedule(wiring, synapses, clock, calendar, train, q, c)
        elif mode == GENERAL:
            for q in range(first, last):
                _scatter_general(wiring, synapses, membranes, clock, train, q, c, ring)
        elif mode == SCATTER:
            size, to, stride = wiring.size[post], wiring.neuron_start[post], wiring.row_stride[c]
            more = membranes.decay_syn[to], membranes.decay_mem[to], membranes.kernel[to]
            rates, weights, delays = rates_of(membranes, to), wiring.weight_start[c], wiring.delay_start[c]
            for q in range(first, last):
                offset, i = train.offset[q], train.unit[q]
                row, start = weights + i * size, delays + i * stride
                set_factors(clock.window - offset, rates, more, room.factors)
                locate(part(synapses.cell, start, size), part(synapses.frac, start, size), offset, clock.window, base,
                       membranes.theta.shape[0], clock.span, room.events)  # fmt: skip
                pairs = part(synapses.into_current, row, size), part(synapses.into_u, row, size)
                scatter(ring, room.events, pairs, room.factors, size)


@no_type_check
@uncounted(inline="always")
def _scatter_general(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train,
                     q: int, c: int, ring: np.ndarray) -> None:  # fmt: skip
    """The same for neurons with time constants of their own: exponentials for every event."""
    i, post = train.unit[q], wiring.post[c]
    start = wiring.delay_start[c] + i * wiring.row_stride[c]
    row = wiring.weight_start[c] + i * wiring.size[post]
    neurons = membranes.theta.shape[0]
    for j in range(wiring.size[post]):
        k, offset = place(clock, synapses, train, q, start + j * wiring.column_stride[c])
        to = wiring.neuron_start[post] + j
        decay, _, kernel = flow(clock.window - offset, rates_of(membranes, to))
        at = LANES * ((k % clock.span) * neurons + to)
        ring[at] += synapses.weight[row + j] * decay
        ring[at + 1] += synapses.weight[row + j] * kernel
        ring[at + 2] += max(synapses.weight[row + j] * kernel, 0.0)


@no_type_check
@uncounted(inline="always")
def gather(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
           k: int, p: int, ring: np.ndarray, sums: np.ndarray) -> None:  # fmt: skip
    """Sum what arrives in window k at every neuron of population p: `sums[0]` in I, `[1]` in u, `[2]` lift."""
    size, to = wiring.size[p], wiring.neuron_start[p]
    if wiring.ringed[p]:
        at = LANES * ((k % clock.span) * membranes.theta.shape[0] + to)
        drain(part(ring, at, LANES * size), sums, size)
    else:
        sums[:, :size] = 0.0
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        if wiring.mode[c] == ROW:
            _rows(wiring, synapses, clock, calendar, train, k, c, rates_of(membranes, to), sums)


@no_type_check
@uncounted(inline="always")
def _rows(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, k: int, c: int,
          rates: Rates, sums: np.ndarray) -> None:  # fmt: skip
    """One delay per sender: a whole row of weights moves at once."""
    size, pre = wiring.size[wiring.post[c]], wiring.pre[c]
    q = calendar.head[c, k]
    while q >= 0:
        i = train.unit[q]
        _, offset = place(clock, synapses, train, q, wiring.delay_start[c] + i * wiring.row_stride[c])
        decay, _, kernel = flow(clock.window - offset, rates)
        row = wiring.weight_start[c] + i * size
        _add_row(synapses.weight[row : row + size], decay, kernel, sums[0], sums[1], sums[2])
        q = calendar.link[wiring.link_start[c] + q - wiring.spike_start[pre]]


@no_type_check
@uncounted(fastmath=FAST)
def _add_row(
    weight: np.ndarray, decay: float, kernel: float, current: np.ndarray, u: np.ndarray, lift: np.ndarray
) -> None:
    real = weight.dtype.type
    decay, kernel, zero = real(decay), real(kernel), real(0)
    for j in range(weight.shape[0]):
        current[j] += weight[j] * decay
        gain = weight[j] * kernel
        u[j] += gain
        lift[j] += max(gain, zero)
