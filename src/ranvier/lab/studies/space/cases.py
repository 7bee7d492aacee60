"""The cases of the study of delays by distance: kinds of delays that start alike, and candidates of numbers."""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ranvier.lab.ranges import Positive
from ranvier.lab.studies.together.case import AbstractCase, Numbers

KINDS: dict[str, dict[str, Any]] = {
    "none": {"delay": "none"},
    "random": {"delay": "random"},
    **{f"{d}d": {"delay": "spatial", "delay_dimensions": d} for d in (1, 2, 3, 4, 5, 8)},
    "axonal": {"delay": "axonal"},
    "synaptic": {"delay": "synaptic"},
}
"""Delays by name: none, random ones that stay, by distance in so many dimensions, one per sender, one per synapse."""

MEAN = 0.5
"""Mean of the initial delays (ms) of every kind; their standard deviation is searched."""

SPREAD = (0.02, 0.12)
"""Standard deviations (ms) that are tried: what distances in 8 dimensions can have around such a mean."""


@dataclasses.dataclass(frozen=True)
class Case(AbstractCase):
    """One point of the study, on Yin-Yang.

    Args:
        kind: Kind of delays, a name in `KINDS`.
        hidden: Hidden neurons.
        high: Largest delay (ms).

    Raises:
        SettingError: the kind is unknown, or a number is out of range.

    Example:
        >>> from ranvier.lab.studies.space.cases import Case
        >>> [Case(kind, 30).parameters for kind in ("none", "random", "2d", "3d", "axonal", "synaptic")]
        [210, 210, 284, 321, 244, 420]
    """

    kinds: ClassVar[Mapping[str, dict[str, Any]]] = KINDS
    high: Positive = 1.0

    @property
    def more(self) -> dict[str, Any]:
        """Mean and range of the initial delays."""
        return {"delay_mean": MEAN, "delay_high": self.high}


def draw_numbers(count: int) -> list[Numbers]:
    """Candidates of the search, the same for every case.

    Args:
        count: How many.

    Example:
        >>> from ranvier.lab.studies.space.cases import draw_numbers
        >>> draw_numbers(3) == draw_numbers(4)[:3]
        True
    """
    random = np.random.default_rng(0)
    between = lambda low, high: round(float(np.exp(random.uniform(np.log(low), np.log(high)))), 4)
    return [
        Numbers(
            weight_lr=between(0.01, 0.1),
            delay_lr=between(0.001, 0.1),
            weight_mean=between(0.7, 3.0),
            weight_std=between(0.5, 3.0),
            delay_std=between(*SPREAD),
        )
        for _ in range(count)
    ]
