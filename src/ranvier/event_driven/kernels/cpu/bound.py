"""Which neurons cannot reach threshold in a window, and their way through it.

Let `lift` be what the positive events of a window of length h add to u at its end, and forget the others. As kappa is
log-concave, `kappa(t - o) <= kappa(t) kappa(h - o)/kappa(h)` for an event at offset o: u is never above the free flow
from (I, u) with

    I = I0 + lift/kappa(h)        u = u0

and the two meet at the window's end. If u still rises there, that is its maximum. Else it has one before, at most

    u0 + gap min(1 - e^{-h/tau_mem}, gap tau_syn/(2 tau_mem least))      gap = I - u0, least = max(I e^{-h/tau_syn}, u0)

since I >= least > 0 as long as u rises, where `u'' <= -I/(tau_syn tau_mem)`. The loops are written so that Numba turns
them into vectors: few arrays each, and no branches.
"""

from typing import no_type_check

import numpy as np

from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.marks import BITS, list_marked

LEAST = -1e300
"""Stands for what is lower, such as the excess over the infinite threshold of a readout."""


@no_type_check
@uncounted()
def bound(
    k: int, recorded: bool, margin: float, current: np.ndarray, u: np.ndarray, held_window: np.ndarray, decay_syn:
    float, decay_mem: float, kernel: float, rise: float, bend: float, theta: np.ndarray, lift: np.ndarray, excess:
    np.ndarray,
) -> None:  # fmt: skip
    """How far the bound lies above threshold, for neurons of the same time constants: `excess`.

    It is inf for those that must take the exact path in any case, and -inf for those, and only those, that are held all
    the time.
    """
    lifted, must = 1.0 / kernel, np.inf if recorded else -np.inf
    for j in range(current.shape[0]):
        i_now, u_now, held = current[j], u[j], held_window[j]
        i_most, u_most = i_now + lift[j] * lifted, u_now * decay_mem + i_now * kernel + lift[j]
        gap, least = max(max(i_most, 0.0) - u_now, 0.0), max(i_most * decay_syn, u_now)
        peak = u_now + gap * min(rise, gap * bend / max(least, 1e-30))
        highest = max(u_most if i_most * decay_syn >= max(u_most, 0.0) else peak, u_now)
        over = highest + margin * (abs(u_now) + lift[j]) - theta[j] * (1.0 - margin)
        over = max(over, LEAST) if over == over else np.inf
        excess[j] = max(must, over if held < k else np.inf if held == k else -np.inf)


@no_type_check
@uncounted()
def aggregate(
    excess: np.ndarray, current: np.ndarray, u: np.ndarray, decay_syn: float, decay_mem: float, kernel: float,
    sum_current: np.ndarray, sum_u: np.ndarray,
) -> None:  # fmt: skip
    """Advance the neurons that cannot reach threshold; the others are left where they are."""
    for j in range(current.shape[0]):
        i_now, u_now = current[j], u[j]
        i_next, u_next = i_now * decay_syn + sum_current[j], u_now * decay_mem + i_now * kernel + sum_u[j]
        current[j] = i_next if excess[j] < 0.0 else i_now
        u[j] = u_next if -np.inf < excess[j] < 0.0 else u_now


@no_type_check
@uncounted()
def flag(excess: np.ndarray, count: int, marks: np.ndarray, flagged: np.ndarray) -> int:
    """Write down which of the first `count` neurons take the exact path; their number."""
    for j in range(count):
        marks[j] = np.uint8(excess[j] >= 0.0)
    marks[count : (count // BITS + 1) * BITS] = 0
    return list_marked(marks, count, flagged)
