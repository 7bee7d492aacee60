"""Yin-Yang: what do learnable delays add to weights, parameter for parameter?

Weights alone, weights with axonal, dendritic or synaptic delays, and synaptic delays alone, each at several sizes of
the hidden layer and with several seeds, all seeds in one program (`FirstSpike`). The numbers of each case come from
`ranvier study delays-yin-yang-search`. The network of each seed is the one of the best epoch on validation data;
test data are used once, at the end. After an interruption the same command with --resume goes on.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from ranvier.lab.bench.table import format_table
from ranvier.lab.ranges import Count, SettingError, check
from ranvier.lab.studies.delays.cases import KINDS, Case, Numbers, data, numbers_for, read_numbers, train_case
from ranvier.lab.studies.together.side_by_side import side_by_side
from ranvier.lab.studies.together.spread import spread
from ranvier.lab.studies.together.training import Told, Trained, accuracy_of
from ranvier.lab.study import Entry
from ranvier.train import Dataset, RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance


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
    threads: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the study in a folder: train, test, draw.

    Args:
        study: What to run.
        folder: Where; `results.json` and `error.png` appear there, and for each case its row and its networks.
        resume: Go on with a study that is there.
        threads: Cases that are trained at a time; default one for each core.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`, one for each case: `kind`, `hidden`, `parameters`, `test` (low, median, high of
        accuracies), `validation`, the accuracies of all `seeds`, chosen epochs, numbers, seconds.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    place = RunFolder(folder)
    with place.locked():
        described = study.describe()
        place.start(described, {}, {"study": "delays-yin-yang", **provenance()}, resume=resume)

        def task(go_on: Callable[[], None], number: int, case: Case) -> dict[str, Any]:
            def tell(text: str) -> None:
                say(f"{number}/{len(study.cases)} {case.name}: {text}")

            return _row(study, case, Numbers(**described["numbers"][case.name]), place.path, tell, go_on)

        tasks = [partial(task, number=number, case=case) for number, case in enumerate(study.cases, 1)]
        rows = side_by_side(tasks, threads)
        results = {"rows": rows, **provenance()}
        write_atomically(place.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
        draw(place.path)
    return rows


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: test error (%), median and quartiles, beside parameters and learning rates.

    Example:
        >>> from ranvier.lab.studies.delays_yin_yang import table_rows
        >>> row = {"kind": "weights", "hidden": 5, "parameters": 35, "test": {"low": 0.9, "median": 0.91, "high": 0.95}}
        >>> table_rows([row | {"numbers": {"weight_lr": 0.02, "delay_lr": 0.01}}])[0]["test error (%)"]
        '9.0 (5.0 to 10.0)'
    """

    def error(one: dict[str, float]) -> str:
        return f"{100 - 100 * one['median']:.1f} ({100 - 100 * one['high']:.1f} to {100 - 100 * one['low']:.1f})"

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


def draw(folder: Path) -> Path:
    """Draw `error.png` from the `results.json` of a folder."""
    from ranvier.plots import error_by_parameters  # draws with matplotlib, which is slow to import

    rows = json.loads((folder / "results.json").read_text("utf-8"))["rows"]
    points = [{"line": row["kind"], "parameters": row["parameters"], **row["test"]} for row in rows]
    sizes = ", ".join(map(str, sorted({row["hidden"] for row in rows}))) + " hidden neurons"
    path, title = folder / "error.png", f"Yin-Yang, {len(rows[0]['seeds'])} seeds: test error"
    error_by_parameters(points, title=title, points=sizes).savefig(path, dpi=120)
    return path


def _row(
    study: Study,
    case: Case,
    numbers: Numbers,
    folder: Path,
    say: Callable[[str], None],
    go_on: Callable[[], None],
) -> dict[str, Any]:
    """One row of the results, from its file if it is there."""
    kept = folder / f"{case.name}.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))
    start = time.perf_counter()

    def tell(told: Told) -> None:
        go_on()
        if told.epoch % 50 == 0 or told.epoch in (1, told.epochs):
            say(str(told))

    runs = [(numbers, seed) for seed in study.seeds]
    trained = train_case(case, runs, epochs=study.epochs, path=folder / f"{case.name}.npz", tell=tell)
    if trained.doubts:
        say(trained.doubts)
    row: dict[str, Any] = _judge(study, case, numbers, trained) | {"seconds": round(time.perf_counter() - start, 1)}
    write_atomically(kept, (json.dumps(row, indent=1) + "\n").encode())
    test = row["test"]
    say(f"test {100 * test['median']:.1f} % ({100 * test['low']:.1f} to {100 * test['high']:.1f})")
    return row


def _judge(study: Study, case: Case, numbers: Numbers, trained: Trained) -> dict[str, Any]:
    """What the networks of a case are worth."""
    accuracy = accuracy_of(trained, case.recipe(study.epochs), cast(Dataset, data().test))
    return {
        "kind": case.kind,
        "hidden": case.hidden,
        "parameters": case.parameters,
        "test": spread(accuracy),
        "validation": spread(trained.accuracy),
        "seeds": {
            str(seed): {"test": round(float(one), 4), "validation": round(float(other), 4), "epoch": int(epoch)}
            for seed, one, other, epoch in zip(study.seeds, accuracy, trained.accuracy, trained.epoch, strict=True)
        },
        "untrusted_epochs": int(np.sum(trained.untrusted)),
        "numbers": dataclasses.asdict(numbers),
    }


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}, picture: {folder / 'error.png'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("", "--resume", "--kinds axonal,weights --hidden 10 --seeds 0..4 --epochs 100 --out runs/small"),
)
