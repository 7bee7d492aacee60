"""All numbers under test as one flat vector: network parameters by field name, and input spike times.

`flatten` lays the chosen fields end to end; `Coordinates.place` puts a vector back into a network and its input.
Fields are those of `ranvier.partition`, and `"time"`, the times of the input spikes.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from equinox import combine
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ranvier.events import Spikes
from ranvier.network import Network, partition, project

TIME = "time"
"""The field name of input spike times."""

NUDGE = 1e-4
"""A learned number whose delay cannot move this far both ways stands at a bound."""


class Field(NamedTuple):
    """One field's stretch of the vector."""

    name: str
    part: slice


class Coordinates(NamedTuple):
    """The vector, its fields, which of its numbers can move both ways, their scale, and the way back."""

    at: Float[np.ndarray, " size"]
    fields: tuple[Field, ...]
    free: Bool[np.ndarray, " size"]
    scale: Float[np.ndarray, " size"]
    place: Callable[[Float[Array, " size"], dict[str, Spikes]], tuple[Network, dict[str, Spikes]]]


def flatten(network: Network, trains: dict[str, Spikes], names: tuple[str, ...]) -> Coordinates:
    """Lay the named fields of a network, and of its input, end to end.

    Args:
        network: The network, in float64.
        trains: Input spikes of one sample, by population.
        names: Field names, and `"time"`.

    Raises:
        ValueError: a name is not a field of this network (from `ranvier.partition`).
    """
    owned = tuple(name for name in names if name != TIME)
    chosen = [partition(network, name)[0] for name in owned]
    fixed = partition(network, *owned)[1] if owned else network
    times = [train.time for train in trains.values()] if TIME in names else []
    pieces = [times if name == TIME else chosen[owned.index(name)] for name in names]
    flat = [ravel_pytree(piece) for piece in pieces]
    ends = np.cumsum([0, *(len(vector) for vector, _ in flat)])
    fields = tuple(Field(name, slice(*ends[i : i + 2])) for i, name in enumerate(names))

    def place(
        vector: Float[Array, " size"], given: dict[str, Spikes]
    ) -> tuple[Network, dict[str, Spikes]]:
        back = {field.name: unravel(vector[field.part]) for field, (_, unravel) in zip(fields, flat, strict=True)}
        moved = back.pop(TIME, [train.time for train in given.values()])
        pairs = zip(given.items(), moved, strict=True)
        return combine(*back.values(), fixed), {name: _sorted(time, train) for (name, train), time in pairs}

    at = np.concatenate([np.zeros(0), *(np.asarray(vector) for vector, _ in flat)])
    spread = np.concatenate([np.zeros(0), *(np.full(len(vector), _scale(vector)) for vector, _ in flat)])
    free = np.isfinite(at) & _unbound(at, fields, lambda vector: place(vector, trains)[0], owned)
    return Coordinates(at, fields, free, spread, place)


def _sorted(time: Float[Array, " n"], train: Spikes) -> Spikes:
    """Input spikes moved to other times, in order again."""
    order = jnp.argsort(jax.lax.stop_gradient(time), stable=True)
    return Spikes(time[order], train.unit[order])


def _scale(vector: Float[Array, " size"]) -> float:
    """Typical size of a field's finite numbers, at most 1: steps are taken in units of it."""
    finite = np.asarray(vector)[np.isfinite(vector)]
    size = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
    return min(size, 1.0) or 1.0


def _unbound(
    at: Float[np.ndarray, " size"],
    fields: tuple[Field, ...],
    rebuild: Callable[[Float[Array, " size"]], Network],
    owned: tuple[str, ...],
) -> Bool[np.ndarray, " size"]:
    """Which numbers are not at a bound: `project` leaves them alone, and a refractory time is above 0."""
    free = np.ones(at.shape, bool)
    for shift in (NUDGE, -NUDGE):
        inside = project(rebuild(jnp.asarray(at + shift)))
        for name, part in fields:
            if name in owned:
                kept = np.asarray(ravel_pytree(partition(inside, name)[0])[0])
                free[part] &= np.abs(kept - (at + shift)[part]) < NUDGE / 2
            if name == "refractory":
                free[part] &= at[part] > NUDGE
    return free


def probes(
    coordinates: Coordinates, part: slice, singles: int, directions: int, key: PRNGKeyArray
) -> Float[np.ndarray, "probes size"]:
    """Directions in which one field is tested: some of its numbers alone, and all of them in random directions.

    Args:
        coordinates: The vector.
        part: The field's stretch of it.
        singles: How many numbers are moved alone.
        directions: How many directions move all at once.
        key: Random key.

    Returns:
        One direction per row, of the length of the field's scale; none where no number can move.
    """
    places = np.arange(coordinates.at.size)[part][coordinates.free[part]]
    pick, turn = jax.random.split(key)
    alone = np.asarray(jax.random.permutation(pick, places))[:singles]
    rows = np.zeros((len(alone) + (directions if len(places) > 1 else 0), coordinates.at.size))
    rows[np.arange(len(alone)), alone] = 1.0
    for row in rows[len(alone) :]:
        turn, now = jax.random.split(turn)
        drawn = np.asarray(jax.random.normal(now, (len(places),)))
        row[places] = drawn / np.linalg.norm(drawn)
    return rows * coordinates.scale[None, :]
