"""Learning curves: how loss and error go down over the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ranvier.plots.style import CLASSES, FAINT, INK, SMALL, figure, logarithmic, tidy

TRAIN, VALIDATION, TEST = FAINT, CLASSES[0], CLASSES[5]


def learning_curves(
    history: Sequence[Mapping[str, Any]],
    *,
    chosen: int | None = None,
    test_accuracy: float | None = None,
    ax: Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw loss, and share of wrong answers, against the epoch.

    Args:
        history: One entry per epoch with `epoch`, `loss`, `accuracy`, `validation_loss` and
            `validation_accuracy`, as in `metrics.jsonl`; what is missing is left out. Accuracies lie in [0, 1].
        chosen: Number of the epoch whose network was kept.
        test_accuracy: Accuracy of that network on test samples.
        ax: Where to draw: the loss into the first axes, the error, in per cent, into the second, where there is one.
            Default a new figure, with as many as are needed.

    Returns:
        The axes.

    Example:
        >>> import ranvier as rv
        >>> axes = rv.plots.learning_curves([{"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5}], chosen=2)
        >>> len(axes), len(axes[0].lines)
        (1, 2)
    """
    judged = test_accuracy is not None or any("accuracy" in key for entry in history for key in entry)
    if ax is None:
        ax = figure(6.0 * (1 + judged), 4.0, layout="constrained").subplots(1, 1 + judged, squeeze=False)[0].tolist()
    assert ax is not None
    error = lambda accuracy: 100 * (1 - accuracy)
    parts = (("loss", "validation_loss"), float), (("accuracy", "validation_accuracy"), error)
    for axes, (names, scale) in zip(ax, parts, strict=False):
        for name, colour, width in zip(names, (TRAIN, VALIDATION), (1.6, 1.3), strict=True):
            known = [(entry["epoch"], scale(entry[name])) for entry in history if name in entry]
            if known:
                label = "validation" if name.startswith("validation") else "training"
                axes.plot(*zip(*known, strict=True), color=colour, linewidth=width, label=label)
        if chosen is not None:
            axes.axvline(chosen, color=INK, linewidth=1.0, linestyle="--", label=f"chosen: epoch {chosen}")
    if test_accuracy is not None and len(ax) > 1:
        told = f"test: {error(test_accuracy):.1f} %"
        ax[1].axhline(error(test_accuracy), color=TEST, linewidth=1.4, linestyle=":", label=told)
    for axes, title, y in zip(ax, ("Loss", "Error"), ("loss", "wrong answers (%)"), strict=False):
        _finish(axes, title, y)
    return list(ax)


def _finish(axes: Axes, title: str, y: str) -> None:
    """Logarithmic where nothing is negative, readable ticks, a legend beside the lines."""
    tidy(axes, title=title, x="epoch", y=y)
    axes.margins(x=0.01)
    if not axes.lines:
        return
    upright = [line for line in axes.lines if str(line.get_label()).startswith("chosen")]
    values = [np.asarray(line.get_ydata(), float) for line in axes.lines if line not in upright]
    every = np.concatenate([np.zeros(0), *values])
    if not every.any():
        axes.set_ylim(-0.05, 1.0)  # all of them 0
    elif np.ptp(every) > 1e-9 * every.max():  # else all of them are one number, which needs no scale
        logarithmic(axes.yaxis, every)
    axes.legend(fontsize=SMALL, loc="best", edgecolor="none", framealpha=0.9)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
