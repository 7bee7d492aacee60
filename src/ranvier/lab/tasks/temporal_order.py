"""Temporal order: which of two inputs fired first? Nothing but delays can learn it.

Two inputs, two leaky integrators, all weights 1. The output that rises highest is the answer: with a delay of `gap`
from each input to the output of its number, and none to the other, both spikes reach the right output at once. Delays
start from the opposite. Source: Mészáros, Knight & Nowotny, Nat. Commun. 16 (2025), s41467-025-65394-8.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.datasets import Samples, Splits
from ranvier.datasets.spike_files import Rows
from ranvier.delays import Clip, SynapticDelay
from ranvier.events import Spikes
from ranvier.lab.composition import Experiment, Preset
from ranvier.lab.parts import AbstractModel, AbstractTask, Picture
from ranvier.lab.ranges import Finite, NotNegative, Positive
from ranvier.lab.readouts import Potential
from ranvier.lab.training import Constant, NoRecovery, Training
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.populations import Population
from ranvier.simulation import simulate


def draw(run: Any) -> Any:
    """The report: learning curves, and the potentials of both samples before and after training.

    Args:
        run: A `ranvier.plots.report.Run`.
    """
    from ranvier.plots.traces import draw_order  # draws with matplotlib, which is slow to import

    spikes, record = run.encode(run.points), {"output": np.arange(0.25, run.t_end, 0.25)}
    traces = [
        np.asarray(simulate(network, spikes, run.simulator, t_end=run.t_end, record=record).voltages["output"])
        for network in (run.initial, run.network)
    ]
    return draw_order(run.history, run.result, record["output"], *traces)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TemporalOrder(AbstractTask):
    """Two samples, the same for training, validation and test.

    Args:
        gap: Time from the first input spike to the second (ms).
        t_end: End of each simulation (ms).

    Example:
        >>> from ranvier.lab.tasks.temporal_order import TemporalOrder
        >>> TemporalOrder(gap=5.0).splits().train.feature.tolist()
        [[0.0, 5.0], [5.0, 0.0]]
    """

    classes: ClassVar[tuple[str, ...]] = ("input 0 first", "input 1 first")
    inputs: ClassVar[int] = 2
    picture: ClassVar[Picture] = Picture(page=draw)
    t_end: Positive = 60.0
    gap: Positive = 10.0

    def splits(self) -> Splits:
        """The two samples, three times: the spike time of each input, and the input that is first."""
        samples = Samples(self.gap * (1.0 - np.eye(2)), np.array([0, 1]))
        return Splits(samples, samples, samples)

    def encode(self, feature: Float[np.ndarray, "samples 2"]) -> Spikes:
        """One spike of each input at its time."""
        order = np.argsort(feature, axis=1)
        return Spikes(np.take_along_axis(feature, order, axis=1), order, size=2)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TwoByTwo(AbstractModel):
    """Two inputs onto two outputs, with delays that are wrong before training.

    Args:
        weight: All weights, in units of the threshold.
        wrong: Initial delay (ms) of each input to the output of the other number; that to its own is 0.
        delay_std: Standard deviation (ms) of noise on the initial delays.
        delay_high: Largest delay (ms).
        delay_lr: Learning rate of the delays (ms).
        tau_mem: Membrane time constant (ms).
        tau_syn: Synaptic time constant (ms).
    """

    max_spikes: ClassVar[int] = 1
    weight: Finite = 1.0
    wrong: NotNegative = 10.0
    delay_std: NotNegative = 1.0
    delay_high: Positive = 15.0
    delay_lr: Positive = 1.0
    tau_mem: Positive = 10.0
    tau_syn: Positive = 5.0

    @property
    def rates(self) -> Mapping[str, float]:
        """That of the delays."""
        return {"delay": self.delay_lr}

    def network(
        self, inputs: int, classes: int, *, spiking: bool, dtype: str, key: PRNGKeyArray, some: Rows | None = None
    ) -> Network:
        """Two inputs onto two outputs, delayed the wrong way round."""
        del some
        wrong = self.wrong * (1.0 - jnp.eye(inputs, classes, dtype=dtype))
        noise = self.delay_std * jax.random.normal(key, (inputs, classes), dtype)
        start = jnp.clip(wrong + noise, 0.0, self.delay_high)
        delay = SynapticDelay(start, 0.0, self.delay_high, Clip())
        model = LIF(self.tau_mem, self.tau_syn) if spiking else LI(self.tau_mem, self.tau_syn)
        neuron = jax.tree.map(lambda leaf: leaf.astype(dtype), model)
        link = Connection("input", "output", jnp.full((inputs, classes), self.weight, dtype), delay)
        return Network({"input": Population(inputs), "output": Population(classes, neuron)}, [link])


PRESET = Preset(
    Experiment(
        task=TemporalOrder(),
        model=TwoByTwo(),
        readout=Potential(scale=10.0),
        training=Training(epochs=20, batch=2, schedule=Constant(), recovery=NoRecovery()),
    )
)
