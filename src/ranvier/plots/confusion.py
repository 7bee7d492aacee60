"""Confusion matrices: what was answered to the samples of each class."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from ranvier.plots.style import CLASSES, INK, SMALL, tidy, tint


def confusion_matrix(
    axes: Axes,
    label: Int[np.ndarray, " samples"],
    answer: Int[np.ndarray, " samples"],
    classes: Sequence[str],
) -> Int[np.ndarray, "classes answers"]:
    """Draw how many samples of each class got each answer; wrong ones are coloured, by their share of the class.

    Args:
        axes: Where to draw.
        label: Class of each sample.
        answer: What was answered, -1 for nothing.
        classes: Names of the classes.

    Returns:
        The numbers: a row for each class, a column for each answer, the last one for none.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots import confusion_matrix
        >>> from ranvier.plots.style import figure
        >>> axes = figure(4.0, 4.0).add_subplot()
        >>> confusion_matrix(axes, np.array([0, 0, 1]), np.array([0, 1, -1]), ["a", "b"]).tolist()
        [[1, 1, 0], [0, 0, 1]]
    """
    size = len(classes)
    counts = np.zeros((size, size + 1), np.int64)
    np.add.at(counts, (label, np.where(answer < 0, size, answer)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    right = np.eye(size, size + 1, dtype=bool)
    worst = np.max(shares, initial=0.0, where=~right) or 1.0
    for row, column in np.ndindex(counts.shape):
        share, correct = shares[row, column], right[row, column]
        colour = tint(CLASSES[0], 0.35 * share) if correct else tint(CLASSES[5], 0.85 * share / worst)
        axes.add_patch(Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, color=colour))
        if counts[row, column]:
            axes.text(column, row, str(counts[row, column]), fontsize=SMALL, color=INK, ha="center", va="center")
    wrong = int(counts.sum() - counts[right].sum())
    tidy(axes, title=f"{wrong} of {counts.sum()} wrong", x="answer", y="class")
    axes.grid(visible=False)
    axes.set_xticks(range(size + 1), [*classes, "none"])
    axes.set_yticks(range(size), classes)
    axes.set(xlim=(-0.5, size + 0.5), ylim=(size - 0.5, -0.5))
    axes.tick_params(length=0)
    return counts
