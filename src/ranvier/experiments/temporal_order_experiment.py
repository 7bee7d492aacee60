"""Temporal order: which of two inputs fired first? Nothing but delays can learn it.

Two inputs, two leaky integrators, all weights 1. The output that rises highest is the answer: with a delay of `gap`
from each input to the output of its number, and none to the other, both spikes reach the right output at once. Delays
start from the opposite. Source: Mészáros, Knight & Nowotny, Nat. Commun. 16 (2025), s41467-025-65394-8.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ranvier.connections import Connection
from ranvier.datasets.temporal_order import temporal_order_samples
from ranvier.delays import Clip, SynapticDelay
from ranvier.experiments.experiment import AbstractExperiment, Data, check, keys
from ranvier.experiments.methods import METHODS
from ranvier.losses import cross_entropy
from ranvier.network import Network
from ranvier.neurons import LI
from ranvier.populations import Population
from ranvier.readouts import MaxPotential
from ranvier.simulation import simulate
from ranvier.train import Dataset, Recipe, RunFolder, adam, by_path


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalOrder(AbstractExperiment):
    """Every number of a temporal-order run, beside those of `AbstractExperiment`. Times in ms.

    There are two samples, seen once in every epoch, so training data are all data.

    Args:
        gap: From the first input spike to the second.
        delay_high: Largest delay.
        delay_std: Standard deviation of the initial delays around the opposite of the solution; the seed decides it.
        delay_lr: Learning rate of the delays (ms).
        scale: Steepness of the softmax over potentials.
        tau_mem: Membrane time constant.
        tau_syn: Synaptic time constant.
        t_end: End of each simulation.
        record_every: Distance of the times at which potentials are compared.

    Raises:
        ValueError: a number is out of range or of no use to the method, or a name is unknown.

    Example:
        >>> from ranvier.experiments import TemporalOrder
        >>> TemporalOrder(seed=3).network().connections[0].weight.tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    name: ClassVar[str] = "temporal-order"
    classes: ClassVar[tuple[str, ...]] = ("input 0 first", "input 1 first")

    epochs: int = 20
    batch: int = 2
    gap: float = 10.0
    delay_high: float = 15.0
    delay_std: float = 1.0
    delay_lr: float = 1.0
    scale: float = 10.0
    tau_mem: float = 10.0
    tau_syn: float = 5.0
    t_end: float = 60.0
    record_every: float = 0.25

    def __post_init__(self):
        check(self, {}, ("gap", "delay_high", "delay_lr", "scale", "record_every"))

    @property
    def label(self) -> str:
        """`temporal-order`, `temporal-order-surrogate`."""
        return self.name if self.method == "event-driven" else f"{self.name}-{self.method}"

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @classmethod
    def tuned(cls, **changes: Any) -> "TemporalOrder":
        """With the changes, and nothing else: all methods do with the same numbers."""
        return cls(**changes)

    def data(self) -> Data:
        """The two samples, three times."""
        spikes, label = temporal_order_samples(self.gap)
        spikes = dataclasses.replace(spikes, time=spikes.time.astype(self.dtype))
        return Data(*[Dataset(spikes, np.array(label), classes=2)] * 3)

    def network(self) -> Network:
        """Two inputs onto two leaky integrators, delayed the wrong way round."""
        wrong = self.gap * (1.0 - jnp.eye(2, dtype=self.dtype))
        noise = self.delay_std * jax.random.normal(keys(self)[0], (2, 2), self.dtype)
        start = jnp.clip(wrong + noise, 0.0, self.delay_high)
        delay = SynapticDelay(start, 0.0, self.delay_high, Clip())
        neuron = jax.tree.map(lambda leaf: leaf.astype(self.dtype), LI(self.tau_mem, self.tau_syn))
        link = Connection("input", "output", jnp.ones((2, 2), self.dtype), delay)
        return Network({"input": Population(2), "output": Population(2, neuron)}, [link])

    @property
    def times(self) -> Float[np.ndarray, " times"]:
        """Times (ms) at which potentials are compared."""
        return np.arange(self.record_every, self.t_end, self.record_every).astype(self.dtype)

    def make_recipe(self, samples: int, threads: int | None) -> Recipe:
        """The output that rises highest is the answer; delays learn."""
        del samples

        return Recipe(
            METHODS[self.method](self, 2, threads),
            t_end=self.t_end,
            readout=MaxPotential("output", self.times),
            loss=partial(cross_entropy, scale=self.scale),
            optimiser=by_path({"delay": adam(self.delay_lr)}),
            epochs=self.epochs,
            batch=self.batch,
            learn=("delay",),
            patience=self.patience,
        )

    def draw(self, folder: RunFolder, network: Network) -> Path:
        """Learning curves, and the potentials before and after."""
        from ranvier.plots.report import save
        from ranvier.plots.traces import draw_order  # draws with matplotlib, which is slow to import

        spikes, simulator = self.data().test.spikes, self.recipe(samples=2).simulator
        before, after = (
            np.asarray(
                simulate(net, spikes, simulator, t_end=self.t_end, record={"output": self.times}).voltages["output"]
            )
            for net in (self.network(), network)
        )
        return save(draw_order(folder.epochs(), folder.result(), self.times, before, after), folder.path)
