"""The picture of any run folder: what `fit` left there, read and drawn."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from ranvier.network import Network
from ranvier.saving import FunctionsNeededError, load
from ranvier.simulation import AbstractSimulator, simulate
from ranvier.train.loop import best_epoch
from ranvier.train.run_folder import RunError, RunFolder
from ranvier.train.samples import Kept, read_samples

if TYPE_CHECKING:
    from ranvier.plots.fitted import FitRun

TIMES = 400
"""Times at which potentials are drawn."""


def draw_fit(folder: Path | str, network: Network | None = None) -> Path:
    """Draw `report.png` into the run folder of a `fit`, finished or not, with all that is known of it.

    Args:
        folder: The folder, `fit(out=...)`.
        network: A network like the one that was trained, where its neurons have functions of your own, which no file
            can hold; see `ranvier.load(like=...)`.

    Returns:
        The path of the picture.

    Raises:
        RunError: it is not a run folder, or no epoch is done.
        ValueError: the network cannot be read.
    """
    from ranvier.plots.fitted import draw_fit_run  # draws with matplotlib, which is slow to import
    from ranvier.plots.report import save

    return save(draw_fit_run(read_fit(RunFolder(folder), network)), Path(folder))


def read_fit(files: RunFolder, like: Network | None = None) -> "FitRun":
    """All that is known of a run, for a picture or a page; its samples are simulated.

    Args:
        files: The run folder.
        like: A network like the one that was trained, where its neurons have functions of your own.

    Raises:
        RunError: it is not a run folder, or no epoch is done.
        ValueError: the network cannot be read.
    """
    from ranvier.plots.fitted import FitRun

    files.config()  # says what is wrong with the folder
    history = files.epochs()
    if not history:
        msg = f"{files.path} has no epoch that is done; there is nothing to draw."
        raise RunError(msg)
    name = files.path.resolve().name
    if not files.samples.exists():
        return FitRun(name, history, note="not finished: go on with fit(..., resume=True)")
    try:
        network, initial = (load(path, like) for path in (files.network, files.initial))
    except FunctionsNeededError:
        how = "samples and weights: write_fit_page(folder, network=network) or draw_fit(folder, network)"
        note = f"its neurons have functions of your own, which no file holds; for its {how}"
        return FitRun(name, history, best_epoch(history), note=note)
    kept = read_samples(files)
    about: dict[str, Any] = {"target": kept.target, "label": kept.label, "answer": kept.answer, "t_end": kept.t_end}
    if kept.simulator is None:
        about["note"] = f"samples cannot be simulated here: {kept.trouble}"
    else:
        about |= _simulated(network, kept, kept.simulator)
    return FitRun(name, history, best_epoch(history), network, initial, **about)


def _simulated(network: Network, kept: Kept, simulator: AbstractSimulator) -> dict[str, Any]:
    """Spikes and potentials of the samples."""
    quiet = [name for name, neuron in network.neurons.items() if not neuron.spiking]
    times = np.linspace(0.0, kept.t_end, TIMES).astype(network.dtype)
    record = dict.fromkeys(quiet, times)
    solution = simulate(network, kept.spikes, simulator, t_end=kept.t_end, record=record, throw=False)
    found = jax.tree.map(np.asarray, (solution.spikes, solution.voltages))
    return {"spikes": kept.spikes | found[0], "voltages": {name: (times, found[1][name]) for name in quiet}}
