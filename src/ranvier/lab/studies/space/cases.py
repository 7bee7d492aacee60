"""The cases of the study of delays by distance: kinds of delays that start alike, and how they are trained."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.parts import in_memory
from ranvier.lab.ranges import SettingError
from ranvier.lab.settings import settings
from ranvier.lab.studies.delays.cases import MAX_INVERSE_SLOPE, Numbers, data
from ranvier.lab.studies.together.training import Told, Trained, train_together
from ranvier.selection import partition
from ranvier.train import Recipe

KINDS: dict[str, dict[str, Any]] = {
    "none": {"delay": "none"},
    "random": {"delay": "random"},
    **{f"{d}d": {"delay": "spatial", "delay_dimensions": d} for d in (1, 2, 3, 4, 5, 8)},
    "axonal": {"delay": "axonal"},
    "synaptic": {"delay": "synaptic"},
}
"""Delays by name: none, random ones that stay, by distance in so many dimensions, one per sender, one per synapse."""

MEAN = 0.5
"""Mean of the initial delays (ms) of every kind; their standard deviation is searched."""

SPREAD = (0.02, 0.12)
"""Standard deviations (ms) that are tried: what distances in 8 dimensions can have around such a mean."""


@dataclasses.dataclass(frozen=True)
class Case:
    """One point of the study, on Yin-Yang.

    Args:
        kind: Kind of delays, a name in `KINDS`.
        hidden: Hidden neurons.
        high: Largest delay (ms).

    Raises:
        SettingError: the kind is unknown.

    Example:
        >>> from ranvier.lab.studies.space.cases import Case
        >>> [Case(kind, 30).parameters for kind in ("none", "random", "2d", "3d", "axonal", "synaptic")]
        [210, 210, 284, 321, 244, 420]
    """

    kind: str
    hidden: int
    high: float = 1.0

    def __post_init__(self):
        if self.kind not in KINDS:
            name, problem = "kinds", f"must be some of {', '.join(KINDS)}; got {self.kind!r}"
            raise SettingError(name, problem)

    @property
    def name(self) -> str:
        """`2d-30`."""
        return f"{self.kind}-{self.hidden}"

    @property
    def parameters(self) -> int:
        """How many numbers learn."""
        learn = partition(self.experiment().network(), *self.experiment().model.rates)[0]
        return sum(leaf.size for leaf in jax.tree.leaves(learn))

    def experiment(self, numbers: Numbers | None = None, **changes: Any) -> Experiment:
        """The experiment, by `FirstSpike`.

        Args:
            numbers: Rates and initial values, of which it takes those that it has; default those that suit the task.
            **changes: Other settings.
        """
        asked = {**KINDS[self.kind], "hidden": self.hidden, "max_inverse_slope": MAX_INVERSE_SLOPE, **changes}
        made = experiment("yin-yang", method="first-spike", **asked)
        given = {"delay_mean": MEAN, "delay_high": self.high} | ({} if numbers is None else dataclasses.asdict(numbers))
        return made.change(**{name: value for name, value in given.items() if name in settings(made)})

    def recipe(self, epochs: int) -> Recipe:
        """How it is simulated, for tests on trained networks."""
        return self.experiment(epochs=epochs).recipe(data().train.size)


def train_case(
    case: Case,
    runs: Sequence[tuple[Numbers, int]],
    *,
    epochs: int,
    path: Path | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> Trained:
    """Train a network for each pair of numbers and seed, all in one program.

    Args:
        case: Kind of delays and size.
        runs: Numbers and seed of each run.
        epochs: Epochs of each.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch.
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


def draw_numbers(count: int) -> list[Numbers]:
    """Candidates of the search, the same for every case.

    Args:
        count: How many.

    Example:
        >>> from ranvier.lab.studies.space.cases import draw_numbers
        >>> draw_numbers(3) == draw_numbers(4)[:3]
        True
    """
    random = np.random.default_rng(0)
    between = lambda low, high: round(float(np.exp(random.uniform(np.log(low), np.log(high)))), 4)
    return [
        Numbers(
            weight_lr=between(0.01, 0.1),
            delay_lr=between(0.001, 0.1),
            weight_mean=between(0.7, 3.0),
            weight_std=between(0.5, 3.0),
            delay_std=between(*SPREAD),
        )
        for _ in range(count)
    ]
