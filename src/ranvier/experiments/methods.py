"""How an experiment is simulated: a simulator for each name."""

from collections.abc import Callable

from ranvier.clock_driven import ClockDriven, Exact, SurrogateSpikes
from ranvier.closed_form import FirstSpike
from ranvier.event_driven import EventDriven
from ranvier.experiments.experiment import AbstractExperiment
from ranvier.simulation import AbstractSimulator
from ranvier.surrogates import superspike

METHODS: dict[str, Callable[[AbstractExperiment, int, int | None], AbstractSimulator]] = {
    "event-driven": lambda experiment, events, threads: EventDriven(
        max_spikes=1, max_inverse_slope=experiment.max_inverse_slope, threads=threads
    ),
    "first-spike": lambda experiment, events, threads: FirstSpike(max_inverse_slope=experiment.max_inverse_slope),
    "clock-driven": lambda experiment, events, threads: ClockDriven(
        experiment.dt, layout=Exact(history=1, events=events), max_spikes=1, step_spikes=1
    ),
    "surrogate": lambda experiment, events, threads: ClockDriven(
        experiment.dt,
        spike=SurrogateSpikes(superspike(experiment.beta), detach_time=experiment.detach_time),
        max_spikes=1,
    ),
}
"""Simulators by name, for neurons that fire once: from an experiment, the largest number of events that reach a neuron,
and the threads of those that have threads of their own."""

EXACT = ("event-driven", "first-spike", "clock-driven")
"""Methods whose gradient is the derivative of what they simulate."""
