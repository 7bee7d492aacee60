"""Training: how long, in which steps, and what helps on the way."""

import abc
import dataclasses
import math
from typing import Annotated, ClassVar

import optax
from jaxtyping import Array, Float

from ranvier.augmentations import Jitter
from ranvier.lab.parts import AbstractPart
from ranvier.lab.ranges import Count, NotNegative, Patience, Positive, Share
from ranvier.lab.settings import Choice
from ranvier.network import Network
from ranvier.regularizers import SilentRecovery
from ranvier.train import cosine, step_decay

Rate = float | Float[Array, ""]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSchedule(AbstractPart, abc.ABC):
    """The course of all learning rates."""

    name: ClassVar[str]

    @abc.abstractmethod
    def course(self, rate: Rate, epochs: int, steps: int) -> Rate | optax.Schedule:
        """A learning rate over time.

        Args:
            rate: What it is at the start.
            epochs: Epochs of the training.
            steps: Steps of an epoch.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class Constant(AbstractSchedule):
    """Learning rates stay as they are."""

    name: ClassVar[str] = "constant"

    def course(self, rate: Rate, epochs: int, steps: int) -> Rate | optax.Schedule:
        """The rate itself."""
        return rate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step(AbstractSchedule):
    """Learning rates fall in steps.

    Args:
        factor: What they are multiplied by at each step.
        every: Epochs from one step to the next.
    """

    name: ClassVar[str] = "step"
    factor: Positive = 0.95
    every: Count = 20

    def course(self, rate: Rate, epochs: int, steps: int) -> Rate | optax.Schedule:
        """`ranvier.train.step_decay`."""
        return step_decay(rate, self.factor, self.every, steps)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cosine(AbstractSchedule):
    """Learning rates fall by half a cosine.

    Args:
        floor: Learning rates at the end, as a share of those at the start.

    Example:
        >>> from ranvier.lab.training import Cosine
        >>> float(Cosine(floor=0.5).course(1.0, epochs=10, steps=1)(10))
        0.5
    """

    name: ClassVar[str] = "cosine"
    floor: Share = 0.001

    def course(self, rate: Rate, epochs: int, steps: int) -> Rate | optax.Schedule:
        """`ranvier.train.cosine`."""
        return cosine(rate, epochs, steps, self.floor)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractRecovery(AbstractPart, abc.ABC):
    """What is done for neurons that stay silent."""

    name: ClassVar[str]
    moves: ClassVar[tuple[str, ...]]
    """Fields of the network that it changes."""

    @abc.abstractmethod
    def wake(self, network: Network) -> SilentRecovery | None:
        """What raises weights onto silent neurons of a network, if anything does."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoRecovery(AbstractRecovery):
    """Silent neurons stay silent."""

    name: ClassVar[str] = "none"
    moves: ClassVar[tuple[str, ...]] = ()

    def wake(self, network: Network) -> SilentRecovery | None:
        """Nothing."""
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bump(AbstractRecovery):
    """All weights onto a silent neuron are raised, by more from batch to batch until it fires.

    Args:
        step: First increment of the weights.
        max_step: Largest increment; it doubles from batch to batch.
        hidden: A hidden neuron is woken if it is silent in more than this share of a batch.
        output: The same for an output neuron that spikes.
    """

    name: ClassVar[str] = "bump"
    moves: ClassVar[tuple[str, ...]] = ("weight",)
    step: Positive = 0.001
    max_step: Positive = 0.5
    hidden: Share = 0.3
    output: Share = 0.0

    def wake(self, network: Network) -> SilentRecovery | None:
        """`ranvier.regularizers.SilentRecovery`."""
        senders = {link.pre for link in network.connections}
        spiking = [name for name, neuron in network.neurons.items() if neuron.spiking]
        limits = {name: self.hidden if name in senders else self.output for name in spiking}
        return SilentRecovery(self.step, limits, self.max_step)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(AbstractPart):
    """How a network is trained: Adam, a learning rate for each field that learns (see the model).

    Args:
        epochs: Passes through the training data.
        batch: Samples per step.
        patience: Stop when validation has not improved for so many epochs.
        schedule: Course of the learning rates.
        recovery: What is done for silent neurons.
        jitter: Standard deviation (ms) of noise on the input spike times, in training only.

    Example:
        >>> from ranvier.lab.training import Constant, Training
        >>> Training(epochs=20, schedule=Constant()).batch
        150
    """

    epochs: Count = 300
    batch: Count = 150
    patience: Patience = None
    schedule: Annotated[AbstractSchedule, Choice(Constant(), Step(), Cosine())] = Cosine()
    recovery: Annotated[AbstractRecovery, Choice(NoRecovery(), Bump())] = Bump()
    jitter: NotNegative = 0.0

    @property
    def augment(self) -> Jitter | None:
        """Noise on input spike times, if any."""
        return Jitter(self.jitter) if self.jitter > 0 else None

    def course(self, rate: Rate, samples: int) -> Rate | optax.Schedule:
        """A learning rate over time, from its start and the number of training samples."""
        return self.schedule.course(rate, self.epochs, math.ceil(samples / self.batch))
