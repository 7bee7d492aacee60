"""Which learning rates and initial values suit each case of the delay study? Random search, on validation data only.

For each case numbers are drawn at random, beside `KNOWN` ones. All are trained for a few epochs; the best go on to the
next stage, with more seeds and more epochs. The best of the last stage is chosen. Seeds are 20 and up, which the study
does not use; the test data are not looked at.
"""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.lab.executors import HERE, AbstractExecutor, Say, Task
from ranvier.lab.settings import HIDDEN
from ranvier.lab.studies.delays.cases import CHOSEN, KINDS, Case
from ranvier.lab.studies.together.case import Numbers, train_case
from ranvier.lab.studies.together.training import Told
from ranvier.lab.study import Entry
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

KNOWN = {
    "weights": Numbers(weight_lr=0.04, delay_lr=0.02, weight_mean=1.0, weight_std=2.0, delay_std=0.06),
    "axonal": Numbers(weight_lr=0.01, delay_lr=0.005, weight_mean=2.0, weight_std=2.0, delay_std=0.06),
    "dendritic": Numbers(weight_lr=0.01, delay_lr=0.005, weight_mean=2.0, weight_std=2.0, delay_std=0.06),
    "synaptic": Numbers(weight_lr=0.02, delay_lr=0.02, weight_mean=2.0, weight_std=2.0, delay_std=0.06),
    "delays-only": Numbers(weight_lr=0.02, delay_lr=0.02, weight_mean=2.0, weight_std=2.0, delay_std=0.06),
}
"""First candidates: initial values as published, rates that did well at 30 hidden neurons."""

SMALL = 10
"""Networks with fewer hidden neurons are small."""

FIRST_SEED = 20
"""Seeds of the search: this one and those after it."""


class Stage(NamedTuple):
    """So many candidates, each with so many seeds, for so many epochs."""

    candidates: int
    seeds: int
    epochs: int


@dataclasses.dataclass(frozen=True)
class Search:
    """What is searched.

    Args:
        kinds: What learns: weights, axonal, dendritic, synaptic, delays-only.
        hidden: Numbers of hidden neurons.
        stages: Stages, each with fewer candidates than the one before.
        small_stages: Stages where there are fewer than `SMALL` hidden neurons. Such networks are quick to train, and
            more of them end in poor minima.

    Raises:
        ValueError: a stage has more candidates than the one before, or a number below 1.

    Example:
        >>> from ranvier.lab.studies.delays_yin_yang_search import Search
        >>> len(Search().cases)
        15
    """

    kinds: tuple[str, ...] = tuple(KINDS)
    hidden: tuple[int, ...] = (5, 15, 30)
    stages: tuple[Stage, ...] = field(default=(Stage(16, 2, 40), Stage(4, 5, 100)), metadata=HIDDEN)
    small_stages: tuple[Stage, ...] = field(default=(Stage(96, 4, 60), Stage(12, 10, 300)), metadata=HIDDEN)

    def __post_init__(self):
        for stages in (self.stages, self.small_stages):
            counts = [stage.candidates for stage in stages]
            if not counts or min(min(stage) for stage in stages) < 1 or counts != sorted(counts, reverse=True):
                msg = (
                    "stages need candidates, seeds and epochs of at least 1, and fewer candidates from stage to "
                    f"stage; got {stages}."
                )
                raise ValueError(msg)
        _ = self.cases

    def stages_of(self, case: Case) -> tuple[Stage, ...]:
        """The stages that a case goes through."""
        return self.small_stages if case.hidden < SMALL else self.stages

    @property
    def cases(self) -> list[Case]:
        """Every kind with every size."""
        return [Case(kind, hidden) for kind in self.kinds for hidden in self.hidden]


def run_search(
    search: Search,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Search in a folder: `delay_numbers.json` appears there, and a file for each stage of each case.

    Args:
        search: What to search.
        folder: Where.
        resume: Go on with a search that is there.
        executor: What searches the cases; default this process, one after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        What `delay_numbers.json` holds: by kind and size the chosen numbers, and what they validated at.

    Raises:
        RunError: the folder is in use, or holds another search, or one is there and `resume` is not set.
    """
    place = RunFolder(folder)
    with place.locked():
        place.start(_plain(search), {}, {"study": "delays-yin-yang-search", **provenance()}, resume=resume)
        where, count = place.path.absolute(), len(search.cases)
        tasks = [
            Task(f"{number}/{count} {case.name}", _search_case, (search, case, where))
            for number, case in enumerate(search.cases, 1)
        ]
        chosen: dict[str, dict[str, Any]] = {}
        for case, best in zip(search.cases, executor.run(tasks, say), strict=True):
            chosen.setdefault(case.kind, {})[str(case.hidden)] = best
        results = {"search": _plain(search), "chosen": chosen, **provenance()}
        write_atomically(place.path / CHOSEN, (json.dumps(results, indent=1) + "\n").encode())
    return results


def draw_numbers(case: Case, count: int) -> list[Numbers]:
    """The known numbers, then random ones, the same for every call.

    Example:
        >>> from ranvier.lab.studies.delays.cases import Case
        >>> from ranvier.lab.studies.delays_yin_yang_search import draw_numbers
        >>> draw_numbers(Case("axonal", 5), 3) == draw_numbers(Case("axonal", 5), 3)
        True
    """
    random = np.random.default_rng([list(KINDS).index(case.kind), case.hidden])
    between = lambda low, high: round(float(np.exp(random.uniform(np.log(low), np.log(high)))), 4)
    drawn = [
        Numbers(
            weight_lr=between(0.005, 0.1),
            delay_lr=between(0.003, 0.1),
            weight_mean=between(0.5, 4.0),
            weight_std=between(0.5, 4.0),
            delay_std=between(0.03, 0.4),
        )
        for _ in range(count - 1)
    ]
    return [KNOWN[case.kind], *drawn]


def _search_case(search: Search, case: Case, folder: Path, say: Say) -> dict[str, Any]:
    """The best numbers for a case, with what they validated at."""
    rows: list[dict[str, Any]] = []
    stages = search.stages_of(case)
    candidates = draw_numbers(case, stages[0].candidates)
    for number, stage in enumerate(stages, 1):
        kept = folder / f"{case.name}-stage-{number}.json"
        if kept.exists():
            rows = json.loads(kept.read_text("utf-8"))
        else:
            rows = _try(case, candidates[: stage.candidates], stage, kept.with_suffix(".npz"), say)
            write_atomically(kept, (json.dumps(rows, indent=1) + "\n").encode())
        best = f"best {100 * rows[0]['validation']:.2f} %"
        say(f"stage {number}: {best}, the known numbers are {_rank(case, rows)}")
        candidates = [Numbers(**row["numbers"]) for row in rows]
    say(f"validation {100 * rows[0]['validation']:.2f} % with {rows[0]['numbers']}")
    return rows[0]


def _try(case: Case, candidates: Sequence[Numbers], stage: Stage, path: Path, say: Say) -> list[dict[str, Any]]:
    """Mean validation accuracy of each candidate over seeds, best first; `path` is for the checkpoint."""
    runs = [(one, FIRST_SEED + seed) for one in candidates for seed in range(stage.seeds)]

    def tell(told: Told) -> None:
        if told.epoch % 20 in (1, 0):
            say(f"{len(runs)} runs: {told}")

    trained = train_case(case, runs, epochs=stage.epochs, path=path, tell=tell)
    if trained.doubts:
        say(trained.doubts)
    by_candidate = trained.accuracy.reshape(len(candidates), stage.seeds)
    broken = trained.untrusted.reshape(len(candidates), stage.seeds).sum(axis=1)
    rows = [
        {
            "numbers": dataclasses.asdict(one),
            "validation": round(float(np.mean(found)), 5),
            "seeds": [round(float(value), 4) for value in found],
            "untrusted_epochs": int(lost),
        }
        for one, found, lost in zip(candidates, by_candidate, broken, strict=True)
    ]
    return sorted(rows, key=lambda row: -row["validation"])


def _rank(case: Case, rows: Sequence[dict[str, Any]]) -> str:
    """Place of the known numbers among candidates."""
    known = dataclasses.asdict(KNOWN[case.kind])
    places = [place for place, row in enumerate(rows, 1) if row["numbers"] == known]
    return f"number {places[0]} of {len(rows)}" if places else "not among them"


def _plain(search: Search) -> dict[str, Any]:
    """The search as JSON knows it."""
    return {
        "kinds": list(search.kinds),
        "hidden": list(search.hidden),
        "stages": [stage._asdict() for stage in search.stages],
        "small_stages": [stage._asdict() for stage in search.small_stages],
        "first_seed": FIRST_SEED,
    }


STUDY = Entry(
    Search(),
    run_search,
    lambda found, folder: f"chosen: {folder / CHOSEN}",
    examples=(
        "",
        "--kinds axonal --hidden 10 --out runs/axonal",
    ),
    workers=None,
)
