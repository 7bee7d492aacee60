"""What a page is made of: values, each of which the page's script knows how to draw by the name of its class.

Numbers that are not finite are left out of a picture: a line has a gap there.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

Number = float | int
Numbers = Sequence[Number | None] | Float[np.ndarray, " _"] | Int[np.ndarray, " _"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class AbstractFigure:
    """Something on a page.

    Args:
        title: What is seen.
        note: More about it, in a sentence.
    """

    title: str = ""
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Tile:
    """One number that matters.

    Args:
        name: What it is.
        value: The number, as it is written.
        note: More about it, in a few words.
    """

    name: str
    value: str
    note: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Tiles(AbstractFigure):
    """Numbers that matter, side by side."""

    tiles: Sequence[Tile]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Table(AbstractFigure):
    """Rows of text.

    Args:
        columns: What stands above each column; the columns from `numbers` on are numbers.
        rows: One text for each column.
        numbers: How many columns are words; the others are set to the right.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Notes(AbstractFigure):
    """Paragraphs.

    Args:
        words: A heading, which may be empty, and a text, for each of them.
    """

    words: Sequence[tuple[str, str]]


@dataclasses.dataclass(frozen=True, eq=False)
class Series:
    """One line of a picture.

    Args:
        name: What it is.
        values: One number for each place of the axis; those that are not finite are gaps.
        dashed: Whether the line is dashed.
        colour: Which colour, from 0; default that of its place among the lines.
    """

    name: str
    values: Numbers
    dashed: bool = False
    colour: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Lines(AbstractFigure):
    """Curves over one axis.

    Args:
        x: What the axis is, with its unit.
        y: What is shown, with its unit.
        at: The places along the axis, ascending.
        series: The curves.
        log: Whether the numbers are shown by their logarithms, if all are above 0.
        mark: A place that is marked, such as the best epoch.
        level: A height that is marked, such as the accuracy on test data.
        level_name: What it is.
    """

    x: str
    y: str
    at: Numbers
    series: Sequence[Series]
    log: bool = False
    mark: Number | None = None
    level: Number | None = None
    level_name: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Bands(AbstractFigure):
    """How many numbers move over time: their median, the middle half and nine tenths of them.

    Args:
        x: What the axis is, with its unit.
        y: What the numbers are, with their unit.
        at: The places along the axis.
        quantiles: At each of them the 5, 25, 50, 75 and 95 % quantiles.
        mark: A place that is marked.
        colour: Which colour, from 0.
    """

    x: str
    y: str
    at: Numbers
    quantiles: Sequence[Numbers]
    mark: Number | None = None
    colour: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Histogram(AbstractFigure):
    """How numbers are spread, at several moments.

    Args:
        x: What the numbers are, with their unit.
        edges: Limits of the bins.
        counts: For each moment, by name, how many numbers are in each bin.
        bounds: Places that are marked, such as bounds of delays.
        colour: Which colour the last moment has, from 0.
    """

    x: str
    edges: Numbers
    counts: Mapping[str, Numbers]
    bounds: Sequence[Number] = ()
    colour: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class Sample:
    """The spikes of one sample.

    Args:
        title: What it is, and what came of it.
        time: Time of each spike (ms), ascending.
        neuron: Which neuron fired, numbered through all populations.
        right: Whether the answer was right; None where that is not known.
        traces: Potentials of outputs that do not spike, one row for each; empty without such.
    """

    title: str
    time: Float[np.ndarray, " spikes"]
    neuron: Int[np.ndarray, " spikes"]
    right: bool | None = None
    traces: Sequence[Numbers] = ()


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Raster(AbstractFigure):
    """Spikes of samples, one sample at a time.

    Args:
        names: Name of each population.
        starts: Number of the first neuron of each population, and how many neurons there are.
        units: Names of the outputs; empty for numbers.
        t_end: End of a sample (ms).
        samples: The samples.
        times: At which times (ms) there are potentials.
        outputs: Whether the last population is that of the outputs, which have a colour each.
    """

    names: Sequence[str]
    starts: Sequence[int]
    units: Sequence[str]
    t_end: Number
    samples: Sequence[Sample]
    times: Numbers = ()
    outputs: bool = True


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Matrix(AbstractFigure):
    """How often each answer was given to the samples of each class.

    Args:
        classes: Names of the classes.
        counts: Number of samples of each class (row) with each answer (column; the last one is no answer).
    """

    classes: Sequence[str]
    counts: Int[np.ndarray, "classes answers"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Plane(AbstractFigure):
    """What is answered where in a plane of inputs.

    Args:
        classes: Names of the classes.
        answer: Answer at each point of a square grid from 0 to 1, -1 for none; rows go up.
        lead: How clear it is, 0 to 9.
        truth: The right answer, -1 where there are no samples.
        points: Samples, shape (samples, 2).
        label: Their classes.
        said: What was answered to them.
    """

    classes: Sequence[str]
    answer: Int[np.ndarray, "rows rows"]
    lead: Int[np.ndarray, "rows rows"]
    truth: Int[np.ndarray, "rows rows"]
    points: Float[np.ndarray, "samples 2"]
    label: Int[np.ndarray, " samples"]
    said: Int[np.ndarray, " samples"]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Points(AbstractFigure):
    """Numbers of groups side by side, each a point with a name, and the median of each group.

    Args:
        y: What the numbers are, with their unit.
        groups: For each group its name, and its points: a name and a number.
    """

    y: str
    groups: Sequence[tuple[str, Sequence[tuple[str, Number]]]]


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """A part of a page.

    Args:
        title: Its heading, which the list of contents shows.
        figures: What is in it.
        words: What it says, in a sentence or two.
    """

    title: str
    figures: Sequence[AbstractFigure]
    words: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Page:
    """A whole page.

    Args:
        title: Its heading.
        sections: Its parts.
        words: What stands below the heading.
    """

    title: str
    sections: Sequence[Section]
    words: str = ""
