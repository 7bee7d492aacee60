"""What arrives at one neuron in one window, in time order: the exact path of both passes needs nothing else.

Spikes of a population are stored in time order and `first[p, k]` is the first one of window k, so the spikes that can
arrive in a window are a contiguous range. For one delay per sender (`ROW`) arrivals do not depend on the receiver
and are kept in lists, one for each connection and window (`head`, `link`).
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import COLUMN, ROW, Clock, Synapses, Train, Wiring
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import wraps

GAPS = (701, 301, 132, 57, 23, 10, 4, 1)
"""Steps of Shell's sort (Ciura's): as quick as insertion for a few arrivals, harmless for thousands."""


class Calendar(NamedTuple):
    """Where to look for spikes by window.

    `first` (populations, windows + 2): first spike of a window. `head` (connections, windows) and `link`: lists of
    the spikes of a ROW connection that arrive in a window, -1 at the end. `factor` (nodes, 4): what a COLUMN
    connection needs of each of its spikes. For the others, per sender: `recent`, a bit for each of the latest 64
    groups of windows in which it fired, newest lowest; `latest`, its last spike so far, and `before`, for each
    spike, the sender's spike before it, -1 at the end. `hits`, room for one look-up. `group`: log2 of the windows in
    a group.
    """

    first: np.ndarray
    head: np.ndarray
    link: np.ndarray
    factor: np.ndarray
    recent: np.ndarray
    latest: np.ndarray
    before: np.ndarray
    hits: np.ndarray
    group: np.ndarray


class Arrivals(NamedTuple):
    """Arrivals at one neuron in one window: offset (ms), weight, and where the weight, the delay and the spike are.

    `entry` is the place of the delay's gradient, or -1 for one delay per synapse.
    """

    offset: np.ndarray
    weight: np.ndarray
    slot: np.ndarray
    entry: np.ndarray
    spike: np.ndarray


@no_type_check
@njit(nogil=True)
def new_calendar(wiring: Wiring, clock: Clock) -> Calendar:
    """An empty calendar for one thread."""
    nodes, senders = 1, wiring.size.sum()
    for c in range(wiring.pre.shape[0]):
        nodes = max(nodes, wiring.link_start[c] + wiring.capacity[wiring.pre[c]])
    group = 0
    while (clock.span >> group) + 2 > 62:
        group += 1
    places = wiring.spike_start[-1] + wiring.capacity[-1]
    return Calendar(
        np.zeros((wiring.size.shape[0], clock.windows + 2), np.int64),
        np.full((wiring.pre.shape[0], clock.windows), -1, np.int64),
        np.full(nodes, -1, np.int64), np.zeros((nodes, 4)), np.zeros(senders, np.uint64),
        np.full(senders, -1, np.int64), np.full(places, -1, np.int64), np.zeros(senders + 8, np.uint8),
        np.full(1, group, np.int64),
    )  # fmt: skip


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
    return Arrivals(np.zeros(room), np.zeros(room), np.zeros(room, np.int64), np.zeros(room, np.int64),
                    np.zeros(room, np.int64))  # fmt: skip


@no_type_check
@uncounted(inline="always")
def place(clock: Clock, synapses: Synapses, train: Train, b: int, q: int, entry: int) -> tuple[int, float]:
    """Window and offset at which spike q arrives through the delay at `entry`."""
    offset, frac = train.offset[b, q], synapses.frac[entry]
    late = wraps(offset, frac, clock.window)
    return train.window[b, q] + synapses.shift[entry] + late, float(offset + frac) - late * clock.window


@no_type_check
@njit(nogil=True)
def clear(wiring: Wiring, calendar: Calendar) -> None:
    """Forget the last sample."""
    calendar.head[:] = -1
    calendar.recent[:] = 0
    calendar.latest[:] = -1
    calendar.first[:, 0] = wiring.spike_start


@no_type_check
@uncounted()
def open_window(calendar: Calendar, k: int) -> None:
    """Forward: make room for the spikes of window k."""
    group = calendar.group[0]
    if k > 0 and k & ((1 << group) - 1) == 0:
        for i in range(calendar.recent.shape[0]):
            calendar.recent[i] = calendar.recent[i] << np.uint64(1)


@no_type_check
@uncounted(inline="always")
def remember(wiring: Wiring, calendar: Calendar, train: Train, b: int, p: int, q: int, age: int) -> None:
    """Spike q of population p happened `age` groups of windows ago; spikes of one sender come in their order."""
    i = wiring.sender_start[p] + train.unit[b, q]
    if age < 64:
        calendar.recent[i] |= np.uint64(1) << np.uint64(age)
    calendar.before[q] = calendar.latest[i]
    calendar.latest[i] = q


@no_type_check
@uncounted()
def close_window(wiring: Wiring, calendar: Calendar, train: Train, b: int, k: int) -> None:
    """Backward: forget the spikes of window k, and look one group of windows further back where one has passed."""
    group = calendar.group[0]
    passed = k & ((1 << group) - 1) == 0
    if passed:
        for i in range(calendar.recent.shape[0]):
            calendar.recent[i] = calendar.recent[i] >> np.uint64(1)
    oldest = (k >> group) - 64 if passed else -1
    for p in range(wiring.size.shape[0]):
        start = wiring.sender_start[p]
        for q in range(calendar.first[p, k], calendar.first[p, k + 1]):
            i = start + train.unit[b, q]
            calendar.latest[i] = min(calendar.latest[i], calendar.before[q])
        if oldest >= 0:
            for q in range(calendar.first[p, oldest << group], calendar.first[p, (oldest + 1) << group]):
                calendar.recent[start + train.unit[b, q]] |= np.uint64(1) << np.uint64(63)


@no_type_check
@uncounted()
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
@uncounted(inline="always")
def collect(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, b: int, k: int,
            p: int, j: int, arrivals: Arrivals) -> int:  # fmt: skip
    """All arrivals at neuron j of population p in window k, in time order; returns their number."""
    found = 0
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        pre, start, mode = wiring.pre[c], wiring.delay_start[c], wiring.mode[c]
        rows, columns = wiring.row_stride[c], wiring.column_stride[c]
        first = found
        if mode == ROW:
            q = calendar.head[c, k]
            while q >= 0:
                i = train.unit[b, q]
                _, arrivals.offset[found] = place(clock, synapses, train, b, q, start + i * rows)
                arrivals.spike[found], arrivals.slot[found] = q, i
                found += 1
                q = calendar.link[wiring.link_start[c] + q - wiring.spike_start[pre]]
        elif mode == COLUMN:
            latest = k - synapses.shift[start + j]
            if latest >= 0:
                for q in range(calendar.first[pre, max(latest - 1, 0)], calendar.first[pre, latest + 1]):
                    arrives, offset = place(clock, synapses, train, b, q, start + j)
                    if arrives == k:
                        arrivals.offset[found], arrivals.spike[found] = offset, q
                        arrivals.slot[found] = train.unit[b, q]
                        found += 1
        else:
            row, senders = wiring.weight_start[c] + j * wiring.size[pre], wiring.sender_start[pre]
            part, dense = slice(senders, senders + wiring.size[pre]), slice(row, row + wiring.size[pre])
            found = _look_up(
                calendar.recent[part], synapses.shift_t[dense], synapses.frac_t[dense], calendar.hits, k,
                calendar.group[0], calendar.latest[part], calendar.before, train.window[b], train.offset[b],
                clock.window, found, arrivals.offset, arrivals.spike, arrivals.slot,
            )  # fmt: skip
        shared = rows == 0 or columns == 0
        for a in range(first, found):
            i = arrivals.slot[a]
            arrivals.slot[a] = wiring.weight_start[c] + i * wiring.size[p] + j
            if mode == ROW:
                arrivals.weight[a] = synapses.weight[arrivals.slot[a]]
            else:
                arrivals.weight[a] = synapses.weight_t[wiring.weight_start[c] + j * wiring.size[pre] + i]
            arrivals.entry[a] = start + i * rows + j * columns if shared else -1
    _sort(arrivals.offset, arrivals.weight, arrivals.slot, arrivals.entry, arrivals.spike, found)
    return found


@no_type_check
@uncounted()
def _mark(
    recent: np.ndarray, shift: np.ndarray, hits: np.ndarray, k: int, group: int,
) -> None:  # fmt: skip
    """Which senders fired in a group of windows from which a spike could arrive in window k."""
    now = k >> group
    for i in range(shift.shape[0]):
        age = np.uint64(now - ((k - shift[i] - 1) >> group)) & np.uint64(63)
        hits[i] = np.uint8(((recent[i] << np.uint64(1)) >> age) & np.uint64(3))


@no_type_check
@uncounted()
def _look_up(
    recent: np.ndarray, shift: np.ndarray, frac: np.ndarray, hits: np.ndarray, k: int, group: int, latest:
    np.ndarray, before: np.ndarray, window: np.ndarray, offset: np.ndarray, length: float, found: int, offsets:
    np.ndarray, spikes: np.ndarray, senders: np.ndarray,
) -> int:  # fmt: skip
    """Spikes that arrive in window k: a quick look at all senders, then the one rule for the few that are left."""
    _mark(recent, shift, hits, k, group)
    for i in range(shift.shape[0]):
        if hits[i] == 0:
            continue
        q = latest[i]
        while q >= 0:
            late = k - window[q] - shift[i]
            if late > 1:
                break
            if late >= 0 and wraps(offset[q], frac[i], length) == late:
                offsets[found] = float(offset[q] + frac[i]) - late * length
                spikes[found], senders[found] = q, i
                found += 1
            q = before[q]
    return found


@no_type_check
@uncounted()
def _sort(
    offset: np.ndarray, weight: np.ndarray, slot: np.ndarray, entry: np.ndarray, spike: np.ndarray, count: int,
) -> None:  # fmt: skip
    """Shell's sort by offset; arrivals of one instant keep no particular order, and need none."""
    for gap in GAPS:
        for a in range(gap, count):
            this = offset[a], weight[a], slot[a], entry[a], spike[a]
            b = a
            while b >= gap and offset[b - gap] > this[0]:
                offset[b], weight[b], slot[b] = offset[b - gap], weight[b - gap], slot[b - gap]
                entry[b], spike[b] = entry[b - gap], spike[b - gap]
                b -= gap
            offset[b], weight[b], slot[b], entry[b], spike[b] = this
