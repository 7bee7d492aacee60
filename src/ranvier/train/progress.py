"""Showing how training goes: a live line in a terminal, a plain line now and then elsewhere, or nothing."""

import abc
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column

STOPPING = "stopping after this epoch; Ctrl-C again to stop at once"
"""What is said when Ctrl-C is pressed."""

WIDE, NARROW = 140, 96
"""Columns of a terminal from which on a line has room for all words, or for a bar."""


class AbstractProgress(abc.ABC):
    """Told by `fit` how training goes. Use it in a `with` block of its own if `fit` is called several times."""

    @abc.abstractmethod
    def start(self, epochs: int, done: int) -> None:
        """Training begins; `done` of `epochs` are already there."""

    @abc.abstractmethod
    def phase(self, name: str) -> None:
        """An epoch's `training` or `validation` begins; the first time its program is compiled."""

    @abc.abstractmethod
    def interrupted(self) -> None:
        """Ctrl-C was pressed; training stops after this epoch."""

    @abc.abstractmethod
    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """One more epoch is done, with these metrics."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Training has ended, or was broken off."""


class NoProgress(AbstractProgress):
    """Shows nothing."""

    def start(self, epochs: int, done: int) -> None:
        """Nothing."""

    def phase(self, name: str) -> None:
        """Nothing."""

    def interrupted(self) -> None:
        """Nothing."""

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Nothing."""

    def stop(self) -> None:
        """Nothing."""


def live_bar(console: Console) -> Progress:
    """The bars that `LiveProgress` draws, one line per run.

    Example:
        >>> from rich.console import Console
        >>> from ranvier.train import LiveProgress, live_bar
        >>> bar = live_bar(Console(quiet=True))
        >>> runs = [LiveProgress(bar, f"seed {seed}") for seed in range(2)]
    """
    bars = [BarColumn(bar_width=16 if console.width >= WIDE else 8)] if console.width >= NARROW else []
    words = [
        TextColumn(f"{{task.{text}}}", table_column=Column(no_wrap=True)) for text in ("description", "fields[numbers]")
    ]
    left = [TimeRemainingColumn(compact=True)] if bars else []
    return Progress(words[0], *bars, MofNCompleteColumn(), words[1], *left, console=console)


class LiveProgress(AbstractProgress):
    """A line with a bar that moves, for terminals.

    Args:
        bar: What draws it, from `live_bar`; several runs may share one.
        name: What to call the run.
    """

    def __init__(self, bar: Progress, name: str = ""):
        self.bar, self.name = bar, name

    def start(self, epochs: int, done: int) -> None:
        """Draw the bar."""
        self.task = self.bar.add_task(self.name, total=epochs, completed=done, numbers="")
        self.compiled: set[str] = set()
        self.bar.start()

    def phase(self, name: str) -> None:
        """Say what is compiled."""
        if name not in self.compiled:
            self.compiled.add(name)
            self.bar.update(self.task, numbers=f"compiling {name}, then running it")

    def interrupted(self) -> None:
        """Say what happens now."""
        self.bar.update(self.task, numbers=STOPPING)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Move the bar."""
        numbers = summary(metrics) if self.bar.console.width >= WIDE else short_summary(metrics)
        self.bar.update(self.task, completed=metrics["epoch"], numbers=numbers)

    def stop(self) -> None:
        """Leave the bar where it stands."""
        self.bar.stop()


class PlainProgress(AbstractProgress):
    """One line every so often, for logs.

    Args:
        console: Where to write.
        name: What to call the run.
        every: Seconds between lines. The first and the last epoch always have theirs.

    Example:
        >>> from rich.console import Console
        >>> from ranvier.train import PlainProgress
        >>> log = PlainProgress(Console(quiet=True), "seed 0", every=5.0)
    """

    def __init__(self, console: Console, name: str = "", every: float = 10.0):
        self.console, self.name, self.every = console, name, every
        self.epochs, self.next = 0, 0.0
        self.compiled: set[str] = set()

    def start(self, epochs: int, done: int) -> None:
        """Say where training starts."""
        self.epochs = epochs
        self.compiled.clear()
        self._say(f"epochs {done + 1} to {epochs}")

    def phase(self, name: str) -> None:
        """Say what is compiled."""
        if name not in self.compiled:
            self.compiled.add(name)
            self._say(f"compiling {name}, then running it")

    def interrupted(self) -> None:
        """Say what happens now."""
        self._say(STOPPING)

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Say how it goes, if it is time."""
        now = time.monotonic()
        if now >= self.next or metrics["epoch"] == self.epochs:
            self.next = now + self.every
            self._say(f"epoch {metrics['epoch']}/{self.epochs}  {summary(metrics)}")

    def stop(self) -> None:
        """Nothing left to say."""

    def _say(self, text: str) -> None:
        self.console.print(f"{self.name}  {text}" if self.name else text, highlight=False, soft_wrap=True)


def progress_for(console: Console, name: str = "") -> AbstractProgress:
    """What fits the console: `LiveProgress` in a terminal, `PlainProgress` elsewhere.

    Example:
        >>> import io
        >>> from rich.console import Console
        >>> from ranvier.train import progress_for
        >>> type(progress_for(Console(file=io.StringIO()))).__name__
        'PlainProgress'
    """
    return LiveProgress(live_bar(console), name) if console.is_terminal else PlainProgress(console, name)


def summary(metrics: Mapping[str, Any]) -> str:
    """The numbers of an epoch that are worth a glance: loss or accuracy in training/validation, spikes by population.

    Example:
        >>> from ranvier.train.progress import summary
        >>> summary({"loss": 0.5, "accuracy": 0.8, "validation_accuracy": 0.9, "silent": {"hidden": 0.25},
        ...          "spikes_per_neuron": {"hidden": 0.75}, "samples_per_second": 50000.0})
        'loss 0.5  accuracy 80.0/90.0 %  spikes/neuron 0.75  silent 25.0 %  50,000 samples/s'
    """
    spikes, silent = _shares(metrics, 1)
    accuracy = f"  accuracy {_accuracy(metrics)} %" if "accuracy" in metrics else ""
    return (
        f"loss {_loss(metrics, 4)}{accuracy}  spikes/neuron {spikes}  silent {silent} %  "
        f"{metrics['samples_per_second']:,.0f} samples/s"
    )


def short_summary(metrics: Mapping[str, Any]) -> str:
    """The same numbers for narrow terminals.

    Example:
        >>> from ranvier.train.progress import short_summary
        >>> short_summary({"loss": 0.5, "accuracy": 0.8, "validation_accuracy": 0.9, "silent": {"hidden": 0.25},
        ...                "spikes_per_neuron": {"hidden": 0.75}, "samples_per_second": 50000.0})
        'loss 0.5 acc 80.0/90.0 % spikes 0.75 silent 25 % 50k/s'
    """
    spikes, silent = _shares(metrics, 0)
    accuracy = f" acc {_accuracy(metrics)} %" if "accuracy" in metrics else ""
    speed = f"{metrics['samples_per_second'] / 1000:.3g}k/s"
    return f"loss {_loss(metrics, 2)}{accuracy} spikes {spikes} silent {silent} % {speed}"


def _loss(metrics: Mapping[str, Any], digits: int) -> str:
    """The loss; where there is no accuracy also that of validation, by which the best epoch is chosen."""
    known = [metrics["loss"]] if "accuracy" in metrics else [metrics["loss"], metrics["validation_loss"]]
    return "/".join(f"{value:.{digits}g}" for value in known)


def _accuracy(metrics: Mapping[str, Any]) -> str:
    return f"{100 * metrics['accuracy']:.1f}/{100 * metrics['validation_accuracy']:.1f}"


def _shares(metrics: Mapping[str, Any], digits: int) -> tuple[str, str]:
    """Spikes per neuron, and shares of silent neurons (%, so many digits) of all populations that can spike."""
    spikes = "/".join(f"{value:.2f}" for value in metrics["spikes_per_neuron"].values())
    return spikes, "/".join(f"{100 * value:.{digits}f}" for value in metrics["silent"].values())
