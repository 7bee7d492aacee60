"""Error against the number of learned parameters, one line for each way of learning."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, INK, SMALL, figure, logarithmic, tidy


def error_by_parameters(
    rows: Sequence[Mapping[str, Any]], *, title: str = "Test error", points: str = "sizes"
) -> Figure:
    """Median (line) and quartiles (band, or bar of a point by itself) of the error; an error of 0 stands at 0.

    Both axes are logarithmic.

    Args:
        rows: Each with `line` (a way of learning), `parameters`, and `low`, `median`, `high` (accuracies in [0, 1]).
        title: What is seen.
        points: What tells the points of a line apart.

    Returns:
        A figure.

    Example:
        >>> from ranvier.plots import error_by_parameters
        >>> row = {"line": "axonal", "parameters": 244, "low": 0.97, "median": 0.98, "high": 0.99}
        >>> len(error_by_parameters([row]).axes)
        1
    """
    page = figure(7.6, 5.0)
    axes = page.subplots()
    error = lambda accuracy: 100 * (1 - accuracy)
    names = list(dict.fromkeys(row["line"] for row in rows))
    for colour, name in zip(CLASSES, names, strict=False):
        mine = sorted((row for row in rows if row["line"] == name), key=lambda row: row["parameters"])
        at = [row["parameters"] for row in mine]
        low, median, high = ([error(row[part]) for row in mine] for part in ("high", "median", "low"))
        if len(mine) > 1:
            axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0.0)
        else:
            axes.vlines(at, low, high, color=colour, linewidth=1.6)
        axes.plot(at, median, color=colour, marker="o", markersize=4.5, linewidth=1.6, label=name)
    tidy(axes, title=title, x="learned parameters", y="wrong answers (%)")
    logarithmic(axes.xaxis, np.array([row["parameters"] for row in rows], float))
    logarithmic(axes.yaxis, np.array([error(row[part]) for row in rows for part in ("low", "median", "high")]))
    note = f"line: median, band or bar: quartiles, points: {points}"
    axes.text(0.01, 0.02, note, transform=axes.transAxes, fontsize=SMALL, color=INK)
    axes.legend(fontsize=SMALL, edgecolor="none", loc="upper right")
    page.tight_layout()
    return page
