"""One pass through the data, compiled as one program: a scan over batches.

The batches of an epoch are drawn from `(key, epoch)` alone, so that a resumed run sees what an undisturbed one sees.
A last batch that is not full is filled up with samples of weight zero: every sample counts exactly once. A simulator
with noise, and what augments input spikes, get keys of their own for each batch, folded from the same two and the
batch's number.
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray

from ranvier.events import Spikes, spike_count
from ranvier.network import Network, project
from ranvier.selection import partition
from ranvier.simulation import AbstractNoisySimulator, Solution, simulate
from ranvier.train.dataset import Dataset
from ranvier.train.recipe import Recipe

EVALUATION_BATCH = 1000
"""Samples that are simulated at once where nothing is learned."""


class State(eqx.Module):
    """What goes from step to step."""

    network: Network
    optimiser: Any
    recovery: Any


class Totals(eqx.Module):
    """Sums over an epoch, still apart by place in the batch (per population where they are dicts).

    `status` is the first one that was not 0, `broken` says for each learned array whether its gradient was not finite
    at the first step where any was not. Once either has happened neither is recorded any more: the rest follows.
    """

    loss: Float[Array, " batch"]
    correct: Float[Array, " batch"]
    spikes: dict[str, Float[Array, " batch"]]
    silent: dict[str, Float[Array, " batch"]]
    guarded: dict[str, Float[Array, " batch"]]
    dropped: dict[str, Float[Array, " batch"]]
    bumped: Int[Array, ""]
    status: Int[Array, ""]
    broken: Bool[Array, " arrays"]


def initial_state(network: Network, recipe: Recipe) -> State:
    """The state before the first step; copies the network, because steps reuse its memory."""
    network = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), network)
    learn: Any = partition(network, *recipe.learn)[0]
    recovery = () if recipe.recovery is None else recipe.recovery.init(network)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes types, also where its user forbids that
        optimiser = recipe.optimiser.init(learn)
    return State(network, optimiser, recovery)


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
        return _step(recipe, *carry, chosen, batch[1], jax.random.fold_in(key, batch[2])), None

    start = (state, _no_totals(recipe, state.network, recipe.batch))
    (state, totals), _ = jax.lax.scan(step, start, (index, weight, jnp.arange(len(index))))
    return state, totals


def evaluation_epoch(
    recipe: Recipe, network: Network, data: Dataset, key: PRNGKeyArray, batch: int = EVALUATION_BATCH
) -> Totals:
    """Go through the data once without learning. Not compiled, so that it can be mapped.

    Args:
        recipe: Simulator, loss and prediction.
        network: The network.
        data: Samples.
        key: Decides the noise, if the simulator has any.
        batch: Samples at once.
    """
    size = min(data.size, batch)
    index, weight = _batches(jnp.arange(data.size), size, network.dtype)

    def step(totals: Totals, batch: tuple[Array, Array, Array]) -> tuple[Totals, None]:
        chosen = jax.tree.map(lambda leaf: leaf[batch[0]], data)
        solution = _simulate(recipe, network, chosen.spikes, jax.random.fold_in(key, batch[2]))
        loss = _per_sample(recipe.loss, solution, chosen.label)
        return _add(recipe, totals, solution, chosen.label, loss, batch[1]), None

    return jax.lax.scan(step, _no_totals(recipe, network, size), (index, weight, jnp.arange(len(index))))[0]


train_epoch = jax.jit(training_epoch, static_argnums=0, donate_argnums=1)
"""`training_epoch`, one program for each recipe. The state's memory is reused: keep copies of what is needed later."""

plain_epoch = jax.jit(evaluation_epoch, static_argnums=0)
"""`evaluation_epoch`, one program for each recipe."""


def _step(
    recipe: Recipe, state: State, totals: Totals, batch: Dataset, weight: Float[Array, " batch"], key: PRNGKeyArray
) -> Any:
    """One step of the optimiser, then the bounds of the delays, then the recovery of silent neurons."""
    learn: Any
    learn, fixed = partition(state.network, *recipe.learn)
    share = weight / jnp.sum(weight)
    spikes = _augmented(recipe, batch.spikes, jax.random.fold_in(key, 1))

    def objective(learn: Network) -> tuple[Float[Array, ""], tuple[Solution, Float[Array, " batch"]]]:
        solution = _simulate(recipe, eqx.combine(learn, fixed), spikes, key)
        loss = _per_sample(recipe.loss, solution, batch.label)
        return jnp.sum(loss * share), (solution, loss)

    (_, (solution, loss)), gradient = jax.value_and_grad(objective, has_aux=True)(learn)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes types, also where its user forbids that
        updates, optimiser = recipe.optimiser.update(gradient, state.optimiser, learn)
        stepped: Any = optax.apply_updates(learn, updates)
    network = project(eqx.combine(stepped, fixed))
    recovery, bumped = state.recovery, jnp.zeros((), jnp.int32)
    if recipe.recovery is not None:
        network, recovery, bumped = recipe.recovery(network, _silent(network, solution, share), recovery)
    fine = (totals.status == 0) & ~totals.broken.any()
    broken = jnp.stack([~jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient)])
    broken = totals.broken | (broken & fine & (solution.stats.status == 0))
    totals = _add(recipe, totals, solution, batch.label, loss, weight)
    totals = eqx.tree_at(lambda t: (t.bumped, t.broken), totals, (totals.bumped + bumped.astype(jnp.int32), broken))
    return State(network, optimiser, recovery), totals


def _augmented(recipe: Recipe, spikes: Spikes | dict[str, Spikes], key: PRNGKeyArray) -> Spikes | dict[str, Spikes]:
    if recipe.augment is None:
        return spikes
    if isinstance(spikes, Spikes):
        return recipe.augment(spikes, key=key)
    keys = jax.random.split(key, len(spikes))
    return {name: recipe.augment(train, key=one) for (name, train), one in zip(spikes.items(), keys, strict=True)}


def _simulate(recipe: Recipe, network: Network, spikes: Spikes | dict[str, Spikes], key: PRNGKeyArray) -> Solution:
    simulator = recipe.simulator
    if isinstance(simulator, AbstractNoisySimulator):
        simulator = simulator.with_key(key)
    return simulate(network, spikes, simulator, t_end=recipe.t_end, record=recipe.record, throw=False)


def _per_sample(function: Any, solution: Solution, *rest: Array) -> Array:
    """Apply a function of one sample to a batch; `stats.status`, one for the call, has no batch axis."""
    axes = jax.tree.map(lambda _: 0, solution)
    axes = eqx.tree_at(lambda tree: tree.stats.status, axes, None)
    return jax.vmap(function, in_axes=(axes, *(0 for _ in rest)))(solution, *rest)


def _silent(network: Network, solution: Solution, share: Float[Array, " batch"]) -> dict[str, Float[Array, " _"]]:
    """Share of samples in which each neuron is silent; as `ranvier.regularizers.silent_share`, but without padding."""
    counts = {name: spike_count(train) for name, train in solution.spikes.items()}
    return {name: share @ (count == 0).astype(share.dtype) for name, count in counts.items()}


def _batches(order: Int[Array, " samples"], batch: int, dtype: Any) -> tuple[Array, Array]:
    """Sample numbers and weights, shape (steps, batch)."""
    samples = order.shape[0]
    steps = math.ceil(samples / batch)
    index = jnp.tile(order, math.ceil(steps * batch / samples))[: steps * batch]
    weight = jnp.asarray(np.arange(steps * batch) < samples, dtype)
    return index.reshape(steps, batch), weight.reshape(steps, batch)


def _no_totals(recipe: Recipe, network: Network, batch: int) -> Totals:
    names = list(network.neurons)
    arrays = len(jax.tree.leaves(partition(network, *recipe.learn)[0]))
    zeros, none = jnp.zeros(batch, network.dtype), jnp.zeros((), jnp.int32)
    each = dict.fromkeys(names, zeros)
    return Totals(zeros, zeros, each, each, each, each, none, none, jnp.zeros(arrays, bool))


def _add(
    recipe: Recipe,
    totals: Totals,
    solution: Solution,
    label: Int[Array, " batch"],
    loss: Float[Array, " batch"],
    weight: Float[Array, " batch"],
) -> Totals:
    """Add a batch up; padding has weight zero."""
    right = _per_sample(recipe.predict, solution).astype(label.dtype) == label
    stats = solution.stats

    def add(sums: dict[str, Array], counts: dict[str, Int[Array, " batch"]]) -> dict[str, Array]:
        return {name: sums[name] + weight * counts[name].astype(weight.dtype) for name in sums}

    fine = (totals.status == 0) & ~totals.broken.any()
    return Totals(
        loss=totals.loss + weight * jax.lax.stop_gradient(loss),
        correct=totals.correct + weight * right.astype(weight.dtype),
        spikes=add(totals.spikes, stats.spikes),
        silent=add(totals.silent, stats.silent),
        guarded=add(totals.guarded, stats.guarded),
        dropped=add(totals.dropped, stats.dropped),
        bumped=totals.bumped,
        status=jnp.where(fine, stats.status, totals.status).astype(jnp.int32),
        broken=totals.broken,
    )
