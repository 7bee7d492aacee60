"""Picture of `bench scaling`: time and memory against each number that is varied, and the small problem."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.lab.bench.scaling import LONG, SMALL, USUAL, along
from ranvier.plots.style import CLASSES, figure, tidy

NAMES = {
    "longest": "longest delay (ms)",
    "duration": "duration (ms)",
    "hidden": "hidden neurons",
    "spikes": "input spikes per s",
    "batch": "samples of a batch",
    "threads": "cores",
}
SMALLEST = "the small problem"


def draw(rows: Sequence[Mapping[str, Any]], path: Path | str) -> None:
    """Write the picture: a column for each number that is varied, the small problem last.

    Args:
        rows: What `ranvier.lab.bench.scaling.measure` gave.
        path: File to write.
    """
    whole = [dict(row) for row in rows if row["failed"] is None]
    page = figure(17.0, 6.5, layout="constrained")
    grid = page.subplots(2, len(NAMES) + 1, squeeze=False)
    libraries = list(dict.fromkeys(row["by"] for row in whole))
    colours = {by: CLASSES[at % len(CLASSES)] for at, by in enumerate(libraries)}
    for by, colour in colours.items():
        mine = [row for row in whole if row["by"] == by]
        for column, name in enumerate(NAMES):
            shown = (along(mine, name, LONG) if name == "longest" else []) or along(mine, name, USUAL)
            per = [1.0 if name == "duration" else row["duration"] / 1000.0 for row in shown]
            times = [row["ms_per_sample"] / seconds for row, seconds in zip(shown, per, strict=True)]
            for axes, values in zip(grid[:, column], (times, [row["mb"] for row in shown]), strict=True):
                axes.plot([row[name] for row in shown], values, "o-", color=colour, label=by)
        small = [row for row in mine if all(row[name] == value for name, value in dataclasses.asdict(SMALL).items())]
        for axes, field in zip(grid[:, -1], ("ms_per_sample", "mb"), strict=True):
            axes.barh([by] * len(small), [row[field] for row in small], color=colour)
    for column, words in enumerate((*NAMES.values(), SMALLEST)):
        time = "ms per sample" if words in ("duration (ms)", SMALLEST) else "ms per second of a sample"
        for axes, unit in zip(grid[:, column], (time, "MB"), strict=True):
            _scale(axes, words, unit, small=column == len(NAMES))
    page.legend(*grid[0, 0].get_legend_handles_labels(), frameon=False, ncols=len(libraries), loc="outside lower left")
    page.savefig(path, dpi=120)


def _scale(axes: Any, words: str, unit: str, *, small: bool) -> None:
    """Logarithms on both axes; bars along one."""
    tidy(axes, x=unit if small else words, y="" if small else unit)
    axes.set_xscale("log", base=10 if small else 2)
    if small:
        axes.set_title(words)
        axes.invert_yaxis()
        return
    axes.set_yscale("log")
    values = sorted({value for line in axes.lines for value in line.get_xdata()})
    ticks = [value for at, value in enumerate(values) if at == 0 or value > 1.1 * values[at - 1]]
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks], rotation=60)
    axes.minorticks_off()
