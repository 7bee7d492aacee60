"""Methods: how spikes and gradients come about, each with its own numbers."""

import abc
import dataclasses
import math
from typing import Annotated, ClassVar

import ranvier.clock_driven as clock
from ranvier import closed_form, event_driven, gradients, surrogate
from ranvier.lab.parts import AbstractMethod, AbstractPart
from ranvier.lab.ranges import Limit, NotNegative, Positive
from ranvier.lab.settings import Choice
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator
from ranvier.surrogates import superspike


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractGradient(AbstractPart, abc.ABC):
    """How a spike is differentiated; see `ranvier.gradients`."""

    name: ClassVar[str]

    @abc.abstractmethod
    def make(self) -> gradients.AbstractGradient:
        """What the simulator takes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Exact(AbstractGradient):
    """The derivative of what is simulated."""

    name: ClassVar[str] = "exact"

    def make(self) -> gradients.AbstractGradient:
        """`ranvier.gradients.ExactDerivative`."""
        return gradients.ExactDerivative()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Value(AbstractGradient):
    """What the loss would lose without the spike: for networks in which neurons fire many times.

    Args:
        scale: Steepness, in units of 1 over the threshold.
        timing: Share of the derivative of spike times in what a spike does to others.
        near: How far below the threshold, in units of it, the highest potential of a silent neuron still counts.
    """

    name: ClassVar[str] = "value"
    scale: Positive = 1.0
    timing: NotNegative = 0.0
    near: NotNegative = 0.0

    def make(self) -> gradients.AbstractGradient:
        """`ranvier.gradients.SpikeValue`."""
        return gradients.SpikeValue(self.scale, timing=self.timing, near=self.near)


Gradient = Annotated[AbstractGradient, Choice(Exact(), Value())]
"""Any of these."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class EventDriven(AbstractMethod):
    """Continuous time, from event to event: `ranvier.EventDriven`.

    Args:
        gradient: How a spike is differentiated: exactly, or by what the loss would lose without it.
        max_inverse_slope: Limit on 1/V' (ms) in gradients, V' being the slope of the potential at a spike. Without it a
            spike that barely reaches the threshold has a huge gradient.

    Example:
        >>> from ranvier.lab.methods import EventDriven
        >>> EventDriven(max_inverse_slope=20.0).name
        'event-driven'
    """

    name: ClassVar[str] = "event-driven"
    exact: ClassVar[bool] = True
    gradient: Gradient = Exact()
    max_inverse_slope: Limit = math.inf

    def simulator(self, network: Network, max_spikes: int, threads: int | None) -> AbstractSimulator:
        """`ranvier.EventDriven`."""
        return event_driven.EventDriven(
            max_spikes=max_spikes,
            max_inverse_slope=self.max_inverse_slope,
            threads=threads,
            gradient=self.gradient.make(),
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class FirstSpike(AbstractMethod):
    """First spikes of feed-forward networks in closed form: `ranvier.FirstSpike`.

    Args:
        gradient: How a spike is differentiated: exactly, or by what the loss would lose without it.
        max_inverse_slope: Limit on 1/V' (ms) in gradients, V' being the slope of the potential at a spike. Without it a
            spike that barely reaches the threshold has a huge gradient.
    """

    name: ClassVar[str] = "first-spike"
    exact: ClassVar[bool] = True
    gradient: Gradient = Exact()
    max_inverse_slope: Limit = math.inf

    def simulator(self, network: Network, max_spikes: int, threads: int | None) -> AbstractSimulator:
        """`ranvier.FirstSpike`."""
        return closed_form.FirstSpike(max_inverse_slope=self.max_inverse_slope, gradient=self.gradient.make())


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClockDriven(AbstractMethod):
    """Step by step, with exact spikes within a step: `ranvier.ClockDriven`.

    Args:
        gradient: How a spike is differentiated: exactly, or by what the loss would lose without it.
        dt: Length of a step (ms).
    """

    name: ClassVar[str] = "clock-driven"
    exact: ClassVar[bool] = True
    gradient: Gradient = Exact()
    dt: Positive = 0.1

    def simulator(self, network: Network, max_spikes: int, threads: int | None) -> AbstractSimulator:
        """`ranvier.ClockDriven`, with room for all events that reach a neuron."""
        layout = clock.Exact(history=max_spikes, events=most_events(network, max_spikes))
        return clock.ClockDriven(
            self.dt, layout=layout, max_spikes=max_spikes, step_spikes=1, gradient=self.gradient.make()
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Surrogate(AbstractMethod):
    """Step by step, with surrogate gradients, for comparison: `ranvier.Surrogate`.

    Args:
        dt: Length of a step (ms).
        beta: Steepness of the surrogate, `ranvier.surrogates.superspike(beta)`.
        detach_time: Leave out the derivative of hidden spike times, so that only the surrogate counts.
    """

    name: ClassVar[str] = "surrogate"
    exact: ClassVar[bool] = False
    dt: Positive = 0.1
    beta: Positive = 100.0
    detach_time: bool = False

    def simulator(self, network: Network, max_spikes: int, threads: int | None) -> AbstractSimulator:
        """`ranvier.Surrogate`."""
        return surrogate.Surrogate(self.dt, superspike(self.beta), detach_time=self.detach_time, max_spikes=max_spikes)


Method = Annotated[AbstractMethod, Choice(EventDriven(), FirstSpike(), ClockDriven(), Surrogate())]
"""Any of these."""


def most_events(network: Network, max_spikes: int) -> int:
    """Most events that can reach a neuron.

    Args:
        network: The network.
        max_spikes: Most spikes of a neuron, and of an input.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.lab.methods import most_events
        >>> most_events(rv.feedforward([4, 30, 3], neuron=rv.LIF(), key=jax.random.key(0)), 1)
        30
    """
    reach = dict.fromkeys(network.neurons, 0)
    for link in network.connections:
        reach[link.post] += network[link.pre].size * max_spikes
    return max(reach.values())
