"""Learning curves: how loss and error go down over the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from ranvier.plots.style import CLASSES, FAINT, INK, SMALL, tidy

TRAIN, VALIDATION, TEST = FAINT, CLASSES[0], CLASSES[5]
FLOOR = 0.02
"""Smallest error shown (%): zero has no place on a logarithmic axis."""


def learning_curves(
    upper: Axes,
    lower: Axes,
    history: Sequence[Mapping[str, Any]],
    *,
    chosen: int | None = None,
    test_accuracy: float | None = None,
) -> None:
    """Draw loss, and share of wrong answers, against the epoch.

    Args:
        upper: Where the loss goes.
        lower: Where the error goes, in per cent: 100 minus the accuracy.
        history: One entry per epoch with `epoch`, `loss`, `accuracy`, `validation_loss` and
            `validation_accuracy`, as in `metrics.jsonl`; what is missing is left out. Accuracies lie in [0,
            1].
        chosen: Number of the epoch whose network was kept.
        test_accuracy: Accuracy of that network on test samples.

    Example:
        >>> from ranvier.plots import learning_curves
        >>> from ranvier.plots.style import figure
        >>> axes = figure(4.0, 6.0).subplots(2)
        >>> learning_curves(*axes, [{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}], chosen=2)
        >>> len(axes[0].lines)
        2
    """
    error = lambda accuracy: max(100 * (1 - accuracy), FLOOR)
    for axes, names, scale in (
        (upper, ("loss", "validation_loss"), lambda value: value),
        (lower, ("accuracy", "validation_accuracy"), error),
    ):
        for name, colour, width in zip(names, (TRAIN, VALIDATION), (1.6, 1.3), strict=True):
            known = [(entry["epoch"], scale(entry[name])) for entry in history if name in entry]
            if known:
                label = "validation" if name.startswith("validation") else "training"
                axes.plot(*zip(*known, strict=True), color=colour, linewidth=width, label=label)
        if chosen is not None:
            axes.axvline(chosen, color=INK, linewidth=1.0, linestyle="--", label=f"chosen: epoch {chosen}")
    if test_accuracy is not None:
        told = f"test: {100 * (1 - test_accuracy):.1f} %"
        lower.axhline(error(test_accuracy), color=TEST, linewidth=1.4, linestyle=":", label=told)
    _finish(upper, "Loss", "loss")
    _finish(lower, "Error", "wrong answers (%)")


def _finish(axes: Axes, title: str, y: str) -> None:
    """Logarithmic where all is positive, readable ticks, a legend."""
    tidy(axes, title=title, x="epoch", y=y)
    values = np.concatenate([np.zeros(0), *(np.asarray(line.get_ydata(), float) for line in axes.lines)])
    if axes.lines and np.all(values >= 0) and np.any(values > 0):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.minorticks_off()
    if axes.lines:
        axes.legend(fontsize=SMALL, loc="upper right", edgecolor="none", framealpha=0.9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(x=0.01)
