"""Accuracy against the size of a disturbance, one panel for each kind, one line for each way of training."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, INK, SMALL, TITLE, figure, tidy


def robustness_curves(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Median and quartiles of accuracy, `panel` against `value`.

    Args:
        rows: Each with `group` (a row of panels), `panel`, `label` of the axis, `value` (number or words), `line` and
            `low`, `median`, `high` (accuracies in [0, 1]); panels, lines and values in the order they come.

    Returns:
        A figure.

    Example:
        >>> from ranvier.plots import robustness_curves
        >>> row = {"group": "a", "panel": "jitter", "label": "jitter (us)", "value": 0.1, "line": "ideal"}
        >>> len(robustness_curves([row | {"low": 0.8, "median": 0.9, "high": 0.95}]).axes)
        1
    """
    groups, panels, lines = (list(dict.fromkeys(row[name] for row in rows)) for name in ("group", "panel", "line"))
    page = figure(3.6 * len(panels) + 0.6, 3.4 * len(groups) + 0.6)
    grid = page.subplots(len(groups), len(panels), squeeze=False, sharey=True)
    for group, across in zip(groups, grid, strict=True):
        for panel, axes in zip(panels, across, strict=True):
            mine = [row for row in rows if row["group"] == group and row["panel"] == panel]
            if not mine:
                page.delaxes(axes)
                continue
            values = list(dict.fromkeys(row["value"] for row in mine))
            for colour, line in zip(CLASSES, lines, strict=False):
                found = [row for row in mine if row["line"] == line]
                at = [values.index(row["value"]) for row in found]
                low, median, high = ([100 * row[name] for row in found] for name in ("low", "median", "high"))
                axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0.0)
                axes.plot(at, median, color=colour, marker="o", markersize=4, linewidth=1.5, label=line)
            axes.set_xticks(range(len(values)), [value if isinstance(value, str) else f"{value:g}" for value in values])
            first = axes is across[0]
            tidy(axes, title=panel, x=mine[0]["label"], y=f"{group}\naccuracy (%)" if first else "")
    grid[0][0].legend(fontsize=SMALL, edgecolor="none", loc="lower left", title_fontsize=SMALL)
    page.suptitle("One disturbance at a time", x=0.01, ha="left", fontsize=TITLE + 1, color=INK)
    page.tight_layout()
    return page
