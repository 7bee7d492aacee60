"""All numbers under test as one flat vector: network parameters by field name, and input spike times.

`flatten` lays the chosen fields end to end; `place` puts a vector back into a network and its input. Fields
are those of `ranvier.partition`, and `"time"`, the times of the input spikes.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from equinox import combine
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from ranvier.events import Spikes
from ranvier.network import Network, project
from ranvier.selection import partition

TIME = "time"
"""The field name of input spike times."""

NUDGE = 1e-4
"""A learned number whose delay cannot move this far both ways stands at a bound."""


class Field(NamedTuple):
    """One field's stretch of the vector."""

    name: str
    part: slice


class Coordinates(NamedTuple):
    """The vector, its fields, which of its numbers can move both ways, and their scale."""

    at: Float[np.ndarray, " size"]
    fields: tuple[Field, ...]
    free: Bool[np.ndarray, " size"]
    scale: Float[np.ndarray, " size"]


def flatten(network: Network, trains: dict[str, Spikes], names: tuple[str, ...]) -> Coordinates:
    """Lay the named fields of a network, and of its input, end to end.

    Args:
        network: The network, in float64.
        trains: Input spikes of one sample, by population.
        names: Field names, and `"time"`.

    Raises:
        ValueError: a name is not a field of this network (from `ranvier.partition`).
    """
    parts = [np.asarray(ravel_pytree(piece)[0]) for piece in _pieces(network, trains, names)]
    ends = np.cumsum([0, *map(len, parts)])
    fields = tuple(Field(name, slice(*ends[i : i + 2])) for i, name in enumerate(names))
    at = np.concatenate([np.zeros(0), *parts])
    scale = np.concatenate([np.zeros(0), *(np.full(len(part), _scale(part)) for part in parts)])
    free = np.isfinite(at)
    for field in fields:
        if field.name != TIME:
            free[field.part] &= _unbound(network, field.name, at[field.part])
    return Coordinates(at, fields, free, scale)


def place(
    network: Network, trains: dict[str, Spikes], names: tuple[str, ...], vector: Float[Array, " size"]
) -> tuple[Network, dict[str, Spikes]]:
    """Put a vector back: the network, and its input sorted by the new times.

    Args:
        network: The network that `flatten` was given.
        trains: Input spikes of a sample of the same shape.
        names: The same names.
        vector: The vector, laid out as by `flatten`.
    """
    start = 0
    times = [train.time for train in trains.values()]
    learned = []
    for name, piece in zip(names, _pieces(network, trains, names), strict=True):
        flat, unravel = ravel_pytree(piece)
        back = unravel(vector[start : start + len(flat)])
        start += len(flat)
        if name == TIME:
            times = back
        else:
            learned.append(back)
    owned = tuple(name for name in names if name != TIME)
    fixed = partition(network, *owned)[1] if owned else network
    moved = {name: _sorted(time, train) for (name, train), time in zip(trains.items(), times, strict=True)}
    return combine(*learned, fixed), moved


def _pieces(network: Network, trains: dict[str, Spikes], names: tuple[str, ...]) -> list[Any]:
    times = [train.time for train in trains.values()]
    return [times if name == TIME else partition(network, name)[0] for name in names]


def _sorted(time: Float[Array, " n"], train: Spikes) -> Spikes:
    """Input spikes moved to other times, in order again."""
    order = jnp.argsort(jax.lax.stop_gradient(time), stable=True)
    return Spikes(time[order], train.unit[order], train.size)


def _scale(vector: Float[np.ndarray, " size"]) -> float:
    """Typical size of a field's finite numbers, at most 1: steps are taken in units of it."""
    finite = vector[np.isfinite(vector)]
    size = float(np.sqrt(np.mean(finite**2))) if finite.size else 0.0
    return min(size, 1.0) or 1.0


def _unbound(network: Network, name: str, part: Float[np.ndarray, " size"]) -> Bool[np.ndarray, " size"]:
    """Which numbers are not at a bound: `project` leaves them alone; refractory times are above 0."""
    free = part > NUDGE if name == "refractory" else np.ones(part.shape, bool)
    for shift in (NUDGE, -NUDGE):
        shifted = place(network, {}, (name,), jnp.asarray(part + shift))[0]
        kept = np.asarray(ravel_pytree(partition(project(shifted), name)[0])[0])
        free &= np.isclose(kept, part + shift, rtol=0, atol=NUDGE / 2)
    return free


def probes(
    coordinates: Coordinates, part: slice, singles: int, directions: int, key: PRNGKeyArray
) -> Float[np.ndarray, "probes size"]:
    """Directions in which one field is tested: some of its numbers alone, and all of them at once.

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
