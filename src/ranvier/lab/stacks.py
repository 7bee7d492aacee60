"""Stacks: networks of layers whose neurons fire many times, for inputs that last: speech, recordings, events."""

import dataclasses
import math
from collections.abc import Mapping
from itertools import pairwise

import jax
from jaxtyping import PRNGKeyArray

from ranvier import delays
from ranvier.builders import feedforward, recurrent
from ranvier.datasets.spike_files import Rows
from ranvier.delays import DelayFactory
from ranvier.initializers import Initializer, normal
from ranvier.lab.long_delays import LongDelays, LongSpatial, LongSynaptic
from ranvier.lab.parts import AbstractModel
from ranvier.lab.ranges import Count, Density, Finite, NotNegative, Positive, SettingError
from ranvier.lab.waking import mean_weight
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.patterns import PatternFactory, all_to_all, density


@dataclasses.dataclass(frozen=True, kw_only=True)
class Stack(AbstractModel):
    """Layers of leaky integrate-and-fire neurons, and a leaky integrator for each class.

    Args:
        hidden: Neurons of each layer.
        layers: Layers.
        recurrent: Each layer sends to itself, too.
        delay: Kind of delays of input and hidden connections.
        density: Share of the synapses of input and hidden connections that there are, drawn at random; the fewer,
            the larger their initial weights.
        lr: Learning rate of the weights, at the start.
        input_spikes: Spikes of a sample that a neuron would fire if its input weights all had the mean of the initial
            ones: it decides that mean. At most one for 20 input spikes.
        input_spread: Standard deviation of the initial weights of the inputs, as a share of their mean.
        between_mean: Mean of the initial weights from layer to layer.
        between_std: Standard deviation of them.
        recurrent_std: Standard deviation of the initial weights of a layer onto itself, whose mean is 0.
        output_std: Standard deviation of the initial weights onto the outputs, whose mean is 0.
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).
        max_spikes: Most spikes of a neuron.

    Raises:
        SettingError: a number is out of range, or delays by distance are asked for and no connection has any.

    Example:
        >>> import jax, numpy as np
        >>> from ranvier.datasets.spike_files import Rows
        >>> from ranvier.lab.stacks import Stack
        >>> some = Rows(np.array([0, 3]), np.array([5.0, 5.5, 9.0]), np.array([0, 19, 3]))  # one sample of three spikes
        >>> how = {"spiking": False, "dtype": "float32", "key": jax.random.key(0)}
        >>> net = Stack(hidden=8, layers=2).network(20, 3, **how, some=some)
        >>> [link.name for link in net.connections][:3]
        ['input->hidden1', 'hidden1->hidden1', 'hidden1->hidden2']
    """

    hidden: Count = 128
    layers: Count = 1
    recurrent: bool = True
    delay: LongDelays = LongSynaptic()
    density: Density = 1.0
    lr: Positive = 0.008
    input_spikes: Positive = 16.0
    input_spread: NotNegative = 0.4
    between_mean: Finite = 0.02
    between_std: NotNegative = 0.03
    recurrent_std: NotNegative = 0.02
    output_std: NotNegative = 0.06
    tau_mem: Positive = 20.0
    tau_syn: Positive = 5.0
    max_spikes: Count = 120

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.delay, LongSpatial) and not (self.delay.inputs or self.recurrent):
            name, problem = (
                "delay_inputs",
                "must be true in a network that is not recurrent: no other delay has a length",
            )
            raise SettingError(name, problem)

    @property
    def rates(self) -> Mapping[str, float]:
        """Those of weights and delays."""
        return {"weight": self.lr, **self.delay.rates}

    def network(
        self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray, some: Rows | None = None
    ) -> Network:
        """`ranvier.recurrent` or `ranvier.feedforward`.

        Args:
            inputs: Number of inputs.
            classes: Number of outputs.
            spiking: Whether the outputs spike.
            dtype: Floating-point type.
            key: Decides everything random.
            some: A few samples, by which the weights of the inputs are scaled.

        Raises:
            ValueError: there are no samples.
        """
        if some is None:
            msg = "Stack: needs a few samples to scale its initial weights by, and this task has none that are spikes."
            raise ValueError(msg)
        mean = mean_weight(some, self.input_spikes, self.tau_mem, self.tau_syn)
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
            weight=[self._weight(*edge, len(sizes) - 1, mean) for edge in edges],
            pattern=None if self.density == 1.0 else [self._pattern(*edge, len(sizes) - 1) for edge in edges],
            position=self.delay.layouts(len(sizes)),
            dtype=dtype,
            key=key,
        )

    def _delay(self, pre: int, post: int, last: int) -> DelayFactory:
        return delays.fixed(0.0) if post == last else self.delay.factory(recurrent=pre == post)

    def _pattern(self, pre: int, post: int, last: int) -> PatternFactory:
        del pre
        return all_to_all if post == last else density(self.density)

    def _weight(self, pre: int, post: int, last: int, input_mean: float) -> Initializer:
        if post == last:
            return normal(0.0, self.output_std)
        inputs = (input_mean, self.input_spread * input_mean)
        mean, std = inputs if pre == 0 else (self.between_mean, self.between_std)
        if pre == post:
            mean, std = 0.0, self.recurrent_std
        return normal(mean / self.density, std / math.sqrt(self.density))  # few synapses drive as much as many
