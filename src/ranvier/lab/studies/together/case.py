"""A case of a study on Yin-Yang, and the training of all its runs in one program."""

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.parts import Data, in_memory
from ranvier.lab.ranges import Count, SettingError, check
from ranvier.lab.settings import settings
from ranvier.lab.studies.together.training import Told, Trained, train_together
from ranvier.selection import partition
from ranvier.train import Recipe

MAX_INVERSE_SLOPE = 20.0
"""Guard (ms) for spikes that graze the threshold: without it one run of a hundred ends with a gradient that is not
finite, and accuracy is the same."""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What a search chooses: learning rates at the start, and the spread of initial values.

    Args:
        weight_lr: Learning rate of the weights.
        delay_lr: Learning rate of the delays, or of the positions that they follow from.
        weight_mean: Mean of the initial weights.
        weight_std: Their standard deviation.
        delay_std: Standard deviation of the initial delays.
    """

    weight_lr: float
    delay_lr: float
    weight_mean: float
    weight_std: float
    delay_std: float


@dataclasses.dataclass(frozen=True)
class AbstractCase(abc.ABC):
    """One point of a study. Always a base of others.

    Args:
        kind: A name in `kinds`.
        hidden: Hidden neurons.

    Raises:
        SettingError: the kind is unknown, or there is no hidden neuron.
    """

    kinds: ClassVar[Mapping[str, dict[str, Any]]]
    """Settings of the experiment by name."""
    kind: str
    hidden: Count

    def __post_init__(self):
        if self.kind not in self.kinds:
            name, problem = "kind", f"must be one of {', '.join(self.kinds)}; got {self.kind!r}"
            raise SettingError(name, problem)
        check(self)

    @property
    @abc.abstractmethod
    def more(self) -> dict[str, Any]:
        """What is the same for all kinds, as far as they have it."""

    @property
    def name(self) -> str:
        """`synaptic-30`."""
        return f"{self.kind}-{self.hidden}"

    @property
    def parameters(self) -> int:
        """How many numbers learn."""
        made = self.experiment()
        return sum(leaf.size for leaf in jax.tree.leaves(partition(made.network(), *made.model.rates)[0]))

    def experiment(self, numbers: Numbers | None = None, **changes: Any) -> Experiment:
        """The experiment, by `FirstSpike`.

        Args:
            numbers: Rates and initial values, of which it takes those that it has; default those that suit the task.
            **changes: Other settings.
        """
        asked = {**self.kinds[self.kind], "hidden": self.hidden, "max_inverse_slope": MAX_INVERSE_SLOPE, **changes}
        made = experiment("yin-yang", method="first-spike", **asked)
        given = self.more | ({} if numbers is None else dataclasses.asdict(numbers))
        return made.change(**{name: value for name, value in given.items() if name in settings(made)})

    def recipe(self, epochs: int) -> Recipe:
        """How it is simulated, for tests on trained networks."""
        return self.experiment(epochs=epochs).recipe(data().train.size)


@lru_cache(maxsize=1)
def data() -> Data:
    """The published samples as spikes, the same for all cases."""
    return experiment("yin-yang").data()


def train_case(
    case: AbstractCase,
    runs: Sequence[tuple[Numbers, int]],
    *,
    epochs: int,
    path: Path | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> Trained:
    """Train a network for each pair of numbers and seed, all in one program.

    Args:
        case: What learns.
        runs: Numbers and seed of each run.
        epochs: Epochs of each.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case
        >>> from ranvier.lab.studies.together.case import Numbers, train_case
        >>> runs = [(Numbers(0.04, 0.02, 1.0, 2.0, 0.06), seed) for seed in (0, 1)]
        >>> train_case(Case("weights", 4), runs, epochs=1).history.shape
        (2, 1, 2)
    """
    each = [case.experiment(numbers, epochs=epochs, seed=seed) for numbers, seed in runs]
    plan, size = each[0], data().train.size
    column = lambda name: jnp.asarray([getattr(numbers, name) for numbers, _ in runs], jnp.float32)
    rates = {name: column("weight_lr" if name == "weight" else "delay_lr") for name in plan.model.rates}

    def recipe(rates: dict[str, Float[Array, ""]]) -> Recipe:
        return dataclasses.replace(plan.recipe(size), optimiser=plan.optimiser(size, rates))

    networks, keys = [one.network() for one in each], jnp.stack([one.keys[1] for one in each])
    train, validation = in_memory(data().train), in_memory(data().validation)
    return train_together(recipe, rates, networks, keys, train, validation, path=path, tell=tell)
