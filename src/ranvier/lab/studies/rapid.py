"""What do spike times add, how early is a decision right, and with how few spikes?

Random manifolds and temporal tasks, in which counting is at chance. Accuracy against smoothness, dimension, number of
classes, hidden neurons and layers; exact derivative, value of a spike and surrogates; no, axonal and synaptic delays;
accuracy over time after the onset; accuracy against spikes per inference; the same networks on test data backwards in
time and without rates. Each network is that of the epoch that validated best; test data are used there once.
"""

import dataclasses
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ranvier.lab.bench.table import format_table
from ranvier.lab.executors import HERE, AbstractExecutor, Say, Task
from ranvier.lab.ranges import Count, SettingError, check
from ranvier.lab.studies.timing.cases import QUESTIONS, Case
from ranvier.lab.studies.timing.trial import run_trial
from ranvier.lab.study import Entry
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        questions: Of smoothness, dimension, manifolds (number of classes), hidden, layers, method, delays, cost (of
            spikes).
        epochs: Epochs of each training.
        samples: Samples to train on.
        seeds: Seeds of each case.

    Raises:
        SettingError: a question is unknown, there is no seed, or a number is not at least 1.

    Example:
        >>> from ranvier.lab.studies.rapid import Study
        >>> len(Study(questions=("delays",)).cases)
        12
    """

    questions: tuple[str, ...] = tuple(QUESTIONS)
    epochs: Count = 40
    samples: Count = 8000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)

    def __post_init__(self):
        check(self)
        if not self.questions or not set(self.questions) <= set(QUESTIONS):
            name = "questions"
            raise SettingError(name, f"must be some of {', '.join(QUESTIONS)}; got {', '.join(self.questions)}")
        if not self.seeds:
            name, problem = "seeds", "must hold one seed at least"
            raise SettingError(name, problem)

    @property
    def cases(self) -> list[Case]:
        """The cases of all questions."""
        return [case for question in self.questions for case in QUESTIONS[question]()]


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the study in a folder: a run folder for each training, a file for each outcome.

    Args:
        study: What to run.
        folder: Where; `results.json` and `rapid.png` appear there.
        resume: Go on with a study that is there.
        executor: What trains the cases; default this process, one after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`, one for each training; see `ranvier.lab.studies.timing.trial.run_trial`.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    from ranvier.plots.rapid import draw_rapid  # draws with matplotlib, which is slow to import

    place, common = RunFolder(folder), {"epochs": study.epochs, "samples": study.samples}
    with place.locked():
        place.start(dataclasses.asdict(study), {}, {"study": "rapid", **provenance()}, resume=resume)
        where = place.path.absolute()
        tasks = [
            Task(f"{case.question} {case.name}, seed {seed}", _row, (case, seed, common, where))
            for case in study.cases
            for seed in study.seeds
        ]
        rows = executor.run(tasks, say)
        results = {"rows": rows, **provenance()}
        write_atomically(place.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
        draw_rapid(rows).savefig(place.path / "rapid.png", dpi=120)
    return rows


def _row(case: Case, seed: int, common: dict[str, Any], folder: Path, say: Say) -> dict[str, Any]:
    """One training, from its file if it is there."""
    kept = folder / f"{case.folder}-{seed}.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))
    row = run_trial(case, seed, common, folder / f"{case.folder}-{seed}")
    write_atomically(kept, (json.dumps(row, indent=1) + "\n").encode())
    say(f"test {row['test']:.1%}, {row['spikes']:.1f} spikes")
    return row


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: by case the median over seeds, and the range of the test accuracy.

    Example:
        >>> from ranvier.lab.studies.rapid import table_rows
        >>> row = {"question": "hidden", "case": "8", "test": 0.9, "spikes": 3.0, "backwards": 0.3, "flat": 0.9,
        ...        "decided": 40.0, "seconds": 2.0}
        >>> table_rows([row, row | {"test": 0.8}])[0]["test (%)"]
        '85.0 (80.0 to 90.0)'
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["question"], row["case"]), []).append(row)
    table = []
    for (question, case), group in groups.items():
        found = [100 * row["test"] for row in group]
        median = lambda field, group=group: statistics.median(row[field] for row in group)
        decided = [row["decided"] for row in group if row["decided"] is not None]
        when = f"{statistics.median(decided):.0f}" if decided else "-"
        table.append({
            "question": question, "case": case, "seeds": len(group),
            "test (%)": f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})",
            "spikes": f"{median('spikes'):.1f}", "decided (ms)": when,
            "backwards (%)": f"{100 * median('backwards'):.1f}", "no rates (%)": f"{100 * median('flat'):.1f}",
            "s/epoch": f"{median('seconds'):.2g}",
        })  # fmt: skip
    return table


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}, picture: {folder / 'rapid.png'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("", "--questions delays --seeds 0..4", "--questions smoothness,hidden --epochs 20 --resume"),
)
