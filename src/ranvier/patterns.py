"""Patterns: which synapses a connection has.

`AllToAll` joins every neuron of `pre` with every neuron of `post`; its values have shape (pre, post). `Pairs` lists the
synapses there are, two arrays of neurons; its values have shape (synapses,), one for each pair. A pair that is not
listed has no weight, no delay, no gradient and no event.

`density`, `in_degree` and `near` draw pairs at random; a builder such as `ranvier.feedforward` takes them as `pattern`.
"""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier._memory import refuse_beyond
from ranvier.rules import Rule
from ranvier.status import SYNAPSE

PatternFactory = Callable[..., "AbstractPattern"]
"""`(pre, post, *, same, places, key)`: two sizes, whether both are one population, where the neurons of both stand, if
they have positions, and a random key."""

Places = tuple[Float[Array, "pre d"] | None, Float[Array, "post d"] | None]


class AbstractPattern(eqx.Module):
    """The synapses of a connection between two populations."""

    @abc.abstractmethod
    def shape(self, pre: int, post: int) -> tuple[int, ...]:
        """Shape of an array with one value per synapse."""

    @abc.abstractmethod
    def ends(
        self, pre: Float[Array, "pre ..."], post: Float[Array, "post ..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """What belongs to the two neurons of each synapse; the two broadcast against each other."""

    @abc.abstractmethod
    def dense(self, values: Float[Array, "..."], pre: int, post: int, absent: ArrayLike) -> Float[Array, "pre post"]:
        """Values of the synapses as a matrix, with `absent` where there is none."""

    @abc.abstractmethod
    def take(self, matrix: Float[Array, "pre post"]) -> Float[Array, "..."]:
        """Values of the synapses, out of a matrix."""

    @abc.abstractmethod
    def exists(self, pre: int, post: int) -> Bool[Array, "pre post"] | None:
        """Where there is a synapse; None for everywhere."""

    @property
    @abc.abstractmethod
    def receiver(self) -> Int[Array, " synapses"] | None:
        """Receiving neuron of each synapse; None where all are joined with all."""

    @abc.abstractmethod
    def rules(self, link: str, pre: int, post: int) -> tuple[Rule, ...]:
        """What the pattern of a connection called `link` must be, between populations of these sizes."""


class AllToAll(AbstractPattern):
    """Every neuron of `pre` onto every neuron of `post`.

    Example:
        >>> from ranvier.patterns import AllToAll
        >>> AllToAll().shape(4, 3)
        (4, 3)
    """

    def shape(self, pre: int, post: int) -> tuple[int, ...]:
        """`(pre, post)`."""
        return (pre, post)

    def ends(
        self, pre: Float[Array, "pre ..."], post: Float[Array, "post ..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Shapes (pre, 1, ...) and (1, post, ...)."""
        return pre[:, None], post[None]

    def dense(self, values: Float[Array, "..."], pre: int, post: int, absent: ArrayLike) -> Float[Array, "pre post"]:
        """The values themselves."""
        del pre, post, absent
        return values

    def take(self, matrix: Float[Array, "pre post"]) -> Float[Array, "..."]:
        """All of it."""
        return matrix

    def exists(self, pre: int, post: int) -> Bool[Array, "pre post"] | None:
        """Everywhere."""
        del pre, post
        return None

    @property
    def receiver(self) -> Int[Array, " synapses"] | None:
        """None."""
        return None

    def rules(self, link: str, pre: int, post: int) -> tuple[Rule, ...]:
        """Nothing can be wrong."""
        del link, pre, post
        return ()


class Pairs(AbstractPattern):
    """The synapses from neuron `pre[k]` to neuron `post[k]`, in any order, each pair once.

    The indices are arrays of the network, not part of its structure: another set of pairs of the same number runs in
    the same compiled program.

    Args:
        pre: Sending neuron of each synapse, shape (synapses,).
        post: Receiving neuron of each synapse, shape (synapses,).

    Raises:
        ValueError: the two are not integers of one shape (synapses,), there is none, one is negative, or a pair stands
            twice. Whether they lie inside their populations is checked by `ranvier.Network`.

    Example:
        >>> import ranvier as rv
        >>> pattern = rv.Pairs([0, 0, 1], [0, 2, 1])
        >>> pattern.shape(2, 3)
        (3,)
    """

    pre: Int[Array, " synapses"]
    post: Int[Array, " synapses"]

    def __init__(self, pre: ArrayLike | Sequence[Any], post: ArrayLike | Sequence[Any]):
        ends = {"pre": jnp.asarray(pre), "post": jnp.asarray(post)}
        for name, index in ends.items():
            if index.ndim != 1 or index.size == 0 or not jnp.issubdtype(index.dtype, jnp.integer):
                msg = (
                    f"Pairs: `{name}` must hold integer neuron indices, shape (synapses,), at least one; "
                    f"got {index.dtype} of shape {index.shape}."
                )
                raise ValueError(msg)
        if ends["pre"].shape != ends["post"].shape:
            msg = f"Pairs: `pre` and `post` must be of one length; got {ends['pre'].size} and {ends['post'].size}."
            raise ValueError(msg)
        known = [concrete(pre), concrete(post)]
        if known[0] is not None and known[1] is not None:
            _check_pairs(known[0], known[1])
        self.pre, self.post = ends["pre"].astype(jnp.int32), ends["post"].astype(jnp.int32)

    @classmethod
    def from_mask(cls, mask: ArrayLike | Sequence[Any]) -> "Pairs":
        """The pairs at which a matrix is not zero, row by row.

        Args:
            mask: Array of shape (pre, post), of values that are known (not traced).

        Raises:
            ValueError: the mask has not two axes, or is zero everywhere.

        Example:
            >>> import ranvier as rv
            >>> rv.Pairs.from_mask([[True, False], [True, True]]).post.tolist()
            [0, 0, 1]
        """
        known = concrete(mask)
        if known is None or known.ndim != 2 or not known.any():
            got = "a traced array" if known is None else f"shape {known.shape}, {np.count_nonzero(known)} not zero"
            msg = f"Pairs.from_mask: `mask` must be a known array of shape (pre, post), not all zero; got {got}."
            raise ValueError(msg)
        pre, post = np.nonzero(known)
        return cls(pre, post)

    def shape(self, pre: int, post: int) -> tuple[int, ...]:
        """`(synapses,)`."""
        del pre, post
        return self.pre.shape

    def ends(
        self, pre: Float[Array, "pre ..."], post: Float[Array, "post ..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Both of shape (synapses, ...)."""
        return pre[self.pre], post[self.post]

    def dense(self, values: Float[Array, "..."], pre: int, post: int, absent: ArrayLike) -> Float[Array, "pre post"]:
        """The values in their places."""
        return jnp.full((pre, post), absent, values.dtype).at[self.pre, self.post].set(values, mode="drop")

    def take(self, matrix: Float[Array, "pre post"]) -> Float[Array, "..."]:
        """Those at the pairs."""
        return matrix[self.pre, self.post]

    def exists(self, pre: int, post: int) -> Bool[Array, "pre post"] | None:
        """True in the places of the pairs."""
        return jnp.zeros((pre, post), bool).at[self.pre, self.post].set(True, mode="drop")

    @property
    def receiver(self) -> Int[Array, " synapses"] | None:
        """`post`."""
        return self.post

    def rules(self, link: str, pre: int, post: int) -> tuple[Rule, ...]:
        """Indices inside the populations, and no pair twice."""
        inside = lambda size: lambda i: (i >= 0) & (i < size)
        once = lambda i, j: _alone(i, j, post, np if isinstance(i, np.ndarray) else jnp)
        return (
            Rule(SYNAPSE, f"`pre` of the pairs of {link}", (self.pre,), inside(pre), f"in 0..{pre - 1}"),
            Rule(SYNAPSE, f"`post` of the pairs of {link}", (self.post,), inside(post), f"in 0..{post - 1}"),
            Rule(SYNAPSE, f"each of the pairs of {link}", (self.pre, self.post), once, "there once", "post"),
        )


def _alone(pre: Any, post: Any, columns: int, xp: Any) -> Any:
    """For each pair whether it stands only once in the list; `xp` is NumPy or jax.numpy."""
    number = pre * columns + post
    ordered = xp.sort(number)
    return xp.searchsorted(ordered, number, side="right") - xp.searchsorted(ordered, number) == 1


def _check_pairs(pre: Int[np.ndarray, " synapses"], post: Int[np.ndarray, " synapses"]) -> None:
    for name, index in {"pre": pre, "post": post}.items():
        if index.min() < 0 or index.max() >= 2**31:
            wrong = index.min() if index.min() < 0 else index.max()
            msg = f"Pairs: `{name}` must be from 0 and below 2^31; got {wrong} at {int(np.argmax(index == wrong))}."
            raise ValueError(msg)
    found, count = np.unique(np.stack([pre, post]), axis=1, return_counts=True)
    if count.max() > 1:
        at = found[:, np.argmax(count)]
        msg = f"Pairs: each pair (pre, post) may stand once; got ({at[0]}, {at[1]}) {count.max()} times."
        raise ValueError(msg)


def density(share: float, *, self_connections: bool = True) -> PatternFactory:
    """Ask a builder for a share of all synapses, drawn at random.

    The number of synapses, `round(share pre post)`, does not depend on the key, so that networks of other seeds run in
    the same compiled program.

    Args:
        share: Share of the synapses there could be, in (0, 1].
        self_connections: Whether a neuron may connect to itself, where both populations are one.

    Returns:
        A function `(pre, post, *, same, key) -> Pairs`.

    Raises:
        ValueError: `share` is not in (0, 1], or so small that no synapse is left.

    Example:
        >>> import jax
        >>> from ranvier.patterns import density
        >>> density(0.1)(20, 30, same=False, key=jax.random.key(0)).pre.shape
        (60,)
    """
    if not 0 < share <= 1:
        msg = f"density: `share` must be above 0 and at most 1; got {share}."
        raise ValueError(msg)

    def make(pre: int, post: int, *, same: bool = False, places: Places = (None, None), key: PRNGKeyArray) -> Pairs:
        del places
        allowed = _allowed(pre, post, same and not self_connections)
        count = round(share * len(allowed))
        if count == 0:
            msg = f"density: {share} of {len(allowed)} synapses is less than one; raise `share`."
            raise ValueError(msg)
        drawn = np.sort(np.asarray(jax.random.permutation(key, len(allowed)))[:count])
        return Pairs(*np.divmod(allowed[drawn], post))

    return make


def in_degree(senders: int, *, self_connections: bool = True) -> PatternFactory:
    """Ask a builder for the same number of senders for every receiving neuron, drawn at random.

    Args:
        senders: Synapses onto each neuron, from as many senders; at least 1.
        self_connections: Whether a neuron may connect to itself, where both populations are one.

    Returns:
        A function `(pre, post, *, same, key) -> Pairs`.

    Raises:
        ValueError: `senders` is below 1, or, when called, more than there are.

    Example:
        >>> import jax
        >>> from ranvier.patterns import in_degree
        >>> in_degree(2)(20, 30, same=False, key=jax.random.key(0)).pre.shape
        (60,)
    """
    if senders < 1:
        msg = f"in_degree: `senders` must be at least 1; got {senders}."
        raise ValueError(msg)

    def make(pre: int, post: int, *, same: bool = False, places: Places = (None, None), key: PRNGKeyArray) -> Pairs:
        del places
        left_out = same and not self_connections
        there = pre - left_out
        if senders > there:
            msg = f"in_degree: `senders` = {senders}, but there are only {there} to choose from."
            raise ValueError(msg)
        draw = jax.vmap(lambda one: jax.random.permutation(one, there)[:senders])
        chosen = np.asarray(draw(jax.random.split(key, post)))
        receiver = np.repeat(np.arange(post), senders)
        sender = chosen.reshape(-1) + (left_out & (chosen.reshape(-1) >= receiver))
        order = np.lexsort((receiver, sender))
        return Pairs(sender[order], receiver[order])

    return make


def near(share: float, scale: float, *, self_connections: bool = True) -> PatternFactory:
    """Ask a builder for a share of all synapses, drawn at random, close neurons rather than distant ones.

    A pair at distance r comes `exp(-r / scale)` times as often as one at distance 0, as far as there are pairs left.
    The number of synapses, `round(share pre post)`, does not depend on the key.

    Args:
        share: Share of the synapses there could be, in (0, 1].
        scale: Distance over which they become fewer, > 0, in the unit of the positions.
        self_connections: Whether a neuron may connect to itself, where both populations are one.

    Returns:
        A function `(pre, post, *, same, places, key) -> Pairs`.

    Raises:
        ValueError: a number is out of range, or, when called, a population has no position, or no synapse is left.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([20, 30], neuron=rv.LIF(), pattern=rv.patterns.near(0.1, scale=0.5),
        ...                      position=rv.layouts.normal(1.0, 2), key=jax.random.key(0))
        >>> net.connections[0].weight.shape
        (60,)
    """
    if not 0 < share <= 1 or not 0 < scale < np.inf:
        msg = f"near: needs 0 < `share` <= 1 and a finite `scale` above 0; got {share} and {scale}."
        raise ValueError(msg)

    def make(pre: int, post: int, *, same: bool = False, places: Places = (None, None), key: PRNGKeyArray) -> Pairs:
        if places[0] is None or places[1] is None:
            msg = "near: both populations need positions; give the builder `position`, for example a ranvier.layouts."
            raise ValueError(msg)
        allowed = _allowed(pre, post, same and not self_connections)
        count = round(share * len(allowed))
        if count == 0:
            msg = f"near: {share} of {len(allowed)} synapses is less than one; raise `share`."
            raise ValueError(msg)
        one, other = (np.asarray(place, float) for place in places)
        apart = np.linalg.norm(one[:, None] - other[None], axis=-1).ravel()[allowed]
        score = np.asarray(jax.random.gumbel(key, apart.shape)) - apart / scale  # the highest are such a draw
        drawn = np.sort(np.argsort(-score, kind="stable")[:count])
        return Pairs(*np.divmod(allowed[drawn], post))

    return make


def all_to_all(
    pre: int, post: int, *, same: bool = False, places: Places = (None, None), key: PRNGKeyArray
) -> AllToAll:
    """Ask a builder for all synapses: the default."""
    del pre, post, same, places, key
    return AllToAll()


def _allowed(pre: int, post: int, without_self: bool) -> Int[np.ndarray, " synapses"]:
    """Numbers `i post + j` of the synapses there may be."""
    needs = {f"the list of all {pre} x {post} synapses there could be": 16 * pre * post}
    refuse_beyond("density", needs, "Use ranvier.patterns.in_degree, or list the pairs: ranvier.Pairs(pre, post).")
    every = np.arange(pre * post)
    return every[every // post != every % post] if without_self else every
