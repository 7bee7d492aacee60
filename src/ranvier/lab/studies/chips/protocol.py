"""Yin-Yang on BrainScaleS-2: the numbers of the protocol, and what training needs from them.

Four inputs, each played into five rows, since one synapse cannot lift a neuron to its threshold. Input unit `5 c + r`
is row r of coordinate c, and so is its delay element: the rows of one coordinate share one delay, as on the chip. (The
published simulation repeats the inputs in one order and the delays in another, which makes each coordinate pass all
four delays.) Times are in units of tau, weights in those of the published model, whose threshold is 2.6.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ranvier.connections import Connection
from ranvier.datasets.yin_yang import Samples, yin_yang_splits
from ranvier.delays import AbstractDelay, AxonalDelay, Per, Sigmoid
from ranvier.encoders import latency
from ranvier.losses import relative_time_mse
from ranvier.network import Network
from ranvier.neurons import LIF
from ranvier.patterns import AbstractPattern, AllToAll
from ranvier.populations import Population
from ranvier.readouts import FirstSpike
from ranvier.regularizers import SilentRecovery
from ranvier.simulation import AbstractSimulator
from ranvier.train import Dataset, Recipe, adam, by_path, cosine

CLASSES = 3
KINDS = ("weights", "axonal")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Every number of the training. Times in tau. Rates and the largest 1/V' were chosen on the validation data of
    chips 20 to 22.

    Args:
        kind: What learns: `weights`, or `axonal`, weights and axonal delays.
        hidden: Hidden neurons.
        rows: Rows that each input is played into.
        init: Mean and standard deviation of the initial weights of both layers.
        delay_low: Smallest delay.
        delay_high: Largest delay.
        delay_std: Spread of the initial number behind the sigmoid.
        weight_lr: Learning rate of the weights at the start; a cosine ends it at a hundredth.
        delay_lr: The same for the delays (the number behind the sigmoid).
        margin: Lead asked of the right output.
        recovery: Smallest increment of weights onto silent neurons.
        silent_limit: Share of silent samples above which a neuron is helped.
        max_inverse_slope: Largest 1/V' in the gradient of a spike.
        t_end: End of a run.
        epochs: Epochs.
        batch: Samples of one run of the chip.

    Raises:
        ValueError: the kind is unknown.

    Example:
        >>> from ranvier.lab.studies.chips.protocol import Protocol
        >>> Protocol("axonal").parameters
        724
    """

    kind: str = "axonal"
    hidden: int = 30
    rows: int = 5
    init: tuple[tuple[float, float], tuple[float, float]] = ((0.1, 0.12), (0.075, 0.15))
    delay_low: float = 2.0
    delay_high: float = 3.5
    delay_std: float = 0.5
    weight_lr: float = 0.01
    delay_lr: float = 0.02
    margin: float = 0.3
    recovery: float = 0.0005
    silent_limit: float = 0.05
    max_inverse_slope: float = 2.0
    t_end: float = 30.0
    epochs: int = 100
    batch: int = 40

    def __post_init__(self):
        if self.kind not in KINDS:
            msg = f"Protocol: `kind` must be one of {', '.join(KINDS)}; got {self.kind!r}."
            raise ValueError(msg)

    @property
    def parameters(self) -> int:
        """Number of weights, and of delays that differ."""
        weights = (4 * self.rows + CLASSES) * self.hidden
        return weights + (4 + self.hidden if self.kind == "axonal" else 0)

    @property
    def learn(self) -> tuple[str, ...]:
        """Fields that learn."""
        return ("weight", "delay") if self.kind == "axonal" else ("weight",)

    def describe(self) -> dict[str, Any]:
        """The protocol as JSON knows it."""
        return {name: str(value) if value == math.inf else value for name, value in dataclasses.asdict(self).items()}


class SharedDelay(AbstractDelay):
    """Axonal delays that several neighbouring senders share: sender i has delay `i // rows`.

    Args:
        delay: One delay (ms) for each group of senders, shape (groups, 1).
        rows: Senders of each group.
        low: Smallest delay (ms).
        high: Largest delay (ms).

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.lab.studies.chips.protocol import SharedDelay
        >>> delay = SharedDelay(jnp.array([[2.5], [3.0]]), 2, 2.0, 3.5)
        >>> delay(rv.Population(4), rv.Population(3)).shape
        (4, 1)
    """

    raw: Float[Array, "groups 1"]
    rows: int = eqx.field(static=True)
    low: float = eqx.field(static=True)
    high: float = eqx.field(static=True)
    per: ClassVar[Per] = Per.SENDER
    learns: ClassVar[tuple[str, ...]] = ("raw",)

    def __init__(self, delay: Float[Array, "groups 1"], rows: int, low: float, high: float):
        self.rows, self.low, self.high = rows, low, high
        self.raw = Sigmoid().raw(delay, low, high)

    def __call__(
        self,
        pre: Population,
        post: Population,
        pattern: AbstractPattern = AllToAll(),
        *,
        speed: Float[Array, ""] | None = None,
    ) -> Float[Array, "pre 1"]:
        """Delays (ms) of all senders."""
        del pre, post, pattern, speed
        return jnp.repeat(Sigmoid().delay(self.raw, self.low, self.high), self.rows, axis=0)

    def project(self) -> "AbstractDelay":
        """Itself: the sigmoid keeps the bounds."""
        return self

    def some(self, take: Callable[[Array], Array]) -> "AbstractDelay":
        """Itself: senders share its values."""
        del take
        return self


def build_network(protocol: Protocol, seed: int | Int[Array, ""]) -> Network:
    """The network before training, in float32.

    Example:
        >>> from ranvier.lab.studies.chips.protocol import Protocol, build_network
        >>> build_network(Protocol("weights"), 0)["input"].size
        20
    """
    keys = jax.random.split(jax.random.key(seed), 4)
    sizes = (4 * protocol.rows, protocol.hidden, CLASSES)
    start = lambda at: (
        protocol.init[at][0] + protocol.init[at][1] * jax.random.normal(keys[at], sizes[at : at + 2], jnp.float32)
    )
    low, high = protocol.delay_low, protocol.delay_high
    delay = lambda at, size: (
        low
        + (high - low) * jax.nn.sigmoid(protocol.delay_std * jax.random.normal(keys[2 + at], (size, 1), jnp.float32))
    )
    kinds: list[AbstractDelay | None] = [None, None]
    if protocol.kind == "axonal":
        kinds = [
            SharedDelay(delay(0, 4), protocol.rows, low, high),
            AxonalDelay(delay(1, protocol.hidden), low, high),
        ]
    neuron = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), LIF(1.0, 1.0, v_threshold=2.6, refractory=math.inf))
    links = [
        Connection("input", "hidden", start(0), kinds[0]),
        Connection("hidden", "output", start(1), kinds[1]),
    ]
    populations = {
        "input": Population(sizes[0]),
        "hidden": Population(sizes[1], neuron),
        "output": Population(sizes[2], neuron),
    }
    return Network(populations, links)


@lru_cache(maxsize=4)
def build_data(rows: int) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and test samples as spikes, each coordinate into `rows` neighbouring units."""

    def dataset(samples: Samples) -> Dataset:
        value = np.repeat(samples.feature, rows, axis=1).astype(np.float32)
        return Dataset(latency(value, t_early=0.15, t_late=2.0), samples.label, classes=CLASSES)

    train, validation, test = map(dataset, yin_yang_splits())
    return train, validation, test


def build_recipe(protocol: Protocol, simulator: AbstractSimulator) -> Recipe:
    """How to train on a simulator."""

    steps = math.ceil(5000 / protocol.batch)
    rates = {"weight": protocol.weight_lr, "delay": protocol.delay_lr}
    limit = protocol.silent_limit
    return Recipe(
        simulator,
        t_end=protocol.t_end,
        readout=FirstSpike("output"),
        loss=partial(relative_time_mse, margin=protocol.margin),
        optimiser=by_path({name: adam(cosine(rates[name], protocol.epochs, steps, 0.01)) for name in protocol.learn}),
        epochs=protocol.epochs,
        batch=protocol.batch,
        learn=protocol.learn,
        recovery=SilentRecovery(protocol.recovery, limit={"hidden": limit, "output": limit}),
    )
