"""What do delays add on spoken words?

Recurrent and feed-forward networks without delays, with fixed random ones, and with axonal, dendritic and synaptic ones
that learn, trained on a file of `ranvier encode` by the value of a spike, by exact derivatives, and by a surrogate on a
grid. With `matched` a network without a delay for each synapse has more neurons instead, so that all learn as many
numbers. Each network is that of the epoch which validated best; the test samples are used once, there. A study is a
folder, each training a run folder in it: it goes on where it was interrupted.
"""

import dataclasses
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from ranvier.lab.bench.table import format_table
from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.ranges import Count, Positive, SettingError, check
from ranvier.lab.runs import load_run, run
from ranvier.lab.study import Entry
from ranvier.simulation import simulate
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

KINDS = ("none", "random", "axonal", "dendritic", "synaptic")
GRADIENTS: dict[str, dict[str, Any]] = {
    "value": {"method": "event-driven", "gradient": "value"},
    "exact": {"method": "event-driven", "gradient": "exact", "max_inverse_slope": 10.0},
    "surrogate": {"method": "surrogate", "dt": 2.0, "beta": 10.0},
}
"""Settings by name; `exact` limits the gradient of grazing spikes, without which it does not train."""
COUNTED = 64
"""Test samples whose events are counted."""


class Case(NamedTuple):
    """One training: kind of delays, gradient, neurons of each layer, layers, whether they are recurrent, seed."""

    kind: str
    gradient: str
    hidden: int
    layers: int
    recurrent: bool
    seed: int

    @property
    def name(self) -> str:
        """What its folder is called."""
        shape = "recurrent" if self.recurrent else "forward"
        return f"{self.kind}-{self.gradient}-{self.layers}x{self.hidden}-{shape}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs: every kind with every gradient, size, number of layers, shape and seed.

    Args:
        file: A file of spikes, of `ranvier encode`.
        kinds: Of none, random (do not learn), axonal, dendritic, synaptic.
        gradients: Of value, exact, surrogate.
        hidden: Neurons of each layer.
        layers: Numbers of layers.
        shapes: Of recurrent, forward.
        matched: Networks that learn no delay for each synapse have more neurons instead, and as many numbers.
        epochs: Epochs of each training.
        longest: Longest delay from the input (ms); recurrent ones are half as long at most.
        seeds: Seeds of each case.

    Raises:
        SettingError: a name is unknown, or a number out of range.

    Example:
        >>> from ranvier.lab.studies.speech_delays import Study
        >>> len(Study().cases)
        15
    """

    file: str = "words.h5"
    kinds: tuple[str, ...] = KINDS
    gradients: tuple[str, ...] = ("value",)
    hidden: tuple[int, ...] = (128,)
    layers: tuple[int, ...] = (1,)
    shapes: tuple[str, ...] = ("recurrent",)
    matched: bool = False
    epochs: Count = 30
    longest: Positive = 60.0
    seeds: tuple[int, ...] = (0, 1, 2)

    def __post_init__(self):
        check(self)
        known = {"kinds": KINDS, "gradients": tuple(GRADIENTS), "shapes": ("recurrent", "forward")}
        for name, words in known.items():
            given = getattr(self, name)
            if not given or not set(given) <= set(words):
                problem = f"must be some of {', '.join(words)}; got {', '.join(given) or 'none'}"
                raise SettingError(name, problem)
        for name in ("hidden", "layers", "seeds"):
            if not getattr(self, name) or min(getattr(self, name)) < (name != "seeds"):
                problem = f"must hold one number at least, all {'at least 0' if name == 'seeds' else 'above 0'}"
                raise SettingError(name, problem)

    @property
    def cases(self) -> list[Case]:
        """Every kind with everything else; sizes before they are matched."""
        return [
            Case(kind, gradient, hidden, layers, shape == "recurrent", seed)
            for kind in self.kinds for gradient in self.gradients for hidden in self.hidden for layers in self.layers
            for shape in self.shapes for seed in self.seeds
        ]  # fmt: skip

    def experiment(self, case: Case) -> Experiment:
        """The experiment of a case.

        Args:
            case: The case.
        """
        lengths = {"delay_high": self.longest, "delay_recurrent_high": max(self.longest / 2, 2.0)}
        made = experiment(
            self.file, delay=case.kind, hidden=case.hidden, layers=case.layers, recurrent=case.recurrent,
            epochs=self.epochs, seed=case.seed, **GRADIENTS[case.gradient], **(lengths if case.kind != "none" else {}),
        )  # fmt: skip
        if not self.matched or case.kind in ("random", "synaptic"):
            return made
        wanted = learned(experiment(self.file, delay="synaptic", hidden=case.hidden, layers=case.layers,
                                    recurrent=case.recurrent))  # fmt: skip
        hidden = case.hidden
        while learned(made.change(hidden=hidden + 1)) <= wanted:
            hidden += 1
        return made.change(hidden=hidden)


def learned(made: Experiment) -> int:
    """Numbers that learn in an experiment's network.

    Args:
        made: The experiment, of layers.
    """
    model: Any = made.model
    inputs, classes, kind = made.task.inputs, len(made.task.classes), model.delay.name
    own = model.layers * model.hidden**2 * model.recurrent
    synapses = inputs * model.hidden + (model.layers - 1) * model.hidden**2 + own
    senders = inputs + (model.layers - 1) * model.hidden + model.layers * model.hidden * model.recurrent
    receivers = model.layers * model.hidden * (1 + model.recurrent)
    delays = {"axonal": senders, "dendritic": receivers, "synaptic": synapses}.get(kind, 0)
    return synapses + model.hidden * classes + delays


def run_study(
    study: Study, folder: Path | str, *, resume: bool = False, say: Callable[[str], None] = lambda text: None
) -> list[dict[str, Any]]:
    """Run the study in a folder: train and test.

    Args:
        study: What to run.
        folder: Where; `results.json` appears there, and a run folder for each training.
        resume: Go on with a study that is there.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        The rows of `results.json`: the case, its neurons of each layer, its test and validation accuracy, numbers that
        learn, seconds of an epoch, spikes of a hidden neuron and events of a sample.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
        ValueError: the file is not there, or broken.
    """
    place = RunFolder(folder)
    with place.locked():
        place.start(dataclasses.asdict(study), {}, {"study": "speech-delays", **provenance()}, resume=resume)
        rows = []
        for number, case in enumerate(study.cases, start=1):
            say(f"{number}/{len(study.cases)} {case.name}")
            made = study.experiment(case)
            found = run(made, place.path / case.name, resume=True)
            rows.append(_row(case, _neurons(made), found, place.path / case.name))
            say(f"{case.name}: test {rows[-1]['test']:.1%}, validation {rows[-1]['validation']:.1%}")
            results = {"rows": rows, **provenance()}
            write_atomically(place.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    return rows


def _neurons(made: Experiment) -> int:
    model: Any = made.model
    return model.hidden


def _row(case: Case, neurons: int, found: dict[str, Any], folder: Path) -> dict[str, Any]:
    spikes = {name: value for name, value in found["spikes_per_neuron"].items() if name != "output"}
    return {
        **case._asdict(), "neurons": neurons, "test": found["test_accuracy"],
        "validation": found["validation_accuracy"], "best_epoch": found["best_epoch"], "learned": found["parameters"],
        "seconds": found["seconds"] / found["epochs"], "spikes": statistics.mean(spikes.values()),
        "events": events_of(folder),
    }  # fmt: skip


def events_of(folder: Path) -> float:
    """Synaptic events of a test sample, by the network of a run folder; the mean over some.

    Args:
        folder: The run folder.
    """
    made, network = load_run(folder)
    data = made.data().test
    few = data.take(np.arange(min(COUNTED, data.size)))
    simulator = made.recipe(1).simulator
    stats = simulate(network, few.spikes, simulator, t_end=made.task.t_end, throw=False).stats
    return float(np.mean(np.asarray(jax.device_get(stats.events), float)))


def table_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The table for printing: by case the test accuracy, median and range over seeds, and what it takes.

    Args:
        rows: Those of `results.json`.
    """
    cases: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        cases.setdefault(Case(**{name: row[name] for name in Case._fields}).name.rpartition("-")[0], []).append(row)
    table = []
    for group in cases.values():
        median = lambda field, group=group: statistics.median(row[field] for row in group)
        found = [100 * row["test"] for row in group]
        table.append({
            **{name: group[0][name] for name in Case._fields[:-1]}, "hidden": group[0]["neurons"], "seeds": len(group),
            "test (%)": f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})",
            "parameters": median("learned"), "spikes": f"{median('spikes'):.1f}",
            "events": f"{median('events'):.3g}", "s/epoch": f"{median('seconds'):.0f}",
        })  # fmt: skip
    return table


def _summary(rows: Sequence[dict[str, Any]], folder: Path) -> str:
    return f"{format_table(table_rows(rows))}\nresults: {folder / 'results.json'}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("--file words.h5", "--file words.h5 --kinds none,synaptic --hidden 64,128 --matched --resume"),
)
