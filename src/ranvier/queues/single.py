"""One event at a time: the least that a delayed line can remember."""

import abc

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, choose, count, deliver, row
from ranvier.queues.policies import CLAMP, AbstractPolicy


class AbstractKeep(eqx.Module):
    """Which of two events a single place keeps."""

    @abc.abstractmethod
    def enters(self, free: Bool[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """Whether a new event goes in, given whether the place is free."""


class First(AbstractKeep):
    """The event that is waiting stays; the new one is lost."""

    def enters(self, free: Bool[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """Only into a free place."""
        return free


class Latest(AbstractKeep):
    """The new event goes in; the one that was waiting is lost."""

    def enters(self, free: Bool[Array, "*shape"]) -> Bool[Array, "*shape"]:
        """Always."""
        return jnp.ones_like(free)


LATEST = Latest()


class SingleQueue(AbstractQueue):
    """One place. It loses nothing while at most one spike is on its way; otherwise `keep` says which is lost.

    Losing is what one asks for here, so the default policy only counts.

    Args:
        keep: `Latest()` (default) or `First()`.
        policy: `Clamp()` (default) or `Raise()`.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.SingleQueue(rv.queues.First())
        >>> state = queue.push(queue.push(queue.empty(), 0.0, 1.5), 0.0, 0.5)
        >>> queue.pop(state, 2.0)[1].time.tolist(), int(state.counters.dropped)
        ([1.5], 1)
    """

    keep: AbstractKeep
    policy: AbstractPolicy

    def __init__(self, keep: AbstractKeep = LATEST, policy: AbstractPolicy = CLAMP):
        self.keep, self.policy = keep, policy

    @property
    def places(self) -> int:
        """One."""
        return 1

    @property
    def width(self) -> int:
        """One."""
        return 1

    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Put the event into the place, or not, as `keep` says."""
        arrival = admit(self, state, now, time, payload)
        free = ~(state.time < jnp.inf)
        enters = self.keep.enters(free) & arrival.wanted[None]
        after, carried = choose(enters, row((arrival.time, arrival.payload)), (state.time, state.payload))
        used = arrival.wanted.astype(jnp.int32)
        return QueueState(after, carried, count(state.counters, arrival, lost=arrival.wanted & ~free[0], held=used))

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`; that is one at most."""
        return deliver(state, until)

    def advice(self) -> str:
        """A queue with more places."""
        return "Take a queue with more places, for example FifoQueue."
