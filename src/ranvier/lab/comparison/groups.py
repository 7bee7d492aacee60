"""Groups of runs of one configuration, and what their configurations differ in."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from itertools import combinations, count, islice
from pathlib import Path
from typing import Any

from ranvier.lab.catalogue import experiment as make
from ranvier.lab.comparison.fairness import Verdict, corrected, fair_test
from ranvier.lab.comparison.reading import LOSS, TEST, VALIDATION, Outcome, read_outcomes
from ranvier.lab.config_file import TASK, read_config
from ranvier.lab.parts import AbstractTask
from ranvier.lab.runs import CONFIG
from ranvier.train.checkpoint import digest

MEASURES = (TEST, VALIDATION, LOSS)
NAMED = 2
"""Settings that tell a group from others in its name."""
PAIRS = 8
"""Groups up to which every two are tested; of more each with the first."""


@dataclasses.dataclass(frozen=True, eq=False)
class Group:
    """Runs that differ in their seed only.

    Args:
        name: A letter.
        words: What it is: the folder, or what its configuration has of its own.
        runs: The runs.
    """

    name: str
    words: str
    runs: Sequence[Outcome]

    def values(self, name: str) -> dict[str, float]:
        """A number of all runs that have it, by seed."""
        return {run.seed: float(run.numbers[name]) for run in self.runs if name in run.numbers}


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Groups side by side.

    Args:
        measure: What they are compared by: `test accuracy`, or what all runs have.
        groups: The groups.
        differences: For each setting in which they differ its name, and its value in each group.
        tests: For two groups each their letters, and the test.
    """

    measure: str
    groups: Sequence[Group]
    differences: Sequence[tuple[str, Sequence[str]]]
    tests: Sequence[tuple[str, str, Verdict]]

    @property
    def caution(self) -> str:
        """What has to be said about the measure."""
        if self.measure == TEST:
            return ""
        return f"Not all runs were tested. What is compared, {self.measure}, also chose the epochs, and flatters all."


def compare_runs(*folders: Path | str) -> Comparison:
    """Put runs side by side; those of one configuration are a group, whatever their seeds.

    Args:
        *folders: Run folders, folders of several seeds, folders of studies.

    Raises:
        ValueError: there is one run only, one is there twice, or they have other tasks or other data.
        RunError: a folder holds no run, or one that is not finished.

    Example:
        >>> import tempfile
        >>> from ranvier.lab import experiment, run
        >>> from ranvier.lab.comparison import compare_runs
        >>> place = tempfile.mkdtemp()
        >>> for seed in (0, 1):
        ...     result = run(experiment("temporal-order", epochs=1, seed=seed), f"{place}/{seed}")
        >>> [len(group.runs) for group in compare_runs(place).groups]
        [2]
    """
    found = [(str(folder), one) for folder in folders for one in read_outcomes(folder)]
    runs = [one for _, one in found]
    if len(runs) < 2:
        msg = (
            f"compare: there is one run only, {runs[0].place}; name at least two runs, or a folder that holds several."
        )
        raise ValueError(msg)
    for other in runs[1:]:
        refuse(runs[0], other)
    parts: dict[str, list[tuple[str, Outcome]]] = {}
    for folder, one in found:
        parts.setdefault(json.dumps(one.settings, sort_keys=True, default=str), []).append((folder, one))
    differing = _differences([members[0][1] for members in parts.values()])
    groups = []
    for place, (letter, members) in enumerate(zip(letters(len(parts)), parts.values(), strict=True)):
        _refuse_twice([one for _, one in members])
        groups.append(Group(letter, _words(place, members, differing), [one for _, one in members]))
    measure = next((name for name in MEASURES if all(name in run.numbers for run in runs)), LOSS)
    pairs = list(combinations(groups, 2)) if len(groups) <= PAIRS else [(groups[0], other) for other in groups[1:]]
    tests = corrected([fair_test(one.values(measure), other.values(measure)) for one, other in pairs])
    named = [(one.name, other.name, test) for (one, other), test in zip(pairs, tests, strict=True)]
    return Comparison(measure, groups, differing, named)


def refuse(one: Outcome, other: Outcome) -> None:
    """Refuse runs that learned something else, or from other samples.

    Args:
        one: A run.
        other: Another one.

    Raises:
        ValueError: they cannot be compared.
    """
    both = f"compare: {one.place} and {other.place} cannot be compared:"
    if one.task != other.task:
        msg = f"{both} one learned {one.task}, the other {other.task}. Compare runs of one task."
        raise ValueError(msg)
    wrong = [name for name, value in one.data.items() if value != other.data.get(name)]
    if not wrong or _same_samples(one, other):
        return
    names = [name for name, _ in _differences([one, other])]
    told = f" Their settings differ in {', '.join(names[:6])}." if names else ""
    msg = f"{both} they have other {' and '.join(wrong)}, so their accuracies are those of other questions.{told}"
    raise ValueError(msg)


def _same_samples(one: Outcome, other: Outcome) -> bool:
    """Whether runs whose spikes differ have the same samples, in other encodings or precisions."""
    found = [_samples(run) for run in (one, other)]
    return found[0] is not None and found[0] == found[1]


def _samples(run: Outcome) -> str | None:
    """A digest of features and labels of all samples, if the task has some."""
    path = Path(run.place) / CONFIG
    if not path.exists():
        return None
    given = read_config(path)
    task = make(given.pop(TASK), **given).task
    return (
        digest([leaf for part in task.splits() for leaf in (part.feature, part.label)])
        if isinstance(task, AbstractTask)
        else None
    )


def _refuse_twice(members: Sequence[Outcome]) -> None:
    seen: dict[str, str] = {}
    for one in members:
        if one.seed in seen:
            msg = (
                f"compare: {seen[one.seed]} and {one.place} have the same configuration and the same seed "
                f"({one.seed}); a seed counts once, so leave one of them out."
            )
            raise ValueError(msg)
        seen[one.seed] = one.place


def _differences(runs: Sequence[Outcome]) -> list[tuple[str, list[str]]]:
    """Settings in which runs differ, and their values.

    Where a part is another one, as an optimiser, only its learning rates are told of the settings that not all have.
    """
    names = list(dict.fromkeys(name for run in runs for name in run.settings))
    values = {name: [_text(run.settings, name) for run in runs] for name in names}
    found = {name: texts for name, texts in values.items() if len(set(texts)) > 1}

    def told(name: str) -> bool:
        above = name.split(".")[:-1]
        other = any(".".join(above[: depth + 1]) in found for depth in range(len(above)))
        return not other or name.endswith("learning_rate") or all(name in run.settings for run in runs)

    return [(name, texts) for name, texts in found.items() if told(name)]


def _text(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        return "-"
    value = settings[name]
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _words(place: int, members: Sequence[tuple[str, Outcome]], differing: Sequence[tuple[str, Sequence[str]]]) -> str:
    """What a group is: its folders, and some settings of its own, first those that all have and that say something."""
    folders = sorted({folder for folder, _ in members})
    obscure = lambda one: ("-" in one[1], any("." in text and text.replace(".", "").isidentifier() for text in one[1]))
    own = ", ".join(f"{name} {values[place]}" for name, values in sorted(differing, key=obscure)[:NAMED])
    return f"{', '.join(folders)}" + (f": {own}" if own else "")


def letters(number: int) -> list[str]:
    """Names of so many groups: A, B, ..., Z, A1, B1, ...

    Example:
        >>> from ranvier.lab.comparison.groups import letters
        >>> letters(28)[-3:]
        ['Z', 'A1', 'B1']
    """
    named = (chr(65 + at % 26) + (str(at // 26) if at >= 26 else "") for at in count())
    return list(islice(named, number))
