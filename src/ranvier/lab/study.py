"""A study: an experiment of many runs that answers a question.

A file in `ranvier.lab.studies` holds a `STUDY`, and is a command: `ranvier study NAME`. Its numbers are a dataclass,
and become options.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True, eq=False)
class Entry:
    """What `ranvier study` knows of a study.

    Args:
        numbers: A frozen dataclass of all numbers, with their defaults.
        run: `run(numbers, folder, resume=..., executor=..., say=...)`: what came of it.
        summary: From that and the folder, what a person reads at the end.
        examples: Commands worth showing, without `ranvier study NAME` in front.
        workers: How many of its parts run at a time unless told otherwise; None for one per core. A part that keeps
            all cores busy by itself runs alone.

    Example:
        >>> from ranvier.lab.studies.brainscales import STUDY
        >>> STUDY.numbers.chips
        10
    """

    numbers: Any
    run: Callable[..., Any]
    summary: Callable[[Any, Path], str]
    examples: tuple[str, ...] = ("",)
    workers: int | None = 1
