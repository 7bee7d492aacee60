"""Spikes on their way, in slots as Jaxley can hold them: each is one number per synapse, the time that is left."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ranvier.queues import AbstractQueue, FifoQueue
from ranvier.queues.abstract import Counters, QueueState

Slots = Sequence[Float[Array, "*shape"]]


class Moved(NamedTuple):
    """What a step makes of the spikes that wait.

    Args:
        slots: Those that still wait: time (ms) that is left at the end of the step; `inf` in free places.
        arrival: The one that arrives: when (ms), from the start of the step; `inf` where none does.
        lost: Whether the new spike found no place.
    """

    slots: list[Float[Array, "*shape"]]
    arrival: Float[Array, "*shape"]
    lost: Bool[Array, "*shape"]


@functools.singledispatch
def moved(queue: AbstractQueue, slots: Slots, left: Float[Array, "*shape"] | None, dt: float) -> Moved:
    """One step of spikes that wait, by any queue; a `FifoQueue`, the usual one, has a way of its own that costs less.

    Two crossings of a threshold are more than a step apart, and as a synapse has one delay so are their arrivals: at
    most one is due in a step.

    Args:
        queue: The queue.
        slots: Time (ms) that is left for those that wait, from the start of the step; `inf` in free places.
        left: The same for a new spike, `inf` where there is none; None if there is none anywhere.
        dt: The step (ms).

    Returns:
        What waits afterwards, what arrives, what was lost.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.interop.jaxley.waiting import moved
        >>> from ranvier.queues import FifoQueue
        >>> new = moved(FifoQueue(2), [jnp.array([0.75]), jnp.array([jnp.inf])], jnp.array([3.0]), 1.0)
        >>> [float(one[0]) for one in (*new.slots, new.arrival)]
        [2.0, inf, 0.75]
    """
    zeros = jnp.zeros(slots[0].shape, jnp.int32)
    content = QueueState(jnp.stack(slots), (), Counters(zeros, zeros, zeros, zeros))
    content, due = queue.pop(content if left is None else queue.push(content, 0.0, left), dt)
    return Moved(list(content.time - dt), jnp.min(due.time, axis=0), content.counters.dropped > 0)


@moved.register
def _(queue: FifoQueue, slots: Slots, left: Float[Array, "*shape"] | None, dt: float) -> Moved:
    """Spikes stand in order without gaps: the new one goes behind the last, the first one leaves, others move up."""
    full, lost = (slots, jnp.zeros(slots[0].shape, bool)) if left is None else _behind(queue, slots, left)
    due = full[0] <= dt
    following = [*full[1:], jnp.full_like(full[0], jnp.inf)]
    after = [jnp.where(due, later, one) - dt for later, one in zip(following, full, strict=True)]
    return Moved(after, jnp.where(due, full[0], jnp.inf), lost)


def _behind(queue: FifoQueue, slots: Slots, left: Float[Array, "*shape"]) -> tuple[Slots, Bool[Array, "*shape"]]:
    """The slots with the new spikes behind the last, and which found no place."""
    left = queue.policy.not_before(left, jnp.zeros((), left.dtype))
    lost = ((left < jnp.inf) & (slots[-1] < jnp.inf)) | jnp.isnan(left)
    taken = [jnp.ones(left.shape, bool), *(one < jnp.inf for one in slots)]
    behind = [before & ~here & (left < jnp.inf) for before, here in itertools.pairwise(taken)]
    return [jnp.where(here, left, one) for here, one in zip(behind, slots, strict=True)], lost
