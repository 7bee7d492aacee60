"""Which gradient trains a network of many spikes?

Networks with one hidden layer, feed-forward and recurrent, without delays, with fixed random, axonal and synaptic ones,
trained by the exact derivative, by the value of a spike in several forms, and by a dense surrogate on a grid, on tasks
of one spike per neuron and of many; with several seeds. Each network is the one of the best epoch on
validation data, and of several learning rates the best one counts; test data are used once, at the end. Spoken words
take part if there is a file of them. After an interruption the same command with --resume goes on.
"""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from ranvier.lab.bench.table import format_table
from ranvier.lab.executors import HERE, AbstractExecutor, Say, Task
from ranvier.lab.ranges import SettingError, check
from ranvier.lab.studies.by_gradient.methods import METHODS
from ranvier.lab.studies.by_gradient.problems import PROBLEMS
from ranvier.lab.studies.by_gradient.trial import DELAYS, SHAPES, Case, lie, run_trial
from ranvier.lab.study import Entry
from ranvier.saving import load
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

OWN = "0 for that of each task"


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        tasks: Of yin-yang, order, reversals, words.
        shapes: Of feedforward, recurrent.
        delays: Of none, fixed (random, do not learn), axonal, synaptic.
        methods: Of exact, exact-recovery, value, value-recovery, value-quarter, value-half, value-double, value-reset,
            value-near, value-timing-1, value-timing-10, value-timing-half, surrogate, surrogate-fine.
        factors: Learning rates, as multiples of those of each task.
        seeds: Seeds of each case.
        hidden: Hidden neurons, 0 for the number that suits each task.
        epochs: Epochs of each training, 0 for the number that suits each task.
        longest: Longest delay from the inputs (ms), 0 for that of each task.
        count: Samples that are used of each part of the data, 0 for all.
        words: An .npz file of spikes: off (samples + 1), T (ms), U (spikes), lab and spl (samples), where spl is
            training, validation or testing. Without one the task words is left out.

    Raises:
        ValueError: a name is unknown, there is no such file, or a number is out of range.

    Example:
        >>> from ranvier.lab.studies.gradients import Study
        >>> len(Study(tasks=("order",), delays=("synaptic",)).cases)
        10
    """

    tasks: tuple[str, ...] = tuple(PROBLEMS)
    shapes: tuple[str, ...] = SHAPES
    delays: tuple[str, ...] = tuple(DELAYS)
    methods: tuple[str, ...] = ("exact", "value", "value-timing-1", "surrogate", "surrogate-fine")
    factors: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0, 1, 2)
    hidden: int = 0
    epochs: int = 0
    longest: float = 0.0
    count: int = 0
    words: str = ""

    def __post_init__(self):
        check(self)
        lists = {"tasks": PROBLEMS, "shapes": SHAPES, "delays": DELAYS, "methods": METHODS}
        for name, known in lists.items():
            given = getattr(self, name)
            if not given or not set(given) <= set(known):
                problem = f"must be some of {', '.join(known)}; got {', '.join(given) or 'none'}"
                raise SettingError(name, problem)
        for name in ("hidden", "epochs", "longest", "count"):
            if not getattr(self, name) >= 0:
                problem = f"must be above 0, or {OWN}; got {getattr(self, name)}"
                raise SettingError(name, problem)
        for name in ("seeds", "factors"):
            if not getattr(self, name) or min(getattr(self, name)) < 0:
                problem = f"must hold one number at least, none below 0; got {getattr(self, name)}"
                raise SettingError(name, problem)
        if not self.words and self.tasks == ("words",):
            name, problem = "words", "must be a file (.npz) of spoken words, or take other tasks"
            raise SettingError(name, problem)

    @property
    def cases(self) -> list[Case]:
        """Everything but the seeds."""
        tasks = [task for task in self.tasks if task != "words" or self.words]
        own = lambda given, task, field: given or getattr(PROBLEMS[task], field)
        return [
            Case(task, shape, delay, method, factor, own(self.hidden, task, "hidden"), own(self.epochs, task, "epochs"),
                 own(self.longest, task, "longest"), self.count, self.words)
            for task, shape, delay, method, factor
            in product(tasks, self.shapes, self.delays, self.methods, self.factors)
        ]  # fmt: skip


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> dict[str, list[dict[str, Any]]]:
    """Run the study in a folder: train, test, compare gradients, draw.

    Args:
        study: What to run.
        folder: Where; `results.json` and `accuracy.png` appear there, and a folder for each training.
        resume: Go on with a study that is there.
        executor: What trains the cases; default this process, one after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        `rows`, one for each training (see `ranvier.lab.studies.by_gradient.trial.run_trial`), and `cosines`: how the
        gradients of the methods lie to each other on the networks of the first method and seed, before and after.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
        FileNotFoundError: there is no file of words.
    """
    place = RunFolder(folder)
    with place.locked():
        place.start(dataclasses.asdict(study), {}, {"study": "gradients", **provenance()}, resume=resume)
        where = place.path.absolute()
        trials = [(case, seed) for case in study.cases for seed in study.seeds]
        rows = executor.run([Task(f"{case.name}-{seed}", _row, (case, seed, where)) for case, seed in trials], say)
        found = {case.name: row for (case, _), row in zip(trials, rows, strict=True)}  # of each case the last seed
        first = [case for case in study.cases if len(study.methods) > 1 and "stopped" not in found[case.name]
                 and (case.method, case.factor) == (study.methods[0], study.factors[0])]  # fmt: skip
        pairs = executor.run([Task(f"{case.name}-cosines", _cosines, (study, case, where)) for case in first], say)
        cosines = [pair for compared in pairs for pair in compared]
        results = {"rows": rows, "cosines": cosines}
        write_atomically(place.path / "results.json", _json({**results, **provenance()}))
        draw(rows, place.path)
    return results


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=1) + "\n").encode()


def _kept(path: Path, make: Callable[[], Any]) -> Any:
    """What the file holds, or else what is made now, and kept there."""
    if not path.exists():
        write_atomically(path, _json(make()))
    return json.loads(path.read_text("utf-8"))


def _row(case: Case, seed: int, folder: Path, say: Say) -> dict[str, Any]:
    """One training, from its file if it is there."""
    path = folder / f"{case.name}-{seed}"
    return _kept(path.with_name(f"{path.name}.json"), lambda: run_trial(case, seed, path, say))


def _cosines(study: Study, case: Case, folder: Path, say: Say) -> list[dict[str, Any]]:
    """How the gradients of the methods lie to each other, from its file if it is there."""
    del say
    return _kept(folder / f"{case.name}-cosines.json", lambda: _compared(study, case, folder))


def _compared(study: Study, case: Case, folder: Path) -> list[dict[str, Any]]:
    """Gradients side by side, before and after training."""
    seed = study.seeds[-1]
    networks = {"before": case.network(seed), "after": load(folder / f"{case.name}-{seed}" / "network.npz")}
    at = {"task": case.task, "shape": case.shape, "delay": case.delay}
    return [at | pair for pair in lie(case, networks, study.methods)]


def chosen(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, ...], list[dict[str, Any]]]:
    """The trainings of each (task, shape, delay, method) at the learning rate whose median validated best.

    Example:
        >>> from ranvier.lab.studies.gradients import chosen
        >>> at = {"task": "order", "shape": "recurrent", "delay": "none", "method": "value", "seed": 0}
        >>> rows = [at | {"factor": 1.0, "validation": 0.7}, at | {"factor": 3.0, "validation": 0.8}]
        >>> [row["factor"] for row in chosen(rows)["order", "recurrent", "none", "value"]]
        [3.0]
    """
    cases: dict[tuple[str, ...], dict[float, list[dict[str, Any]]]] = {}
    for row in rows:
        at = row["task"], row["shape"], row["delay"], row["method"]
        cases.setdefault(at, {}).setdefault(row["factor"], []).append(row)
    worth = lambda group: statistics.median(row.get("validation", 0.0) for row in group)
    return {at: max(by_factor.values(), key=worth) for at, by_factor in cases.items()}


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: test accuracy (%), median and range over seeds, spikes, silent neurons, seconds.

    `half way` is the first epoch in which validation was half way from its worst to its best, the median over seeds.

    Example:
        >>> from ranvier.lab.studies.gradients import table_rows
        >>> epoch = {"spikes_per_neuron": {"hidden": 2.0}, "silent": {"hidden": 0.1}, "seconds": 1.0}
        >>> row = {"task": "order", "shape": "recurrent", "delay": "none", "method": "value", "factor": 1.0}
        >>> row |= {"course": [epoch | {"epoch": 1, "validation_accuracy": 0.9}], "validation": 0.9, "test": 0.8}
        >>> table_rows([row])[0]["test (%)"]
        '80.0 (80.0 to 80.0)'
    """
    table = []
    for at, group in chosen(rows).items():
        names = dict(zip(("task", "network", "delays", "gradient"), at, strict=True))
        done = [row for row in group if "stopped" not in row]
        told = {**names, "rate": f"{group[0]['factor']:g}", "seeds": f"{len(done)}/{len(group)}"}
        if not done:
            table.append(
                {**told, "test (%)": "stopped", "half way": "-", "spikes": "-", "silent (%)": "-", "s/epoch": "-"}
            )
            continue
        last = [row["course"][-1] for row in done]
        middle = lambda values: statistics.median(values)
        test = [100 * row["test"] for row in done]
        table.append({
            **told, "test (%)": f"{middle(test):.1f} ({min(test):.1f} to {max(test):.1f})",
            "half way": f"{middle([_half_way(row['course']) for row in done]):.0f}",
            "spikes": f"{middle([epoch['spikes_per_neuron']['hidden'] for epoch in last]):.1f}",
            "silent (%)": f"{100 * middle([epoch['silent']['hidden'] for epoch in last]):.0f}",
            "s/epoch": f"{middle([epoch['seconds'] for row in done for epoch in row['course']]):.2g}",
        })  # fmt: skip
    return table


def _half_way(course: Sequence[dict[str, Any]]) -> int:
    share = [epoch["validation_accuracy"] for epoch in course]
    return 1 + next(at for at, one in enumerate(share) if one >= (min(share) + max(share)) / 2)


def conclusion(rows: Sequence[dict[str, Any]]) -> list[str]:
    """A sentence for each method but the first: in how many cases it tested better, and by how much in the middle.

    Example:
        >>> from ranvier.lab.studies.gradients import conclusion
        >>> at = {"task": "order", "shape": "recurrent", "delay": "none", "factor": 1.0, "validation": 0.7}
        >>> conclusion([at | {"method": "exact", "test": 0.6}, at | {"method": "value", "test": 0.75}])
        ['value against exact: better in 1 of 1 cases, by 15.0 points in the middle (15.0 to 15.0)']
    """
    test: dict[str, dict[tuple[str, ...], float]] = {}
    for (*at, method), group in chosen(rows).items():
        done = [row["test"] for row in group if "stopped" not in row]
        test.setdefault(method, {})[tuple(at)] = 100 * statistics.median(done) if done else 0.0
    first, *others = test
    told = []
    for name in others:
        gain = [test[name][at] - test[first][at] for at in test[name]]
        spread = f"{statistics.median(gain):.1f} points in the middle ({min(gain):.1f} to {max(gain):.1f})"
        better = f"better in {sum(one > 0 for one in gain)} of {len(gain)} cases"
        told.append(f"{name} against {first}: {better}, by {spread}")
    return told


def draw(rows: Sequence[dict[str, Any]], folder: Path) -> Path:
    """Draw `accuracy.png` into a folder: validation accuracy against epochs and against seconds of training."""
    from ranvier.plots import courses  # draws with matplotlib, which is slow to import

    lines = [
        {"panel": f"{task}, {shape}, {delay}", "line": method, "seconds": [epoch["seconds"] for epoch in row["course"]],
         "accuracy": [epoch["validation_accuracy"] for epoch in row["course"]]}
        for (task, shape, delay, method), group in chosen(rows).items() for row in group if "stopped" not in row
    ]  # fmt: skip
    path = folder / "accuracy.png"
    courses(lines).savefig(path, dpi=110)
    return path


def _summary(results: dict[str, list[dict[str, Any]]], folder: Path) -> str:
    rows, cosines = results["rows"], results["cosines"]
    between = [
        {"task": pair["task"], "network": pair["shape"], "delays": pair["delay"], "training": pair["when"],
         "gradients": f"{pair['one']}, {pair['other']}", "cosine": f"{pair['cosine']:.2f}",
         "norms": f"1 : {pair['ratio']:.2g}"}
        for pair in cosines
    ]  # fmt: skip
    parts = [format_table(table_rows(rows)), *([format_table(between)] if between else []), *conclusion(rows)]
    return "\n".join([*parts, f"results: {folder / 'results.json'}, picture: {folder / 'accuracy.png'}"])


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=(
        "",
        "--tasks order,reversals --delays synaptic --methods exact,value --seeds 0 --out runs/small",
        "--tasks words --words words.npz --shapes recurrent --methods value --delays none,synaptic --resume",
    ),
)
