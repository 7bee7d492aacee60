"""Yin-Yang: what do learnable delays add to weights, parameter for parameter?

Weights alone, weights with axonal, dendritic or synaptic delays, and synaptic delays alone, each at several sizes of
the hidden layer and with several seeds, all seeds in one program (`FirstSpike`). The numbers of each case come from
`ranvier study delays-yin-yang-search`. The network of each seed is the one of the best epoch on validation data;
test data are used once, at the end. After an interruption the same command with --resume goes on.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ranvier.lab.bench.table import format_table
from ranvier.lab.executors import HERE, AbstractExecutor, Say
from ranvier.lab.ranges import Count, SettingError, check
from ranvier.lab.studies.delays.cases import KINDS, Case, numbers_for, read_numbers
from ranvier.lab.studies.together.case import Numbers
from ranvier.lab.studies.together.rows import Row, judged, kept_row, percent, run_cases, trained
from ranvier.lab.study import Entry


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        kinds: What learns: weights, axonal, dendritic, synaptic, delays-only.
        hidden: Numbers of hidden neurons.
        seeds: Seeds of each case.
        epochs: Epochs of each training.
        numbers: File with the numbers of each case, the delay_numbers.json of `ranvier study delays-yin-yang-search`;
            empty for the one that comes with ranvier.

    Raises:
        ValueError: a kind is unknown, or a number is not at least 1.

    Example:
        >>> from ranvier.lab.studies.delays_yin_yang import Study
        >>> len(Study().cases)
        30
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    hidden: tuple[int, ...] = (5, 10, 15, 20, 25, 30)
    seeds: tuple[int, ...] = tuple(range(10))
    epochs: Count = 300
    numbers: str = ""

    def __post_init__(self):
        check(self)
        if not self.seeds or not self.cases:
            msg = f"the study needs at least one kind, one size and one seed; got {self}."
            raise ValueError(msg)
        if self.numbers and not Path(self.numbers).is_file():
            name, problem = "numbers", f"must be a file; there is no {self.numbers}"
            raise SettingError(name, problem)

    @property
    def chosen(self) -> dict[str, dict[int, Numbers]]:
        """The numbers of the file."""
        return read_numbers(Path(self.numbers) if self.numbers else None)

    @property
    def cases(self) -> list[Case]:
        """Every kind with every size."""
        return [Case(kind, hidden) for kind in self.kinds for hidden in self.hidden]

    def describe(self) -> dict[str, Any]:
        """All numbers, as JSON knows them."""
        chosen = self.chosen
        return {
            "kinds": list(self.kinds),
            "hidden": list(self.hidden),
            "seeds": list(self.seeds),
            "epochs": self.epochs,
            "numbers": {case.name: dataclasses.asdict(numbers_for(case, chosen)) for case in self.cases},
        }


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the study in a folder: train, test, draw.

    Args:
        study: What to run.
        folder: Where; `results.json` and `error.png` appear there, and for each case its row and its networks.
        resume: Go on with a study that is there.
        executor: What trains the cases; default this process, one after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`, one for each case: `kind`, `hidden`, `parameters`, `test` (low, median, high of
        accuracies), `validation`, the accuracies of all `seeds`, chosen epochs, numbers, seconds.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    given = {"resume": resume, "executor": executor, "say": say}
    return run_cases("delays-yin-yang", study.describe(), _row, study, study.cases, folder, **given)


def _row(study: Study, case: Case, folder: Path, say: Say) -> Row:
    """One row of the results, from its file if it is there."""

    def make() -> Row:
        numbers = Numbers(**study.describe()["numbers"][case.name])
        found = trained(case, numbers, study.seeds, study.epochs, folder, say)
        return judged(case, numbers, study.seeds, study.epochs, found)

    return kept_row(folder / f"{case.name}.json", make, say)


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: test error (%), median and quartiles, beside parameters and learning rates.

    Example:
        >>> from ranvier.lab.studies.delays_yin_yang import table_rows
        >>> row = {"kind": "weights", "hidden": 5, "parameters": 35, "test": {"low": 0.9, "median": 0.91, "high": 0.95}}
        >>> table_rows([row | {"numbers": {"weight_lr": 0.02, "delay_lr": 0.01}}])[0]["test error (%)"]
        '9.0 (5.0 to 10.0)'
    """

    error = lambda one: percent({"low": 1 - one["high"], "median": 1 - one["median"], "high": 1 - one["low"]})
    return [
        {
            "learns": row["kind"],
            "hidden": row["hidden"],
            "parameters": row["parameters"],
            "test error (%)": error(row["test"]),
            "weight_lr": "-" if row["kind"] == "delays-only" else f"{row['numbers']['weight_lr']:g}",
            "delay_lr": "-" if row["kind"] == "weights" else f"{row['numbers']['delay_lr']:g}",
        }
        for row in rows
    ]


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}, picture: {folder / 'error.png'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("", "--resume", "--kinds axonal,weights --hidden 10 --seeds 0..4 --epochs 100 --out runs/small"),
    workers=None,
)
