"""`fit`: train a network, choose by validation, and survive being killed.

After each epoch the validation data decide. Where targets are classes the best network is the one with the highest
validation accuracy, among equals the one with the lower validation loss; else the one with the lowest validation loss;
among equals the earlier. Nothing else takes part in that choice.
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int, PRNGKeyArray

from ranvier._allocator import keep_freed
from ranvier._random import check_key
from ranvier.network import Network
from ranvier.saving import save
from ranvier.train.checkpoint import read_arrays, save_arrays
from ranvier.train.dataset import Dataset
from ranvier.train.fingerprint import fingerprint
from ranvier.train.interrupt import deferred_interrupt
from ranvier.train.judging import Metrics, metrics_of, refuse
from ranvier.train.optimisers import learning_rates
from ranvier.train.progress import AbstractProgress, NoProgress
from ranvier.train.provenance import provenance
from ranvier.train.recipe import Recipe
from ranvier.train.run_folder import RunFolder
from ranvier.train.samples import keep_samples
from ranvier.train.spreading import quantiles
from ranvier.train.step import initial_state
from ranvier.train.stream import Stream
from ranvier.train.streaming import go_through, train_through
from ranvier.train.stuck import Stuck, examine, no_progress, tell
from ranvier.train.team import Devices, Team

CHECKPOINT_SECONDS = 1.0
"""A checkpoint follows the first epoch, the last one, an interrupt, and else no more often than this."""


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
    devices: Devices | None = None,
    key: PRNGKeyArray,
) -> Fitted:
    """Train a network.

    On Linux the process keeps freed memory for its next use from then on, up to 1 GiB: training is up to 1.4 times as
    fast. The environment variable `MALLOC_TRIM_THRESHOLD_` (glibc) switches that off, by any setting of its own.

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
        devices: Over which devices batches are spread; default one. With several processes (`jax.distributed`) each
            calls `fit` with the same arguments; process 0 writes `out`, and calls `on_epoch_end` and `stuck`.
        key: Random key; it decides the order of the samples, and the noise of simulators that have any.

    Raises:
        ValueError: the data do not fit the network.
        RunError: the run folder is in use, holds another run, is broken, or cannot be written.
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.
        TrainingInterrupted: Ctrl-C; it is a `KeyboardInterrupt`. The first one waits for the end of the epoch.
        PeerError: another process of the training was killed, failed, or hangs.
    """
    keep_freed()
    run = _Run(network, train, validation, recipe, key, out, on_epoch_end, Team(devices))
    shown = NoProgress() if progress is None or not run.team.leads else progress
    with run.owned():
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
        out: Path | str | None,
        on_epoch_end: Callable[[Metrics, Network], None] | None,
        team: Team,
    ):
        check_key("fit", key)
        train.check(network, recipe.t_end)
        validation.check(network, recipe.t_end)
        self.network, self.train, self.validation = network, train, validation
        self.recipe, self.key, self.team, self.out = recipe, key, team, out
        self.folder = RunFolder(out) if out is not None and team.leads else None
        self.on_epoch_end = on_epoch_end if team.leads else None
        self.state, self.best, self.epochs = initial_state(network, recipe), self.team.local(network), []
        self.answer = np.full(np.shape(validation.target) if validation.classes is not None else (0,), -1, np.int32)
        self.saved_epoch, self.saved_at, self.advanced, self.begun = 0, -math.inf, False, False

    @contextlib.contextmanager
    def owned(self) -> Iterator[None]:
        """Within this block the folder is that of process 0, and the processes watch each other."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.team.watched(lambda: f"Training {self._stopped()}."))
            if self.out is not None:
                self.team.led(lambda: stack.enter_context(self.folder.locked()) if self.folder else None)
            try:
                yield
            except (ValueError, TypeError):
                if self.folder is not None and self.begun and not self.epochs:
                    self.folder.forget()
                raise

    def begin(self, options: dict[str, Any], facts: dict[str, Any], resume: bool) -> None:
        """Open the folder, and go back to its checkpoint if there is one; all data go to their places."""
        implied = {
            **self.recipe.describe(),
            **fingerprint({"network": self.network}),
            "key": jax.random.key_data(self.key).tolist(),
            "training data": self.train.digest() if self.folder or self.team.several else None,
            "validation data": self.validation.digest() if self.folder or self.team.several else None,
        }
        self.team.agreed(implied)
        if self.out is not None:
            self.epochs = self.team.led(lambda: self._opened(options, implied, facts, resume))
            self.begun = True
        if self.epochs:
            tree = self.team.handed(self._kept())
            self.state, self.best, self.answer = tree["state"], tree["best"], np.asarray(tree["answer"])
            self.saved_epoch = len(self.epochs)
        self.state = self.team.placed(self.state)
        self.data = tuple(
            self.team.placed(data) if isinstance(data, Dataset) else data for data in (self.train, self.validation)
        )

    def _opened(
        self, options: dict[str, Any], implied: dict[str, Any], facts: dict[str, Any], resume: bool
    ) -> list[Metrics]:
        """Start or resume in the folder: the epochs that are done, and the state after them."""
        assert self.folder is not None
        with self.folder.writing():
            self.folder.start(options, implied, provenance() | facts, resume=resume)
            if self.folder.checkpoint.exists():
                tree, stored = read_arrays(self.folder.checkpoint, self._kept())
                self.state, self.best, self.answer = tree["state"], tree["best"], np.asarray(tree["answer"])
                self.epochs = self.folder.keep_epochs(stored["epoch"])
            else:
                self.epochs = self.folder.keep_epochs(0)
                save(self.folder.initial, self.network)
            if not self.finished:
                self.folder.reopen()
        return self.epochs

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
            self.recipe, self.state, self.data[0], self.key, jnp.asarray(number, jnp.int32), self.team
        )
        totals = self.team.local(totals)
        trained = time.perf_counter()
        refuse(totals, self.network, self.recipe, f"epoch {number}")
        shown.phase("validation")
        noise = jax.random.fold_in(jax.random.fold_in(self.key, 0), number)  # no training epoch has the key of 0
        checked, answer = self.team.local(go_through(self.recipe, self.state.network, self.data[1], noise, self.team))
        refuse(checked, self.network, self.recipe, f"validation after epoch {number}")
        judged = metrics_of(checked, self.network, self.validation.size)
        metrics = {
            "epoch": number,
            **metrics_of(totals, self.network, self.train.size),
            **{f"validation_{name}": judged[name] for name in ("loss", *checked.metrics)},
            "bumped": int(totals.bumped),
            "learning_rate": learning_rates(self.state.optimiser),
            "quantiles": quantiles(self.state.network),
            "samples_per_second": self.train.size / (trained - start),
            "seconds": time.perf_counter() - start,
        }
        self._keep(metrics, answer)
        if self.team.anybody(interrupted()):
            self._save(now=True)
            raise KeyboardInterrupt
        return metrics

    def examined(self, stuck: Stuck | None) -> Stuck | None:
        """Have the network examined once, if training makes no progress; what is to be called from then on."""
        story = None if stuck is None else no_progress(self.epochs)
        if stuck is None or story is None:
            return stuck
        if not self.team.leads:
            return None
        network, state = self._network(), self.state.optimiser
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
            self.best = self.team.local(self.state.network)
            self.answer = self.answer if answer is None else answer
        if self.folder is not None:
            with self.folder.writing():
                self.folder.append_epoch(metrics)
        self._save(now=self.finished)
        if self.on_epoch_end is None:
            return
        try:
            self.on_epoch_end(metrics, self._network())
        except BaseException:
            self._save(now=True)
            raise

    def interrupted(self) -> TrainingInterrupted:
        """What to raise after Ctrl-C: how to go on, and what there is."""
        ended = len(self.epochs) > 0 and not any(leaf.is_deleted() for leaf in jax.tree.leaves(self.state.network))
        fitted = self._fitted() if ended else None
        return TrainingInterrupted(f"{self._stopped()}.", fitted)

    def _stopped(self) -> str:
        """Where training stands and how it goes on."""
        where = f"stopped after epoch {len(self.epochs)} of {self.recipe.epochs}"
        if self.out is None:
            told = "nothing was written: pass `out`, a folder, to be able to go on"
            return (
                f"{where}; {told}" if self.team.several else f"{where}; {told}; the error's `fitted` has the networks"
            )
        where = f"stopped after epoch {self.saved_epoch} of {self.recipe.epochs}" if self.team.leads else where
        told = f"to go on, call fit again with the same arguments and out={str(self.out)!r}, resume=True"
        return f"{where}; {told}{', in all processes (commands: --resume)' * self.team.several}"

    def _network(self) -> Network:
        """The network as it is now, in memory of its own."""
        return jax.tree.map(jnp.array, self.team.local(self.state.network))

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
        last = self.state.network if self.team.mesh is None else self._network()
        return Fitted(jax.tree.map(jnp.asarray, self.best), last, best_epoch(self.epochs), list(self.epochs))
