"""The look that all pictures share: colours, fonts, and axes without clutter.

Figures are made with `figure`, which needs no screen and leaves Matplotlib's global state alone.
"""

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

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


def figure(width: float, height: float) -> Figure:
    """An empty figure (inches) that can be saved anywhere.

    Example:
        >>> from ranvier.plots.style import figure
        >>> figure(4.0, 3.0).get_size_inches().tolist()
        [4.0, 3.0]
    """
    made = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(made)
    return made


def tidy(axes: Axes, *, title: str = "", x: str = "", y: str = "") -> None:
    """Title on the left, labels, no box, a grid that stays behind.

    Args:
        axes: Where.
        title: What is seen.
        x: Label of the x axis, with its unit.
        y: Label of the y axis, with its unit.
    """
    axes.set_title(title, loc="left", fontsize=TITLE, color=INK, fontweight="bold")
    axes.set_xlabel(x, fontsize=LABEL, color=INK)
    axes.set_ylabel(y, fontsize=LABEL, color=INK)
    axes.tick_params(labelsize=SMALL, colors=INK, length=3)
    axes.set_axisbelow(True)
    axes.grid(color=GRID, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def tint(colour: str, strength: float) -> tuple[float, float, float]:
    """A colour mixed with white: strength 0 is white, 1 the colour itself.

    Example:
        >>> from ranvier.plots.style import tint
        >>> tint("#000000", 0.25)
        (0.75, 0.75, 0.75)
    """
    red, green, blue = (1 + strength * (part - 1) for part in to_rgb(colour))
    return red, green, blue
