"""What do delays add on spoken words?

Recurrent and feed-forward networks without delays, with fixed random ones, with axonal, dendritic and synaptic ones
that learn, and with delays by distance in 1 to 8 dimensions whose positions learn. They are trained on a file of
`ranvier encode` by the value of a spike, by exact derivatives, and by a surrogate on a grid. With `matched` a network
without a delay for each synapse has more neurons instead, so that all learn as many numbers. With `start` alike all
kinds have delays of the same mean at first, free ones as distances in three dimensions are spread. Each network is that
of the epoch which validated best; the test samples are used once, there, and with `afterwards` once more for each thing
done to the trained network: numbers rounded, synapses pruned, input spikes moved. A study is a folder, each training a
run folder in it: it goes on where it was interrupted.
"""

import dataclasses
import json
import math
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from ranvier.lab.bench.table import format_table
from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.executors import HERE, AbstractExecutor, Say, Task
from ranvier.lab.long_delays import length
from ranvier.lab.parts import in_memory
from ranvier.lab.ranges import Count, Positive, SettingError, check
from ranvier.lab.runs import load_run, run
from ranvier.lab.studies.space.afterwards import Change, moved_spikes, pruned, rounded
from ranvier.lab.study import Entry
from ranvier.saving import load
from ranvier.simulation import simulate
from ranvier.train import Dataset, RunFolder, evaluate
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

KINDS = ("none", "random", "axonal", "dendritic", "synaptic")
SPATIAL = {f"{d}d": d for d in (1, 2, 3, 4, 5, 8)}
"""Delays by distance, by name: in so many dimensions."""
GRADIENTS: dict[str, dict[str, Any]] = {
    "value": {"method": "event-driven", "gradient": "value"},
    "exact": {"method": "event-driven", "gradient": "exact", "max_inverse_slope": 10.0},
    "surrogate": {"method": "surrogate", "dt": 2.0, "beta": 10.0},
}
"""Settings by name; `exact` limits the gradient of grazing spikes, without which it does not train."""
STARTS = ("even", "alike", "published")
PUBLISHED = {"std": 20.0, "free": (8.0, 1.0)}
"""Initial values of SpSNN (Landsmeer et al.): of each coordinate, and mean and deviation of free delays (ms)."""
PLACES = ("all", "recurrent")
COUNTED = 64
"""Test samples whose events are counted."""


CHANGES: dict[str, tuple[Change, Callable[[Dataset], Dataset]]] = {
    **{f"{bits} bits, delays in {step:g} ms": (rounded(bits, step), lambda test: test) for bits, step in
       ((6, 0.5), (4, 1.0), (3, 4.0))},
    **{f"jitter {std:g} ms": (lambda network: network, partial(moved_spikes, std=std)) for std in (1.0, 4.0, 16.0)},
    **{f"{share:.0%} pruned by {by}": (pruned(share, by), lambda test: test) for by in ("weight", "length", "random")
       for share in (0.3, 0.6, 0.9)},
}  # fmt: skip
"""What is done to trained networks, and to the test samples, by name."""


class Case(NamedTuple):
    """One training: kind of delays, gradient, neurons of each layer, layers, whether they are recurrent, seed.

    Then the share of the synapses there are, and whether delays by distance are those of all connections or of
    recurrent ones only.
    """

    kind: str
    gradient: str
    hidden: int
    layers: int
    recurrent: bool
    seed: int
    density: float = 1.0
    places: str = "all"

    @property
    def name(self) -> str:
        """What its folder is called."""
        shape = "recurrent" if self.recurrent else "forward"
        more = ("" if self.density == 1.0 else f"-density{self.density:g}") + ("" if self.places == "all" else "-only")
        return f"{self.kind}-{self.gradient}-{self.layers}x{self.hidden}-{shape}{more}-{self.seed}"


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs: every kind with every gradient, size, number of layers, shape and seed.

    Args:
        file: A file of spikes, of `ranvier encode`.
        kinds: Of none, random (do not learn), axonal, dendritic, synaptic, and by distance 1d, 2d, 3d, 4d, 5d, 8d.
        gradients: Of value, exact, surrogate.
        hidden: Neurons of each layer.
        layers: Numbers of layers.
        shapes: Of recurrent, forward.
        matched: Networks that learn no delay for each synapse have more neurons instead, and as many numbers.
        epochs: Epochs of each training.
        longest: Longest delay (ms); with start even, recurrent ones are half as long at most.
        seeds: Seeds of each case.
        start: Initial delays: even (free ones up to the longest), alike (of every kind, a third of the longest as the
            mean), or published (positions N(0, 20^2), free ones N(8, 1), in ms).
        densities: Shares of the synapses that there are.
        places: Delays by distance for all connections, or recurrent (only for those of a layer onto itself).
        afterwards: Test also with numbers rounded, synapses pruned and spikes moved.

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
    start: Literal["even", "alike", "published"] = "even"
    densities: tuple[float, ...] = (1.0,)
    places: tuple[str, ...] = ("all",)
    afterwards: bool = False

    def __post_init__(self):
        check(self)
        shapes = ("recurrent", "forward")
        known = {"kinds": (*KINDS, *SPATIAL), "gradients": tuple(GRADIENTS), "shapes": shapes, "places": PLACES}
        for name, words in known.items():
            given = getattr(self, name)
            if not given or not set(given) <= set(words):
                problem = f"must be some of {', '.join(words)}; got {', '.join(given) or 'none'}"
                raise SettingError(name, problem)
        if "recurrent" in self.places and "forward" in self.shapes and set(self.kinds) & set(SPATIAL):
            name, problem = "places", "must be all where shapes has forward: there only delays from layer to layer are"
            raise SettingError(name, problem)
        if not self.densities or not all(0 < density <= 1 for density in self.densities):
            name, problem = "densities", f"must be above 0 and at most 1; got {self.densities or 'none'}"
            raise SettingError(name, problem)
        for name in ("hidden", "layers", "seeds"):
            if not getattr(self, name) or min(getattr(self, name)) < (name != "seeds"):
                problem = f"must hold one number at least, all {'at least 0' if name == 'seeds' else 'above 0'}"
                raise SettingError(name, problem)

    @property
    def cases(self) -> list[Case]:
        """Every kind with everything else; sizes before they are matched."""
        return [
            Case(kind, gradient, hidden, layers, shape == "recurrent", seed, density, places)
            for kind in self.kinds for gradient in self.gradients for hidden in self.hidden for layers in self.layers
            for shape in self.shapes for density in self.densities
            for places in (self.places if kind in SPATIAL else ("all",)) for seed in self.seeds
        ]  # fmt: skip

    def delays(self, case: Case) -> dict[str, Any]:
        """The settings of a case's delays.

        Args:
            case: The case.
        """
        if case.kind == "none":
            return {"delay": "none"}
        lengths: dict[str, Any] = {
            "delay_high": self.longest,
            "delay_recurrent_high": max(self.longest / 2, 2.0) if self.start == "even" else self.longest,
        }
        if case.kind in SPATIAL:
            mean = math.sqrt(2.0) * PUBLISHED["std"] * length(SPATIAL[case.kind])
            lengths |= {"delay_dimensions": SPATIAL[case.kind], "delay_inputs": case.places == "all"}
            lengths |= {"delay_mean": 1.0 + (mean if self.start == "published" else self.longest / 3)}
            return {"delay": "spatial", **lengths}
        if self.start == "alike":
            lengths |= {"delay_start": "distance", "delay_mean": 1.0 + self.longest / 3}
        elif self.start == "published":
            mean, std = PUBLISHED["free"]
            lengths |= {"delay_start": "normal", "delay_mean": mean, "delay_std": std}
        return {"delay": case.kind, **lengths}

    def experiment(self, case: Case) -> Experiment:
        """The experiment of a case.

        Args:
            case: The case.
        """
        made = experiment(
            self.file, **self.delays(case), hidden=case.hidden, layers=case.layers, recurrent=case.recurrent,
            density=case.density, epochs=self.epochs, seed=case.seed, **GRADIENTS[case.gradient],
        )  # fmt: skip
        if not self.matched or case.kind in ("random", "synaptic"):
            return made
        wanted = learned(experiment(self.file, delay="synaptic", hidden=case.hidden, layers=case.layers,
                                    recurrent=case.recurrent, density=case.density))  # fmt: skip
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
    inputs, hidden, classes, kind = made.task.inputs, model.hidden, len(made.task.classes), model.delay.name
    some = lambda pre, post: round(model.density * pre * post)
    between, own = (model.layers - 1) * some(hidden, hidden), model.layers * some(hidden, hidden) * model.recurrent
    synapses = some(inputs, hidden) + between + own
    senders = inputs + (model.layers - 1) * hidden + model.layers * hidden * model.recurrent
    delays = {"axonal": senders, "dendritic": model.layers * hidden * (1 + model.recurrent), "synaptic": synapses}
    if kind == "spatial":
        delays[kind] = model.delay.dimensions * (inputs * model.delay.inputs + model.layers * hidden)
    return synapses + hidden * classes + delays.get(kind, 0)


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> list[dict[str, Any]]:
    """Run the study in a folder: train and test.

    Args:
        study: What to run.
        folder: Where; `results.json` appears there, and a run folder for each training.
        resume: Go on with a study that is there.
        executor: What trains the cases; default this process, one after the other.
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
        where, count = place.path.absolute(), len(study.cases)
        tasks = [
            Task(f"{number}/{count} {case.name}", _row, (study, case, where))
            for number, case in enumerate(study.cases, start=1)
        ]
        rows = executor.run(tasks, say)
        results = {"rows": rows, **provenance()}
        write_atomically(place.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
    return rows


def _row(study: Study, case: Case, folder: Path, say: Say) -> dict[str, Any]:
    """Train a case, or go on with it, and test it."""
    made, place = study.experiment(case), folder / case.name
    say("begins")
    row = _told(case, made, run(made, place, resume=True), place, study.afterwards)
    say(f"test {row['test']:.1%}, validation {row['validation']:.1%}")
    return row


def _told(case: Case, made: Experiment, found: dict[str, Any], folder: Path, more: bool) -> dict[str, Any]:
    model: Any = made.model
    spikes = {name: value for name, value in found["spikes_per_neuron"].items() if name != "output"}
    return {
        **case._asdict(), "neurons": model.hidden, "test": found["test_accuracy"],
        "validation": found["validation_accuracy"], "best_epoch": found["best_epoch"], "learned": found["parameters"],
        "seconds": found["seconds"] / found["epochs"], "spikes": statistics.mean(spikes.values()),
        "events": events_of(folder), "delays": first_delays(folder), "afterwards": afterwards(folder) if more else {},
    }  # fmt: skip


def first_delays(folder: Path) -> dict[str, list[float]]:
    """Mean and standard deviation (ms) of the delays of each connection before training, of those that have any.

    Args:
        folder: The run folder.
    """
    network = load(RunFolder(folder).initial)
    each = {link.name: np.asarray(network.delay(link), float) for link in network.connections}
    return {
        name: [round(float(delay.mean()), 3), round(float(delay.std()), 3)]
        for name, delay in each.items()
        if delay.any()
    }


def afterwards(folder: Path) -> dict[str, float]:
    """Test accuracy of a run's network under one change at a time; nothing is trained again.

    Args:
        folder: The run folder.
    """
    known = folder / "afterwards.json"
    if known.exists():
        return json.loads(known.read_text("utf-8"))
    made, network = load_run(folder)
    test, recipe = in_memory(made.data().test), made.recipe(1)
    found = {
        name: evaluate(change(network), samples(test), recipe)["accuracy"]
        for name, (change, samples) in CHANGES.items()
    }
    write_atomically(known, (json.dumps(found, indent=1) + "\n").encode())
    return found


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
    examples=(
        "--file words.h5",
        "--file words.h5 --kinds none,synaptic --hidden 64,128 --matched --resume",
        "--file words.h5 --kinds none,random,2d,3d,axonal,synaptic --start alike --afterwards --out runs/space",
    ),
)
