"""The look that all pictures share: colours, fonts, and axes without clutter.

Figures are made with `figure`, which needs no screen and leaves Matplotlib's global state alone.
"""

import math
import textwrap
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

CLASSES = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
    "#7F6FC9",
    "#8A8A22",
    "#444444",
    "#B03060",
)
"""One colour for each class, told apart by most colour-blind people (after Okabe & Ito)."""

INK = "#23272E"
FAINT = "#9AA1AB"
GRID = "#E4E7EB"
EXCITATORY = "#4A5568"
INHIBITORY = "#C2416B"
WEIGHT = "#4C6A92"
DELAY = "#8A5A9E"

TITLE, LABEL, SMALL = 12.5, 11, 9.5
"""Font sizes in points."""


def figure(width: float, height: float, *, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure (inches) that can be saved anywhere.

    Args:
        width: Width (inches).
        height: Height (inches).
        layout: `"constrained"` leaves room for titles and labels; default none.

    Example:
        >>> from ranvier.plots.style import figure
        >>> figure(4.0, 3.0).get_size_inches().tolist()
        [4.0, 3.0]
    """
    made = Figure(figsize=(width, height), facecolor="white", layout=layout)
    FigureCanvasAgg(made)
    return made


def axes_or_new(ax: Axes | None, width: float, height: float) -> Axes:
    """The axes that were given, or those of a new figure of this size (inches), with room for titles and labels.

    Example:
        >>> from ranvier.plots.style import axes_or_new
        >>> axes_or_new(None, 4.0, 3.0).figure.get_size_inches().tolist()
        [4.0, 3.0]
    """
    return figure(width, height, layout="constrained").add_subplot() if ax is None else ax


def tidy(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Title on the left, labels, no box, a grid that stays behind.

    Args:
        axes: Where.
        title: What is seen.
        x: Label of the x axis, with its unit.
        y: Label of the y axis, with its unit.
    """
    headline(axes, title)
    axes.set_xlabel(x, fontsize=LABEL, color=INK)
    axes.set_ylabel(y, fontsize=LABEL, color=INK)
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def headline(axes: Axes, title: str, *, colour: str = INK) -> None:
    """A title on the left; where it is wider than the axes it is smaller, and if need be in several lines."""
    width = axes.get_window_extent().width * 72 / axes.figure.dpi
    size = float(np.clip(width / (0.6 * max(len(title), 1)), SMALL, TITLE))
    lines = textwrap.wrap(title, max(12, int(width / (0.6 * size)) + 1))
    axes.set_title("\n".join(lines), loc="left", fontsize=size, color=colour, fontweight="bold")


def logarithmic(axis: Axis, values: Float[np.ndarray, " n"]) -> None:
    """A logarithmic axis for numbers >= 0. Where some are 0 they stand at 0, below the smallest of the others.

    Args:
        axis: The axis, for instance `axes.yaxis`.
        values: All numbers shown along it; without one above 0, or with one below, the axis stays linear.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots.style import figure, logarithmic
        >>> axes = figure(4.0, 3.0).add_subplot()
        >>> logarithmic(axes.yaxis, np.array([0.0, 1.0, 10.0]))
        >>> axes.get_yscale(), [float(label) for label in axes.yaxis.get_major_locator().locs if label < 1]
        ('symlog', [0.0])
    """
    finite = values[np.isfinite(values)]
    above = finite[finite > 0]
    if not above.size or finite.min() < 0:
        return
    least, most, zero = float(above.min()), float(above.max()), bool((finite == 0).any())
    set_scale = axis.axes.set_xscale if axis is axis.axes.xaxis else axis.axes.set_yscale
    set_scale("symlog", linthresh=least, linscale=0.35) if zero else set_scale("log")
    ticks = [digit * 10.0**power
             for power in range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
             for digit in ((1, 2, 5) if most / least < 200 else (1,))]  # fmt: skip
    inside = [tick for tick in ticks if 0.999 * least <= tick <= 1.001 * most]
    inside = inside if len(inside) > 1 else [least, most]
    axis.set_major_locator(FixedLocator([0.0, *inside] if zero else inside))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
    low = -0.25 * least if zero else least / (most / least) ** 0.06 / 1.06
    axis.set_view_interval(low, most * (most / least) ** 0.06 * 1.06, ignore=True)


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white: strength 0 is white, 1 the colour itself.

    Example:
        >>> from ranvier.plots.style import tint
        >>> tint("#000000", 0.25)
        (0.75, 0.75, 0.75)
    """
    red, green, blue = (1 + strength * (part - 1) for part in to_rgb(colour))
    return red, green, blue
