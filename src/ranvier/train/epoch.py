"""One pass through the data, compiled as one program: a scan over batches.

The batches of an epoch are drawn from `(key, epoch)` alone, so that a resumed run sees what an undisturbed one sees.
A last batch that is not full is filled up with samples of weight zero: every sample counts exactly once.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Int, PRNGKeyArray

from ranvier._compiling import options
from ranvier.network import Network
from ranvier.train.dataset import Dataset
from ranvier.train.recipe import Recipe
from ranvier.train.step import State, Totals, evaluation_step, no_totals, numbered_step

EVALUATION_BATCH = 1000
"""Samples that are simulated at once where nothing is learned."""


def training_epoch(
    recipe: Recipe, state: State, data: Dataset, key: PRNGKeyArray, epoch: Int[ArrayLike, ""]
) -> tuple[State, Totals]:
    """Go through the data once, in an order drawn from `key` and `epoch`. Not compiled, so that it can be mapped.

    Args:
        recipe: How to train.
        state: State so far.
        data: Samples to learn from.
        key: The run's random key.
        epoch: Number of this epoch, from 1.
    """
    key = jax.random.fold_in(key, epoch)
    index, weight = _batches(jax.random.permutation(key, data.size), recipe.batch, state.network.dtype)

    def step(carry: tuple[State, Totals], batch: tuple[Array, Array, Array]) -> tuple[tuple[State, Totals], None]:
        chosen = jax.tree.map(lambda leaf: leaf[batch[0]], data)
        return numbered_step(recipe, *carry, chosen, batch[1], key, batch[2], epoch, len(index)), None

    start = (state, no_totals(recipe, state.network, data, recipe.batch))
    (state, totals), _ = jax.lax.scan(step, start, (index, weight, jnp.arange(len(index))))
    return state, totals


def evaluation_epoch(
    recipe: Recipe, network: Network, data: Dataset, key: PRNGKeyArray, batch: int = EVALUATION_BATCH
) -> tuple[Totals, Int[Array, "samples ..."] | None]:
    """Go through the data once without learning. Not compiled, so that it can be mapped.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        data: Samples.
        key: Decides the noise, if the simulator has any.
        batch: Samples at once.

    Returns:
        The sums, and what the network answers to each sample, where targets are classes.
    """
    size = min(data.size, batch)
    index, weight = _batches(jnp.arange(data.size), size, network.dtype)

    def step(totals: Totals, batch: tuple[Array, Array, Array]) -> tuple[Totals, Array | None]:
        chosen = jax.tree.map(lambda leaf: leaf[batch[0]], data)
        return evaluation_step(recipe, network, totals, chosen, batch[1], jax.random.fold_in(key, batch[2]))

    start = no_totals(recipe, network, data, size)
    totals, answer = jax.lax.scan(step, start, (index, weight, jnp.arange(len(index))))
    return totals, None if answer is None else answer.reshape(-1, *answer.shape[2:])[: data.size]


def train_epoch(
    recipe: Recipe, state: State, data: Dataset, key: PRNGKeyArray, epoch: Int[ArrayLike, ""]
) -> tuple[State, Totals]:
    """`training_epoch`, one program for each recipe. The state's memory is reused: keep copies of what is needed later.

    Args:
        recipe: How to train.
        state: State so far.
        data: Samples to learn from.
        key: The run's random key.
        epoch: Number of this epoch, from 1.
    """
    return _programs(_options(recipe)).train(recipe, state, data, key, epoch)


def plain_epoch(
    recipe: Recipe, network: Network, data: Dataset, key: PRNGKeyArray
) -> tuple[Totals, Int[Array, "samples ..."] | None]:
    """`evaluation_epoch`, one program for each recipe.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        data: Samples.
        key: Decides the noise, if the simulator has any.
    """
    return _programs(_options(recipe)).judge(recipe, network, data, key)


def step_programs(recipe: Recipe) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`numbered_step` and `evaluation_step`, one program for each recipe and shape of a batch.

    Args:
        recipe: How to train.
    """
    programs = _programs(_options(recipe))
    return programs.train_step, programs.judge_step


def _options(recipe: Recipe) -> tuple[tuple[str, bool | int], ...]:
    return tuple(options(recipe.simulator.compiler_options).items())


class _Programs(NamedTuple):
    """Compiled passes, and compiled steps of them."""

    train: Callable[..., Any]
    judge: Callable[..., Any]
    train_step: Callable[..., Any]
    judge_step: Callable[..., Any]


@lru_cache
def _programs(chosen: tuple[tuple[str, bool | int], ...]) -> _Programs:
    """All of them, with options of XLA."""
    return _Programs(
        jax.jit(training_epoch, static_argnums=0, donate_argnums=1, compiler_options=dict(chosen)),
        jax.jit(evaluation_epoch, static_argnums=0, compiler_options=dict(chosen)),
        jax.jit(numbered_step, static_argnums=(0, 8), donate_argnums=1, compiler_options=dict(chosen)),
        jax.jit(evaluation_step, static_argnums=0, compiler_options=dict(chosen)),
    )


def _batches(order: Int[Array, " samples"], batch: int, dtype: Any) -> tuple[Array, Array]:
    """Sample numbers and weights, shape (steps, batch)."""
    samples = order.shape[0]
    steps = math.ceil(samples / batch)
    index = jnp.tile(order, math.ceil(steps * batch / samples))[: steps * batch]
    weight = jnp.asarray(np.arange(steps * batch) < samples, dtype)
    return index.reshape(steps, batch), weight.reshape(steps, batch)
