"""Delays by distance: neurons have positions, and spikes take time to travel from one to the other."""

import math
from collections.abc import Callable
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete
from ranvier.delays.abstract import AbstractDelay, Per, check_bounds
from ranvier.delays.bounds import AbstractBound, Sigmoid
from ranvier.delays.limits import AbstractLimit, Refuse
from ranvier.delays.metrics import AbstractMetric, Euclidean
from ranvier.delays.speeds import AbstractSpeed, as_speed
from ranvier.patterns import AbstractPattern, AllToAll
from ranvier.populations import Population


class Tortuosity(eqx.Module):
    """By what factor the axon of each synapse is longer than the direct way; learned, within bounds.

    Args:
        factor: Factor of each synapse, shape (pre, post), or (synapses,) with `ranvier.Pairs`; within the bounds.
        low: Smallest factor, > 0; 1 is the direct way.
        high: Largest factor, finite.
        bound: How it is kept inside, `Sigmoid()` (default) or `Clip()` of `ranvier.delays`.

    Raises:
        ValueError: bounds in the wrong order, or a factor outside of them.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Tortuosity
        >>> Tortuosity(jnp.full((2, 3), 1.2), high=2.0)().shape
        (2, 3)
    """

    raw: Float[Array, "..."]
    bound: AbstractBound
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(self, factor: ArrayLike, low: float = 1.0, high: float = 2.0, bound: AbstractBound | None = None):
        if not 0 < low < high < math.inf:
            msg = f"Tortuosity: needs 0 < `low` < `high` < inf; got low = {low}, high = {high}."
            raise ValueError(msg)
        known = concrete(factor)
        if known is not None and not np.all((known >= low - 1e-6) & (known <= high + 1e-6)):
            msg = (
                f"Tortuosity: `factor` must be in [{low:g}, {high:g}]; got values from {known.min()} to {known.max()}."
            )
            raise ValueError(msg)
        self.low, self.high, self.bound = float(low), float(high), Sigmoid() if bound is None else bound
        self.raw = self.bound.raw(jnp.asarray(factor), self.low, self.high)

    def __call__(self) -> Float[Array, "..."]:
        """The factors."""
        return self.bound.delay(self.raw, self.low, self.high)

    def project(self) -> "Tortuosity":
        """The same, put back between the bounds."""
        return eqx.tree_at(lambda one: one.raw, self, self.bound.project(self.raw, self.low, self.high))


class SpatialDelay(AbstractDelay):
    """Delays that follow from the positions of the two populations: `low + tortuosity distance / speed`.

    What learns is where neurons are, `"hidden.position"`, one array for all connections of a population; and the speed
    and the tortuosity, if they are learned ones. Only synapses that exist are computed.

    Args:
        speed: Speed (length per ms): a number is fixed, `LearnedSpeed(...)` learns, one or one per sender; None for
            that of the network, `ranvier.Network(..., speed=...)`.
        low: Smallest delay (ms), that at distance 0. Around a cycle it bounds the simulator's window.
        high: Largest delay (ms), or inf.
        limit: What becomes of a way that takes longer: `Refuse()` (default), an error or a status, or `Saturate()`.
        metric: How far apart two positions are: `Euclidean()` (default), `Manhattan()`, `Sphere(...)`, `Ring(...)`.
        tortuosity: Learned factors of the ways, or None for direct ways.

    Raises:
        ValueError: bounds in the wrong order, a speed that is not above 0, `Saturate` without an upper bound. When
            called: a population has no position, or the two have different numbers of dimensions.

    References:
        Landsmeer et al., arXiv:2512.10011; Mészáros et al., arXiv:2511.01632.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> pre = rv.Population(2, position=jnp.array([[0.0, 0.0], [0.0, 3.0]]))
        >>> post = rv.Population(1, rv.LIF(), position=jnp.array([[4.0, 0.0]]))
        >>> rv.SpatialDelay(speed=2.0, low=0.5)(pre, post).tolist()
        [[2.5], [3.0]]
    """

    per: ClassVar[Per] = Per.SYNAPSE
    speed: AbstractSpeed | None
    tortuosity: Tortuosity | None
    metric: AbstractMetric
    limit: AbstractLimit
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)

    def __init__(
        self,
        speed: AbstractSpeed | ArrayLike | None = 1.0,
        low: float = 0.0,
        high: float = math.inf,
        limit: AbstractLimit | None = None,
        metric: AbstractMetric | None = None,
        tortuosity: Tortuosity | None = None,
    ):
        self.low, self.high = check_bounds("SpatialDelay", low, high)
        self.speed, self.tortuosity = as_speed(speed), tortuosity
        self.metric = Euclidean() if metric is None else metric
        self.limit = Refuse() if limit is None else limit
        problem = self.limit.problem(self.high)
        if problem:
            msg = f"SpatialDelay: {problem}; got high = {self.high}."
            raise ValueError(msg)

    @property
    def learns(self) -> tuple[str, ...]:
        """What learns: positions, and speed and tortuosity where they are learned ones."""
        own = self.speed is not None and self.speed.learns
        return ("position", *["speed"] * own, *["tortuosity"] * (self.tortuosity is not None))

    def __call__(
        self,
        pre: Population,
        post: Population,
        pattern: AbstractPattern = AllToAll(),
        *,
        speed: Float[Array, ""] | None = None,
    ) -> Float[Array, "..."]:
        """Delays (ms)."""
        length = self.length(pre, post, pattern)
        fast = self._speed(pre, pattern, speed, length)
        time = length / fast.astype(length.dtype)
        if self.tortuosity is not None:
            time = time * self.tortuosity().astype(length.dtype)
        return self.low + self.limit(time, self.high - self.low)

    def length(self, pre: Population, post: Population, pattern: AbstractPattern = AllToAll()) -> Float[Array, "..."]:
        """Distance of the two neurons of each synapse, without tortuosity, in the unit of the positions."""
        return _length(self.metric, *_positions(pre, post, self.metric), pattern)

    def project(self) -> "AbstractDelay":
        """The same with its tortuosity put back between its bounds."""
        if self.tortuosity is None:
            return self
        return eqx.tree_at(lambda delay: delay.tortuosity, self, self.tortuosity.project())

    def some(self, take: Callable[[Array], Array]) -> "AbstractDelay":
        """The same with the tortuosity of some synapses."""
        if self.tortuosity is None:
            return self
        return eqx.tree_at(lambda delay: delay.tortuosity.raw, self, take(self.tortuosity.raw))

    def _speed(
        self, pre: Population, pattern: AbstractPattern, common: Float[Array, ""] | None, length: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """The speed of each synapse, as far as they differ."""
        own = common if self.speed is None else self.speed()
        if own is None:
            msg = (
                "SpatialDelay: has no `speed`, and neither has the network; give one of the two, for example speed=1.0."
            )
            raise ValueError(msg)
        if own.ndim == 0:
            return own
        if own.shape[0] != pre.size:
            msg = f"SpatialDelay: `speed` must have one value per sender, shape ({pre.size}, 1); got {own.shape}."
            raise ValueError(msg)
        return own if length.ndim == 2 else pattern.ends(own, own)[0][:, 0]


@jax.checkpoint
def _length(
    metric: AbstractMetric,
    pre: Float[Array, "pre d"],
    post: Float[Array, "post d"],
    pattern: AbstractPattern,
) -> Float[Array, "..."]:
    """Lengths; differences of positions are computed again for the derivative, not kept."""
    return metric(*pattern.ends(pre, post))


def _positions(
    pre: Population, post: Population, metric: AbstractMetric
) -> tuple[Float[Array, "pre d"], Float[Array, "post d"]]:
    """Where the two populations stand; refused where that does not suit the metric."""
    found = []
    for which, one in (("sending", pre), ("receiving", post)):
        if one.position is None:
            msg = (
                f"SpatialDelay: both populations need a position; the {which} one, of size {one.size}, has none. "
                f"Give it one: Population({one.size}, ..., position=...), for example of ranvier.layouts."
            )
            raise ValueError(msg)
        found.append(one.position)
    dimensions = found[0].shape[1], found[1].shape[1]
    if dimensions[0] != dimensions[1]:
        msg = (
            f"SpatialDelay: both positions need the same number of dimensions; the sending population has "
            f"{dimensions[0]}, the receiving one {dimensions[1]}."
        )
        raise ValueError(msg)
    problem = metric.problem(dimensions[0])
    if problem:
        msg = f"SpatialDelay: {problem}; got {dimensions[0]}."
        raise ValueError(msg)
    return found[0], found[1]
