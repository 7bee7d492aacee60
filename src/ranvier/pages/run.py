"""The page of a training run: what it came to first, then how, and why."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ranvier.events import Spikes
from ranvier.pages.figures import (
    AbstractFigure,
    Bands,
    Histogram,
    Lines,
    Matrix,
    Notes,
    Page,
    Raster,
    Sample,
    Section,
    Series,
    Table,
    Tile,
    Tiles,
)
from ranvier.plots.confusion import confusion_counts
from ranvier.plots.fitted import FitRun
from ranvier.plots.histograms import parameters

DRAWN = 6000
"""Spikes of a sample that are drawn at most."""
THIN = 2
"""Every so many-th potential is drawn."""
CLASSES = 60
"""Classes up to which there is a matrix of answers."""
QUANTILES = "quantiles"
"""Name of the quantiles of what learns among the metrics of an epoch."""


@dataclasses.dataclass(frozen=True, eq=False)
class Known:
    """What else is known of a run; what is not is left empty.

    Args:
        words: What was trained, in a line.
        tiles: Numbers that matter.
        classes: Names of the classes.
        judged: Whose answers are shown, such as `test`.
        test_accuracy: Accuracy on test data.
        right: For each sample that was kept whether it was answered rightly; empty where that is not known.
        answers: Pictures of the answers, such as a map of decisions.
        operations: Rows of a table of operations: name, value, meaning.
        operations_of: The samples that they are of.
        doctor: Headings and texts of what the doctor says; None where it was not asked.
        settings: Settings, by name.
        origin: Versions, device and the like, by name.
    """

    words: str = ""
    tiles: Sequence[Tile] = ()
    classes: Sequence[str] = ()
    judged: str = "validation"
    test_accuracy: float | None = None
    right: Sequence[bool] = ()
    answers: Sequence[AbstractFigure] = ()
    operations: Sequence[Sequence[str]] = ()
    operations_of: str = ""
    doctor: Sequence[tuple[str, str]] | None = None
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    origin: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def run_page(run: FitRun, known: Known = Known()) -> Page:
    """The page of a run, with the sections for which something is known.

    Args:
        run: The run.
        known: What else is known.

    Example:
        >>> from ranvier.pages import run_page
        >>> from ranvier.plots.fitted import FitRun
        >>> lines = [{"epoch": n, "loss": 1 / n, "validation_loss": 1.1 / n} for n in (1, 2, 3)]
        >>> [section.title for section in run_page(FitRun("mine", lines, chosen=3)).sections]
        ['Learning']
    """
    sections = [
        Section("Summary", (Tiles(tiles=known.tiles),) if known.tiles else ()),
        Section("Learning", _curves(run, known)),
        Section("Answers", [*known.answers, *_judged(run, known)], _share(run, known)),
        Section("Samples", _rasters(run, known)),
        Section("Weights and delays", [*_histograms(run), *_courses(run)]),
        Section("Operations", _operations(known), known.operations_of),
        Section("Doctor", () if known.doctor is None else (Notes(words=known.doctor),)),
        Section("Configuration", _configuration(known)),
    ]
    words = "   ·   ".join(part for part in (known.words, run.note) if part)
    return Page(run.name, [section for section in sections if section.figures], words)


def _curves(run: FitRun, known: Known) -> list[AbstractFigure]:
    """What was written down after every epoch."""
    lines = run.history
    if not lines:
        return []
    common = {"x": "epoch", "at": [line["epoch"] for line in lines], "mark": run.chosen}
    value = lambda name, times=1.0: [times * line[name] if name in line else None for line in lines]
    found: list[AbstractFigure] = [
        Lines(
            title="Loss", y="loss", log=True, **common,
            series=(Series("training", value("loss")), Series("validation", value("validation_loss"))),
            note="" if run.chosen is None else f"Dotted: epoch {run.chosen}, whose network was kept.",
        )
    ]  # fmt: skip
    if "accuracy" in lines[0]:
        level = None if known.test_accuracy is None else 100 * known.test_accuracy
        shares = (Series("training", value("accuracy", 100)), Series("validation", value("validation_accuracy", 100)))
        found.append(
            Lines(
                title="Accuracy", y="right answers (%)", series=shares, level=level,
                level_name="test, once, at the end", **common,
            )
        )  # fmt: skip
    for title, y, name, times, log in (
        ("Spikes", "spikes per neuron and sample", "spikes_per_neuron", 1.0, False),
        ("Silent neurons", "neurons without a spike in a sample (%)", "silent", 100.0, False),
        ("Learning rates", "learning rate", "learning_rate", 1.0, True),
    ):
        parts = lines[0].get(name) or {}
        if isinstance(parts, Mapping) and parts:
            series = [Series(part, [times * line[name].get(part, np.nan) for line in lines]) for part in parts]
            found.append(Lines(title=title, y=y, series=series, log=log, **common))
    return found


def _share(run: FitRun, known: Known) -> str:
    if run.label is None or run.answer is None:
        return ""
    right = int(np.sum(run.label == run.answer))
    share = _percent(right, len(run.label))
    return f"{right:,} of {len(run.label):,} {known.judged} samples are answered rightly, {share}."


def _judged(run: FitRun, known: Known) -> list[AbstractFigure]:
    """Confusions and a row for each class."""
    label, answer = run.label, run.answer
    if label is None or answer is None:
        return []
    kinds = max(len(known.classes), int(max(label.max(), answer.max())) + 1)
    names = class_names(known.classes, kinds)
    counts = confusion_counts(label, answer, kinds)
    found: list[AbstractFigure] = []
    if kinds <= CLASSES:
        found.append(
            Matrix(
                title="Which answer to which class", classes=names, counts=counts,
                note=f"Rows: class of a {known.judged} sample; columns: answer. Point at a field for its numbers.",
            )
        )  # fmt: skip
    return [*found, _each_class(names, counts)]


def _each_class(names: Sequence[str], counts: Int[np.ndarray, "classes answers"]) -> Table:
    """Recall, precision and the most frequent wrong answer of each class."""
    rows = []
    for kind, name in enumerate(names):
        own, right, said = map(int, (counts[kind].sum(), counts[kind, kind], counts[:, kind].sum()))
        wrong = counts[kind].copy()
        wrong[kind] = 0
        worst = int(wrong.argmax())
        confused = f"{[*names, 'none'][worst]} ({wrong[worst]:,})" if wrong[worst] else "-"
        rows.append((name, f"{own:,}", _percent(right, own), _percent(right, said), confused))
    columns = ("class", "samples", "right", "right where answered", "most frequent mistake")
    note = (
        "Right: share of the class (recall). Right where answered: share of the samples with this answer (precision)."
    )
    return Table(title="Class by class", columns=columns, rows=rows, note=note)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def class_names(known: Sequence[str], kinds: int) -> list[str]:
    """Names of so many classes: those that are known, then numbers.

    Example:
        >>> from ranvier.pages.run import class_names
        >>> class_names(("yes",), 2)
        ['yes', '1']
    """
    return [known[kind] if kind < len(known) else str(kind) for kind in range(kinds)]


def _rasters(run: FitRun, known: Known) -> list[AbstractFigure]:
    """The spikes of the samples that were kept."""
    if not run.spikes or run.network is None:
        return []
    names = [name for name in run.network.names if name in run.spikes]
    starts = np.cumsum([0, *(run.network.size(name) for name in names)]).tolist()
    count = min(len(np.asarray(run.spikes[name].time)) for name in names)
    parts = [_sample(run, known, names, starts, place) for place in range(count)]
    thinned = max(all_of_them for _, all_of_them in parts)
    note = "Inputs at the bottom. Point at a spike for its neuron and time."
    if run.voltages:
        note += " At the top: potentials of the outputs."
    if thinned > DRAWN:
        note += f" Of the {thinned:,} spikes of a sample at most {DRAWN:,} are drawn, evenly chosen."
    samples = [sample for sample, _ in parts]
    last = run.network.names[-1]
    times = run.voltages[last][0][::THIN] if last in run.voltages else ()
    units = class_names(known.classes, run.network.size(last)) if known.classes else ()
    return [
        Raster(
            title="Spikes", names=names, starts=starts, units=units, t_end=run.t_end, samples=samples, note=note,
            times=times, outputs=names[-1] == last,
        )
    ]  # fmt: skip


def _sample(run: FitRun, known: Known, names: Sequence[str], starts: Sequence[int], place: int) -> tuple[Sample, int]:
    """The spikes of one sample, and how many it has."""
    trains = [_flat(run.spikes[name], place, start) for name, start in zip(names, starts, strict=False)]
    time, neuron = (np.concatenate(part) for part in zip(*trains, strict=True))
    order, every = np.argsort(time, kind="stable"), len(time)
    if every > DRAWN:
        order = order[np.linspace(0, every - 1, DRAWN).astype(int)]
    title, right, target = f"sample {place}", None, run.target
    if target is not None and target.ndim == 1 and np.issubdtype(target.dtype, np.integer):
        kind = int(target[place])
        title += f": class {class_names(known.classes, kind + 1)[kind]}"
        right = known.right[place] if place < len(known.right) else None
    return Sample(title, time[order], neuron[order], right, _traces(run, place)), every


def _traces(run: FitRun, place: int) -> Sequence[Float[np.ndarray, " times"]]:
    """Potentials of the outputs of one sample, if they do not spike."""
    last = "" if run.network is None else run.network.names[-1]
    return list(run.voltages[last][1][place, ::THIN].T) if last in run.voltages else ()


def _flat(train: Spikes, place: int, start: int) -> tuple[np.ndarray, np.ndarray]:
    time, unit = np.asarray(train.time[place], float), np.asarray(train.unit[place])
    there = np.isfinite(time)
    return time[there], unit[there] + start


def _histograms(run: FitRun) -> list[AbstractFigure]:
    """Weights and delays before training and of the network that was kept."""
    if run.network is None:
        return []
    groups = parameters(run.network)
    before = [None] * len(groups) if run.initial is None else [one.values for one in parameters(run.initial)]
    found = []
    for group, start in zip(groups, before, strict=True):
        moments = {"before training": start} if start is not None else {}
        moments["kept network"] = group.values
        finite = [values[np.isfinite(values)] for values in moments.values()]
        bins = int(np.clip(2 * np.sqrt(group.values.size), 8, 40))
        edges = np.histogram_bin_edges(np.concatenate(finite), bins)
        counts = {name: np.histogram(values, edges)[0] for name, values in zip(moments, finite, strict=True)}
        title = f"{group.values.size:,} {group.title}"
        shade = 6 if group.title.startswith("delays") else 0
        found.append(
            Histogram(title=title, x=group.unit, edges=edges, counts=counts, bounds=group.bounds, colour=shade)
        )
    return found


def _courses(run: FitRun) -> list[AbstractFigure]:
    """How weights and delays moved, if the epochs say so."""
    names = list(run.history[0].get(QUANTILES, {})) if run.history else []
    lines = [line for line in run.history if QUANTILES in line]
    found = []
    for name in names:
        place, _, field = name.rpartition(".")
        found.append(
            Bands(
                title=f"{field}s, {place.replace('->', ' → ')}", x="epoch", y="ms" if field == "delay" else field,
                at=[line["epoch"] for line in lines], quantiles=[line[QUANTILES][name] for line in lines],
                mark=run.chosen, colour=6 if field == "delay" else 0,
                note="Line: median; dark: the middle half; light: nine tenths.",
            )
        )  # fmt: skip
    return found


def _operations(known: Known) -> list[AbstractFigure]:
    if not known.operations:
        return []
    return [Table(columns=("key", "value", "what it is here"), rows=known.operations, numbers=3)]


def _configuration(known: Known) -> list[AbstractFigure]:
    tables = (("Settings", known.settings), ("Where it comes from", known.origin))
    rows = lambda content: [(name, as_text(value)) for name, value in content.items()]
    return [Table(title=title, columns=("name", "value"), rows=rows(content), numbers=2)
            for title, content in tables if content]  # fmt: skip


def as_text(value: Any) -> str:
    """A setting as it is written."""
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)
