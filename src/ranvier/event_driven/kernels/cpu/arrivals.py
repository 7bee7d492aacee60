"""What arrives at one neuron in one window, in time order: the exact path of both passes needs nothing else.

Spikes of a population are stored in time order and `first[p, k]` is the first one of window k, so the spikes that can
arrive in a window are a contiguous range. For one delay per sender (`ROW`) arrivals do not depend on the receiver
and are kept in lists, one for each connection and window (`head`, `link`).
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import COLUMN, ROW, Clock, Synapses, Train, Wiring
from ranvier.event_driven.kernels.cpu.flow import wraps

GAPS = (701, 301, 132, 57, 23, 10, 4, 1)
"""Steps of Shell's sort (Ciura's): as quick as insertion for a few arrivals, harmless for thousands."""


class Calendar(NamedTuple):
    """Where to look for spikes by window.

    `first` (populations, windows + 1): first spike of a window; `head` (connections, windows) and `link`: lists of
    the spikes of a ROW connection that arrive in a window, -1 at the end; `factor` (nodes, 4): what a COLUMN
    connection needs of each of its spikes.
    """

    first: np.ndarray
    head: np.ndarray
    link: np.ndarray
    factor: np.ndarray


class Arrivals(NamedTuple):
    """Arrivals at one neuron in one window: offset (ms), connection, sender and spike."""

    offset: np.ndarray
    connection: np.ndarray
    sender: np.ndarray
    spike: np.ndarray


@no_type_check
@njit(nogil=True)
def place(clock: Clock, synapses: Synapses, train: Train, b: int, q: int, entry: int) -> tuple[int, float]:
    """Window and offset at which spike q arrives through the delay at `entry`."""
    offset, frac = train.offset[b, q], synapses.frac[entry]
    late = wraps(offset, frac, clock.window)
    return train.window[b, q] + synapses.shift[entry] + late, float(offset + frac) - late * clock.window


@no_type_check
@njit(nogil=True)
def schedule(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, b: int, q: int,
             c: int) -> None:  # fmt: skip
    """Put spike q into the list of the window in which the ROW connection c delivers it."""
    entry = wiring.delay_start[c] + train.unit[b, q] * wiring.row_stride[c]
    k, _ = place(clock, synapses, train, b, q, entry)
    if k < clock.windows:
        node = wiring.link_start[c] + q - wiring.spike_start[wiring.pre[c]]
        calendar.link[node] = calendar.head[c, k]
        calendar.head[c, k] = q


@no_type_check
@njit(nogil=True)
def collect(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, b: int, k: int,
            p: int, j: int, arrivals: Arrivals) -> int:  # fmt: skip
    """All arrivals at neuron j of population p in window k, in time order; returns their number."""
    found = 0
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        pre, start = wiring.pre[c], wiring.delay_start[c]
        rows, columns = wiring.row_stride[c], wiring.column_stride[c]
        mode = wiring.mode[c]
        if mode == ROW:
            q = calendar.head[c, k]
            while q >= 0:
                _, offset = place(clock, synapses, train, b, q, start + train.unit[b, q] * rows)
                found = _append(arrivals, found, offset, c, train.unit[b, q], q)
                q = calendar.link[wiring.link_start[c] + q - wiring.spike_start[pre]]
            continue
        if mode == COLUMN:
            latest = k - synapses.shift[start + j]
            earliest = latest - 1
        else:
            latest, earliest = k, k - wiring.max_shift[c] - 1
        if latest < 0:
            continue
        transposed = wiring.weight_start[c] + j * wiring.size[pre]
        for q in range(calendar.first[pre, max(earliest, 0)], calendar.first[pre, latest + 1]):
            i = train.unit[b, q]
            shift = synapses.shift_t[transposed + i]
            back = k - train.window[b, q] - shift
            if back == 0 or back == 1:
                arrives, offset = place(clock, synapses, train, b, q, start + i * rows + j * columns)
                if arrives == k:
                    found = _append(arrivals, found, offset, c, i, q)
    _sort(arrivals, found)
    return found


@no_type_check
@njit(inline="always")
def _append(arrivals: Arrivals, found: int, offset: float, c: int, i: int, q: int) -> int:
    arrivals.offset[found] = offset
    arrivals.connection[found] = c
    arrivals.sender[found] = i
    arrivals.spike[found] = q
    return found + 1


@no_type_check
@njit(nogil=True)
def _sort(arrivals: Arrivals, count: int) -> None:
    """Shell's sort by offset; arrivals of one instant keep no particular order, and need none."""
    for gap in GAPS:
        for a in range(gap, count):
            offset, c, i, q = arrivals.offset[a], arrivals.connection[a], arrivals.sender[a], arrivals.spike[a]
            b = a
            while b >= gap and arrivals.offset[b - gap] > offset:
                arrivals.offset[b] = arrivals.offset[b - gap]
                arrivals.connection[b] = arrivals.connection[b - gap]
                arrivals.sender[b] = arrivals.sender[b - gap]
                arrivals.spike[b] = arrivals.spike[b - gap]
                b -= gap
            arrivals.offset[b] = offset
            arrivals.connection[b], arrivals.sender[b], arrivals.spike[b] = c, i, q


@no_type_check
@njit(nogil=True)
def weight_of(wiring: Wiring, synapses: Synapses, c: int, i: int, j: int) -> float:
    """Weight of the synapse from neuron i to neuron j of connection c."""
    return synapses.weight[wiring.weight_start[c] + i * wiring.size[wiring.post[c]] + j]
