"""What every peer is given: a recurrent layer, its weights and delays, and its input."""

import dataclasses
import importlib.util
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from ranvier.builders import recurrent
from ranvier.delays import fixed, synaptic
from ranvier.initializers import normal
from ranvier.network import Network
from ranvier.neurons import LI, LIF

CLASSES = 20
TAU_MEM, TAU_SYN = 20.0, 5.0
"""Time constants (ms); the threshold is 1, the reset 0."""
TAIL = 50.0
"""How long a simulation goes on after the last input (ms)."""


@dataclasses.dataclass(frozen=True)
class Load:
    """How large a problem is.

    Args:
        longest: Longest delay of a synapse (ms); the shortest is 1 ms.
        duration: How long the input lasts (ms).
        hidden: Neurons of the recurrent layer.
        spikes: Input spikes of a sample, per second.
        batch: Samples.
        threads: Cores.
        inputs: Input units.
    """

    longest: float = 250.0
    duration: float = 1000.0
    hidden: int = 128
    spikes: int = 2500
    batch: int = 16
    threads: int = 2
    inputs: int = 140


class Outcome(NamedTuple):
    """What one run tells: the value, the largest derivative by a weight, and spikes of a neuron in a sample."""

    value: float
    steepest: float
    spikes: float


@dataclasses.dataclass(frozen=True)
class Peer:
    """A way to take value and gradient of the same network.

    Args:
        name: What the rows call it.
        package: What has to be installed, as it is imported.
        delays: What it does with delays: learned, fixed, none.
        words: What it computes.
        prepare: From a load, a function that takes value and gradient once, and waits for them.
    """

    name: str
    package: str
    delays: str
    words: str
    prepare: Callable[[Load], Callable[[], Outcome]]

    @property
    def installed(self) -> bool:
        """Whether its package is there."""
        return importlib.util.find_spec(self.package) is not None


def network(load: Load) -> Network:
    """Inputs, a recurrent layer with a delay for each synapse, and leaky integrators, in float32.

    Args:
        load: The problem.
    """
    drive = 1.0 / (load.spikes / 1000.0 * TAU_SYN)  # at this weight the mean potential is at the threshold
    return recurrent(
        [load.inputs, load.hidden, CLASSES],
        neuron=LIF(TAU_MEM, TAU_SYN),
        readout=LI(TAU_MEM, TAU_SYN),
        delay=[synaptic(1.0, load.longest), synaptic(1.0, load.longest), fixed(0.0)],
        weight=[normal(0.9 * drive, 0.9 * drive), normal(0.0, 0.02), normal(0.0, 0.06)],
        dtype="float32",
        key=jax.random.key(0),
    )


def weights(load: Load) -> tuple[Float[np.ndarray, "inputs hidden"], Float[np.ndarray, "hidden hidden"],
                                 Float[np.ndarray, "hidden classes"]]:  # fmt: skip
    """Weights from the inputs, of the layer to itself, and to the outputs.

    Args:
        load: The problem.
    """
    first, own, last = (np.asarray(link.weight) for link in network(load).connections)
    return first, own, last


def delays(load: Load) -> tuple[Float[np.ndarray, "inputs hidden"], Float[np.ndarray, "hidden hidden"]]:
    """Delays (ms) from the inputs, and of the layer to itself.

    Args:
        load: The problem.
    """
    net = network(load)
    first, own = (np.asarray(net.delay(link)) for link in net.connections[:2])
    return first, own


def inputs(load: Load) -> tuple[Float[np.ndarray, "batch spikes"], Int[np.ndarray, "batch spikes"]]:
    """Times (ms) in order, and units, uniformly at random.

    Args:
        load: The problem.
    """
    rng, count = np.random.default_rng(1), max(1, round(load.spikes * load.duration / 1000.0))
    times = np.sort(rng.uniform(0, load.duration, (load.batch, count)), axis=1).astype(np.float32)
    return times, rng.integers(0, load.inputs, times.shape, np.int32)


def binned(load: Load) -> Float[np.ndarray, "steps batch inputs"]:
    """The same input in steps of 1 ms, the tail included.

    Args:
        load: The problem.
    """
    times, units = inputs(load)
    dense = np.zeros((round(load.duration + TAIL), load.batch, load.inputs), np.float32)
    np.add.at(dense, (times.astype(int), np.arange(load.batch)[:, None], units), 1.0)
    return dense


def labels(load: Load) -> Int[np.ndarray, " batch"]:
    """A class for each sample.

    Args:
        load: The problem.
    """
    return np.arange(load.batch) % CLASSES
