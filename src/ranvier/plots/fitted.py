"""The report of any training: curves, answers, some samples, and parameters, as far as they are known.

`ranvier.train.draw_fit` reads them from a run folder; here only the picture is drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.plots.confusion import confusion_matrix
from ranvier.plots.curves import learning_curves
from ranvier.plots.histograms import parameter_histograms, parameters
from ranvier.plots.spike_raster import raster
from ranvier.plots.style import CLASSES, INK, LABEL, SMALL, figure, headline, tidy

ACROSS = 5
"""Samples and histograms side by side."""
CROWD = 8
"""Potentials of more outputs than that have no legend."""


@dataclass(frozen=True, eq=False)
class FitRun:
    """What is known of a training run; what is not is left empty.

    Args:
        name: What to call it.
        history: Metrics of every epoch.
        chosen: Number of the epoch whose network was kept.
        network: The trained network.
        initial: The network before training.
        spikes: Spikes of some samples by population, inputs included, shape (samples, n).
        voltages: Their potentials, of populations that do not spike: times and values, (times,) and
            (samples, times, size).
        target: Their targets, if those are one array.
        t_end: End of a simulation (ms).
        label: Classes of all validation samples.
        answer: What the trained network answered to them, -1 for nothing.
        note: Why there is nothing of the samples to see, if that is so.
    """

    name: str
    history: Sequence[Mapping[str, Any]]
    chosen: int | None = None
    network: Network | None = None
    initial: Network | None = None
    spikes: Mapping[str, Spikes] = field(default_factory=dict)
    voltages: Mapping[str, tuple[Float[np.ndarray, " times"], Float[np.ndarray, "samples times size"]]] = field(
        default_factory=dict
    )
    target: Shaped[np.ndarray, "samples ..."] | None = None
    t_end: float = 0.0
    label: Int[np.ndarray, " all"] | None = None
    answer: Int[np.ndarray, " all"] | None = None
    note: str = ""


def draw_fit_run(run: FitRun) -> Figure:
    """The report as a figure.

    Args:
        run: What to draw.

    Example:
        >>> from ranvier.plots.fitted import FitRun, draw_fit_run
        >>> lines = [{"epoch": n, "loss": 1 / n, "validation_loss": 1.1 / n} for n in (1, 2, 3)]
        >>> page = draw_fit_run(FitRun("mine", lines, chosen=3))
        >>> [axes.get_title(loc="left") for axes in page.subfigs[1].axes]
        ['Loss']
    """
    samples = _samples(run)
    groups = [] if run.network is None else parameters(run.network)
    heights = [0.9, 4.6]
    heights += [4.4] * bool(run.spikes) + [2.9] * bool(run.voltages)
    rows = math.ceil(len(groups) / ACROSS)
    heights += [2.7 * rows] * bool(groups)
    page = figure(16.0, sum(heights))
    grid = page.add_gridspec(len(heights), 1, height_ratios=heights, hspace=0.0)
    bands = iter([page.add_subfigure(grid[row, 0]) for row in range(len(heights))])
    _headline(next(bands), run)
    _curves(next(bands), run)
    if run.spikes:
        _rasters(next(bands), run, samples)
    if run.voltages:
        _potentials(next(bands), run, samples)
    if run.network is not None and groups:
        band = next(bands)
        panels = np.ravel(band.subplots(rows, min(ACROSS, len(groups)), squeeze=False)).tolist()
        for spare in panels[len(groups) :]:
            spare.set_visible(False)
        parameter_histograms(run.network, run.initial, ax=panels[: len(groups)])
        band.subplots_adjust(left=0.05, right=0.985, top=1 - 0.14 / rows, bottom=0.2 / rows, wspace=0.25, hspace=0.6)
    return page


def _samples(run: FitRun) -> int:
    """How many samples are drawn."""
    trains = [len(np.asarray(train.time)) for train in run.spikes.values()]
    return min([ACROSS, *trains, *(len(values) for _, values in run.voltages.values())])


def _headline(page: FigureBase, run: FitRun) -> None:
    page.text(0.02, 0.66, run.name, fontsize=22, fontweight="bold", color=INK, va="center")
    facts = [f"{len(run.history)} epochs"]
    if run.network is not None:
        facts.insert(0, "network " + " - ".join(str(one.size) for one in run.network.populations.values()))
    if run.chosen is not None:
        line = run.history[run.chosen - 1]
        facts.append(f"best epoch {run.chosen}: validation loss {line['validation_loss']:.4g}")
        if "validation_accuracy" in line:
            facts.append(f"validation accuracy {100 * line['validation_accuracy']:.2f} %")
    facts += [run.note] if run.note else []
    page.text(0.02, 0.2, "   ·   ".join(facts), fontsize=LABEL, color=INK, va="center")


def _curves(page: FigureBase, run: FitRun) -> None:
    """Loss and error over the epochs; where answers are known which they were."""
    judged = run.label is not None and run.answer is not None
    wrong = any("accuracy" in line for line in run.history)
    panels = np.ravel(page.subplots(1, 1 + judged + wrong, squeeze=False)).tolist()
    if run.label is not None and run.answer is not None:
        kinds = int(max(run.label.max(), run.answer.max())) + 1
        confusion_matrix(run.label, run.answer, [str(kind) for kind in range(kinds)], ax=panels.pop(0))
    learning_curves(run.history, chosen=run.chosen, ax=panels)
    page.subplots_adjust(left=0.06, right=0.98, top=0.9, bottom=0.13, wspace=0.22)


def _rasters(page: FigureBase, run: FitRun, samples: int) -> None:
    """The spikes of some samples."""
    panels = np.ravel(page.subplots(1, samples, sharex=True, squeeze=False)).tolist()
    sizes = {} if run.network is None else {name: one.size for name, one in run.network.populations.items()}
    for place, axes in enumerate(panels):
        trains = {name: Spikes(run.spikes[name].time[place], run.spikes[name].unit[place], size)
                  for name, size in sizes.items() if name in run.spikes}  # fmt: skip
        raster(trains, t_end=run.t_end, ax=axes)
        headline(axes, _title(run, place))
    page.subplots_adjust(left=0.06, right=0.985, top=0.88, bottom=0.14, wspace=0.32)


def _title(run: FitRun, place: int) -> str:
    """The sample's class, or that it is a sample."""
    if run.target is not None and run.target.ndim == 1 and np.issubdtype(run.target.dtype, np.integer):
        return f"a sample of class {run.target[place]}"
    return f"sample {place}"


def _potentials(page: FigureBase, run: FitRun, samples: int) -> None:
    """The potentials of the same samples; with targets along the same times those, dotted."""
    panels = np.ravel(page.subplots(1, samples, sharex=True, sharey=True, squeeze=False)).tolist()
    for place, axes in enumerate(panels):
        for name, (times, values) in run.voltages.items():
            _traces(axes, name, times, values[place])
        tidy(axes, x="time (ms)", y="potential" if place == 0 else "")
    outputs = sum(values.shape[-1] for _, values in run.voltages.values())
    if outputs <= CROWD:
        panels[-1].legend(fontsize=SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    page.subplots_adjust(left=0.06, right=0.915, top=0.95, bottom=0.2, wspace=0.12)


def _traces(axes: Axes, name: str, times: Float[np.ndarray, " times"], values: Float[np.ndarray, "times size"]) -> None:
    for unit, trace in enumerate(values.T):
        axes.plot(times, trace, color=CLASSES[unit % len(CLASSES)], linewidth=1.4, label=f"{name} {unit}")
