"""How a spike is differentiated in the study `gradients`: simulators by name."""

import dataclasses

from ranvier.event_driven import EventDriven
from ranvier.gradients import AbstractGradient, ExactDerivative, SpikeValue
from ranvier.lab.studies.by_gradient.problems import Problem
from ranvier.regularizers import SilentRecovery
from ranvier.simulation import AbstractSimulator
from ranvier.surrogate import Surrogate
from ranvier.surrogates import superspike

GUARD = 10.0
"""Largest 1/V' (ms) in exact derivatives: without one a grazing spike decides every step, and little is learned."""


@dataclasses.dataclass(frozen=True)
class Events:
    """Continuous time.

    Args:
        gradient: How a spike is differentiated.
        recovery: Whether weights onto silent neurons are raised.
    """

    gradient: AbstractGradient
    recovery: bool = False

    def simulator(self, problem: Problem) -> AbstractSimulator:
        """`EventDriven`, with a guard for grazing spikes.

        Args:
            problem: The task.
        """
        return EventDriven(max_spikes=problem.room, max_inverse_slope=GUARD, gradient=self.gradient)

    def wake(self) -> SilentRecovery | None:
        """What wakes silent neurons."""
        return SilentRecovery() if self.recovery else None


@dataclasses.dataclass(frozen=True)
class Grid:
    """A dense surrogate.

    Args:
        share: Step, as a share of the task's.
    """

    share: float = 1.0

    def simulator(self, problem: Problem) -> AbstractSimulator:
        """`ranvier.Surrogate`.

        Args:
            problem: The task.
        """
        return Surrogate(dt=self.share * problem.step, surrogate=superspike(10.0), max_spikes=problem.room)

    def wake(self) -> SilentRecovery | None:
        """Nothing does."""
        return None


METHODS: dict[str, Events | Grid] = {
    "exact": Events(ExactDerivative()),
    "exact-recovery": Events(ExactDerivative(), recovery=True),
    "value": Events(SpikeValue()),
    "value-recovery": Events(SpikeValue(), recovery=True),
    "value-quarter": Events(SpikeValue(0.25)),
    "value-half": Events(SpikeValue(0.5)),
    "value-double": Events(SpikeValue(2.0)),
    "value-reset": Events(SpikeValue(reset=True)),
    "value-near": Events(SpikeValue(near=0.3)),
    "value-timing-1": Events(SpikeValue(timing=1.0, max_inverse_slope=1.0)),
    "value-timing-10": Events(SpikeValue(timing=1.0, max_inverse_slope=10.0)),
    "value-timing-half": Events(SpikeValue(timing=0.5, max_inverse_slope=1.0)),
    "surrogate": Grid(),
    "surrogate-fine": Grid(0.25),
}
"""The exact derivative, the value of a spike (a quarter, half, twice its scale; with the reset; with the timing, by the
largest 1/V' in it, in ms), and a dense surrogate at two steps; `recovery` raises the weights onto silent neurons."""
