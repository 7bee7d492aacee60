"""The tables of a network: constants of neurons and of synapses that every sample of a batch shares."""

import math
from typing import no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import ROW, SCATTER, Membranes, Synapses, Wiring, rates_of
from ranvier.event_driven.kernels.cpu.flow import flow


@no_type_check
@njit(nogil=True)
def run_tabulate(wiring: Wiring, membranes: Membranes, delay: np.ndarray, low: np.ndarray, window: float, windows: int,
                 synapses: Synapses) -> None:  # fmt: skip
    """Fill what follows from the time constants in `membranes`, and from `synapses.weight` and the delays.

    Args:
        wiring: Who is joined to whom.
        membranes: Threshold, reset and refractory time; `rate_mem` and `rate_syn` still hold time constants, which
            become rates, and the rest is filled.
        delay: Delays (ms), flat.
        low: Lower bound of each connection's delays: only rounding takes them below.
        window: Length of a window (ms), a power of two, so that a delay is split without rounding.
        windows: Number of windows: a delay is never split into many more.
        synapses: Weights are given; the rest is filled.
    """
    neurons = membranes.theta.shape[0]
    for n in range(neurons):
        _over_window(membranes, n, window)
    for c in range(wiring.pre.shape[0]):
        to = wiring.neuron_start[wiring.post[c]]
        rates = rates_of(membranes, to)
        for e in range(wiring.delay_start[c], wiring.delay_start[c + 1]):
            _split(synapses, e, max(delay[e], synapses.frac.dtype.type(low[c])), window, windows)
            synapses.longest[c] = max(synapses.longest[c], synapses.shift[e])
            column = (e - wiring.delay_start[c]) % wiring.size[wiring.post[c]] + to if wiring.column_stride[c] else 0
            synapses.cell[e] = synapses.shift[e] * neurons + column
            if wiring.mode[c] == SCATTER:
                synapses.decay_syn[e], _, synapses.kernel[e] = flow(-float(synapses.frac[e]), rates)
        if wiring.mode[c] != ROW:
            _copy(wiring, synapses, c)


@no_type_check
@njit(nogil=True)
def _over_window(membranes: Membranes, n: int, window: float) -> None:
    """Rates, and what one window does to a state."""
    mem, syn = 1.0 / membranes.rate_mem[n], 1.0 / membranes.rate_syn[n]
    membranes.rate_mem[n], membranes.rate_syn[n] = mem, syn
    membranes.gain[n] = 0.0 if mem == syn else mem / (mem - syn)
    rates = rates_of(membranes, n)
    membranes.decay_syn[n], membranes.decay_mem[n], membranes.kernel[n] = flow(window, rates)
    membranes.rise[n] = -math.expm1(-window * rates.mem)
    membranes.bend[n] = 0.5 * mem / syn


@no_type_check
@njit(nogil=True)
def _split(synapses: Synapses, e: int, delay: float, window: float, windows: int) -> None:
    """Windows and rest of a delay; a rest within a rounding of the window's end is moved by it: see `flow.wraps`."""
    k = min(math.floor(delay / window), windows + 1)
    synapses.shift[e] = k
    synapses.frac[e] = min(delay - k * window, window * (1.0 - np.finfo(synapses.frac.dtype).eps))


@no_type_check
@njit(nogil=True)
def _copy(wiring: Wiring, synapses: Synapses, c: int) -> None:
    """What one connection's events bring, and its transposed copies."""
    pre, post = wiring.size[wiring.pre[c]], wiring.size[wiring.post[c]]
    start = wiring.weight_start[c]
    for i in range(pre):
        for j in range(post):
            e = wiring.delay_start[c] + i * wiring.row_stride[c] + j * wiring.column_stride[c]
            slot, turned = start + i * post + j, start + j * pre + i
            w = synapses.weight[slot]
            synapses.shift_t[turned] = synapses.shift[e]
            synapses.arriving[2 * turned], synapses.arriving[2 * turned + 1] = synapses.frac[e], w
            if wiring.mode[c] == SCATTER:
                synapses.into_current[slot] = w * synapses.decay_syn[e]
                synapses.into_u[slot] = w * synapses.kernel[e]
