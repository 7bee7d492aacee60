"""How large initial weights must be so that a neuron fires: measured on samples, for data differ a lot."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float

from ranvier.datasets.spike_files import Rows

LONGEST = 4000.0
"""Of longer samples, the beginning (ms)."""
PER_SPIKE = 20.0
"""Input spikes of a sample for each spike of a neuron, at least."""
MOST = 1e6
"""The search for a weight ends here, should no weight make a neuron fire so often."""
HALVINGS = 24


def mean_weight(some: Rows, spikes: float, tau_mem: float, tau_syn: float) -> float:
    """The weight of all inputs with which a leaky integrate-and-fire neuron of threshold 1 fires so often.

    The neuron resets to 0 and has no refractory time. Time goes in steps of 1 ms, and the weight is found by halving an
    interval.

    Args:
        some: Samples.
        spikes: Spikes of a sample, on average over those that are not silent: at most one for `PER_SPIKE` input spikes,
            and one for each `tau_mem` (1 ms, if it is shorter) in which there are any, and one more.
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).

    Returns:
        The weight; 1 if no sample has a spike.

    Example:
        >>> import numpy as np
        >>> from ranvier.datasets.spike_files import Rows
        >>> from ranvier.lab.waking import mean_weight
        >>> regular = Rows(np.array([0, 1000]), np.arange(1000.0), np.zeros(1000, int))  # one spike each ms
        >>> round(mean_weight(regular, 19.0, 20.0, 5.0), 2)  # a current of 5 w = 1.08: every 20 ln(1.08 / 0.08) = 52 ms
        0.22
    """
    each = [time[time < LONGEST] for time in (some.time[first:last] for first, last in pairwise(some.start))]
    each = [time for time in each if len(time)]
    if not each:
        return 1.0
    counts, room = _binned(each, tau_mem), 1.0 + np.mean([time[-1] - time[0] for time in each]) / max(1.0, tau_mem)
    wanted, low, high = min(spikes, counts.sum(0).mean() / PER_SPIKE, room), 0.0, 1.0
    while _spikes(counts, high, tau_mem, tau_syn) < wanted and high < MOST:
        low, high = high, min(2.0 * high, MOST)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = _spikes(counts, middle, tau_mem, tau_syn) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def _binned(each: Sequence[Float[np.ndarray, " _"]], after: float) -> Float[np.ndarray, "steps samples"]:
    """Spikes of each ms, and `after` ms (up to a second) in which the last ones take effect."""
    found = [np.bincount(time.astype(int)) for time in each]
    steps = max(map(len, found)) + math.ceil(min(after, 1000.0))
    return np.stack([np.pad(one, (0, steps - len(one))) for one in found], axis=1).astype(float)


def _spikes(counts: Float[np.ndarray, "steps samples"], weight: float, tau_mem: float, tau_syn: float) -> float:
    """Spikes of a sample, on average."""
    current, potential, fired = np.zeros((3, counts.shape[1]))
    keep_current, keep = np.exp(-1.0 / tau_syn), np.exp(-1.0 / tau_mem)
    passed = keep / tau_mem if tau_mem == tau_syn else (keep - keep_current) * tau_syn / (tau_mem - tau_syn)
    for here in counts:
        current += weight * here
        potential = keep * potential + passed * current
        current *= keep_current
        crossed = potential >= 1.0
        fired += crossed
        potential[crossed] = 0.0
    return float(fired.mean())
