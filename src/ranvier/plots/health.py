"""A picture of a diagnosis: how much each population fires, how near it comes to firing, and what learns how much."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, DELAY, FAINT, INHIBITORY, INK, SMALL, WEIGHT, figure, tidy

COLUMNS = 64
"""Letters in a line of the findings."""
LINES = 34


def draw_health(vitals: Any, findings: Sequence[str]) -> Figure:
    """Draw what was measured, and write down what was found.

    Args:
        vitals: A `ranvier.checks.vitals.Vitals`.
        findings: Sentences, the likeliest first.

    Returns:
        The figure.
    """
    page = figure(13.0, 7.2, layout="constrained")
    grid = page.add_gridspec(2, 4, width_ratios=[1, 1, 1, 1.35])
    _counts(page.add_subplot(grid[0, 0]), vitals)
    _peaks(page.add_subplot(grid[0, 1]), vitals)
    _sizes(page.add_subplot(grid[0, 2]), vitals.weights, "weights", "weight", WEIGHT)
    _sizes(page.add_subplot(grid[1, 0]), vitals.delays, "delays that learn", "delay (ms)", DELAY)
    _gradients(page.add_subplot(grid[1, 1]), vitals)
    _answers(page.add_subplot(grid[1, 2]), vitals)
    words = page.add_subplot(grid[:, 3])
    words.axis("off")
    lines = ["\n".join(textwrap.wrap(f"{rank}. {text}", COLUMNS)) for rank, text in enumerate(findings, 1)]
    told = "\n\n".join(lines) if lines else "Nothing conspicuous was found."
    words.text(
        0, 1, "\n".join(told.splitlines()[:LINES]), va="top", fontsize=SMALL, color=INK, transform=words.transAxes
    )
    return page


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.5, -0.5)


def _spread(axes: Axes, row: int, values: np.ndarray, colour: str) -> None:
    """Each value a point, side by side as far as they are many."""
    at = row + np.linspace(-0.3, 0.3, max(len(values), 2))[: len(values)]
    axes.plot(values, at, ".", color=colour, markersize=3)
    axes.plot(np.median(values), row, "|", color=INK, markersize=18)


def _counts(axes: Axes, vitals: Any) -> None:
    layers = {name: layer.count for name, layer in vitals.layers.items() if layer.spiking}
    layers = {name: one.count for name, one in vitals.inputs.items()} | layers
    for row, count in enumerate(layers.values()):
        _spread(axes, row, count.mean(axis=0), CLASSES[row % len(CLASSES)])
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(left=-0.02)
    _rows(axes, list(layers))
    tidy(axes, title="spikes per sample", x="of each unit")


def _peaks(axes: Axes, vitals: Any) -> None:
    for row, layer in enumerate(vitals.layers.values()):
        if np.isfinite(layer.peak).all():
            _spread(axes, row, layer.peak, CLASSES[(row + 1) % len(CLASSES)])
    axes.axvline(1.0, color=INHIBITORY, linewidth=1)
    _rows(axes, list(vitals.layers))
    tidy(axes, title="largest potential", x="in thresholds")


def _sizes(axes: Axes, arrays: dict[str, np.ndarray], title: str, unit: str, colour: str) -> None:
    for row, values in enumerate(arrays.values()):
        flat = values[np.isfinite(values)].ravel()
        if len(flat):
            low, middle, high = np.quantile(flat, [0.05, 0.5, 0.95])
            axes.plot([low, high], [row, row], color=colour, linewidth=5, solid_capstyle="butt")
            axes.plot(middle, row, "|", color=INK, markersize=18)
    if not arrays:
        axes.text(0.5, 0.5, "none", ha="center", color=FAINT, transform=axes.transAxes)
    _rows(axes, list(arrays))
    tidy(axes, title=title, x=f"{unit}, 5 to 95 %")


def _gradients(axes: Axes, vitals: Any) -> None:
    norms = [float(np.linalg.norm(array)) for array in vitals.gradients.values()]
    shown = [norm if np.isfinite(norm) and norm > 0 else np.nan for norm in norms]
    axes.plot(shown, range(len(shown)), "o", color=WEIGHT)
    if np.isfinite(shown).any():
        axes.set_xscale("log")
    else:
        axes.text(0.5, 0.5, "none", ha="center", color=FAINT, transform=axes.transAxes)
    _rows(axes, list(vitals.gradients))
    tidy(axes, title="gradient", x="norm")


def _answers(axes: Axes, vitals: Any) -> None:
    width = 0.4
    for side, (name, classes) in enumerate((("labels", vitals.target), ("answers", vitals.answers))):
        if classes is not None and len(classes):
            counts = np.bincount(classes[classes >= 0], minlength=1)
            places = np.arange(len(counts)) + width * (side - 0.5)
            axes.bar(places, counts, width, label=name, color=(FAINT, WEIGHT)[side])
    if vitals.target is not None or vitals.answers is not None:
        axes.legend(fontsize=SMALL, frameon=False)
    tidy(axes, title="labels and answers", x="class", y="samples")
