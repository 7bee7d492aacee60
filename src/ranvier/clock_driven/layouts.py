"""Layouts: how the events of one connection wait for their step.

    Exact     every arrival time is kept; what is stored is the senders' last spikes, O(sending neurons)
    Merged    a step's events at a neuron become one, or two if signs are mixed; O(receiving neurons x delay steps)
    Queued    every arrival time is kept in a queue of `ranvier.queues`, one per synapse (`queued.py`)

A layout makes a `Route` for a connection, which the simulator feeds and empties step by step. A spike found in step k
at offset g, sent over a delay of n steps and a rest f, arrives in step k + n, or in the next one if g + f reaches dt:
one rule, in integers and one precision, so that no event is lost or delivered twice.
"""

import abc
import math
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Bool, Float, Int

from ranvier._concrete import concrete
from ranvier.checkpoints import KEPT
from ranvier.clock_driven.arrivals import Arrivals, by_step, earliest
from ranvier.clock_driven.merged import Sums, deposit_all, deposit_step
from ranvier.clock_driven.timing import Delay, Emitted, Grid, Sparks
from ranvier.dense import Link


class AbstractRoute(eqx.Module):
    """The events of one connection on their way. Its state is a pytree of arrays.

    `exact`: events come one by one, in order of time.
    """

    exact: eqx.AbstractClassVar[bool]

    @property
    @abc.abstractmethod
    def forgiving(self) -> bool:
        """Whether `push` may lose events by rule, which is counted and does not raise."""

    @abc.abstractmethod
    def empty(self, batch: int) -> Any:
        """State before any spike."""

    @abc.abstractmethod
    def push(self, state: Any, step: Int[Array, ""], spikes: Emitted) -> tuple[Any, Int[Array, " batch"]]:
        """Send off the spikes of a step; count what is lost."""

    @abc.abstractmethod
    def due(self, state: Any, step: Int[Array, ""]) -> tuple[Any, Arrivals]:
        """Take out what arrives in a step."""

    @abc.abstractmethod
    def schedule(self, sparks: Sparks, steps: int) -> Arrivals:
        """What given input spikes bring, for all steps at once: every array with a leading axis of steps."""


class AbstractLayout(eqx.Module):
    """How the events of a connection are held."""

    @abc.abstractmethod
    def sized(self, link: Link) -> "AbstractLayout":
        """The layout with all sizes known that depend on the values of the connection."""

    @abc.abstractmethod
    def route(self, link: Link, grid: Grid, valued: bool) -> AbstractRoute:
        """Make the connection's route, for a grid of time steps; the layout is `sized`.

        `valued`: whether the presence of spikes has a derivative.
        """


class Exact(AbstractLayout):
    """Keep every arrival time: the simulation is then that of the continuous model, at every dt.

    Of each sending neuron the last `history` spikes are kept, whatever the delays; each step the receivers look which
    of them arrive. Cost per step: pre x history for axonal and common delays, pre x post x history for others. Input
    spikes are sorted into steps at the start, in memory O(events x post x steps).

    Args:
        history: Spikes of one neuron that may be on their way at a time.
        events: Events of this connection that may arrive at one neuron in one step.

    Raises:
        ValueError: a number is below 1.

    Example:
        >>> import ranvier as rv
        >>> rv.ClockDriven(dt=0.5, layout=rv.clock_driven.Exact(events=8)).layout.events
        8
    """

    history: int = eqx.field(static=True, default=16)
    events: int = eqx.field(static=True, default=16)

    def __check_init__(self):
        for name, value in {"history": self.history, "events": self.events}.items():
            if value < 1:
                msg = f"Exact: `{name}` must be at least 1; got {value}."
                raise ValueError(msg)

    def sized(self, link: Link) -> AbstractLayout:
        """Itself."""
        del link
        return self

    def route(self, link: Link, grid: Grid, valued: bool) -> AbstractRoute:
        """A route over the senders' spike history."""
        weight, delay = link.weight.astype(grid.dt.dtype), Delay.split(link.delay, grid)
        return ExactRoute(weight, delay, link.exists, grid, self, valued)


class Merged(AbstractLayout):
    """Merge the events of one sign that reach a neuron in one step, at their centre of weight.

    Exact where no two of a sign share a neuron and a step. Otherwise second order in dt. Memory: four numbers for
    each receiving neuron and step of the longest delay. Input spikes are summed into steps at the start, in memory
    O(post x steps).

    Args:
        longest: Longest delay that fits (ms); default the delays' upper bound, or where they have none
            the longest there is.

    Raises:
        ValueError: `longest` is negative; or, when run, is needed and cannot be known.

    Example:
        >>> import ranvier as rv
        >>> rv.ClockDriven(dt=0.5, layout=rv.clock_driven.Merged(longest=20.0)).layout.longest
        20.0
    """

    longest: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.longest is not None and not 0 <= self.longest < math.inf:
            msg = f"Merged: `longest` must be a time in ms, at least 0; got {self.longest}."
            raise ValueError(msg)

    def sized(self, link: Link) -> AbstractLayout:
        """With `longest`."""
        if self.longest is not None:
            return self
        if math.isfinite(link.high):
            return Merged(link.high)
        known = concrete(link.delay)
        if known is None:
            msg = (
                f"ClockDriven: the delays of {link.name} have no upper bound, which `Merged` needs inside a traced "
                f"function. Give them one, as in ranvier.synaptic(high=...), or pass "
                f"ranvier.clock_driven.Merged(longest=...) or ranvier.clock_driven.Exact() as the layout."
            )
            raise ValueError(msg)
        return Merged(float(known.max()))

    def route(self, link: Link, grid: Grid, valued: bool) -> AbstractRoute:
        """A route over a ring of steps."""
        del valued  # it is in the sums
        slots = math.ceil((self.longest or 0.0) / grid.length) + 3
        return MergedRoute(link.weight.astype(grid.dt.dtype), Delay.split(link.delay, grid), grid, slots)


class History(NamedTuple):
    """The last spikes of each sending neuron: their steps, offsets and presence, and how many there have been."""

    step: Int[Array, "history batch pre"]
    offset: Float[Array, "history batch pre"]
    number: Int[Array, "batch pre"]
    presence: Float[Array, "history batch pre"] | None


class ExactRoute(AbstractRoute):
    """The route of `Exact`."""

    weight: Float[Array, "pre post"]
    delay: Delay
    exists: Bool[Array, "pre post"] | None
    grid: Grid
    layout: Exact
    valued: bool = eqx.field(static=True)
    exact: ClassVar[bool] = True

    @property
    def forgiving(self) -> bool:
        """No."""
        return False

    def empty(self, batch: int) -> History:
        """No spikes: their offsets are inf."""
        shape = (self.layout.history, batch, self.weight.shape[0])
        offset = jnp.full(shape, jnp.inf, self.weight.dtype)
        presence = jnp.zeros(shape, self.weight.dtype) if self.valued else None
        return History(jnp.zeros(shape, jnp.int32), offset, jnp.zeros(shape[1:], jnp.int32), presence)

    def push(self, state: History, step: Int[Array, ""], spikes: Emitted) -> tuple[History, Int[Array, " batch"]]:
        """Write them over the oldest; lost is what has still been on its way."""
        places = jnp.arange(self.layout.history, dtype=jnp.int32)[:, None, None]
        longest = jnp.max(self.delay.steps) + 1
        lost = jnp.zeros(spikes.offset.shape[1], jnp.int32)
        for at, row in enumerate(spikes.sent):
            here = (places == state.number[None] % self.layout.history) & jnp.isfinite(row)[None]
            flying = here & jnp.isfinite(state.offset) & (state.step + longest > step)
            lost = lost + jnp.sum(flying, axis=(0, 2), dtype=jnp.int32)
            state = History(
                jnp.where(here, step, state.step),
                jnp.where(here, row[None], state.offset),
                state.number + jnp.isfinite(row).astype(jnp.int32),
                _kept(here, spikes.presence, at, state.presence),
            )
        return state, lost

    def due(self, state: History, step: Int[Array, ""]) -> tuple[History, Arrivals]:
        """The arrivals of this step among all spikes in the history, the earliest of them."""
        pre = state.offset.shape[2]
        late, at = self.delay.arrival(state.offset[..., None], self.grid.dt, jnp.arange(pre, dtype=jnp.int32))
        offset = jnp.where(state.step[..., None] + late == step, at, jnp.inf)  # (history, batch, pre, post or 1)
        if self.exists is not None:
            offset = jnp.where(self.exists[None, None], offset, jnp.inf)
        return state, earliest(offset, self.weight, self.layout.events, state.presence)

    def schedule(self, sparks: Sparks, steps: int) -> Arrivals:
        """Sort each neuron's arrivals and lay them out by step."""
        return by_step(sparks, self.weight, self.delay, self.exists, self.grid, self.layout.events, steps)


def _kept(
    here: Bool[Array, "history batch pre"],
    presence: Float[Array, "spikes batch pre"] | None,
    at: int,
    before: Float[Array, "history batch pre"] | None,
) -> Float[Array, "history batch pre"] | None:
    """The presence of the spikes in a history, where it is kept, with those of a step written in."""
    return None if before is None or presence is None else jnp.where(here, presence[at][None], before)


class MergedRoute(AbstractRoute):
    """The route of `Merged`: a ring of steps."""

    weight: Float[Array, "pre post"]
    delay: Delay
    grid: Grid
    slots: int = eqx.field(static=True)
    exact: ClassVar[bool] = False

    @property
    def forgiving(self) -> bool:
        """No."""
        return False

    def empty(self, batch: int) -> Float[Array, "slots batch two post two"]:
        """Nothing on its way."""
        return jnp.zeros((self.slots, batch, 2, self.weight.shape[1], 2), self.weight.dtype)

    def push(
        self, state: Float[Array, "slots batch two post two"], step: Int[Array, ""], spikes: Emitted,
    ) -> tuple[Float[Array, "slots batch two post two"], Int[Array, " batch"]]:  # fmt: skip
        """Add the spikes to the steps of their arrival."""
        sparks = Sparks.of_step(step, spikes)
        return deposit_step(state, sparks, self.weight, self.delay, self.grid.dt), jnp.zeros(len(state[0]), jnp.int32)

    def due(
        self, state: Float[Array, "slots batch two post two"], step: Int[Array, ""]
    ) -> tuple[Float[Array, "slots batch two post two"], Arrivals]:
        """The step's slot, which is then free."""
        slot = step % self.slots
        sums = checkpoint_name(lax.dynamic_index_in_dim(state, slot, keepdims=False), KEPT)
        state = lax.dynamic_update_index_in_dim(state, jnp.zeros_like(sums), slot, 0)
        return state, self._arrivals(sums, jnp.zeros(len(sums), jnp.int32))

    def schedule(self, sparks: Sparks, steps: int) -> Arrivals:
        """Add all spikes to the steps of their arrival."""
        batch = len(sparks.unit)
        ring = jnp.zeros((steps, batch, 2, self.weight.shape[1], 2), self.weight.dtype)
        sums = deposit_all(ring, sparks, self.weight, self.delay, self.grid.dt)
        return self._arrivals(sums, jnp.zeros((steps, batch), jnp.int32))

    def _arrivals(self, sums: Sums, lost: Int[Array, "*steps batch"]) -> Arrivals:
        *steps, batch, _, post, _ = sums.shape
        nothing = jnp.zeros((*steps, 0, batch, post), sums.dtype)
        return Arrivals(nothing, nothing, sums, lost)
