"""Hair cells: spikes of leaky integrators that are driven step by step, many of them side by side.

    tau_mem u' = -u + gain r(t);   a spike where u meets 1 + a;   then u = 0, held for the refractory time
    tau_adapt a' = -a;             a + adaptation after each spike

`r` is constant within a step and the spike's time is interpolated between the two potentials around it.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int


class HairCells(NamedTuple):
    """Numbers of all cells. Times in ms, potentials in units of the threshold.

    Args:
        gain: Potential that a steady drive of 1 leads to.
        tau_mem: Membrane time constant.
        refractory: Time after a spike in which the cell stays at rest.
        adaptation: What each spike adds to the threshold.
        tau_adapt: Time constant with which that is forgotten.
    """

    gain: float
    tau_mem: float
    refractory: float
    adaptation: float
    tau_adapt: float


def fire(
    drive: Float[np.ndarray, "steps cells"], step: float, cells: HairCells
) -> tuple[Float[np.ndarray, " spikes"], Int[np.ndarray, " spikes"]]:
    """Spike times and cells, in order of steps.

    Args:
        drive: Drive of each cell in each step.
        step: Length of a step (ms).
        cells: Their numbers.

    Returns:
        Times (ms) from the beginning of the first step, and the cell of each; sorted by time within a cell only.

    Example:
        >>> import numpy as np
        >>> from ranvier.encoders.hair_cells import HairCells, fire
        >>> slow = HairCells(gain=1.0, tau_mem=10.0, refractory=2.0, adaptation=0.0, tau_adapt=50.0)
        >>> time, cell = fire(np.full((400, 1), 2.0, np.float32), 0.25, slow)
        >>> bool(np.allclose(np.diff(time), 10.0 * np.log(2.0) + 2.0, atol=0.01)), cell.max().item()
        (True, 0)
    """
    keep, forget = math.exp(-step / cells.tau_mem), np.float32(math.exp(-step / cells.tau_adapt))
    push = drive * np.float32(cells.gain * (1.0 - keep))
    count = drive.shape[1]
    u, before, raised = (np.zeros(count, np.float32) for _ in range(3))
    free = np.zeros(count, np.float32)  # time at which the refractory time ends
    whole, factor, times, owners = np.float32(step), np.float32(keep), [], []
    for number, given in enumerate(push):
        begin = number * step
        np.multiply(u, factor, out=u)
        np.add(u, given, out=u)
        held = np.flatnonzero(free > begin)
        if held.size:  # a cell that wakes within the step has what is left of it, from rest
            rest = np.clip((begin + whole - free[held]) / whole, 0.0, 1.0)
            u[held] = given[held] * rest
        raised *= forget
        near = u - raised
        fired = np.flatnonzero(near >= 1.0)
        if fired.size:
            share = (1.0 - before[fired]) / (near[fired] - before[fired])  # of the step; near was below 1 before
            start = np.maximum(free[fired] - begin, 0.0)
            time = begin + start + share * (whole - start)
            times.append(time.astype(np.float32))
            owners.append(fired)
            free[fired] = time + cells.refractory
            raised[fired] += np.float32(cells.adaptation)
            u[fired] = 0.0
            near[fired] = -raised[fired]
        before = near
    if not times:
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    return np.concatenate(times), np.concatenate(owners)
