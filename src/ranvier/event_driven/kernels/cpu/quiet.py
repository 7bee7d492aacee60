"""Stretches in which nothing happens: passed in one stride, so that their number of windows costs next to nothing.

Where nothing arrives, a neuron cannot cross its threshold unless its current is above it: `tau_mem u' = I - u` is not
above 0 at u = theta otherwise, and a current only decays.
"""

from typing import NamedTuple, no_type_check

import numpy as np

from ranvier.event_driven.kernels.cpu.arrays import Clock, Membranes, Record, Train, Wiring, rates_of
from ranvier.event_driven.kernels.cpu.arrivals import Calendar, open_window
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import flow


class State(NamedTuple):
    """Neurons of one sample: current, potential, and where its refractory period ends (window -1: not in one)."""

    current: np.ndarray
    u: np.ndarray
    held_window: np.ndarray
    held_offset: np.ndarray
    held_spike: np.ndarray


@no_type_check
@uncounted(inline="always")
def quiet_until(wiring: Wiring, membranes: Membranes, clock: Clock, record: Record, calendar: Calendar, train: Train,
                b: int, k: int, state: State) -> int:  # fmt: skip
    """The first window from k on in which something may happen, if no event is on its way; k if one may spike now."""
    until = clock.windows - 1
    for p in range(wiring.size.shape[0]):
        if p < wiring.inputs:
            q = calendar.first[p, k]
            if q < wiring.spike_start[p] + train.total[p]:
                until = min(until, np.int64(train.window[q]))
            continue
        first, last = record.time_start[p], record.time_start[p + 1]
        if first < last:
            at = first + np.searchsorted(record.window[b, first:last], k)
            if at < last:
                until = min(until, np.int64(record.window[b, at]))
    if until > k:
        until = at_rest(until, k, state.current, state.held_window, membranes.theta)
    return max(until, k)


@no_type_check
@uncounted()
def at_rest(until: int, k: int, current: np.ndarray, held: np.ndarray, theta: np.ndarray) -> int:
    """`until`, or the first window before in which a refractory period ends; k if a neuron may spike by itself."""
    for n in range(current.shape[0]):
        if held[n] >= k:
            until = min(until, held[n])
        if not current[n] <= theta[n]:
            return k
    return until


@no_type_check
@uncounted(inline="always")
def pass_by(wiring: Wiring, membranes: Membranes, clock: Clock, calendar: Calendar, train: Train, k: int, until: int,
            state: State) -> None:  # fmt: skip
    """Take all neurons from the start of window k to that of window `until`, in which nothing happens."""
    if until == k:
        return
    for window in range(k, until):
        calendar.first[:, window + 1] = calendar.first[:, k]
        open_window(wiring, calendar, train, window)
    for p in range(wiring.inputs, wiring.size.shape[0]):
        first = wiring.neuron_start[p]
        decay_syn, decay_mem, kernel = flow((until - k) * clock.window, rates_of(membranes, first))
        for n in range(first, first + wiring.size[p]):
            if wiring.mixed[p]:
                decay_syn, decay_mem, kernel = flow((until - k) * clock.window, rates_of(membranes, n))
            if state.held_window[n] < 0:
                state.u[n] = state.u[n] * decay_mem + state.current[n] * kernel
            state.current[n] *= decay_syn
