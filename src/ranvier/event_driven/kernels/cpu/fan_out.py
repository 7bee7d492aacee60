"""The events of one spike through one connection: where each arrives, and what belongs to the spike alone.

An event arrives at offset o = offset + frac (- h if late) of a window of length h. What it then was, taken back by
frac, belongs to the synapse, and so it flows on to the window's end for r = h - offset (+ h if late), which belongs to
the spike:

    e^{-(h-o)/tau_syn} = e^{frac/tau_syn} e^{-r/tau_syn}
    kappa(h-o) = e^{frac/tau_syn} kappa(r) + kappa(-frac) e^{-r/tau_mem}
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Synapses, Wiring
from ranvier.event_driven.kernels.cpu.borrow import uncounted
from ranvier.event_driven.kernels.cpu.flow import Rates, flow_in_sums
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.kernels.cpu.marks import BITS, USUAL


class Room(NamedTuple):
    """Room for the events of one spike: where they go (`events`), and its factors, in time and late.

    `noted`: a bit for each event, whether it met an interrupted neuron on the way back (see `pieces.py`); `places`:
    a list of those.
    """

    events: np.ndarray
    noted: np.ndarray
    places: np.ndarray
    factors: np.ndarray


@no_type_check
@njit(nogil=True)
def new_room(wiring: Wiring, synapses: Synapses) -> Room:
    """Room for one thread."""
    real = synapses.weight.dtype
    most = wiring.size.max()
    return Room(np.zeros(most, np.uint32), np.zeros(most // BITS + 1, np.uint64), np.zeros(most + USUAL, np.uintp),
                np.zeros(2 * LANES, real))  # fmt: skip


@no_type_check
@uncounted(forceinline=True)
def locate(
    cell: np.ndarray, frac: np.ndarray, offset: float, window: float, base: int, neurons: int, span: int, index:
    np.ndarray,
) -> None:  # fmt: skip
    """Where every event of a spike goes that happens at `offset` of the window whose first cell is `base`.

    An event knows its cell in a ring and whether it is late (see `flow.wraps`); both are in one number of `index`:
    LANES times the cell, plus 1 if late.
    """
    window, one, none = frac.dtype.type(window), np.int32(1), np.int32(0)
    first, after, around = np.int32(base), np.int32(neurons), np.int32(span * neurons)
    for j in range(cell.shape[0]):
        late = one if offset + frac[j] >= window else none
        at = cell[j] + first + late * after
        index[j] = np.int32(LANES) * (at - (around if at >= around else none)) + late


@no_type_check
@uncounted()
def set_factors(rest: float, rates: Rates, more: tuple[float, float, float], factors: np.ndarray) -> None:
    """Of a spike `rest` before its window's end: (syn, mem, kernel, 0) over the rest, and over a window more.

    `more` is what `flow` says of a whole window.
    """
    syn, mem, kernel = flow_in_sums(rest, rates)
    factors[0], factors[1], factors[2], factors[3] = syn, mem, kernel, 0.0
    kernel = kernel * more[1] + syn * more[2]
    factors[4], factors[5], factors[6], factors[7] = syn * more[0], mem * more[1], kernel, 0.0
