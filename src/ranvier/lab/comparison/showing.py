"""A comparison for people: tables for a terminal, and a page for a browser."""

import math
import statistics
from collections.abc import Callable, Sequence

from ranvier.checks.findings import table
from ranvier.lab.comparison.groups import Comparison, Group
from ranvier.lab.comparison.reading import LOSS, TEST, VALIDATION
from ranvier.pages import Lines, Notes, Page, Points, Section, Series, Table

SHOWN = 60
"""Courses of runs that are drawn at most."""

Write = Callable[[float], str]

COLUMNS: dict[str, Write] = {
    TEST: lambda value: f"{100 * value:.2f} %",
    VALIDATION: lambda value: f"{100 * value:.2f} %",
    LOSS: lambda value: f"{value:.4g}",
    "parameters": lambda value: f"{value:,.0f}",
    "seconds": lambda value: f"{value:,.0f}",
}
"""How the numbers of runs are written, by name."""


def rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """A row for each group: letter, what it is, number of seeds, and for each number median, quartiles or both values.

    Args:
        comparison: The comparison.

    Returns:
        Names of the columns, and the rows.
    """
    there = [name for name in COLUMNS if any(group.values(name) for group in comparison.groups)]
    lines = [
        [group.name, group.words, str(len(group.runs)), *(spread(group, name) for name in there)]
        for group in comparison.groups
    ]
    return ["", "runs", "seeds", *there], lines


def spread(group: Group, name: str) -> str:
    """Median of a number of a group, and its spread: the quartiles, of fewer than four runs the range."""
    values, write = sorted(group.values(name).values()), COLUMNS[name]
    if not values:
        return "-"
    middle, short = write(statistics.median(values)), lambda value: write(value).removesuffix(" %")
    if len(set(values)) == 1:
        return middle
    low, high = values[0], values[-1]
    if len(values) >= 4:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle} ({short(low)} to {short(high)})"


def sentences(comparison: Comparison) -> list[str]:
    """What the tests say, one sentence for each."""
    shares = comparison.measure != LOSS
    told = []
    for one, other, test in comparison.tests:
        size = f"{100 * test.difference:+.2f} points" if shares else f"{test.difference:+.4g}"
        told.append(f"{one} minus {other}: mean difference {size}, {test}")
    return told


def as_text(comparison: Comparison) -> str:
    """The whole comparison for a terminal: the groups, their numbers, what they differ in, and the tests.

    Args:
        comparison: The comparison.
    """
    columns, lines = rows(comparison)
    legend = [f"{group.name}  {group.words}" for group in comparison.groups]
    numbers = [{"": line[0], **dict(zip(columns[2:], line[2:], strict=True))} for line in lines]
    parts = ["\n".join(legend), f"{table(numbers)}\n(median, in brackets {_spread_name(comparison)})"]
    if comparison.differences:
        names = [group.name for group in comparison.groups]
        settings = [{"they differ in": name, **dict(zip(names, values, strict=True))}
                    for name, values in comparison.differences]  # fmt: skip
        parts.append(table(settings))
    last = [*sentences(comparison), *([comparison.caution] if comparison.caution else [])]
    return "\n\n".join([*parts, *(["\n".join(last)] if last else [])])


def _spread_name(comparison: Comparison) -> str:
    few = any(len(group.runs) < 4 for group in comparison.groups)
    return "quartiles; of fewer than four seeds the range" if few else "quartiles"


def comparison_page(comparison: Comparison) -> Page:
    """The page of a comparison.

    Args:
        comparison: The comparison.
    """
    columns, lines = rows(comparison)
    measure, groups = comparison.measure, comparison.groups
    times, unit = (1.0, "") if measure == LOSS else (100.0, " (%)")
    points = [
        (
            f"{group.name}  {group.words}",
            [(f"seed {seed}", times * value) for seed, value in group.values(measure).items()],
        )
        for group in groups
    ]
    note = "Each point is a seed; the line is the median. " + comparison.caution
    summary = (
        Table(columns=columns, rows=lines, numbers=2, note=f"Median, in brackets {_spread_name(comparison)}."),
        Points(title=f"{measure.capitalize()}{unit}", y=measure + unit, groups=points, note=note),
        Notes(
            title="Is it more than chance?",
            words=[("", one) for one in sentences(comparison)],
        ),
    )
    settings = Table(columns=("setting", *(group.name for group in groups)), rows=[(name, *values) for name, values
                     in comparison.differences], numbers=1 + len(groups))  # fmt: skip
    sections = [
        Section("Result", summary),
        Section("What they differ in", (settings,) if comparison.differences else ()),
        Section("Learning", _courses(comparison)),
        Section("Every run", (_every(comparison),)),
    ]
    names = (
        " and ".join((", ".join(group.name for group in groups[:-1]), groups[-1].name)) if len(groups) > 1 else "Seeds"
    )
    return Page(
        f"{names} compared", [section for section in sections if section.figures], comparison.groups[0].runs[0].task
    )


def _every(comparison: Comparison) -> Table:
    """A row for each run."""
    there = [name for name in COLUMNS if any(group.values(name) for group in comparison.groups)]
    lines = [
        (
            group.name,
            run.place,
            run.seed,
            *(COLUMNS[name](float(run.numbers[name])) if name in run.numbers else "-" for name in there),
        )
        for group in comparison.groups
        for run in group.runs
    ]
    return Table(columns=("", "run", "seed", *there), rows=lines, numbers=2)


def _courses(comparison: Comparison) -> Sequence[Lines]:
    """Validation over the epochs, one line for each run, one colour for each group."""
    runs = [(place, group, run) for place, group in enumerate(comparison.groups) for run in group.runs if run.history]
    found = []
    for title, name, times, log in (
        ("Validation accuracy", "validation_accuracy", 100.0, False),
        ("Validation loss", "validation_loss", 1.0, True),
    ):
        known = [(place, group, run) for place, group, run in runs if name in run.history[0]]
        if not known:
            continue
        longest = max(len(run.history) for _, _, run in known)
        series = [
            Series(f"{group.name}, seed {run.seed}", [times * line[name] for line in run.history]
                   + [math.nan] * (longest - len(run.history)), colour=place)
            for place, group, run in known[:SHOWN]
        ]  # fmt: skip
        more = "" if len(known) <= SHOWN else f"The first {SHOWN} of {len(known)} runs."
        unit = " (%)" if times > 1 else ""
        found.append(Lines(title=title, x="epoch", y=name.replace("_", " ") + unit, at=list(range(1, longest + 1)),
                           series=series, log=log, note=more))  # fmt: skip
    return found
