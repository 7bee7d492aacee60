"""A buffer as long as the longest delay, one slot per step: events may come in any order and at any rate.

An event goes straight into the slot of the step it is due in, and `pop` reads one slot, so the work of a step does not
grow with the delay; the memory does. Steps end at multiples of dt: step k holds `(k - 1) dt < time <= k dt`.
"""

import math
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, ArrayLike, Float, Int, PyTree

from ranvier.queues.abstract import AbstractQueue, Due, QueueState
from ranvier.queues.places import admit, count, held, numbers
from ranvier.queues.policies import RAISE, AbstractPolicy


class RingQueue(AbstractQueue):
    """One slot for each step within `horizon`, each with room for `per_step` events.

    `now` and `until` must be k * dt with whole k (below 8 million in float32), and every step must be popped, in
    order. Times of events may be anything. An event for a full slot is dropped, and so is one that is due more than
    `slots` steps ahead, unless the policy is `Clamp`; it never wraps around.

    Args:
        horizon: Longest delay (ms).
        dt: Step (ms).
        per_step: Events that one step can deliver to one queue. 2 (default) suffices for one delay per queue and
            spikes at least dt apart, 1 if besides all arrivals are exact multiples of dt.
        policy: `Raise()` or `Clamp()`.

    Raises:
        ValueError: `horizon` or `dt` is not positive and finite, or `per_step` not a positive whole number.

    Example:
        >>> import ranvier as rv
        >>> queue = rv.queues.RingQueue(5.0, 0.5, per_step=1)
        >>> state = queue.push(queue.empty(), 0.0, 1.25)
        >>> [queue.pop(state, k * 0.5)[1].time.tolist() for k in (1, 2, 3)]
        [[inf], [inf], [1.25]]
    """

    horizon: float = eqx.field(static=True)
    dt: float = eqx.field(static=True)
    per_step: int = eqx.field(static=True)
    policy: AbstractPolicy

    def __init__(self, horizon: float, dt: float, per_step: int = 2, policy: AbstractPolicy = RAISE):
        for name, value in (("horizon", horizon), ("dt", dt)):
            if not 0 < value < math.inf:
                msg = f"RingQueue: `{name}` must be a positive, finite time in ms; got {value!r}."
                raise ValueError(msg)
        if not isinstance(per_step, int) or per_step < 1:
            msg = f"RingQueue: `per_step` must be a whole number of events per step, at least 1; got {per_step!r}."
            raise ValueError(msg)
        self.horizon, self.dt, self.per_step, self.policy = horizon, dt, per_step, policy

    @property
    def width(self) -> int:
        """Events of one step."""
        return self.per_step

    @property
    def slots(self) -> int:
        """Steps ahead that the buffer covers: the horizon, and the step in which a spike falls."""
        return math.ceil(self.horizon / self.dt - 1e-6) + 1

    @property
    def places(self) -> int:
        """Room for `per_step` events in each slot."""
        return self.slots * self.per_step

    def push(
        self, state: QueueState, now: ArrayLike, time: Float[ArrayLike, "*shape"], payload: PyTree[ArrayLike] = ()
    ) -> QueueState:
        """Put the event into a free place of the slot of its step."""
        step = self._grid(now, state.time.dtype)
        first, end = (self._end(step + ahead, state.time.dtype) for ahead in (0, self.slots))
        arrival = admit(self, state, first, time, payload)
        kept = self.policy.not_after(arrival.time, end)
        fits, beyond = kept <= end, arrival.wanted & (arrival.time > end)
        slot = step % self.slots + jnp.clip(self._due(kept) - step, 1, self.slots)
        start = jnp.where(slot >= self.slots, slot - self.slots, slot) * self.per_step
        used = self._used(state.time, start)
        full = fits & (used == self.per_step)
        enters = fits & ~full
        place = jnp.where(enters, start + used, self.places)
        put = lambda new, old: _scatter(old, place, new)
        lost = full | (beyond & ~fits)
        counters = count(state.counters, arrival, lost=lost, held=jnp.where(enters, used + 1, 0))
        moved = counters.clamped + (beyond & fits).astype(jnp.int32)
        counters = eqx.tree_at(lambda each: each.clamped, counters, moved)
        return QueueState(put(kept, state.time), jax.tree.map(put, arrival.payload, state.payload), counters)

    def pop(self, state: QueueState, until: ArrayLike) -> tuple[QueueState, Due]:
        """Take out the slot of the step that ends at `until`."""
        start = self._grid(until, state.time.dtype) % self.slots * self.per_step
        take = lambda leaf: lax.dynamic_slice_in_dim(leaf, start, self.per_step)
        due = Due(take(state.time), jax.tree.map(take, state.payload))
        free = jnp.full_like(due.time, jnp.inf)
        time = lax.dynamic_update_slice_in_dim(state.time, free, start, 0)
        return QueueState(time, state.payload, state.counters), due

    def advice(self) -> str:
        """A wider slot or a longer horizon."""
        return (
            f"Raise `per_step` (now {self.per_step}) if the peak has reached it, or else `horizon` "
            f"(now {self.horizon} ms) to the longest delay."
        )

    def _grid(self, time: ArrayLike, dtype: jnp.dtype) -> Int[Array, ""]:
        """The number of the step that ends at `time`."""
        return jnp.rint(jnp.asarray(time, dtype) / jnp.asarray(self.dt, dtype)).astype(jnp.int32)

    def _end(self, step: Int[Array, "*shape"], dtype: jnp.dtype) -> Float[Array, "*shape"]:
        """End (ms) of a step, rounded as `k * dt` is."""
        return step.astype(dtype) * jnp.asarray(self.dt, dtype)

    def _due(self, time: Float[Array, "*shape"]) -> Int[Array, "*shape"]:
        """The step in which an event is due, by the ends of steps as they are rounded."""
        time = lax.stop_gradient(time)
        dt = jnp.asarray(self.dt, time.dtype)
        step = jnp.ceil(jnp.where(time < jnp.inf, time, 0) / dt)
        step = jnp.where(time <= (step - 1) * dt, step - 1, step)
        return jnp.where(time > step * dt, step + 1, step).astype(jnp.int32)

    def _used(self, time: Float[Array, "places *shape"], start: Int[Array, "*shape"]) -> Int[Array, "*shape"]:
        """How many places of each queue's slot are taken; they are filled from the first on."""
        rows = start[None] + numbers(time[: self.width])
        return held(time[(rows, *_columns(start.shape))])


def _scatter(leaf: Array, place: Int[Array, "*shape"], value: Array) -> Array:
    """Put one value per queue into its place; a place past the last puts nothing."""
    return leaf.at[(place, *_columns(place.shape))].set(value, mode="drop", unique_indices=True)


def _columns(shape: tuple[int, ...]) -> Sequence[Array]:
    """Indices of all queues, axis by axis: a reshape to one axis would make XLA copy the whole buffer in each step."""
    return jnp.meshgrid(*(jnp.arange(size, dtype=jnp.int32) for size in shape), indexing="ij", sparse=True)
