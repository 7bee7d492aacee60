"""Coincidence: do the two channels of each pair fire together, or one after the other?"""

import dataclasses
from typing import ClassVar

from jaxtyping import PRNGKeyArray

from ranvier.datasets import Samples, coincidence_samples
from ranvier.lab.ranges import Positive
from ranvier.lab.timed import AbstractTimedTask, preset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Coincidence(AbstractTimedTask):
    """Every channel fires at times that are uniform in both classes.

    Args:
        t_end: End of each simulation (ms).
        shift: Time (ms) between the two where they do not fire together.

    Example:
        >>> from ranvier.lab.tasks.coincidence import Coincidence
        >>> Coincidence(samples=8).splits().train.feature.shape
        (8, 10)
    """

    classes: ClassVar[tuple[str, ...]] = ("apart", "together")
    t_end: Positive = 150.0
    shift: Positive = 10.0

    def draw(self, size: int, key: PRNGKeyArray) -> Samples:
        """`ranvier.datasets.coincidence_samples`."""
        return coincidence_samples(
            size, channels=self.channels, shift=self.shift, duration=self.duration, noise=self.variation, key=key
        )


PRESET = preset(Coincidence())
