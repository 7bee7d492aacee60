"""How accuracy comes about: against epochs and against time, one line for each training."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, SMALL, figure, tidy


def courses(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Accuracy over the course of trainings: above against epochs, below against seconds of training.

    Args:
        rows: One for each training: `panel`, what is learned, `line`, how, and of each epoch `accuracy` in [0, 1] and
            `seconds`. Trainings of one panel and line have one colour.

    Returns:
        A figure.

    Example:
        >>> from ranvier.plots import courses
        >>> row = {"panel": "order", "line": "value", "accuracy": [0.5, 0.9], "seconds": [2.0, 1.0]}
        >>> len(courses([row]).axes)
        2
    """
    panels, lines = (list(dict.fromkeys(row[name] for row in rows)) for name in ("panel", "line"))
    wide = min(max(len(panels), 1), 4)
    deep = -(-max(len(panels), 1) // wide)
    page = figure(3.4 * wide + 0.6, 5.4 * deep + 0.4, layout="constrained")
    grid = page.subplots(2 * deep, wide, squeeze=False, sharey=True)
    for at in range(deep * wide):
        pair = grid[2 * (at // wide)][at % wide], grid[2 * (at // wide) + 1][at % wide]
        if at >= len(panels):
            for axes in pair:
                page.delaxes(axes)
            continue
        for axes, x in zip(pair, ("epoch", "seconds of training"), strict=True):
            labelled: set[str] = set()
            for row in (row for row in rows if row["panel"] == panels[at]):
                seconds = np.cumsum(row["seconds"])
                along = seconds if axes is pair[1] else np.arange(1, len(seconds) + 1)
                label = None if row["line"] in labelled else row["line"]
                labelled.add(row["line"])
                colour = CLASSES[lines.index(row["line"]) % len(CLASSES)]
                axes.plot(along, [100 * one for one in row["accuracy"]], color=colour, linewidth=1.2, label=label)
            tidy(axes, title=panels[at] if axes is pair[0] else "", x=x, y="accuracy (%)" if at % wide == 0 else "")
    if panels:
        grid[0][0].legend(fontsize=SMALL, edgecolor="none", loc="lower right")
    return page
