"""BrainScaleS-2: what do learnable axonal delays add, and what does learning in the loop add?

Yin-Yang with weights only, and with weights and axonal delays, each trained three ways: in the `ideal` model of the
chip (its settings, no pattern, no noise), in the loop of one emulated `chip`, and in the loop of `noise`, another chip
for every batch. Then every network is tested on its own chip, on chips it has not seen, in the ideal model, and under
one disturbance at a time. Epochs are chosen on validation data of the substrate a network is trained with; the test
data are used once, at the end. A study is a folder: training goes on where it was interrupted.
"""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Int

from ranvier.hardware import AbstractSubstrate, AnyChip, BrainScaleS2, EmulatedChip, measure_delays
from ranvier.lab.bench.table import format_table
from ranvier.lab.executors import HERE, AbstractExecutor, Say, Task
from ranvier.lab.ranges import Count, check
from ranvier.lab.studies.chips.protocol import KINDS, Protocol
from ranvier.lab.studies.chips.training import train_chips
from ranvier.lab.studies.chips.transfer import nominal, robustness, transfer
from ranvier.lab.studies.together.spread import spread
from ranvier.lab.studies.together.training import Told, Trained
from ranvier.lab.study import Entry
from ranvier.train import RunFolder
from ranvier.train.checkpoint import write_atomically
from ranvier.train.provenance import provenance

WAYS = ("ideal", "chip", "noise")


@dataclasses.dataclass(frozen=True)
class Study:
    """What the study runs.

    Args:
        chips: Number of chips, with seeds from 0; each has a network of its own.
        others: Number of chips that no network was trained on.
        epochs: Epochs of each training.
        kinds: Kinds of learning, of `weights` and `axonal`.
        stressed: Add the effects that are assumptions (`BrainScaleS2.stressed`).

    Example:
        >>> from ranvier.lab.studies.brainscales import Study
        >>> Study(chips=3).protocol("axonal").epochs
        100
    """

    chips: Count = 10
    others: Count = 10
    epochs: Count = 100
    kinds: tuple[str, ...] = KINDS
    stressed: bool = False

    def __post_init__(self):
        check(self)
        for kind in self.kinds:
            self.protocol(kind)

    def protocol(self, kind: str) -> Protocol:
        """How one kind is trained."""
        return Protocol(kind, epochs=self.epochs)

    def chip(self, seed: Int[Array, ""] | int) -> BrainScaleS2:
        """The chip of a seed."""
        return BrainScaleS2.stressed(seed) if self.stressed else BrainScaleS2(seed)

    def substrate(self, way: str) -> Callable[[Int[Array, ""]], AbstractSubstrate]:
        """What a network is trained on, from its seed."""
        ways: dict[str, Callable[[Int[Array, ""]], AbstractSubstrate]] = {
            "ideal": lambda seed: EmulatedChip(nominal(seed)),
            "chip": lambda seed: EmulatedChip(self.chip(seed)),
            "noise": lambda seed: AnyChip(self.chip(seed)),
        }
        return ways[way]

    def describe(self) -> dict[str, Any]:
        """All numbers, as JSON knows them."""
        protocols = {kind: self.protocol(kind).describe() for kind in self.kinds}
        chip = {name: str(value) for name, value in vars(self.chip(0)).items() if name != "chip_seed"}
        return dataclasses.asdict(self) | {"protocols": protocols, "chip": chip}


def run_study(
    study: Study,
    folder: Path | str,
    *,
    resume: bool = False,
    executor: AbstractExecutor = HERE,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """Run the study in a folder: train, test, draw.

    Args:
        study: What to run.
        folder: Where; `results.json`, `transfer` and `robustness` pictures appear there.
        resume: Go on with a study that is there.
        executor: What trains; default this process, one kind after the other.
        say: Called with a line of text now and then, on how it goes.

    Returns:
        What `results.json` holds: `transfer`, `robustness` and `delay_elements`.

    Raises:
        RunError: the folder is in use, or holds another study, or one is there and `resume` is not set.
    """
    files = RunFolder(folder)
    seeds = np.arange(study.chips)
    with files.locked():
        files.start(study.describe(), {}, {"study": "brainscales", **provenance()}, resume=resume)
        works = [(kind, way) for kind in study.kinds for way in WAYS]
        where = files.path.absolute()
        tasks = [Task(f"{kind}, {way}", _train, (study, kind, way, seeds, where)) for kind, way in works]
        found = dict(zip(works, executor.run(tasks, say), strict=True))
        table: list[dict[str, Any]] = []
        curves: list[dict[str, Any]] = []
        for kind in study.kinds:
            protocol = study.protocol(kind)
            trained = {way: found[kind, way] for way in WAYS}
            for way, networks in trained.items():
                table.append(_row(study, protocol, way, networks, seeds))
                say(_told(table[-1]))
            curves += robustness(protocol, trained, study.chips)
        elements = measure_delays(EmulatedChip(study.chip(0)), np.linspace(8.25, 33.25, 11), key=jax.random.key(0))
        results = {"transfer": table, "robustness": curves, "delay_elements": elements.summary(), **provenance()}
        write_atomically(files.path / "results.json", (json.dumps(results, indent=1) + "\n").encode())
        _draw(files.path, curves, elements.setting, elements.delay)
    return results


def _train(study: Study, kind: str, way: str, seeds: Int[np.ndarray, " chips"], folder: Path, say: Say) -> Trained:
    """The networks of all chips, or on with them where they were interrupted."""

    def tell(told: Told) -> None:
        if told.epoch % 10 == 0 or told.epoch in (1, told.epochs):
            say(str(told))

    path = folder / f"{kind}-{way}.npz"
    trained = train_chips(study.protocol(kind), study.substrate(way), seeds, path=path, tell=tell)
    if trained.doubts:
        say(trained.doubts)
    return trained


def _row(
    study: Study, protocol: Protocol, way: str, networks: Trained, seeds: Int[np.ndarray, " chips"]
) -> dict[str, Any]:
    """One row of the table: where the networks of one training are worth what."""
    found = transfer(protocol, networks, seeds, study.chip, study.others)
    return {
        "kind": protocol.kind,
        "trained": way,
        "parameters": protocol.parameters,
        "validation": spread(networks.accuracy),
        **{name: spread(accuracy) for name, accuracy in found.items()},
        "seeds": {name: accuracy.tolist() for name, accuracy in found.items()},
        "epoch": networks.epoch.tolist(),
        "untrusted_epochs": networks.untrusted.tolist(),
    }


def _told(row: dict[str, Any]) -> str:
    places = {"same": "own chip", "others": "other chips", "ideal": "ideal model"}
    told = ", ".join(f"{words} {100 * row[name]['median']:.1f} %" for name, words in places.items())
    return f"{row['kind']}, trained in {row['trained']}: test on {told}"


def table_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The table of accuracies (%), medians with quartiles, for printing.

    Example:
        >>> from ranvier.lab.studies.brainscales import table_rows
        >>> one = {"low": 0.8, "median": 0.9, "high": 0.95}
        >>> row = {"kind": "axonal", "trained": "chip", "parameters": 724, "same": one, "others": one, "ideal": one}
        >>> table_rows({"transfer": [row]})[0]["same"]
        '90.0 (80.0 to 95.0)'
    """
    words = lambda one: f"{100 * one['median']:.1f} ({100 * one['low']:.1f} to {100 * one['high']:.1f})"
    return [
        {name: row[name] for name in ("kind", "trained", "parameters")}
        | {place: words(row[place]) for place in ("same", "others", "ideal")}
        for row in results["transfer"]
    ]


def _draw(folder: Path, curves: list[dict[str, Any]], setting: Any, delay: Any) -> None:
    from ranvier.plots import delay_elements, robustness_curves  # draws with matplotlib, which is slow to import

    robustness_curves(curves).savefig(folder / "robustness.png", dpi=110)
    delay_elements(setting, delay).savefig(folder / "delay_elements.png", dpi=110)


def _summary(results: dict[str, Any], folder: Path) -> str:
    files = f"results: {folder / 'results.json'}, pictures beside it: robustness.png, delay_elements.png"
    return f"{format_table(table_rows(results))}\n{files}"


STUDY = Entry(
    Study(),
    run_study,
    _summary,
    examples=("", "--chips 3 --epochs 20 --out runs/quick", "--stressed --out runs/stressed"),
)
