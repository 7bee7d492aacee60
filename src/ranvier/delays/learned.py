"""The kinds of delay that learn: one per synapse, per sending neuron, or per receiving neuron."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from ranvier.delays.abstract import AbstractDelay, Per, check_bounds, check_delay
from ranvier.delays.bounds import AbstractBound, Sigmoid
from ranvier.patterns import AbstractPattern, AllToAll
from ranvier.populations import Population

SHAPES = {
    Per.SYNAPSE: "(pre, post), or (synapses,) with ranvier.Pairs",
    Per.SENDER: "(pre, 1)",
    Per.RECEIVER: "(1, post)",
}


def _fits(per: Per, shape: tuple[int, ...]) -> bool:
    """Whether an array can hold such delays, as far as can be said without the populations."""
    if per is Per.SYNAPSE:
        return len(shape) in (1, 2)
    return len(shape) == 2 and shape[1 if per is Per.SENDER else 0] == 1


class _LearnedDelay(AbstractDelay):
    """What they share: a learned array, a box, and the bound that keeps it."""

    per: ClassVar[Per]
    raw: Float[Array, "..."]
    bound: AbstractBound
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    learns: ClassVar[tuple[str, ...]] = ("raw",)

    def __call__(
        self,
        pre: Population,
        post: Population,
        pattern: AbstractPattern = AllToAll(),
        *,
        speed: Float[Array, ""] | None = None,
    ) -> Float[Array, "..."]:
        """Delays (ms): what the learned numbers stand for."""
        del pre, post, pattern, speed
        return self.bound.delay(self.raw, self.low, self.high)

    def project(self) -> "AbstractDelay":
        """This delay, put back between its bounds."""
        return eqx.tree_at(lambda delay: delay.raw, self, self.bound.project(self.raw, self.low, self.high))

    def some(self, take: Callable[[Array], Array]) -> "AbstractDelay":
        """Those of some synapses, where each has one of its own; else itself."""
        if self.per is not Per.SYNAPSE:
            return self
        return eqx.tree_at(lambda delay: delay.raw, self, take(self.raw))


def _kept(
    kind: type[_LearnedDelay], delay: ArrayLike, low: float, high: float, bound: AbstractBound | None
) -> tuple[Float[Array, "..."], float, float, AbstractBound]:
    """The fields of a delay: learned array, bounds, and how they are kept; refused where they are not valid."""
    low, high = check_bounds(kind.__name__, low, high)
    array = check_delay(kind.__name__, delay, low, high)
    if not _fits(kind.per, array.shape):
        msg = f"{kind.__name__}: `delay` must have shape {SHAPES[kind.per]}; got {array.shape}."
        raise ValueError(msg)
    bound = Sigmoid() if bound is None else bound
    return bound.raw(array, low, high), low, high, bound


class SynapticDelay(_LearnedDelay):
    """One learnable delay per synapse.

    Args:
        delay: Delays (ms), shape (pre, post), or (synapses,) with `ranvier.Pairs`; inside the bounds.
        low: Smallest delay allowed (ms), >= 0.
        high: Largest delay allowed (ms), or inf.
        bound: How they are kept inside, `Sigmoid()` (default) or `Clip()` of `ranvier.delays`.

    Raises:
        ValueError: wrong shape, bounds in the wrong order, or a delay outside them.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> delay = rv.SynapticDelay(jnp.full((2, 3), 0.5), low=0.0, high=1.0)
        >>> delay(rv.Population(2), rv.Population(3)).shape
        (2, 3)
    """

    per: ClassVar[Per] = Per.SYNAPSE

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        self.raw, self.low, self.high, self.bound = _kept(SynapticDelay, delay, low, high, bound)


class AxonalDelay(_LearnedDelay):
    """One learnable delay per sending neuron, shape (pre, 1); arguments as for `SynapticDelay`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> delay = rv.AxonalDelay(jnp.full((2, 1), 0.5), low=0.0, high=1.0)
        >>> delay(rv.Population(2), rv.Population(3)).shape
        (2, 1)
    """

    per: ClassVar[Per] = Per.SENDER

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        self.raw, self.low, self.high, self.bound = _kept(AxonalDelay, delay, low, high, bound)


class DendriticDelay(_LearnedDelay):
    """One learnable delay per receiving neuron, shape (1, post); arguments as for `SynapticDelay`.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> delay = rv.DendriticDelay(jnp.full((1, 3), 0.5), low=0.0, high=1.0)
        >>> delay(rv.Population(2), rv.Population(3)).shape
        (1, 3)
    """

    per: ClassVar[Per] = Per.RECEIVER

    def __init__(self, delay: ArrayLike, low: float = 0.0, high: float = math.inf, bound: AbstractBound | None = None):
        self.raw, self.low, self.high, self.bound = _kept(DendriticDelay, delay, low, high, bound)
