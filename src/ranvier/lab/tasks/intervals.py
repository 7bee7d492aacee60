"""Intervals: each channel fires twice; the class is the time between its two spikes."""

import dataclasses
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from ranvier.datasets import Samples, interval_samples
from ranvier.lab.ranges import Positive
from ranvier.lab.timed import AbstractTimedTask, preset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intervals(AbstractTimedTask):
    """The pairs of spikes begin at random times, each channel for itself.

    Args:
        t_end: End of each simulation (ms).
        short: Time (ms) between the two spikes in class 0.
        long: Time (ms) between them in class 1.

    Example:
        >>> from ranvier.lab.tasks.intervals import Intervals
        >>> Intervals(samples=8).splits().train.feature.shape
        (8, 20)
    """

    classes: ClassVar[tuple[str, ...]] = ("short", "long")
    t_end: Positive = 150.0
    short: Positive = 15.0
    long: Positive = 30.0

    def draw(self, size: int, key: PRNGKeyArray) -> Samples:
        """`ranvier.datasets.interval_samples`."""
        return interval_samples(
            size, gaps=(self.short, self.long), channels=self.channels, duration=self.duration, noise=self.variation,
            key=key,
        )  # fmt: skip


PRESET = preset(Intervals())
