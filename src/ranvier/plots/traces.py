"""Potentials against time, and the report of the temporal-order task: potentials before and after training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier.plots.curves import learning_curves
from ranvier.plots.style import CLASSES, INK, SMALL, TITLE, axes_or_new, figure, headline, tidy

Traces = Float[np.ndarray, "samples times outputs"]
CROWD = 10
"""Potentials of more neurons than that are drawn thin, in one colour and without names."""


def potentials(
    times: Float[np.ndarray, " times"],
    voltage: Float[np.ndarray, "times size"],
    *,
    names: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the potential of each neuron of a population against time, with a mark at its maximum.

    Args:
        times: Times (ms).
        voltage: Potentials of one sample, in units of the threshold.
        names: Names of the neurons, default their numbers.
        ax: Where to draw; default a new figure.

    Returns:
        The axes.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> axes = rv.plots.potentials(np.arange(3.0), np.array([[0.0, 0.0], [1.0, 0.5], [0.2, 0.1]]))
        >>> len(axes.lines)
        4
    """
    axes = axes_or_new(ax, 6.0, 3.4)
    size = voltage.shape[1]
    if size > CROWD:
        axes.plot(times, voltage, color=INK, linewidth=0.6, alpha=max(0.15, 4 / size))
    for neuron, trace in enumerate(voltage.T if size <= CROWD else ()):
        colour, top = CLASSES[neuron], int(np.nanargmax(trace))
        axes.plot(times, trace, color=colour, linewidth=1.8, label=names[neuron] if names else f"output {neuron}")
        axes.plot(times[top], trace[top], marker="o", color=colour, markeredgecolor="white", markersize=8)
    tidy(axes, x="time (ms)", y="potential")
    axes.margins(y=0.12)
    if ax is None and axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return axes


def draw_order(
    history: Sequence[Mapping[str, Any]],
    result: Mapping[str, Any],
    times: Float[np.ndarray, " times"],
    before: Traces,
    after: Traces,
) -> Figure:
    """Learning curves on the left; the potentials of each sample before and after training.

    Args:
        history: Metrics of every epoch.
        result: What is known about the run.
        times: Times of the potentials (ms).
        before: Potentials before training.
        after: Potentials after training.
    """
    page = figure(14.0, 7.2)
    known = f"{result['name']}   {100 * result['test_accuracy']:.0f} % right"
    page.text(0.03, 0.955, known, fontsize=20, fontweight="bold", color=INK, va="center")
    told = f"{result['method']}   ·   seed {result['seed']}   ·   {result['epochs']} epochs"
    page.text(0.03, 0.905, told, fontsize=TITLE, color=INK, va="center")
    panels = page.subplots(2, 1 + len(before))
    learning_curves(
        history, chosen=result["best_epoch"], test_accuracy=result["test_accuracy"], ax=panels[:, 0].tolist()
    )
    for row, (traces, when) in enumerate([(before, "before training"), (after, "after training")]):
        for sample, voltage in enumerate(traces):
            axes = panels[row, 1 + sample]
            potentials(times, voltage, ax=axes)
            headline(axes, f"input {sample} first, {when}", colour=CLASSES[sample])
            axes.set_ylim(0.0, 1.15 * max(before.max(), after.max()))
    handles = panels[0, 1].get_legend_handles_labels()
    page.legend(*handles, fontsize=SMALL, frameon=False, loc="upper right", bbox_to_anchor=(0.985, 0.93), ncols=2)
    page.subplots_adjust(left=0.06, right=0.98, top=0.82, bottom=0.09, hspace=0.42, wspace=0.25)
    return page
