"""A few places, the first free one taken: cheapest of the queues that lose nothing while their capacity suffices.

On a line with one delay events leave in the order they came. Where delays differ it is as exact, for `pop` looks at
every place; it only does not sort.
"""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, choose, count, deliver, first_free, numbers, require_capacity, row
from ranvier.queues.policies import RAISE, AbstractPolicy


class FifoQueue(AbstractQueue):
    """At most `capacity` events, whose places are taken and left as they come and go. A full queue drops the new event.

    Args:
        capacity: Number of places. A step costs O(capacity).
        policy: `Raise()` or `Clamp()`.

    Raises:
        ValueError: `capacity` is not a positive whole number.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.FifoQueue(2)
        >>> state = queue.push(queue.empty(), 0.0, 1.5)
        >>> state, due = queue.pop(state, 2.0)
        >>> due.time.tolist()
        [1.5, inf]
    """

    capacity: int = eqx.field(static=True)
    policy: AbstractPolicy

    def __init__(self, capacity: int, policy: AbstractPolicy = RAISE):
        require_capacity(type(self).__name__, capacity)
        self.capacity, self.policy = capacity, policy

    @property
    def places(self) -> int:
        """One per event."""
        return self.capacity

    @property
    def width(self) -> int:
        """All events may be due at once."""
        return self.capacity

    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Put the event into the first free place, or drop it."""
        arrival = admit(self, state, now, time, payload)
        free = first_free(state.time)
        here = (numbers(state.time) == free[None]) & arrival.wanted[None]
        full = free == self.capacity
        # Places are taken from the first on, so the last one ever taken tells the peak.
        used = jnp.where(arrival.wanted & ~full, free + 1, 0)
        after, carried = choose(here, row((arrival.time, arrival.payload)), (state.time, state.payload))
        return QueueState(after, carried, count(state.counters, arrival, lost=arrival.wanted & full, held=used))

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`; rows come in no particular order."""
        return deliver(state, until)

    def advice(self) -> str:
        """A larger capacity, as computed by `queues.capacity`."""
        return f"Raise `capacity` from {self.capacity} to ceil(longest delay x highest rate) + 1 (`queues.capacity`)."
