"""How weights and delays are spread, epoch by epoch: a few numbers for each connection, small enough to keep."""

import numpy as np

from ranvier.network import Network

SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that are kept."""


def quantiles(network: Network) -> dict[str, list[float]]:
    """Quantiles of the weights of each connection, and of its delays (ms) where they can learn.

    Args:
        network: The network.

    Returns:
        {path: the 5, 25, 50, 75 and 95 % quantiles}.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.train.spreading import quantiles
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> list(quantiles(net))
        ['input->output.weight', 'input->output.delay']
    """
    found = {}
    for link in network.connections:
        found[f"{link.name}.weight"] = np.asarray(link.weight)
        if link.delay.learns:
            found[f"{link.name}.delay"] = np.asarray(network.delay(link))
    return {name: np.quantile(values, SHARES).tolist() if values.size else [] for name, values in found.items()}
