"""Readouts: which output is the answer, and what a wrong answer costs."""

import dataclasses
from typing import Annotated, ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ranvier.events import first_spike
from ranvier.lab.parts import AbstractReadout
from ranvier.lab.ranges import NotNegative, Positive
from ranvier.lab.settings import Choice
from ranvier.losses import first_spike_cross_entropy, max_over_time_cross_entropy, relative_time_mse
from ranvier.simulation import Solution


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelativeTime(AbstractReadout):
    """The output that fires first is the answer; the right one should lead by a margin.

    Args:
        margin: Wanted lead of the right output (ms).

    Example:
        >>> from ranvier.lab.readouts import RelativeTime
        >>> RelativeTime(margin=0.3).times(t_end=8.0)
        ()
    """

    name: ClassVar[str] = "relative"
    spiking: ClassVar[bool] = True
    margin: Positive = 0.2

    def times(self, t_end: float) -> tuple[float, ...]:
        """None."""
        return ()

    def loss(self, solution: Solution, label: Int[Array, ""]) -> Float[Array, ""]:
        """`ranvier.losses.relative_time_mse`."""
        return relative_time_mse(_first(solution), label, margin=self.margin)

    def predict(self, solution: Solution) -> Int[Array, ""]:
        """The output that fires first."""
        return earliest(_first(solution))


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossEntropy(AbstractReadout):
    """The output that fires first is the answer; cross-entropy of first spikes.

    Args:
        loss_tau: Difference of spike times (ms) that matters.
        early_strength: Weight of a push towards early spikes.
        early_tau: Time constant (ms) of that push.
    """

    name: ClassVar[str] = "cross-entropy"
    spiking: ClassVar[bool] = True
    loss_tau: Positive = 0.2
    early_strength: NotNegative = 0.005
    early_tau: Positive = 1.0

    def times(self, t_end: float) -> tuple[float, ...]:
        """None."""
        return ()

    def loss(self, solution: Solution, label: Int[Array, ""]) -> Float[Array, ""]:
        """`ranvier.losses.first_spike_cross_entropy`."""
        return first_spike_cross_entropy(
            _first(solution),
            label,
            tau=self.loss_tau,
            early_strength=self.early_strength,
            early_tau=self.early_tau,
        )

    def predict(self, solution: Solution) -> Int[Array, ""]:
        """The output that fires first."""
        return earliest(_first(solution))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Potential(AbstractReadout):
    """Outputs integrate and do not fire; the one that rises highest is the answer.

    Args:
        scale: Steepness of the softmax over the highest potentials.
        record_every: Distance (ms) of the times at which potentials are compared.
    """

    name: ClassVar[str] = "potential"
    spiking: ClassVar[bool] = False
    scale: Positive = 1.0
    record_every: Positive = 0.1

    def times(self, t_end: float) -> tuple[float, ...]:
        """Every so often."""
        return tuple(np.arange(self.record_every, t_end, self.record_every).tolist())

    def loss(self, solution: Solution, label: Int[Array, ""]) -> Float[Array, ""]:
        """`ranvier.losses.max_over_time_cross_entropy`."""
        return max_over_time_cross_entropy(solution.voltages["output"], label, scale=self.scale)

    def predict(self, solution: Solution) -> Int[Array, ""]:
        """The output whose potential rises highest; -1, no answer, where two tie."""
        top = jnp.max(solution.voltages["output"], axis=0)
        alone = jnp.sum(top == jnp.max(top)) == 1
        return jnp.where(alone, jnp.argmax(top), -1).astype(jnp.int32)


Readout = Annotated[AbstractReadout, Choice(RelativeTime(), CrossEntropy(), Potential())]
"""Any of these."""


def earliest(first: Float[Array, " size"]) -> Int[Array, ""]:
    """The output that fires before all others; -1, no answer, where none does or two tie.

    Args:
        first: First spike time (ms) of each output, inf where it is silent.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.lab.readouts import earliest
        >>> [int(earliest(jnp.array(first))) for first in ([2.0, 1.0], [1.0, 1.0])]
        [1, -1]
    """
    soonest = jnp.min(first)
    alone = (jnp.sum(first == soonest) == 1) & jnp.isfinite(soonest)
    return jnp.where(alone, jnp.argmin(first), -1).astype(jnp.int32)


def _first(solution: Solution) -> Float[Array, " size"]:
    return first_spike(solution.spikes["output"])
