"""Wiring: what axons and space cost, and which synapses to remove.

The costs are functions of a network that `Recipe(costs=...)` adds to the loss. `prune` removes synapses of a trained
network. To move synapses while a network learns, see `ranvier.rewiring`.
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.delays import SpatialDelay
from ranvier.network import Network
from ranvier.patterns import Pairs

Worth = Callable[..., Float[Array, "..."]]
"""`(network, link, key)`: what each synapse of a connection is worth; the lowest go first."""


@dataclasses.dataclass(frozen=True)
class WiringLength:
    """What axons cost: `strength sum_ij |w_ij| l_ij` over all connections whose delays follow from positions.

    l is the distance of the two neurons, times the tortuosity if there is one.

    Args:
        strength: Factor, >= 0.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.wiring import WiringLength
        >>> ends = {"input": rv.Population(1, position=[[0.0]]), "output": rv.Population(1, rv.LIF(), [[3.0]])}
        >>> net = rv.Network(ends, [rv.Connection("input", "output", jnp.array([[-2.0]]), rv.SpatialDelay())])
        >>> float(WiringLength(0.5)(net))
        3.0
    """

    strength: float

    def __post_init__(self):
        _check("WiringLength", strength=self.strength)

    def __call__(self, network: Network) -> Float[Array, ""]:
        """What is added to the loss."""
        each = [jnp.sum(jnp.abs(link.weight) * lengths(network, link)) for link in _spatial("WiringLength", network)]
        return self.strength * sum(each[1:], each[0])


@dataclasses.dataclass(frozen=True)
class Volume:
    """What space costs: `strength mean_i |x_i - c|^2` over all neurons that have positions, c their centre.

    Args:
        strength: Factor, >= 0.

    Raises:
        ValueError: `strength` is negative or not finite.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.wiring import Volume
        >>> ends = {"input": rv.Population(1, position=[[0.0]]), "output": rv.Population(1, rv.LIF(), [[4.0]])}
        >>> net = rv.Network(ends, [rv.Connection("input", "output", jnp.array([[-2.0]]), rv.SpatialDelay())])
        >>> float(Volume(0.5)(net))
        2.0
    """

    strength: float

    def __post_init__(self):
        _check("Volume", strength=self.strength)

    def __call__(self, network: Network) -> Float[Array, ""]:
        """What is added to the loss."""
        position = jnp.concatenate(_positions("Volume", network))
        centre = jnp.mean(position, axis=0, keepdims=True)
        return self.strength * jnp.mean(jnp.sum((position - centre) ** 2, axis=1))


@dataclasses.dataclass(frozen=True)
class Repulsion:
    """Keeps the neurons of a population apart: `strength / size sum_(i < j) exp(-|x_i - x_j|^2 / (2 radius^2))`.

    Args:
        strength: Factor, >= 0.
        radius: How far it reaches, > 0, in the unit of the positions.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.wiring import Repulsion
        >>> ends = {"input": rv.Population(2, position=[[0.0], [0.0]]), "output": rv.Population(1, rv.LIF(), [[4.0]])}
        >>> net = rv.Network(ends, [rv.Connection("input", "output", jnp.ones((2, 1)), rv.SpatialDelay())])
        >>> float(Repulsion(3.0, radius=1.0)(net))
        1.5
    """

    strength: float
    radius: float

    def __post_init__(self):
        _check("Repulsion", strength=self.strength, radius=self.radius)
        if self.radius == 0:
            msg = "Repulsion: `radius` must be above 0; got 0."
            raise ValueError(msg)

    def __call__(self, network: Network) -> Float[Array, ""]:
        """What is added to the loss."""

        def one(position: Float[Array, "size d"]) -> Float[Array, ""]:
            square = jnp.sum((position[:, None] - position[None]) ** 2, axis=-1)
            near = jnp.exp(-square / (2 * self.radius**2))
            return (jnp.sum(near) - jnp.trace(near)) / (2 * len(position))

        each = [one(position) for position in _positions("Repulsion", network)]
        return self.strength * sum(each[1:], each[0])


def lengths(network: Network, link: Connection) -> Float[Array, "..."]:
    """Length of the axon of each synapse of a connection whose delays follow from positions, tortuosity included.

    Args:
        network: The network.
        link: One of its connections.

    Raises:
        ValueError: the delays of the connection do not follow from positions.
    """
    delay = link.delay
    if not isinstance(delay, SpatialDelay):
        kind = type(delay).__name__
        msg = f"lengths: {link.name} has a {kind}; only the synapses of a SpatialDelay have lengths."
        raise ValueError(msg)
    direct = delay.length(network[link.pre], network[link.post], link.pattern)
    return direct if delay.tortuosity is None else direct * delay.tortuosity().astype(direct.dtype)


def by_weight(network: Network, link: Connection, key: PRNGKeyArray | None = None) -> Float[Array, "..."]:
    """Synapses of small weight are worth least: `|w|`."""
    del network, key
    return jnp.abs(link.weight)


def by_length(network: Network, link: Connection, key: PRNGKeyArray | None = None) -> Float[Array, "..."]:
    """Synapses of long delays are worth least: `-d`; with delays by distance those are the long axons."""
    del key
    return -each_delay(network, link)


def at_random(network: Network, link: Connection, key: PRNGKeyArray | None = None) -> Float[Array, "..."]:
    """Synapses are worth a random number, drawn by `key`."""
    del network
    if key is None:
        msg = "at_random: synapses are drawn at random; pass `key`, for example key=jax.random.key(0)."
        raise ValueError(msg)
    return jax.random.uniform(key, link.weight.shape, link.weight.dtype)


def prune(network: Network, share: float, by: Worth = by_weight, *, key: PRNGKeyArray | None = None) -> Network:
    """The network without a share of the synapses of each connection; what is left are `ranvier.Pairs`.

    Args:
        network: The network, of known values.
        share: Share that goes, in [0, 1); of each connection at least one synapse stays.
        by: What a synapse is worth: `by_weight`, `by_length`, `at_random`, or a function of your own.
        key: Random key, where that needs one.

    Raises:
        ValueError: `share` is not in [0, 1).

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.wiring import prune
        >>> net = rv.feedforward([4, 5, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> [link.weight.shape for link in prune(net, 0.5).connections]
        [(10,), (7,)]
    """
    if not 0 <= share < 1:
        msg = f"prune: `share` must be at least 0 and below 1; got {share}."
        raise ValueError(msg)
    links = []
    for place, link in enumerate(network.connections):
        worth = np.asarray(by(network, link, None if key is None else jax.random.fold_in(key, place)))
        order = np.argsort(worth.ravel(), kind="stable")
        stay = np.sort(order[min(round(share * order.size), order.size - 1) :])
        take = lambda values, stay=stay: values.reshape(-1)[stay]
        pre, post = _ends(network, link)
        kept = link.delay.some(take)
        links.append(
            Connection(link.pre, link.post, take(link.weight), kept, Pairs(pre[stay], post[stay]), name=link.name)
        )
    return Network(network.populations, links, speed=network.speed)


def each_delay(network: Network, link: Connection) -> Float[Array, "..."]:
    """The delay of every synapse (ms), of the shape of the weights, also where several synapses share one.

    Args:
        network: The network.
        link: One of its connections.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.wiring import each_delay
        >>> net = rv.feedforward([4, 5], neuron=rv.LIF(), delay=rv.axonal(0.0, 2.0), key=jax.random.key(0))
        >>> net.delay("input->output").shape, each_delay(net, net["input->output"]).shape
        ((4, 1), (4, 5))
    """
    delay = network.delay(link)
    if link.weight.ndim == 1 and delay.ndim == 1:
        return delay
    every = jnp.broadcast_to(delay, (network.size(link.pre), network.size(link.post)))
    return every if link.weight.ndim == 2 else link.pattern.take(every)


def _ends(network: Network, link: Connection) -> tuple[np.ndarray, np.ndarray]:
    """Sender and receiver of each synapse, in the order of the weights."""
    index = lambda name: jnp.arange(network.size(name), dtype=float)
    pre, post = jnp.broadcast_arrays(*link.pattern.ends(index(link.pre), index(link.post)))
    return np.asarray(pre, int).ravel(), np.asarray(post, int).ravel()


def _spatial(owner: str, network: Network) -> list[Connection]:
    found = [link for link in network.connections if isinstance(link.delay, SpatialDelay)]
    if not found:
        msg = f"{owner}: no connection of this network has a SpatialDelay, so nothing has a length."
        raise ValueError(msg)
    return found


def _positions(owner: str, network: Network) -> list[Float[Array, "size d"]]:
    found = [one.position for one in network.members if one.position is not None]
    if not found:
        msg = f"{owner}: no population of this network has a position."
        raise ValueError(msg)
    return found


def _check(owner: str, **numbers: float) -> None:
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            msg = f"{owner}: `{name}` must be finite and at least 0; got {value}."
            raise ValueError(msg)
