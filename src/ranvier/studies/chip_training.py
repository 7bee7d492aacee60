"""Training many networks at once, each with a substrate of its own, mapped over chips and compiled as one program.

The network of each chip is chosen by its validation accuracy, then by its loss, on the substrate it is trained with.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier.hardware import AbstractSubstrate, InTheLoop
from ranvier.network import Network, partition
from ranvier.studies.chip_protocol import Protocol, build_data, build_network, build_recipe
from ranvier.train import Dataset, Recipe, read_arrays, save_arrays
from ranvier.train.epoch import State, Totals, evaluation_epoch, initial_state, training_epoch

CHECKPOINT_SECONDS = 20.0
"""Shortest time between checkpoints."""

MakeSubstrate = Callable[[Int[Array, ""]], AbstractSubstrate]
"""From the number of a chip, which may be traced, to what runs the network."""


class Course(NamedTuple):
    """Everything that goes from epoch to epoch, with an axis of chips in front.

    Args:
        state: Networks and optimisers.
        best: The networks that validated best so far.
        accuracy: Their validation accuracy.
        loss: Their validation loss.
        epoch: The epoch each is from.
        history: Training and validation accuracy of all epochs, shape (chips, epochs, 2).
    """

    state: State
    best: Network
    accuracy: Float[Array, " chips"]
    loss: Float[Array, " chips"]
    epoch: Int[Array, " chips"]
    history: Float[Array, "chips epochs 2"]


class Trained(NamedTuple):
    """What training gives: one network per chip, stacked along a first axis of what learns.

    Args:
        network: The networks, as `network_axes` maps them.
        accuracy: Validation accuracy of each.
        epoch: Epoch each was chosen from.
        history: Training and validation accuracy of all epochs, shape (chips, epochs, 2).
    """

    network: Network
    accuracy: Float[np.ndarray, " chips"]
    epoch: Int[np.ndarray, " chips"]
    history: Float[np.ndarray, "chips epochs 2"]


def train_chips(
    protocol: Protocol,
    make: MakeSubstrate,
    seeds: Int[np.ndarray, " chips"],
    *,
    path: Path | None = None,
    tell: Callable[[int, float, float], None] | None = None,
) -> Trained:
    """Train one network for each seed, in the loop of the substrate of that seed.

    Args:
        protocol: How.
        make: The substrate of a seed.
        seeds: They decide chip, initial network, order of samples and noise.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch with its number, the median validation accuracy, and samples per second.

    Example:
        >>> import numpy as np
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip
        >>> from ranvier.studies.chip_protocol import Protocol
        >>> from ranvier.studies.chip_training import train_chips
        >>> make = lambda seed: EmulatedChip(BrainScaleS2(seed))
        >>> train_chips(Protocol("weights", hidden=4, epochs=1, batch=1000), make, np.arange(2)).epoch.tolist()
        [1, 1]
    """
    data = build_data(protocol.rows)
    axes = network_axes(protocol)
    state_axes = State(axes, 0, 0)  # type: ignore[arg-type]
    chips = jnp.asarray(seeds, jnp.int32)

    def begin(network: Network, seed: Int[Array, ""]) -> State:
        return initial_state(network, _recipe(protocol, make, seed))

    def one(state: State, seed: Int[Array, ""], epoch: Int[Array, ""]) -> tuple[State, tuple[Array, ...]]:
        recipe, key = _recipe(protocol, make, seed), jax.random.fold_in(jax.random.key(seed), 1)
        state, trained = training_epoch(recipe, state, data[0], key, epoch)
        noise = jax.random.fold_in(key, protocol.epochs + epoch)
        checked = evaluation_epoch(recipe, state.network, data[1], noise, protocol.batch)
        return state, (*_shares(trained, data[0]), *_shares(checked, data[1]))

    @jax.jit
    def advance(course: Course, epoch: Int[Array, ""]) -> Course:
        state, told = jax.vmap(one, (state_axes, 0, None), (state_axes, 0))(course.state, chips, epoch)
        return _keep_best(course, state, told, epoch, axes)

    networks = _stack([build_network(protocol, int(seed)) for seed in seeds], axes)
    course = _start(jax.jit(jax.vmap(begin, (axes, 0), state_axes))(networks, chips), len(chips), protocol.epochs)
    done = 0
    if path is not None and path.exists():
        course, facts = read_arrays(path, course)
        done = facts["epoch"]
    saved = time.monotonic()
    while done < protocol.epochs:
        start = time.perf_counter()
        course = jax.block_until_ready(advance(course, jnp.asarray(done + 1, jnp.int32)))
        done += 1
        if path is not None and (done == protocol.epochs or time.monotonic() - saved > CHECKPOINT_SECONDS):
            save_arrays(path, course, epoch=done)
            saved = time.monotonic()
        if tell is not None:
            middle = float(jnp.median(course.history[:, done - 1, 1]))
            tell(done, middle, len(chips) * data[0].size / (time.perf_counter() - start))
    return Trained(course.best, *map(np.asarray, (course.accuracy, course.epoch, course.history)))


def network_axes(protocol: Protocol) -> Any:
    """Which leaves of a trained network have the axis of chips: 0 for what learns, None for the rest."""
    return jax.tree.map(lambda _: 0, partition(build_network(protocol, 0), *protocol.learn)[0])


def accuracy_on(
    protocol: Protocol, network: Network, substrate: AbstractSubstrate, data: Dataset, key: PRNGKeyArray
) -> Float[Array, ""]:
    """Share of right answers of one network, in runs of the protocol's batch; to be mapped."""
    recipe = build_recipe(protocol, InTheLoop(substrate))
    return _shares(evaluation_epoch(recipe, network, data, key, protocol.batch), data)[0]


def _recipe(protocol: Protocol, make: MakeSubstrate, seed: Int[Array, ""]) -> Recipe:
    return build_recipe(protocol, InTheLoop(make(seed), max_inverse_slope=protocol.max_inverse_slope))


def _shares(totals: Totals, data: Dataset) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Accuracy and loss; a loss that cannot be trusted is not a number."""
    fine = (totals.status == 0) & ~totals.broken.any()
    loss = jnp.where(fine, jnp.sum(totals.loss) / data.size, jnp.nan)
    return jnp.sum(totals.correct) / data.size, loss


def _stack(networks: Sequence[Network], axes: Any) -> Network:
    """Networks as one, an axis of chips in front of what learns."""
    join = lambda axis, *leaves: leaves[0] if axis is None else jnp.stack(leaves)
    return jax.tree.map(join, axes, *networks, is_leaf=lambda leaf: leaf is None)


def _start(state: State, chips: int, epochs: int) -> Course:
    history = jnp.zeros((chips, epochs, 2), jnp.float32)
    worst = jnp.full(chips, -1.0, jnp.float32)
    return Course(
        state, state.network, worst, jnp.full(chips, math.inf, jnp.float32), jnp.zeros(chips, jnp.int32), history
    )


def _keep_best(course: Course, state: State, told: tuple[Array, ...], epoch: Int[Array, ""], axes: Any) -> Course:
    """Write the epoch down, and keep each network that is better than all before it."""
    trained, _, accuracy, loss = told
    better = (accuracy > course.accuracy) | ((accuracy == course.accuracy) & (loss < course.loss))

    def choose(axis: int | None, new: Array, old: Array) -> Array:
        return old if axis is None else jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    best = jax.tree.map(choose, axes, state.network, course.best, is_leaf=lambda leaf: leaf is None)
    history = course.history.at[:, epoch - 1].set(jnp.stack([trained, accuracy], axis=-1))
    return Course(
        state, best, jnp.where(better, accuracy, course.accuracy), jnp.where(better, loss, course.loss),
        jnp.where(better, epoch, course.epoch), history,
    )  # fmt: skip
