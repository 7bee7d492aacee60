"""Decision maps: which output answers where in a plane of inputs, and where it is wrong."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from ranvier.plots.style import CLASSES, INK, axes_or_new

Extent = tuple[float, float, float, float]


def decision_map(
    answer: Int[np.ndarray, "rows columns"],
    *,
    lead: Float[np.ndarray, "rows columns"] | None = None,
    truth: Int[np.ndarray, "rows columns"] | None = None,
    extent: Extent = (0.0, 1.0, 0.0, 1.0),
    colours: Sequence[str] = CLASSES,
    ax: Axes | None = None,
) -> Axes:
    """Colour a plane by the class that a network answers with.

    Args:
        answer: Class at each point of a grid, -1 for none (grey); rows go up, columns to the right.
        lead: By how much the answer comes before the next one (ms, inf allowed): the larger, the stronger the
            colour.
        truth: The right class at each point; its borders are drawn, and where it is negative the map is pale.
        extent: Left, right, bottom and top of the plane.
        colours: One colour for each class.
        ax: Where to draw; default a new figure.

    Returns:
        The axes.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> len(rv.plots.decision_map(np.array([[0, 1], [2, -1]])).images)
        1
    """
    axes = axes_or_new(ax, 4.5, 4.5)
    palette = np.array([to_rgb(colour) for colour in colours] + [to_rgb("#808080")])
    strength = np.full(answer.shape, 0.55)
    if lead is not None:
        finite = lead[np.isfinite(lead) & (lead > 0)]
        typical = np.median(finite) if finite.size else 1.0
        strength = 0.18 + 0.5 * -np.expm1(-np.clip(lead, 0, 50 * typical) / typical)
    if truth is not None:
        strength = np.where(truth < 0, 0.12, strength)
    picture = 1 + strength[..., None] * (palette[answer] - 1)
    axes.imshow(picture, origin="lower", extent=extent, interpolation="bilinear", aspect="equal")
    if truth is not None:
        left, right, bottom, top = extent
        across, up = np.linspace(left, right, truth.shape[1]), np.linspace(bottom, top, truth.shape[0])
        for kind in np.unique(truth):
            axes.contour(across, up, truth == kind, levels=[0.5], colors=[INK], linewidths=0.7, alpha=0.55)
    return axes


def misses(
    axes: Axes,
    points: Float[np.ndarray, "samples 2"],
    label: Int[np.ndarray, " samples"],
    answer: Int[np.ndarray, " samples"],
    *,
    colours: Sequence[str] = CLASSES,
) -> int:
    """Mark the samples that were answered wrongly, each in the colour of its true class.

    Args:
        axes: Where to draw.
        points: Position of each sample in the plane.
        label: Its class.
        answer: What the network said, -1 for nothing.
        colours: One colour for each class.

    Returns:
        How many there are.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots.decisions import misses
        >>> from ranvier.plots.style import figure
        >>> axes = figure(4.0, 4.0).add_subplot()
        >>> misses(axes, np.array([[0.2, 0.2], [0.8, 0.8]]), np.array([0, 1]), np.array([0, 2]))
        1
    """
    wrong = label != answer
    size = float(np.clip(38 - wrong.sum() / 8, 10, 34))
    shades = [colours[kind] for kind in label[wrong]]
    axes.scatter(*points[wrong].T, s=size, c=shades, edgecolors=INK, linewidths=size / 34, zorder=3)
    return int(wrong.sum())
