"""The synapses of a network as matrices: what simulators read of its connections.

A simulator asks for `dense(network)` and gets one `Link` per connection, whose weights have shape (pre, post) whatever
the pattern: where there is no synapse the weight is 0, and `exists` says so, for an absent synapse has no event either.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from ranvier.connections import Connection
from ranvier.delays import Per
from ranvier.events import Spikes
from ranvier.network import Network


class Link(eqx.Module):
    """A connection as matrices.

    Args:
        name: Its name.
        pre: Sending population.
        post: Receiving population.
        per: Which synapses share a delay, as far as sizes allow: with one receiver a delay per synapse is one per
            sender.
        low: Lower bound of its delays (ms).
        high: Upper bound (ms).
        learns: Whether its delays can learn.
        weight: Weights, 0 where there is no synapse.
        delay: Delays (ms), shape (pre, post), (pre, 1), (1, post) or (1, 1).
        exists: Where there is a synapse; None for everywhere.
    """

    name: str = eqx.field(static=True)
    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    per: Per = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    learns: bool = eqx.field(static=True)
    weight: Float[Array, "pre post"]
    delay: Float[Array, "#pre #post"]
    exists: Bool[Array, "pre post"] | None

    def targets(self) -> Int[Array, " pre"]:
        """Synapses of each sender."""
        if self.exists is None:
            return jnp.full(self.weight.shape[0], self.weight.shape[1], jnp.int32)
        return jnp.sum(self.exists, axis=1, dtype=jnp.int32)

    def events(self, sends: Bool[Array, "batch pre"]) -> Int[Array, " batch"]:
        """Events that one spike of each of some senders causes."""
        return jnp.sum(jnp.where(sends, self.targets(), 0), axis=1, dtype=jnp.int32)

    def delivered(self, spikes: Spikes) -> Int[Array, " batch"]:
        """Events that the spikes of `pre`, shape (batch, n), cause."""
        some = jnp.isfinite(spikes.time)
        if self.exists is None:
            return jnp.sum(some, axis=1, dtype=jnp.int32) * self.weight.shape[1]
        return jnp.sum(jnp.where(some, self.targets()[jnp.where(some, spikes.unit, 0)], 0), axis=1, dtype=jnp.int32)


def dense(network: Network) -> tuple[Link, ...]:
    """The connections of a network as matrices, in its order.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> populations = {"input": rv.Population(2), "output": rv.Population(3, rv.LIF())}
        >>> link = rv.Connection("input", "output", jnp.array([5.0, 7.0]), pattern=rv.Pairs([0, 1], [2, 0]))
        >>> dense(rv.Network(populations, [link]))[0].weight.tolist()
        [[0.0, 0.0, 5.0], [7.0, 0.0, 0.0]]
    """
    return tuple(_link(network, link) for link in network.connections)


def _link(network: Network, link: Connection) -> Link:
    pre, post = network.size(link.pre), network.size(link.post)
    delay, per = network.delay(link), link.delay.per
    if per is Per.SYNAPSE:
        # An absent synapse gets a delay inside the bounds, which no check refuses; nothing uses it.
        delay = link.pattern.dense(delay, pre, post, link.delay.low)
        per = Per.COMMON if pre == post == 1 else Per.SENDER if post == 1 else Per.RECEIVER if pre == 1 else per
    weight, exists = link.pattern.dense(link.weight, pre, post, 0.0), link.pattern.exists(pre, post)
    learns = bool(link.delay.learns)
    return Link(link.name, link.pre, link.post, per, link.delay.low, link.delay.high, learns, weight, delay, exists)
