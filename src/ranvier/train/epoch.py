"""One pass through data in memory: a scan over batches, which `ranvier.train.programs` compiles as one program.

The batches of an epoch are drawn from `(key, epoch)` alone, so that a resumed run sees what an undisturbed one sees.
A last batch that is not full is filled up with samples of weight zero: every sample counts exactly once.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float, Int, PRNGKeyArray

from ranvier.network import Network
from ranvier.train.dataset import Dataset
from ranvier.train.recipe import Recipe
from ranvier.train.shards import Shards
from ranvier.train.step import ALONE, State, Totals, evaluation_step, no_totals, numbered_step

EVALUATION_BATCH = 1000
"""Samples that are simulated at once where nothing is learned."""


def training_epoch(
    recipe: Recipe,
    state: State,
    data: Dataset,
    key: PRNGKeyArray,
    epoch: Int[ArrayLike, ""],
    shards: Shards = ALONE,
) -> tuple[State, Totals]:
    """Go through the data once, in an order drawn from `key` and `epoch`. Not compiled, so that it can be mapped.

    Args:
        recipe: How to train.
        state: State so far.
        data: Samples to learn from.
        key: The run's random key.
        epoch: Number of this epoch, from 1.
        shards: Into how many parts batches are cut: one for each device that runs this.
    """
    key = jax.random.fold_in(key, epoch)
    index, weight = _batches(jax.random.permutation(key, data.size), recipe.batch, state.network.dtype, shards)

    def step(carry: tuple[State, Totals], batch: tuple[Array, Array, Array]) -> tuple[tuple[State, Totals], None]:
        chosen = jax.tree.map(lambda leaf: leaf[batch[0]], data)
        return numbered_step(recipe, *carry, chosen, batch[1], key, batch[2], epoch, len(index), shards), None

    start = (state, no_totals(recipe, state.network, data, index.shape[1]))
    (state, totals), _ = jax.lax.scan(step, start, (index, weight, jnp.arange(len(index))))
    return state, totals


def evaluation_epoch(
    recipe: Recipe,
    network: Network,
    data: Dataset,
    key: PRNGKeyArray,
    batch: int = EVALUATION_BATCH,
    shards: Shards = ALONE,
) -> tuple[Totals, Int[Array, "samples ..."] | None]:
    """Go through the data once without learning. Not compiled, so that it can be mapped.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        data: Samples.
        key: Decides the noise, if the simulator has any.
        batch: Samples at once.
        shards: As for `training_epoch`.

    Returns:
        The sums, and what the network answers to each sample, where targets are classes.
    """
    size = min(data.size, batch)
    index, weight = _batches(jnp.arange(data.size), size, network.dtype, shards)

    def step(totals: Totals, batch: tuple[Array, Array, Array]) -> tuple[Totals, Array | None]:
        chosen = jax.tree.map(lambda leaf: leaf[batch[0]], data)
        return evaluation_step(recipe, network, totals, chosen, batch[1], jax.random.fold_in(key, batch[2]), shards)

    start = no_totals(recipe, network, data, index.shape[1])
    totals, answer = jax.lax.scan(step, start, (index, weight, jnp.arange(len(index))))
    if answer is not None:
        whole = jnp.moveaxis(shards.whole(jnp.moveaxis(answer, 1, 0)), 0, 1)[:, :size]
        answer = whole.reshape(-1, *whole.shape[2:])[: data.size]
    return totals, answer


def _batches(
    order: Int[Array, " samples"], batch: int, dtype: Any, shards: Shards = ALONE
) -> tuple[Int[Array, "steps batch"], Float[Array, "steps batch"]]:
    """Sample numbers and weights, shape (steps, batch); of one part of each batch where it is cut into several."""
    samples = order.shape[0]
    steps = math.ceil(samples / batch)
    index = jnp.tile(order, math.ceil(steps * batch / samples))[: steps * batch].reshape(steps, batch)
    weight = jnp.asarray(np.arange(steps * batch) < samples, dtype).reshape(steps, batch)
    if shards.count == 1:
        return index, weight
    filled = ((0, 0), (0, shards.filled(batch) - batch))
    index, weight = shards.own((jnp.pad(index, filled).T, jnp.pad(weight, filled).T))
    return index.T, weight.T
