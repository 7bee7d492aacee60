"""A queue that stays sorted without a sort: insertion and removal are shifts, alike for every queue.

With t ascending along the places, a new time x makes `t_i <- max(t_{i-1}, min(x, t_i))`: one elementwise pass. What is
due is then a prefix, and the rest moves up by its length in log2(capacity) conditional shifts. No gather, no scatter,
and no call of `lax.sort`, which on a CPU costs about forty times as much.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike, Float, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, choose, count, held, require_capacity, shift
from ranvier.queues.policies import RAISE, AbstractPolicy


class SortedQueue(AbstractQueue):
    """At most `capacity` events in order of time; those of equal time in the order they were pushed.

    A full queue drops the event that is due last, be it the new one.

    Args:
        capacity: Number of places. A push costs O(capacity), a pop O(capacity log capacity).
        policy: `Raise()` or `Clamp()`.

    Raises:
        ValueError: `capacity` is not a positive whole number.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.SortedQueue(2)
        >>> state = queue.push(queue.push(queue.empty(), 0.0, 1.5), 0.0, 0.5)
        >>> queue.pop(state, 2.0)[1].time.tolist()
        [0.5, 1.5]
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
        """Insert the event behind all that are due no later."""
        arrival = admit(self, state, now, time, payload)
        behind = arrival.time[None] < shift(state.time, -1, -jnp.inf)
        before = arrival.time[None] < state.time
        insert = lambda new, old: choose(behind, shift(old, -1), choose(before, new[None], old))
        after = insert(arrival.time, state.time)
        lost = arrival.wanted & (state.time[-1] < jnp.inf)
        counters = count(state.counters, arrival, lost=lost, held=held(after))
        return QueueState(after, jax.tree.map(insert, arrival.payload, state.payload), counters)

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`; rows are in order of time."""
        due = state.time <= jnp.asarray(until, state.time.dtype)
        many = jnp.sum(due, axis=0, dtype=jnp.int32)
        out = Due(jnp.where(due, state.time, jnp.inf), state.payload)
        time, payload = state.time, state.payload
        for by in (2**bit for bit in range(self.capacity.bit_length())):
            far = ((many & by) > 0)[None]
            time = jnp.where(far, shift(time, by, jnp.inf), time)
            payload = choose(far, jax.tree.map(lambda leaf, by=by: shift(leaf, by), payload), payload)
        return QueueState(time, payload, state.counters), out

    def advice(self) -> str:
        """A larger capacity, as computed by `queues.capacity`."""
        return f"Raise `capacity` from {self.capacity} to ceil(longest delay x highest rate) + 1 (`queues.capacity`)."
