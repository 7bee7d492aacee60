"""From the sums of the backward pass, chunk by chunk, to the gradient of weights and delays."""

from typing import no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Membranes, Synapses, Wiring
from ranvier.event_driven.kernels.cpu.borrow import borrow, part, uncounted
from ranvier.event_driven.kernels.cpu.pull import Gradient


@no_type_check
@njit(nogil=True)
def run_settle(wiring: Wiring, synapses: Synapses, membranes: Membranes, sums: Gradient, weight: np.ndarray,
               delay: np.ndarray) -> None:  # fmt: skip
    """Add the chunks up in their order, into the first, and make gradients of them; see `pull.Gradient`.

    Args:
        wiring: Who is joined to whom.
        synapses: Weights and delays.
        membranes: Constants of the neurons.
        sums: Sums of every chunk, (chunks, ...); the first becomes the total.
        weight: Place for dL/dweight, flat.
        delay: Place for dL/ddelay, flat; zeros.
    """
    sums = borrow(sums)
    for whole in (sums.delay, sums.theta, sums.rho, sums.refractory):
        _add_up(whole, 0, whole.shape[1])
    for c in range(wiring.pre.shape[0]):
        size, to = wiring.size[wiring.post[c]], wiring.neuron_start[wiring.post[c]]
        for i in range(wiring.size[wiring.pre[c]]):
            row = wiring.weight_start[c] + i * size
            current = _add_up(sums.current, row, size)
            weight[row : row + size] = current
            if wiring.column_stride[c] > 0:
                e = wiring.delay_start[c] + i * wiring.row_stride[c]
                _settle(part(synapses.weight, row, size), current, _add_up(sums.u, row, size),
                        part(membranes.rate_syn, to, size), part(membranes.rate_mem, to, size),
                        part(delay, e, size))  # fmt: skip
        if wiring.column_stride[c] == 0:
            here = slice(wiring.delay_start[c], wiring.delay_start[c + 1])
            delay[here] = sums.delay[0, here]


@no_type_check
@uncounted(inline="always")
def _add_up(sums: np.ndarray, start: int, size: int) -> np.ndarray:
    """A stretch of every chunk's sums, added up into the first: it is at hand while it is needed."""
    total = part(sums[0], start, size)
    for chunk in range(1, sums.shape[0]):
        _add(part(sums[chunk], start, size), total)
    return total


@no_type_check
@uncounted()
def _add(more: np.ndarray, total: np.ndarray) -> None:
    for j in range(total.shape[0]):
        total[j] += more[j]


@no_type_check
@uncounted()
def _settle(weight: np.ndarray, x_i: np.ndarray, x_u: np.ndarray, rate_syn: np.ndarray, rate_mem: np.ndarray,
            delay: np.ndarray) -> None:  # fmt: skip
    """A row of a connection with a delay per synapse or per receiver."""
    for j in range(weight.shape[0]):
        delay[j] += weight[j] * (x_i[j] * rate_syn[j] - x_u[j] * rate_mem[j])
