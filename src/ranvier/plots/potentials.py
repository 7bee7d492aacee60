"""The report of the temporal-order task: curves, and the potentials of its outputs before and after training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier.plots.curves import learning_curves
from ranvier.plots.style import CLASSES, INK, SMALL, TITLE, figure, tidy

Traces = Float[np.ndarray, "samples times outputs"]


def potentials(axes: Axes, times: Float[np.ndarray, " times"], voltage: Float[np.ndarray, "times outputs"]) -> None:
    """Draw the potential of each output against time, with a mark at its maximum.

    Args:
        axes: Where to draw.
        times: Times (ms).
        voltage: Potentials of one sample, in units of the threshold.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots.potentials import potentials
        >>> from ranvier.plots.style import figure
        >>> axes = figure(4.0, 3.0).add_subplot()
        >>> potentials(axes, np.arange(3.0), np.array([[0.0, 0.0], [1.0, 0.5], [0.2, 0.1]]))
        >>> len(axes.lines)
        4
    """
    for output, trace in enumerate(voltage.T):
        colour, top = CLASSES[output], int(trace.argmax())
        axes.plot(times, trace, color=colour, linewidth=1.8, label=f"output {output}")
        axes.plot(times[top], trace[top], marker="o", color=colour, markeredgecolor="white", markersize=8)
    tidy(axes, x="time (ms)", y="potential")


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
        panels[0, 0], panels[1, 0], history, chosen=result["best_epoch"], test_accuracy=result["test_accuracy"]
    )
    for row, (traces, when) in enumerate([(before, "before training"), (after, "after training")]):
        for sample, voltage in enumerate(traces):
            axes = panels[row, 1 + sample]
            potentials(axes, times, voltage)
            title = f"input {sample} first, {when}"
            axes.set_title(title, loc="left", fontsize=TITLE, fontweight="bold", color=CLASSES[sample])
            axes.set_ylim(0.0, 1.15 * max(before.max(), after.max()))
    panels[0, 1].legend(fontsize=SMALL, frameon=False, loc="upper right")
    page.subplots_adjust(left=0.06, right=0.98, top=0.82, bottom=0.09, hspace=0.42, wspace=0.25)
    return page
