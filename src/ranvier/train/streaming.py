"""One pass through data: in memory as one program, through others batch by batch; on one device or a team of them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray

from ranvier.network import Network
from ranvier.train.dataset import Dataset
from ranvier.train.programs import programs
from ranvier.train.recipe import Recipe
from ranvier.train.step import State, Totals, no_totals
from ranvier.train.stream import Stream
from ranvier.train.team import Team

EVALUATION_BATCH = 256
"""Samples that are simulated at once where nothing is learned."""


def train_through(
    recipe: Recipe, state: State, data: Dataset | Stream, key: PRNGKeyArray, epoch: Int[ArrayLike, ""], team: Team
) -> tuple[State, Totals]:
    """Learn from every sample once.

    Args:
        recipe: How to train.
        state: State so far; its memory is reused. Data in memory and all but keys lie where the team wants them.
        data: Samples.
        key: The run's random key.
        epoch: Number of this epoch, from 1.
        team: Who takes part.
    """
    run = programs(recipe, team.mesh)
    if isinstance(data, Dataset):
        team.arrive()
        return run.train(recipe, state, data, *team.placed((key, epoch)))
    key, totals, steps = jax.random.fold_in(key, epoch), None, -(-data.size // recipe.batch)
    order, room = jax.random.fold_in(key, 2 * steps), team.shards.filled(recipe.batch)
    key, epoch = team.placed((key, epoch))
    for number, batch in enumerate(data.batches(recipe.batch, order, room=room, part=(team.process, team.processes))):
        if totals is None:
            totals = team.sums(no_totals(recipe, state.network, batch.data, room))
        weight = jnp.asarray(batch.weight, state.network.dtype)
        at = team.placed(jnp.asarray(number, jnp.int32))
        team.arrive()
        state, totals = run.train_step(recipe, state, totals, *team.parted((batch.data, weight)), key, at, epoch, steps)
    assert totals is not None
    return state, run.gather(totals)


def go_through(
    recipe: Recipe, network: Network, data: Dataset | Stream, key: PRNGKeyArray, team: Team
) -> tuple[Totals, Int[Any, "samples ..."] | None]:
    """Judge every sample once, without learning.

    Args:
        recipe: Simulator, readout and loss.
        network: The network; it and data in memory lie where the team wants them.
        data: Samples.
        key: Decides the noise, if the simulator has any.
        team: Who takes part.

    Returns:
        The sums, and what the network answers to each sample, where targets are classes.
    """
    run = programs(recipe, team.mesh)
    if isinstance(data, Dataset):
        team.arrive()
        return run.judge(recipe, network, data, team.placed(key))
    totals, answer, size = None, np.full(data.size, -1, np.int32), min(EVALUATION_BATCH, data.size)
    room = team.shards.filled(size)
    for number, batch in enumerate(data.batches(size, room=room, part=(team.process, team.processes))):
        if totals is None:
            totals = team.sums(no_totals(recipe, network, batch.data, room))
        weight = jnp.asarray(batch.weight, network.dtype)
        noise = team.placed(jax.random.fold_in(key, number))
        team.arrive()
        totals, found = run.judge_step(recipe, network, totals, *team.parted((batch.data, weight)), noise)
        answer[batch.rows] = team.local(found)[: len(batch.rows)]
    assert totals is not None
    return run.gather(totals), answer
