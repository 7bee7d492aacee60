"""Counts of events that follow from spikes alone: the same for every simulator."""

from collections.abc import Mapping, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Int

from ranvier.dense import Link
from ranvier.events import Spikes


def delivered(links: Sequence[Link], trains: Mapping[str, Spikes], batch: int) -> Int[Array, " batch"]:
    """Synaptic events that all spikes cause, delivered or in flight.

    Args:
        links: The connections.
        trains: Spikes of every population that sends, inputs too, shape (batch, n).
        batch: Size of the batch.
    """
    return sum((link.delivered(trains[link.pre]) for link in links), jnp.zeros(batch, jnp.int32))


def in_flight(
    links: Sequence[Link], trains: Mapping[str, Spikes], post: str, t_end: float, batch: int
) -> Int[Array, " batch"]:
    """Events for one population that are due after t_end (ms).

    Args:
        links: The connections.
        trains: Spikes of every population that sends, inputs too, shape (batch, n).
        post: The receiving population.
        t_end: End of the simulation (ms).
        batch: Size of the batch.
    """
    mine = [link for link in lax.stop_gradient(tuple(links)) if link.post == post]
    return sum((_late(link, lax.stop_gradient(trains[link.pre]), t_end) for link in mine), jnp.zeros(batch, jnp.int32))


def _late(link: Link, train: Spikes, t_end: float) -> Int[Array, " batch"]:
    """One connection's, sample by sample."""
    size = link.weight.shape[1]

    def one(train: Spikes) -> Int[Array, ""]:
        unit = jnp.where(jnp.isfinite(train.time), train.unit, 0)
        delay = link.delay[unit if link.delay.shape[0] > 1 else jnp.zeros_like(unit)]
        due = train.time[:, None] + delay.astype(train.time.dtype)
        beyond = jnp.isfinite(train.time)[:, None] & (due > t_end)
        if link.exists is None:
            return jnp.sum(beyond, dtype=jnp.int32) * (size // beyond.shape[1])
        return jnp.sum(beyond & link.exists[unit], dtype=jnp.int32)

    return lax.map(one, train)
