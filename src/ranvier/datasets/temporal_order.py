"""Temporal order: two inputs fire once each, and the class is which of them fires first.

Both samples have the same spikes of the same neurons: without delays, and with equal weights, no readout of summed
potentials tells them apart. Source: Mészáros, Knight & Nowotny, Nat. Commun. 16 (2025), s41467-025-65394-8.
"""

from ranvier.events import Spikes


def temporal_order_samples(gap: float = 10.0) -> tuple[Spikes, tuple[int, int]]:
    """The two samples of the task, and their classes.

    Args:
        gap: Time (ms) from the first spike, at 0, to the second.

    Returns:
        Spikes of shape (2, 2): in sample k input k fires first; and the classes (0, 1).

    Raises:
        ValueError: `gap` is not above 0.

    Example:
        >>> from ranvier import datasets
        >>> spikes, label = datasets.temporal_order_samples()
        >>> spikes.time.tolist(), spikes.unit.tolist(), label
        ([[0.0, 10.0], [0.0, 10.0]], [[0, 1], [1, 0]], (0, 1))
    """
    if not gap > 0:
        msg = f"temporal_order_samples: `gap` must be a time in ms above 0; got {gap}."
        raise ValueError(msg)
    return Spikes([[0.0, gap], [0.0, gap]], [[0, 1], [1, 0]], size=2), (0, 1)
