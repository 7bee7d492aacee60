"""Samples in which every channel fires equally often, so that only time tells the classes apart.

Their features are spike times (ms): column `k channels + i` is the time of the k-th spike of channel i.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ranvier.events import Spikes


def channel_spikes(time: Float[np.ndarray, "samples columns"], channels: int) -> Spikes:
    """The spikes of such samples, in order of time.

    Args:
        time: Spike times (ms), shape (samples, spikes per channel * channels).
        channels: Number of channels.

    Returns:
        `Spikes` of the same shape, of `channels` units.

    Raises:
        ValueError: there is not the same number of columns for each channel.

    Example:
        >>> import numpy as np
        >>> from ranvier import datasets
        >>> spikes = datasets.channel_spikes(np.array([[3.0, 2.0, 1.0, 4.0]]), channels=2)
        >>> spikes.time.tolist(), spikes.unit.tolist()
        ([[1.0, 2.0, 3.0, 4.0]], [[0, 1, 0, 1]])
    """
    if channels < 1 or time.shape[1] == 0 or time.shape[1] % channels:
        msg = (
            f"channel_spikes: `time` must have the same number of columns, at least one, for each of {channels} "
            f"channels; got {time.shape[1]} columns."
        )
        raise ValueError(msg)
    order = np.argsort(time, axis=1, kind="stable")
    return Spikes(jnp.asarray(np.take_along_axis(time, order, axis=1)), order % channels, channels)
