"""Delays by distance: do positions in few dimensions do what free delays do, and with how many numbers?

No delays, fixed random ones, delays by distance in 1 to 8 dimensions, axonal and free synaptic delays, on Yin-Yang,
30 hidden neurons by default, all seeds in one program (`FirstSpike`). What makes the comparison fair: every kind has
the same range of delays, the same mean and standard deviation of the initial ones, the same candidates of learning
rates and initial values, and the same search on validation data with other seeds; gradients are exact, time is
continuous.
The test data are used once, at the end. A study is a folder: it goes on where it was interrupted.
"""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier.lab.bench.table import format_table
from ranvier.lab.executors import HERE, AbstractExecutor, Say
from ranvier.lab.ranges import Count, Positive, SettingError, check
from ranvier.lab.studies.space.afterwards import afterwards
from ranvier.lab.studies.space.cases import KINDS, Case
from ranvier.lab.studies.space.search import Stage, search
from ranvier.lab.studies.together.case import Numbers
from ranvier.lab.studies.together.rows import Row, judged, kept_row, percent, run_cases, trained
from ranvier.lab.study import Entry


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        kinds: Delays: none, random, 1d, 2d, 3d, 4d, 5d, 8d, axonal, synaptic.
        hidden: Numbers of hidden neurons.
        seeds: Seeds of each case.
        epochs: Epochs of each training.
        high: Largest delay (ms) of every kind.
        candidates: Candidates of the search of each case; the best quarter goes to a second stage.
        search_epochs: Epochs of the first stage, with 2 seeds; the second has twice as many, and 4 seeds.

    Raises:
        SettingError: a kind is unknown, a number is not in its range, or there is nothing to run.

    Example:
        >>> from ranvier.lab.studies.spatial import Study
        >>> len(Study().cases)
        10
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    hidden: tuple[int, ...] = (30,)
    seeds: tuple[int, ...] = tuple(range(10))
    epochs: Count = 300
    high: Positive = 1.0
    candidates: Count = 12
    search_epochs: Count = 30

    def __post_init__(self):
        check(self)
        if not self.seeds or not self.cases:
            name, problem = "kinds", "the study needs at least one kind, one size and one seed"
            raise SettingError(name, problem)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages of the search of each case."""
        few = max(self.candidates // 4, 1)
        return Stage(self.candidates, 2, self.search_epochs), Stage(few, 4, 2 * self.search_epochs)

    @property
    def cases(self) -> list[Case]:
        """Every kind with every size."""
        return [Case(kind, hidden, self.high) for kind in self.kinds for hidden in self.hidden]


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the study in a folder: search, train, test, draw.

    Args:
        study: What to run.
        folder: Where; `results.json` and `error.png` appear there, and for each case its row and its networks.
        resume: Go on with a study that is there.
        executor: What runs the cases; default this process, one after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`, one for each case: `kind`, `hidden`, `parameters`, `test` (low, median, high of
        accuracies), `validation`, all `seeds`, `delays` at the start (mean, std), `numbers`, `afterwards`, seconds.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    described = json.loads(json.dumps(dataclasses.asdict(study)))
    given = {"resume": resume, "executor": executor, "say": say}
    return run_cases("spatial", described, _row, study, study.cases, folder, **given)


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: test accuracy (%), median and quartiles, beside the number of parameters.

    Example:
        >>> from ranvier.lab.studies.spatial import table_rows
        >>> row = {"kind": "2d", "hidden": 5, "parameters": 35, "test": {"low": 0.9, "median": 0.91, "high": 0.95}}
        >>> table_rows([row | {"delays": [0.5, 0.1], "numbers": {"weight_lr": 0.02, "delay_lr": 0.01}}])[0]["test (%)"]
        '91.0 (90.0 to 95.0)'
    """
    return [
        {
            "delays": row["kind"],
            "hidden": row["hidden"],
            "parameters": row["parameters"],
            "test (%)": percent(row["test"]),
            "delays at first (ms)": f"{row['delays'][0]:.2f} +- {row['delays'][1]:.2f}",
            "weight_lr": f"{row['numbers']['weight_lr']:g}",
            "delay_lr": f"{row['numbers']['delay_lr']:g}",
        }
        for row in rows
    ]


def _row(study: Study, case: Case, folder: Path, say: Say) -> Row:
    """One row of the results, from its file if it is there."""

    def make() -> Row:
        numbers = Numbers(**search(case, study.stages, folder, say)[0]["numbers"])
        found = trained(case, numbers, study.seeds, study.epochs, folder, say)
        more = {
            "delays": _first_delays(case, numbers, study.seeds),
            "afterwards": afterwards(found, case.recipe(study.epochs)),
        }
        return judged(case, numbers, study.seeds, study.epochs, found) | more

    return kept_row(folder / f"{case.name}.json", make, say)


def _first_delays(case: Case, numbers: Numbers, seeds: Sequence[int]) -> list[float]:
    """Mean and standard deviation of all initial delays (ms), over the seeds."""
    networks = [case.experiment(numbers, seed=seed).network() for seed in seeds]
    found = [
        np.ravel(leaf) for net in networks for leaf in jax.tree.leaves([net.delay(link) for link in net.connections])
    ]
    return [round(float(value), 4) for value in (np.mean(np.concatenate(found)), np.std(np.concatenate(found)))]


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}, picture: {folder / 'error.png'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("", "--resume", "--kinds 2d,synaptic --seeds 0..4 --epochs 100 --out runs/small"),
    workers=None,
)
