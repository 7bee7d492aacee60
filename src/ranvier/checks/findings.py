"""What a diagnosis finds: values with a number, a cause and one thing to do, the likeliest first."""

import dataclasses
import enum
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Symptom(enum.Enum):
    """What may be wrong with a network that does not learn."""

    NOT_FINITE = "numbers that are not finite"
    NO_INPUT = "hardly any input spikes"
    TIME_UNIT = "input times in another unit than ms"
    LATE_INPUT = "input spikes after the end"
    LATE_ARRIVAL = "spikes that arrive after the end"
    TIME_CONSTANT = "time constants that do not go with the input"
    SILENT = "silent neurons"
    SATURATED = "neurons that fire all the time"
    READOUT = "outputs that tell nothing apart"
    ONE_LABEL = "samples of hardly more than one class"
    STEP_TOO_LARGE = "a learning rate that is too high"
    STEP_TOO_SMALL = "a learning rate that is too low"
    EXPLODING = "gradients that explode"
    VANISHING = "gradients that vanish"
    DELAY_AT_BOUND = "delays stuck at a bound"
    COLLAPSE = "one answer to everything"
    LABELS = "labels that have nothing to do with the input"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that may be wrong.

    Args:
        symptom: What kind of thing.
        where: Population, connection or part of the data.
        number: What was measured.
        meaning: What the number is, as in "largest potential, in thresholds".
        cause: The likely cause, a sentence.
        advice: One thing to do, a sentence.
        likelihood: How likely it is the reason, 0 to 1: a ranking, no probability.

    Example:
        >>> from ranvier.checks import Finding, Symptom
        >>> print(Finding(Symptom.SILENT, "hidden", 0.03, "largest potential, in thresholds",
        ...               "The weights onto hidden are too small.", "Multiply them by 40.", 0.9))
        silent neurons (hidden): largest potential, in thresholds: 0.03. The weights onto hidden are too small.
        Multiply them by 40.
    """

    symptom: Symptom
    where: str
    number: float
    meaning: str
    cause: str
    advice: str
    likelihood: float

    def __str__(self) -> str:
        """In words."""
        text = f"{self.symptom.value} ({self.where}): {self.meaning}: {self.number:.3g}. {self.cause} {self.advice}"
        return "\n".join(textwrap.wrap(text, 110))


@dataclasses.dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `ranvier.checks.diagnose` found; `str` of it is for people.

    Args:
        findings: The likeliest first; empty where nothing is conspicuous.
        vitals: What was measured: see `ranvier.checks.vitals.Vitals`.

    Example:
        >>> from ranvier.checks import Diagnosis
        >>> Diagnosis((), None).healthy
        True
    """

    findings: tuple[Finding, ...]
    vitals: Any

    @property
    def healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def __str__(self) -> str:
        """Findings and numbers."""
        if self.healthy:
            lines = ["Nothing conspicuous was found."]
        else:
            lines = [f"{rank}. {finding}" for rank, finding in enumerate(self.findings, 1)]
        return "\n".join([*lines, *([] if self.vitals is None else ["", self.vitals.table()])])

    def draw(self) -> "Figure":
        """A picture: spikes per neuron, largest potentials, weights, delays, gradients, answers."""
        from ranvier.plots.health import draw_health  # draws with matplotlib, which is slow to import

        return draw_health(self.vitals, [str(finding) for finding in self.findings])


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows as aligned text.

    Args:
        rows: Cells by column, the same columns in each row.
    """
    names = list(rows[0])
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in names]
    lines = [names, *([row[name] for name in names] for row in rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                     for line in lines)  # fmt: skip
