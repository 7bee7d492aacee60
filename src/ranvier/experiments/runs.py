"""Running an experiment, and reading what it left behind."""

import math
import statistics
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier.datasets.yin_yang import yin_yang_class
from ranvier.experiments.build import CLASSES, build_data, build_network, build_recipe, encode, keys, splits
from ranvier.experiments.experiment import Experiment
from ranvier.network import Network, partition
from ranvier.train import AbstractProgress, Fitted, RunError, RunFolder, evaluate, fit, read_arrays
from ranvier.train.provenance import provenance


def run(
    experiment: Experiment,
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
    data = build_data(experiment)
    recipe = build_recipe(experiment, data.train.size, threads)
    network, key = build_network(experiment), keys(experiment)[1]
    fitted = fit(
        network, data.train, data.validation, recipe, out=out, resume=resume, options=options, facts=provenance(),
        progress=progress, key=key,
    )  # fmt: skip
    result = _result(experiment, fitted, evaluate(fitted.network, data.test, recipe))
    with folder.locked():
        folder.finish(result)
        draw_report(folder.path)
    return result


def _options(experiment: Experiment, folder: RunFolder) -> dict[str, Any]:
    """The experiment, in the words that a run which is there was started with.

    Options that ranvier has learned since are left out where they do what was done before.
    """
    options = experiment.describe()
    if not (folder.path / "config.json").exists():
        return options
    known, usual = folder.config()["options"], Experiment().describe()
    return {name: value for name, value in options.items() if name in known or value != usual[name]}


def draw_report(folder: Path | str) -> Path:
    """Draw `report.png` from the files of a finished run.

    Raises:
        RunError: the folder does not hold a finished run.
        BrokenFileError: its network is truncated or changed.
    """
    from ranvier.plots.report import Run, write_report  # draws with matplotlib, which is slow to import

    files = RunFolder(folder)
    experiment, network = load_run(folder)
    recipe, test = build_recipe(experiment, samples=1), splits().test
    return write_report(
        files.path,
        Run(
            network=network,
            simulator=recipe.simulator,
            t_end=recipe.t_end,
            encode=lambda points: encode(experiment, np.concatenate([points, 1 - points], axis=1)),
            points=test.feature[:, :2],
            label=test.label,
            truth=yin_yang_class,
            classes=CLASSES,
            history=files.epochs(),
            result=files.result(),
            initial=build_network(experiment),
        ),
    )


def _result(experiment: Experiment, fitted: Fitted, test: dict[str, Any]) -> dict[str, Any]:
    learn, _ = partition(fitted.network)
    sizes = {
        "weights": sum(link.weight.size for link in learn.connections),
        "delays": sum(leaf.size for link in learn.connections for leaf in jax.tree.leaves(link.delay)),
    }
    speeds = [line["samples_per_second"] for line in fitted.epochs[1:] or fitted.epochs]
    return {
        "name": experiment.name,
        "method": experiment.method,
        "delay": experiment.delay,
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


def load_run(folder: Path | str) -> tuple[Experiment, Network]:
    """The experiment of a run folder, and the network that did best on its validation data.

    Raises:
        RunError: it is no run folder, or one of an unknown experiment, or has no network yet.
        BrokenFileError: its network is truncated or changed.
    """
    files = RunFolder(folder)
    stored: dict[str, Any] = files.config()["options"]
    try:
        numbers: dict[str, Any] = {name: math.inf if value == "inf" else value for name, value in stored.items()}
        experiment = Experiment(**numbers)
    except (TypeError, ValueError) as error:
        msg = f"{files.path} holds a run that this version of ranvier cannot read: {error}"
        raise RunError(msg) from error
    try:
        network, _ = read_arrays(files.network, build_network(experiment))
    except FileNotFoundError as error:
        msg = f"{files.path} holds a run that is not finished; finish it first, with --resume."
        raise RunError(msg) from error
    return experiment, network
