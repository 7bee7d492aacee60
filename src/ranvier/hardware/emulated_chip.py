"""`EmulatedChip`: a chip that is not there. Population by population, with noise on the spikes between."""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier.closed_form import FirstSpike
from ranvier.closed_form.sorting import in_order
from ranvier.connections import Connection
from ranvier.dense import dense
from ranvier.events import first_spike
from ranvier.graph import running_order
from ranvier.hardware.brainscales import BrainScaleS2
from ranvier.hardware.emulation import emulate
from ranvier.hardware.placement import has_elements
from ranvier.hardware.settings import time_scale, written
from ranvier.hardware.substrate import AbstractSubstrate, Measured
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.populations import Population


class EmulatedChip(AbstractSubstrate):
    """An emulated BrainScaleS-2, frozen pattern and noise, as a substrate for learning in the loop.

    The network becomes that of the chip (`emulate`). For each batch the thresholds are drawn anew around their own
    value. A spike may get lost; it reaches receivers after the chip's latency, and before that its delay element, which
    has a jitter. What is read is rounded down to a time stamp. From what arrives, first spikes follow exactly
    (`FirstSpike`).

    Args:
        chip: The chip.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> net = rv.feedforward([6, 3], neuron=neuron, weight=rv.initializers.constant(0.8), key=jax.random.key(0))
        >>> chip = EmulatedChip(BrainScaleS2(chip_seed=1))
        >>> measured = chip.measure(net, {"input": jnp.ones((5, 6))}, 60.0, key=jax.random.key(2))
        >>> measured.first["output"].shape
        (5, 3)
    """

    chip: BrainScaleS2

    def written(self, network: Network) -> Network:
        """Weights and delays as the chip has them, everything else ideal."""
        return written(network, self.chip)

    def measure(
        self, network: Network, inputs: dict[str, Float[Array, "batch _"]], t_end: float, *, key: PRNGKeyArray
    ) -> Measured:
        """Run a batch; `key` decides all noise."""
        chip, circuits = self.chip, emulate(network, self.chip)
        scale, links = time_scale(network, chip), dense(circuits)
        stamp = lambda time: _stamped(time, scale * chip.timestamp) if chip.timestamp > 0 else time
        sent, read, arrival = dict(inputs), dict(inputs), {}
        for name in running_order(network, jnp.inf):
            keys = jax.random.split(jax.random.fold_in(key, len(sent)), 4)
            due = []
            for at, link in enumerate(links):
                if link.post != name:
                    continue
                time, arrival[at] = sent[link.pre], read[link.pre]
                if has_elements(network.connections[at]):
                    noise = _normal(jax.random.fold_in(keys[0], at), time, chip.delay_jitter)
                    time = time + link.delay[None, :, 0] + scale * noise
                    arrival[at] = stamp(time)
                due.append((time + scale * chip.latency if link.pre in network.neurons else time, link.weight))
            spikes = _first_spikes(circuits, name, due, t_end, chip.threshold_noise, keys[1])
            spikes = jnp.maximum(spikes + scale * _normal(keys[2], spikes, chip.spike_jitter), 0.0)
            if chip.spike_loss > 0:
                spikes = jnp.where(jax.random.bernoulli(keys[3], chip.spike_loss, spikes.shape), jnp.inf, spikes)
            sent[name], read[name] = spikes, stamp(spikes)
        first = {name: read[name] for name in network.neurons}
        return Measured(first, tuple(arrival[at] for at in range(len(network.connections))))


class AnyChip(AbstractSubstrate):
    """Another emulated chip for every batch: learning sees no pattern for long, and has to do without.

    Args:
        chip: What the chips have in common; its `chip_seed` is not used.

    Example:
        >>> from ranvier.hardware import AnyChip, BrainScaleS2, InTheLoop
        >>> simulator = InTheLoop(AnyChip(BrainScaleS2()))
    """

    chip: BrainScaleS2

    def written(self, network: Network) -> Network:
        """Weights and delays as the chips have them, everything else ideal."""
        return written(network, self.chip)

    def measure(
        self, network: Network, inputs: dict[str, Float[Array, "batch _"]], t_end: float, *, key: PRNGKeyArray
    ) -> Measured:
        """Run a batch on a chip that `key` decides."""
        which, noise = jax.random.split(key)
        chip = dataclasses.replace(self.chip, chip_seed=jax.random.randint(which, (), 0, jnp.iinfo(jnp.int32).max))
        return EmulatedChip(chip).measure(network, inputs, t_end, key=noise)


def _first_spikes(
    circuits: Network,
    name: str,
    due: Sequence[tuple[Float[Array, "batch _"], Float[Array, "_ size"]]],
    t_end: float,
    noise: float,
    key: PRNGKeyArray,
) -> Float[Array, "batch size"]:
    """First spikes of a population, from when spikes arrive and with which weights."""
    neuron, size = linear(circuits.neurons[name], "BrainScaleS2", "Use LIF."), circuits.size(name)
    theta = jnp.broadcast_to(neuron.v_threshold - neuron.v_leak, (size,))
    theta = theta * (1.0 + _normal(key, theta, noise))
    noisy = eqx.tree_at(lambda cell: cell.v_threshold, neuron, neuron.v_leak + theta)
    link = Connection("arrivals", name, jnp.concatenate([weight for _, weight in due]))
    alone = Network({"arrivals": Population(link.weight.shape[0]), name: Population(size, noisy)}, [link])
    arrivals = in_order(jnp.concatenate([time for time, _ in due], axis=1))
    return first_spike(FirstSpike().run(alone, {"arrivals": arrivals}, t_end, {}).spikes[name])


def _stamped(time: Float[Array, "*shape"], step: Float[Array, ""]) -> Float[Array, "*shape"]:
    """Times rounded down to the grid of the time stamps."""
    return jnp.floor(time / step) * step


def _normal(key: PRNGKeyArray, like: Float[Array, "*shape"], std: float) -> Float[Array, "*shape"]:
    """Gaussian noise, 0 where there is none."""
    return std * jax.random.normal(key, like.shape, like.dtype) if std > 0 else jnp.zeros_like(like)
