"""Delayed exclusive-or: do two cues, with silence between them, run the same way?"""

import dataclasses
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from ranvier.datasets import Samples, delayed_xor_samples
from ranvier.lab.ranges import Positive
from ranvier.lab.timed import AbstractTimedTask, preset


@dataclasses.dataclass(frozen=True, kw_only=True)
class DelayedXor(AbstractTimedTask):
    """In a cue all channels fire one after the other, upwards or downwards.

    Args:
        t_end: End of each simulation (ms).
        width: Length of a cue (ms).
        gap: Silence (ms) between the cues.

    Example:
        >>> from ranvier.lab.tasks.delayed_xor import DelayedXor
        >>> DelayedXor(samples=8).splits().train.feature.shape
        (8, 20)
    """

    classes: ClassVar[tuple[str, ...]] = ("alike", "different")
    t_end: Positive = 150.0
    width: Positive = 10.0
    gap: Positive = 30.0

    def draw(self, size: int, key: PRNGKeyArray) -> Samples:
        """`ranvier.datasets.delayed_xor_samples`."""
        return delayed_xor_samples(
            size, channels=self.channels, width=self.width, gap=self.gap, duration=self.duration, noise=self.variation,
            key=key,
        )  # fmt: skip


PRESET = preset(DelayedXor())
