"""How large initial weights must be so that a neuron fires: measured on samples, for data differ a lot."""

from itertools import pairwise

import numpy as np
from jaxtyping import Float

from ranvier.datasets.spike_files import Rows

LONGEST = 4000.0
"""Of longer samples, the beginning (ms)."""
PER_SPIKE = 20.0
"""Input spikes of a sample for each spike of a neuron, at least."""
HALVINGS = 24


def mean_weight(some: Rows, spikes: float, tau_mem: float, tau_syn: float) -> float:
    """The weight of all inputs with which a leaky integrate-and-fire neuron of threshold 1 fires so often.

    The neuron resets to 0 and has no refractory time. Time goes in steps of 1 ms, and the weight is found by halving an
    interval.

    Args:
        some: Samples.
        spikes: Spikes of a sample, on average; at most one for `PER_SPIKE` input spikes.
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
    counts = _binned(some)
    each = counts.sum(0).mean()
    if each == 0.0:
        return 1.0
    wanted, low, high = min(spikes, each / PER_SPIKE), 0.0, 1.0
    while _spikes(counts, high, tau_mem, tau_syn) < wanted:
        low, high = high, 2.0 * high
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        enough = _spikes(counts, middle, tau_mem, tau_syn) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


def _binned(some: Rows) -> Float[np.ndarray, "steps samples"]:
    """Spikes of each ms."""
    each = [some.time[first:last] for first, last in pairwise(some.start)]
    found = [np.bincount(time[time < LONGEST].astype(int)) for time in each]
    steps = max([1, *map(len, found)])
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
