"""Temporal tasks: every channel fires equally often in every sample of every class. Only time says the class.

Each function gives `Samples` whose features are spike times (ms), to be made spikes by `datasets.channel_spikes`:
column `k channels + i` is the k-th spike of channel i. `jitter` moves every spike by a normal number of its own; each
channel fires `distractors` more times, at uniformly random times. Times stay in [0, duration].

Source of the kinds of task: Yu, Sun & Goodman, arXiv:2507.16043. The generators are ours.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ranvier._random import generator
from ranvier.datasets.samples import Samples


@dataclasses.dataclass(frozen=True)
class Noise:
    """How samples of temporal tasks vary, beside their onset.

    Args:
        jitter: Standard deviation (ms) of a normal number that moves each spike.
        distractors: Spikes that each channel fires in addition, at uniformly random times.

    Raises:
        ValueError: one of them is below 0, or not finite.

    Example:
        >>> from ranvier import datasets
        >>> datasets.Noise(jitter=1.0).distractors
        0
    """

    jitter: float = 0.0
    distractors: int = 0

    def __post_init__(self):
        if not (0 <= self.jitter < math.inf and self.distractors >= 0):
            msg = f"Noise: `jitter` must be a time in ms >= 0, and `distractors` a number >= 0; got {self}."
            raise ValueError(msg)


QUIET = Noise()


def interval_samples(
    size: int,
    *,
    gaps: Sequence[float] = (10.0, 20.0),
    channels: int = 10,
    duration: float = 100.0,
    noise: Noise = QUIET,
    key: PRNGKeyArray,
) -> Samples:
    """Each channel fires twice; the class is the time between its two spikes.

    `t = m_i -+ gap_c / 2`, the middle `m_i` uniform for every channel by itself in all that `duration` leaves to the
    longest gap.

    Args:
        size: Number of samples.
        gaps: Time (ms) between the two spikes, one for each class.
        channels: Number of channels.
        duration: End of a sample (ms).
        noise: Jitter and distractors.
        key: Random key.

    Returns:
        Times, shape (size, (2 + distractors) * channels), and classes.

    Raises:
        ValueError: a number is out of range, or the gaps do not fit into `duration`.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> samples = datasets.interval_samples(4, gaps=(5.0, 9.0), channels=1, key=jax.random.key(0))
        >>> sorted(abs(samples.feature[:, 1] - samples.feature[:, 0]).round(6).tolist())
        [5.0, 5.0, 9.0, 9.0]
    """
    _check("interval_samples", size, channels, max(gaps, default=0.0), duration)
    random = generator(key)
    label = _labels(random, size, len(gaps))
    half = np.asarray(gaps, float)[label, None] / 2
    middle = max(gaps) / 2 + (duration - max(gaps)) * random.random((size, channels))
    return _finished(random, np.stack([middle - half, middle + half], axis=1), label, duration, noise)


def random_orders(
    classes: int = 4, channels: int = 10, *, window: float = 50.0, key: PRNGKeyArray
) -> Float[np.ndarray, "classes channels"]:
    """Patterns in which all channels fire once, evenly spaced, in an order that belongs to the class.

    All patterns have the same times, so that the number of spikes over time says nothing of the class.

    Args:
        classes: Number of patterns.
        channels: Number of channels.
        window: Time (ms) from the first spike to the last.
        key: Random key.

    Returns:
        Time (ms) at which each channel fires, shape (classes, channels).

    Raises:
        ValueError: a number is out of range, or there are not so many orders.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> sorted(datasets.random_orders(channels=3, window=4.0, key=jax.random.key(0))[0].tolist())
        [0.0, 2.0, 4.0]
    """
    _check("random_orders", classes, channels, window, math.inf)
    if channels < 2 or classes > math.factorial(min(channels, 20)):
        msg = f"random_orders: {channels} `channels` have fewer than {classes} different orders; take more channels."
        raise ValueError(msg)
    random, found = generator(key), {}
    while len(found) < classes:
        found[tuple(random.permutation(channels).tolist())] = None
    return np.array(list(found)) * (window / (channels - 1))


def polychrony_samples(
    size: int,
    pattern: Float[np.ndarray, "classes channels"],
    *,
    duration: float = 80.0,
    noise: Noise = QUIET,
    key: PRNGKeyArray,
) -> Samples:
    """Each channel fires once; the class is the pattern of their times, wherever the pattern begins.

    `t_i = onset + pattern_ci`, the onset uniform in all that `duration` leaves.

    Args:
        size: Number of samples.
        pattern: Time (ms) of each channel after the onset, one row for each class; for example `random_orders`.
        duration: End of a sample (ms).
        noise: Jitter and distractors.
        key: Random key.

    Returns:
        Times, shape (size, (1 + distractors) * channels), and classes.

    Raises:
        ValueError: a number is out of range, or the pattern does not fit into `duration`.

    Example:
        >>> import jax, numpy as np
        >>> from ranvier import datasets
        >>> samples = datasets.polychrony_samples(2, np.array([[0.0, 7.0], [7.0, 0.0]]), key=jax.random.key(0))
        >>> (samples.feature[:, 1] - samples.feature[:, 0]).round(6).tolist(), samples.label.tolist()
        ([7.0, -7.0], [0, 1])
    """
    _check("polychrony_samples", size, pattern.shape[1], float(np.ptp(pattern)), duration)
    random = generator(key)
    label = _labels(random, size, len(pattern))
    onset = (duration - np.ptp(pattern)) * random.random((size, 1))
    times = onset + (pattern - pattern.min())[label]
    return _finished(random, times[:, None], label, duration, noise)


def coincidence_samples(
    size: int,
    *,
    channels: int = 10,
    shift: float = 10.0,
    duration: float = 80.0,
    noise: Noise = QUIET,
    key: PRNGKeyArray,
) -> Samples:
    """Channels come in pairs: class 1 if the two of each pair fire together, class 0 if one fires `shift` later.

    Channel 2n fires at a time uniform in [0, duration); channel 2n + 1 at that time, or `shift` before or after it,
    counted around the circle. So each channel's times are uniform in both classes.

    Args:
        size: Number of samples.
        channels: Number of channels, even.
        shift: Time (ms) between the two in class 0, below half of `duration`.
        duration: End of a sample (ms).
        noise: Jitter and distractors.
        key: Random key.

    Returns:
        Times, shape (size, (1 + distractors) * channels), and classes.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> samples = datasets.coincidence_samples(4, channels=2, key=jax.random.key(0))
        >>> ((samples.feature[:, 0] == samples.feature[:, 1]) == samples.label).all().item()
        True
    """
    _check("coincidence_samples", size, channels, 2 * shift, duration)
    if channels % 2:
        msg = f"coincidence_samples: `channels` come in pairs, so their number must be even; got {channels}."
        raise ValueError(msg)
    random = generator(key)
    label = _labels(random, size, 2)
    first = duration * random.random((size, channels // 2))
    away = shift * np.where(random.random(first.shape) < 0.5, -1.0, 1.0) * (label == 0)[:, None]
    second = np.where(away == 0, first, (first + away) % duration)
    times = np.stack([first, second], axis=2).reshape(size, channels)
    return _finished(random, times[:, None], label, duration, noise)


def delayed_xor_samples(
    size: int,
    *,
    channels: int = 4,
    width: float = 10.0,
    gap: float = 30.0,
    duration: float = 80.0,
    noise: Noise = QUIET,
    key: PRNGKeyArray,
) -> Samples:
    """Two cues with silence between them; the class says whether they are different.

    In a cue all channels fire once, one after the other within `width`, upwards or downwards. Class 1: one cue runs up
    and the other down; class 0: both the same way. The first cue begins at an onset uniform in all that `duration`
    leaves, the second `width + gap` later.

    Args:
        size: Number of samples.
        channels: Number of channels, at least 2.
        width: Length of a cue (ms).
        gap: Silence (ms) between the cues.
        duration: End of a sample (ms).
        noise: Jitter and distractors.
        key: Random key.

    Returns:
        Times, shape (size, (2 + distractors) * channels), and classes.

    Raises:
        ValueError: a number is out of range, or the cues do not fit into `duration`.

    Example:
        >>> import jax
        >>> from ranvier import datasets
        >>> samples = datasets.delayed_xor_samples(4, channels=2, key=jax.random.key(0))
        >>> rises = (samples.feature[:, 1] > samples.feature[:, 0], samples.feature[:, 3] > samples.feature[:, 2])
        >>> ((rises[0] != rises[1]) == samples.label).all().item()
        True
    """
    _check("delayed_xor_samples", size, channels, 2 * width + gap, duration)
    if channels < 2:
        msg = f"delayed_xor_samples: `channels` must be at least 2, to fire one after the other; got {channels}."
        raise ValueError(msg)
    random = generator(key)
    label = _labels(random, size, 2)
    first = random.integers(0, 2, size)
    down = np.stack([first, first ^ label], axis=1)[:, :, None]
    step = np.arange(channels) / (channels - 1)
    onset = (duration - 2 * width - gap) * random.random((size, 1)) + np.array([0.0, width + gap])
    times = onset[:, :, None] + width * np.where(down, 1.0 - step, step)
    return _finished(random, times, label, duration, noise)


def _labels(random: np.random.Generator, size: int, classes: int) -> Int[np.ndarray, " size"]:
    """Each class as often as the others, or once more, in random order."""
    return random.permutation(np.arange(size) % classes)


def _finished(
    random: np.random.Generator,
    times: Float[np.ndarray, "size spikes channels"],
    label: Int[np.ndarray, " size"],
    duration: float,
    noise: Noise,
) -> Samples:
    """With jitter and distractors, one row per sample."""
    size, _, channels = times.shape
    moved = times + noise.jitter * random.standard_normal(times.shape)
    others = duration * random.random((size, noise.distractors, channels))
    row = np.concatenate([moved, others], axis=1).reshape(size, -1)
    return Samples(np.clip(row, 0.0, duration), label)


def _check(owner: str, size: int, channels: int, longest: float, duration: float) -> None:
    if size < 1 or channels < 1:
        msg = f"{owner}: needs at least one sample (or class) and one channel; got {size} and {channels}."
        raise ValueError(msg)
    if not 0 < longest <= duration:
        msg = (
            f"{owner}: what a sample holds must last longer than 0 ms and fit into `duration`, {duration} ms; it takes "
            f"{longest} ms. Take a longer `duration`."
        )
        raise ValueError(msg)
