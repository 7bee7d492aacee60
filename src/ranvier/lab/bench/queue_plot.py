"""Picture of `bench queues`: time of a step for every queue and case, ours beside adseq's."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.ticker import NullFormatter

from ranvier.plots.style import CLASSES, SMALL, figure, tidy


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the picture: a row of panels per pass, a panel per case.

    Args:
        rows: Rows of `ranvier.lab.bench.queues.measure`.
        path: File to write.
    """
    cases = list(dict.fromkeys(row["case"] for row in rows))
    picture = figure(3.2 * len(cases) + 1.2, 6.4)
    panels = picture.subplots(2, len(cases), squeeze=False, sharey=True)
    for line, name in zip(panels, ("forward", "gradient"), strict=True):
        for axes, case in zip(line, cases, strict=True):
            shown = [row for row in rows if row["case"] == case]
            for shift, key, colour, label in (
                (-0.2, f"{name}_us", CLASSES[0], "ranvier"),
                (0.2, f"adseq_{name}_us", CLASSES[1], "adseq 0.9.4"),
            ):
                bars = [
                    (at + shift, row[key])
                    for at, row in enumerate(shown)
                    if not isinstance(row[key], str) and (key.startswith(name) or row["adseq_exact"] != "NO")
                ]
                if bars:
                    axes.barh(*zip(*bars, strict=True), height=0.38, color=colour, label=label)
            axes.set_yticks(range(len(shown)), [row["queue"] for row in shown], fontsize=SMALL)
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlim(left=0.1)
            tidy(axes, title=f"{case}, {name}", x="µs per step")
    panels[0, 0].invert_yaxis()
    picture.legend(*panels[0, 0].get_legend_handles_labels(), fontsize=SMALL, frameon=False, ncols=2, loc="lower right")
    picture.tight_layout(rect=(0, 0.03, 1, 1))
    picture.savefig(path, dpi=110)
