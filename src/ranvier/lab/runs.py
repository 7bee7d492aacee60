"""Running an experiment, and reading what it left behind."""

import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jaxtyping import Float, Int

from ranvier.checks import Diagnosis
from ranvier.events import Spikes
from ranvier.lab.catalogue import experiment as make
from ranvier.lab.composition import Experiment, trimmed
from ranvier.lab.config_file import TASK, read_config, write_config
from ranvier.lab.parts import AbstractSpikeTask
from ranvier.network import Network
from ranvier.saving import load
from ranvier.selection import partition
from ranvier.train import AbstractProgress, Dataset, Devices, Fitted, RunError, RunFolder, Stream, evaluate, fit
from ranvier.train.provenance import provenance
from ranvier.train.stuck import Stuck, examine, tell
from ranvier.train.team import Team

if TYPE_CHECKING:
    from ranvier.plots import report

SHOWN = 1000
"""Test samples of a report, where they are read from a file; the accuracy in its head is that of all."""
REPORT = "report.png"
CONFIG = "config.toml"
"""The file of a run folder that holds all settings."""


def run(
    experiment: Experiment,
    out: Path | str,
    *,
    resume: bool = False,
    threads: int | None = None,
    progress: AbstractProgress | None = None,
    stuck: Stuck | None = tell,
    devices: Devices | None = None,
) -> dict[str, Any]:
    """Run an experiment: train, choose on validation, test once, draw the report.

    Args:
        experiment: What to do.
        out: Run folder; see `ranvier.train.RunFolder` for its files. `config.toml` holds all settings, for
            `ranvier train --config`.
        resume: Go on with the run in `out`, if there is one. A finished run is only read.
        threads: Threads of methods that have their own; results do not depend on it.
        progress: How to show progress.
        stuck: What is told where training makes no progress, as for `ranvier.fit`; None for nothing.
        devices: Over which devices batches are spread, as for `ranvier.fit`; process 0 writes.

    Returns:
        The content of `metrics.json`.

    Raises:
        RunError: the run folder is in use, holds another run, or is broken.
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.

    Example:
        >>> import tempfile
        >>> from ranvier.lab import experiment, run
        >>> run(experiment("temporal-order", epochs=1), tempfile.mkdtemp())["delays"]
        4
    """
    folder, settings_file = RunFolder(out), Path(out) / CONFIG
    options = _options(experiment)
    team = Team(devices)

    result = team.led(lambda: _finished(experiment, folder) if resume and folder.finished else None)
    if result is not None:
        return result

    def keep(line: Mapping[str, Any], network: Network) -> None:
        if line["epoch"] == 1:
            write_config(experiment, settings_file)

    data = experiment.data()
    recipe = experiment.recipe(data.train.size, threads)
    fitted = fit(
        experiment.network(), data.train, data.validation, recipe, out=out, resume=resume, options=options,
        on_epoch_end=keep, progress=progress, stuck=stuck, devices=devices, key=experiment.keys[1],
    )  # fmt: skip
    test = evaluate(fitted.network, data.test, recipe, devices=devices)
    result = _result(experiment, fitted, test, recipe.learn)
    if not team.leads:
        return result
    with folder.locked(), folder.writing():
        write_config(experiment, settings_file)
        folder.finish(result)
        draw_report(experiment, fitted.network, folder)
    return result


def _finished(experiment: Experiment, folder: RunFolder) -> dict[str, Any] | None:
    """The result of a run that has come to its end, if there is nothing left to do."""
    folder.compare(_options(experiment))
    if experiment.training.epochs != read_config(folder.path / CONFIG)["epochs"]:
        return None
    if not (folder.path / REPORT).exists():  # it was killed before it was drawn
        draw_report(experiment, load(folder.network), folder)
    return folder.result()


def draw_report(experiment: Experiment, network: Network, folder: RunFolder) -> Path:
    """Draw `report.png` into the folder of a finished run.

    Args:
        experiment: What was run.
        network: The network that it found.
        folder: Where.

    Raises:
        RunError: the folder does not hold a finished run.
    """
    from ranvier.plots import report  # draws with matplotlib, which is slow to import

    drawn = report_run(experiment, network, folder)
    return report.save((experiment.task.picture.page or report.draw_report)(drawn), folder.path)


def report_run(experiment: Experiment, network: Network, folder: RunFolder) -> "report.Run":
    """What the report of a finished run shows: its network, test samples, and what training said.

    Args:
        experiment: What was run.
        network: The network that it found.
        folder: Where.

    Raises:
        RunError: the folder does not hold a finished run.
    """
    from ranvier.plots import report

    picture = experiment.task.picture
    points, label, encode = _shown(experiment)
    return report.Run(
        network=network,
        simulator=experiment.recipe(samples=1).simulator,
        t_end=experiment.task.t_end,
        encode=encode,
        points=points,
        label=label,
        classes=experiment.task.classes,
        history=folder.epochs(),
        result=folder.result(),
        truth=picture.plane,
        image=picture.image,
        initial=experiment.network(),
        record=experiment.readout.read().record.get("output", ()),
    )


def _shown(
    experiment: Experiment,
) -> tuple[Float[np.ndarray, "samples features"], Int[np.ndarray, " samples"], Callable[[Any], Spikes]]:
    """Test samples for the report, their classes, and what makes input spikes of them.

    Of samples that have no features their numbers are given, and of many only the first ones.
    """
    if isinstance(experiment.task, AbstractSpikeTask):
        test = experiment.task.data(experiment.dtype).test
        numbers = np.random.default_rng(0).permutation(test.size)[:SHOWN]
        return numbers[:, None] * 1.0, np.asarray(test.target)[numbers], lambda points: _taken(test, points)
    picture, samples = experiment.task.picture, experiment.task.splits().test
    places = int(np.max(np.sum(np.isfinite(experiment.encode(samples.feature).time), axis=1)))

    def encode(points: Float[np.ndarray, "samples features"]) -> Spikes:
        feature = points if picture.features is None else picture.features(points)
        return trimmed(experiment.encode(feature), places)

    feature = samples.feature if picture.plane is None else samples.feature[:, :2]
    return feature, samples.label, encode


def _taken(data: Dataset | Stream, points: Float[np.ndarray, "samples one"]) -> Spikes:
    found = data.take(points[:, 0].astype(int)).spikes
    assert isinstance(found, Spikes)
    return found


def load_run(folder: Path | str) -> tuple[Experiment, Network]:
    """The experiment of a run folder, and the network that did best on its validation data.

    Raises:
        RunError: it is not a run folder, or one of an unknown experiment, or has no network yet.
    """
    files = RunFolder(folder)
    stored: dict[str, Any] = files.config()["options"]
    if not stored.get("name"):
        msg = f"{files.path} holds a run whose experiment was put together in Python; only that program can make it."
        raise RunError(msg)
    if not files.network.exists():
        msg = f"{files.path} holds a run that is not finished; finish it first, with --resume."
        raise RunError(msg)
    try:
        given = read_config(files.path / CONFIG)
        experiment = make(given.pop(TASK), **given)
        files.compare(_options(experiment))
        return experiment, load(files.network)
    except (KeyError, OSError, ValueError) as error:
        msg = f"{files.path} holds a run that this version of ranvier cannot read: {error}"
        raise RunError(msg) from error


def diagnose_run(folder: Path | str) -> Diagnosis:
    """Examine the network of a run, or the one before training where the run is not finished, on its training data.

    Args:
        folder: The run folder of an experiment.

    Raises:
        RunError: it is no run folder, or one of an unknown experiment.
    """
    files = RunFolder(folder)
    if files.network.exists():
        experiment, network = load_run(folder)
    else:
        given = read_config(files.path / CONFIG)
        experiment = make(given.pop(TASK), **given)
        network = experiment.network()
    data = experiment.data().train
    return examine(network, data, experiment.recipe(data.size), history=files.epochs())


def is_experiment(folder: Path | str) -> bool:
    """Whether a run folder is that of an experiment with a name, rather than of a `fit` of one's own."""
    return bool(RunFolder(folder).config()["options"].get("name"))


def _options(experiment: Experiment) -> dict[str, Any]:
    """What a run must have in common to be resumed: all settings but the epochs, of which there may be more."""
    return {name: value for name, value in experiment.describe().items() if name != "epochs"}


def _result(experiment: Experiment, fitted: Fitted, test: dict[str, Any], learn: tuple[str, ...]) -> dict[str, Any]:
    sizes = {}
    for field in ("weight", "delay", "position"):
        leaves = jax.tree.leaves(partition(fitted.network, field)[0]) if field in learn else []
        sizes[f"{field}s"] = sum(leaf.size for leaf in leaves)
    speeds = [line["samples_per_second"] for line in fitted.epochs[1:] or fitted.epochs]
    return {
        "name": Path(experiment.name).stem,
        **experiment.choices,
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
