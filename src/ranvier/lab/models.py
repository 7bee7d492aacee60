"""Models: networks of a few numbers, with weights and delays that learn or not."""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

from ranvier import delays
from ranvier.builders import feedforward
from ranvier.datasets.spike_files import Rows
from ranvier.delays import DelayFactory
from ranvier.initializers import normal
from ranvier.lab.parts import AbstractModel, AbstractPart
from ranvier.lab.ranges import Count, Finite, NotNegative, Positive
from ranvier.lab.settings import Choice
from ranvier.lab.spacing import spacing
from ranvier.layouts import Layout, moved
from ranvier.layouts import normal as normal_layout
from ranvier.network import Network
from ranvier.neurons import LI, LIF


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractWeights(AbstractPart, abc.ABC):
    """Weights, drawn from a normal distribution, in units of the threshold.

    Args:
        mean: Mean of the initial weights.
        std: Standard deviation of the initial weights.
    """

    name: ClassVar[str]
    mean: Finite = 2.0
    std: NotNegative = 2.0

    @property
    @abc.abstractmethod
    def rates(self) -> Mapping[str, float]:
        """Learning rate at the start, if they learn."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedWeights(AbstractWeights):
    """Weights that learn.

    Args:
        lr: Learning rate of the weights, at the start.
    """

    name: ClassVar[str] = "learned"
    lr: Positive = 0.02

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the weights."""
        return {"weight": self.lr}


@dataclasses.dataclass(frozen=True, kw_only=True)
class FixedWeights(AbstractWeights):
    """Weights that stay as they are."""

    name: ClassVar[str] = "fixed"

    @property
    def rates(self) -> Mapping[str, float]:
        """None."""
        return {}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractDelays(AbstractPart, abc.ABC):
    """Delays of all connections."""

    name: ClassVar[str]

    @property
    @abc.abstractmethod
    def rates(self) -> Mapping[str, float]:
        """Learning rate at the start, if they learn."""

    @abc.abstractmethod
    def factory(self) -> DelayFactory:
        """What makes the delays of a connection."""

    @abc.abstractmethod
    def layouts(self, layers: int) -> Sequence[Layout] | None:
        """Where the neurons of so many layers stand at the start, if delays depend on it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoDelays(AbstractDelays):
    """No delays."""

    name: ClassVar[str] = "none"

    @property
    def rates(self) -> Mapping[str, float]:
        """None."""
        return {}

    def factory(self) -> DelayFactory:
        """Fixed delays of 0."""
        return delays.fixed(0.0)

    def layouts(self, layers: int) -> Sequence[Layout] | None:
        """Nowhere."""
        del layers
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractDrawnDelays(AbstractDelays):
    """Delays of a wanted mean and standard deviation at the start, between bounds.

    Args:
        low: Smallest delay (ms).
        high: Largest delay (ms).
        mean: Mean of the initial delays (ms).
        std: Standard deviation of the initial delays (ms).
    """

    low: NotNegative = 0.0
    high: Positive = 1.0
    mean: NotNegative = 0.5
    std: NotNegative = 0.06

    def layouts(self, layers: int) -> Sequence[Layout] | None:
        """Nowhere."""
        del layers
        return None

    def start(self, key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "..."]:
        """Initial delays, between the bounds."""
        return jnp.clip(normal(self.mean, self.std)(key, shape, dtype), self.low, self.high)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLearnedDelays(AbstractDrawnDelays):
    """Delays that learn, between bounds that a sigmoid keeps.

    Args:
        lr: Learning rate at the start, of the unbounded numbers that a sigmoid turns into delays.
    """

    lr: Positive = 0.02

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the delays."""
        return {"delay": self.lr}


@dataclasses.dataclass(frozen=True, kw_only=True)
class AxonalDelays(AbstractLearnedDelays):
    """One delay for each sending neuron."""

    name: ClassVar[str] = "axonal"

    def factory(self) -> DelayFactory:
        """`ranvier.axonal`."""
        return delays.axonal(self.low, self.high, self.start)


@dataclasses.dataclass(frozen=True, kw_only=True)
class DendriticDelays(AbstractLearnedDelays):
    """One delay for each receiving neuron."""

    name: ClassVar[str] = "dendritic"

    def factory(self) -> DelayFactory:
        """`ranvier.dendritic`."""
        return delays.dendritic(self.low, self.high, self.start)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SynapticDelays(AbstractLearnedDelays):
    """One delay for each synapse."""

    name: ClassVar[str] = "synaptic"

    def factory(self) -> DelayFactory:
        """`ranvier.synaptic`."""
        return delays.synaptic(self.low, self.high, self.start)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomDelays(AbstractDrawnDelays):
    """One delay for each synapse, drawn at random, that stays as it is."""

    name: ClassVar[str] = "random"

    @property
    def rates(self) -> Mapping[str, float]:
        """None."""
        return {}

    def factory(self) -> DelayFactory:
        """`ranvier.synaptic`, which does not learn without a rate."""
        return delays.synaptic(self.low, self.high, self.start)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpatialDelays(AbstractDrawnDelays):
    """Delays that follow from the positions of all neurons, which learn; speed 1, so lengths are in ms.

    Layers stand one behind the other, so that delays start with the wanted mean and standard deviation. A way that
    takes longer than the largest delay bends towards it (`ranvier.delays.Saturate`).

    Args:
        dimensions: Dimensions of the space.
        lr: Learning rate of the positions (ms), at the start.

    Example:
        >>> from ranvier.lab.models import SpatialDelays
        >>> len(SpatialDelays(dimensions=3).layouts(3))
        3
    """

    name: ClassVar[str] = "spatial"
    dimensions: Count = 2
    lr: Positive = 0.01

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the positions."""
        return {"position": self.lr}

    def factory(self) -> DelayFactory:
        """`ranvier.spatial`."""
        return delays.spatial(self.low, self.high, limit=delays.Saturate())

    def layouts(self, layers: int) -> Sequence[Layout] | None:
        """One behind the other along the first axis."""
        apart, spread = spacing(self.mean - self.low, self.std, self.dimensions)
        step = apart * np.eye(self.dimensions)[0]
        return [moved(normal_layout(spread, self.dimensions), layer * step) for layer in range(layers)]


Weights = Annotated[AbstractWeights, Choice(LearnedWeights(), FixedWeights())]
"""Weights that learn, or do not."""
Delays = Annotated[AbstractDelays, Choice(
    NoDelays(), RandomDelays(), AxonalDelays(), DendriticDelays(), SynapticDelays(), SpatialDelays())]  # fmt: skip
"""Delays of any kind."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneHidden(AbstractModel):
    """Inputs, one hidden layer, one output for each class. Every neuron fires once at most.

    Args:
        hidden: Hidden neurons.
        weight: Weights that learn, or stay as they are.
        delay: Kind of delays: none, random ones that stay, one that learns for each sender (axonal), receiver
            (dendritic) or synapse, or by distance of positions that learn (spatial).
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).

    Raises:
        ValueError: nothing would learn.

    Example:
        >>> import jax
        >>> from ranvier.lab.models import AxonalDelays, OneHidden
        >>> model = OneHidden(hidden=10, delay=AxonalDelays(high=2.0))
        >>> model.network(4, 3, spiking=True, dtype="float32", key=jax.random.key(0)).connections[0].weight.shape
        (4, 10)
    """

    max_spikes: ClassVar[int] = 1
    hidden: Count = 30
    weight: Weights = LearnedWeights()
    delay: Delays = SynapticDelays()
    tau_mem: Positive = 2.0
    tau_syn: Positive = 1.0

    @property
    def rates(self) -> Mapping[str, float]:
        """Those of weights and delays."""
        return {**self.weight.rates, **self.delay.rates}

    def network(
        self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray, some: Rows | None = None
    ) -> Network:
        """`ranvier.feedforward`."""
        del some
        cast = lambda neuron: jax.tree.map(lambda leaf: leaf.astype(dtype), neuron)
        return feedforward(
            [inputs, self.hidden, classes],
            neuron=cast(LIF(self.tau_mem, self.tau_syn, refractory=math.inf)),
            readout=None if spiking else cast(LI(self.tau_mem, self.tau_syn)),
            delay=self.delay.factory(),
            weight=normal(self.weight.mean, self.weight.std),
            position=self.delay.layouts(3),
            dtype=dtype,
            key=key,
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Layers(AbstractModel):
    """Hidden layers whose neurons may fire several times, and outputs that forget slowly and have no delays.

    Args:
        hidden: Neurons of each hidden layer.
        layers: Hidden layers.
        weight: Weights that learn, or stay as they are: their initial numbers are those onto hidden layers.
        output_std: Standard deviation of the initial weights onto the outputs, whose mean is 0.
        delay: Kind of delays onto hidden layers.
        tau_mem: Membrane time constant of hidden neurons (ms).
        tau_syn: Synaptic time constant (ms).
        tau_out: Membrane time constant of outputs that integrate (ms).
        max_spikes: Most spikes of a neuron.

    Raises:
        ValueError: nothing would learn.

    Example:
        >>> import jax
        >>> from ranvier.lab.models import Layers
        >>> net = Layers(hidden=8, layers=2).network(5, 3, spiking=False, dtype="float32", key=jax.random.key(0))
        >>> [link.name for link in net.connections]
        ['input->hidden1', 'hidden1->hidden2', 'hidden2->output']
    """

    hidden: Count = 64
    layers: Count = 1
    weight: Weights = LearnedWeights()
    output_std: NotNegative = 0.3
    delay: Delays = SynapticDelays()
    tau_mem: Positive = 4.0
    tau_syn: Positive = 2.0
    tau_out: Positive = 50.0
    max_spikes: Count = 20

    @property
    def rates(self) -> Mapping[str, float]:
        """Those of weights and delays; the outputs have none that learn."""
        return {**self.weight.rates, **self.delay.rates}

    def network(
        self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray, some: Rows | None = None
    ) -> Network:
        """`ranvier.feedforward`."""
        del some
        cast = lambda neuron: jax.tree.map(lambda leaf: leaf.astype(dtype), neuron)
        neuron, places = cast(LIF(self.tau_mem, self.tau_syn)), self.delay.layouts(self.layers + 1)
        return feedforward(
            [inputs, *[self.hidden] * self.layers, classes],
            neuron=neuron,
            readout=neuron if spiking else cast(LI(self.tau_out, self.tau_syn)),
            delay=[*[self.delay.factory()] * self.layers, delays.fixed(0.0)],
            weight=[*[normal(self.weight.mean, self.weight.std)] * self.layers, normal(0.0, self.output_std)],
            position=None if places is None else [*places, None],
            dtype=dtype,
            key=key,
        )
