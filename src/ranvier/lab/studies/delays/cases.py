"""The cases of the delay study: which parameters learn, how many hidden neurons, and the numbers that suit them."""

import dataclasses
import json
import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any, cast

import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Data, Experiment
from ranvier.lab.settings import settings
from ranvier.lab.studies.together.training import Told, Trained, train_together
from ranvier.train import Dataset, Recipe

KINDS: dict[str, dict[str, Any]] = {
    "weights": {"delay": "none"},
    "axonal": {"delay": "axonal"},
    "dendritic": {"delay": "dendritic"},
    "synaptic": {"delay": "synaptic"},
    "delays-only": {"delay": "synaptic", "weight": "fixed"},
}
"""What learns, by name: weights alone, weights and delays of some kind, or synaptic delays alone."""

MAX_INVERSE_SLOPE = 20.0
"""Guard (ms) for spikes that graze the threshold: without it one run of a hundred ends with a gradient that is not
finite, and accuracy is the same."""

CHOSEN = "delay_numbers.json"
"""The committed outcome of the search."""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What the search chooses: learning rates at the start, and the spread of initial values.

    Args:
        weight_lr: Learning rate of the weights.
        delay_lr: Learning rate of the delays.
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
class Case:
    """One point of the study.

    Args:
        kind: What learns, a name in `KINDS`.
        hidden: Hidden neurons.

    Raises:
        ValueError: the kind is unknown, or there is no hidden neuron.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case
        >>> [Case(kind, 30).parameters for kind in ("weights", "axonal", "dendritic", "synaptic", "delays-only")]
        [210, 244, 243, 420, 210]
    """

    kind: str
    hidden: int

    def __post_init__(self):
        if self.kind not in KINDS:
            msg = f"kind must be one of {', '.join(KINDS)}; got {self.kind!r}."
            raise ValueError(msg)
        if self.hidden < 1:
            msg = f"hidden must be at least 1; got {self.hidden}."
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """`synaptic-30`."""
        return f"{self.kind}-{self.hidden}"

    @property
    def parameters(self) -> int:
        """Number of learned weights and delays."""
        weights = 7 * self.hidden
        delays = {"weights": 0, "axonal": 4 + self.hidden, "dendritic": self.hidden + 3}.get(self.kind, weights)
        return (0 if self.kind == "delays-only" else weights) + delays

    def experiment(self, numbers: Numbers | None = None, **changes: Any) -> Experiment:
        """The experiment, by `FirstSpike`.

        Args:
            numbers: Rates and initial values, of which it takes those that it has; default those that suit the task.
            **changes: Other settings.
        """
        asked = {**KINDS[self.kind], "hidden": self.hidden, "max_inverse_slope": MAX_INVERSE_SLOPE, **changes}
        made = experiment("yin-yang", method="first-spike", **asked)
        given = {} if numbers is None else dataclasses.asdict(numbers)
        return made.change(**{name: value for name, value in given.items() if name in settings(made)})

    def recipe(self, epochs: int) -> Recipe:
        """How it is simulated, for tests on trained networks."""
        return self.experiment(epochs=epochs).recipe(data().train.size)


@lru_cache(maxsize=1)
def data() -> Data:
    """The published samples as spikes, the same for all cases."""
    return experiment("yin-yang").data()


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
        case: What learns.
        runs: Numbers and seed of each run.
        epochs: Epochs of each.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case, Numbers, train_case
        >>> runs = [(Numbers(0.04, 0.02, 1.0, 2.0, 0.06), seed) for seed in (0, 1)]
        >>> train_case(Case("weights", 4), runs, epochs=1).history.shape
        (2, 1, 2)
    """
    each = [case.experiment(numbers, epochs=epochs, seed=seed) for numbers, seed in runs]
    plan, size = each[0], data().train.size
    column = lambda name: jnp.asarray([getattr(numbers, name) for numbers, _ in runs], jnp.float32)

    def recipe(rates: dict[str, Float[Array, ""]]) -> Recipe:
        return dataclasses.replace(plan.recipe(size), optimiser=plan.optimiser(size, rates))

    return train_together(
        recipe,
        {"weight": column("weight_lr"), "delay": column("delay_lr")},
        [one.network() for one in each],
        jnp.stack([one.keys[1] for one in each]),
        cast(Dataset, data().train),
        cast(Dataset, data().validation),
        path=path,
        tell=tell,
    )


def read_numbers(path: Path | None = None) -> dict[str, dict[int, Numbers]]:
    """Chosen numbers by kind and number of hidden neurons, from a file of the search; default the committed one.

    Raises:
        ValueError: the file is not one of the search.
    """
    text = (files("ranvier.lab.studies.delays") / CHOSEN if path is None else path).read_text("utf-8")
    try:
        return {
            kind: {int(hidden): Numbers(**one["numbers"]) for hidden, one in sizes.items()}
            for kind, sizes in json.loads(text)["chosen"].items()
        }
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{path or CHOSEN} was not written by 'ranvier study delays-yin-yang-search' ({error!r})."
        raise ValueError(msg) from error


def numbers_for(case: Case, chosen: dict[str, dict[int, Numbers]]) -> Numbers:
    """The numbers of the nearest size, in ratio, that was searched.

    Raises:
        ValueError: none was searched for this kind.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case, Numbers, numbers_for
        >>> small, large = Numbers(0.1, 0.1, 1.0, 1.0, 0.1), Numbers(0.01, 0.01, 1.0, 1.0, 0.1)
        >>> numbers_for(Case("axonal", 10), {"axonal": {5: small, 30: large}}).weight_lr
        0.1
    """
    sizes = chosen.get(case.kind)
    if not sizes:
        msg = f"no numbers were chosen for {case.kind}; search them: ranvier study delays-yin-yang-search."
        raise ValueError(msg)
    return sizes[min(sizes, key=lambda size: abs(math.log(size / case.hidden)))]
