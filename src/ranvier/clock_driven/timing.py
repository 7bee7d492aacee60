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


class Sparks(NamedTuple):
    """Spikes as (step, offset, unit), in any order; `offset = inf` where there is none."""

    step: Int[Array, "batch n"]
    offset: Float[Array, "batch n"]
    unit: Int[Array, "batch n"]

    @classmethod
    def of_step(cls, step: Int[Array, ""], spikes: Float[Array, "spikes batch pre"]) -> "Sparks":
        """The spikes of one step, given by their offsets for each neuron."""
        rows, batch, pre = spikes.shape
        offset = jnp.moveaxis(spikes, 0, 1).reshape(batch, rows * pre)
        unit = jnp.broadcast_to(jnp.tile(jnp.arange(pre, dtype=jnp.int32), rows), offset.shape)
        return cls(jnp.broadcast_to(step, offset.shape), offset, unit)

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
