"""Backward: windows in which a neuron was interrupted by boundaries: a spike, a restart, a record.

Its adjoint jumps there, so what it is at the window's end does not say what an arrival is owed. Such a window is kept
in pieces, from boundary to boundary, each with the adjoint that there would be at the window's end if nothing came
after the piece: an arrival then reads it as any other does. The ring holds MARK, a zero of its own kind, and a sender
that meets it looks up the piece in which its event arrived.
"""

from typing import NamedTuple, no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Clock, Record, Wiring
from ranvier.event_driven.kernels.cpu.borrow import uncounted

MARK = -0.0
"""What the ring holds instead of p_I. It adds nothing to any sum, and nothing is lost if p_I happens to be this."""


class Pieces(NamedTuple):
    """Pieces of the windows of one sample: from offset `start` on, and (p_I, p_u) carried on to the window's end.

    `before`: the piece before it, -1 if it is the window's first. `latest` (span x neurons): the latest piece of a
    neuron in a window, -1 if it was not interrupted. `head` (span x populations): one of those in a population, and
    `other`: another one, -1 at the end; `unit`: its neuron. `used`: how many pieces there are.
    """

    start: np.ndarray
    current: np.ndarray
    u: np.ndarray
    before: np.ndarray
    other: np.ndarray
    unit: np.ndarray
    latest: np.ndarray
    head: np.ndarray
    used: np.ndarray


@no_type_check
@njit(nogil=True)
def new_pieces(wiring: Wiring, clock: Clock, record: Record, neurons: int) -> Pieces:
    """Room for all of one sample: at most two pieces for each spike, restart and record."""
    spikes = 0
    for p in range(wiring.inputs, wiring.size.shape[0]):
        spikes += wiring.capacity[p]
    room = 2 * (2 * spikes + record.window.shape[1] * wiring.size.max()) + 1
    return Pieces(np.zeros(room), np.zeros(room), np.zeros(room), np.zeros(room, np.int64), np.zeros(room, np.int64),
                  np.zeros(room, np.int64), np.zeros(clock.span * neurons, np.int32),
                  np.zeros(clock.span * wiring.size.shape[0], np.int64), np.zeros(1, np.int64))  # fmt: skip


@no_type_check
@uncounted(inline="always")
def forget(pieces: Pieces) -> None:
    """Of the last sample, everything."""
    pieces.latest[:] = -1
    pieces.head[:] = -1
    pieces.used[0] = 0


@no_type_check
@uncounted(inline="always")
def interrupt(pieces: Pieces, place: int, neuron: int, unit: int) -> int:
    """Begin the latest piece of a neuron, which is `unit` of its population (at `place`, in this window)."""
    piece = begin(pieces)
    pieces.latest[neuron], pieces.unit[piece] = piece, unit
    pieces.other[piece], pieces.head[place] = pieces.head[place], piece
    return piece


@no_type_check
@uncounted(inline="always")
def begin(pieces: Pieces) -> int:
    """A new piece."""
    piece = pieces.used[0]
    pieces.used[0] += 1
    pieces.before[piece] = -1
    return piece


@no_type_check
@uncounted(forceinline=True)
def piece_at(start: np.ndarray, before: np.ndarray, piece: int, offset: float) -> int:
    """The piece, from `piece` back, in which an arrival at `offset` lies; one at a boundary comes after it."""
    earlier = before[piece]
    piece = earlier if start[piece] > offset and earlier >= 0 else piece  # most windows have two: no branch is missed
    while start[piece] > offset and before[piece] >= 0:
        piece = before[piece]
    return piece
