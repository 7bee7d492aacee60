"""Only the newest events: a full queue forgets its oldest push."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, choose, count, deliver, held, require_capacity
from ranvier.queues.policies import CLAMP, AbstractPolicy


class LossyQueue(AbstractQueue):
    """The last `capacity` events pushed, less those delivered: a push moves all places on, and the last falls out.

    The rule is therefore: an event is lost if `capacity` further ones are pushed before it is due, even where places
    are free because other events have left. Losing is what one asks for here, so the default policy only counts.

    Args:
        capacity: Number of places. A step costs O(capacity).
        policy: `Clamp()` (default) or `Raise()`.

    Raises:
        ValueError: `capacity` is not a positive whole number.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.LossyQueue(1)
        >>> state = queue.push(queue.push(queue.empty(), 0.0, 1.5), 0.0, 0.5)
        >>> queue.pop(state, 2.0)[1].time.tolist(), int(state.counters.dropped)
        ([0.5], 1)
    """

    capacity: int = eqx.field(static=True)
    policy: AbstractPolicy

    def __init__(self, capacity: int, policy: AbstractPolicy = CLAMP):
        require_capacity(type(self).__name__, capacity)
        self.capacity, self.policy = capacity, policy

    @property
    def places(self) -> int:
        """One per push that is remembered."""
        return self.capacity

    @property
    def width(self) -> int:
        """All events may be due at once."""
        return self.capacity

    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Move every event one place on and put the new one first."""
        arrival = admit(self, state, now, time, payload)
        enter = lambda new, old: _enter(arrival.wanted[None], new[None], old)
        after = enter(arrival.time, state.time)
        lost = arrival.wanted & (state.time[-1] < jnp.inf)
        counters = count(state.counters, arrival, lost=lost, held=held(after))
        return QueueState(after, jax.tree.map(enter, arrival.payload, state.payload), counters)

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`; rows come in no particular order."""
        return deliver(state, until)

    def advice(self) -> str:
        """A larger capacity, as computed by `queues.capacity`."""
        return f"Raise `capacity` from {self.capacity} to ceil(longest delay x highest rate) + 1 (`queues.capacity`)."


def _enter(wanted: Bool[Array, "one *shape"], new: Array, old: Array) -> Array:
    """Move every place on and put the new one first, where wanted.

    Written into the array in two pieces: XLA differentiates that faster, by up to half, than a concatenation.
    """
    first, rest = choose(wanted, (new, old[:-1]), (old[:1], old[1:]))
    start = (0,) * (old.ndim - 1)
    return lax.dynamic_update_slice(lax.dynamic_update_slice(old, rest, (1, *start)), first, (0, *start))
