"""The cases of the study `rapid`: which experiments answer which question."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.models import Layers

Settings = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Case:
    """One experiment of the study, for all seeds.

    Args:
        question: What it helps to answer.
        name: What it is called; unique in its question.
        task: Its task.
        given: Settings that differ from the task's own, as pairs.
        cost: Cost of spikes: factor of `ranvier.regularizers.CountUpperBound` of the hidden layer, with limit 0.

    Example:
        >>> from ranvier.lab.studies.timing.cases import Case
        >>> Case("smoothness", "3", "random-manifolds", (("smoothness", 3.0),)).folder
        'smoothness-3'
    """

    question: str
    name: str
    task: str
    given: tuple[tuple[str, Any], ...] = ()
    cost: float = 0.0

    @property
    def folder(self) -> str:
        """Name of the folder of its runs."""
        return f"{self.question}-{self.name}".replace(" ", "-")

    def experiment(self, seed: int, common: Settings) -> Experiment:
        """The experiment of a seed.

        Args:
            seed: The seed.
            common: Settings of all cases, such as epochs.
        """
        return experiment(self.task, **{**common, **dict(self.given), "seed": seed})


METHODS: dict[str, Settings] = {
    "value": {},
    "exact": {"gradient": "exact"},
    "surrogate": {"method": "surrogate"},
    "surrogate-detached": {"method": "surrogate", "detach_time": True},
}
"""Ways to train a network of random manifolds."""
TEMPORAL = ("intervals", "polychrony", "coincidence", "delayed-xor")


def equal_hidden(made: Experiment) -> int:
    """Hidden neurons without delays that have about as many parameters as those with one delay for each input synapse.

    Args:
        made: The experiment with synaptic delays.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.studies.timing.cases import equal_hidden
        >>> equal_hidden(experiment("polychrony"))
        110
    """
    assert isinstance(made.model, Layers)
    inputs, classes = made.task.inputs, len(made.task.classes)
    return round(made.model.hidden * (2 * inputs + classes) / (inputs + classes))


def _of(name: str, values: tuple[Any, ...]) -> Callable[[], list[Case]]:
    """One setting of random manifolds, at several values."""
    return lambda: [Case(name, str(value), "random-manifolds", ((name, value),)) for value in values]


def _delays() -> list[Case]:
    cases = []
    for task in TEMPORAL:
        hidden = equal_hidden(experiment(task))
        cases += [
            Case("delays", f"{task} none", task, (("delay", "none"), ("hidden", hidden))),
            Case("delays", f"{task} axonal", task, (("delay", "axonal"),)),
            Case("delays", f"{task} synaptic", task),
        ]
    return cases


QUESTIONS: dict[str, Callable[[], list[Case]]] = {
    "smoothness": _of("smoothness", (0.5, 1.0, 2.0, 3.0)),
    "dimension": _of("dimension", (1, 2)),
    "manifolds": _of("manifolds", (2, 5, 10, 20)),
    "hidden": _of("hidden", (8, 32, 128)),
    "layers": _of("layers", (1, 2, 3)),
    "method": lambda: [
        Case("method", name, "random-manifolds", tuple(given.items())) for name, given in METHODS.items()
    ],
    "delays": _delays,
    "cost": lambda: [Case("cost", str(cost), "random-manifolds", (), cost) for cost in (0.0, 0.01, 0.1, 1.0)],
}
"""What the study asks, and the cases that answer it."""
