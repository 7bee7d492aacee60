"""Input spikes: whether a given train can be simulated, and as windows and offsets."""

from typing import no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Clock, Train, Wiring


@no_type_check
@njit(nogil=True)
def run_check_times(time: np.ndarray, unit: np.ndarray, size: int, end: float) -> bool:
    """Whether all times are sorted and in [0, end], or inf, and the units of spikes in 0 .. size - 1.

    Args:
        time: Times (ms) of one population, (batch, spikes).
        unit: Its neurons.
        size: How many there are.
        end: Latest time.
    """
    for b in range(time.shape[0]):
        before = 0.0
        for i in range(time.shape[1]):
            t = time[b, i]
            if not t >= before or (t < np.inf and not (t <= end and 0 <= unit[b, i] < size)):
                return False
            before = t
    return True


@no_type_check
@njit(nogil=True)
def run_load(time: np.ndarray, unit: np.ndarray, p: int, wiring: Wiring, clock: Clock, train: Train) -> None:
    """Write the spikes of input population p into the train.

    Args:
        time: Times (ms), (batch, spikes).
        unit: Neurons.
        p: The population.
        wiring: Where its spikes belong.
        clock: Windows.
        train: To be written to.
    """
    window, final = clock.window, clock.windows - 1
    most = window * (1.0 - np.finfo(time.dtype).eps)
    for b in range(time.shape[0]):
        for i in range(time.shape[1]):
            q = wiring.spike_start[p] + i
            t = float(time[b, i]) if time[b, i] < np.inf else 0.0
            k = min(np.int64(t / window), final + 2)
            late = max(k - final, 0)
            train.window[b, q] = k - late
            train.offset[b, q] = min(min(t - k * window, most) + late * window, window)
            train.unit[b, q] = unit[b, i]
            train.total[b, p] += time[b, i] < np.inf
