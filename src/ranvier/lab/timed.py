"""Tasks in which every channel fires equally often, so that only spike times tell the classes apart."""

import abc
import dataclasses
from functools import lru_cache

import jax
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ranvier.datasets import Noise, Samples, Splits, channel_spikes
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.methods import EventDriven, Value
from ranvier.lab.models import AbstractDelays, Layers, LearnedWeights, SynapticDelays
from ranvier.lab.parts import AbstractTask
from ranvier.lab.ranges import Count, NotNegative, Positive, Seed, Whole
from ranvier.lab.readouts import Potential
from ranvier.lab.training import NoRecovery, Training


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractTimedTask(AbstractTask, abc.ABC):
    """Spike times of channels, drawn by key: the same samples for every seed of a run.

    Args:
        samples: Samples to train on; a quarter as many choose the best epoch, half as many are the test.
        channels: Number of input channels.
        duration: End of the input (ms).
        blur: Standard deviation (ms) of a number that moves each spike, the same in every epoch.
        distractors: Spikes that each channel fires in addition, at random times.
        data_seed: Decides the samples.
    """

    samples: Count = 2000
    channels: Count = 10
    duration: Positive = 80.0
    blur: NotNegative = 0.5
    distractors: Whole = 0
    data_seed: Seed = 0

    @property
    def inputs(self) -> int:
        """One for each channel."""
        return self.channels

    @property
    def variation(self) -> Noise:
        """Jitter and distractors."""
        return Noise(self.blur, self.distractors)

    @abc.abstractmethod
    def draw(self, size: int, key: PRNGKeyArray) -> Samples:
        """So many samples."""

    def splits(self) -> Splits:
        """The samples; several seeds of a run share them."""
        return _splits(self)

    def encode(self, feature: Float[np.ndarray, "samples columns"]) -> Spikes:
        """Input spikes of samples, in order of time."""
        return channel_spikes(feature, self.channels)


@lru_cache(maxsize=4)
def _splits(task: AbstractTimedTask) -> Splits:
    keys = jax.random.split(jax.random.key(task.data_seed), 3)
    sizes = task.samples, max(task.samples // 4, 1), max(task.samples // 2, 1)
    return Splits(*(task.draw(size, key) for size, key in zip(sizes, keys, strict=True)))


LONG = SynapticDelays(high=60.0, mean=30.0, std=15.0, lr=0.1)


def preset(task: AbstractTimedTask, *, delay: AbstractDelays = LONG, weight_lr: float = 0.02) -> Preset:
    """Where a temporal task starts from: short time constants of hidden neurons, long delays. No search was run.

    Args:
        task: The task.
        delay: Delays onto the hidden layer.
        weight_lr: Learning rate of the weights, at the start.

    Example:
        >>> from ranvier.lab.tasks.polychrony import Polychrony
        >>> from ranvier.lab.timed import preset
        >>> preset(Polychrony()).experiment.model.tau_mem
        4.0
    """
    return Preset(
        Experiment(
            task=task,
            model=Layers(weight=LearnedWeights(mean=2.0, std=2.5, lr=weight_lr), output_std=1.0, delay=delay),
            readout=Potential(scale=20.0),
            method=EventDriven(gradient=Value(), max_inverse_slope=20.0),
            training=Training(epochs=60, batch=50, recovery=NoRecovery()),
        ),
        tuned=(
            ({"delay": "axonal"}, {"delay_high": 60.0, "delay_mean": 30.0, "delay_std": 15.0, "delay_lr": 0.1}),
            ({"delay": "dendritic"}, {"delay_high": 60.0, "delay_mean": 30.0, "delay_std": 15.0, "delay_lr": 0.1}),
            ({"method": "surrogate"}, {"dt": 1.0, "beta": 20.0}),
            ({"method": "clock-driven"}, {"dt": 1.0}),
            ({"readout": "relative"}, {"margin": 2.0}),
            ({"readout": "cross-entropy"}, {"loss_tau": 2.0, "early_strength": 0.0}),
        ),
    )
