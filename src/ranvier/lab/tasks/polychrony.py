"""Polychrony: all channels fire once; the class is the order in which they do, wherever the pattern begins."""

import dataclasses

import jax
from jaxtyping import PRNGKeyArray

from ranvier.datasets import Samples, polychrony_samples, random_orders
from ranvier.lab.ranges import Count, Positive
from ranvier.lab.timed import AbstractTimedTask, preset


@dataclasses.dataclass(frozen=True, kw_only=True)
class Polychrony(AbstractTimedTask):
    """The patterns share their times, evenly spaced over a window that is longer than the time constants.

    Args:
        t_end: End of each simulation (ms).
        patterns: Number of patterns, the classes.
        window: Time (ms) from the first spike of a pattern to the last.

    Example:
        >>> from ranvier.lab.tasks.polychrony import Polychrony
        >>> Polychrony(patterns=3).classes
        ('pattern 0', 'pattern 1', 'pattern 2')
    """

    t_end: Positive = 150.0
    patterns: Count = 4
    window: Positive = 50.0

    @property
    def classes(self) -> tuple[str, ...]:
        """One for each pattern."""
        return tuple(f"pattern {number}" for number in range(self.patterns))

    def draw(self, size: int, key: PRNGKeyArray) -> Samples:
        """`ranvier.datasets.polychrony_samples` of `random_orders`."""
        orders = random_orders(
            self.patterns, self.channels, window=self.window, key=jax.random.key(self.data_seed + 1000)
        )
        return polychrony_samples(size, orders, duration=self.duration, noise=self.variation, key=key)


PRESET = preset(Polychrony())
