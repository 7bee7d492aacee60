"""The spikes of one sample: those of inputs as they are given, those of neurons kept for the backward pass."""

from typing import no_type_check

import numpy as np
from numba import njit

from ranvier.event_driven.kernels.cpu.arrays import Clock, Inputs, Synapses, Train, Trains, Wiring
from ranvier.event_driven.kernels.cpu.borrow import uncounted


@no_type_check
@njit(nogil=True)
def new_train(wiring: Wiring, synapses: Synapses) -> Train:
    """Room for the spikes of one sample."""
    places, real = wiring.spike_start[-1] + wiring.capacity[-1], synapses.weight.dtype
    return Train(np.zeros(places, np.int32), np.zeros(places, real), np.zeros(places, np.int32),
                 np.zeros(places, real), np.zeros(places, real), np.zeros(wiring.size.shape[0], np.int32))  # fmt: skip


@no_type_check
@uncounted(inline="always")
def load(wiring: Wiring, clock: Clock, inputs: Inputs, b: int, train: Train) -> None:
    """The input spikes of sample b; the neurons have none yet."""
    train.total[:] = 0
    for p in range(wiring.inputs):
        place = slice(wiring.spike_start[p], wiring.spike_start[p] + wiring.capacity[p])
        train.unit[place] = inputs.unit[b, place]
        train.total[p] = _split(inputs.time[b, place], clock.window, clock.windows - 1, train.window[place],
                                train.offset[place])  # fmt: skip


@no_type_check
@uncounted()
def _split(time: np.ndarray, length: float, final: int, window: np.ndarray, offset: np.ndarray) -> int:
    """Times as windows and offsets; how many there are. What lies after the last window is at its end."""
    count, most = 0, length * (1.0 - np.finfo(time.dtype).eps)
    for i in range(time.shape[0]):
        t = float(time[i]) if time[i] < np.inf else 0.0
        k = min(np.int64(t / length), final + 2)
        late = max(k - final, 0)
        window[i] = k - late
        offset[i] = min(min(t - k * length, most) + late * length, length)
        count += 1 if time[i] < np.inf else 0
    return count


@no_type_check
@uncounted(inline="always")
def keep(wiring: Wiring, train: Train, b: int, trains: Trains) -> None:
    """Keep the spikes of sample b's neurons, and how many there are of every population."""
    trains.total[b] = train.total
    for p in range(wiring.inputs, wiring.size.shape[0]):
        first = wiring.spike_start[p]
        at = first - wiring.spike_start[wiring.inputs]
        here, there = slice(first, first + train.total[p]), slice(at, at + train.total[p])
        trains.window[b, there], trains.offset[b, there] = train.window[here], train.offset[here]
        trains.unit[b, there] = train.unit[here]
        trains.slope[b, there], trains.restart[b, there] = train.slope[here], train.restart[here]


@no_type_check
@uncounted(inline="always")
def recall(wiring: Wiring, clock: Clock, inputs: Inputs, trains: Trains, b: int, train: Train) -> None:
    """All spikes of sample b again."""
    load(wiring, clock, inputs, b, train)
    train.total[:] = trains.total[b]
    for p in range(wiring.inputs, wiring.size.shape[0]):
        first = wiring.spike_start[p]
        at = first - wiring.spike_start[wiring.inputs]
        here, there = slice(first, first + train.total[p]), slice(at, at + train.total[p])
        train.window[here], train.offset[here] = trains.window[b, there], trains.offset[b, there]
        train.unit[here] = trains.unit[b, there]
        train.slope[here], train.restart[here] = trains.slope[b, there], trains.restart[b, there]
