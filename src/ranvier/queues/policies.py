"""What becomes of an event that comes too late or too far ahead, and whether losses raise: `Raise` or `Clamp`.

A compiled program cannot raise, so a queue counts, and `queue.check(state)` raises afterwards, where it has values.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractPolicy(eqx.Module):
    """How losses and times out of range are treated."""

    forgiving: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def not_before(self, time: Float[Array, "*shape"], first: Float[Array, ""]) -> Float[Array, "*shape"]:
        """Times (ms) under which events are kept by a queue that has been popped up to `first`."""

    @abc.abstractmethod
    def not_after(self, time: Float[Array, "*shape"], last: Float[Array, ""]) -> Float[Array, "*shape"]:
        """Times (ms) under which events are kept by a queue that reaches to `last`; `inf` stays `inf`."""


class Raise(AbstractPolicy):
    """The default: times stay as they are, and `queue.check` raises if an event was lost or late.

    Example:
        >>> import ranvier as rv
        >>> rv.queues.FifoQueue(4).policy
        Raise()
    """

    forgiving: ClassVar[bool] = False

    def not_before(self, time: Float[Array, "*shape"], first: Float[Array, ""]) -> Float[Array, "*shape"]:
        """The times themselves."""
        del first
        return time

    def not_after(self, time: Float[Array, "*shape"], last: Float[Array, ""]) -> Float[Array, "*shape"]:
        """The times themselves."""
        del last
        return time


class Clamp(AbstractPolicy):
    """Times out of range move to its nearer end; everything is counted and nothing raises.

    A moved time is a constant: no gradient goes to the time that was asked for.

    Example:
        >>> import ranvier as rv
        >>> rv.queues.RingQueue(5.0, 1.0, policy=rv.queues.Clamp()).policy
        Clamp()
    """

    forgiving: ClassVar[bool] = True

    def not_before(self, time: Float[Array, "*shape"], first: Float[Array, ""]) -> Float[Array, "*shape"]:
        """No time before `first`."""
        return jnp.where(time < first, first, time)

    def not_after(self, time: Float[Array, "*shape"], last: Float[Array, ""]) -> Float[Array, "*shape"]:
        """No finite time after `last`."""
        return jnp.where((time > last) & (time < jnp.inf), last, time)


RAISE, CLAMP = Raise(), Clamp()
