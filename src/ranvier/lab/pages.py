"""The page of an experiment: that of its run folder, with its test data, its names and its map of decisions."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from ranvier.lab.composition import Experiment
from ranvier.lab.runs import diagnose_run, load_run, report_run
from ranvier.network import Network
from ranvier.pages import Plane, Tile, run_page, write_page
from ranvier.plots import report
from ranvier.plots.fitted import FitRun
from ranvier.train import RunFolder
from ranvier.train.fit_facts import advice, known_of_fit, of_samples, operation_rows, sizes, time_tile
from ranvier.train.fit_page import NAME

GRID = 120
"""Points of the map of decisions along each side."""


def write_run_page(folder: Path | str, out: Path | str | None = None, *, doctor: bool = True) -> Path:
    """Write the report of an experiment's run as one HTML file that works offline.

    As `ranvier.train.write_fit_page`, with the answers to the test data, names of classes, and where samples are points
    of a plane a map of decisions.

    Args:
        folder: The run folder, finished.
        out: The file; default `report.html` in the folder.
        doctor: Whether the doctor examines the network, which takes seconds.

    Returns:
        The path of the page.

    Raises:
        RunError: it is not the folder of a finished experiment.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from ranvier.lab import experiment, run
        >>> from ranvier.lab.pages import write_run_page
        >>> folder = tempfile.mkdtemp()
        >>> result = run(experiment("temporal-order", epochs=1), folder)
        >>> write_run_page(folder, doctor=False).name
        'report.html'
    """
    experiment, network = load_run(folder)
    run, known = known_of_fit(folder, doctor=False)
    result, tested = RunFolder(folder).result(), report_run(experiment, network, RunFolder(folder))
    answer, _ = report.answers(tested, tested.points)
    trains = report.spikes(tested, tested.points)
    known = dataclasses.replace(
        known,
        words=_words(experiment, network),
        tiles=_tiles(result, run),
        classes=experiment.task.classes,
        judged="test",
        test_accuracy=result["test_accuracy"],
        answers=_plane(tested, answer),
        operations=operation_rows(network, trains, experiment.task.t_end),
        operations_of=of_samples(f"{len(answer):,} test samples", experiment.task.t_end),
        doctor=advice(lambda: diagnose_run(folder)) if doctor else None,
        settings=experiment.describe() | {"epochs": experiment.training.epochs},
    )
    run = dataclasses.replace(run, name=_name(Path(folder)), label=np.asarray(tested.label), answer=answer)
    return write_page(out or Path(folder) / NAME, run_page(run, known))


def _name(folder: Path) -> str:
    """The name of a run: that of its folder; of one of several seeds with that of the folder above."""
    whole = folder.resolve()
    return f"{whole.parent.name}, {whole.name}" if whole.name.startswith("seed-") else whole.name


def _words(experiment: Experiment, network: Network) -> str:
    delay = experiment.choices.get("delay", "")
    kind = "no delays" if delay == "none" else f"{delay} delays" if delay else ""
    parts = (f"task {Path(experiment.name).stem}", f"network {sizes(network)}", kind, experiment.method.name)
    return "   ·   ".join(part for part in (*parts, f"seed {experiment.seed}") if part)


def _tiles(result: dict[str, Any], run: FitRun) -> list[Tile]:
    """The numbers that matter."""
    percent = lambda share: f"{100 * share:.2f} %"
    return [
        Tile("task", str(result["name"]), f"seed {result['seed']}"),
        Tile("test accuracy", percent(result["test_accuracy"]), "once, at the end"),
        Tile("validation accuracy", percent(result["validation_accuracy"]), "chose the epoch"),
        Tile("best epoch", str(result["best_epoch"]), f"of {result['epochs']}"),
        Tile("parameters", f"{result['parameters']:,}", f"{result['weights']:,} weights, {result['delays']:,} delays"),
        time_tile(run.history),
    ]


def _plane(tested: report.Run, answer: Int[np.ndarray, " samples"]) -> Sequence[Plane]:
    """The map of decisions, where samples are points of a plane."""
    if tested.truth is None:
        return ()
    ticks = (np.arange(GRID) + 0.5) / GRID
    across, up = np.meshgrid(ticks, ticks)
    there, lead = report.answers(tested, np.stack([across.ravel(), up.ravel()], axis=1))
    clear = lead[np.isfinite(lead) & (lead > 0)]
    typical = float(np.median(clear)) if clear.size else 1.0
    strength = np.floor(9.99 * -np.expm1(-np.minimum(lead, 50 * typical) / typical)).astype(int)
    return (
        Plane(
            title=f"Which output {tested.verdict}",
            classes=tested.classes,
            answer=there.reshape(GRID, GRID),
            lead=strength.reshape(GRID, GRID),
            truth=np.asarray(tested.truth(across, up)),
            points=tested.points,
            label=np.asarray(tested.label),
            said=answer,
            note="The stronger the colour, the further ahead is the answer. Lines: the borders of the true classes.",
        ),
    )
