"""Forward: what the arrivals of a window add to a neuron's state at the window's end, summed over many of them.

An event of weight w, at offset o of a window of length h, leaves `w e^{-(h-o)/tau_syn}` in I and `w kappa(h-o)` in
u. The third lane sums the positive ones of the latter: a bound on how far the events can lift u inside the window.
"""

from typing import no_type_check

import numpy as np

from ranvier.event_driven.kernels.cpu.arrays import (
    COLUMN,
    GENERAL,
    ROW,
    SCATTER,
    Clock,
    Membranes,
    Synapses,
    Train,
    Wiring,
)
from ranvier.event_driven.kernels.cpu.arrivals import Calendar, place, schedule
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import flow

LANES = 4
FAST = {"contract", "nsz", "reassoc"}


@no_type_check
@uncounted()
def pass_on(
    rest: float, window: float, tau_mem: float, tau_syn: float, factors: np.ndarray,
) -> None:  # fmt: skip
    """Decays and kernel over the `rest` of a window, and over one window more: rows (syn, mem, kernel) of `factors`.

    Kept in an array of the weights' dtype, from which the inner loops pick without converting.
    """
    factors[0, 0], factors[0, 1], factors[0, 2] = flow(rest, tau_mem, tau_syn)
    factors[1, 0], factors[1, 1], factors[1, 2] = flow(rest + window, tau_mem, tau_syn)


@no_type_check
@uncounted(inline="always")
def deposit(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
            b: int, q: int, p: int, ring: np.ndarray, factors: np.ndarray) -> None:  # fmt: skip
    """Send spike q of population p on its way through every connection that leaves p."""
    i = train.unit[b, q]
    for at in range(wiring.out_first[p], wiring.out_first[p + 1]):
        c = wiring.out_list[at]
        mode = wiring.mode[c]
        if mode == ROW:
            schedule(wiring, synapses, clock, calendar, train, b, q, c)
        elif mode == COLUMN:
            node = wiring.link_start[c] + q - wiring.spike_start[p]
            to = wiring.neuron_start[wiring.post[c]]
            rest = clock.window - train.offset[b, q]
            near = flow(rest, membranes.tau_mem[to], membranes.tau_syn[to])
            far = flow(rest + clock.window, membranes.tau_mem[to], membranes.tau_syn[to])
            calendar.factor[node, 0], calendar.factor[node, 1] = near[0], near[2]
            calendar.factor[node, 2], calendar.factor[node, 3] = far[0], far[2]
        elif mode == SCATTER:
            post = wiring.post[c]
            size = wiring.size[post]
            start = wiring.delay_start[c] + i * size
            to = wiring.neuron_start[post]
            rest = clock.window - train.offset[b, q]
            pass_on(rest, clock.window, membranes.tau_mem[to], membranes.tau_syn[to], factors)
            row = wiring.weight_start[c] + i * size
            neurons = membranes.theta.shape[0]
            _scatter(
                synapses.weight[row : row + size], synapses.cell[start : start + size],
                synapses.frac[start : start + size], synapses.decay_mem[start : start + size],
                synapses.decay_syn[start : start + size], synapses.kernel[start : start + size],
                train.offset[b, q], clock.window, factors, (train.window[b, q] % clock.span) * neurons, neurons, ring,
            )  # fmt: skip
        elif mode == GENERAL:
            _scatter_general(wiring, synapses, membranes, clock, train, b, q, c, ring)


@no_type_check
@uncounted(fastmath=FAST)
def _scatter(
    weight: np.ndarray, cell: np.ndarray, frac: np.ndarray, decay_mem: np.ndarray, decay_syn: np.ndarray, kernel:
    np.ndarray, offset: float, window: float, factors: np.ndarray, base: int, neurons: int, ring: np.ndarray,
) -> None:  # fmt: skip
    """The inner loop of the forward pass: one spike into the ring, one delay per synapse.

    `late` is `flow.wraps` without a branch: half of them would be mispredicted.
    """
    per_window, zero = weight.dtype.type(1.0 / window), weight.dtype.type(0)
    for j in range(weight.shape[0]):
        late = np.int64((offset + frac[j]) * per_window)
        at = np.uintp(LANES * (base + cell[j] + neurons * late))
        syn, passed = factors[np.uintp(late), 0], factors[np.uintp(late), 2]
        w = weight[j]
        lift = w * (decay_mem[j] * passed + kernel[j] * syn)
        ring[at] += w * decay_syn[j] * syn
        ring[at + np.uintp(1)] += lift
        ring[at + np.uintp(2)] += max(lift, zero)


@no_type_check
@uncounted()
def _scatter_general(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, train: Train, b: int,
                     q: int, c: int, ring: np.ndarray) -> None:  # fmt: skip
    """The same for neurons with time constants of their own: exponentials for every event."""
    i, post = train.unit[b, q], wiring.post[c]
    start = wiring.delay_start[c] + i * wiring.row_stride[c]
    row = wiring.weight_start[c] + i * wiring.size[post]
    neurons = membranes.theta.shape[0]
    first = train.window[b, q] - train.window[b, q] % clock.span
    for j in range(wiring.size[post]):
        k, offset = place(clock, synapses, train, b, q, start + j * wiring.column_stride[c])
        to = wiring.neuron_start[post] + j
        decay, _, kernel = flow(clock.window - offset, membranes.tau_mem[to], membranes.tau_syn[to])
        at = LANES * ((k - first) * neurons + to)
        ring[at] += synapses.weight[row + j] * decay
        ring[at + 1] += synapses.weight[row + j] * kernel
        ring[at + 2] += max(synapses.weight[row + j] * kernel, 0.0)


@no_type_check
@uncounted()
def gather(wiring: Wiring, synapses: Synapses, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train,
           b: int, k: int, p: int, ring: np.ndarray, sums: np.ndarray) -> None:  # fmt: skip
    """Sum what arrives in window k at every neuron of population p: `sums[0]` in I, `[1]` in u, `[2]` lifts."""
    size, to = wiring.size[p], wiring.neuron_start[p]
    sums[:, :size] = 0.0
    for at in range(wiring.in_first[p], wiring.in_first[p + 1]):
        c = wiring.in_list[at]
        mode = wiring.mode[c]
        if mode == ROW:
            _rows(
                wiring,
                synapses,
                clock,
                calendar,
                train,
                b,
                k,
                c,
                membranes.tau_mem[to],
                membranes.tau_syn[to],
                sums,
            )
        elif mode == COLUMN:
            _columns(wiring, synapses, clock, calendar, train, b, k, c, sums)
    if wiring.ringed[p]:
        at = LANES * ((k % clock.span) * membranes.theta.shape[0] + to)
        _drain(ring[at : at + LANES * size], sums)


@no_type_check
@uncounted(fastmath=FAST)
def _drain(cells: np.ndarray, sums: np.ndarray) -> None:
    for j in range(cells.shape[0] // LANES):
        sums[0, j] += cells[LANES * j]
        sums[1, j] += cells[LANES * j + 1]
        sums[2, j] += cells[LANES * j + 2]


@no_type_check
@uncounted()
def _rows(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, b: int, k: int, c: int,
          tau_mem: float, tau_syn: float, sums: np.ndarray) -> None:  # fmt: skip
    """One delay per sender: a whole row of weights moves at once."""
    size, pre = wiring.size[wiring.post[c]], wiring.pre[c]
    q = calendar.head[c, k]
    while q >= 0:
        i = train.unit[b, q]
        _, offset = place(clock, synapses, train, b, q, wiring.delay_start[c] + i * wiring.row_stride[c])
        decay, _, kernel = flow(clock.window - offset, tau_mem, tau_syn)
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


@no_type_check
@uncounted()
def _columns(wiring: Wiring, synapses: Synapses, clock: Clock, calendar: Calendar, train: Train, b: int, k: int, c: int,
             sums: np.ndarray) -> None:  # fmt: skip
    """One delay per receiver: what arrives at it is a range of the sender's spikes, in their order."""
    pre = wiring.pre[c]
    node = wiring.link_start[c] - wiring.spike_start[pre]
    for j in range(wiring.size[wiring.post[c]]):
        entry = wiring.delay_start[c] + j
        latest = k - synapses.shift[entry]
        if latest < 0:
            continue
        low, high = calendar.first[pre, max(latest - 1, 0)], calendar.first[pre, latest + 1]
        row = wiring.weight_start[c] + j * wiring.size[pre]
        current, u, lift = _add_column(
            synapses.weight_t[row : row + wiring.size[pre]], train.unit[b, low:high], train.window[b, low:high],
            train.offset[b, low:high], calendar.factor[node + low : node + high], latest, synapses.frac[entry],
            clock.window, synapses.decay_syn[entry], synapses.decay_mem[entry], synapses.kernel[entry],
        )  # fmt: skip
        sums[0, j] += current
        sums[1, j] += u
        sums[2, j] += lift


@no_type_check
@uncounted(fastmath=FAST)
def _add_column(
    weight: np.ndarray, unit: np.ndarray, k: np.ndarray, offset: np.ndarray, factor: np.ndarray, latest: int, frac:
    float, window: float, decay_syn: float, decay_mem: float, kernel: float,
) -> tuple[float, float, float]:  # fmt: skip
    """Sum the spikes that reach one neuron in the window whose undelayed spikes are those of window `latest`."""
    per_window = weight.dtype.type(1.0 / window)
    current = u = lift = 0.0
    for n in range(unit.shape[0]):
        late = np.int64((offset[n] + frac) * per_window)
        if k[n] + late == latest:
            w = weight[unit[n]]
            syn, rest = factor[n, 2 * late], factor[n, 2 * late + 1]
            gain = w * (decay_mem * rest + kernel * syn)
            current += w * decay_syn * syn
            u += gain
            lift += max(gain, 0.0)
    return current, u, lift
