"""How a neuron's spikes are treated: what `ClockDriven(spike=...)` takes."""

import abc
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float

from ranvier.clock_driven.blocks import Checkpoints
from ranvier.clock_driven.layouts import AbstractLayout
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient
from ranvier.integrators import AbstractIntegrator
from ranvier.network import Network
from ranvier.simulation import Solution


class Settings(NamedTuple):
    """The numbers and choices of a `ClockDriven`, which documents them."""

    dt: float
    layout: AbstractLayout | None
    integrator: AbstractIntegrator
    checkpoint: Checkpoints
    max_spikes: int
    step_spikes: int
    step_events: int
    gradient: AbstractGradient


class AbstractSpike(eqx.Module):
    """A way to treat spikes, and with it a simulation on a clock."""

    @abc.abstractmethod
    def run(
        self,
        settings: Settings,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
