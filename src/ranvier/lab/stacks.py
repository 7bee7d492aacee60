"""Stacks: networks of layers whose neurons fire many times, for inputs that last: speech, recordings, events."""

import abc
import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, ClassVar

import jax
from jaxtyping import PRNGKeyArray

from ranvier import delays
from ranvier.builders import feedforward, recurrent
from ranvier.delays import DelayFactory
from ranvier.initializers import Initializer, normal, uniform
from ranvier.lab.parts import AbstractModel, AbstractPart
from ranvier.lab.ranges import Count, Finite, NotNegative, Positive
from ranvier.lab.settings import Choice
from ranvier.network import Network
from ranvier.neurons import LI, LIF


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLongDelays(AbstractPart, abc.ABC):
    """Delays of input and hidden connections; the outputs have none.

    Args:
        low: Smallest delay (ms); recurrent ones need some.
    """

    name: ClassVar[str]
    low: Positive = 1.0

    @property
    def rates(self) -> Mapping[str, float]:
        """Learning rate at the start, if they learn."""
        return {}

    @abc.abstractmethod
    def factory(self, *, recurrent: bool) -> DelayFactory:
        """What makes the delays of a connection.

        Args:
            recurrent: Whether it is one of a layer onto itself.
        """


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoLongDelays(AbstractLongDelays):
    """The same smallest delay for all."""

    name: ClassVar[str] = "none"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.fixed`."""
        return delays.fixed(self.low)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSpreadDelays(AbstractLongDelays, abc.ABC):
    """Delays that are spread evenly at first.

    Args:
        high: Largest delay (ms).
        recurrent_high: Largest delay (ms) of a layer onto itself.
        spread: Largest initial delay, as a share of the largest.
    """

    high: Positive = 60.0
    recurrent_high: Positive = 30.0
    spread: Positive = 1.0

    def ends(self, *, recurrent: bool) -> tuple[float, float, Initializer]:
        """Bounds and initial values."""
        high = self.recurrent_high if recurrent else self.high
        return self.low, high, uniform(self.low, self.low + min(self.spread, 1.0) * (high - self.low))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomDelays(AbstractSpreadDelays):
    """One delay for each synapse, drawn at random, that does not learn."""

    name: ClassVar[str] = "random"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.synaptic`; without a learning rate it stays as it is."""
        return delays.synaptic(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLongLearnedDelays(AbstractSpreadDelays, abc.ABC):
    """Delays that learn, between bounds that a sigmoid keeps.

    Args:
        lr: Learning rate of the delays, at the start: of the number behind the sigmoid.
    """

    lr: Positive = 0.05

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the delays."""
        return {"delay": self.lr}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongAxonal(AbstractLongLearnedDelays):
    """One delay for each sending neuron."""

    name: ClassVar[str] = "axonal"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.axonal`."""
        return delays.axonal(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongDendritic(AbstractLongLearnedDelays):
    """One delay for each receiving neuron."""

    name: ClassVar[str] = "dendritic"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.dendritic`."""
        return delays.dendritic(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongSynaptic(AbstractLongLearnedDelays):
    """One delay for each synapse."""

    name: ClassVar[str] = "synaptic"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.synaptic`."""
        return delays.synaptic(*self.ends(recurrent=recurrent))


LongDelays = Annotated[
    AbstractLongDelays, Choice(NoLongDelays(), RandomDelays(), LongAxonal(), LongDendritic(), LongSynaptic())
]
"""Any of these."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack(AbstractModel):
    """Layers of leaky integrate-and-fire neurons, and a leaky integrator for each class.

    Args:
        hidden: Neurons of each layer.
        layers: Layers.
        recurrent: Each layer sends to itself, too.
        delay: Kind of delays of input and hidden connections.
        lr: Learning rate of the weights, at the start.
        input_mean: Mean of the initial weights of the inputs, in units of the threshold.
        input_std: Standard deviation of them.
        between_mean: Mean of the initial weights from layer to layer.
        between_std: Standard deviation of them.
        recurrent_std: Standard deviation of the initial weights of a layer onto itself, whose mean is 0.
        output_std: Standard deviation of the initial weights onto the outputs, whose mean is 0.
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).
        max_spikes: Most spikes of a neuron.

    Raises:
        SettingError: a number is out of range.

    Example:
        >>> import jax
        >>> from ranvier.lab.stacks import Stack
        >>> net = Stack(hidden=8, layers=2).network(20, 3, spiking=False, dtype="float32", key=jax.random.key(0))
        >>> [link.name for link in net.connections][:3]
        ['input->hidden1', 'hidden1->hidden1', 'hidden1->hidden2']
    """

    hidden: Count = 128
    layers: Count = 1
    recurrent: bool = True
    delay: LongDelays = LongSynaptic()
    lr: Positive = 0.008
    input_mean: Finite = 0.05
    input_std: NotNegative = 0.02
    between_mean: Finite = 0.02
    between_std: NotNegative = 0.03
    recurrent_std: NotNegative = 0.02
    output_std: NotNegative = 0.06
    tau_mem: Positive = 20.0
    tau_syn: Positive = 5.0
    max_spikes: Count = 120

    @property
    def rates(self) -> Mapping[str, float]:
        """Those of weights and delays."""
        return {"weight": self.lr, **self.delay.rates}

    def network(self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray) -> Network:
        """`ranvier.recurrent` or `ranvier.feedforward`.

        Args:
            inputs: Number of inputs.
            classes: Number of outputs.
            spiking: Whether the outputs spike.
            dtype: Floating-point type.
            key: Decides everything random.
        """
        cast = lambda neuron: jax.tree.map(lambda leaf: leaf.astype(dtype), neuron)
        sizes = [inputs, *[self.hidden] * self.layers, classes]
        ends = list(pairwise(range(len(sizes))))
        edges = [(pre, post) for pre, post in ends]
        if self.recurrent:
            edges = [edge for pre, post in ends for edge in ((pre, post), (post, post))][:-1]
        neuron, last = cast(LIF(self.tau_mem, self.tau_syn)), cast(LI(self.tau_mem, self.tau_syn))
        make = recurrent if self.recurrent else feedforward
        return make(
            sizes,
            neuron=neuron,
            readout=neuron if spiking else last,
            delay=[self._delay(*edge, len(sizes) - 1) for edge in edges],
            weight=[self._weight(*edge, len(sizes) - 1) for edge in edges],
            dtype=dtype,
            key=key,
        )

    def _delay(self, pre: int, post: int, last: int) -> DelayFactory:
        return delays.fixed(0.0) if post == last else self.delay.factory(recurrent=pre == post)

    def _weight(self, pre: int, post: int, last: int) -> Initializer:
        if post == last:
            return normal(0.0, self.output_std)
        if pre == post:
            return normal(0.0, self.recurrent_std)
        return normal(self.input_mean, self.input_std) if pre == 0 else normal(self.between_mean, self.between_std)
