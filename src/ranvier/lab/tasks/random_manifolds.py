"""Random manifolds: every unit fires once; the class is a smooth relation between the spike times of all units.

After Zenke & Vogels (Neural Comput. 33, 2021), in the set-up that is published with stork: 10 classes, 20 units, one
dimension, smoothness 1, 1,000 samples of each class, spikes within 100 ms of a trial of 200 ms, 128 hidden neurons, the
highest potential of outputs that forget as slowly as a trial lasts.
"""

import dataclasses
from functools import lru_cache
from typing import Literal

import jax
import numpy as np
from jaxtyping import Float

from ranvier.datasets import Splits, channel_spikes, draw_manifolds, numpy_spectrum, random_manifolds, torch_spectrum
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.methods import EventDriven, Value
from ranvier.lab.models import Layers, LearnedWeights, NoDelays
from ranvier.lab.parts import AbstractTask
from ranvier.lab.ranges import Count, Positive, Seed
from ranvier.lab.readouts import Potential
from ranvier.lab.training import NoRecovery, Training

SPECTRA = {"torch": torch_spectrum, "numpy": numpy_spectrum}
LONG = {"delay_high": 40.0, "delay_mean": 20.0, "delay_std": 10.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomManifolds(AbstractTask):
    """The samples are the same for every seed of a run.

    Args:
        t_end: End of each simulation (ms).
        samples: Samples to train on; an eighth as many choose the best epoch, and as many are the test.
        manifolds: Number of classes, each with a manifold of its own.
        units: Number of input units.
        dimension: Dimension of the manifolds.
        smoothness: The larger the smoother; published as alpha.
        spectrum: Which of the published spectra: that of the PyTorch and JAX versions, or of the NumPy version.
        spikes: Spikes of each unit.
        span: Time (ms) in which units fire.
        data_seed: Decides manifolds and samples.

    Example:
        >>> from ranvier.lab.tasks.random_manifolds import RandomManifolds
        >>> RandomManifolds(samples=80, smoothness=3.0, units=5).splits().test.feature.shape
        (10, 5)
    """

    t_end: Positive = 200.0
    samples: Count = 8000
    manifolds: Count = 10
    units: Count = 20
    dimension: Count = 1
    smoothness: Positive = 1.0
    spectrum: Literal["torch", "numpy"] = "torch"
    spikes: Count = 1
    span: Positive = 100.0
    data_seed: Seed = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """One for each manifold."""
        return tuple(f"manifold {number}" for number in range(self.manifolds))

    @property
    def inputs(self) -> int:
        """One for each unit."""
        return self.units

    def splits(self) -> Splits:
        """`ranvier.datasets.random_manifolds`; several seeds of a run share them."""
        return _splits(self)

    def encode(self, feature: Float[np.ndarray, "samples columns"]) -> Spikes:
        """Each value as a time within `span`."""
        return channel_spikes(self.span * feature, self.units)


@lru_cache(maxsize=4)
def _splits(task: RandomManifolds) -> Splits:
    surfaces, points = jax.random.split(jax.random.key(task.data_seed))
    found = draw_manifolds(
        classes=task.manifolds, units=task.units, dimension=task.dimension, smoothness=task.smoothness,
        spikes=task.spikes, spectrum=SPECTRA[task.spectrum], key=surfaces,
    )  # fmt: skip
    few = max(task.samples // 8, 1)
    return random_manifolds(task.samples, few, few, manifolds=found, key=points)


PRESET = Preset(
    Experiment(
        task=RandomManifolds(),
        model=Layers(
            hidden=128, weight=LearnedWeights(mean=0.0, std=2.0, lr=0.01), delay=NoDelays(), tau_mem=20.0, tau_syn=10.0,
            tau_out=200.0,
        ),
        readout=Potential(scale=20.0),
        method=EventDriven(gradient=Value()),
        training=Training(epochs=100, batch=100, recovery=NoRecovery()),
    ),
    tuned=(
        ({"delay": "axonal"}, LONG),
        ({"delay": "dendritic"}, LONG),
        ({"delay": "synaptic"}, LONG),
        ({"gradient": "exact"}, {"max_inverse_slope": 20.0}),
        ({"method": "surrogate"}, {"dt": 2.0, "beta": 20.0}),
        ({"method": "clock-driven"}, {"dt": 2.0}),
        ({"readout": "relative"}, {"margin": 5.0}),
        ({"readout": "cross-entropy"}, {"loss_tau": 5.0, "early_strength": 0.0}),
    ),
)  # fmt: skip
"""Numbers that were found by hand on validation data of seed 0; no search was run."""
