"""Running an experiment, and reading what it left behind."""

import math
import statistics
from pathlib import Path
from typing import Any

import jax

from ranvier.experiments.experiment import AbstractExperiment, keys
from ranvier.experiments.mnist_experiment import Mnist
from ranvier.experiments.temporal_order_experiment import TemporalOrder
from ranvier.experiments.yin_yang_experiment import YinYang
from ranvier.network import Network
from ranvier.saving import load
from ranvier.selection import partition
from ranvier.train import AbstractProgress, Fitted, RunError, RunFolder, evaluate, fit
from ranvier.train.provenance import provenance

EXPERIMENTS: dict[str, type[AbstractExperiment]] = {kind.name: kind for kind in (YinYang, Mnist, TemporalOrder)}
"""All experiments by name."""


def run(
    experiment: AbstractExperiment,
    out: Path | str,
    *,
    resume: bool = False,
    threads: int | None = None,
    progress: AbstractProgress | None = None,
) -> dict[str, Any]:
    """Run an experiment: train, choose on validation, test once, draw the report.

    Args:
        experiment: What to do.
        out: Run folder; see `ranvier.train.RunFolder` for its files.
        resume: Go on with the run in `out`, if there is one. A finished run is only read.
        threads: Threads of `event-driven`; results do not depend on it.
        progress: How to show progress.

    Returns:
        The content of `metrics.json`.

    Raises:
        RunError: the run folder is in use, holds another run, or is broken.
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.
    """
    folder = RunFolder(out)
    options = _options(experiment, folder) if resume else experiment.describe()
    if resume and folder.finished:
        folder.compare(options)
        return folder.result()
    data = experiment.data()
    recipe = experiment.recipe(data.train.size, threads)
    network, key = experiment.network(), keys(experiment)[1]
    fitted = fit(
        network, data.train, data.validation, recipe, out=out, resume=resume, options=options, facts=provenance(),
        progress=progress, key=key,
    )  # fmt: skip
    result = _result(experiment, fitted, evaluate(fitted.network, data.test, recipe), recipe.learn)
    with folder.locked():
        folder.finish(result)
        draw_report(folder.path)
    return result


def _options(experiment: AbstractExperiment, folder: RunFolder) -> dict[str, Any]:
    """The experiment, in the words that a run which is there was started with.

    Options that ranvier has learned since are left out where they do what was done before.
    """
    options = experiment.describe()
    if not (folder.path / "config.json").exists():
        return options
    known, usual = folder.config()["options"], type(experiment)().describe()
    return {name: value for name, value in options.items() if name in known or value != usual[name]}


def draw_report(folder: Path | str) -> Path:
    """Draw `report.png` from the files of a finished run.

    Raises:
        RunError: the folder does not hold a finished run.
    """
    experiment, network = load_run(folder)
    return experiment.draw(RunFolder(folder), network)


def _result(
    experiment: AbstractExperiment, fitted: Fitted, test: dict[str, Any], learn: tuple[str, ...]
) -> dict[str, Any]:
    sizes = {}
    for field in ("weight", "delay"):
        leaves = jax.tree.leaves(partition(fitted.network, field)[0]) if field in learn else []
        sizes[f"{field}s"] = sum(leaf.size for leaf in leaves)
    speeds = [line["samples_per_second"] for line in fitted.epochs[1:] or fitted.epochs]
    return {
        "name": experiment.name,
        "method": experiment.method,
        **experiment.facts,
        "seed": experiment.seed,
        "test_accuracy": test["accuracy"],
        "test_loss": test["loss"],
        "validation_accuracy": fitted.epochs[fitted.best_epoch - 1]["validation_accuracy"],
        "best_epoch": fitted.best_epoch,
        "epochs": len(fitted.epochs),
        "parameters": sum(sizes.values()),
        **sizes,
        "spikes_per_neuron": test["spikes_per_neuron"],
        "seconds": sum(line["seconds"] for line in fitted.epochs),
        "samples_per_second": statistics.median(speeds),
        **provenance(),
    }


def load_run(folder: Path | str) -> tuple[AbstractExperiment, Network]:
    """The experiment of a run folder, and the network that did best on its validation data.

    Raises:
        RunError: it is no run folder, or one of an unknown experiment, or has no network yet.
    """
    files = RunFolder(folder)
    stored: dict[str, Any] = files.config()["options"]
    try:
        numbers: dict[str, Any] = {name: math.inf if value == "inf" else value for name, value in stored.items()}
        experiment = EXPERIMENTS[numbers.pop("name")](**numbers)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"{files.path} holds a run that this version of ranvier cannot read: {error}"
        raise RunError(msg) from error
    try:
        network = load(files.network)
    except FileNotFoundError as error:
        msg = f"{files.path} holds a run that is not finished; finish it first, with --resume."
        raise RunError(msg) from error
    except ValueError as error:
        raise RunError(str(error)) from error
    return experiment, network
