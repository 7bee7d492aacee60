"""Is a difference between two groups of runs more than chance?

A permutation test: if the groups were alike, a run's number could as well stand in the other group. How often is the
difference of the means then as large as the one that was found, in either direction? Nothing is assumed of how the
numbers are spread. Where the groups have the same seeds, only the two numbers of a seed change places (a sign-flip
test): seeds that are hard for both groups then cancel out. All exchanges are tried where there are at most 100,000,
else as many are drawn.

What it cannot say: with few seeds no result can be unlikely, and the smallest p that is possible is told. It speaks of
other seeds on these data, not of other data.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

MOST = 100_000
"""Exchanges that are tried at most."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The outcome of a test.

    Args:
        paired: Whether seeds were compared with themselves.
        counts: Runs of both groups; of a test in pairs the number of pairs, twice.
        difference: Mean of the first group less that of the second; in pairs the mean of the differences.
        p: How likely such a difference is by chance, in either direction; NaN where nothing can be said.
        least: The smallest p that so many runs could have given.
        exact: Whether all exchanges were tried.
        several: Number of tests that p was corrected for (Holm).
    """

    paired: bool
    counts: tuple[int, int]
    difference: float
    p: float
    least: float
    exact: bool
    several: int = 1

    def __str__(self) -> str:
        """The test in words, without the difference."""
        first, second = self.counts
        if math.isnan(self.p):
            return "no test: one seed says nothing about chance; train at least 6 seeds of each"
        kind = f"{first} pairs of seeds" if self.paired else f"{first} and {second} seeds"
        how = f"{'all' if self.exact else f'{MOST:,} random'} {'sign flips' if self.paired else 'permutations'}"
        holm = f", Holm for {self.several} tests" if self.several > 1 else ""
        few = f"; with so few seeds p is never below {self.least:.2g}" if self.least > 0.05 else ""
        return f"p = {self.p:.2g} ({kind}, {how}{holm}){few}"


def fair_test(first: Mapping[str, float], second: Mapping[str, float]) -> Verdict:
    """Test the difference of two groups of runs.

    Args:
        first: For each seed a number.
        second: The same for another group. If it has all seeds of the smaller group, those are compared in pairs.

    Example:
        >>> from ranvier.lab.comparison import fair_test
        >>> better = {str(seed): 0.9 + 0.01 * seed for seed in range(6)}
        >>> found = fair_test(better, {seed: value - 0.05 for seed, value in better.items()})
        >>> found.paired, round(found.difference, 6), found.p
        (True, 0.05, 0.03125)

    References:
        Good, Permutation, Parametric and Bootstrap Tests of Hypotheses, 3rd ed., Springer (2005).
    """
    common = [seed for seed in first if seed in second]
    paired = len(common) == min(len(first), len(second))
    if paired:
        one, other = ([group[seed] for seed in common] for group in (first, second))
        ways = 2 ** len(common)
    else:
        one, other = list(first.values()), list(second.values())
        ways = math.comb(len(one) + len(other), len(one))
    difference = float(np.mean(one) - np.mean(other))
    counts = (len(one), len(other))
    if min(counts) < 2:
        return Verdict(paired, counts, difference, math.nan, math.nan, True)
    exact = ways <= MOST
    return Verdict(paired, counts, difference, _chance(one, other, paired), 2 / ways if exact else 1 / MOST, exact)


def _chance(one: Sequence[float], other: Sequence[float], paired: bool) -> float:
    from scipy.stats import permutation_test  # slow to import

    def statistic(x: Float[np.ndarray, "..."], y: Float[np.ndarray, "..."], axis: int = -1) -> Any:
        return np.abs(np.mean(x, axis=axis) - np.mean(y, axis=axis))

    found = permutation_test(
        (np.array(one), np.array(other)), statistic, permutation_type="samples" if paired else "independent",
        n_resamples=MOST, vectorized=True, alternative="greater", batch=10_000, rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.pvalue)


def corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The same for several tests at once, by Holm's correction: chance has as many tries.

    Example:
        >>> from ranvier.lab.comparison.fairness import Verdict, corrected
        >>> [one.p for one in corrected([Verdict(True, (9, 9), 0.1, p, 0.01, True) for p in (0.01, 0.04)])]
        [0.02, 0.04]
    """
    tested = sorted((one.p, at) for at, one in enumerate(verdicts) if not math.isnan(one.p))
    found, worst = list(verdicts), 0.0
    for rank, (p, at) in enumerate(tested):
        worst = max(worst, min(1.0, p * (len(tested) - rank)))
        least = min(1.0, verdicts[at].least * len(tested))
        found[at] = dataclasses.replace(verdicts[at], p=worst, least=least, several=len(tested))
    return found
