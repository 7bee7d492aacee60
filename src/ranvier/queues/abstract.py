"""What all queues share: their content, what is due, and the interface.

A queue is a static value and its content a pytree: `state = queue.empty()`, and then in every step
`state = queue.push(state, now, time)` and `state, due = queue.pop(state, until)`. Both are plain JAX without rules of
their own: events only move, so that JAX differentiates arrival times and payloads exactly, in both modes.

`pop` delivers every event with `time <= until`, coincident ones included; `now` is the time up to which the queue has
been popped. `inf` means never: pushing it does nothing, and free places hold it.

Many queues are one state: with `shape = (n,)` every array of it ends in (n,), so that one step is a few passes over
contiguous rows. `vmap` over single queues gives the same numbers and is several times slower on a CPU.
"""

import abc

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from ranvier._concrete import concrete
from ranvier.queues.policies import AbstractPolicy


class Counters(eqx.Module):
    """What happened to the events, one number per queue.

    Args:
        dropped: Events lost: no place was free, the time was beyond a ring's horizon, or not a number.
        late: Events that arrive before `now`; the next pop delivers them.
        clamped: Events beyond a ring's horizon that `Clamp` moved to its end.
        peak: Most places in use at a time (of a ring: in one slot).
    """

    dropped: Int[Array, "*shape"]
    late: Int[Array, "*shape"]
    clamped: Int[Array, "*shape"]
    peak: Int[Array, "*shape"]


class QueueState(eqx.Module):
    """Content of a queue, or of an array of queues along the trailing axes.

    Args:
        time: Arrival times (ms), `inf` where a place is free.
        payload: What the events carry, leaves (places, *shape, ...).
        counters: What happened so far.
    """

    time: Float[Array, "places *shape"]
    payload: PyTree[Array]
    counters: Counters


class Due(eqx.Module):
    """The events that `pop` delivers, in rows; a row without an event has `time = inf`.

    Args:
        time: Arrival times (ms).
        payload: What the events carry, leaves (width, *shape, ...); stale where `time` is `inf`.
    """

    time: Float[Array, "width *shape"]
    payload: PyTree[Array]


class AbstractQueue(eqx.Module):
    """A queue of future events with a fixed number of places, of which `pop` returns `width` rows."""

    policy: eqx.AbstractVar[AbstractPolicy]

    @property
    @abc.abstractmethod
    def places(self) -> int:
        """Number of events there is room for."""

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Number of rows that `pop` returns."""

    @abc.abstractmethod
    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Add one event to each queue, or none where `time` is `inf`.

        Args:
            state: Content before.
            now: Time (ms) up to which the queue has been popped; one for all queues.
            time: Arrival time (ms), one per queue.
            payload: What the events carry: the structure given to `empty`, leaves (*shape, ...).

        Returns:
            Content after.

        Raises:
            ValueError: `time` or `payload` does not have the shape or structure of the state.
        """

    @abc.abstractmethod
    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`.

        Args:
            state: Content before.
            until: End of the step (ms), which is part of it; one for all queues.

        Returns:
            Content after, and the events.
        """

    @abc.abstractmethod
    def advice(self) -> str:
        """What to do where events were dropped."""

    def empty(
        self, payload: PyTree[ArrayLike] = (), dtype: jnp.dtype | type | None = None, *, shape: tuple[int, ...] = ()
    ) -> QueueState:
        """An empty queue, or an array of them.

        Args:
            payload: An example of what one event carries, a pytree of arrays; `()` for nothing but its time.
            dtype: Type of the times; default: JAX's default float.
            shape: Shape of the array of queues.

        Returns:
            Content without an event.

        Example:
            >>> import ranvier as rv
            >>> rv.queues.FifoQueue(4).empty(shape=(100,)).time.shape
            (4, 100)
        """
        room = lambda leaf: jnp.zeros((self.places, *shape, *jnp.shape(leaf)), jnp.result_type(leaf))
        time = jnp.full((self.places, *shape), jnp.inf, jnp.result_type(float) if dtype is None else dtype)
        zeros = [jnp.zeros(shape, jnp.int32) for _ in range(4)]
        return QueueState(time, jax.tree.map(room, payload), Counters(*zeros))

    def check(self, state: QueueState) -> None:
        """Raise what the policy does not forgive. For use outside of compiled code, which cannot raise.

        Args:
            state: Content after a simulation.

        Raises:
            ValueError: events were dropped or late.
        """
        if self.policy.forgiving or concrete(state.counters.dropped) is None:
            return
        dropped, late = (int(np.sum(total)) for total in (state.counters.dropped, state.counters.late))
        name, otherwise = type(self).__name__, "Or accept it: `policy=Clamp()` counts and does not raise."
        if dropped:
            peak = int(np.max(state.counters.peak, initial=0))
            msg = f"{name}: expected no event to be dropped; got {dropped}, with a peak of {peak}. {self.advice()} "
            raise ValueError(msg + otherwise)
        if late:
            msg = f"{name}: expected no event to arrive before `now`; got {late}, which the pop after that delivered. "
            raise ValueError(msg + "Let delays be a step or longer, or push before the step is popped. " + otherwise)
