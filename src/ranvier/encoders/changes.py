"""Delta codes: a spike whenever a signal has risen or fallen by a threshold, as event sensors do it."""

import math
from itertools import pairwise

import numpy as np
from jaxtyping import ArrayLike, Float

from ranvier.encoders.values import check_positive, check_values, known_values
from ranvier.events import Spikes


def delta(signal: Float[ArrayLike, "*batch times n"], *, threshold: float, dt: float) -> Spikes:
    """A spike for every change by `threshold`: unit 2i where channel i rises, unit 2i + 1 where it falls.

    The signal is a straight line between its samples. Whenever it is `threshold` above (below) the level of the last
    spike, at first its first value, there is a spike and the level moves by `threshold`. So the levels follow the
    signal to within a threshold, at all times.

    Args:
        signal: Samples at 0, dt, 2 dt, ..., finite, shape (times, n) or (batch, times, n).
        threshold: Change that makes a spike, in the unit of the signal.
        dt: Time (ms) from a sample to the next.

    Returns:
        Spikes of 2 n units, shape (places,) or (batch, places), with as many places as the fullest sample needs. The
        values decide how many there are, so `signal` cannot be traced.

    Raises:
        ValueError: the signal has another shape, is not finite, or traced; or a number is not above 0.

    Example:
        >>> import numpy as np
        >>> from ranvier.encoders import delta
        >>> spikes = delta(np.array([[0.0], [1.0], [0.25]]), threshold=0.5, dt=10.0)
        >>> spikes.time.round(2).tolist(), spikes.unit.tolist()
        ([5.0, 10.0, 16.67], [0, 0, 1])
    """
    check_positive("delta", threshold=threshold, dt=dt)
    check_values("delta", "signal", signal, lambda x: abs(x) < math.inf, "finite")
    values = known_values("delta", signal).astype(np.float64)
    if values.ndim not in (2, 3) or 0 in values.shape:
        msg = f"delta: `signal` must have shape (times, n) or (batch, times, n); got {values.shape}."
        raise ValueError(msg)
    rows = values if values.ndim == 3 else values[None]
    trains = [_train(row, threshold, dt) for row in rows]
    spikes = Spikes.from_ragged([one[0] for one in trains], [one[1] for one in trains], size=2 * values.shape[-1])
    return spikes if values.ndim == 3 else Spikes(spikes.time[0], spikes.unit[0], spikes.size)


def _train(
    signal: Float[np.ndarray, "times n"], threshold: float, dt: float
) -> tuple[Float[np.ndarray, " spikes"], np.ndarray]:
    """Times and units of one sample's spikes."""
    level, channel = signal[0].copy(), np.arange(signal.shape[1])
    times, units = [np.zeros(0)], [np.zeros(0, np.int64)]
    for step, (before, after) in enumerate(pairwise(signal)):
        moved = (after - level) / threshold
        count = np.floor(np.abs(moved) + 1e-9).astype(int)  # rounding must not put off a spike by a whole sample
        if count.any():
            sign, own = np.sign(moved), np.repeat(channel, count)
            number = np.arange(len(own)) - np.repeat(np.cumsum(count) - count, count) + 1
            crossed = level[own] + sign[own] * number * threshold
            share = np.clip((crossed - before[own]) / (after - before)[own], 0.0, 1.0)
            times.append((step + share) * dt)
            units.append(2 * own + (sign[own] < 0))
            level = level + sign * count * threshold
    return np.concatenate(times), np.concatenate(units)
