"""Delays that never learn."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete
from ranvier.delays.abstract import AbstractDelay, Per, check_bounds, check_delay
from ranvier.patterns import AbstractPattern, AllToAll
from ranvier.populations import Population


class FixedDelay(AbstractDelay):
    """Delays that never learn: one for all synapses, or an array.

    Its shape says which synapses share a value: () for all, (pre, 1) per sender, (1, post) per receiver, (pre, post)
    or, with `ranvier.Pairs`, (synapses,) per synapse.

    Args:
        delay: Delays (ms), >= 0.
        low: A bound (ms) that no delay is below. Default the smallest delay; where `delay` is traced, so that its
            values are not known, 0. Around a cycle it limits the simulator's window, so give it there.
        high: A bound (ms) that no delay is above. Default the largest delay; where `delay` is traced, inf.

    Raises:
        ValueError: a delay is not finite, negative or outside the bounds, or has more than two axes.

    Example:
        >>> import ranvier as rv
        >>> rv.FixedDelay(1.5)(rv.Population(2), rv.Population(3)).shape
        (1, 1)
    """

    value: Float[Array, "..."]
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    per: Per = eqx.field(static=True)
    learns: ClassVar[tuple[str, ...]] = ()

    def __init__(self, delay: ArrayLike, low: float | None = None, high: float | None = None):
        known = concrete(delay)
        array = check_delay("FixedDelay", delay, 0.0 if low is None else low, math.inf if high is None else high)
        if known is not None and array.dtype != known.dtype:
            known = known.astype(array.dtype)  # the bounds of the numbers that are kept
        smallest, largest = (0.0, math.inf) if known is None else (float(known.min()), float(known.max()))
        self.low, self.high = smallest if low is None else float(low), largest if high is None else float(high)
        if self.low != self.high:
            check_bounds("FixedDelay", self.low, self.high)
        if array.ndim > 2:
            msg = (
                "FixedDelay: `delay` must have shape (), (pre, 1), (1, post), (pre, post), or (synapses,) with "
                f"ranvier.Pairs; got {array.shape}."
            )
            raise ValueError(msg)
        self.value = array.reshape(1, 1) if array.ndim == 0 else array
        self.per = _per(self.value.shape)

    def __call__(
        self,
        pre: Population,
        post: Population,
        pattern: AbstractPattern = AllToAll(),
        *,
        speed: Float[Array, ""] | None = None,
    ) -> Float[Array, "..."]:
        """The delays (ms)."""
        del pre, post, pattern, speed
        return self.value

    def project(self) -> "AbstractDelay":
        """Itself: it never moves."""
        return self

    def some(self, take: Callable[[Array], Array]) -> "AbstractDelay":
        """Those of some synapses, where each has one of its own; else itself."""
        if self.per is not Per.SYNAPSE:
            return self
        return eqx.tree_at(lambda delay: delay.value, self, take(self.value))


def _per(shape: tuple[int, ...]) -> Per:
    if shape == (1, 1):
        return Per.COMMON
    if len(shape) == 2 and 1 in shape:
        return Per.SENDER if shape[1] == 1 else Per.RECEIVER
    return Per.SYNAPSE
