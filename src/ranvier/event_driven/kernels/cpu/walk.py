"""One neuron through one window, event by event: where it crosses threshold, and what it is at the end."""

from typing import no_type_check

import numpy as np

from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import Rates, exponential, leap

NEVER = np.int64(2) ** 62


@no_type_check
@uncounted(forceinline=True)
def walk(
    current: float, u: float, until: float, rates: Rates, theta: float, rho: float, refractory: float, end: float,
    arrives: np.ndarray, weights: np.ndarray, records: np.ndarray, potentials: np.ndarray, stride: int, window: float,
    ahead: tuple[float, float, bool], spike_offset: np.ndarray, spike_slope: np.ndarray, spike_restart: np.ndarray,
) -> tuple[float, float, float, float, int]:  # fmt: skip
    """One neuron through one window: from arrival to arrival, every crossing, reset and restart on the way.

    `until` is the offset at which its refractory period ends, -1 if it is in none. Returns current, potential,
    `until` at the end, the slope at which the period that held it at the start was left (NaN if it was not), and the
    number of spikes, which are in the last three arrays. `ahead`: current and potential at the window's end if there is
    no spike, and whether there is at most one. The flow is linear: a spike at t then only takes `(theta - rho)
    e^{-(end - t)/tau_mem}` from that potential, and what arrives after it need not be looked at.
    """
    t, a, r, count, resumed = 0.0, 0, 0, 0, np.nan
    whole = records.shape[0] == 0 and end == window
    while True:
        stop = min(end, arrives[a]) if a < arrives.shape[0] else end
        stop = min(stop, float(records[r])) if r < records.shape[0] else stop
        while True:
            if until >= 0.0:
                leave = min(max(until, t), stop)
                current *= exponential((t - leave) * rates.syn)
                t = leave
                if until > stop:
                    break
                until = -1.0
                if count == 0:
                    resumed = (current - rho) * rates.mem
                else:
                    spike_restart[count - 1] = (current - rho) * rates.mem
            s, current, u = leap(current, u, theta, rates, stop - t)
            if s < 0.0:
                break
            t, u = t + s, rho
            spike_offset[count], spike_slope[count] = t, (current - theta) * rates.mem
            spike_restart[count] = (current - rho) * rates.mem if refractory == 0.0 else 0.0
            count += 1
            hold = refractory if count < spike_offset.shape[0] else np.inf
            if hold > 0.0:
                until = t + hold
                if whole and until > end:
                    return ahead[0], u, until, resumed, count
            elif whole and ahead[2]:
                return ahead[0], ahead[1] - (theta - rho) * exponential((t - end) * rates.mem), until, resumed, count
        t = stop
        if r < records.shape[0] and float(records[r]) <= stop:
            potentials[r * stride] = u
            r += 1
        elif a < arrives.shape[0] and arrives[a] <= stop:
            current += weights[a]
            a += 1
        else:
            return current, u, until, resumed, count


@no_type_check
@uncounted()
def after(k: int, offset: float, duration: float, window: float) -> tuple[int, float]:
    """Window and offset of the moment `duration` ms after an offset of window k; NEVER if it is infinite."""
    passed = np.floor((offset + duration) / window)
    if not passed < 1e15:
        return NEVER, 0.0
    return k + np.int64(passed), offset + duration - passed * window
