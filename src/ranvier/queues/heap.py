"""A binary heap, kept in order level by level, for all queues at once.

Children are due no earlier than their parent. A push takes the first free place and is compared upwards along its
path; after a pop each level in turn is compared downwards through those below, which restores the order whatever was
taken out. A comparison acts on a whole level, that is on a slice of places, so there is no gather and no scatter.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, choose, count, deliver, first_free, held, numbers, require_capacity, row
from ranvier.queues.policies import RAISE, AbstractPolicy

Content = tuple[Array, PyTree[Array]]
"""Times and payload of all places."""


class HeapQueue(AbstractQueue):
    """At most `capacity` events, rounded up to 1, 3, 7, 15 ... A full queue drops the new event.

    The textbook's queue. Since `pop` has to deliver all that is due, not one event, it has no advantage over the
    others on vector hardware: `FifoQueue` is faster everywhere.

    Args:
        capacity: Number of places asked for. A push costs O(capacity), a pop O(capacity log capacity).
        policy: `Raise()` or `Clamp()`.

    Raises:
        ValueError: `capacity` is not a positive whole number.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.HeapQueue(3)
        >>> state = queue.push(queue.push(queue.empty(), 0.0, 1.5), 0.0, 0.5)
        >>> state.time.tolist()
        [0.5, 1.5, inf]
    """

    capacity: int = eqx.field(static=True)
    policy: AbstractPolicy

    def __init__(self, capacity: int, policy: AbstractPolicy = RAISE):
        require_capacity(type(self).__name__, capacity)
        self.capacity, self.policy = capacity, policy

    @property
    def levels(self) -> int:
        """Levels of the tree."""
        return self.capacity.bit_length()

    @property
    def places(self) -> int:
        """A full tree."""
        return 2**self.levels - 1

    @property
    def width(self) -> int:
        """All events may be due at once."""
        return self.places

    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Put the event into the first free place and let it rise."""
        arrival = admit(self, state, now, time, payload)
        free = first_free(state.time)
        here = (numbers(state.time) == free[None]) & arrival.wanted[None]
        content = choose(here, row((arrival.time, arrival.payload)), (state.time, state.payload))
        after, carried = _compare(content, range(self.levels - 2, -1, -1))
        lost = arrival.wanted & (free == self.places)
        return QueueState(after, carried, count(state.counters, arrival, lost=lost, held=held(after)))

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out every event with `time <= until`; rows come in no particular order."""
        state, due = deliver(state, until)
        last = self.levels - 1
        order = [level for top in range(last - 1, -1, -1) for level in range(top, last)]
        return QueueState(*_compare((state.time, state.payload), order), state.counters), due

    def advice(self) -> str:
        """A larger capacity, as computed by `queues.capacity`."""
        return f"Raise `capacity` from {self.capacity} to ceil(longest delay x highest rate) + 1 (`queues.capacity`)."


def _compare(content: Content, order: range | list[int]) -> Content:
    """For each level in `order` let every parent change places with its earlier child if that is due before it."""
    leaves, structure = jax.tree.flatten(content)
    cuts = [slice(2**level - 1, 2 ** (level + 1) - 1) for level in range(leaves[0].shape[0].bit_length())]
    tree = [[leaf[cut] for cut in cuts] for leaf in leaves]
    for level in order:
        left, right = tree[0][level + 1][::2], tree[0][level + 1][1::2]
        later = right < left
        swap = jnp.minimum(left, right) < tree[0][level]
        for leaf in tree:
            parent, left, right = leaf[level], leaf[level + 1][::2], leaf[level + 1][1::2]
            leaf[level] = choose(swap, choose(later, right, left), parent)
            below = jnp.stack([choose(swap & ~later, parent, left), choose(swap & later, parent, right)], axis=1)
            leaf[level + 1] = below.reshape(leaf[level + 1].shape)
    return structure.unflatten([jnp.concatenate(leaf) for leaf in tree])
