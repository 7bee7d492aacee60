"""Long delays: those of stacks, networks whose inputs last. All kinds can start alike, so that they can be compared.

With `start` "distance" free delays are drawn as the distances of points in three dimensions are spread; delays by
distance, `LongSpatial`, have the same mean in any number of dimensions, and the same distribution in three.
"""

import abc
import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, PRNGKeyArray

from ranvier import delays
from ranvier.delays import DelayFactory
from ranvier.initializers import Initializer, uniform
from ranvier.lab.parts import AbstractPart
from ranvier.lab.ranges import Count, Positive
from ranvier.lab.settings import Choice
from ranvier.layouts import Layout
from ranvier.layouts import normal as normal_layout

MARGIN = 1e-3
"""Initial delays keep this share of their range from its ends, where a sigmoid has no slope."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLongDelays(AbstractPart, abc.ABC):
    """Delays of input and hidden connections; the outputs have none.

    Args:
        low: Smallest delay (ms); recurrent ones need some.
    """

    name: ClassVar[str]
    low: Positive = 1.0

    @property
    def rates(self) -> Mapping[str, float]:
        """Learning rate at the start, if they learn."""
        return {}

    @abc.abstractmethod
    def factory(self, *, recurrent: bool) -> DelayFactory:
        """What makes the delays of a connection.

        Args:
            recurrent: Whether it is one of a layer onto itself.
        """

    def layouts(self, layers: int) -> Sequence[Layout | None] | None:
        """Where the neurons of each layer stand, None for nowhere; here nobody stands anywhere.

        Args:
            layers: Layers, with inputs and outputs.
        """
        del layers
        return None


@dataclasses.dataclass(frozen=True, kw_only=True)
class NoLongDelays(AbstractLongDelays):
    """The same smallest delay for all."""

    name: ClassVar[str] = "none"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.fixed`."""
        return delays.fixed(self.low)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractSpreadDelays(AbstractLongDelays, abc.ABC):
    """Delays that are drawn at random at first.

    Args:
        high: Largest delay (ms).
        recurrent_high: Largest delay (ms) of a layer onto itself.
        start: How initial delays are drawn: evenly, as the distances of points in three dimensions, or normally.
        spread: Largest initial delay, as a share of the largest, with start even.
        mean: Mean of the initial delays (ms), with start distance or normal.
        std: Standard deviation of the initial delays (ms), with start normal.
    """

    high: Positive = 60.0
    recurrent_high: Positive = 30.0
    start: Literal["even", "distance", "normal"] = "even"
    spread: Positive = 1.0
    mean: Positive = 20.0
    std: Positive = 4.0

    def ends(self, *, recurrent: bool) -> tuple[float, float, Initializer]:
        """Bounds and initial values.

        Args:
            recurrent: Whether they are those of a layer onto itself.
        """
        high = self.recurrent_high if recurrent else self.high
        if self.start == "even":
            return self.low, high, uniform(self.low, self.low + min(self.spread, 1.0) * (high - self.low))
        return self.low, high, self._drawn(high)

    def _drawn(self, high: float) -> Initializer:
        margin = MARGIN * (high - self.low)

        def draw(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Array:
            if self.start == "normal":
                found = self.mean + self.std * jax.random.normal(key, shape, dtype)
            else:
                apart = jax.random.normal(key, (*shape, 3), dtype)
                found = self.low + jnp.linalg.norm(apart, axis=-1) * (self.mean - self.low) / length(3)
            return jnp.clip(found, self.low + margin, high - margin)

        return draw


def length(dimensions: int) -> float:
    """Mean length of a vector of independent normal numbers, `sqrt(2) Gamma((D + 1) / 2) / Gamma(D / 2)`.

    Args:
        dimensions: D.

    Example:
        >>> from ranvier.lab.long_delays import length
        >>> round(length(3), 4)
        1.5958
    """
    return math.sqrt(2.0) * math.exp(math.lgamma((dimensions + 1) / 2) - math.lgamma(dimensions / 2))


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomDelays(AbstractSpreadDelays):
    """One delay for each synapse, drawn at random, that does not learn."""

    name: ClassVar[str] = "random"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.synaptic`; without a learning rate it stays as it is."""
        return delays.synaptic(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class AbstractLongLearnedDelays(AbstractSpreadDelays, abc.ABC):
    """Delays that learn, between bounds that a sigmoid keeps.

    Args:
        lr: Learning rate of the delays, at the start: of the number behind the sigmoid.
    """

    lr: Positive = 0.05

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the delays."""
        return {"delay": self.lr}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongAxonal(AbstractLongLearnedDelays):
    """One delay for each sending neuron."""

    name: ClassVar[str] = "axonal"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.axonal`."""
        return delays.axonal(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongDendritic(AbstractLongLearnedDelays):
    """One delay for each receiving neuron."""

    name: ClassVar[str] = "dendritic"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.dendritic`."""
        return delays.dendritic(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongSynaptic(AbstractLongLearnedDelays):
    """One delay for each synapse."""

    name: ClassVar[str] = "synaptic"

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.synaptic`."""
        return delays.synaptic(*self.ends(recurrent=recurrent))


@dataclasses.dataclass(frozen=True, kw_only=True)
class LongSpatial(AbstractLongDelays):
    """Delays that follow from the positions of inputs and hidden neurons, which learn; speed 1, so lengths are in ms.

    All are drawn around one point. A way that takes longer than the largest delay bends towards it
    (`ranvier.delays.Saturate`).

    Args:
        dimensions: Dimensions of the space.
        high: Largest delay (ms).
        recurrent_high: Largest delay (ms) of a layer onto itself.
        mean: Mean of the initial delays (ms), before the longest bend.
        inputs: Delays onto a layer from the one before, or from the inputs, follow from positions, too, not only those
            of a layer onto itself; otherwise they are the smallest.
        lr: Learning rate of the positions (ms), at the start.

    Example:
        >>> from ranvier.lab.long_delays import LongSpatial
        >>> len(LongSpatial(dimensions=2).layouts(4))
        4
    """

    name: ClassVar[str] = "spatial"
    dimensions: Count = 3
    high: Positive = 60.0
    recurrent_high: Positive = 30.0
    mean: Positive = 20.0
    inputs: bool = True
    lr: Positive = 0.3

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the positions."""
        return {"position": self.lr}

    def factory(self, *, recurrent: bool) -> DelayFactory:
        """`ranvier.spatial`.

        Args:
            recurrent: Whether it is for a layer onto itself.
        """
        if not recurrent and not self.inputs:
            return delays.fixed(self.low)
        return delays.spatial(self.low, self.recurrent_high if recurrent else self.high, limit=delays.Saturate())

    def layouts(self, layers: int) -> Sequence[Layout | None] | None:
        """Around one point, each coordinate with the standard deviation that gives the mean; outputs stand nowhere.

        Args:
            layers: Layers, with inputs and outputs.
        """
        spread = (self.mean - self.low) / (math.sqrt(2.0) * length(self.dimensions))
        place = normal_layout(spread, self.dimensions)
        return [place if self.inputs else None, *[place] * (layers - 2), None]


LongDelays = Annotated[
    AbstractLongDelays,
    Choice(NoLongDelays(), RandomDelays(), LongAxonal(), LongDendritic(), LongSynaptic(), LongSpatial()),
]
"""Any of these."""
