"""`fit`: train a network, choose by validation, and survive being killed.

After each epoch the validation data decide. Where targets are classes the best network is the one with the highest
validation accuracy, among equals the one with the lower validation loss; else the one with the lowest validation loss;
among equals the earlier. Nothing else takes part in that choice.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray, Shaped

from ranvier.network import Network
from ranvier.saving import save
from ranvier.selection import partition
from ranvier.simulation import STATUS
from ranvier.train.checkpoint import read_arrays, save_arrays
from ranvier.train.dataset import Dataset, check_key
from ranvier.train.fingerprint import fingerprint
from ranvier.train.interrupt import deferred_interrupt, patiently
from ranvier.train.optimisers import learning_paths, learning_rates
from ranvier.train.progress import AbstractProgress, NoProgress
from ranvier.train.provenance import provenance
from ranvier.train.recipe import Recipe
from ranvier.train.run_folder import RunFolder
from ranvier.train.samples import keep_samples
from ranvier.train.spreading import quantiles
from ranvier.train.step import Totals, initial_state
from ranvier.train.stream import Stream
from ranvier.train.streaming import go_through, train_through
from ranvier.train.stuck import Stuck, examine, no_progress, tell

Metrics = dict[str, Any]

CHECKPOINT_SECONDS = 1.0
"""A checkpoint follows the first epoch, the last one, an interrupt, and else no more often than this."""


class TrainingError(RuntimeError):
    """Training cannot go on: something did not fit or is not finite. The last checkpoint is whole."""


class TrainingInterrupted(KeyboardInterrupt):
    """Ctrl-C stopped `fit`; the message says how to go on.

    Args:
        message: How to go on.
        fitted: What training has come to, as `fit` would have given it; None if no epoch was done.
    """

    def __init__(self, message: str, fitted: "Fitted | None"):
        super().__init__(message)
        self.fitted = fitted


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
    train: Dataset | Stream,
    validation: Dataset | Stream,
    recipe: Recipe,
    *,
    out: Path | str | None = None,
    resume: bool = False,
    options: Mapping[str, Any] | None = None,
    facts: Mapping[str, Any] | None = None,
    on_epoch_end: Callable[[Metrics, Network], None] | None = None,
    progress: AbstractProgress | None = None,
    stuck: Stuck | None = tell,
    key: PRNGKeyArray,
) -> Fitted:
    """Train a network.

    Args:
        network: The network to start from.
        train: Samples to learn from, in memory or read as a `Stream`. All are used in every epoch, in a new order.
        validation: Samples that choose the best epoch and end training early.
        recipe: How to train.
        out: Run folder for checkpoints and metrics; default none.
        resume: Go on with the run in `out`, if there is one. It ends with the numbers it would have had undisturbed.
            Network, data, recipe and key must be those it was started with, but for `epochs`, which may be more.
        options: What else decides the result: a resumed run must have the same.
        facts: What else to keep in `config.json`, beside versions, device, cores and commit.
        on_epoch_end: Called as `on_epoch_end(metrics, network)` after each epoch.
        progress: How to show progress; default not at all. See `progress_for`.
        stuck: Called once as `stuck(story, diagnosis)` where the loss has not fallen in three epochs; default writes
            the diagnosis to the log (see `ranvier.checks.diagnose`), None switches it off.
        key: Random key; it decides the order of the samples, and the noise of simulators that have any.

    Raises:
        ValueError: the data do not fit the network.
        RunError: the run folder is in use, holds another run, is broken, or cannot be written.
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.
        TrainingInterrupted: Ctrl-C; it is a `KeyboardInterrupt`. The first one waits for the end of the epoch.
    """
    run = _Run(network, train, validation, recipe, key, None if out is None else RunFolder(out), on_epoch_end)
    shown = NoProgress() if progress is None else progress
    with contextlib.nullcontext() if run.folder is None else run.folder.locked():
        run.begin(dict(options or {}), dict(facts or {}), resume)
        shown.start(recipe.epochs, len(run.epochs))
        with contextlib.ExitStack() as stack:
            stack.callback(shown.stop)
            try:
                interrupted = stack.enter_context(deferred_interrupt(shown.interrupted))
                while not run.finished:
                    shown.epoch(run.epoch(interrupted, shown))
                    stuck = run.examined(stuck)
            except KeyboardInterrupt as error:
                raise run.interrupted() from error
        return run.end()


def evaluate(network: Network, data: Dataset | Stream, recipe: Recipe, *, key: PRNGKeyArray | None = None) -> Metrics:
    """Loss, accuracy and other metrics of a network on a data set, and how much it fires.

    Args:
        network: The network.
        data: Samples.
        recipe: Simulator, readout, loss and metrics.
        key: Decides the noise of simulators that have any; default `jax.random.key(0)`.

    Returns:
        `loss`, `accuracy` where targets are classes, the recipe's own metrics, `spikes_per_neuron` and `silent` by
        population, and `guarded`, the number of spikes whose gradient would be limited.

    Raises:
        ValueError: the data do not fit the network.
        TrainingError: spikes did not fit, or the loss is not finite.
    """
    data.check(network, recipe.t_end)
    return _metrics(_look(network, data, recipe, key)[0], network, data.size)


def answers(
    network: Network, data: Dataset | Stream, recipe: Recipe, *, key: PRNGKeyArray | None = None
) -> Int[np.ndarray, "samples ..."]:
    """The class that a network answers with to each sample of a data set, -1 for none.

    Args:
        network: The network.
        data: Samples with classes as targets.
        recipe: Simulator, readout and loss.
        key: As for `evaluate`, of which this is the same program.

    Returns:
        Classes, of the shape of `data.target`.

    Raises:
        ValueError: the data do not fit the network, or their targets are not classes.
        TrainingError: spikes did not fit, or the loss is not finite.
    """
    if data.classes is None:
        msg = "answers: the targets of `data` are not classes; apply recipe.readout to a simulation for its values."
        raise ValueError(msg)
    return _look(network, data, recipe, key)[1]


def _look(network: Network, data: Dataset | Stream, recipe: Recipe, key: PRNGKeyArray | None) -> tuple[Totals, Any]:
    """Go through data once, without learning."""
    data.check(network, recipe.t_end)
    totals, answer = _copy(go_through(recipe, network, data, jax.random.key(0) if key is None else key))
    _refuse(totals, network, recipe, "evaluation")
    return totals, answer


def best_epoch(epochs: Sequence[Mapping[str, Any]]) -> int:
    """Number of the best epoch, from 1: highest validation accuracy if there is one, lowest validation loss, earliest.

    Example:
        >>> from ranvier.train import best_epoch
        >>> best_epoch([{"validation_accuracy": a, "validation_loss": l} for a, l in [(0.9, 2), (0.9, 1), (0.9, 1)]])
        2
    """
    ranks = [(-line.get("validation_accuracy", 0.0), line["validation_loss"]) for line in epochs]
    return 1 + ranks.index(min(ranks))


class _Run:
    """A run on its way: the state, the best network so far, the metrics so far, and where they are kept."""

    def __init__(
        self,
        network: Network,
        train: Dataset | Stream,
        validation: Dataset | Stream,
        recipe: Recipe,
        key: PRNGKeyArray,
        folder: RunFolder | None,
        on_epoch_end: Callable[[Metrics, Network], None] | None,
    ):
        check_key("fit", key)
        train.check(network, recipe.t_end)
        validation.check(network, recipe.t_end)
        self.network, self.train, self.validation, self.recipe, self.key = network, train, validation, recipe, key
        self.folder, self.on_epoch_end = folder, on_epoch_end
        self.state, self.best, self.epochs = initial_state(network, recipe), _copy(network), []
        self.answer = np.full(np.shape(validation.target) if validation.classes is not None else (0,), -1, np.int32)
        self.saved_epoch, self.saved_at, self.advanced = 0, -math.inf, False

    def begin(self, options: dict[str, Any], facts: dict[str, Any], resume: bool) -> None:
        """Open the folder, and go back to its checkpoint if there is one."""
        if self.folder is None:
            return
        implied = {
            **self.recipe.describe(),
            **fingerprint({"network": self.network}),
            "key": jax.random.key_data(self.key).tolist(),
            "training data": self.train.digest(),
            "validation data": self.validation.digest(),
        }
        with self.folder.writing():
            self.folder.start(options, implied, provenance() | facts, resume=resume)
            if self.folder.checkpoint.exists():
                tree, stored = read_arrays(self.folder.checkpoint, self._kept())
                self.state, self.best, self.answer = tree["state"], tree["best"], np.asarray(tree["answer"])
                self.epochs = self.folder.keep_epochs(stored["epoch"])
                self.saved_epoch = len(self.epochs)
            else:
                self.epochs = self.folder.keep_epochs(0)
                save(self.folder.initial, self.network)
            if not self.finished:
                self.folder.reopen()

    def _kept(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"state": self.state, "best": self.best, "answer": self.answer}

    @property
    def finished(self) -> bool:
        """Whether all epochs are done, or validation has not improved for `patience` epochs."""
        done, patience = len(self.epochs), self.recipe.patience
        return done >= self.recipe.epochs or (
            patience is not None and done > 0 and done - best_epoch(self.epochs) >= patience
        )

    def epoch(self, interrupted: Callable[[], bool], shown: AbstractProgress) -> Metrics:
        """Train for one epoch, validate, and write down how it went."""
        number, start, self.advanced = len(self.epochs) + 1, time.perf_counter(), True
        shown.phase("training")
        self.state, totals = train_through(
            self.recipe, self.state, self.train, self.key, jnp.asarray(number, jnp.int32)
        )
        totals = _copy(totals)
        trained = time.perf_counter()
        _refuse(totals, self.network, self.recipe, f"epoch {number}")
        shown.phase("validation")
        noise = jax.random.fold_in(jax.random.fold_in(self.key, 0), number)  # no training epoch has the key of 0
        checked, answer = _copy(go_through(self.recipe, self.state.network, self.validation, noise))
        _refuse(checked, self.network, self.recipe, f"validation after epoch {number}")
        judged = _metrics(checked, self.network, self.validation.size)
        metrics = {
            "epoch": number,
            **_metrics(totals, self.network, self.train.size),
            **{f"validation_{name}": judged[name] for name in ("loss", *checked.metrics)},
            "bumped": int(totals.bumped),
            "learning_rate": learning_rates(self.state.optimiser),
            "quantiles": quantiles(self.state.network),
            "samples_per_second": self.train.size / (trained - start),
            "seconds": time.perf_counter() - start,
        }
        self._keep(metrics, answer)
        if interrupted():
            self._save(now=True)
            raise KeyboardInterrupt
        return metrics

    def examined(self, stuck: Stuck | None) -> Stuck | None:
        """Have the network examined once, if training makes no progress; what is to be called from then on."""
        story = None if stuck is None else no_progress(self.epochs)
        if stuck is None or story is None:
            return stuck
        network, state = self.state.network, self.state.optimiser
        try:
            found = examine(network, self.train, self.recipe, optimiser=state, history=self.epochs)
        except Exception as error:  # whatever it is, advice must not end training
            logging.getLogger("ranvier.train").warning("%s\nThere is no diagnosis: %s", story, error)
            return None
        stuck(story, found)
        return None

    def _keep(self, metrics: Metrics, answer: Int[np.ndarray, "samples ..."] | None) -> None:
        """Take an epoch down, and tell whoever wants to know; if that fails no epoch is lost."""
        self.epochs.append(metrics)
        if best_epoch(self.epochs) == metrics["epoch"]:
            self.best = _copy(self.state.network)
            self.answer = self.answer if answer is None else answer
        if self.folder is not None:
            with self.folder.writing():
                self.folder.append_epoch(metrics)
        self._save(now=self.finished)
        if self.on_epoch_end is None:
            return
        try:
            self.on_epoch_end(metrics, jax.tree.map(jnp.array, self.state.network))
        except BaseException:
            self._save(now=True)
            raise

    def interrupted(self) -> TrainingInterrupted:
        """What to raise after Ctrl-C: how to go on, and what there is."""
        done = len(self.epochs) if self.folder is None else self.saved_epoch
        where = f"stopped after epoch {done} of {self.recipe.epochs}"
        if self.folder is None:
            told = (
                "nothing was written: pass `out`, a folder, to be able to go on; the error's `fitted` has the networks"
            )
        else:
            told = f"to go on, call fit again with the same arguments and out={str(self.folder.path)!r}, resume=True"
        ended = len(self.epochs) > 0 and not any(leaf.is_deleted() for leaf in jax.tree.leaves(self.state.network))
        fitted = self._fitted() if ended else None
        return TrainingInterrupted(f"{where}; {told}.", fitted)

    def _save(self, *, now: bool) -> None:
        """Write the checkpoint of the last epoch, now or if the one before is old; nothing if it is there already."""
        due = now or time.monotonic() - self.saved_at >= CHECKPOINT_SECONDS
        if self.folder is None or self.saved_epoch == len(self.epochs) or not due:
            return
        with self.folder.writing():
            save_arrays(self.folder.checkpoint, self._kept(), epoch=len(self.epochs))
        self.saved_epoch, self.saved_at = len(self.epochs), time.monotonic()

    def end(self) -> Fitted:
        """Keep the best network."""
        fitted = self._fitted()
        if self.folder is not None and (self.advanced or not self.folder.samples.exists()):
            with self.folder.writing():
                save(self.folder.network, fitted.network)
                keep_samples(self.folder, fitted.network, self.validation, self.recipe, self.answer)
        return fitted

    def _fitted(self) -> Fitted:
        return Fitted(
            jax.tree.map(jnp.asarray, self.best), self.state.network, best_epoch(self.epochs), list(self.epochs)
        )


def _copy(tree: Any) -> Any:
    """Values of a pytree, apart from the memory that the next step will reuse."""
    return jax.tree.map(lambda leaf: np.array(leaf, copy=True), patiently(tree))


def _metrics(totals: Totals, network: Network, samples: int) -> Metrics:
    firing = {name: network.size(name) * samples for name, neuron in network.neurons.items() if neuron.spiking}
    return {
        "loss": _sum(totals.loss) / samples,
        **{name: _sum(values) / samples for name, values in totals.metrics.items()},
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
        names = [path for path, bad in zip(learning_paths(learn), totals.broken, strict=True) if bad]
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
        msg = f"{when}: the loss is {_sum(totals.loss)}; is it finite for every sample, and every class an output?"
        raise TrainingError(msg)
