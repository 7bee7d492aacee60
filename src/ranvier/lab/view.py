"""Looking at a run: the network that it found, in space, with one of the samples that it kept."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier.lab.runs import is_experiment, load_run
from ranvier.network import Network
from ranvier.saving import load
from ranvier.simulation import simulate
from ranvier.train import RunError, RunFolder
from ranvier.train.samples import Kept, read_samples
from ranvier.viewer import Scene, by_delays, by_layers, draw_network, positions, scene, write_film, write_page

PLACES = {"positions": positions, "layers": by_layers, "delays": by_delays}
"""Where neurons are drawn, by name."""
MOMENTS = 500
"""At so many times the potentials of the outputs are compared."""


def view(folder: Path | str, out: Path | str | None = None, *, sample: int = 0, place: str = "positions") -> Path:
    """Write what a sample does in the network of a run.

    Args:
        folder: A run folder, of `ranvier train` or of a `fit` of one's own.
        out: The file; its ending decides what it is: `.html` a page that works offline, `.gif` or `.mp4` a film, `.png`
            a picture. Default `view.html` in the folder.
        sample: Which of the samples that the run kept, from 0.
        place: Where neurons are drawn: `positions`, where they have some, else by `layers`; or by their `delays`.

    Returns:
        The file.

    Raises:
        RunError: it is no run folder, the run is not finished, or its samples cannot be simulated here.
        ValueError: there is no such sample, place or kind of file.
    """
    files = RunFolder(folder)
    files.config()  # says what is wrong with the folder
    if not files.samples.exists():
        msg = f"{files.path} is not finished; train it with --resume first."
        raise RunError(msg)
    if place not in PLACES:
        msg = f"view: `place` must be one of {', '.join(PLACES)}; got {place!r}."
        raise ValueError(msg)
    network, kept = load(files.network), read_samples(files)
    if kept.simulator is None:
        msg = f"{files.path}: samples cannot be simulated here: {kept.trouble}"
        raise RunError(msg)
    there = min(len(train.time) for train in kept.spikes.values())
    if not 0 <= sample < there:
        msg = f"view: `sample` must be from 0 to {there - 1}, the samples that the run kept; got {sample}."
        raise ValueError(msg)
    units = load_run(folder)[0].task.classes if is_experiment(folder) else ()
    return _write(Path(out or files.path / "view.html"), network, kept, sample, place, units, files.path.resolve().name)


def _write(out: Path, network: Network, kept: Kept, sample: int, place: str, units: tuple[str, ...], name: str) -> Path:
    writers = {".html": write_page, ".gif": write_film, ".mp4": write_film, ".png": _picture}
    if out.suffix not in writers:
        msg = f"view: the file must end in {', '.join(writers)}; got {out.name}."
        raise ValueError(msg)
    trains = {one: jax.tree.map(lambda leaf: leaf[sample], train) for one, train in kept.spikes.items()}
    assert kept.simulator is not None
    last = network.names[-1]
    times = np.linspace(0.0, kept.t_end, MOMENTS + 1)
    record = {} if network.neurons[last].spiking else {last: times.astype(network.dtype)}
    solution = simulate(network, trains, kept.simulator, t_end=kept.t_end, record=record)
    label = None
    if kept.target is not None and kept.target.ndim == 1 and np.issubdtype(kept.target.dtype, np.integer):
        label = int(kept.target[sample])
    answer = None
    if record:  # the one that rises highest, when it does
        potential = np.asarray(solution.voltages[last])
        at, unit = np.unravel_index(np.argmax(potential), potential.shape)
        answer = int(unit), float(times[at])
    seen = scene(
        network, trains | solution.spikes, t_end=kept.t_end, title=f"{name}, sample {sample}", place=PLACES[place],
        units=units, answer=answer, label=label,
    )  # fmt: skip
    return writers[out.suffix](out, seen)


def _picture(out: Path, seen: Scene) -> Path:
    page: Any = draw_network(seen).figure
    page.savefig(out, dpi=140)
    return out
