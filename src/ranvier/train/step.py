"""One step of training or of judging: a batch simulated, its gradient taken, what is followed added up.

A simulator with noise, and what augments input spikes, get keys of their own for each batch, folded from the run's key,
the epoch and the batch's number.

Where a batch is spread over devices (`ranvier.train.shards`), each runs the step on its part. What augments spikes sees
the whole batch on every device, so that it does the same as on one; a simulator with noise draws other noise.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from jax.sharding import PartitionSpec
from jaxtyping import Array, ArrayLike, Bool, Float, Int, PRNGKeyArray, PyTree, Shaped

from ranvier.events import Spikes, spike_count
from ranvier.network import Network, project
from ranvier.readouts import Decide, as_readout
from ranvier.selection import partition
from ranvier.simulation import AbstractNoisySimulator, Solution, simulate
from ranvier.train.dataset import Dataset
from ranvier.train.recipe import Recipe
from ranvier.train.shards import AXIS, Shards

ALONE = Shards()
"""One device: a batch in one part."""


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
    """The state before the first step; copies the network, because steps reuse its memory.

    A parameter given as a plain number has a weak type, which a step would make firm: a program of its own for the
    second epoch. So all types are firm from the start.
    """
    firm = lambda leaf: network.dtype if leaf.weak_type and jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.dtype
    network = jax.tree.map(lambda leaf: jnp.array(leaf, firm(leaf), copy=True), network)
    learn: Any = partition(network, *recipe.learn)[0]
    recovery = () if recipe.recovery is None else recipe.recovery.init(network)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes types, also where its user forbids that
        optimiser = recipe.optimiser.init(learn)
    return State(network, optimiser, recovery)


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


CODES = 64
"""More than there are codes of status."""
SAME = ("bumped", "status", "broken")
"""Totals that are the same on all devices; the others are those of the places of a batch."""


def places(totals: Totals) -> PyTree:
    """Where each of the sums is: in parts, one on each device, or the same everywhere."""
    same, parted = PartitionSpec(), PartitionSpec(AXIS)
    return jax.tree_util.tree_map_with_path(lambda way, _: same if way[0].name in SAME else parted, totals)


def numbered_step(
    recipe: Recipe,
    state: State,
    totals: Totals,
    batch: Dataset,
    weight: Float[Array, " batch"],
    key: PRNGKeyArray,
    number: Int[ArrayLike, ""],
    epoch: Int[ArrayLike, ""],
    steps: int,
    shards: Shards = ALONE,
) -> tuple[State, Totals]:
    """A step of an epoch, and the rewiring after it.

    Args:
        recipe: How to train.
        state: State so far.
        totals: Sums so far.
        batch: Samples to learn from.
        weight: 1 for each of them, 0 for what only fills the batch up.
        key: Random key of the epoch.
        number: Number of the step in the epoch, from 0.
        epoch: Number of the epoch, from 1.
        steps: Steps of an epoch.
        shards: Into how many parts batches are cut; `batch`, `weight` and `totals` are those of one.
    """
    number, epoch = jnp.asarray(number, jnp.int32), jnp.asarray(epoch, jnp.int32)
    state, totals = training_step(recipe, state, totals, batch, weight, jax.random.fold_in(key, number), shards)
    return rewired(recipe, state, (epoch - 1) * steps + number, jax.random.fold_in(key, steps + number)), totals


def training_step(
    recipe: Recipe,
    state: State,
    totals: Totals,
    batch: Dataset,
    weight: Float[Array, " batch"],
    key: PRNGKeyArray,
    shards: Shards = ALONE,
) -> Any:
    """One step of the optimiser, then the bounds of the delays, then the recovery of silent neurons.

    Args:
        recipe: How to train.
        state: State so far.
        totals: Sums so far.
        batch: Samples to learn from.
        weight: 1 for each of them, 0 for what only fills the batch up.
        key: Decides augmentation, and noise if there is any.
        shards: As for `numbered_step`.
    """
    learn: Any
    learn, fixed = partition(state.network, *recipe.learn)
    alone = shards.count == 1
    share = weight / jnp.sum(weight) if alone else weight  # of a part it is known only after the exchange
    mass = jnp.ones((), share.dtype) if alone else jnp.sum(weight)
    spikes = _augmented(recipe, batch, jax.random.fold_in(key, 1), shards)

    def objective(learn: Network) -> tuple[Float[Array, ""], tuple[Solution, _Judged]]:
        network = eqx.combine(learn, fixed)
        solution = _simulate(recipe, network, spikes, shards.folded(key))
        value, loss, penalty = _judge(recipe, solution, batch.target)
        total = loss if penalty is None else loss + penalty
        dear = sum((cost(network).astype(share.dtype) for cost in recipe.costs), jnp.zeros((), share.dtype))
        return jnp.sum(total * share) + mass * dear, (solution, (value, loss, penalty))

    (_, (solution, judged)), gradient = jax.value_and_grad(objective, has_aux=True)(learn)
    gradient, silent, status = _exchanged(shards, gradient, _silent(solution, share), solution.stats.status, mass)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes types, also where its user forbids that
        updates, optimiser = recipe.optimiser.update(gradient, state.optimiser, learn)
        stepped: Any = optax.apply_updates(learn, updates)
    network = project(eqx.combine(stepped, fixed))
    if recipe.rewiring is not None:
        network = recipe.rewiring.settle(learn, network, jax.random.fold_in(key, 2))
    recovery, bumped = state.recovery, jnp.zeros((), jnp.int32)
    if recipe.recovery is not None:
        network, recovery, bumped = recipe.recovery(network, silent, recovery)
    fine = (totals.status == 0) & ~totals.broken.any()
    broken = jnp.stack([~jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient)])
    broken = totals.broken | (broken & fine & (status == 0))
    totals = _add(recipe, totals, solution, batch, judged, weight, status)
    totals = eqx.tree_at(lambda t: (t.bumped, t.broken), totals, (totals.bumped + bumped.astype(jnp.int32), broken))
    return State(network, optimiser, recovery), totals


def _exchanged(
    shards: Shards,
    gradient: PyTree,
    silent: dict[str, Float[Array, " _"]],
    status: Int[Array, ""],
    mass: Float[Array, ""],
) -> tuple[PyTree, dict[str, Float[Array, " _"]], Int[Array, ""]]:
    """Gradient, silent neurons and status of the whole batch, from those of its parts, in one exchange."""
    if shards.count == 1:
        return gradient, silent, status
    codes = jnp.arange(CODES)
    seen = (codes == status).astype(mass.dtype)
    (gradient, silent), seen, mass = shards.total(((gradient, silent), seen, mass))
    shared = jax.tree.map(lambda leaf: leaf / mass.astype(leaf.dtype), (gradient, silent))
    return *shared, jnp.max(jnp.where(seen > 0, codes, 0)).astype(status.dtype)


def evaluation_step(
    recipe: Recipe,
    network: Network,
    totals: Totals,
    batch: Dataset,
    weight: Float[Array, " batch"],
    key: PRNGKeyArray,
    shards: Shards = ALONE,
) -> tuple[Totals, Array | None]:
    """Judge one batch, without learning.

    Args:
        recipe: Simulator, readout and loss.
        network: The network.
        totals: Sums so far.
        batch: Samples.
        weight: 1 for each of them, 0 for what only fills the batch up.
        key: Decides the noise, if the simulator has any.
        shards: As for `numbered_step`.
    """
    solution = _simulate(recipe, network, batch.spikes, shards.folded(key))
    judged = _judge(recipe, solution, batch.target)
    answer = None if batch.classes is None else jax.vmap(decide(recipe))(judged[0])
    return _add(recipe, totals, solution, batch, judged, weight, shards.most(solution.stats.status)), answer


def rewired(recipe: Recipe, state: State, number: Int[Array, ""], key: PRNGKeyArray) -> State:
    """The state with synapses moved, if it is time to; what the optimiser knows of them starts anew.

    Args:
        recipe: How to train.
        state: State after a step.
        number: Number of that step in the whole training, from 0.
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


def _augmented(recipe: Recipe, batch: Dataset, key: PRNGKeyArray, shards: Shards) -> Spikes | dict[str, Spikes]:
    """Other input spikes, of a batch that is whole, without what fills up its parts."""
    if recipe.augment is None:
        return batch.spikes
    if shards.count == 1:
        return _changed(recipe, batch.spikes, batch.target, key)
    spikes, target = jax.tree.map(lambda leaf: leaf[: recipe.batch], shards.whole((batch.spikes, batch.target)))
    changed = _changed(recipe, spikes, target, key)
    return shards.own(jax.tree.map(lambda leaf: _refilled(leaf, shards.filled(recipe.batch)), changed))


def _changed(
    recipe: Recipe, spikes: Spikes | dict[str, Spikes], target: PyTree, key: PRNGKeyArray
) -> Spikes | dict[str, Spikes]:
    """What the recipe makes of the spikes; what mixes samples of a class is told the classes."""
    assert recipe.augment is not None
    if isinstance(spikes, Spikes):
        knows = {"label": target} if getattr(recipe.augment, "labelled", False) else {}
        return recipe.augment(spikes, key=key, **knows)
    keys = jax.random.split(key, len(spikes))
    return {name: recipe.augment(train, key=one) for (name, train), one in zip(spikes.items(), keys, strict=True)}


def _refilled(leaf: Shaped[Array, "batch n"], batch: int) -> Shaped[Array, "filled n"]:
    """Spikes, and samples that have none up to the size of equal parts."""
    never = jnp.inf if jnp.issubdtype(leaf.dtype, jnp.floating) else -1
    return jnp.pad(leaf, ((0, batch - leaf.shape[0]), (0, 0)), constant_values=never)


def _simulate(recipe: Recipe, network: Network, spikes: Spikes | dict[str, Spikes], key: PRNGKeyArray) -> Solution:
    simulator = recipe.simulator
    if isinstance(simulator, AbstractNoisySimulator):
        simulator = simulator.with_key(key)
    return simulate(network, spikes, simulator, t_end=recipe.t_end, record=recipe.record, throw=False)


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


def _silent(solution: Solution, share: Float[Array, " batch"]) -> dict[str, Float[Array, " _"]]:
    """Share of samples in which each neuron is silent; as `ranvier.regularizers.silent_share`, but without padding."""
    counts = {name: spike_count(train) for name, train in solution.spikes.items()}
    return {name: share @ (count == 0).astype(share.dtype) for name, count in counts.items()}


def _add(
    recipe: Recipe,
    totals: Totals,
    solution: Solution,
    data: Dataset,
    judged: _Judged,
    weight: Float[Array, " batch"],
    status: Int[Array, ""],
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
        status=jnp.where(fine, status, totals.status).astype(jnp.int32),
        broken=totals.broken,
    )
