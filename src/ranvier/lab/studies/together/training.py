"""Training many networks at once: one program, mapped over the runs, each with settings of its own.

What differs between runs may be anything that can be traced: learning rates, the number of a chip, random keys. Up to
`WIDTH` runs are computed side by side, groups of them one after the other: more at once would not fit the caches. The
network of each run is that of the epoch with the highest validation accuracy; among equals the lowest loss, then the
earliest, as in `ranvier.train.fit`.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key, PRNGKeyArray, PyTree

from ranvier.network import Network
from ranvier.selection import partition
from ranvier.train import Dataset, Recipe, read_arrays, save_arrays
from ranvier.train.epoch import EVALUATION_BATCH, evaluation_epoch, training_epoch
from ranvier.train.interrupt import deferred_interrupt
from ranvier.train.step import State, Totals, initial_state

CHECKPOINT_SECONDS = 20.0
"""Shortest time between checkpoints."""

WIDTH = 10
"""Most runs that are computed side by side."""


_Outcome = tuple[tuple[Array, Array], tuple[Array, Array]]
"""Accuracy and loss, of training and of validation."""


class Course(NamedTuple):
    """Everything that goes from epoch to epoch, with an axis of runs in front.

    Args:
        state: Weights and delays, and optimisers.
        best: Weights and delays that validated best so far.
        accuracy: Their validation accuracy.
        loss: Their validation loss.
        epoch: The epoch each is from.
        untrusted: Epochs in which spikes did not fit, or a loss or a gradient was not finite.
        history: Training and validation accuracy of all epochs.
    """

    state: State
    best: Network
    accuracy: Float[Array, " runs"]
    loss: Float[Array, " runs"]
    epoch: Int[Array, " runs"]
    untrusted: Int[Array, " runs"]
    history: Float[Array, "runs epochs 2"]


class Trained(NamedTuple):
    """What training gives.

    Args:
        own: Weights and delays, an axis of runs in front; as `ranvier.partition(network)` gives them.
        fixed: What all networks share.
        accuracy: Validation accuracy of each.
        epoch: Epoch each was chosen from; 0 where none could be trusted.
        untrusted: Epochs of each in which spikes did not fit, or a loss or a gradient was not finite.
        history: Training and validation accuracy of all epochs.
    """

    own: Network
    fixed: Network
    accuracy: Float[np.ndarray, " runs"]
    epoch: Int[np.ndarray, " runs"]
    untrusted: Int[np.ndarray, " runs"]
    history: Float[np.ndarray, "runs epochs 2"]

    @property
    def doubts(self) -> str:
        """What could not be trusted, in a sentence; empty where all could."""
        if not self.untrusted.any():
            return ""
        lost = f"{int(self.untrusted.sum())} epochs of {int((self.untrusted > 0).sum())} runs"
        return f"{lost} could not be trusted and were not chosen: spikes did not fit, or a gradient was not finite"


class Told(NamedTuple):
    """What an epoch has brought to all runs."""

    epoch: int
    epochs: int
    accuracy: float
    samples_per_second: float

    def __str__(self) -> str:
        told = f"validation {100 * self.accuracy:.1f} % (median)"
        return f"epoch {self.epoch}/{self.epochs}, {told}, {self.samples_per_second / 1000:.1f}k samples/s"


def train_together(
    recipe: Callable[[Any], Recipe],
    settings: PyTree,
    networks: Sequence[Network],
    keys: Key[Array, " runs"],
    train: Dataset,
    validation: Dataset,
    *,
    evaluation_batch: int = EVALUATION_BATCH,
    path: Path | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> Trained:
    """Train one network for each run; `ranvier.lab.studies.together.case.train_case` is an example.

    Args:
        recipe: How to train, from the settings of one run, which are traced. Only numbers in it may depend on them.
        settings: Settings of all runs, an axis of runs in front of every array.
        networks: The networks before training. They differ in weights and delays only.
        keys: A random key for each run: order of samples, noise.
        train: Samples to learn from.
        validation: Samples to choose the epoch with.
        evaluation_batch: Validation samples at once.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch.
    """
    plan = recipe(jax.tree.map(lambda leaf: leaf[0], settings))
    fixed = partition(networks[0])[1]
    own = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(partition(network)[0] for network in networks))
    begin = lambda own, setting: _without_fixed(initial_state(eqx.combine(own, fixed), recipe(setting)))

    def one(state: State, setting: PyTree, key: PRNGKeyArray, epoch: Int[Array, ""]) -> tuple[State, _Outcome]:
        mine, state = recipe(setting), State(eqx.combine(state.network, fixed), state.optimiser, state.recovery)
        state, trained = training_epoch(mine, state, train, key, epoch)
        noise = jax.random.fold_in(key, plan.epochs + epoch)
        checked, _ = evaluation_epoch(mine, state.network, validation, noise, evaluation_batch)
        return _without_fixed(state), (shares(trained, train), shares(checked, validation))

    @jax.jit
    def advance(course: Course, epoch: Int[Array, ""]) -> Course:
        each = lambda state, setting, key: one(state, setting, key, epoch)
        state, outcome = in_groups(each, course.state, settings, keys)
        return _keep_best(course, state, outcome, epoch)

    samples = len(networks) * train.size
    course = _start(jax.jit(jax.vmap(begin))(own, settings), len(networks), plan.epochs)
    course = _go_through(course, advance, plan.epochs, samples, path, tell)
    facts = map(np.asarray, (course.accuracy, course.epoch, course.untrusted, course.history))
    return Trained(course.best, fixed, *facts)


def _go_through(
    course: Course,
    advance: Callable[[Course, Int[Array, ""]], Course],
    epochs: int,
    samples: int,
    path: Path | None,
    tell: Callable[[Told], None],
) -> Course:
    """All epochs, from the checkpoint if there is one. Ctrl-C waits for the end of an epoch."""
    done = 0
    if path is not None and path.exists():
        course, facts = read_arrays(path, course)
        done = facts["epoch"]
    saved = time.monotonic()
    with deferred_interrupt() as interrupted:
        while done < epochs:
            start = time.perf_counter()
            course = jax.block_until_ready(advance(course, jnp.asarray(done + 1, jnp.int32)))
            done += 1
            if path is not None and (done == epochs or time.monotonic() - saved > CHECKPOINT_SECONDS):
                save_arrays(path, course, epoch=done)
                saved = time.monotonic()
            middle = float(jnp.median(course.history[:, done - 1, 1]))
            try:
                tell(Told(done, epochs, middle, samples / (time.perf_counter() - start)))
                if interrupted():
                    raise KeyboardInterrupt
            except BaseException:  # whoever is told may stop the training; then no epoch is lost
                if path is not None:
                    save_arrays(path, course, epoch=done)
                raise
    return course


def accuracy_of(
    trained: Trained, recipe: Recipe, data: Dataset, *, batch: int = EVALUATION_BATCH
) -> Float[np.ndarray, " runs"]:
    """Share of right answers of each network.

    Args:
        trained: The networks.
        recipe: Simulator and prediction.
        data: Samples.
        batch: Samples at once.

    Raises:
        RuntimeError: spikes did not fit, or the loss is not finite.
    """

    def one(own: Network) -> tuple[Array, Array]:
        totals, _ = evaluation_epoch(recipe, eqx.combine(own, trained.fixed), data, jax.random.key(0), batch)
        return shares(totals, data)

    accuracy, loss = jax.jit(lambda own: in_groups(one, own))(trained.own)
    if not np.isfinite(loss).all():
        msg = f"accuracy_of: spikes did not fit, or the loss is not finite: {np.asarray(loss)}."
        raise RuntimeError(msg)
    return np.asarray(accuracy)


def in_groups(function: Callable[..., Any], *mapped: PyTree) -> Any:
    """Map a function over the first axis of all its arguments, at most `WIDTH` at a time.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.lab.studies.together.training import in_groups
        >>> in_groups(lambda x, y: x + y, jnp.arange(22.0), jnp.ones(22)).shape
        (22,)
    """
    runs = len(jax.tree.leaves(mapped)[0])
    width = max(size for size in range(1, WIDTH + 1) if runs % size == 0)
    if width == runs:
        return jax.vmap(function)(*mapped)
    groups = jax.tree.map(lambda leaf: leaf.reshape(runs // width, width, *leaf.shape[1:]), mapped)
    found = jax.lax.map(lambda group: jax.vmap(function)(*group), groups)
    return jax.tree.map(lambda leaf: leaf.reshape(runs, *leaf.shape[2:]), found)


def shares(totals: Totals, data: Dataset) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Accuracy and loss; a loss that cannot be trusted is not a number."""
    fine = (totals.status == 0) & ~totals.broken.any()
    loss = jnp.where(fine, jnp.sum(totals.loss) / data.size, jnp.nan)
    return jnp.sum(totals.metrics["accuracy"]) / data.size, loss


def _without_fixed(state: State) -> State:
    """The state without what all networks share."""
    return State(partition(state.network)[0], state.optimiser, state.recovery)


def _start(state: State, runs: int, epochs: int) -> Course:
    none, worst = jnp.zeros(runs, jnp.int32), jnp.full(runs, -1.0, jnp.float32)
    history = jnp.zeros((runs, epochs, 2), jnp.float32)
    return Course(state, state.network, worst, jnp.full(runs, math.inf, jnp.float32), none, none, history)


def _keep_best(course: Course, state: State, outcome: _Outcome, epoch: Int[Array, ""]) -> Course:
    """Write the epoch down, and keep each network that is better than all before it."""
    (trained, trained_loss), (accuracy, loss) = outcome
    fine = jnp.isfinite(trained_loss) & jnp.isfinite(loss)
    better = fine & ((accuracy > course.accuracy) | ((accuracy == course.accuracy) & (loss < course.loss)))
    choose = lambda new, old: jnp.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)
    return Course(
        state,
        jax.tree.map(choose, state.network, course.best),
        jnp.where(better, accuracy, course.accuracy),
        jnp.where(better, loss, course.loss),
        jnp.where(better, epoch, course.epoch),
        course.untrusted + (~fine).astype(jnp.int32),
        course.history.at[:, epoch - 1].set(jnp.stack([trained, accuracy], axis=-1)),
    )
