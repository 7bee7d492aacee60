"""From the sums of the backward pass, chunk by chunk, to the gradient of weights and delays."""

from typing import no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Membranes, Synapses, Wiring, rates_of
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
    for chunk in range(1, sums.theta.shape[0]):
        sums.current[0] += sums.current[chunk]
        sums.u[0] += sums.u[chunk]
        sums.delay[0] += sums.delay[chunk]
        sums.theta[0] += sums.theta[chunk]
        sums.rho[0] += sums.rho[chunk]
        sums.refractory[0] += sums.refractory[chunk]
    for c in range(wiring.pre.shape[0]):
        if wiring.column_stride[c] > 0:
            _settle(wiring, synapses, membranes, sums, c, weight, delay)
        else:
            first, last = wiring.weight_start[c], wiring.weight_start[c + 1]
            weight[first:last] = sums.current[0, first:last]
            first, last = wiring.delay_start[c], wiring.delay_start[c + 1]
            delay[first:last] = sums.delay[0, first:last]


@no_type_check
@njit(nogil=True)
def _settle(wiring: Wiring, synapses: Synapses, membranes: Membranes, sums: Gradient, c: int, weight: np.ndarray,
            delay: np.ndarray) -> None:  # fmt: skip
    """A connection with a delay per synapse or per receiver."""
    size, to = wiring.size[wiring.post[c]], wiring.neuron_start[wiring.post[c]]
    for i in range(wiring.size[wiring.pre[c]]):
        for j in range(size):
            slot = wiring.weight_start[c] + i * size + j
            e = wiring.delay_start[c] + i * wiring.row_stride[c] + j * wiring.column_stride[c]
            rates = rates_of(membranes, to + j)
            x_i, x_u = sums.current[0, slot], sums.u[0, slot]
            weight[slot] = x_i
            delay[e] += synapses.weight[slot] * (x_i * rates.syn - x_u * rates.mem)
