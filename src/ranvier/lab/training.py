"""Training: how long, in which steps, and what helps on the way."""

import abc
import dataclasses
import math
from typing import Annotated, ClassVar

import optax
from jaxtyping import Array, Float

from ranvier.augmentations import Blend, Chain, Drop, Jitter, Noise, Shift, Stretch
from ranvier.lab.parts import AbstractPart
from ranvier.lab.ranges import Count, NotNegative, Patience, Positive, Share, Whole
from ranvier.lab.settings import Choice
from ranvier.network import Network
from ranvier.regularizers import CountLowerBound, CountUpperBound, SilentRecovery
from ranvier.train import cosine, ease_in, step_decay
from ranvier.train.recipe import Augment, Regularizer

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
class Eased(AbstractSchedule):
    """Learning rates rise step by step, stay at the top, and fall by half a cosine from there to the end.

    Args:
        start: Where they start, as a share of the top.
        factor: What they are multiplied by from step to step; more where there are few steps, so that they are at the
            top after an eighth of all.
        faster: The factor itself grows by `factor` from step to step.
        floor: Where they end, as a share of the top.

    Example:
        >>> from ranvier.lab.training import Eased
        >>> course = Eased(start=0.01).course(1.0, epochs=10, steps=100)
        >>> round(float(course(0)), 4), round(float(course(20)), 4), float(course(1000))
        (0.01, 0.0265, 0.02)
        >>> few = Eased(start=0.01).course(1.0, epochs=40, steps=2)  # 80 steps: at the top after 10
        >>> round(float(few(5)), 4), round(float(few(10)), 4)
        (0.0991, 0.9627)
    """

    name: ClassVar[str] = "eased"
    start: Share = 0.01
    factor: Positive = 1.05
    faster: bool = False
    floor: Share = 0.02

    def course(self, rate: Rate, epochs: int, steps: int) -> Rate | optax.Schedule:
        """`ranvier.train.ease_in`, then `ranvier.train.cosine`."""
        last = max(1, epochs * steps // 8)
        climbs = last * (last + 1) / 2 if self.faster else last
        factor = max(self.factor, max(self.start, 1e-12) ** (-1.0 / climbs))
        return ease_in(rate, epochs, steps, self.start, factor, faster=self.faster, floor=self.floor)


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
    schedule: Annotated[AbstractSchedule, Choice(Constant(), Step(), Cosine(), Eased())] = Cosine()
    recovery: Annotated[AbstractRecovery, Choice(NoRecovery(), Bump())] = Bump()
    jitter: NotNegative = 0.0

    def augment(self, t_end: float) -> Augment | None:
        """What training does to input spikes, if anything.

        Args:
            t_end: End of a simulation (ms).
        """
        del t_end
        return Jitter(self.jitter) if self.jitter > 0 else None

    def regularizers(self, network: Network) -> tuple[Regularizer, ...]:
        """What is added to the loss.

        Args:
            network: The network before training.
        """
        del network
        return ()

    def course(self, rate: Rate, samples: int) -> Rate | optax.Schedule:
        """A learning rate over time, from its start and the number of training samples."""
        return self.schedule.course(rate, self.epochs, math.ceil(samples / self.batch))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpeechTraining(Training):
    """Training on inputs of many spikes, which it changes anew in every step.

    Args:
        blend: Probability that a sample is mixed with another one of its class.
        shift: Channels by which all spikes of a sample move, at most.
        move: Time (ms) by which all spikes of a sample move, at most.
        stretch: A sample becomes longer or shorter by up to this share.
        drop: Probability that a spike is left out.
        noise: Spikes of random channels and times that are added to each sample.
        most: Spikes of a hidden neuron per sample, on average over its layer, above which there is a cost.
        most_cost: That cost, per square of spikes too many.
        least: Spikes of each hidden neuron below which there is a cost.
        least_cost: That cost, per square of spikes too few.

    Example:
        >>> from ranvier.lab.training import SpeechTraining
        >>> SpeechTraining(shift=4, drop=0.1).augment(1000.0).parts
        (Shift(channels=4, time=0.0, end=1000.0), Drop(share=0.1))
    """

    blend: Share = 0.0
    shift: Whole = 0
    move: NotNegative = 0.0
    stretch: NotNegative = 0.0
    drop: NotNegative = 0.0
    noise: Whole = 0
    most: Positive = 20.0
    most_cost: NotNegative = 0.0
    least: NotNegative = 0.1
    least_cost: NotNegative = 0.0

    def augment(self, t_end: float) -> Augment | None:
        """All of it, one after the other.

        Args:
            t_end: End of a simulation (ms).
        """
        wanted = [
            (self.blend > 0, lambda: Blend(self.blend)),
            (self.shift > 0 or self.move > 0, lambda: Shift(self.shift, self.move, t_end)),
            (self.stretch > 0, lambda: Stretch(self.stretch, t_end)),
            (self.drop > 0, lambda: Drop(self.drop)),
            (self.noise > 0, lambda: Noise(self.noise, t_end)),
            (self.jitter > 0, lambda: Jitter(self.jitter)),
        ]
        made = tuple(make() for use, make in wanted if use)
        return Chain(made) if made else None

    def regularizers(self, network: Network) -> tuple[Regularizer, ...]:
        """Bounds of the spike counts of hidden layers.

        Args:
            network: The network before training.
        """
        hidden = [name for name, neuron in network.neurons.items() if neuron.spiking and name != "output"]
        above = [CountUpperBound(name, self.most, strength=self.most_cost) for name in hidden if self.most_cost > 0]
        below = [CountLowerBound(name, self.least, strength=self.least_cost) for name in hidden if self.least_cost > 0]
        return (*above, *below)
