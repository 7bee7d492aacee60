"""Rewiring: synapses of `ranvier.Pairs` move to other places while a network learns, `Recipe(rewiring=...)`.

Their number stays, so one compiled program serves all patterns.
"""

import abc
import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.network import Network
from ranvier.patterns import AllToAll, Pairs


class AbstractRewiring(abc.ABC):
    """Which synapses go to another place, and when.

    A synapse that moves goes to a pair of neurons that has none, drawn at random, and starts there with weight 0. Its
    delay follows from the new positions, or is that of the synapse that went, where delays are free. What the optimiser
    remembers of its weight starts anew. Connections from all to all stay as they are.
    """

    every: int
    """Steps of the optimiser from one time to the next, counted over the whole training."""

    @abc.abstractmethod
    def leaves(self, weight: Float[Array, " synapses"]) -> Bool[Array, " synapses"]:
        """Which synapses of a connection go.

        Args:
            weight: Their weights.
        """

    @abc.abstractmethod
    def starts(self, count: int, key: PRNGKeyArray, dtype: jnp.dtype) -> Float[Array, " synapses"]:
        """The weights with which synapses start at their new places.

        Args:
            count: Number of synapses.
            key: Random key.
            dtype: Of the weights.
        """

    def settled(
        self, before: Float[Array, " synapses"], after: Float[Array, " synapses"], key: PRNGKeyArray
    ) -> Float[Array, " synapses"]:
        """The weights of a connection after each step of the optimiser; here those that the optimiser found.

        Args:
            before: Weights before the step.
            after: Weights after it.
            key: Random key.
        """
        del before, key
        return after

    def settle(self, learn: Network, network: Network, key: PRNGKeyArray) -> Network:
        """The network after a step of the optimiser, with its weights settled.

        Args:
            learn: What learns, as it was before the step; None in place of all other leaves.
            network: The network after the step.
            key: Random key.
        """
        links = []
        for place, (old, link) in enumerate(zip(learn.connections, network.connections, strict=True)):
            if old.weight is not None and isinstance(link.pattern, Pairs):
                weight = self.settled(old.weight, link.weight, jax.random.fold_in(key, place))
                links.append(eqx.tree_at(lambda one: one.weight, link, weight))
            else:
                links.append(link)
        return eqx.tree_at(lambda tree: tree.connections, network, tuple(links))

    def __call__(self, network: Network, *, key: PRNGKeyArray) -> tuple[Network, list[Array | None]]:
        """Move synapses once.

        Args:
            network: The network.
            key: Random key.

        Returns:
            The network, and for each connection which synapses moved, None where it has no pairs.
        """
        links, moved = [], []
        for place, link in enumerate(network.connections):
            if isinstance(link.pattern, AllToAll):
                links.append(link)
                moved.append(None)
                continue
            size = network.size(link.pre), network.size(link.post)
            new, changed = self._move(link, size, jax.random.fold_in(key, place))
            links.append(new)
            moved.append(changed)
        return eqx.tree_at(lambda tree: tree.connections, network, tuple(links)), moved

    def _move(self, link: Connection, size: tuple[int, int], key: PRNGKeyArray) -> tuple[Connection, Array]:
        """The r-th synapse that goes takes the r-th of the free places, in random order; without one it stays."""
        places = _free(link, size, key)
        leaves = self.leaves(link.weight)
        rank = jnp.cumsum(leaves) - 1
        changed = leaves & (rank < places.size)
        place = places[jnp.clip(rank, 0, max(places.size - 1, 0))] if places.size else jnp.zeros_like(rank)
        ends = (place // size[1]).astype(jnp.int32), (place % size[1]).astype(jnp.int32)
        pairs = link.pattern
        assert isinstance(pairs, Pairs)
        pattern = eqx.tree_at(
            lambda one: (one.pre, one.post),
            pairs,
            (jnp.where(changed, ends[0], pairs.pre), jnp.where(changed, ends[1], pairs.post)),
        )
        start = self.starts(link.weight.size, jax.random.fold_in(key, 1), link.weight.dtype)
        weight = jnp.where(changed, start, link.weight)
        return eqx.tree_at(lambda one: (one.weight, one.pattern), link, (weight, pattern)), changed


def _free(link: Connection, size: tuple[int, int], key: PRNGKeyArray) -> Int[Array, " places"]:
    """Places without a synapse in random order, as many as there are synapses if there are so many."""
    pre, post = size
    taken = jnp.ravel(link.pattern.dense(jnp.ones_like(link.weight), pre, post, 0.0) > 0)
    score = jnp.where(taken, -1.0, jax.random.uniform(key, (pre * post,)))
    return jax.lax.top_k(score, min(link.weight.size, pre * post - link.weight.size))[1]


@dataclasses.dataclass(frozen=True)
class Rewiring(AbstractRewiring):
    """Moves the weakest synapses, now and then.

    Every `every` steps, of each connection with `ranvier.Pairs`, the `share` of smallest |w| moves and starts with
    weight 0.

    Args:
        share: Share of the synapses that moves at a time, in (0, 1).
        every: Steps from one time to the next, counted over the whole training, >= 1.

    Raises:
        ValueError: a number is out of range.

    References:
        Sparse evolutionary training, Mocanu et al., Nat. Commun. 9 (2018).

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.rewiring import Rewiring
        >>> net = rv.feedforward([4, 5], neuron=rv.LIF(), pattern=rv.patterns.density(0.5), key=jax.random.key(0))
        >>> moved, changed = Rewiring(0.2)(net, key=jax.random.key(1))
        >>> int(changed[0].sum()), moved.connections[0].weight.shape
        (2, (10,))
    """

    share: float
    every: int = 100

    def __post_init__(self):
        if not 0 < self.share < 1 or self.every < 1:
            msg = f"Rewiring: needs 0 < `share` < 1 and `every` >= 1; got {self.share} and {self.every}."
            raise ValueError(msg)

    def leaves(self, weight: Float[Array, " synapses"]) -> Bool[Array, " synapses"]:
        """Those of smallest |w|.

        Args:
            weight: Their weights.
        """
        weakest = jnp.argsort(jnp.abs(weight))[: round(self.share * weight.size)]
        return jnp.zeros(weight.shape, bool).at[weakest].set(True)

    def starts(self, count: int, key: PRNGKeyArray, dtype: jnp.dtype) -> Float[Array, " synapses"]:
        """Weights of 0.

        Args:
            count: Number of synapses.
            key: Not used.
            dtype: Of the weights.
        """
        del key
        return jnp.zeros(count, dtype)


@dataclasses.dataclass(frozen=True)
class DeepRewiring(AbstractRewiring):
    """Moves each synapse whose weight comes to 0, and keeps its sign until then.

    After each step of the optimiser, with s the sign of a weight before it,

        w <- w - s decay + noise N(0, 1),    and w <- 0 where that has another sign than s.

    A weight of 0 leaves its place at the next time, and starts at the new one with weight 0 and a random sign: it lives
    there if the gradient, or the noise, moves it in the direction of that sign. So a network of few synapses looks for
    the places where they serve it. What is at 0 keeps its sign as that of the floating point number.

    Args:
        decay: How much |w| falls with every step, >= 0, as by an L1 term of the loss. With Adam a third of its learning
            rate is a good start: with much less, synapses that are of no use live on.
        noise: Standard deviation of what is added to every weight with every step, >= 0.
        every: Steps from one time to the next, >= 1.

    Raises:
        ValueError: a number is out of range.

    References:
        Bellec, Kappel, Maass, Legenstein, ICLR 2018.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.rewiring import DeepRewiring
        >>> rule = DeepRewiring(decay=0.125)
        >>> settled = rule.settled(jnp.array([1.0, -0.5, 0.5]), jnp.array([0.75, -0.25, -0.1]), jax.random.key(0))
        >>> settled.tolist()
        [0.625, -0.125, 0.0]
    """

    decay: float
    noise: float = 0.0
    every: int = 10

    def __post_init__(self):
        for name in ("decay", "noise"):
            if not 0 <= getattr(self, name) < math.inf:
                msg = f"DeepRewiring: `{name}` must be finite and at least 0; got {getattr(self, name)}."
                raise ValueError(msg)
        if self.every < 1:
            msg = f"DeepRewiring: `every` must be at least 1; got {self.every}."
            raise ValueError(msg)

    def settled(
        self, before: Float[Array, " synapses"], after: Float[Array, " synapses"], key: PRNGKeyArray
    ) -> Float[Array, " synapses"]:
        """Weights that are smaller by the decay, noisy, and of the sign they had.

        Args:
            before: Weights before the step.
            after: Weights after it.
            key: Random key.
        """
        sign = jnp.copysign(jnp.ones_like(before), before)
        moved = after - self.decay * sign
        if self.noise:
            moved = moved + self.noise * jax.random.normal(key, after.shape, after.dtype)
        return jnp.where(moved * sign > 0, moved, jnp.copysign(jnp.zeros_like(before), before))

    def leaves(self, weight: Float[Array, " synapses"]) -> Bool[Array, " synapses"]:
        """Those at 0.

        Args:
            weight: Their weights.
        """
        return weight == 0.0

    def starts(self, count: int, key: PRNGKeyArray, dtype: jnp.dtype) -> Float[Array, " synapses"]:
        """Weights of 0, of random signs.

        Args:
            count: Number of synapses.
            key: Random key.
            dtype: Of the weights.
        """
        return jnp.copysign(jnp.zeros(count, dtype), jax.random.rademacher(key, (count,), dtype))
