"""The numbers of a case: candidates that are the same for every case, in stages of fewer candidates and more epochs."""

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ranvier.lab.studies.space.cases import Case, draw_numbers
from ranvier.lab.studies.together.case import Numbers, train_case
from ranvier.train.checkpoint import write_atomically

FIRST_SEED = 20
"""Seeds of the search: this one and those after it."""


class Stage(NamedTuple):
    """So many candidates, each with so many seeds, for so many epochs."""

    candidates: int
    seeds: int
    epochs: int


def search(case: Case, stages: Sequence[Stage], folder: Path, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The last stage of the search, best candidate first: `numbers`, and `validation`, the mean over its seeds.

    Args:
        case: The case.
        stages: Stages, each with no more candidates than the one before.
        folder: Where each stage is kept, so that an interrupted search goes on.
        say: Called with a line of text now and then.
    """
    candidates, rows = draw_numbers(stages[0].candidates), []
    for number, stage in enumerate(stages, 1):
        kept = folder / f"{case.name}-stage-{number}.json"
        if kept.exists():
            rows = json.loads(kept.read_text("utf-8"))
        else:
            rows = _try(case, candidates[: stage.candidates], stage, kept.with_suffix(".npz"))
            write_atomically(kept, (json.dumps(rows, indent=1) + "\n").encode())
        say(f"search, stage {number}: best {100 * rows[0]['validation']:.2f} % with {rows[0]['numbers']}")
        candidates = [Numbers(**row["numbers"]) for row in rows]
    return rows


def _try(case: Case, candidates: Sequence[Numbers], stage: Stage, path: Path) -> list[dict[str, Any]]:
    """Mean validation accuracy of each candidate over seeds, best first; `path` is for the checkpoint."""
    runs = [(one, FIRST_SEED + seed) for one in candidates for seed in range(stage.seeds)]
    found = train_case(case, runs, epochs=stage.epochs, path=path).accuracy
    rows = [
        {"numbers": dataclasses.asdict(one), "validation": round(float(np.mean(each)), 5)}
        for one, each in zip(candidates, found.reshape(len(candidates), stage.seeds), strict=True)
    ]
    return sorted(rows, key=lambda row: -row["validation"])
