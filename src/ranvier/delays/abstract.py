"""What a delay is: a value for every synapse, bounds, and the word for which synapses share it."""

import abc
import enum
import math
from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete
from ranvier.patterns import AbstractPattern, AllToAll
from ranvier.populations import Population
from ranvier.rules import LONGEST


class Per(enum.Enum):
    """Which synapses of a connection share one delay.

    Example:
        >>> from ranvier.delays import Per
        >>> from ranvier.patterns import AllToAll
        >>> Per.SENDER.shape(AllToAll(), 4, 3)
        (4, 1)
    """

    SYNAPSE = "synapse"
    SENDER = "sender"
    RECEIVER = "receiver"
    COMMON = "connection"

    def shape(self, pattern: AbstractPattern, pre: int, post: int) -> tuple[int, ...]:
        """Shape of the delays: that of the pattern, (pre, 1), (1, post) or (1, 1)."""
        shapes = {Per.SENDER: (pre, 1), Per.RECEIVER: (1, post), Per.COMMON: (1, 1)}
        return shapes.get(self) or pattern.shape(pre, post)


class AbstractDelay(eqx.Module):
    """The delays (ms) of one connection.

    `learns` names the fields that learn, and `"position"` where delays follow from the positions of both populations.
    """

    low: eqx.AbstractVar[float]
    high: eqx.AbstractVar[float]
    per: eqx.AbstractVar[Per]
    learns: eqx.AbstractVar[tuple[str, ...]]

    @abc.abstractmethod
    def __call__(
        self,
        pre: Population,
        post: Population,
        pattern: AbstractPattern = AllToAll(),
        *,
        speed: Float[Array, ""] | None = None,
    ) -> Float[Array, "..."]:
        """Delays (ms) between two populations, of shape `per.shape(pattern, pre.size, post.size)`.

        Args:
            pre: Sending population.
            post: Receiving population.
            pattern: Which synapses there are.
            speed: That of the network (length per ms), for delays that follow from distance and have no own.
        """

    @abc.abstractmethod
    def project(self) -> "AbstractDelay":
        """This delay, put back between its bounds."""

    @abc.abstractmethod
    def some(self, take: Callable[[Array], Array]) -> "AbstractDelay":
        """The delays of some synapses: `take` picks them out of an array with one value per synapse."""


def check_bounds(owner: str, low: float, high: float) -> tuple[float, float]:
    """Bounds (ms) as numbers, refused where they are none."""
    if not (0 <= low < high and low < LONGEST):
        msg = (
            f"{owner}: bounds must satisfy 0 <= low < high (ms), with low below {LONGEST:g}; "
            f"got low = {low}, high = {high}."
        )
        raise ValueError(msg)
    return float(low), float(high)


def check_delay(owner: str, delay: ArrayLike, low: float, high: float) -> Float[Array, "..."]:
    """A delay argument (ms) as a floating-point array, refused where it is known and outside its bounds."""
    known = concrete(delay)  # before JAX sees it: inside a traced function it makes a tracer of every number
    array = jnp.asarray(delay)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    slack = 1e-6 * max(1.0, abs(low))
    if known is not None and not np.all((known >= low - slack) & (known <= high + slack) & (known < LONGEST)):
        bounds = f"between {low:g} and {high:g} ms" if math.isfinite(high) else f"at least {low:g} ms"
        msg = (
            f"{owner}: `delay` must be {bounds} and below {LONGEST:g} ms; "
            f"got values from {known.min()} to {known.max()}."
        )
        raise ValueError(msg)
    return array
