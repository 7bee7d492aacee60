"""What arrives at one neuron in one window, in time order: the exact path needs nothing else.

Spikes of a population are stored in time order and `first[p, k]` is the first one of window k, so the spikes that can
arrive in a window are a contiguous range. For one delay per sender (`ROW`) arrivals do not depend on the receiver
and are kept in lists, one for each connection and window (`head`, `link`).
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import ROW, Clock, Synapses, Train, Wiring
from ranvier.event_driven.kernels.cpu.borrow import part, uncounted
from ranvier.event_driven.kernels.cpu.flow import wraps
from ranvier.event_driven.kernels.cpu.lanes import WIDTH, prefetch, ranks
from ranvier.event_driven.kernels.cpu.marks import BITS, USUAL, count_bits, list_marked

GAPS = (701, 301, 132, 57, 23, 10, 4, 1)
"""Steps of Shell's sort (Ciura's)."""

FEW = 96
"""Up to so many arrivals are put in order by counting, for each, those before it: no branch to mispredict."""

TAG = 40
SPIKE_OF = (1 << TAG) - 1
"""A tag is a connection, shifted by TAG, and a spike: `tag & SPIKE_OF`."""

KEPT = 8
"""So many spikes of a sender are at hand at once; those before are found one by one."""


class Calendar(NamedTuple):
    """Where to look for spikes by window.

    `first` (populations, windows + 2): first spike of a window. `head` (connections, windows) and `link`: lists of
    the spikes of a ROW connection that arrive in a window, -1 at the end. For the others, per sender: `recent`, a
    bit for each of the latest 64 groups of windows in which it fired, at the group's number modulo 64; `fired`, how
    often it has; `kept`, the offsets of its last spikes, number n at `n % KEPT`; `twice`, the last window in which it
    fired more than once; `latest`, its last spike, and `before`, for each spike, the sender's spike before it, -1 at
    the end. Room for one look-up: `marks`, `senders` and `ranks`. `group`: log2 of the windows in a group.
    """

    first: np.ndarray
    head: np.ndarray
    link: np.ndarray
    recent: np.ndarray
    fired: np.ndarray
    kept: np.ndarray
    twice: np.ndarray
    latest: np.ndarray
    before: np.ndarray
    marks: np.ndarray
    senders: np.ndarray
    ranks: np.ndarray
    group: np.ndarray


class Arrivals(NamedTuple):
    """Arrivals at one neuron in one window: offset (ms) and weight."""

    offset: np.ndarray
    weight: np.ndarray


class Rows(NamedTuple):
    """Arrivals of one window that all neurons of a population share: offset, and which spike through which
    connection (`tag`)."""

    offset: np.ndarray
    tag: np.ndarray


@no_type_check
@njit(nogil=True)
def new_calendar(wiring: Wiring, synapses: Synapses, clock: Clock) -> Calendar:
    """An empty calendar for one thread."""
    nodes, senders = 1, wiring.size.sum()
    for c in range(wiring.pre.shape[0]):
        nodes = max(nodes, wiring.link_start[c] + wiring.capacity[wiring.pre[c]])
    group = 0
    while ((clock.span - 1) >> group) + (1 if group > 0 else 0) > BITS - 1:
        group += 1
    places = wiring.spike_start[-1] + wiring.capacity[-1]
    room = (wiring.size.max() // BITS + 1) * BITS
    return Calendar(
        np.zeros((wiring.size.shape[0], clock.windows + 2), np.int64),
        np.full((wiring.pre.shape[0], clock.windows), -1, np.int64),
        np.full(nodes, -1, np.int64), np.zeros(senders, np.uint64), np.zeros(senders, np.int32),
        np.zeros(senders * KEPT, synapses.weight.dtype), np.zeros(senders, np.int32), np.full(senders, -1, np.int64),
        np.full(places, -1, np.int64), np.zeros(room, np.uint8), np.zeros(room + USUAL, np.uintp),
        np.zeros(FEW + WIDTH, np.uintp), np.full(1, group, np.int64),
    )  # fmt: skip


@no_type_check
@njit(nogil=True)
def new_arrivals(wiring: Wiring) -> tuple[Rows, Arrivals, Arrivals]:
    """Room for every spike of every sender of one population, and for one vector more."""
    room = 1
    for p in range(wiring.inputs, wiring.size.shape[0]):
        total = 0
        for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
            total += wiring.capacity[wiring.pre[wiring.in_list[at]]]
        room = max(room, total)
    room += WIDTH
    return (Rows(np.zeros(room), np.zeros(room, np.int64)), Arrivals(np.zeros(room), np.zeros(room)),
            Arrivals(np.zeros(room), np.zeros(room)))  # fmt: skip


@no_type_check
@uncounted(inline="always")
def place(clock: Clock, synapses: Synapses, train: Train, q: int, entry: int) -> tuple[int, float]:
    """Window and offset at which spike q arrives through the delay at `entry`."""
    offset, frac = train.offset[q], synapses.frac[entry]
    late = wraps(offset, frac, clock.window)
    return train.window[q] + synapses.shift[entry] + late, float(offset + frac) - late * clock.window


@no_type_check
@njit(nogil=True)
def clear(wiring: Wiring, calendar: Calendar) -> None:
    """Forget the last sample."""
    calendar.head[:] = -1
    calendar.recent[:] = 0
    calendar.twice[:] = -BITS
    calendar.latest[:] = -1
    calendar.first[:, 0] = wiring.spike_start


@no_type_check
@uncounted(inline="always")
def open_window(wiring: Wiring, calendar: Calendar, train: Train, k: int) -> None:
    """Make room for the spikes of window k: those of BITS groups ago leave the calendar."""
    group = calendar.group[0]
    begin = k - (BITS << group)
    if begin >= 0 and k & ((1 << group) - 1) == 0:
        bit = np.uint64(1) << np.uint64((k >> group) & (BITS - 1))
        for p in range(wiring.size.shape[0]):
            for q in range(calendar.first[p, begin], calendar.first[p, begin + (1 << group)]):
                calendar.recent[wiring.sender_start[p] + train.unit[q]] &= ~bit


@no_type_check
@uncounted(inline="always")
def remember(wiring: Wiring, calendar: Calendar, train: Train, p: int, q: int) -> None:
    """Spike q of population p happens in the window that is open; spikes of one sender come in their order."""
    i, k = wiring.sender_start[p] + train.unit[q], np.int64(train.window[q])
    bit = np.uint64(1) << np.uint64((k >> calendar.group[0]) & (BITS - 1))
    if calendar.recent[i] & bit:
        calendar.twice[i] = k
    calendar.recent[i] |= bit
    calendar.kept[i * KEPT + (calendar.fired[i] & (KEPT - 1))] = train.offset[q]
    calendar.fired[i] += 1
    calendar.before[q] = calendar.latest[i]
    calendar.latest[i] = q


@no_type_check
@uncounted(inline="always")
def schedule(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, q: int,
             c: int) -> None:  # fmt: skip
    """Put spike q into the list of the window in which the ROW connection c delivers it."""
    entry = wiring.delay_start[c] + train.unit[q] * wiring.row_stride[c]
    k, _ = place(clock, synapses, train, q, entry)
    if k < clock.windows:
        node = wiring.link_start[c] + q - wiring.spike_start[wiring.pre[c]]
        calendar.link[node] = calendar.head[c, k]
        calendar.head[c, k] = q


@no_type_check
@uncounted(inline="always")
def collect_rows(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, k: int,
                 p: int, rows: Rows) -> int:  # fmt: skip
    """What arrives by ROW connections in window k, in time order: the same at all of population p, weights apart."""
    found = 0
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        if wiring.mode[c] == ROW:
            q = calendar.head[c, k]
            while q >= 0:
                entry = wiring.delay_start[c] + train.unit[q] * wiring.row_stride[c]
                _, rows.offset[found] = place(clock, synapses, train, q, entry)
                rows.tag[found] = (c << TAG) | q
                found += 1
                q = calendar.link[wiring.link_start[c] + q - wiring.spike_start[wiring.pre[c]]]
    _sort(rows.offset, rows.tag, found)
    return found


@no_type_check
@uncounted(inline="always")
def collect(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, k: int,
            p: int, j: int, rows: Rows, count: int, loose: Arrivals, arrivals: Arrivals) -> int:  # fmt: skip
    """All arrivals at neuron j of population p in window k, in time order, those of `rows` included; their number."""
    found = count
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        if wiring.mode[c] != ROW:
            size, senders = wiring.size[wiring.pre[c]], wiring.sender_start[wiring.pre[c]]
            row = wiring.weight_start[c] + j * size
            recent, shift = part(calendar.recent, senders, size), part(synapses.shift_t, row, size)
            _mark(recent, shift, calendar.marks, k, calendar.group[0])
            hits = list_marked(calendar.marks, size, calendar.senders)
            found = _look_up(
                calendar.senders, hits, calendar.marks, recent, part(calendar.fired, senders, size),
                part(calendar.twice, senders, size), part(calendar.kept, senders * KEPT, size * KEPT), shift,
                part(synapses.arriving, 2 * row, 2 * size), k, calendar.group[0], part(calendar.latest, senders, size),
                calendar.before, train.window, train.offset, clock.window, found, loose.offset, loose.weight,
            )  # fmt: skip
    into = loose if found > count else arrivals
    for a in range(count):
        q, c = rows.tag[a] & SPIKE_OF, rows.tag[a] >> TAG
        into.offset[a] = rows.offset[a]
        into.weight[a] = synapses.weight[wiring.weight_start[c] + train.unit[q] * wiring.size[p] + j]
    if found > count:
        _order(loose.offset, loose.weight, found, arrivals.offset, arrivals.weight, calendar.ranks)
    return found


@no_type_check
@uncounted(forceinline=True)
def _turned(word: int, place: int) -> int:
    """A word turned so that the bit at `place`, counted around it, is the lowest."""
    down = np.uint64(place & (BITS - 1))
    return (word >> down) | (word << (np.uint64(BITS) - down & np.uint64(BITS - 1)))


@no_type_check
@uncounted(forceinline=True)
def _mark(recent: np.ndarray, shift: np.ndarray, marks: np.ndarray, k: int, group: int) -> None:
    """Which senders fired in one of the two groups of windows from which a spike could arrive in window k: 1 for the
    earlier, 2 for the later group, 3 for both."""
    count, three = shift.shape[0], np.uint64(3)
    for i in range(count):
        marks[i] = np.uint8(_turned(recent[i], (k - shift[i] - 1) >> group) & three)
    marks[count : (count // BITS + 1) * BITS] = 0


@no_type_check
@uncounted(forceinline=True)
def _look_up(
    senders: np.ndarray, hits: int, marks: np.ndarray, recent: np.ndarray, fired: np.ndarray, twice: np.ndarray, kept:
    np.ndarray, shift: np.ndarray, arriving: np.ndarray, k: int, group: int, latest: np.ndarray, before: np.ndarray,
    window: np.ndarray, offset: np.ndarray, length: float, found: int, offsets: np.ndarray, weights: np.ndarray,
) -> int:  # fmt: skip
    """Spikes of the listed senders that arrive in window k, by the one rule.

    A sender that fires at most once in a window has fired as often since a window as there are bits in `recent` since
    then: so the spike is found at once. Every candidate is written down, and overwritten by the next if it is none:
    half of them are, in no order that a processor could predict.
    """
    one = np.uint64(1)
    for hit in range(hits):
        prefetch(arriving, 2 * senders[np.uintp(hit)])
    for hit in range(hits):
        i, place = senders[np.uintp(hit)], np.uintp(found)
        later = count_bits(_turned(recent[i], k - shift[i] + 1) & ((one << np.uint64(shift[i])) - one))
        frac, weight = arriving[2 * i], arriving[2 * i + np.uintp(1)]
        if group > 0 or later >= KEPT or marks[i] == 3 or k - twice[i] < BITS:
            found = _follow(latest[i], before, window, offset, k - shift[i], frac, weight, length, found, offsets,
                            weights)  # fmt: skip
        else:
            late = marks[i] & 1
            at = kept[i * np.uintp(KEPT) + np.uintp((fired[i] - 1 - later) & (KEPT - 1))]
            offsets[place], weights[place] = float(at + frac) - late * length, weight
            found += 1 if wraps(at, frac, length) == late else 0
    return found


@no_type_check
@uncounted()
def _follow(
    q: int, before: np.ndarray, window: np.ndarray, offset: np.ndarray, emitted: int, frac: float, weight: float,
    length: float, found: int, offsets: np.ndarray, weights: np.ndarray,
) -> int:  # fmt: skip
    """The same for one sender, from its last spike q back, whatever its spikes."""
    while q >= 0:
        at, place = np.uintp(q), np.uintp(found)
        late = emitted - window[at]
        if late > 1:
            break
        offsets[place], weights[place] = float(offset[at] + frac) - late * length, weight
        found += 1 if wraps(offset[at], frac, length) == late else 0
        q = before[at]
    return found


@no_type_check
@uncounted(forceinline=True)
def _order(
    offset: np.ndarray, weight: np.ndarray, count: int, offsets: np.ndarray, weights: np.ndarray, places: np.ndarray,
) -> None:  # fmt: skip
    """Copy arrivals in order of their offsets; those of one instant keep no particular order, and need none."""
    if count > FEW:
        for a in range(count):
            offsets[a], weights[a] = offset[a], weight[a]
        _sort(offsets, weights, count)
        return
    offset[count : count + WIDTH] = np.inf
    ranks(offset, count, places)
    for a in range(count):
        offsets[places[a]], weights[places[a]] = offset[a], weight[a]


@no_type_check
@uncounted()
def _sort(offset: np.ndarray, other: np.ndarray, count: int) -> None:
    """Shell's sort by offset; what belongs to it goes along."""
    for gap in GAPS:
        for a in range(gap, count):
            this, its = offset[a], other[a]
            b = a
            while b >= gap and offset[b - gap] > this:
                offset[b], other[b] = offset[b - gap], other[b - gap]
                b -= gap
            offset[b], other[b] = this, its
