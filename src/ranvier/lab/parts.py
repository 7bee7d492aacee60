"""What an experiment is made of: a task, a model, a readout, a method; here what each of them must be able to do.

A part is a small frozen dataclass of numbers, useful without the others. Its numbers are checked when it is made.
"""

import abc
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ranvier import readouts
from ranvier.datasets import Splits
from ranvier.datasets.spike_files import Rows
from ranvier.events import Spikes
from ranvier.lab.ranges import Positive, check
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator
from ranvier.train import Dataset, Stream
from ranvier.train.recipe import Loss

Plane = Callable[[Float[np.ndarray, "*points"], Float[np.ndarray, "*points"]], Int[np.ndarray, "*points"]]


class Data(NamedTuple):
    """Samples as spikes, to train on, to choose with, and to report."""

    train: Dataset | Stream
    validation: Dataset | Stream
    test: Dataset | Stream


def in_memory(samples: Dataset | Stream) -> Dataset:
    """All samples of one part, read if need be.

    Args:
        samples: The part.
    """
    return samples if isinstance(samples, Dataset) else samples.take(np.arange(samples.size))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractPart:
    """A part of an experiment, or of one of its parts: numbers, checked when it is made. Always a base of others.

    Raises:
        SettingError: a number has the wrong type, or lies outside of its range.
    """

    def __post_init__(self):
        check(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """How the samples of a task are drawn in a report.

    Args:
        plane: Where samples are points of a plane, the class at coordinates x and y, -1 outside: a map of decisions is
            drawn. The first two features are the coordinates.
        features: Where samples are points of a plane, all features of points, from their coordinates.
        image: Where samples are images, the length of their rows.
        page: The whole report from a `ranvier.plots.report.Run`; default the usual one.
    """

    plane: Plane | None = None
    features: Callable[[Float[np.ndarray, "points 2"]], Float[np.ndarray, "points features"]] | None = None
    image: int | None = None
    page: Callable[[Any], Any] | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractTask(AbstractPart, abc.ABC):
    """What is to be learned: samples, the spikes they become, and classes.

    Args:
        t_end: End of each simulation (ms).
    """

    classes: ClassVar[tuple[str, ...]]
    inputs: ClassVar[int]
    picture: ClassVar[Picture] = Picture()

    t_end: Positive = 8.0

    @abc.abstractmethod
    def splits(self) -> Splits:
        """Samples to train on, to choose with, and to report: features and labels."""

    @abc.abstractmethod
    def encode(self, feature: Float[np.ndarray, "samples features"]) -> Spikes:
        """Input spikes of samples."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSpikeTask(AbstractPart, abc.ABC):
    """What is to be learned from spikes as they are, read when they are needed: there are no features."""

    picture: ClassVar[Picture] = Picture()

    @property
    @abc.abstractmethod
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    @abc.abstractmethod
    def inputs(self) -> int:
        """Number of inputs."""

    @property
    @abc.abstractmethod
    def t_end(self) -> float:
        """End of each simulation (ms)."""

    @abc.abstractmethod
    def data(self, dtype: str) -> Data:
        """Samples to train on, to choose with, and to report.

        Args:
            dtype: Precision of times.
        """

    @abc.abstractmethod
    def some(self) -> Rows:
        """A few samples to train on: by them a model finds the scale of its initial weights."""

    def notes(self) -> tuple[str, ...]:
        """What is unusual about the data, in sentences."""
        return ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractModel(AbstractPart, abc.ABC):
    """What learns: populations, connections, delays, as they are before training."""

    max_spikes: ClassVar[int]
    """Most spikes of a neuron."""

    @property
    @abc.abstractmethod
    def rates(self) -> Mapping[str, float]:
        """Learning rate at the start of each field that learns, in the words of `ranvier.partition`."""

    @abc.abstractmethod
    def network(
        self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray, some: Rows | None = None
    ) -> Network:
        """The network: populations `input`, `output`, and what lies between.

        Args:
            inputs: Number of inputs.
            classes: Number of outputs.
            spiking: Whether the outputs spike; else they integrate.
            dtype: Floating-point type.
            key: Decides everything random.
            some: A few samples, of a task that has spikes.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractReadout(AbstractPart, abc.ABC):
    """How the output answers, and what a wrong answer costs."""

    name: ClassVar[str]
    spiking: ClassVar[bool]
    """Whether the outputs spike."""

    @abc.abstractmethod
    def read(self) -> readouts.AbstractReadout:
        """What is read off a simulation."""

    @property
    @abc.abstractmethod
    def loss(self) -> Loss:
        """What training makes small, of that and the class."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractMethod(AbstractPart, abc.ABC):
    """How the network is simulated and differentiated."""

    name: ClassVar[str]
    exact: ClassVar[bool]
    """Whether its gradient is the derivative of what it simulates."""

    @abc.abstractmethod
    def simulator(self, network: Network, max_spikes: int, threads: int | None) -> AbstractSimulator:
        """The simulator.

        Args:
            network: What it will simulate.
            max_spikes: Most spikes of a neuron.
            threads: Threads of those that have threads of their own; results do not depend on it.
        """
