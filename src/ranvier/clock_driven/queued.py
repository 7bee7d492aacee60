"""The layout `Queued`: events wait in a queue of `ranvier.queues`, one for each synapse."""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.arrivals import Arrivals, by_step, earliest
from ranvier.clock_driven.layouts import AbstractLayout, AbstractRoute
from ranvier.clock_driven.timing import Delay, Emitted, Grid, Sparks
from ranvier.dense import Link
from ranvier.queues import AbstractQueue, FifoQueue, QueueState


class Queued(AbstractLayout):
    """Hold events in queues: one for each synapse, or for each sender whose receivers share its delay.

    With a queue that loses nothing the simulation is that of the continuous model, as with `Exact`, at every dt. What a
    full queue drops raises; what a forgiving one loses (`LossyQueue`, `SingleQueue`, `policy=Clamp()`) is counted in
    `Stats.forgotten`. A step costs O(pre x post x places), O(pre x places) with one delay per sender. Input spikes are
    known beforehand and need no queue: they are sorted into steps at the start, in memory O(events x post x steps).

    Args:
        queue: Any queue of `ranvier.queues`. The horizon of a `RingQueue` must reach to the longest delay, its dt be
            that of `ClockDriven`.
        events: Events of this connection that may arrive at one neuron in one step.

    Raises:
        ValueError: `events` is below 1.

    References:
        Landsmeer et al., ADSEQ (autodifferentiable spike-event queues).

    Example:
        >>> import ranvier as rv
        >>> rv.ClockDriven(dt=0.5, layout=rv.clock_driven.Queued(rv.queues.SortedQueue(4))).layout.queue.capacity
        4
    """

    queue: AbstractQueue = FifoQueue(8)
    events: int = eqx.field(static=True, default=16)

    def __check_init__(self):
        if self.events < 1:
            msg = f"Queued: `events` must be at least 1; got {self.events}."
            raise ValueError(msg)

    def sized(self, link: Link) -> AbstractLayout:
        """Itself."""
        del link
        return self

    def route(self, link: Link, grid: Grid, valued: bool) -> AbstractRoute:
        """A route over queues."""
        if valued:
            msg = (
                f"ClockDriven: queues carry times only, so {link.name} cannot be `Queued` where a gradient has the "
                "value of spikes; take layout=Exact() or Merged(), or gradient=ExactDerivative()."
            )
            raise ValueError(msg)
        return QueuedRoute(link.weight.astype(grid.dt.dtype), Delay.split(link.delay, grid), link.exists, grid, self)


class QueuedRoute(AbstractRoute):
    """The route of `Queued`.

    An event's time in the queue is that of its step, so that it is due there in every precision; its offset within the
    step goes with it.
    """

    weight: Float[Array, "pre post"]
    delay: Delay
    exists: Bool[Array, "pre post"] | None
    grid: Grid
    layout: Queued
    exact: ClassVar[bool] = True

    @property
    def forgiving(self) -> bool:
        """As the queue's policy."""
        return self.layout.queue.policy.forgiving

    def empty(self, batch: int) -> QueueState:
        """Empty queues, one for each delay."""
        dtype, shape = self.weight.dtype, (batch, self.weight.shape[0], self.delay.steps.shape[1])
        return self.layout.queue.empty(jnp.zeros((), dtype), dtype, shape=shape)

    def push(self, state: QueueState, step: Int[Array, ""], spikes: Emitted) -> tuple[QueueState, Int[Array, " batch"]]:
        """Every spike into the queues of its sender, one after the other."""
        before, unit = state.counters.dropped, jnp.arange(spikes.offset.shape[2], dtype=jnp.int32)
        for row in spikes.offset:
            late, offset = self.delay.arrival(row[..., None], self.grid.dt, unit)
            real = jnp.isfinite(offset)
            if self.exists is not None and offset.shape[2] == self.exists.shape[1]:
                real = real & self.exists[None]
            time = jnp.where(real, self._label(step + late), jnp.inf)
            state = self.layout.queue.push(state, self._label(step - 1), time, jnp.where(real, offset, 0.0))
        return state, jnp.sum((state.counters.dropped - before) * self._sharing()[None], axis=(1, 2), dtype=jnp.int32)

    def _sharing(self) -> Int[Array, "#pre 1"]:
        """Synapses that share a queue."""
        post, queues = self.weight.shape[1], self.delay.steps.shape[1]
        if self.exists is None or queues == post:
            return jnp.full((1, 1), post // queues, jnp.int32)
        return jnp.sum(self.exists, axis=1, keepdims=True, dtype=jnp.int32)

    def due(self, state: QueueState, step: Int[Array, ""]) -> tuple[QueueState, Arrivals]:
        """What the queues give for this step."""
        state, due = self.layout.queue.pop(state, self._label(step))
        offset = jnp.where(due.time < jnp.inf, due.payload, jnp.inf)
        if self.exists is not None:
            offset = jnp.where(self.exists[None, None], offset, jnp.inf)
        return state, earliest(offset, self.weight, self.layout.events)

    def schedule(self, sparks: Sparks, steps: int) -> Arrivals:
        """Sort each neuron's arrivals and lay them out by step."""
        return by_step(sparks, self.weight, self.delay, self.exists, self.grid, self.layout.events, steps)

    def _label(self, step: Int[Array, "*shape"]) -> Float[Array, "*shape"]:
        """The time (ms) under which a queue knows a step."""
        return lax.stop_gradient(step.astype(self.grid.dt.dtype) * self.grid.dt)
