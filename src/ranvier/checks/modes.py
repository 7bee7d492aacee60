"""Which gradients are derivatives, and what stands in for those that are not."""

import dataclasses
from typing import cast

from ranvier.gradients import AbstractGradient, ExactDerivative
from ranvier.simulation import AbstractSimulator


def gradient_of(simulator: AbstractSimulator) -> AbstractGradient:
    """How a simulator differentiates a spike; `ExactDerivative()` where it has no choice.

    Args:
        simulator: Any simulator.
    """
    chosen = getattr(simulator, "gradient", None)
    return chosen if isinstance(chosen, AbstractGradient) else ExactDerivative()


def is_derivative(simulator: AbstractSimulator) -> bool:
    """Whether spikes are differentiated by their time alone, so that differences of the simulation can tell.

    Args:
        simulator: Any simulator.
    """
    return gradient_of(simulator).parts().scale == 0


def with_derivative(simulator: AbstractSimulator) -> AbstractSimulator:
    """The same simulator with the exact derivative.

    Args:
        simulator: Any simulator.
    """
    if is_derivative(simulator):
        return simulator
    return cast(AbstractSimulator, dataclasses.replace(cast(object, simulator), gradient=ExactDerivative()))  # type: ignore[type-var]
