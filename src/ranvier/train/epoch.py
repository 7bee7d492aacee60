"""One pass through the data, compiled as one program: a scan over batches.

The batches of an epoch are drawn from `(key, epoch)` alone, so that a resumed run sees what an undisturbed one sees.
A last batch that is not full is filled up with samples of weight zero: every sample counts exactly once. A simulator
with noise, and what augments input spikes, get keys of their own for each batch, folded from the same two and the
batch's number.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, PyTree

from ranvier._compiling import options
from ranvier.events import Spikes, spike_count
from ranvier.network import Network, project
from ranvier.readouts import Decide, as_readout
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
    """Sums over an epoch, still apart by place in the batch: the loss, metrics by name, the rest by population.

    `status` is the first one that was not 0, `broken` says for each learned array whether its gradient was not finite
    at the first step where any was not. Once either has happened neither is recorded any more: the rest follows.
    """

    loss: Float[Array, " batch"]
    metrics: dict[str, Float[Array, " batch"]]
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
        state, totals = training_step(recipe, *carry, chosen, batch[1], jax.random.fold_in(key, batch[2]))
        return (rewired(recipe, state, batch[2], jax.random.fold_in(key, len(index) + batch[2])), totals), None

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
    return _programs(_options(recipe))[0](recipe, state, data, key, epoch)


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
    return _programs(_options(recipe))[1](recipe, network, data, key)


def _options(recipe: Recipe) -> tuple[tuple[str, bool | int], ...]:
    return tuple(options(recipe.simulator.compiler_options).items())


@lru_cache
def _programs(chosen: tuple[tuple[str, bool | int], ...]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Both epochs compiled, with options of XLA."""
    return (
        jax.jit(training_epoch, static_argnums=0, donate_argnums=1, compiler_options=dict(chosen)),
        jax.jit(evaluation_epoch, static_argnums=0, compiler_options=dict(chosen)),
    )


def evaluation_step(
    recipe: Recipe, network: Network, totals: Totals, batch: Dataset, weight: Float[Array, " batch"], key: PRNGKeyArray
) -> tuple[Totals, Array | None]:
    """Judge one batch, without learning.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        totals: Sums so far.
        batch: Samples.
        weight: 1 for each of them, 0 for what only fills the batch up.
        key: Decides the noise, if the simulator has any.
    """
    solution = _simulate(recipe, network, batch.spikes, key)
    judged = _judge(recipe, solution, batch.target)
    answer = None if batch.classes is None else jax.vmap(decide(recipe))(judged[0])
    return _add(recipe, totals, solution, batch, judged, weight), answer


def training_step(
    recipe: Recipe, state: State, totals: Totals, batch: Dataset, weight: Float[Array, " batch"], key: PRNGKeyArray
) -> Any:
    """One step of the optimiser, then the bounds of the delays, then the recovery of silent neurons.

    Args:
        recipe: How to train.
        state: State so far.
        totals: Sums so far.
        batch: Samples to learn from.
        weight: 1 for each of them, 0 for what only fills the batch up.
        key: Decides augmentation, and noise if there is any.
    """
    learn: Any
    learn, fixed = partition(state.network, *recipe.learn)
    share = weight / jnp.sum(weight)
    spikes = _augmented(recipe, batch, jax.random.fold_in(key, 1))

    def objective(learn: Network) -> tuple[Float[Array, ""], tuple[Solution, _Judged]]:
        network = eqx.combine(learn, fixed)
        solution = _simulate(recipe, network, spikes, key)
        value, loss, penalty = _judge(recipe, solution, batch.target)
        total = loss if penalty is None else loss + penalty
        dear = sum((cost(network).astype(share.dtype) for cost in recipe.costs), jnp.zeros((), share.dtype))
        return jnp.sum(total * share) + dear, (solution, (value, loss, penalty))

    (_, (solution, judged)), gradient = jax.value_and_grad(objective, has_aux=True)(learn)
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
    totals = _add(recipe, totals, solution, batch, judged, weight)
    totals = eqx.tree_at(lambda t: (t.bumped, t.broken), totals, (totals.bumped + bumped.astype(jnp.int32), broken))
    return State(network, optimiser, recovery), totals


def rewired(recipe: Recipe, state: State, number: Int[Array, ""], key: PRNGKeyArray) -> State:
    """The state with its weakest synapses moved, if it is time to; what the optimiser knows of them starts anew.

    Args:
        recipe: How to train.
        state: State after a step.
        number: Number of that step, from 0.
        key: Decides where they go.
    """
    rewiring = recipe.rewiring
    if rewiring is None:
        return state

    def move(state: State) -> State:
        network, moved = rewiring(state.network, key=key)

        def anew(way: Any, leaf: Array) -> Array:
            """0 where it belongs to a weight that moved: in the optimiser's trees it lies where the weight does."""
            for place, which in enumerate(moved):
                if which is not None and jax.tree_util.keystr(way).endswith(f".connections[{place}].weight"):
                    return jnp.where(which, jnp.zeros((), leaf.dtype), leaf)
            return leaf

        return State(network, jax.tree_util.tree_map_with_path(anew, state.optimiser), state.recovery)

    return jax.lax.cond((number + 1) % rewiring.every == 0, move, lambda state: state, state)


def _augmented(recipe: Recipe, batch: Dataset, key: PRNGKeyArray) -> Spikes | dict[str, Spikes]:
    """Other input spikes; what mixes samples of a class is told the classes."""
    spikes = batch.spikes
    if recipe.augment is None:
        return spikes
    if isinstance(spikes, Spikes):
        knows = {"label": batch.target} if getattr(recipe.augment, "labelled", False) else {}
        return recipe.augment(spikes, key=key, **knows)
    keys = jax.random.split(key, len(spikes))
    return {name: recipe.augment(train, key=one) for (name, train), one in zip(spikes.items(), keys, strict=True)}


def _simulate(recipe: Recipe, network: Network, spikes: Spikes | dict[str, Spikes], key: PRNGKeyArray) -> Solution:
    simulator = recipe.simulator
    if isinstance(simulator, AbstractNoisySimulator):
        simulator = simulator.with_key(key)
    record = {name: np.asarray(times, network.dtype) for name, times in recipe.record.items()}
    return simulate(network, spikes, simulator, t_end=recipe.t_end, record=record, throw=False)


_Judged = tuple[Any, Float[Array, " batch"], Float[Array, " batch"] | None]
"""What the readout gives for each sample, the loss, and what the regularizers add, if there are any."""


def _judge(recipe: Recipe, solution: Solution, target: PyTree) -> _Judged:
    """Apply readout, loss and regularizers to each sample; `stats.status`, one for the call, has no batch axis."""
    axes = jax.tree.map(lambda _: 0, solution)
    axes = eqx.tree_at(lambda tree: tree.stats.status, axes, None)

    def one(solution: Solution, target: PyTree) -> Any:
        value = as_readout(recipe.readout)(solution)
        added = [term(solution) for term in recipe.regularizers]
        return value, recipe.loss(value, target), sum(added[1:], added[0]) if added else None

    return jax.vmap(one, in_axes=(axes, 0))(solution, target)


def _metrics(recipe: Recipe, data: Dataset, judged: _Judged) -> dict[str, Float[Array, " batch"]]:
    """What is followed beside the loss: of each sample."""
    value, _, penalty = jax.lax.stop_gradient(judged)
    found = {} if penalty is None else {"regularization": penalty}
    if data.classes is not None:
        answer = jax.vmap(decide(recipe))(value)
        right = (answer.astype(data.target.dtype) == data.target).reshape(answer.shape[0], -1)
        found["accuracy"] = jnp.mean(right, axis=1, dtype=float)
    return found | {name: jax.vmap(metric)(value, data.target) for name, metric in recipe.metrics.items()}


def decide(recipe: Recipe) -> Decide:
    """What makes a class of what the readout gives.

    Raises:
        ValueError: neither the recipe nor its readout says.
    """
    chosen = recipe.predict or as_readout(recipe.readout).decide
    if chosen is None:
        msg = (
            "Recipe: targets are classes, and nothing says which class the network answers with; pass `predict`, for "
            "example ranvier.readouts.highest, or float targets if they are not classes."
        )
        raise ValueError(msg)
    return chosen


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


def no_totals(recipe: Recipe, network: Network, data: Dataset, batch: int) -> Totals:
    """Sums before the first batch.

    Args:
        recipe: What is followed.
        network: The network.
        data: Samples of the kind.
        batch: Samples of a batch.
    """
    arrays = len(jax.tree.leaves(partition(network, *recipe.learn)[0]))
    zeros, none = jnp.zeros(batch, network.dtype), jnp.zeros((), jnp.int32)
    each = dict.fromkeys(network.neurons, zeros)
    names = ["regularization"] * bool(recipe.regularizers) + ["accuracy"] * (data.classes is not None)
    metrics = dict.fromkeys([*names, *recipe.metrics], zeros)
    return Totals(zeros, metrics, each, each, each, each, none, none, jnp.zeros(arrays, bool))


def _add(
    recipe: Recipe, totals: Totals, solution: Solution, data: Dataset, judged: _Judged, weight: Float[Array, " batch"]
) -> Totals:
    """Add a batch up; padding has weight zero."""
    stats = solution.stats

    def add(sums: dict[str, Array], counts: dict[str, Any]) -> dict[str, Array]:
        return {name: sums[name] + weight * counts[name].astype(weight.dtype) for name in sums}

    fine = (totals.status == 0) & ~totals.broken.any()
    return Totals(
        loss=totals.loss + weight * jax.lax.stop_gradient(judged[1]),
        metrics=add(totals.metrics, _metrics(recipe, data, judged)),
        spikes=add(totals.spikes, stats.spikes),
        silent=add(totals.silent, stats.silent),
        guarded=add(totals.guarded, stats.guarded),
        dropped=add(totals.dropped, stats.dropped),
        bumped=totals.bumped,
        status=jnp.where(fine, stats.status, totals.status).astype(jnp.int32),
        broken=totals.broken,
    )
