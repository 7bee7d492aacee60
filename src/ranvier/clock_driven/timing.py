"""Time on a grid of steps, kept as (step, offset), so that both know exactly in which step an event arrives."""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class Grid(eqx.Module):
    """Steps of equal length from t = 0.

    Args:
        length: Length of a step (ms), as a number.
        dt: The same in the simulation's dtype.
    """

    length: float = eqx.field(static=True)
    dt: Float[Array, ""]

    def split(self, time: Float[Array, "*shape"]) -> tuple[Int[Array, "*shape"], Float[Array, "*shape"]]:
        """Step and offset of finite times."""
        step = jnp.floor(time / self.dt)
        return step.astype(jnp.int32), time - step * self.dt


class Emitted(NamedTuple):
    """Spikes of a population in one step, or in all.

    Args:
        offset: Their offsets from the step's start (ms), inf for none.
        onward: The same with the derivative that others meet (`ranvier.gradients`), where it is not the same.
        presence: 1, with the derivative of a spike's presence, where it has one.
    """

    offset: Float[Array, "*steps spikes batch size"]
    onward: Float[Array, "*steps spikes batch size"] | None = None
    presence: Float[Array, "*steps spikes batch size"] | None = None

    @property
    def sent(self) -> Float[Array, "*steps spikes batch size"]:
        """The offsets that others meet."""
        return self.offset if self.onward is None else self.onward


class Sparks(NamedTuple):
    """Spikes as (step, offset, unit), in any order; `offset = inf` where there is none. `presence` as in `Emitted`."""

    step: Int[Array, "*batch n"]
    offset: Float[Array, "*batch n"]
    unit: Int[Array, "*batch n"]
    presence: Float[Array, "*batch n"] | None = None

    @classmethod
    def of_step(cls, step: Int[Array, ""], spikes: Emitted) -> "Sparks":
        """The spikes of one step."""
        rows, batch, pre = spikes.offset.shape
        flat = lambda part: jnp.moveaxis(part, 0, 1).reshape(batch, rows * pre)
        offset = flat(spikes.sent)
        unit = jnp.broadcast_to(jnp.tile(jnp.arange(pre, dtype=jnp.int32), rows), offset.shape)
        presence = None if spikes.presence is None else flat(spikes.presence)
        return cls(jnp.broadcast_to(step, offset.shape), offset, unit, presence)

    @classmethod
    def of_times(cls, grid: Grid, time: Float[Array, "batch n"], unit: Int[Array, "batch n"]) -> "Sparks":
        """Given spikes."""
        real = jnp.isfinite(time)
        step, offset = grid.split(jnp.where(real, time, 0.0))
        return cls(step, jnp.where(real, offset, jnp.inf), jnp.where(real, unit, 0).astype(jnp.int32))


class Delay(NamedTuple):
    """Delays of a connection, cut once into whole steps and a rest (ms)."""

    steps: Int[Array, "#pre #post"]
    rest: Float[Array, "#pre #post"]

    @classmethod
    def split(cls, delay: Float[Array, "#pre #post"], grid: Grid) -> "Delay":
        """Cut delays in ms."""
        return cls(*grid.split(delay.astype(grid.dt.dtype)))

    def arrival(
        self, offset: Float[Array, "*events 1"], dt: Float[Array, ""], unit: Int[Array, "*units"]
    ) -> tuple[Int[Array, "..."], Float[Array, "*events post"]]:
        """How many steps after its own a spike of each unit arrives, and at which offset there."""
        row = unit if self.steps.shape[0] > 1 else jnp.zeros_like(unit)
        steps, rest = self.steps[row], self.rest[row]
        lead = offset.ndim - steps.ndim
        steps, rest = (part.reshape((1,) * lead + part.shape) for part in (steps, rest))
        total = offset + rest
        wraps = total >= dt
        # An absent spike's offset is inf and stays so.
        return steps + wraps.astype(jnp.int32), jnp.where(wraps, total - dt, total)
