"""What comes back from a simulation, and what a simulator is."""

import abc
from typing import ClassVar

import equinox as eqx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier._compiling import Options
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation.state import State
from ranvier.simulation.validity import Records


class Stats(eqx.Module):
    """What happened in a simulation, in numbers. Arrays have the batch axis of the input spikes, where there is one.

    Args:
        status: 0, or the first key of `ranvier.simulation.STATUS` that applies; one for the call.
        spikes: Spikes of each population.
        dropped: Spikes that did not fit `max_spikes`, per population; with `ClockDriven` also spikes and arriving
            events that did not fit in a step. The result is not valid.
        silent: Neurons without a spike, per population.
        in_flight: Events due after `t_end`, per receiving population.
        guarded: Spikes whose slope at threshold is so small that the gradient guard acts, per population.
        events: Synaptic events delivered or in flight.
        exact: Neuron-windows that took the exact path (the rest were aggregated, which is exact too); with
            `ClockDriven`, neuron-steps whose events were taken in order of time.
        forgotten: Events that a forgiving queue lost by its rule, per receiving population (`ClockDriven` with
            `Queued` layouts; else empty or 0).
    """

    status: Int[Array, ""]
    spikes: dict[str, Int[Array, "*batch"]]
    dropped: dict[str, Int[Array, "*batch"]]
    silent: dict[str, Int[Array, "*batch"]]
    in_flight: dict[str, Int[Array, "*batch"]]
    guarded: dict[str, Int[Array, "*batch"]]
    events: Int[Array, "*batch"]
    exact: Int[Array, "*batch"]
    forgotten: dict[str, Int[Array, "*batch"]] = eqx.field(default_factory=dict)

    def __str__(self) -> str:
        """The numbers, where Equinox would write their types."""
        return eqx.tree_pformat(self, short_arrays=False)


class Solution(eqx.Module):
    """What a simulation gives back.

    Args:
        spikes: Spikes of each population of neurons, sorted, padded; times in [0, t_end].
        voltages: For each recorded population its potentials, shape (batch, times, size) or (times, size); or its
            summaries, in the order in which they were asked for, shape (batch, summaries, size) or (summaries, size).
        stats: Counters.
        end: The state at `t_end`, if asked for.
    """

    spikes: dict[str, Spikes]
    voltages: dict[str, Float[Array, "*batch records size"]]
    stats: Stats
    end: State | None = None


class AbstractSimulator(eqx.Module):
    """A way to advance a network. `run` gets checked input, always with a batch axis.

    `compiler_options`: those of XLA that suit a program which is mostly this simulation, for `ranvier.fit`.
    """

    compiler_options: ClassVar[Options] = {}

    @abc.abstractmethod
    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""

    def run_from(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
        start: State | None,
        end: bool,
    ) -> Solution:
        """The same from a state, and to one, where a simulator can."""
        msg = (
            f"simulate: {type(self).__name__} starts at rest and gives no state: leave out `start` and `end`, or use "
            "EventDriven()."
        )
        raise ValueError(msg)


class AbstractSteppedSimulator(AbstractSimulator):
    """A simulator in steps of dt ms. Summaries are taken from the potentials at its steps: `run` gets times only."""

    dt: eqx.AbstractVar[float]


class AbstractNoisySimulator(AbstractSimulator):
    """A simulator with noise, which its random key decides. Learning gives it another key for every batch."""

    key: eqx.AbstractVar[PRNGKeyArray]

    @abc.abstractmethod
    def with_key(self, key: PRNGKeyArray) -> "AbstractNoisySimulator":
        """The same simulator with other noise."""
