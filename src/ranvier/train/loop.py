"""`fit`: train a network, choose by validation, and survive being killed.

After each epoch the validation data decide. The best network is the one with the highest validation accuracy; among
equals the one with the lower validation loss; among those the earlier. Nothing else takes part in that choice.
"""

import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, PRNGKeyArray, Shaped

from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import STATUS
from ranvier.train.checkpoint import read_arrays, save_arrays
from ranvier.train.dataset import Dataset
from ranvier.train.epoch import Totals, initial_state, plain_epoch, train_epoch
from ranvier.train.interrupt import deferred_interrupt
from ranvier.train.optimisers import describe_path, learning_rates
from ranvier.train.progress import AbstractProgress, NoProgress
from ranvier.train.recipe import Recipe
from ranvier.train.run_folder import RunFolder

Metrics = dict[str, Any]

CHECKPOINT_SECONDS = 1.0
"""A checkpoint follows the first epoch, the last one, an interrupt, and else no more often than this."""


class TrainingError(RuntimeError):
    """Training cannot go on: something did not fit or is not finite. The last checkpoint is whole."""


class Fitted(NamedTuple):
    """What `fit` gives back.

    Args:
        network: The network that did best on the validation data.
        last: The network after the last epoch.
        best_epoch: The epoch of `network`, from 1.
        epochs: Metrics of every epoch, as in `metrics.jsonl`.
    """

    network: Network
    last: Network
    best_epoch: int
    epochs: list[Metrics]


def fit(
    network: Network,
    train: Dataset,
    validation: Dataset,
    recipe: Recipe,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    options: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    on_epoch_end: Callable[[Metrics, Network], None] | None = None,
    progress: AbstractProgress | None = None,
    key: PRNGKeyArray,
) -> Fitted:
    """Train a network.

    Args:
        network: The network to start from.
        train: Samples to learn from. All are used in every epoch, in a new order.
        validation: Samples that choose the best epoch and end training early.
        recipe: How to train.
        out: Run folder for checkpoints and metrics; default none.
        resume: Go on with the run in `out`, if any. It ends with the numbers it would have had undisturbed.
        options: What else decides the result, such as learning rates: a resumed run must have the same.
        facts: What else to keep in `config.json`.
        on_epoch_end: Called as `on_epoch_end(metrics, network)` after each epoch.
        progress: How to show progress; default not at all. See `progress_for`.
        key: Random key; it decides the order of the samples, and the noise of simulators that have any.

    Raises:
        ValueError: the data do not fit the network.
        RunError: the run folder is in use, holds another run, or is broken.
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.
    """
    run = _Run(network, train, validation, recipe, key, None if out is None else RunFolder(out), on_epoch_end)
    shown = NoProgress() if progress is None else progress
    with contextlib.nullcontext() if run.folder is None else run.folder.locked():
        run.begin(dict(options or {}), dict(facts or {}), resume)
        shown.start(recipe.epochs, len(run.epochs))
        with contextlib.ExitStack() as stack:
            stack.callback(shown.stop)
            interrupted = stack.enter_context(deferred_interrupt())
            while not run.finished:
                shown.epoch(run.epoch(interrupted))
        return run.end()


def evaluate(network: Network, data: Dataset, recipe: Recipe, *, key: PRNGKeyArray | None = None) -> Metrics:
    """Loss and accuracy of a network on a data set, and how much it fires.

    Args:
        network: The network.
        data: Samples.
        recipe: Simulator, loss and prediction.
        key: Decides the noise of simulators that have any; default `jax.random.key(0)`.

    Returns:
        `loss`, `accuracy`, `spikes_per_neuron` and `silent` by population, and `guarded`, the number of spikes whose
        gradient would be limited.

    Raises:
        ValueError: the data do not fit the network.
        TrainingError: spikes did not fit, or the loss is not finite.
    """
    data.check(network, recipe.t_end)
    totals = _copy(plain_epoch(recipe, network, data, jax.random.key(0) if key is None else key))
    _refuse(totals, network, recipe, "evaluation")
    return _metrics(totals, network, data.size)


def best_epoch(epochs: Sequence[Mapping[str, Any]]) -> int:
    """Number of the best epoch, from 1: highest validation accuracy, then lowest validation loss, then the earliest.

    Example:
        >>> from ranvier.train import best_epoch
        >>> best_epoch([{"validation_accuracy": a, "validation_loss": l} for a, l in [(0.9, 2), (0.9, 1), (0.9, 1)]])
        2
    """
    ranks = [(-line["validation_accuracy"], line["validation_loss"]) for line in epochs]
    return 1 + ranks.index(min(ranks))


class _Run:
    """A run on its way: the state, the best network so far, the metrics so far, and where they are kept."""

    def __init__(
        self,
        network: Network,
        train: Dataset,
        validation: Dataset,
        recipe: Recipe,
        key: PRNGKeyArray,
        folder: RunFolder | None,
        on_epoch_end: Callable[[Metrics, Network], None] | None,
    ):
        train.check(network, recipe.t_end)
        validation.check(network, recipe.t_end)
        self.network, self.train, self.validation, self.recipe, self.key = (
            network,
            train,
            validation,
            recipe,
            key,
        )
        self.folder, self.on_epoch_end = folder, on_epoch_end
        self.state, self.best, self.epochs = initial_state(network, recipe), _copy(network), []
        self.saved_epoch, self.saved_at = 0, -math.inf

    def begin(self, options: dict[str, Any], facts: dict[str, Any], resume: bool) -> None:
        """Open the folder, and go back to its checkpoint if there is one."""
        if self.folder is None:
            return
        implied = self.recipe.describe() | {
            "key": jax.random.key_data(self.key).tolist(),
            "training data": self.train.digest(),
            "validation data": self.validation.digest(),
        }
        self.folder.start(options, implied, facts, resume=resume)
        if self.folder.checkpoint.exists():
            tree, stored = read_arrays(self.folder.checkpoint, {"state": self.state, "best": self.best})
            self.state, self.best = tree["state"], tree["best"]
            self.epochs = self.folder.keep_epochs(stored["epoch"])
        else:
            self.epochs = self.folder.keep_epochs(0)

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or validation has not improved for `patience` epochs."""
        done, patience = len(self.epochs), self.recipe.patience
        return done >= self.recipe.epochs or (
            patience is not None and done > 0 and done - best_epoch(self.epochs) >= patience
        )

    def epoch(self, interrupted: Callable[[], bool]) -> Metrics:
        """Train for one epoch, validate, and write down how it went."""
        number = len(self.epochs) + 1
        start = time.perf_counter()
        self.state, totals = train_epoch(self.recipe, self.state, self.train, self.key, jnp.asarray(number, jnp.int32))
        totals = _copy(totals)
        trained = time.perf_counter()
        _refuse(totals, self.network, self.recipe, f"epoch {number}")
        noise = jax.random.fold_in(self.key, self.recipe.epochs + number)  # no epoch's own
        checked = _copy(plain_epoch(self.recipe, self.state.network, self.validation, noise))
        _refuse(checked, self.network, self.recipe, f"validation after epoch {number}")
        judged = _metrics(checked, self.network, self.validation.size)
        metrics = {
            "epoch": number,
            **_metrics(totals, self.network, self.train.size),
            "validation_loss": judged["loss"],
            "validation_accuracy": judged["accuracy"],
            "bumped": int(totals.bumped),
            "learning_rate": learning_rates(self.state.optimiser),
            "samples_per_second": self.train.size / (trained - start),
            "seconds": time.perf_counter() - start,
        }
        self.epochs.append(metrics)
        if best_epoch(self.epochs) == number:
            self.best = _copy(self.state.network)
        if self.folder is not None:
            self.folder.append_epoch(metrics)
        self._save(now=self.finished)
        if self.on_epoch_end is not None:
            self.on_epoch_end(metrics, jax.tree.map(jnp.array, self.state.network))
        if interrupted():
            self._save(now=True)
            raise KeyboardInterrupt
        return metrics

    def _save(self, *, now: bool) -> None:
        """Write the checkpoint of the last epoch, now or if the one before is old; nothing if it is there already."""
        due = now or time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS
        if self.folder is None or self.saved_epoch == len(self.epochs) or not due:
            return
        save_arrays(self.folder.checkpoint, {"state": self.state, "best": self.best}, epoch=len(self.epochs))
        self.saved_epoch, self.saved_at = len(self.epochs), time.monotonic()

    def end(self) -> Fitted:
        """Keep the best network."""
        network = jax.tree.map(jnp.asarray, self.best)
        number = best_epoch(self.epochs)
        if self.folder is not None:
            save_arrays(self.folder.network, network, epoch=number)
        return Fitted(network, self.state.network, number, self.epochs)


def _copy(tree: Any) -> Any:
    """Values of a pytree, apart from the memory that the next step will reuse."""
    return jax.tree.map(lambda leaf: np.array(leaf, copy=True), tree)


def _metrics(totals: Totals, network: Network, samples: int) -> Metrics:
    firing = {name: network.size(name) * samples for name, neuron in network.neurons.items() if neuron.spiking}
    return {
        "loss": _sum(totals.loss) / samples,
        "accuracy": _sum(totals.correct) / samples,
        "spikes_per_neuron": {name: _sum(totals.spikes[name]) / neurons for name, neurons in firing.items()},
        "silent": {name: _sum(totals.silent[name]) / neurons for name, neurons in firing.items()},
        "guarded": int(sum(map(_sum, totals.guarded.values()))),
    }


def _sum(values: Shaped[ArrayLike, " batch"]) -> float:
    return float(np.sum(values, dtype=np.float64))


def _refuse(totals: Totals, network: Network, recipe: Recipe, when: str) -> None:
    """Raise what went wrong, with the numbers."""
    if totals.broken.any():
        learn, _ = partition(network, *recipe.learn)
        paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(learn)[0]]
        names = [describe_path(network, path) for path, bad in zip(paths, totals.broken, strict=True) if bad]
        msg = (
            f"{when}: the gradient of {', '.join(names)} is not finite; lower its learning rate, or limit the gradient "
            "of grazing spikes with `max_inverse_slope` of EventDriven or FirstSpike."
        )
        raise TrainingError(msg)
    if totals.status > 0:
        dropped = {name: int(_sum(counts)) for name, counts in totals.dropped.items() if counts.any()}
        told = f" Spikes dropped: {dropped}." if dropped else ""
        msg = f"{when}: {STATUS[int(totals.status)]}.{told}"
        raise TrainingError(msg)
    if not np.isfinite(totals.loss).all():
        msg = f"{when}: the loss is {_sum(totals.loss)}; is every label the number of an output, and the loss finite?"
        raise TrainingError(msg)
