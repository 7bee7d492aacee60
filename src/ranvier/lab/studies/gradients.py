"""Which gradient trains a network of many spikes?

Spoken words as spikes, read from a file, through a recurrent layer whose potentials are read out: trained by the exact
derivative, by the value of a spike in several forms, and by a dense surrogate on a grid; without delays, with fixed
random, axonal and synaptic ones; with several seeds. Each network is that of the epoch which validated best; the test
data are used once, there. A study is a folder: it goes on where it was interrupted.
"""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ranvier.clock_driven import ClockDriven
from ranvier.event_driven import EventDriven
from ranvier.gradients import SpikeValue
from ranvier.lab.bench.table import format_table
from ranvier.lab.ranges import Count, SettingError, check
from ranvier.lab.studies.words.trial import DELAYS, Epoch, Trial, Words, read_words, run_trial
from ranvier.lab.study import Entry
from ranvier.simulation import AbstractSimulator
from ranvier.surrogates import superspike
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

ROOM = 120
METHODS: dict[str, AbstractSimulator] = {
    "exact": EventDriven(max_spikes=ROOM, max_inverse_slope=10.0),
    "value": EventDriven(max_spikes=ROOM, gradient=SpikeValue()),
    "value-half": EventDriven(max_spikes=ROOM, gradient=SpikeValue(0.5)),
    "value-double": EventDriven(max_spikes=ROOM, gradient=SpikeValue(2.0)),
    "value-reset": EventDriven(max_spikes=ROOM, gradient=SpikeValue(reset=True)),
    "value-timing": EventDriven(max_spikes=ROOM, gradient=SpikeValue(timing=1.0, max_inverse_slope=1.0)),
    "surrogate": ClockDriven(dt=4.0, spike=superspike(10.0), max_spikes=ROOM),
}
"""Simulators by name; `exact` guards grazing spikes, without which it does not train."""


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        words: An .npz file of spikes: off (samples + 1), T (ms), U (spikes), lab and spl (samples), where spl is
            training, validation or testing.
        methods: Of exact, value, value-half, value-double, value-reset, value-timing, surrogate.
        delays: Of none, fixed, axonal, synaptic.
        longest: Longest delay from the input (ms).
        hidden: Neurons of the recurrent layer.
        epochs: Epochs of each training.
        batch: Samples in a step.
        seeds: Seeds of each case.

    Raises:
        ValueError: a name is unknown, there is no such file, or a number is not at least 1.

    Example:
        >>> from ranvier.lab.studies.gradients import Study
        >>> len(Study().trials)
        24
    """

    words: str = "words.npz"
    methods: tuple[str, ...] = ("exact", "value")
    delays: tuple[str, ...] = tuple(DELAYS)
    longest: float = 60.0
    hidden: Count = 64
    epochs: Count = 8
    batch: Count = 64
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self):
        check(self)
        for name, given, known in (("methods", self.methods, METHODS), ("delays", self.delays, DELAYS)):
            if not given or not set(given) <= set(known):
                problem = f"must be some of {', '.join(known)}; got {', '.join(given) or 'none'}"
                raise SettingError(name, problem)
        if not self.seeds:
            name, problem = "seeds", "must hold one seed at least"
            raise SettingError(name, problem)

    @property
    def trials(self) -> list[Trial]:
        """Every method with every kind of delay and every seed."""
        return [
            Trial(f"{method}-{delay}-{seed}", METHODS[method], delay, self.longest, self.hidden, self.epochs, seed,
                  batch=self.batch)
            for method in self.methods for delay in self.delays for seed in self.seeds
        ]  # fmt: skip


def run_study(
    study: Study, folder: Path | str, *, resume: bool = False, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Run the study in a folder: train and test.

    Args:
        study: What to run.
        folder: Where; `results.json` appears there, and a file for each training.
        resume: Go on with a study that is there.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`, one for each training: `trial`, `course` (one entry for each epoch), `best` (the
        epoch that validated best), and the accuracies there, `validation` and `test`.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
        FileNotFoundError: there is no file of words.
    """
    place, words = RunFolder(folder), read_words(study.words)
    with place.locked():
        place.start(dataclasses.asdict(study), {}, {"study": "gradients", **provenance()}, resume=resume)
        rows = [_row(trial, words, place.path, say) for trial in study.trials]
        results = {"rows": rows, **provenance()}
        write_atomically(place.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    return rows


def _row(trial: Trial, words: Words, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """One training, from its file if it is there."""
    kept = folder / f"{trial.name}.json"
    if kept.exists():
        return json.loads(kept.read_text("utf-8"))

    def tell(epoch: Epoch) -> None:
        say(f"{trial.name}, epoch {epoch.epoch + 1}/{trial.epochs}: loss {epoch.loss:.3f}, validation "
            f"{epoch.validation:.1%}, {epoch.spikes:.1f} spikes per neuron, {epoch.silent:.0%} silent")  # fmt: skip

    found = run_trial(trial, words, tell)
    row = {"trial": found.trial, "best": found.best, "validation": found.validation, "test": found.test,
           "course": [epoch._asdict() for epoch in found.course]}  # fmt: skip
    write_atomically(kept, (json.dumps(row, indent=1) + "\n").encode())
    return row


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: by case the test accuracy, median and range over seeds, spikes and seconds of an epoch.

    Example:
        >>> from ranvier.lab.studies.gradients import table_rows
        >>> epoch = {"spikes": 12.0, "silent": 0.1, "seconds": 20.0, "norm": 2.0}
        >>> table_rows([{"trial": "value-none-0", "validation": 0.55, "test": 0.5, "course": [epoch]}])[0]["test (%)"]
        '50.0 (50.0 to 50.0)'
    """
    cases: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault(row["trial"].rpartition("-")[0], []).append(row)
    table = []
    for name, group in cases.items():
        method, _, delay = name.rpartition("-")
        last = [row["course"][-1] for row in group]
        median = lambda field, last=last: statistics.median(epoch[field] for epoch in last)
        found = [100 * row["test"] for row in group]
        table.append({
            "gradient": method, "delays": delay, "seeds": len(group),
            "test (%)": f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})",
            "spikes": f"{median('spikes'):.1f}", "silent (%)": f"{100 * median('silent'):.0f}",
            "norm": f"{median('norm'):.2g}", "s/epoch": f"{median('seconds'):.0f}",
        })  # fmt: skip
    return table


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("--words words.npz", "--words words.npz --methods exact,value --delays synaptic --seeds 0 --resume"),
)
