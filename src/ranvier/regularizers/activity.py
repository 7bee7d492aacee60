"""Terms of the loss on numbers of spikes: not too many, not too few, or a target."""

import dataclasses
import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier.events import spike_count
from ranvier.simulation import Solution


@dataclasses.dataclass(frozen=True)
class CountUpperBound:
    """Costs a population that fires more than `limit` spikes per neuron and sample, on average over its neurons.

    `strength max(mean_i c_i - limit, 0)^power`, c_i the number of spikes of neuron i; the mean over the batch.

    Args:
        population: Name of the population.
        limit: Spikes per neuron up to which nothing is added.
        strength: Factor, >= 0.
        power: Exponent of the cost, a number >= 1.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from ranvier.regularizers import CountUpperBound
        >>> CountUpperBound("hidden", limit=7.0, strength=0.1).power
        2.0
    """

    population: str
    limit: float
    strength: float
    power: float = 2.0

    def __post_init__(self):
        check_bound("CountUpperBound", self.limit, self.strength, self.power)

    def __call__(self, solution: Solution) -> Float[Array, ""]:
        """What is added to the loss.

        Args:
            solution: What `ranvier.simulate` gave, with or without a batch axis.
        """
        mean = jnp.mean(spike_count(solution.spikes[self.population]), axis=-1)
        return self.strength * jnp.mean(jnp.maximum(mean - self.limit, 0.0) ** self.power)


@dataclasses.dataclass(frozen=True)
class CountLowerBound:
    """Costs each neuron that fires less than `limit` spikes in a sample.

    `strength mean_i max(limit - c_i, 0)^power`, c_i the number of spikes of neuron i; the mean over the batch.

    Args:
        population: Name of the population.
        limit: Spikes of a neuron from which on nothing is added.
        strength: Factor, >= 0.
        power: Exponent of the cost, a number >= 1.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from ranvier.regularizers import CountLowerBound
        >>> CountLowerBound("hidden", limit=0.1, strength=0.05, power=1.0).limit
        0.1
    """

    population: str
    limit: float
    strength: float
    power: float = 2.0

    def __post_init__(self):
        check_bound("CountLowerBound", self.limit, self.strength, self.power)

    def __call__(self, solution: Solution) -> Float[Array, ""]:
        """What is added to the loss.

        Args:
            solution: What `ranvier.simulate` gave, with or without a batch axis.
        """
        count = spike_count(solution.spikes[self.population])
        return self.strength * jnp.mean(jnp.maximum(self.limit - count, 0.0) ** self.power)


@dataclasses.dataclass(frozen=True)
class CountTarget:
    """Draws the number of spikes of each neuron to a target, with exact derivatives of spike times alone.

    Its value is `strength / 2 mean_i (c_i - target)^2`. That has no exact derivative, so its gradient is another one:
    each spike of neuron i gets `dL/dt = -strength (c_i - target) / size`, as if a neuron that fires too often gained by
    firing later, and one that fires too little by firing earlier. It is a direction that helps and no derivative: do
    not check it with finite differences. A silent neuron gets none; see `SilentRecovery`.

    Args:
        population: Name of the population.
        target: Wanted number of spikes of each neuron in a sample, >= 0.
        strength: Factor, >= 0: as loss per squared spike, and as gradient per spike and ms.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> from ranvier.regularizers import CountTarget
        >>> CountTarget("hidden", target=14.0, strength=1e-3).target
        14.0

    Source: in the manner of the spike-count term of EventProp on longer tasks: Nowotny, Turner & Knight, Neuromorph.
    Comput. Eng. 5 (2025), doi:10.1088/2634-4386/ada852.
    """

    population: str
    target: float
    strength: float

    def __post_init__(self):
        check_bound("CountTarget", self.target, self.strength, 1.0)

    def __call__(self, solution: Solution) -> Float[Array, ""]:
        """What is added to the loss.

        Args:
            solution: What `ranvier.simulate` gave, with or without a batch axis.
        """
        spikes = solution.spikes[self.population]
        excess = spike_count(jax.lax.stop_gradient(spikes)) - self.target
        fired = jnp.isfinite(spikes.time)
        own = jnp.take_along_axis(excess, jnp.where(fired, spikes.unit, 0), axis=-1)
        time = jnp.where(fired, spikes.time, 0.0)
        later = jnp.where(fired, own, 0.0) * (time - jax.lax.stop_gradient(time))  # 0, with a gradient
        return self.strength * (jnp.mean(excess**2) / 2 - jnp.mean(jnp.sum(later, axis=-1)) / excess.shape[-1])


def check_bound(owner: str, count: float, strength: float, power: float) -> None:
    """Refuse numbers of a regularizer that are out of range.

    Args:
        owner: Its name, for the message.
        count: Its limit, target or margin.
        strength: Its factor.
        power: Its exponent.

    Raises:
        ValueError: one is.
    """
    name = {"CountTarget": "target", "PeakMargin": "margin"}.get(owner, "limit")
    for what, value, least in ((name, count, 0.0), ("strength", strength, 0.0), ("power", power, 1.0)):
        if not least <= value < math.inf:
            msg = f"{owner}: `{what}` must be a finite number >= {least:g}; got {value}."
            raise ValueError(msg)
