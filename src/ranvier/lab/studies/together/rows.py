"""The results of a study whose cases are trained seed beside seed: a row for each case, kept as soon as it is there."""

import dataclasses
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.lab.executors import AbstractExecutor, Say, Task
from ranvier.lab.parts import in_memory
from ranvier.lab.studies.together.case import AbstractCase, Numbers, data, train_case
from ranvier.lab.studies.together.spread import spread
from ranvier.lab.studies.together.training import Told, Trained, accuracy_of
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

Row = dict[str, Any]


def run_cases(
    name: str,
    described: Mapping[str, Any],
    work: Callable[..., Row],
    study: Any,
    cases: Sequence[AbstractCase],
    folder: Path | str,
    *,
    resume: bool,
    executor: AbstractExecutor,
    say: Say,
) -> list[Row]:
    """Make the row of every case in a folder, then `results.json` and `error.png`.

    Args:
        name: Name of the study.
        described: All its numbers, as JSON knows them: another study is not gone on with.
        work: A function of a module that makes the row of a case: `work(study, case, folder, say)`.
        study: The study, which can be pickled.
        cases: The cases.
        folder: The folder.
        resume: Go on with a study that is there.
        executor: What runs the cases.
        say: Called with a line of text now and then.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    place = RunFolder(folder)
    with place.locked():
        place.start(described, {}, {"study": name, **provenance()}, resume=resume)
        where = place.path.absolute()
        tasks = [
            Task(f"{number}/{len(cases)} {case.name}", work, (study, case, where))
            for number, case in enumerate(cases, 1)
        ]
        rows = executor.run(tasks, say)
        _write(place.path / "results.json", {"rows": rows, **provenance()})
        draw(place.path)
    return rows


def kept_row(path: Path, make: Callable[[], Row], say: Say) -> Row:
    """The row of a case from its file, or else as it is made, which takes `seconds`, and then kept there.

    Args:
        path: The file.
        make: Makes it.
        say: Called with its accuracy.
    """
    if path.exists():
        return json.loads(path.read_text("utf-8"))
    start = time.perf_counter()
    row = make()
    row["seconds"] = round(time.perf_counter() - start, 1)
    _write(path, row)
    say(f"test in %: {percent(row['test'])}")
    return row


def trained(case: AbstractCase, numbers: Numbers, seeds: Sequence[int], epochs: int, folder: Path, say: Say) -> Trained:
    """The networks of a case, all seeds in one program; an interrupted training goes on from the epoch it was in.

    Args:
        case: The case.
        numbers: Rates and initial values.
        seeds: Seeds.
        epochs: Epochs of each.
        folder: Where the checkpoint is.
        say: Called with a line of text now and then.
    """

    def tell(told: Told) -> None:
        if told.epoch % 50 == 0 or told.epoch in (1, told.epochs):
            say(str(told))

    runs = [(numbers, seed) for seed in seeds]
    found = train_case(case, runs, epochs=epochs, path=folder / f"{case.name}.npz", tell=tell)
    if found.doubts:
        say(found.doubts)
    return found


def judged(case: AbstractCase, numbers: Numbers, seeds: Sequence[int], epochs: int, found: Trained) -> Row:
    """What the networks of a case are worth: accuracies, spread and one by one, the epochs they are of, and numbers.

    Args:
        case: The case.
        numbers: Rates and initial values.
        seeds: Seeds.
        epochs: Epochs of each.
        found: The networks.
    """
    accuracy = accuracy_of(found, case.recipe(epochs), in_memory(data().test))
    return {
        "kind": case.kind,
        "hidden": case.hidden,
        "parameters": case.parameters,
        "test": spread(accuracy),
        "validation": spread(found.accuracy),
        "seeds": {
            str(seed): {"test": round(float(one), 4), "validation": round(float(other), 4), "epoch": int(epoch)}
            for seed, one, other, epoch in zip(seeds, accuracy, found.accuracy, found.epoch, strict=True)
        },
        "untrusted_epochs": int(np.sum(found.untrusted)),
        "numbers": dataclasses.asdict(numbers),
    }


def percent(share: Mapping[str, float]) -> str:
    """Median and quartiles in percent.

    Example:
        >>> from ranvier.lab.studies.together.rows import percent
        >>> percent({"low": 0.9, "median": 0.91, "high": 0.95})
        '91.0 (90.0 to 95.0)'
    """
    return f"{100 * share['median']:.1f} ({100 * share['low']:.1f} to {100 * share['high']:.1f})"


def draw(folder: Path) -> Path:
    """Draw `error.png` from the `results.json` of a folder."""
    from ranvier.plots import error_by_parameters  # draws with matplotlib, which is slow to import

    rows = json.loads((folder / "results.json").read_text("utf-8"))["rows"]
    points = [{"line": row["kind"], "parameters": row["parameters"], **row["test"]} for row in rows]
    sizes = ", ".join(map(str, sorted({row["hidden"] for row in rows}))) + " hidden neurons"
    path, title = folder / "error.png", f"Yin-Yang, {len(rows[0]['seeds'])} seeds: test error"
    error_by_parameters(points, title=title, points=sizes).savefig(path, dpi=120)
    return path


def _write(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=1) + "\n").encode())
