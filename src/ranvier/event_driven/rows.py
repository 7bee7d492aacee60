"""What the engine reads of connections: the synapses that exist, and nothing for those that do not.

All to all, values are matrices; with pairs they are lists, one value for each, whatever kind of delay it is.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ranvier.connections import Connection
from ranvier.network import Network
from ranvier.patterns import Pairs


class Rows(NamedTuple):
    """A connection: name, ends, lower bound of its delays (ms), weights, delays (ms), and pairs, if it lists them.

    Shapes: `weight` (pre, post) and `delay` (pre, post), (pre, 1), (1, post) or (1, 1); with pairs all are (synapses,).
    """

    name: str
    pre: str
    post: str
    low: float
    weight: Float[Array, "..."]
    delay: Float[Array, "..."]
    pairs: tuple[Int[Array, " synapses"], Int[Array, " synapses"]] | None


def rows(network: Network) -> tuple[Rows, ...]:
    """The connections of a network, in its order.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.event_driven.rows import rows
        >>> populations = {"input": rv.Population(2), "output": rv.Population(3, rv.LIF())}
        >>> pattern = rv.Pairs([0, 1], [2, 0])
        >>> link = rv.Connection("input", "output", jnp.array([5.0, 7.0]), rv.FixedDelay(1.5), pattern)
        >>> rows(rv.Network(populations, [link]))[0].delay.tolist()
        [1.5, 1.5]
    """
    return tuple(_rows(network, link) for link in network.connections)


def _rows(network: Network, link: Connection) -> Rows:
    delay, pattern = network.delay(link), link.pattern
    if not isinstance(pattern, Pairs):
        return Rows(link.name, link.pre, link.post, link.delay.low, link.weight, delay, None)
    if delay.ndim == 2:
        senders, receivers = delay.shape
        none = jnp.zeros_like(pattern.pre)
        delay = delay[pattern.pre if senders > 1 else none, pattern.post if receivers > 1 else none]
    return Rows(link.name, link.pre, link.post, link.delay.low, link.weight, delay, (pattern.pre, pattern.post))
