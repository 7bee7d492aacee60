"""What all experiments share: the numbers of every run, and what can be asked of any experiment.

An experiment is a frozen dataclass of every number, and knows what `ranvier.train.fit` needs: data, network, recipe.
"""

import abc
import dataclasses
import math
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import jax
from jaxtyping import PRNGKeyArray

from ranvier.network import Network
from ranvier.train import Dataset, Recipe, RunFolder

METHODS = ("event-driven", "first-spike", "clock-driven", "surrogate")
DTYPES = ("float32", "float64")
USED_BY = {
    "max_inverse_slope": ("event-driven", "first-spike"),
    "dt": ("clock-driven", "surrogate"),
    "beta": ("surrogate",),
    "detach_time": ("surrogate",),
}
"""Methods that have a use for a field; with others it must be left as it is."""


class Data(NamedTuple):
    """Samples as spikes, to train on, to choose with, and to report."""

    train: Dataset
    validation: Dataset
    test: Dataset


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractExperiment(abc.ABC):
    """Every number of a run. Times in ms, weights in units of the threshold.

    Args:
        method: How spikes and gradients come about: `event-driven`, `first-spike` and `clock-driven` are exact,
            `surrogate` is not.
        dt: Step of `clock-driven` and `surrogate`.
        beta: Steepness of the surrogate, `ranvier.surrogates.superspike(beta)`.
        detach_time: Whether hidden spikes learn by the surrogate alone; see `ranvier.clock_driven.SurrogateSpikes`.
        max_inverse_slope: Largest 1/V' (ms) in the gradient of a spike; inf for no limit. `event-driven` and
            `first-spike` only.
        epochs: Epochs.
        batch: Samples per step.
        patience: Stop when validation has not improved for so many epochs; None for never.
        dtype: `float32` or `float64`.
        seed: Decides initial weights and delays, and the order of the samples.

    Raises:
        ValueError: a number is out of range, of no use to the method, or a name is unknown.
    """

    name: ClassVar[str]
    classes: ClassVar[tuple[str, ...]]

    method: str = "event-driven"
    dt: float = 0.1
    beta: float = 100.0
    detach_time: bool = False
    max_inverse_slope: float = math.inf
    epochs: int = 300
    batch: int = 150
    patience: int | None = None
    dtype: str = "float32"
    seed: int = 0

    @property
    @abc.abstractmethod
    def label(self) -> str:
        """A short name that tells it from its variants, for the run folder."""

    @property
    @abc.abstractmethod
    def facts(self) -> dict[str, Any]:
        """What of it a result repeats, beside name, method and seed."""

    @classmethod
    @abc.abstractmethod
    def tuned(cls, **changes: Any) -> "AbstractExperiment":
        """The experiment with some changes, and the numbers that were found to suit them."""

    @abc.abstractmethod
    def data(self) -> Data:
        """Its samples, as spikes."""

    @abc.abstractmethod
    def network(self) -> Network:
        """Its network as it is before training; the seed decides it."""

    @abc.abstractmethod
    def make_recipe(self, samples: int, threads: int | None) -> Recipe:
        """How it is trained; see `recipe`."""

    @abc.abstractmethod
    def draw(self, folder: RunFolder, network: Network) -> Path:
        """Draw `report.png` into the folder of a finished run, whose network this is."""

    def recipe(self, samples: int, threads: int | None = None) -> Recipe:
        """How it is trained. Experiments that differ in the seed only share a recipe, and a compiled program.

        Args:
            samples: Number of training samples, for the schedules.
            threads: Threads of `event-driven`; results do not depend on it.
        """
        return _recipe(dataclasses.replace(self, seed=0), samples, threads)

    def describe(self) -> dict[str, Any]:
        """The experiment as JSON knows it."""
        numbers = {"name": self.name, **dataclasses.asdict(self)}
        return {name: str(value) if value == math.inf else value for name, value in numbers.items()}


@lru_cache(maxsize=16)
def _recipe(experiment: AbstractExperiment, samples: int, threads: int | None) -> Recipe:
    return experiment.make_recipe(samples, threads)


def keys(experiment: AbstractExperiment) -> tuple[PRNGKeyArray, PRNGKeyArray]:
    """Random keys for the initial network and for the order of the samples."""
    initial, order = jax.random.split(jax.random.key(experiment.seed))
    return initial, order


def check(
    experiment: AbstractExperiment,
    choices: dict[str, tuple[str, ...]],
    positive: tuple[str, ...],
    not_negative: tuple[str, ...] = (),
) -> None:
    """Refuse numbers that make no sense.

    Args:
        experiment: The experiment.
        choices: The names that each of its fields of names may have, those of every experiment apart.
        positive: Its fields that must be above 0, those of every experiment apart.
        not_negative: Its fields that may be 0, too, and must be finite.

    Raises:
        ValueError: one does not; the message names it.
    """
    for field, valid in {"method": METHODS, "dtype": DTYPES, **choices}.items():
        _require(
            getattr(experiment, field) in valid, field, f"one of {', '.join(valid)}", repr(getattr(experiment, field))
        )
    for field in ("epochs", "batch", "max_inverse_slope", "dt", "beta", *positive):
        _require(getattr(experiment, field) > 0, field, "above 0", getattr(experiment, field))
    for field in not_negative:
        _require(0 <= getattr(experiment, field) < math.inf, field, "finite and >= 0", getattr(experiment, field))
    patience = experiment.patience
    _require(patience is None or patience >= 1, "patience", "above 0, or None", patience)
    _require(0 <= experiment.seed < 2**32, "seed", "in 0..2**32 - 1", experiment.seed)
    for field in dataclasses.fields(experiment):
        methods = USED_BY.get(field.name, METHODS)
        if experiment.method not in methods and getattr(experiment, field.name) != field.default:
            users = " and ".join(methods)
            msg = f"{field.name} is of no use to the method {experiment.method}, only to {users}; leave it out."
            raise ValueError(msg)


def _require(right: bool, field: str, wanted: str, got: Any) -> None:
    if not right:
        msg = f"{field} must be {wanted}; got {got}."
        raise ValueError(msg)
