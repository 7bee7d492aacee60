"""One pass through data that are read batch by batch; through others as `ranvier.train.epoch` does it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray

from ranvier.network import Network
from ranvier.train.dataset import Dataset
from ranvier.train.epoch import plain_epoch, step_programs, train_epoch
from ranvier.train.recipe import Recipe
from ranvier.train.step import State, Totals, no_totals
from ranvier.train.stream import Stream

EVALUATION_BATCH = 256
"""Samples that are simulated at once where nothing is learned."""


def train_through(
    recipe: Recipe, state: State, data: Dataset | Stream, key: PRNGKeyArray, epoch: Int[ArrayLike, ""]
) -> tuple[State, Totals]:
    """Learn from every sample once.

    Args:
        recipe: How to train.
        state: State so far; its memory is reused.
        data: Samples.
        key: The run's random key.
        epoch: Number of this epoch, from 1.
    """
    if isinstance(data, Dataset):
        return train_epoch(recipe, state, data, key, epoch)
    key, totals, steps = jax.random.fold_in(key, epoch), None, -(-data.size // recipe.batch)
    train_step, _ = step_programs(recipe)
    for number, batch in enumerate(data.batches(recipe.batch, jax.random.fold_in(key, 2 * steps))):
        totals = no_totals(recipe, state.network, batch.data, recipe.batch) if totals is None else totals
        weight = jnp.asarray(batch.weight, state.network.dtype)
        at = jnp.asarray(number, jnp.int32)
        state, totals = train_step(recipe, state, totals, batch.data, weight, key, at, epoch, steps)
    assert totals is not None
    return state, totals


def go_through(
    recipe: Recipe, network: Network, data: Dataset | Stream, key: PRNGKeyArray
) -> tuple[Totals, Int[Any, "samples ..."] | None]:
    """Judge every sample once, without learning.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        data: Samples.
        key: Decides the noise, if the simulator has any.

    Returns:
        The sums, and what the network answers to each sample, where targets are classes.
    """
    if isinstance(data, Dataset):
        return plain_epoch(recipe, network, data, key)
    totals, answer, (_, judge_step) = None, np.full(data.size, -1, np.int32), step_programs(recipe)
    for number, batch in enumerate(data.batches(min(EVALUATION_BATCH, data.size))):
        totals = no_totals(recipe, network, batch.data, len(batch.weight)) if totals is None else totals
        weight = jnp.asarray(batch.weight, network.dtype)
        totals, found = judge_step(recipe, network, totals, batch.data, weight, jax.random.fold_in(key, number))
        answer[batch.rows] = np.asarray(found)[: len(batch.rows)]
    assert totals is not None
    return totals, answer
