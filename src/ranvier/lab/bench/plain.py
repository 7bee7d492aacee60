"""The named alternative: delayed scatter and gather on a 1 ms grid, a bare Numba loop that rounds every time.

Forward, `ring[k + d_ij, j] += w_ij` for every spike of i in step k; backward, with p the adjoint read at `k + d_ij`,
`dw_ij += p`, `dd_ij += w_ij p'` and a sum over j for the sender. Same number of events as the exact kernel, float32,
weight and delay gradients; no neurons, no thresholds, no exact times.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import no_type_check

import numpy as np
from numba import njit


@no_type_check
@njit(nogil=True, fastmath=True)
def scatter(step: np.ndarray, unit: np.ndarray, weight: np.ndarray, delay: np.ndarray, ring: np.ndarray) -> None:
    """Forward: every spike, in order of time, adds its row of weights to the ring."""
    mask = ring.shape[0] - 1
    for q in range(step.shape[0]):
        k, i = step[q], unit[q]
        for j in range(weight.shape[1]):
            ring[(k + delay[i, j]) & mask, j] += weight[i, j]


@no_type_check
@njit(nogil=True, fastmath=True)
def gather(step: np.ndarray, unit: np.ndarray, weight: np.ndarray, delay: np.ndarray, ring: np.ndarray,
           slope: np.ndarray, into_weight: np.ndarray, into_delay: np.ndarray,
           into_time: np.ndarray) -> None:  # fmt: skip
    """Backward: every spike, last first, reads the adjoint at its arrivals."""
    mask = ring.shape[0] - 1
    for q in range(step.shape[0] - 1, -1, -1):
        k, i = step[q], unit[q]
        total = np.float32(0)
        for j in range(weight.shape[1]):
            slot = (k + delay[i, j]) & mask
            owed = weight[i, j] * slope[slot, j]
            into_weight[i, j] += ring[slot, j]
            into_delay[i, j] += owed
            total += owed
        into_time[q] = total


def time_plain(
    steps: list[np.ndarray],
    units: list[np.ndarray],
    weight: np.ndarray,
    delay: np.ndarray,
    threads: int,
    repeats: int,
) -> tuple[list[float], list[float]]:
    """Wall times (s) of the two passes over a batch, shared out over threads, `repeats` times.

    Args:
        steps: For each sample the grid step of each spike, inputs and hidden together, ascending.
        units: For each sample the row of each spike.
        weight: Weights (rows, targets), float32.
        delay: Delays in steps, int32, same shape.
        threads: Number of threads.
        repeats: How often.
    """
    length = 2 ** int(np.ceil(np.log2(delay.max() + 2)))
    rings = [np.zeros((length, weight.shape[1]), np.float32) for _ in range(2 * threads)]
    sums = [np.zeros_like(weight) for _ in range(2 * threads)]
    times = [np.zeros(len(step), np.float32) for step in steps]

    def forward(thread: int) -> None:
        for b in range(thread, len(steps), threads):
            scatter(steps[b], units[b], weight, delay, rings[thread])

    def backward(thread: int) -> None:
        for b in range(thread, len(steps), threads):
            gather(steps[b], units[b], weight, delay, rings[thread], rings[threads + thread], sums[thread],
                   sums[threads + thread], times[b])  # fmt: skip

    walls: tuple[list[float], list[float]] = ([], [])
    with ThreadPoolExecutor(threads) as pool:
        for repeat in range(repeats + 1):
            for part, work in zip(walls, (forward, backward), strict=True):
                start = time.perf_counter()
                list(pool.map(work, range(threads)))
                if repeat:
                    part.append(time.perf_counter() - start)
    return walls
