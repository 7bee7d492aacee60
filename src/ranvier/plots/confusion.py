"""Confusion matrices: what was answered to the samples of each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ranvier.plots.style import CLASSES, INK, SMALL, axes_or_new, tidy, tint


def confusion_matrix(
    label: Int[np.ndarray, " samples"],
    answer: Int[np.ndarray, " samples"],
    classes: Sequence[str],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw how many samples of each class got each answer; wrong ones are coloured, by their share of the class.

    Args:
        label: Class of each sample.
        answer: What was answered, -1 for nothing.
        classes: Names of the classes.
        ax: Where to draw; default a new figure.

    Returns:
        The axes.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> axes = rv.plots.confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, -1]), ["a", "b"])
        >>> axes.get_title(loc="left")
        '2 of 3 wrong'
    """
    size = len(classes)
    axes = axes_or_new(ax, *(2 * (min(max(4.5, 0.45 * size + 1.5), 14.0),)))
    counts = confusion_counts(label, answer, size)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(size, size + 1, dtype=bool)
    worst = np.max(shares, initial=0.0, where=~right) or 1.0
    room = axes.get_window_extent().width * 72 / axes.figure.dpi / (size + 1)
    font = min(SMALL, room / (0.65 * max(len(str(counts.max(initial=0))), 1)))
    for row, column in np.ndindex(counts.shape):
        share, correct = shares[row, column], right[row, column]
        colour = tint(CLASSES[0], 0.35 * share) if correct else tint(CLASSES[5], 0.85 * share / worst)
        axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=colour))
        if counts[row, column] and font >= 4:
            axes.text(column, row, str(counts[row, column]), fontsize=font, color=INK, ha="center", va="center")
    wrong = int(counts.sum() - counts[right].sum())
    tidy(axes, title=f"{wrong} of {counts.sum()} wrong", x="answer", y="class")
    axes.grid(visible=False)
    longest = max((len(name) for name in [*classes, "none"]), default=1)
    axes.set_xticks(range(size + 1), [*classes, "none"], rotation=90 if 0.6 * SMALL * longest > room else 0)
    axes.set_yticks(range(size), classes)
    axes.tick_params(length=0, labelsize=float(np.clip(0.9 * room, 4, SMALL)))
    axes.set(xlim=(-0.5, size + 0.5), ylim=(size - 0.5, -0.5))
    return axes


def confusion_counts(
    label: Int[np.ndarray, " samples"], answer: Int[np.ndarray, " samples"], classes: int
) -> Int[np.ndarray, "classes answers"]:
    """Number of samples of each class (row) with each answer (column, the last one for none).

    Example:
        >>> import numpy as np
        >>> from ranvier.plots.confusion import confusion_counts
        >>> confusion_counts(np.array([0, 0, 1]), np.array([0, 1, -1]), 2).tolist()
        [[1, 1, 0], [0, 0, 1]]
    """
    counts = np.zeros((classes, classes + 1), np.int64)
    np.add.at(counts, (label, np.where(answer < 0, classes, answer)), 1)
    return counts
