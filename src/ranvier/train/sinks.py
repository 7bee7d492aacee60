"""Telling other tools how training goes: TensorBoard, Weights & Biases. They are `progress` of `fit`, like a bar.

    fit(..., progress=Several(progress_for(console), TensorBoard("logs/first")))

The packages are optional, and imported when training starts.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from ranvier.interop._require import require
from ranvier.train.progress import AbstractProgress
from ranvier.train.spreading import SHARES


def scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of an epoch as single numbers, by name; those of populations as `silent/hidden`.

    Args:
        metrics: As `fit` gives them.

    Example:
        >>> from ranvier.train.sinks import scalars
        >>> scalars({"epoch": 3, "loss": 0.5, "silent": {"hidden": 0.1}})
        {'loss': 0.5, 'silent/hidden': 0.1}
    """
    found: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            found |= {f"{name}/{part}": one for part, one in scalars(value).items()}
        elif isinstance(value, Sequence) and not isinstance(value, str):
            shares = zip(SHARES, value, strict=False)
            found |= {f"{name}/{share:.0%}": float(one) for share, one in shares}
        elif isinstance(value, int | float) and name != "epoch":
            found[name] = float(value)
    return found


class Several(AbstractProgress):
    """Tells several how training goes.

    Args:
        *parts: Whom: a bar, TensorBoard, whatever else.

    Example:
        >>> from ranvier.train import NoProgress, Several
        >>> both = Several(NoProgress(), NoProgress())
    """

    def __init__(self, *parts: AbstractProgress):
        self.parts = parts

    def start(self, epochs: int, done: int) -> None:
        """Tell all."""
        for part in self.parts:
            part.start(epochs, done)

    def phase(self, name: str) -> None:
        """Tell all."""
        for part in self.parts:
            part.phase(name)

    def interrupted(self) -> None:
        """Tell all."""
        for part in self.parts:
            part.interrupted()

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Tell all."""
        for part in self.parts:
            part.epoch(metrics)

    def stop(self) -> None:
        """Tell all."""
        for part in self.parts:
            part.stop()


class TensorBoard(AbstractProgress):
    """Writes the metrics of every epoch as event files; look at them with `tensorboard --logdir FOLDER`.

    A resumed run goes on in the same folder.

    Args:
        folder: Where; it need not exist.

    Raises:
        ImportError: at the start of training, if the package is not installed.

    Example:
        >>> from ranvier.train import TensorBoard
        >>> log = TensorBoard("logs/first")
    """

    def __init__(self, folder: Any):
        self.folder, self.writer = str(folder), None

    def start(self, epochs: int, done: int) -> None:
        """Open the file."""
        require("tensorboard", "TensorBoard", "tensorboard")
        self.writer: Any = import_module("tensorboard.summary").Writer(self.folder)

    def phase(self, name: str) -> None:
        """Nothing."""

    def interrupted(self) -> None:
        """Nothing."""

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Write the numbers; they are on the disk before the next epoch."""
        for name, value in scalars(metrics).items():
            self.writer.add_scalar(name, value, metrics["epoch"])
        self.writer.flush()

    def stop(self) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class WeightsAndBiases(AbstractProgress):
    """Sends the metrics of every epoch to Weights & Biases.

    Args:
        project: The project.
        name: Name of the run; default one that the service makes up.
        config: What to write down about the run, such as its settings.
        mode: `online`, or `offline` for a folder that `wandb sync` sends later; default what the environment says.
        folder: Where its files go; default `wandb` here.

    Raises:
        ImportError: at the start of training, if the package is not installed.

    Example:
        >>> from ranvier.train import WeightsAndBiases
        >>> log = WeightsAndBiases("delays", name="first", mode="offline")
    """

    def __init__(
        self,
        project: str,
        *,
        name: str | None = None,
        config: Mapping[str, Any] | None = None,
        mode: str | None = None,
        folder: Any = None,
    ):
        place = None if folder is None else str(folder)
        self.about = {"project": project, "name": name, "config": dict(config or {}), "mode": mode, "dir": place}
        self.run: Any = None

    def start(self, epochs: int, done: int) -> None:
        """Begin a run."""
        self.run = require("wandb", "WeightsAndBiases", "wandb").init(**self.about)

    def phase(self, name: str) -> None:
        """Nothing."""

    def interrupted(self) -> None:
        """Nothing."""

    def epoch(self, metrics: Mapping[str, Any]) -> None:
        """Send the numbers."""
        self.run.log(scalars(metrics), step=metrics["epoch"])

    def stop(self) -> None:
        """End the run."""
        if self.run is not None:
            self.run.finish()
            self.run = None
