"""Readouts: which output is the answer, and what a wrong answer costs."""

import dataclasses
from functools import partial
from typing import Annotated, ClassVar

from ranvier import readouts
from ranvier.lab.parts import AbstractReadout
from ranvier.lab.ranges import Limit, NotNegative, Positive
from ranvier.lab.settings import Choice
from ranvier.losses import cross_entropy, first_spike_cross_entropy, relative_time_mse
from ranvier.train.recipe import Loss


@dataclasses.dataclass(frozen=True, kw_only=True)
class RelativeTime(AbstractReadout):
    """The output that fires first is the answer; the right one should lead by a margin.

    Args:
        margin: How much earlier than the others the right output should fire (ms).

    Example:
        >>> from ranvier.lab.readouts import RelativeTime
        >>> RelativeTime(margin=0.3).read().record
        {}
    """

    name: ClassVar[str] = "relative"
    spiking: ClassVar[bool] = True
    margin: Positive = 0.2

    def read(self) -> readouts.AbstractReadout:
        """First spikes."""
        return readouts.FirstSpike("output")

    @property
    def loss(self) -> Loss:
        """`ranvier.losses.relative_time_mse`."""
        return partial(relative_time_mse, margin=self.margin)


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

    def read(self) -> readouts.AbstractReadout:
        """First spikes."""
        return readouts.FirstSpike("output")

    @property
    def loss(self) -> Loss:
        """`ranvier.losses.first_spike_cross_entropy`."""
        numbers = {"tau": self.loss_tau, "early_strength": self.early_strength, "early_tau": self.early_tau}
        return partial(first_spike_cross_entropy, **numbers)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Potential(AbstractReadout):
    """Outputs integrate and do not fire; the one that rises highest is the answer.

    Args:
        scale: Steepness of the softmax over the highest potentials.
    """

    name: ClassVar[str] = "potential"
    spiking: ClassVar[bool] = False
    scale: Positive = 1.0

    def read(self) -> readouts.AbstractReadout:
        """The highest potential of each output."""
        return readouts.MaxPotential("output")

    @property
    def loss(self) -> Loss:
        """`ranvier.losses.cross_entropy`."""
        return partial(cross_entropy, scale=self.scale)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mean(AbstractReadout):
    """Outputs integrate and do not fire; the one whose weighted mean is highest is the answer.

    Args:
        scale: Steepness of the softmax over the means.
        favour: Time constant (ms) of weights that favour early times, inf for none.
    """

    name: ClassVar[str] = "mean"
    spiking: ClassVar[bool] = False
    scale: Positive = 40.0
    favour: Limit = 1000.0

    def read(self) -> readouts.AbstractReadout:
        """The mean potential of each output."""
        return readouts.MeanPotential("output", self.favour)

    @property
    def loss(self) -> Loss:
        """`ranvier.losses.cross_entropy`."""
        return partial(cross_entropy, scale=self.scale)


Readout = Annotated[AbstractReadout, Choice(RelativeTime(), CrossEntropy(), Potential(), Mean())]
"""Any of these."""
