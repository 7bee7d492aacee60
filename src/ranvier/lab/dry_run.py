"""What a run would take, before it starts: sizes, memory and time, from a few steps that are measured.

A few batches are trained for three epochs in memory. The first epoch compiles, the later ones are timed. Nothing is
written. The estimate knows nothing of other programs that will share the machine.
"""

import dataclasses
import resource
import statistics
import sys
import time
from typing import Any

import jax
import numpy as np

from ranvier.checks import operations
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment
from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import simulate
from ranvier.train import Dataset, Recipe, Stream, evaluate, fit
from ranvier.train.step import initial_state

BATCHES = 4
"""Batches that are trained."""
LOOKED_AT = 32
"""Samples whose events are counted."""


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a run would take.

    Args:
        samples: Samples to train on, to choose with, and to report.
        neurons: Neurons of each population.
        synapses: Synapses.
        parameters: Numbers that learn.
        input_spikes: Input spikes of a sample.
        events: Synaptic events of a sample, before training.
        network_bytes: Bytes of the network.
        optimiser_bytes: Bytes of the optimiser's state.
        data_bytes: Bytes of the samples that are held in memory.
        peak_bytes: Most memory that this process has used, all of it.
        compiling: Seconds until the first epoch can begin.
        step: Seconds of a training step.
        epoch: Seconds of an epoch with its validation.
        epochs: Epochs, at most.
        total: Seconds of the whole run, at most.
    """

    samples: tuple[int, int, int]
    neurons: dict[str, int]
    synapses: int
    parameters: int
    input_spikes: float
    events: float
    network_bytes: int
    optimiser_bytes: int
    data_bytes: int
    peak_bytes: int
    compiling: float
    step: float
    epoch: float
    epochs: int
    total: float

    def __str__(self) -> str:
        """For people, one thing a line."""
        populations = ", ".join(f"{size:,} {name}" for name, size in self.neurons.items())
        train, validation, test = self.samples
        return "\n".join(
            [
                f"samples      {train:,} to train on, {validation:,} to choose with, {test:,} to test",
                f"network      {populations}; {self.synapses:,} synapses, {self.parameters:,} numbers that learn",
                f"a sample     {self.input_spikes:,.1f} input spikes, {self.events:,.0f} events before training",
                f"memory       network {size_of(self.network_bytes)}, optimiser {size_of(self.optimiser_bytes)}, "
                f"data {size_of(self.data_bytes)}; whole process {size_of(self.peak_bytes)} at its peak",
                f"time         {self.compiling:.1f} s to compile, {1000 * self.step:.3g} ms a step, "
                f"{self.epoch:.3g} s an epoch, {duration(self.total)} for {self.epochs:,} epochs",
            ]
        )


def estimate(experiment: Experiment, threads: int | None = None) -> Estimate:
    """Measure a few steps of an experiment, and say what the whole of it would take.

    Args:
        experiment: The experiment.
        threads: Threads of methods that have their own.

    Raises:
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.dry_run import estimate
        >>> estimate(experiment("temporal-order")).neurons
        {'input': 2, 'output': 2}
    """
    data, network = experiment.data(), experiment.network()
    recipe = experiment.recipe(data.train.size, threads)
    compiling, step, judged = _measured(experiment, network, data.train, data.validation, recipe)
    epoch = step * -(-data.train.size // recipe.batch) + judged * data.validation.size
    looked = data.train.take(np.linspace(0, data.train.size - 1, min(LOOKED_AT, data.train.size)).astype(int))
    spikes, events = _events(network, looked, recipe)
    found = operations(network, {}, t_end=recipe.t_end)
    return Estimate(
        samples=(data.train.size, data.validation.size, data.test.size),
        neurons={name: network.size(name) for name in network.names},
        synapses=sum(np.size(link.weight) for link in network.connections),
        parameters=sum(leaf.size for leaf in jax.tree.leaves(partition(network, *recipe.learn)[0])),
        input_spikes=spikes,
        events=events,
        network_bytes=found["footprint"],
        optimiser_bytes=_bytes(initial_state(network, recipe).optimiser),
        data_bytes=sum(_bytes((part.spikes, part.target)) for part in data if isinstance(part, Dataset)),
        peak_bytes=_peak(),
        compiling=compiling,
        step=step,
        epoch=epoch,
        epochs=recipe.epochs,
        total=compiling + recipe.epochs * epoch,
    )


def _measured(
    experiment: Experiment, network: Network, train: Dataset | Stream, validation: Dataset | Stream, recipe: Recipe
) -> tuple[float, float, float]:
    """Seconds to compile, seconds of a training step, and seconds to judge a sample."""
    few = train.take(np.arange(min(BATCHES * recipe.batch, train.size)))
    some = validation.take(np.arange(min(BATCHES * recipe.batch, validation.size)))
    short = dataclasses.replace(recipe, epochs=3, patience=None)
    start = time.perf_counter()
    lines = fit(network, few, some, short, stuck=None, key=experiment.keys[1]).epochs
    timed = [few.size / line["samples_per_second"] for line in lines]
    whole = time.perf_counter() - start
    start = time.perf_counter()
    evaluate(network, some, short)
    judged = (time.perf_counter() - start) / some.size
    step = statistics.mean(timed[1:]) / -(-few.size // recipe.batch)
    return max(whole - sum(line["seconds"] for line in lines[1:]), 0.0), step, judged


def _events(network: Network, data: Dataset, recipe: Recipe) -> tuple[float, float]:
    """Input spikes and synaptic events of a sample."""
    trains = [data.spikes] if isinstance(data.spikes, Spikes) else list(data.spikes.values())
    spikes = sum(float(np.isfinite(np.asarray(train.time)).sum()) for train in trains) / data.size
    stats = simulate(network, data.spikes, recipe.simulator, t_end=recipe.t_end, throw=False).stats
    return spikes, float(np.mean(np.asarray(stats.events, float)))


def _bytes(tree: Any) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype"))


def _peak() -> int:
    """Most memory that this process, or where JAX knows it its device, has used."""
    device = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return max(device, own if sys.platform == "darwin" else 1024 * own)


def size_of(number: float | int) -> str:
    """Bytes as people write them.

    Example:
        >>> from ranvier.lab.dry_run import size_of
        >>> size_of(2_500_000), size_of(12)
        ('2.5 MB', '12 B')
    """
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


def duration(seconds: float) -> str:
    """A time as people write it.

    Example:
        >>> from ranvier.lab.dry_run import duration
        >>> [duration(seconds) for seconds in (5.0, 600.0, 7200.0)]
        ['5 s', '10 min', '2.0 h']
    """
    if seconds < 180:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
