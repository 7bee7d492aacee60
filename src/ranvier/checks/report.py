"""What a gradient check found, in numbers and in words."""

import dataclasses
import enum
import textwrap
from collections.abc import Mapping

import numpy as np


class Verdict(enum.Enum):
    """What can be said about one field."""

    AGREES = "agrees"
    DIFFERS = "DIFFERS"
    UNDECIDED = "undecided"
    NOTHING = "nothing to check"


class Reason(enum.Enum):
    """Why a probe (one coordinate or direction in one run) does not count."""

    STRUCTURE = (
        "even within the smallest step a spike appeared, vanished, or changed order with an arrival, a "
        "record time or the end of a refractory time at its neuron, or the step left what the simulator "
        "allows; there the loss has a kink or a jump, and no derivative"
    )
    GRAZING = (
        "some spike of the run only grazes the threshold (dV/dt below `min_slope`), where spike times change "
        "without bound"
    )
    GUARDED = "the simulator's guard for grazing spikes cut the gradient of the run on purpose"


HEAD = ("field", "numbers", "compared", "excluded", "largest", "median", "quotient", "verdict")


@dataclasses.dataclass(frozen=True)
class FieldReport:
    """What was found for one field.

    Args:
        name: The field, for example `"weight"`.
        size: Numbers in the field that can move both ways, in the whole network (of one run).
        counted: Probes compared, over all runs.
        excluded: Probes that do not count, by reason.
        errors: For each run that counts, the norm of (gradient - difference quotient) over that of the
            difference quotient.
        noise: For each run that counts, the difference quotient's own error, relative in the same way.
        tolerance: Largest error accepted.
    """

    name: str
    size: int
    counted: int
    excluded: Mapping[Reason, int]
    errors: tuple[float, ...]
    noise: tuple[float, ...]
    tolerance: float

    @property
    def verdict(self) -> Verdict:
        """Agrees if every run's error is within the tolerance; undecided if the quotient is too noisy."""
        if not self.errors:
            return Verdict.NOTHING
        errors, noise = np.asarray(self.errors), np.asarray(self.noise)
        if np.all(errors <= self.tolerance):
            return Verdict.AGREES
        wrong = ~(errors <= np.maximum(self.tolerance, 10 * noise))
        return Verdict.DIFFERS if wrong.any() else Verdict.UNDECIDED

    @property
    def largest(self) -> float:
        """Largest relative error of the gradient vector over the runs; NaN where nothing counted."""
        return float(np.max(self.errors)) if self.errors else float("nan")

    @property
    def median(self) -> float:
        """Median relative error of the gradient vector over the runs; NaN where nothing counted."""
        return float(np.median(self.errors)) if self.errors else float("nan")


@dataclasses.dataclass(frozen=True)
class GradientReport:
    """The outcome of `check_gradients`; `print` it to read it.

    Args:
        fields: One report per field.
        tolerance: Largest relative error accepted.
        setting: What was compared, in words.
        runs: Runs made.
        left_out: Runs that do not count at all, by reason.
        beside: What there is to say of a gradient that is no derivative, in words.
    """

    fields: tuple[FieldReport, ...]
    tolerance: float
    setting: str
    runs: int
    left_out: Mapping[Reason, int]
    beside: str = ""

    def __getitem__(self, name: str) -> FieldReport:
        """The report of one field."""
        return {field.name: field for field in self.fields}[name]

    @property
    def passed(self) -> bool:
        """Whether something was compared, and all of it agrees."""
        verdicts = {field.verdict for field in self.fields}
        return Verdict.AGREES in verdicts and verdicts <= {Verdict.AGREES, Verdict.NOTHING}

    @property
    def excluded(self) -> dict[Reason, int]:
        """Probes that do not count, by reason, over all fields."""
        counts = {reason: sum(field.excluded.get(reason, 0) for field in self.fields) for reason in Reason}
        return {reason: count for reason, count in counts.items() if count}

    @property
    def probes(self) -> int:
        """All probes, those that do not count included."""
        return sum(field.counted for field in self.fields) + sum(self.excluded.values())

    def table(self) -> str:
        """One line per field."""
        rows = [HEAD, *(_row(field) for field in self.fields)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
            lines.append("  ".join([*cells, row[-1]]).rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        """The table, with what it means."""
        said = [self.setting, self._legend(), self._excluded(), self._conclusion()]
        setting, legend, excluded, conclusion = ("\n".join(map(_wrapped, text.split("\n"))) for text in said)
        beside = [_wrapped(self.beside)] if self.beside else []
        return "\n\n".join([setting, self.table(), legend, excluded, *beside, conclusion])

    def _legend(self) -> str:
        return (
            "numbers: how many the field has that can move both ways. compared: single numbers and random "
            "directions that count. largest, median: over the runs, the norm of (gradient - difference "
            "quotient) over the norm of the difference quotient. quotient: the largest estimated error of "
            "the difference quotient itself, on the same scale; an error of this size says nothing about the "
            "gradient."
        )

    def _excluded(self) -> str:
        total = sum(self.excluded.values())
        if not total:
            return "Excluded: nothing."
        lines = [f"Excluded: {total} of {self.probes} comparisons ({total / self.probes:.1%})."]
        for reason, count in self.excluded.items():
            runs = self.left_out.get(reason, 0)
            whole = f" ({runs} of {self.runs} runs)" if runs else ""
            lines.append(f"- {count}{whole}: {reason.value}.")
        return "\n".join(lines)

    def _conclusion(self) -> str:
        found = {verdict: [f.name for f in self.fields if f.verdict is verdict] for verdict in Verdict}
        largest = max((f.largest for f in self.fields if f.errors), default=float("nan"))
        said = []
        if found[Verdict.DIFFERS]:
            said.append(
                f"The gradient with respect to {_names(found[Verdict.DIFFERS])} is NOT the derivative of "
                f"the loss: it is further from the difference quotient than {self.tolerance:g} and than ten "
                "times the quotient's own error."
            )
        if found[Verdict.UNDECIDED]:
            said.append(
                f"Undecided for {_names(found[Verdict.UNDECIDED])}: the difference quotient is too "
                "inaccurate to tell. Try other samples, another key, or a loss of smaller slope."
            )
        if found[Verdict.NOTHING]:
            said.append(
                f"Nothing compared for {_names(found[Verdict.NOTHING])}: no number can move both ways, or "
                "all was excluded."
            )
        if self.passed:
            worst = f"largest error {largest:.1e}, accepted {self.tolerance:g}"
            said.append(f"Verdict: passed, the gradients are exact; {worst}.")
        else:
            said.append("Verdict: not passed.")
        return " ".join(said)


def _row(field: FieldReport) -> tuple[str, ...]:
    noise = f"{max(field.noise):.1e}" if field.noise else "-"
    errors = [f"{value:.1e}" if field.errors else "-" for value in (field.largest, field.median)]
    counts = (f"{field.size:,}", f"{field.counted:,}", f"{sum(field.excluded.values()):,}")
    return (field.name, *counts, *errors, noise, field.verdict.value)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, subsequent_indent="  " if text.startswith("- ") else "")


def _names(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
