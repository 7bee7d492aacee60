"""Central differences, extrapolated to step zero, with an estimate of their own error. NumPy, float64.

The quotient `D(h) = (f(h) - f(-h)) / 2h` has an error that is a series in h^2. Neville's scheme on the steps
h, h/2, h/4, ... removes one term after the other, until rounding, which grows as 1/h, takes over; the entry
whose neighbours agree best is the result, and their disagreement, or what rounding alone explains, its error
(Ridders 1982).

A function may say that a place does not count by returning NaN, for example because a spike has vanished
there: steps that reach such a place are dropped and smaller ones are tried.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

SHRINK = 4.0
"""A step that reaches a place which does not count is divided by this."""

LEAST_STEPS = 4
"""Steps needed for a result: fewer do not tell their error."""


class Difference(NamedTuple):
    """Derivative `value`, the estimate `error` of its absolute error, and the largest `step` used."""

    value: float
    error: float
    step: float


UNKNOWN = Difference(float("nan"), float("inf"), 0.0)
"""Too few steps counted."""


def central_difference(
    line: Callable[[float], float],
    step: float,
    *,
    rounding: float = 0.0,
    smallest: float = 1e-7,
    levels: int = 10,
) -> Difference:
    """Derivative of a function of one number at 0, and its error.

    Args:
        line: The function; NaN where it does not count.
        step: First step tried.
        rounding: Absolute rounding error of the function's values.
        smallest: Smallest step with which the extrapolation may still begin.
        levels: Largest number of steps, each half the one before.

    Example:
        >>> import math
        >>> from ranvier.checks.differences import central_difference
        >>> round(central_difference(lambda s: math.exp(2.0 * s), 0.1).value, 10)
        2.0
    """
    rows: list[list[float]] = []
    best, first = UNKNOWN, step
    while len(rows) < levels and first >= smallest:
        above = line(step)
        quotient = above if np.isnan(above) else (above - line(-step)) / (2 * step)
        if np.isnan(quotient):
            rows, best, step = [], UNKNOWN, step / SHRINK
            first = step
            continue
        row = [quotient]
        for order, before in enumerate(rows[-1] if rows else []):
            row.append(row[order] + (row[order] - before) / (4.0 ** (order + 1) - 1.0))
            error = max(abs(row[-1] - row[-2]), abs(row[-1] - before), rounding / step)
            if error < best.error:
                best = Difference(float(row[-1]), float(error), first)
        rows.append(row)
        if len(rows) > LEAST_STEPS and abs(row[-1] - rows[-2][-1]) >= 2 * best.error:
            break
        step /= 2
    return best if len(rows) >= LEAST_STEPS else UNKNOWN


def directional_derivatives(
    function: Callable[[Float[np.ndarray, " size"]], float],
    at: Float[np.ndarray, " size"],
    directions: Float[np.ndarray, "probes size"],
    step: float,
    *,
    rounding: float = 0.0,
    smallest: float = 1e-7,
) -> list[Difference]:
    """Derivatives of a scalar function of a vector, `d/ds f(at + s direction)` at s = 0.

    Args:
        function: The function; NaN where it does not count.
        at: Where, shape (size,).
        directions: One direction per row, shape (probes, size). Rows of the unit matrix give partial
            derivatives.
        step: First step tried; after a direction that needed smaller ones, somewhat above those.
        rounding: Absolute rounding error of the function's values.
        smallest: Smallest step with which the extrapolation may still begin.

    Returns:
        One `Difference` per direction.

    Example:
        >>> import numpy as np
        >>> from ranvier.checks.differences import directional_derivatives
        >>> at = np.array([2.0, 3.0])
        >>> found = directional_derivatives(lambda x: float(x[0] * x[1]), at, np.eye(2), 0.1)
        >>> [round(one.value, 10) for one in found]
        [3.0, 2.0]
    """

    def along(direction: Float[np.ndarray, " size"]) -> Callable[[float], float]:
        return lambda s: function(at + s * direction)

    found: list[Difference] = []
    for row in directions:
        begin = min(step, SHRINK * found[-1].step) if found and found[-1].step > 0 else step
        found.append(central_difference(along(row), begin, rounding=rounding, smallest=smallest))
    return found
