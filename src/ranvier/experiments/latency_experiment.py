"""What experiments on latency-coded samples share: channels fire once, and the first output to fire is the answer.

One hidden layer, neurons that fire once, delays of any kind, losses on first spikes or on potentials. An experiment
adds its samples, their encoding, and its picture.
"""

import abc
import dataclasses
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ranvier.augmentations import Jitter
from ranvier.builders import feedforward
from ranvier.datasets.samples import Samples, Splits
from ranvier.delays import DelayFactory, axonal, dendritic, fixed, synaptic
from ranvier.events import Spikes
from ranvier.experiments.experiment import AbstractExperiment, Data, check, keys
from ranvier.experiments.methods import METHODS
from ranvier.initializers import normal
from ranvier.losses import cross_entropy, first_spike_cross_entropy, relative_time_mse
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.readouts import FirstSpike, MaxPotential
from ranvier.regularizers import SilentRecovery
from ranvier.train import Dataset, Recipe, RunFolder, adam, by_path, cosine, step_decay
from ranvier.train.recipe import Loss

DELAYS: dict[str, Callable[..., DelayFactory]] = {
    "none": lambda low, high, init: fixed(0.0),
    "axonal": axonal,
    "dendritic": dendritic,
    "synaptic": synaptic,
}
"""Kinds of delays by name: from bounds and initial values."""

SCHEDULES: dict[
    str,
    Callable[["AbstractLatencyExperiment", float | Float[Array, ""], int], float | Float[Array, ""] | optax.Schedule],
] = {
    "constant": lambda experiment, rate, steps: rate,
    "step": lambda experiment, rate, steps: step_decay(rate, experiment.decay, experiment.decay_epochs, steps),
    "cosine": lambda experiment, rate, steps: cosine(rate, experiment.epochs, steps, experiment.decay),
}
"""Courses of the learning rate by name: from an experiment, the rate at the start, and the steps of an epoch."""

LOSSES: dict[str, Callable[["AbstractLatencyExperiment"], Loss]] = {
    "relative": lambda experiment: partial(relative_time_mse, margin=experiment.margin),
    "cross-entropy": lambda experiment: partial(
        first_spike_cross_entropy,
        tau=experiment.loss_tau,
        early_strength=experiment.early_strength,
        early_tau=experiment.tau_syn,
    ),
    "potential": lambda experiment: cross_entropy,
}
"""Losses by name: from an experiment."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLatencyExperiment(AbstractExperiment):
    """Every number of a run on latency-coded samples, beside those of `AbstractExperiment`. Times in ms.

    Args:
        delay: Kind of delay: `none`, `axonal`, `dendritic` or `synaptic`.
        weights_learn: Whether weights learn; without, delays alone do.
        hidden: Hidden neurons.
        weight_mean: Mean of the initial weights.
        weight_std: Their standard deviation.
        delay_low: Smallest delay.
        delay_high: Largest delay.
        delay_mean: Mean of the initial delays.
        delay_std: Their standard deviation.
        weight_lr: Learning rate of the weights, at the start.
        delay_lr: Learning rate of the delays (of the number behind the sigmoid), at the start.
        schedule: Course of both: `constant`, `step` or `cosine`.
        decay: What `step` multiplies them by, or where `cosine` ends, as a share.
        decay_epochs: Every how many epochs `step` does so.
        loss: `relative` (margins between first spikes), `cross-entropy` (of first spikes), or `potential`
            (cross-entropy of the highest potentials of an output that integrates and does not spike).
        record_every: Distance of the times at which `potential` compares.
        margin: Lead that `relative` asks of the right output.
        loss_tau: Time scale of `cross-entropy`.
        early_strength: Weight of its push towards early spikes.
        recovery: Smallest increment of the weights onto silent neurons; 0 for no recovery.
        recovery_max: Largest, for it doubles from batch to batch.
        silent_hidden: Share of a batch in which a hidden neuron may be silent before it gets that; None for 0.3.
        silent_output: The same for outputs; None for 0.
        jitter: Standard deviation of the noise on input spike times in training.
        tau_mem: Membrane time constant.
        tau_syn: Synaptic time constant.
        t_early: Input spike time of value 0.
        t_late: Input spike time of value 1.
        t_end: End of each simulation.

    Raises:
        ValueError: a number is out of range or of no use to the method, or a name is unknown.
    """

    inputs: ClassVar[int]

    delay: str = "synaptic"
    weights_learn: bool = True
    hidden: int = 30
    weight_mean: float = 2.0
    weight_std: float = 2.0
    delay_low: float = 0.0
    delay_high: float = 1.0
    delay_mean: float = 0.5
    delay_std: float = 0.06
    weight_lr: float = 0.02
    delay_lr: float = 0.02
    schedule: str = "cosine"
    decay: float = 0.001
    decay_epochs: int = 20
    loss: str = "relative"
    record_every: float = 0.1
    margin: float = 0.2
    loss_tau: float = 0.2
    early_strength: float = 0.005
    recovery: float = 0.001
    recovery_max: float = 0.5
    silent_hidden: float | None = None
    silent_output: float | None = None
    jitter: float = 0.0
    tau_mem: float = 2.0
    tau_syn: float = 1.0
    t_early: float = 0.15
    t_late: float = 2.0
    t_end: float = 8.0

    def __post_init__(self):
        choices = {"delay": tuple(DELAYS), "schedule": tuple(SCHEDULES), "loss": tuple(LOSSES)}
        check(
            self, choices, ("hidden", "decay_epochs", "weight_lr", "delay_lr", "record_every"), ("recovery", "jitter")
        )
        if not self.learn:
            msg = "weights_learn is False and delay is 'none', so that nothing would learn; choose a kind of delay."
            raise ValueError(msg)

    @property
    def label(self) -> str:
        """`yin-yang-synaptic`, `yin-yang-none-surrogate`."""
        return "-".join([self.name, self.delay, *([] if self.method == "event-driven" else [self.method])])

    @property
    def learn(self) -> tuple[str, ...]:
        """Fields that learn."""
        return ("weight",) * self.weights_learn + ("delay",) * (self.delay != "none")

    @abc.abstractmethod
    def splits(self) -> Splits:
        """Its samples, as features."""

    @abc.abstractmethod
    def encode(self, feature: Float[np.ndarray, "samples features"]) -> Spikes:
        """Input spikes of samples."""

    @property
    def facts(self) -> dict[str, Any]:
        """The kind of delay."""
        return {"delay": self.delay}

    def data(self) -> Data:
        """Its samples, as spikes."""

        def dataset(samples: Samples) -> Dataset:
            return Dataset(_trimmed(self.encode(samples.feature)), samples.label, classes=len(self.classes))

        return Data(*map(dataset, self.splits()))

    def network(self) -> Network:
        """Inputs, hidden neurons, one output for each class; all fire once at most, or the output integrates."""
        low, high = self.delay_low, self.delay_high
        start = normal(self.delay_mean, self.delay_std)
        within = lambda key, shape, dtype: jnp.clip(start(key, shape, dtype), low, high)
        cast = lambda neuron: jax.tree.map(lambda leaf: leaf.astype(self.dtype), neuron)
        return feedforward(
            [self.inputs, self.hidden, len(self.classes)],
            neuron=cast(LIF(self.tau_mem, self.tau_syn, refractory=math.inf)),
            readout=cast(LI(self.tau_mem, self.tau_syn)) if self.times else None,
            delay=DELAYS[self.delay](low, high, within),
            weight=normal(self.weight_mean, self.weight_std),
            dtype=self.dtype,
            key=keys(self)[0],
        )

    @property
    def times(self) -> tuple[float, ...]:
        """Times (ms) at which potentials are compared: none where first spikes are."""
        if self.loss != "potential":
            return ()
        return tuple(np.arange(self.record_every, self.t_end, self.record_every).tolist())

    def make_recipe(self, samples: int, threads: int | None) -> Recipe:
        """The output that fires first, or rises highest, is the answer."""

        return Recipe(
            METHODS[self.method](self, max(self.inputs, self.hidden), threads),
            t_end=self.t_end,
            readout=MaxPotential("output", self.times) if self.times else FirstSpike("output"),
            loss=LOSSES[self.loss](self),
            optimiser=self.optimiser(samples, {"weight": self.weight_lr, "delay": self.delay_lr}),
            epochs=self.epochs,
            batch=self.batch,
            learn=self.learn,
            augment=Jitter(self.jitter) if self.jitter > 0 else None,
            recovery=self._recovery(),
            patience=self.patience,
        )

    def optimiser(self, samples: int, rates: Mapping[str, float | Float[Array, ""]]) -> optax.GradientTransformation:
        """Adam for each field that learns.

        Args:
            samples: Number of training samples.
            rates: Learning rates at the start, by field.
        """
        course, steps = SCHEDULES[self.schedule], math.ceil(samples / self.batch)
        return by_path({name: adam(course(self, rates[name], steps)) for name in self.learn})

    def report(self, folder: RunFolder, network: Network, **shown: Any) -> Path:
        """Draw the report of a run.

        Args:
            folder: Its folder.
            network: Its network.
            **shown: Fields of `ranvier.plots.Run` that belong to the samples.
        """
        from ranvier.plots.report import Run, write_report  # draws with matplotlib, which is slow to import

        run = Run(
            network=network,
            simulator=self.recipe(samples=1).simulator,
            t_end=self.t_end,
            classes=self.classes,
            history=folder.epochs(),
            result=folder.result(),
            initial=self.network(),
            record=self.times,
            **shown,
        )
        return write_report(folder.path, run)

    def _recovery(self) -> SilentRecovery | None:
        asked = {"hidden": self.silent_hidden, "output": self.silent_output}
        limits = {name: limit for name, limit in asked.items() if limit is not None}
        return (
            SilentRecovery(self.recovery, limits, self.recovery_max)
            if self.recovery > 0 and self.weights_learn
            else None
        )


def _trimmed(spikes: Spikes) -> Spikes:
    """Without the places at the end that no sample uses."""
    used = int(np.max(np.sum(np.isfinite(spikes.time), axis=1)))
    return Spikes(spikes.time[:, :used], spikes.unit[:, :used], spikes.size)
