"""Placing: where neurons are drawn, in three dimensions: at their positions, or by layers, or by their delays."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ranvier.network import Network
from ranvier.topology import embed

Place = Callable[[Network], dict[str, Float[np.ndarray, "size 3"]]]
"""From a network to a place for every neuron, by population."""

GOLDEN = np.pi * (3 - np.sqrt(5))
"""Angle from one seed of a sunflower to the next."""


def positions(network: Network) -> dict[str, Float[np.ndarray, "size 3"]]:
    """The positions of the populations; where one has none, all by layers.

    Positions of more than three dimensions are turned to those three along which neurons lie furthest apart.

    Args:
        network: The network.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.viewer import positions
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), position=rv.layouts.line(1.0), key=jax.random.key(0))
        >>> positions(net)["input"].tolist()
        [[-0.5, 0.0, 0.0], [0.5, 0.0, 0.0]]
    """
    found = {name: one.position for name, one in network.populations.items()}
    known = {name: np.asarray(place, float) for name, place in found.items() if place is not None}
    if len(known) < len(found) or len({place.shape[1] for place in known.values()}) > 1:
        return by_layers(network)
    return _in_three(known)


def by_layers(network: Network) -> dict[str, Float[np.ndarray, "size 3"]]:
    """Populations one behind the other in the order of the network, each a disc.

    Args:
        network: The network.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.viewer import by_layers
        >>> sorted(by_layers(rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))))
        ['input', 'output']
    """
    widest = max(one.size for one in network.members)
    step = 1.5 * np.sqrt(widest)
    return {name: _disc(network.size(name), at * step) for at, name in enumerate(network.names)}


def by_delays(network: Network) -> dict[str, Float[np.ndarray, "size 3"]]:
    """Where distances are as close to the delays as can be: see `ranvier.topology.embed`.

    Args:
        network: The network.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.viewer import by_delays
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 5.0), key=jax.random.key(0))
        >>> by_delays(net)["output"].shape
        (3, 3)
    """
    return embed(network, 3).position


def _disc(size: int, at: float) -> Float[np.ndarray, "size 3"]:
    """Neurons spread evenly on a disc across the first axis, like the seeds of a sunflower."""
    index = np.arange(size)
    radius = np.sqrt(index + 0.5) if size > 1 else np.zeros(1)
    return np.stack([np.full(size, at), radius * np.cos(index * GOLDEN), radius * np.sin(index * GOLDEN)], axis=1)


def _in_three(known: dict[str, Float[np.ndarray, "_ d"]]) -> dict[str, Float[np.ndarray, "size 3"]]:
    every = np.concatenate(list(known.values()))
    if every.shape[1] > 3:
        axes = np.linalg.svd(every - every.mean(axis=0), full_matrices=False)[2][:3]  # fewer than 3 of few neurons
        known = {name: (place - every.mean(axis=0)) @ axes.T for name, place in known.items()}
    return {name: np.pad(place, ((0, 0), (0, 3 - place.shape[1]))) for name, place in known.items()}
