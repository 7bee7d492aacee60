"""The report of a run: one picture that says what was learned, how well, and how the network does it.

`write_report` draws `report.png` from a `Run`: a trained network, how its input is made, and what its
training said. Files are read by the caller, who knows the experiment; here only the picture is written.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.lines import Line2D

from ranvier.events import Spikes, first_spike
from ranvier.network import Network
from ranvier.plots.confusion import confusion_matrix
from ranvier.plots.curves import learning_curves
from ranvier.plots.decisions import decision_map, misses
from ranvier.plots.histograms import parameter_histograms, parameters
from ranvier.plots.spike_raster import causes, heights, raster, travel
from ranvier.plots.style import CLASSES, EXCITATORY, INHIBITORY, INK, LABEL, SMALL, figure, headline, tidy
from ranvier.simulation import AbstractSimulator, Solution, simulate
from ranvier.summaries import Summaries

Truth = Callable[[Float[np.ndarray, "*grid"], Float[np.ndarray, "*grid"]], Int[np.ndarray, "*grid"]]

NAME = "report.png"
LETTERS = "ABCDEFGHIJ"
GRID = 160
"""Points of the decision map along each side."""
ACROSS = 5
"""Rasters side by side."""
CHUNK = 1000
"""Points that are simulated at once."""


@dataclass(frozen=True, eq=False)
class Run:
    """Everything that the report of a run shows.

    Args:
        network: The trained network: one input population, and `output`, whose first spike, or highest potential, is
            the answer.
        simulator: How it is simulated.
        t_end: End of a simulation (ms).
        encode: Turns features, shape (samples, features), into input spikes.
        points: Features of test samples: points of a plane, or whatever else.
        label: Their classes.
        classes: Names of the classes.
        history: One entry per epoch, as `learning_curves` wants it.
        result: What is known about the run: `test_accuracy`, `validation_accuracy`, `best_epoch`, `epochs`,
            `parameters`, `weights`, `delays`, `delay`, `method`, `seed`, `seconds`, `name`; what is missing is left
            out.
        truth: Of a plane, the right class at coordinates x and y, -1 where there are no samples: a map of decisions is
            drawn. Default, for other features, a confusion matrix.
        image: Of images, the length of their rows.
        initial: The network before training.
        record: What is recorded of an output that does not spike, times (ms) or a summary of `ranvier.summaries`; the
            output with the highest number is the answer.
    """

    network: Network
    simulator: AbstractSimulator
    t_end: float
    encode: Callable[[Float[np.ndarray, "samples features"]], Spikes]
    points: Float[np.ndarray, "samples features"]
    label: Int[np.ndarray, " samples"]
    classes: Sequence[str]
    history: Sequence[Mapping[str, Any]]
    result: Mapping[str, Any]
    truth: Truth | None = None
    image: int | None = None
    initial: Network | None = None
    record: Sequence[float] | Summaries = ()

    @property
    def verdict(self) -> str:
        """What the output that is the answer does."""
        return "rises highest" if self.record else "fires first"


def write_report(folder: Path, run: Run) -> Path:
    """Draw the report of a run into its folder, as `report.png`.

    Args:
        folder: The run folder.
        run: What to draw.

    Returns:
        The path of the picture. It appears there only when it is whole.

    Raises:
        RuntimeError: the network cannot be simulated.
    """
    return save(draw_report(run), folder)


def save(page: Figure, folder: Path) -> Path:
    """Write a figure into a run folder as its report; it appears there only when it is whole."""
    path = Path(folder) / NAME
    partial = path.with_name(f".{NAME}.{os.getpid()}.partial")
    page.savefig(partial, format="png", dpi=120)
    partial.replace(path)
    return path


def draw_report(run: Run) -> Figure:
    """The report as a figure: decisions and curves, one raster for each of the first ten classes, histograms.

    Args:
        run: What to draw.
    """
    chosen = [int(np.argmax(run.label == kind)) for kind in np.unique(run.label)[: 2 * ACROSS]]
    tall = 4.6 * _rows(len(chosen))
    page = figure(16.0, 8.6 + tall)
    rows = page.add_gridspec(4, 1, height_ratios=[0.75, 4.7, tall, 2.6], hspace=0.0)
    head, top, middle, bottom = (page.add_subfigure(rows[row, 0]) for row in range(4))
    _headline(head, run.network, run.result)
    answer, _ = answers(run, run.points)
    columns = top.add_gridspec(1, 2, width_ratios=[1.0, 2.0], wspace=0.0)
    left, right = (top.add_subfigure(columns[0, column]) for column in range(2))
    if run.truth is None:
        confusion_matrix(run.label, answer, run.classes, ax=left.add_subplot())
    else:
        _plane(left.add_subplot(), run, run.truth, answer, chosen)
    left.subplots_adjust(left=0.12, right=0.98, top=0.9, bottom=0.13)
    known, panels = run.result, right.subplots(1, 2).tolist()
    learning_curves(run.history, chosen=known.get("best_epoch"), test_accuracy=known.get("test_accuracy"), ax=panels)
    right.subplots_adjust(left=0.09, right=0.97, top=0.9, bottom=0.13, wspace=0.22)
    _rasters(middle, run, answer, chosen)
    count = len(parameters(run.network))
    parameter_histograms(run.network, run.initial, ax=np.ravel(bottom.subplots(1, count)).tolist())
    bottom.subplots_adjust(left=0.045, right=0.985, top=0.86, bottom=0.2, wspace=0.22)
    return page


def answers(
    run: Run, points: Float[np.ndarray, "samples features"]
) -> tuple[Int[np.ndarray, " samples"], Float[np.ndarray, " samples"]]:
    """What the network says to each point, and by how much its output is ahead of the next one.

    Args:
        run: The run.
        points: Features of samples.

    Returns:
        The output that fires first (rises highest), -1 where none does or two tie; and its lead in ms (units of
        potential), inf where it is the only one.
    """
    solution = _solve(run, points)
    if run.record:
        late = -solution.voltages["output"].max(axis=1)
    else:
        late = np.asarray(first_spike(solution.spikes["output"]))
    ranked = np.sort(late, axis=1)
    there = np.isfinite(ranked[:, 0])
    second = ranked[:, 1] if ranked.shape[1] > 1 else np.full(len(ranked), np.inf)
    lead = np.where(there, second - np.where(there, ranked[:, 0], 0.0), 0.0)
    return np.where(lead > 0, late.argmin(axis=1), -1), lead


def spikes(run: Run, points: Float[np.ndarray, "samples features"]) -> dict[str, Spikes]:
    """Spikes of all populations, inputs included, in answer to each point, shape (samples, n).

    Args:
        run: The run.
        points: Features of samples.
    """
    return {run.network.inputs[0]: run.encode(points), **_solve(run, points).spikes}


def _solve(run: Run, points: Float[np.ndarray, "samples features"]) -> Solution:
    """Spikes and recorded potentials, in parts of one size: one program, and no more memory than for one part."""
    parts = math.ceil(len(points) / CHUNK)
    filled = np.resize(points, (parts, CHUNK, points.shape[1]))
    record = {"output": run.record} if run.record else {}
    found = []
    for part in filled:
        solution = _simulated(run.network, run.encode(part), run.simulator, t_end=run.t_end, record=record)
        found.append(eqx.tree_at(lambda it: it.stats, solution, None))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[: len(points)], *found)


_simulated = eqx.filter_jit(simulate)


def _headline(page: FigureBase, network: Network, known: Mapping[str, Any]) -> None:
    """What was trained, and how well it does."""
    accuracy = f"   {100 * known['test_accuracy']:.2f} % right on test" if "test_accuracy" in known else ""
    title = f"{known.get('name', 'run')}{accuracy}"
    page.text(0.02, 0.66, title, fontsize=22, fontweight="bold", color=INK, va="center")
    sizes = [str(one.size) for one in network.populations.values()]
    facts = [f"network {' - '.join(sizes)}"]
    if "delay" in known:
        facts.append("no delays" if known["delay"] == "none" else f"{known['delay']} delays")
    if "method" in known:
        facts.append(known["method"])
    if "parameters" in known:
        facts.append(f"{known['parameters']:,} parameters")
    if known.get("delays"):
        facts[-1] += f" ({known['weights']:,} weights, {known['delays']:,} delays)"
    if "validation_accuracy" in known:
        facts.append(f"validation {100 * known['validation_accuracy']:.2f} %")
    units = {"seed": "seed {}", "epochs": "{} epochs", "seconds": "{:.0f} s"}
    facts += [text.format(known[name]) for name, text in units.items() if name in known]
    page.text(0.02, 0.22, "   ·   ".join(facts), fontsize=LABEL, color=INK, va="center")


def _plane(axes: Axes, run: Run, truth: Truth, answer: Int[np.ndarray, " samples"], chosen: Sequence[int]) -> None:
    """Decision map, wrong answers, and where the samples of the rasters lie."""
    ticks = (np.arange(GRID) + 0.5) / GRID
    across, up = np.meshgrid(ticks, ticks)
    there, lead = answers(run, np.stack([across.ravel(), up.ravel()], axis=1))
    shape = (GRID, GRID)
    decision_map(there.reshape(shape), lead=lead.reshape(shape), truth=truth(across, up), ax=axes)
    wrong = misses(axes, run.points, run.label, answer)
    for letter, sample in zip(LETTERS, chosen, strict=False):
        place = tuple(run.points[sample].tolist())
        disc = {"boxstyle": "circle,pad=0.25", "facecolor": INK, "edgecolor": "white"}
        font = {"fontsize": SMALL, "fontweight": "bold", "color": "white", "ha": "center", "va": "center"}
        axes.annotate(letter, place, bbox=disc, **font)
    tidy(axes, title=f"Which output {run.verdict}", x="x", y="y")
    axes.grid(visible=False)
    kinds = list(zip(run.classes, CLASSES, strict=False))
    handles = [Line2D([], [], marker="s", linestyle="", color=shade, label=name) for name, shade in kinds]
    told = f"{wrong} of {len(answer)} wrong (true class)"
    handles.append(Line2D([], [], marker="o", linestyle="", color="white", markeredgecolor=INK, label=told))
    below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.1), "ncols": len(handles)}
    axes.legend(handles=handles, fontsize=SMALL, frameon=False, handletextpad=0.2, columnspacing=1.0, **below)


def _rasters(page: FigureBase, run: Run, answer: Int[np.ndarray, " samples"], chosen: Sequence[int]) -> None:
    """One sample of each class: its spikes, the strongest causes of the answer, right or wrong."""
    rows = _rows(len(chosen))
    panels = np.ravel(page.subplots(rows, math.ceil(len(chosen) / rows), sharex=True, squeeze=False)).tolist()
    page.subplots_adjust(left=0.065, right=0.985, top=1 - 0.14 / rows, bottom=0.12 / rows, wspace=0.13 * rows)
    inputs = run.encode(run.points[chosen])
    found = _solve(run, run.points[chosen]).spikes
    trains = {run.network.inputs[0]: inputs, **found}
    latest = max(float(np.max(train.time, initial=0.0, where=np.isfinite(train.time))) for train in trains.values())
    for place, (axes, sample) in enumerate(zip(panels, chosen, strict=True)):
        spikes = jax.tree.map(lambda leaf, place=place: leaf[place], dict(trains))
        _example(axes, run, spikes, int(answer[sample]))
        label, said = int(run.label[sample]), int(answer[sample])
        fired = f"{run.classes[said] if said >= 0 else 'no output'} {run.verdict}"
        mark = "✓" if label == said else "✗"
        whose = "" if run.truth is None else f"{LETTERS[place % len(LETTERS)]}   a sample of "
        title = f"{whose}{run.classes[label]}: {fired}  {mark}"
        if run.image is not None:
            _picture(axes, run.points[sample].reshape(-1, run.image))
        headline(axes, title, colour=CLASSES[label])
    panels[0].set_xlim(-0.03 * latest, 1.05 * latest)
    if "output" not in found:
        return
    lines = {"strongest causes of the answer: excitatory": EXCITATORY, "inhibitory": INHIBITORY}
    handles = [Line2D([], [], color=shade, label=name) for name, shade in lines.items()]
    page.legend(handles=handles, fontsize=SMALL, frameon=False, loc="upper right", ncols=2,
                bbox_to_anchor=(0.985, 1.0))  # fmt: skip


def _rows(panels: int) -> int:
    """Rows in which so many rasters stand."""
    return math.ceil(panels / ACROSS)


def _picture(axes: Axes, image: Float[np.ndarray, "rows columns"]) -> None:
    """The image itself, in the corner of the inputs, which are over when the last outputs fire."""
    corner = axes.inset_axes((0.69, 0.03, 0.3, 0.32))
    corner.imshow(image, cmap="Greys", aspect="equal")
    corner.set_axis_off()


def _example(axes: Axes, run: Run, spikes: Mapping[str, Spikes], answer: int) -> None:
    """Raster of one sample, with what made the answer's output fire."""
    sizes = {name: one.size for name, one in run.network.populations.items() if name in spikes}
    colours = {"output": CLASSES[: run.network.size("output")]}
    trains = {name: spikes[name].with_size(size) for name, size in sizes.items()}
    raster(trains, colours=colours, names={"output": run.classes}, ax=axes)
    if answer >= 0 and "output" in spikes:
        travel(axes, heights(sizes), causes(run.network, spikes, "output", answer))
        names = [label for label in axes.get_yticklabels() if label.get_text() == run.classes[answer]]
        for name in names:
            name.set_fontweight("bold")
