"""The named alternative: delayed scatter and gather on a 1 ms grid, a bare loop in C++ that rounds every time.

Forward, `ring[k + d_ij, j] += w_ij` for every spike of i in step k; backward, with p the adjoint read at `k + d_ij`,
`dw_ij += p`, `dd_ij += w_ij p'` and a sum over j for the sender. Same number of events as the exact engine, compiled
like it, float32, weight and delay gradients; no neurons, no thresholds, no exact times.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ranvier.event_driven.library import run_grid


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

    def run(thread: int, backward: bool) -> None:
        scratch = rings[thread], rings[threads + thread], sums[thread], sums[threads + thread]
        for b in range(thread, len(steps), threads):
            run_grid(steps[b], units[b], weight, delay, *scratch, times[b], backward=backward)

    walls: tuple[list[float], list[float]] = ([], [])
    with ThreadPoolExecutor(threads) as pool:
        for repeat in range(repeats + 1):
            for backward, part in enumerate(walls):
                start = time.perf_counter()
                list(pool.map(run, range(threads), [bool(backward)] * threads))
                if repeat:
                    part.append(time.perf_counter() - start)
    return walls
