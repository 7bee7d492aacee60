"""An experiment: a task, a model, a readout, a method and a training, put together; data, network and recipe follow."""

import dataclasses
import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

import jax
import numpy as np
import optax
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier.datasets import Samples
from ranvier.events import Spikes
from ranvier.lab.methods import EventDriven, Method
from ranvier.lab.parts import AbstractModel, AbstractSpikeTask, AbstractTask, Data
from ranvier.lab.ranges import Seed, check
from ranvier.lab.readouts import Readout
from ranvier.lab.settings import HIDDEN, Setting, change, settings, values
from ranvier.lab.training import Training
from ranvier.network import Network
from ranvier.train import Dataset, Recipe, adam, by_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiment:
    """Everything that decides the result of a run.

    Args:
        task: What is to be learned.
        model: What learns.
        readout: How outputs become an answer, and the loss.
        method: How the network is simulated and differentiated.
        training: How long, and in which steps.
        dtype: Precision.
        seed: Decides initial weights and delays, and the order of the samples.
        name: The task as `ranvier.lab.experiment` knows it; empty for an experiment that was put together by hand.

    Raises:
        SettingError: a number is out of range.

    Example:
        >>> from ranvier.lab import Experiment, models, readouts, training
        >>> from ranvier.lab.tasks.yin_yang import YinYang
        >>> experiment = Experiment(
        ...     task=YinYang(), model=models.OneHidden(hidden=10), readout=readouts.RelativeTime(),
        ...     training=training.Training(epochs=20))
        >>> experiment.network()["hidden"].size
        10
    """

    task: AbstractTask | AbstractSpikeTask
    model: AbstractModel
    readout: Readout
    method: Method = dataclasses.field(default=EventDriven())
    training: Training = dataclasses.field(default=Training())
    dtype: Literal["float32", "float64"] = "float32"
    seed: Seed = 0
    name: str = dataclasses.field(default="", metadata=HIDDEN)

    def __post_init__(self):
        check(self)

    def check_parts(self) -> None:
        """Refuse parts that do not go together.

        Raises:
            ValueError: nothing would learn, or something that stays fixed would be changed.
        """
        if not self.model.rates:
            msg = "nothing would learn: the weights are fixed and there are no delays that learn; choose other ones."
            raise ValueError(msg)
        fixed = [name for name in self.training.recovery.moves if name not in self.model.rates]
        if fixed:
            recovery = self.training.recovery.name
            msg = f"recovery {recovery} changes every {fixed[0]}, but the {fixed[0]}s are fixed; choose recovery none."
            raise ValueError(msg)

    def change(self, **given: Any) -> "Experiment":
        """The experiment with other settings, by the names of the command line: `change(hidden=10, delay="axonal")`."""
        return change(self, given)

    def offered(self) -> dict[str, Setting]:
        """All settings, without the choices that `check_parts` would refuse.

        Example:
            >>> from ranvier.lab import experiment
            >>> list(experiment("temporal-order").offered()["recovery"].choices)
            ['none']
        """
        found, learns = settings(self), set(self.model.rates)
        able = {name: part for name, part in found["recovery"].choices.items() if learns.issuperset(part.moves)}
        return found | {"recovery": dataclasses.replace(found["recovery"], choices=able)}

    def describe(self) -> dict[str, Any]:
        """All settings as JSON knows them, choices first, and what the parts are that cannot be chosen."""
        parts = {name: type(getattr(self, name)).__name__ for name in ("task", "model")}
        plain = {name: str(value) if value in (math.inf, -math.inf) else value for name, value in values(self).items()}
        return {"name": self.name, **parts, **self.choices, **plain}

    @property
    def choices(self) -> dict[str, str]:
        """What was chosen among parts: `method`, `readout`, `delay` and so on."""
        return {name: one.value for name, one in settings(self).items() if one.choices}

    @property
    def keys(self) -> tuple[PRNGKeyArray, PRNGKeyArray]:
        """Random keys for the initial network and for the order of the samples."""
        initial, order = jax.random.split(jax.random.key(self.seed))
        return initial, order

    def data(self) -> Data:
        """The samples, as spikes."""
        if isinstance(self.task, AbstractSpikeTask):
            return self.task.data(self.dtype)

        def dataset(samples: Samples) -> Dataset:
            spikes = self.encode(samples.feature)
            used = int(np.max(np.sum(np.isfinite(spikes.time), axis=1)))
            return Dataset(trimmed(spikes, used), samples.label, classes=len(self.task.classes))

        return Data(*map(dataset, self.task.splits()))

    def encode(self, feature: Float[np.ndarray, "samples features"]) -> Spikes:
        """Input spikes of samples, in the precision of the experiment; of a task that has features."""
        assert isinstance(self.task, AbstractTask)
        spikes = self.task.encode(feature.astype(self.dtype))
        return dataclasses.replace(spikes, time=spikes.time.astype(self.dtype))

    def network(self) -> Network:
        """The network before training; the seed decides it."""
        task = self.task
        some = task.some() if isinstance(task, AbstractSpikeTask) else None
        how = {"spiking": self.readout.spiking, "dtype": self.dtype, "key": self.keys[0]}
        return self.model.network(task.inputs, len(task.classes), **how, some=some)

    def recipe(self, samples: int, threads: int | None = None) -> Recipe:
        """How the network is trained. Experiments that differ in the seed only share a recipe, and a compiled program.

        Args:
            samples: Number of training samples, for the schedules.
            threads: Threads of methods that have their own; results do not depend on it.
        """
        self.check_parts()
        return _recipe(dataclasses.replace(self, seed=0), samples, threads)

    def optimiser(
        self, samples: int, rates: Mapping[str, float | Float[Array, ""]] | None = None
    ) -> optax.GradientTransformation:
        """Adam for each field that learns.

        Args:
            samples: Number of training samples.
            rates: Learning rates at the start, by path; default those of the model.
        """
        given = self.model.rates if rates is None else rates
        return by_path({name: adam(self.training.course(given[name], samples)) for name in self.model.rates})


@dataclasses.dataclass(frozen=True)
class Preset:
    """Where a task starts from: an experiment, and the numbers that suit some of its choices better.

    Args:
        experiment: The experiment, with the numbers that suit its own choices.
        tuned: Pairs of choices and settings, such as `({"delay": "axonal"}, {"weight_lr": 0.03})`: the settings are the
            defaults where the choices are those; of several that are, the last one decides.

    Example:
        >>> from ranvier.lab.tasks import temporal_order
        >>> temporal_order.PRESET.experiment.training.epochs
        20
    """

    experiment: Experiment
    tuned: tuple[tuple[Mapping[str, str], Mapping[str, Any]], ...] = ()


def trimmed(spikes: Spikes, places: int) -> Spikes:
    """The first places of spike trains; what is behind them must be empty."""
    return dataclasses.replace(spikes, time=spikes.time[:, :places], unit=spikes.unit[:, :places])


@lru_cache(maxsize=16)
def _recipe(experiment: Experiment, samples: int, threads: int | None) -> Recipe:
    model, training, readout = experiment.model, experiment.training, experiment.readout
    network = experiment.network()
    return Recipe(
        experiment.method.simulator(network, model.max_spikes, threads),
        t_end=experiment.task.t_end,
        readout=readout.read(),
        loss=readout.loss,
        optimiser=experiment.optimiser(samples),
        epochs=training.epochs,
        batch=training.batch,
        learn=tuple(model.rates),
        augment=training.augment(experiment.task.t_end),
        regularizers=training.regularizers(network),
        recovery=training.recovery.wake(network),
        patience=training.patience,
    )
