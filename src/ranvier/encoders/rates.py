"""Rate codes: the larger a value the more spikes, at random or at regular times.

The number of spikes depends on the values, so these run on known arrays, outside of `jit`, and have no gradient.
"""

import math

import numpy as np
from jaxtyping import ArrayLike, Float, PRNGKeyArray

from ranvier._random import generator
from ranvier.encoders.values import check_positive, check_values, known_values
from ranvier.events import Spikes


def poisson(rate: Float[ArrayLike, "*batch n"], *, t_end: float, key: PRNGKeyArray) -> Spikes:
    """Spikes at random: a Poisson process of constant rate for each channel.

    The number of spikes of channel i has mean and variance `rate_i t_end / 1000`; their times are uniform.

    Args:
        rate: Spikes per second (Hz), >= 0, shape (n,) or (batch, n).
        t_end: End (ms); spikes are in [0, t_end).
        key: Random key.

    Returns:
        Spikes of shape (places,) or (batch, places), with as many places as the fullest sample needs.

    Raises:
        ValueError: `rate` is not floating-point with a channel axis, one is below 0 or not finite, or traced; or
            `t_end` is not above 0.

    Example:
        >>> import jax, numpy as np
        >>> from ranvier.encoders import poisson
        >>> poisson(np.array([0.0, 100.0]), t_end=1000.0, key=jax.random.key(0)).size
        2
    """
    values = _rates("poisson", rate, t_end)
    random = generator(key)
    counts = random.poisson(values * t_end / 1000)
    rows = np.atleast_2d(counts)
    units = [np.repeat(np.arange(rows.shape[1]), row) for row in rows]
    return _together([t_end * random.random(len(unit)) for unit in units], units, values)


def regular(rate: Float[ArrayLike, "*batch n"], *, t_end: float) -> Spikes:
    """Spikes at equal distances: channel i fires every `1000 / rate_i` ms, the first time after half of that.

    Args:
        rate: Spikes per second (Hz), >= 0, shape (n,) or (batch, n).
        t_end: End (ms); spikes are in [0, t_end).

    Returns:
        Spikes of shape (places,) or (batch, places), with as many places as the fullest sample needs.

    Raises:
        ValueError: as for `poisson`.

    Example:
        >>> import numpy as np
        >>> from ranvier.encoders import regular
        >>> spikes = regular(np.array([100.0, 200.0]), t_end=10.0)
        >>> spikes.time.tolist(), spikes.unit.tolist()
        ([2.5, 5.0, 7.5], [1, 0, 1])
    """
    values = _rates("regular", rate, t_end)
    times, units = [], []
    for row in np.atleast_2d(values):
        gap = 1000 / np.where(row > 0, row, 1.0)
        counts = np.where(row > 0, np.ceil(t_end / gap - 0.5), 0).astype(int)
        unit = np.repeat(np.arange(len(row)), counts)
        number = np.arange(len(unit)) - np.repeat(np.cumsum(counts) - counts, counts)
        times.append((number + 0.5) * gap[unit])
        units.append(unit)
    return _together(times, units, values)


def _rates(owner: str, rate: ArrayLike, t_end: float) -> Float[np.ndarray, "*batch n"]:
    check_positive(owner, t_end=t_end)
    check_values(owner, "rate", rate, lambda hertz: (hertz >= 0) & (hertz < math.inf), "finite and >= 0 Hz")
    return known_values(owner, rate)


def _together(times: list[np.ndarray], units: list[np.ndarray], like: Float[np.ndarray, "*batch n"]) -> Spikes:
    """One train for each sample, without the batch axis where the values had none."""
    spikes = Spikes.from_ragged(times, units, size=like.shape[-1])
    return spikes if like.ndim > 1 else Spikes(spikes.time[0], spikes.unit[0], spikes.size)
