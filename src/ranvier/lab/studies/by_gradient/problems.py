"""What is learned in the study `gradients`: four tasks, from one spike per neuron to a thousand per sample.

`yin-yang` is the task of that name: outputs race to their first spike, neurons fire once. `order` asks which half of
the inputs began first, in bursts that overlap. In `reversals` a class is a pattern of several spikes of each input, and
every second class is the one before, played backwards: all inputs fire as often in all classes. `words` are spoken
words, from a file. The outputs of the last three integrate, and their mean potential is the answer.
"""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from ranvier.augmentations import Shift
from ranvier.encoders import latency
from ranvier.events import Spikes
from ranvier.initializers import Initializer, normal
from ranvier.lab.studies.by_gradient.words import read_words
from ranvier.lab.tasks.yin_yang import splits as yin_yang
from ranvier.losses import cross_entropy, relative_time_mse
from ranvier.neurons import LI, LIF
from ranvier.readouts import AbstractReadout, FirstSpike, MeanPotential
from ranvier.train import Dataset
from ranvier.train.recipe import Augment, Loss

CLASSES, CHANNELS, SPIKES, LENGTH = 10, 16, 4, 100.0
"""Classes and inputs of `reversals`, spikes of each input, and how long a pattern is (ms)."""

Data = tuple[Dataset, Dataset, Dataset]
"""Samples to train on, to choose with, and to report."""


class Weights(NamedTuple):
    """Initial weights from the inputs, among hidden neurons, and onto the outputs."""

    inner: Initializer
    recurrent: Initializer
    out: Initializer


class Problem(NamedTuple):
    """A task, and the numbers that suit it. Times in ms, weights in units of the threshold.

    Args:
        data: Makes the samples; the argument is the file of words.
        t_end: End of each simulation.
        neuron: Hidden neurons.
        output: Output neurons.
        readout: What is read off a simulation.
        loss: Of that and the class.
        weights: Before training.
        hidden: Hidden neurons.
        epochs: How long.
        batch: Samples in a step.
        rate: Learning rate of the weights.
        delay_rate: Learning rate of the delays.
        low: Smallest delay among hidden neurons; from the inputs it is half of that.
        longest: Longest delay from the inputs; among hidden neurons it is half of that.
        step: Step of the coarse surrogate; that of the fine one is a quarter of it.
        room: Spikes per neuron for which there is room.
        augment: What training does to the samples.
    """

    data: Callable[[str], Data]
    t_end: float
    neuron: LIF
    output: LIF | LI
    readout: AbstractReadout
    loss: Loss
    weights: Weights
    hidden: int
    epochs: int
    batch: int
    rate: float
    delay_rate: float
    low: float
    longest: float
    step: float
    room: int
    augment: Augment | None = None


def _yin_yang_data(words: str) -> Data:
    """The published samples."""
    made = (Dataset(latency(part.feature.astype(np.float32), t_early=0.15, t_late=2.0), part.label, classes=3)
            for part in yin_yang())  # fmt: skip
    train, validation, test = made
    return train, validation, test


def _drawn(
    sample: Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]], classes: int, size: int
) -> Data:
    """1,000 samples to train on, 300 to choose with, 700 to report, all classes alike."""

    def dataset(seed: int, count: int) -> Dataset:
        rng, label = np.random.default_rng([seed, 7]), np.arange(count) % classes
        times, units = zip(*(sample(rng, int(one)) for one in label), strict=True)
        times = [np.asarray(one, np.float32) for one in times]
        return Dataset(Spikes.from_ragged(times, units, size=size), label.astype(np.int32), classes=classes)

    return dataset(0, 1000), dataset(1, 300), dataset(2, 700)


def order_sample(rng: np.random.Generator, label: int) -> tuple[Float[np.ndarray, " n"], np.ndarray]:
    """Inputs 0 to 7 fire three times each within 20 ms, and inputs 8 to 15 a while later, or before if `label`."""
    gap, onset = rng.uniform(3.0, 20.0), rng.uniform(5.0, 40.0)
    unit = np.repeat(np.arange(CHANNELS), 3)
    return onset + gap * (unit // 8 != label) + rng.uniform(0.0, 20.0, unit.size), unit


@lru_cache(maxsize=1)
def patterns() -> list[tuple[Float[np.ndarray, " n"], np.ndarray]]:
    """Times and inputs of each class of `reversals`: every second class is the one before, backwards."""
    rng, found = np.random.default_rng(11), []
    unit = np.repeat(np.arange(CHANNELS), SPIKES)
    for _ in range(CLASSES // 2):
        time = rng.uniform(0.0, LENGTH, CHANNELS * SPIKES)
        found += [(time, unit), (LENGTH - time, unit)]
    return found


def reversals_sample(rng: np.random.Generator, label: int) -> tuple[Float[np.ndarray, " n"], np.ndarray]:
    """A pattern, later by up to 20 ms, each spike moved by 5 ms or so, three of ten lost, and 20 spikes of noise."""
    time, unit = patterns()[label]
    kept = rng.uniform(size=time.size) < 0.7
    moved = time[kept] + rng.normal(0.0, 5.0, int(kept.sum())) + rng.uniform(5.0, 25.0)
    noise = rng.uniform(0.0, LENGTH + 30.0, 20), rng.integers(0, CHANNELS, 20)
    time, unit = np.concatenate([np.maximum(moved, 0.0), noise[0]]), np.concatenate([unit[kept], noise[1]])
    return time, unit


def _order_data(words: str) -> Data:
    return _drawn(order_sample, 2, CHANNELS)


def _reversals_data(words: str) -> Data:
    return _drawn(reversals_sample, CLASSES, CHANNELS)


def _mean(scale: float, tau: float = math.inf) -> Mapping[str, Any]:
    """Mean potential of the outputs, and its cross-entropy."""
    return {"readout": MeanPotential("output", tau), "loss": partial(cross_entropy, scale=scale)}


LONG: Mapping[str, Any] = {"neuron": LIF(20.0, 5.0), "output": LI(20.0, 5.0)}
PROBLEMS: dict[str, Problem] = {
    "yin-yang": Problem(
        _yin_yang_data, t_end=8.0, neuron=LIF(2.0, 1.0, refractory=math.inf), output=LIF(2.0, 1.0, refractory=math.inf),
        readout=FirstSpike("output"), loss=partial(relative_time_mse, margin=0.2),
        weights=Weights(normal(2.0, 1.5), normal(0.0, 0.3), normal(2.0, 1.5)), hidden=30, epochs=30, batch=150,
        rate=0.04, delay_rate=0.03, low=0.1, longest=1.0, step=0.1, room=1,
    ),
    "order": Problem(
        _order_data, t_end=100.0, **LONG, **_mean(20.0),
        weights=Weights(normal(0.2, 0.3), normal(0.0, 0.1), normal(0.0, 0.3)), hidden=20, epochs=20, batch=50,
        rate=0.005, delay_rate=0.1, low=1.0, longest=30.0, step=2.0, room=40,
    ),
    "reversals": Problem(
        _reversals_data, t_end=150.0, **LONG,
        **_mean(20.0), weights=Weights(normal(0.3, 0.3), normal(0.0, 0.1), normal(0.0, 0.3)), hidden=30,
        epochs=30, batch=50, rate=0.005, delay_rate=0.1, low=1.0, longest=50.0, step=2.0, room=60,
    ),
    "words": Problem(
        read_words, t_end=1150.0, **LONG, **_mean(36.0, tau=1000.0),
        weights=Weights(normal(0.05, 0.02), normal(0.0, 0.02), normal(0.0, 0.06)), hidden=64, epochs=8, batch=64,
        rate=8e-3, delay_rate=5e-2, low=1.0, longest=60.0, step=4.0, room=120, augment=Shift(4, 60.0, 1000.0),
    ),
}  # fmt: skip
"""The tasks by name. All were tried by hand: with a quarter of that rate `words` learned less on validation data."""


@lru_cache(maxsize=2)
def samples(name: str, words: str) -> Data:
    """The samples of a task, made once.

    Args:
        name: The task.
        words: The file of words.
    """
    return PROBLEMS[name].data(words)
