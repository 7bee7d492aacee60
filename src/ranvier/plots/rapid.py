"""The picture of the study `rapid`: test accuracy by case, over time after the onset, and against spikes."""

import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, DELAY, FAINT, INK, SMALL, WEIGHT, figure, tidy


def draw_rapid(rows: Sequence[dict[str, Any]]) -> Figure:
    """Draw the outcome of the study.

    Args:
        rows: One for each training, as in `results.json`.

    Returns:
        The figure: on the left the test accuracy of each case, every seed a point, and that on test data backwards in
        time; on the right accuracy over time, and accuracy against spikes of an inference.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['question']} {row['case']}", []).append(row)
    page = figure(12.0, max(4.5, 1.5 + 0.24 * len(groups)), layout="constrained")
    grid = page.add_gridspec(2, 2, width_ratios=[1.3, 1.0])
    _cases(page.add_subplot(grid[:, 0]), groups)
    _over_time(page.add_subplot(grid[0, 1]), groups)
    _against_spikes(page.add_subplot(grid[1, 1]), groups)
    return page


def _cases(axes: Axes, groups: dict[str, list[dict[str, Any]]]) -> None:
    for place, group in enumerate(groups.values()):
        for field, colour, mark in (("backwards", FAINT, "x"), ("test", WEIGHT, ".")):
            axes.plot([100 * row[field] for row in group], [place] * len(group), mark, color=colour)
        axes.plot(100 * statistics.median(row["test"] for row in group), place, "|", color=INK, markersize=14)
    axes.set_yticks(range(len(groups)), list(groups), fontsize=SMALL)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    tidy(axes, title="test accuracy (crosses: time reversed)", x="%")


def _over_time(axes: Axes, groups: dict[str, list[dict[str, Any]]]) -> None:
    shown = [(name, group) for name, group in groups.items() if group[0]["times"]][: len(CLASSES)]
    for colour, (name, group) in zip(CLASSES, shown, strict=False):
        course = np.median([row["over_time"] for row in group], axis=0)
        axes.plot(group[0]["times"], 100 * course, color=colour, linewidth=1.2, label=name)
    if shown:
        axes.legend(fontsize=7, frameon=False, loc="lower right")
    tidy(axes, title="the answer so far", x="time (ms)", y="accuracy (%)")


def _against_spikes(axes: Axes, groups: dict[str, list[dict[str, Any]]]) -> None:
    for name, group in groups.items():
        spikes, right = (statistics.median(row[field] for row in group) for field in ("spikes", "test"))
        axes.plot(spikes, 100 * right, "o", color=DELAY if name.startswith("cost") else FAINT)
    axes.set_xscale("symlog", linthresh=1.0)
    tidy(axes, title="with how few spikes (violet: spikes cost)", x="hidden spikes of an inference", y="accuracy (%)")
