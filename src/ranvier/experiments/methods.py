"""From an experiment to what `ranvier.train.fit` wants: data, a network, a recipe."""

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier.clock_driven import ClockDriven, Exact, SurrogateSpikes
from ranvier.closed_form import FirstSpike
from ranvier.datasets.yin_yang import Samples, Splits, yin_yang_splits
from ranvier.delays import DelayFactory, axonal, dendritic, fixed, synaptic
from ranvier.encoders import latency
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes, first_spike
from ranvier.experiments.experiment import Experiment
from ranvier.initializers import normal
from ranvier.losses import first_spike_cross_entropy, relative_time_mse
from ranvier.network import Network, feedforward
from ranvier.neurons import LIF
from ranvier.regularizers import SilentRecovery
from ranvier.simulation import AbstractSimulator, Solution
from ranvier.surrogates import superspike
from ranvier.train import Dataset, Recipe, adam, by_field, cosine, step_decay

CLASSES = ("yin", "yang", "dot")

KINDS: dict[str, Callable[..., DelayFactory]] = {
    "axonal": axonal,
    "dendritic": dendritic,
    "synaptic": synaptic,
}
"""Kinds of learnable delays, by name."""

METHODS: dict[str, Callable[[Experiment, int | None], AbstractSimulator]] = {
    "event-driven": lambda experiment, threads: EventDriven(
        max_spikes=1, max_inverse_slope=experiment.max_inverse_slope, threads=threads
    ),
    "first-spike": lambda experiment, threads: FirstSpike(),
    "clock-driven": lambda experiment, threads: ClockDriven(
        experiment.dt, layout=Exact(history=1, events=max(4, experiment.hidden)), max_spikes=1, step_spikes=1
    ),
    "surrogate": lambda experiment, threads: ClockDriven(
        experiment.dt,
        spike=SurrogateSpikes(superspike(experiment.beta), detach_time=experiment.detach_time),
        max_spikes=1,
    ),
}
"""Simulators by name: from an experiment, and the threads of those that have threads of their own."""

EXACT = ("event-driven", "first-spike", "clock-driven")
"""Methods whose gradient is the derivative of what they simulate."""

SCHEDULES: dict[str, Callable[[Experiment, float, int], float | optax.Schedule]] = {
    "constant": lambda experiment, rate, steps: rate,
    "step": lambda experiment, rate, steps: step_decay(rate, experiment.decay, experiment.decay_epochs, steps),
    "cosine": lambda experiment, rate, steps: cosine(rate, experiment.epochs, steps, experiment.decay),
}
"""Courses of the learning rate by name: from an experiment, the rate at the start, and the steps of an epoch."""

LOSSES: dict[str, Callable[[Experiment, Float[Array, " size"], Int[Array, ""]], Float[Array, ""]]] = {
    "relative": lambda experiment, first, label: relative_time_mse(first, label, margin=experiment.margin),
    "cross-entropy": lambda experiment, first, label: first_spike_cross_entropy(
        first,
        label,
        tau=experiment.loss_tau,
        early_strength=experiment.early_strength,
        early_tau=experiment.tau_syn,
    ),
}
"""Losses by name: from an experiment, first spikes of the output, and the label."""


class Data(NamedTuple):
    """Samples as spikes, to train on, to choose with, and to report."""

    train: Dataset
    validation: Dataset
    test: Dataset


def build_data(experiment: Experiment) -> Data:
    """Samples of an experiment, as spikes."""

    def dataset(samples: Samples) -> Dataset:
        return Dataset(encode(experiment, samples.feature), samples.label, classes=len(CLASSES))

    return Data(*map(dataset, splits()))


def encode(experiment: Experiment, feature: Float[np.ndarray, "samples 4"]) -> Spikes:
    """Input spikes of samples (x, y, 1 - x, 1 - y)."""
    return latency(feature.astype(experiment.dtype), t_early=experiment.t_early, t_late=experiment.t_late)


@lru_cache(maxsize=1)
def splits() -> Splits:
    """The published samples; several seeds share them."""
    return yin_yang_splits()


def build_network(experiment: Experiment) -> Network:
    """The network of an experiment as it is before training; the seed decides it.

    Example:
        >>> from ranvier.experiments import build_network, yin_yang
        >>> [link.name for link in build_network(yin_yang(hidden=5)).connections]
        ['input->hidden', 'hidden->output']
    """
    low, high = experiment.delay_low, experiment.delay_high
    start = normal(experiment.delay_mean, experiment.delay_std)
    within = lambda key, shape, dtype: jnp.clip(start(key, shape, dtype), low, high)
    delay = KINDS[experiment.delay](low, high, within) if experiment.delay in KINDS else fixed(0.0)
    neuron = LIF(experiment.tau_mem, experiment.tau_syn, refractory=math.inf)
    return feedforward(
        [4, experiment.hidden, len(CLASSES)],
        neuron=jax.tree.map(lambda leaf: leaf.astype(experiment.dtype), neuron),
        delay=delay,
        weight=normal(experiment.weight_mean, experiment.weight_std),
        dtype=experiment.dtype,
        key=keys(experiment)[0],
    )


def build_recipe(experiment: Experiment, samples: int, threads: int | None = None) -> Recipe:
    """How an experiment is trained. Experiments that differ in the seed only share a recipe, and a compiled program.

    Args:
        experiment: The experiment.
        samples: Number of training samples, for the schedules.
        threads: Threads of `event-driven`; results do not depend on it.
    """
    return _recipe(dataclasses.replace(experiment, seed=0), samples, threads)


@lru_cache(maxsize=16)
def _recipe(experiment: Experiment, samples: int, threads: int | None) -> Recipe:
    def first(solution: Solution) -> Float[Array, " size"]:
        return first_spike(solution.spikes["output"], len(CLASSES))

    def loss(solution: Solution, label: Int[Array, ""]) -> Float[Array, ""]:
        return LOSSES[experiment.loss](experiment, first(solution), label)

    def predict(solution: Solution) -> Int[Array, ""]:
        return earliest(first(solution))

    rates = {"weight": experiment.weight_lr, "delay": experiment.delay_lr}
    learn = ("weight", "delay") if experiment.delay in KINDS else ("weight",)
    course, steps = SCHEDULES[experiment.schedule], math.ceil(samples / experiment.batch)
    return Recipe(
        METHODS[experiment.method](experiment, threads),
        t_end=experiment.t_end,
        loss=loss,
        predict=predict,
        optimiser=by_field(**{name: adam(course(experiment, rates[name], steps)) for name in learn}),
        epochs=experiment.epochs,
        batch=experiment.batch,
        learn=learn,
        recovery=SilentRecovery(experiment.recovery) if experiment.recovery > 0 else None,
        patience=experiment.patience,
    )


def earliest(first: Float[Array, " size"]) -> Int[Array, ""]:
    """The output that fires before all others; -1, no answer, where none does or two tie.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.experiments import earliest
        >>> [int(earliest(jnp.array(first))) for first in ([2.0, 1.0], [1.0, 1.0])]
        [1, -1]
    """
    soonest = jnp.min(first)
    alone = (jnp.sum(first == soonest) == 1) & jnp.isfinite(soonest)
    return jnp.where(alone, jnp.argmin(first), -1).astype(jnp.int32)


def keys(experiment: Experiment) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """Random keys for the initial network and for the order of the samples."""
    initial, order = jax.random.split(jax.random.key(experiment.seed))
    return initial, order
