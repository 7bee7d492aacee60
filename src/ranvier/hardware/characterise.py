"""How delay elements behave, measured as on the chip: each element, at each setting, several times."""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.delays import AxonalDelay, Clip
from ranvier.hardware.substrate import AbstractSubstrate
from ranvier.network import Network
from ranvier.neurons import LIF
from ranvier.populations import Population

SLACK = 1e-6
"""Room between the bounds (us) where only one delay is asked for."""


@dataclasses.dataclass(frozen=True, eq=False)
class DelayTable:
    """Measured delays.

    Args:
        setting: Delays that were asked for (us), shape (settings,).
        delay: Delays that were measured (us), shape (elements, settings, trials).
    """

    setting: Float[np.ndarray, " settings"]
    delay: Float[np.ndarray, "elements settings trials"]

    @property
    def deviation(self) -> Float[np.ndarray, "elements settings"]:
        """Mean over trials of the difference to the setting (us)."""
        return self.delay.mean(axis=2) - self.setting

    @property
    def jitter(self) -> Float[np.ndarray, "elements settings"]:
        """Standard deviation over trials (us)."""
        return self.delay.std(axis=2, ddof=1)

    def summary(self) -> dict[str, float | int]:
        """Spread over elements, largest deviation, and reproducibility over trials, in us."""
        return {
            "elements": self.delay.shape[0],
            "trials": self.delay.shape[2],
            "spread_us": float(self.deviation.mean(axis=1).std(ddof=1)),
            "largest_deviation_us": float(np.abs(self.deviation).max()),
            "jitter_us": float(np.median(self.jitter)),
        }


def measure_delays(
    substrate: AbstractSubstrate,
    setting: Sequence[float] | Float[np.ndarray, " settings"],
    *,
    tau: float = 6.0,
    elements: int = 128,
    trials: int = 50,
    key: PRNGKeyArray,
) -> DelayTable:
    """Send a spike through each delay element at each setting, and read when it comes out.

    Args:
        substrate: What has the elements.
        setting: Delays to ask for (us).
        tau: The substrate's time constant (us), so that a ms of the network is a us of the chip.
        elements: Number of elements, from the first.
        trials: Repeats.
        key: Random key.

    Returns:
        What came out.

    Example:
        >>> import jax
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip, measure_delays
        >>> chip = EmulatedChip(BrainScaleS2(chip_seed=1))
        >>> measure_delays(chip, [10.0, 20.0], elements=4, trials=3, key=jax.random.key(0)).delay.shape
        (4, 2, 3)
    """
    asked = np.asarray(setting, float)
    neuron = LIF(tau, tau, refractory=math.inf)
    inputs = {"input": jnp.zeros((trials, elements), neuron.tau_mem.dtype)}
    weight = jnp.zeros((elements, 1), neuron.tau_mem.dtype)

    @jax.jit
    def run(delay: Float[jax.Array, ""], key: PRNGKeyArray) -> Float[jax.Array, "trials elements"]:
        delays = AxonalDelay(jnp.broadcast_to(delay, (elements, 1)), asked.min(), asked.max() + SLACK, Clip())
        link = Connection("input", "output", weight, delays)
        network = Network({"input": Population(elements), "output": Population(1, neuron)}, [link])
        return substrate.measure(network, inputs, 100.0 * tau, key=key).arrival[0]

    keys = jax.random.split(key, len(asked))
    found = [np.asarray(run(jnp.asarray(one, weight.dtype), each)).T for one, each in zip(asked, keys, strict=True)]
    return DelayTable(asked, np.stack(found, axis=1))
