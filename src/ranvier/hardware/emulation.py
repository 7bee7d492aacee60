"""`emulate`: what a network becomes on one chip, apart from noise."""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, DTypeLike, Float, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.delays import FixedDelay
from ranvier.dense import dense
from ranvier.hardware.brainscales import BrainScaleS2
from ranvier.hardware.placement import has_elements
from ranvier.hardware.settings import time_scale, written
from ranvier.network import Network
from ranvier.neurons import LIF, linear
from ranvier.populations import Population

LEAST = 0.1
"""Smallest share of its nominal value that a circuit's parameter may have."""


def emulate(network: Network, chip: BrainScaleS2) -> Network:
    """The network that a chip is: settings rounded, and everything a circuit has of its own.

    Weights are rounded, saturated, and multiplied by the gains of neuron and synapse; thresholds, time constants and
    delays are those of the chip's circuits. Every simulator can run the result. Derivatives are those of the network
    on that chip, straight through the rounding; noise is not part of it (see `EmulatedChip`).

    Args:
        network: As for `written`.
        chip: The chip. The same `chip_seed` has the same circuits.

    Returns:
        A network of the same shape.

    Raises:
        ValueError: the network does not fit on the chip.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, emulate
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> net = rv.feedforward([20, 30, 3], neuron=neuron, key=jax.random.key(0))
        >>> emulate(net, BrainScaleS2(chip_seed=1)).neurons["hidden"].v_threshold.shape
        (30,)
    """
    settings = written(network, chip)
    key = jax.random.key(chip.chip_seed)
    neurons = {name: _neuron(settings, name, chip, _fold(key, name)) for name in settings.neurons}
    ratio = time_scale(network, chip)
    links = []
    for place, (link, matrix) in enumerate(zip(settings.connections, dense(settings), strict=True)):
        shape, dtype = matrix.weight.shape, matrix.weight.dtype
        gain = _spread(_fold(key, f"gain of {link.post}"), chip.gain_spread, (1, shape[1]), dtype)
        own = jax.random.fold_in(_fold(key, f"synapses of {link.name}"), place)
        synapse = _spread(own, chip.synapse_spread, shape, dtype)
        delay = matrix.delay
        if has_elements(network.connections[place]) and chip.delay_offset > 0:
            own = jax.random.fold_in(_fold(key, f"elements of {link.name}"), place)
            noise = jax.random.normal(own, (shape[0], 1), delay.dtype)
            delay = jnp.maximum(delay + ratio * chip.delay_offset * noise, 0.0)
        values = link.pattern.take(matrix.weight * gain * synapse)
        links.append(Connection(link.pre, link.post, values, FixedDelay(delay), link.pattern, name=link.name))
    cells = {name: Population(one.size, neurons.get(name)) for name, one in network.populations.items()}
    return Network(cells, links)


def _neuron(network: Network, name: str, chip: BrainScaleS2, key: PRNGKeyArray) -> LIF:
    """The neurons of a population as circuits."""
    ideal, size = linear(network.neurons[name], "BrainScaleS2", "Use LIF."), (network.size(name),)
    keys = jax.random.split(key, 3)
    dtype = ideal.tau_mem.dtype
    threshold = chip.threshold_shift + _spread(keys[0], chip.threshold_spread, size, dtype)
    return LIF(
        ideal.tau_mem * _spread(keys[1], chip.tau_mem_spread, size, dtype),
        ideal.tau_syn * _spread(keys[2], chip.tau_syn_spread, size, dtype),
        v_threshold=ideal.v_leak + (ideal.v_threshold - ideal.v_leak) * threshold,
        v_reset=ideal.v_reset,
        v_leak=ideal.v_leak,
        bias=ideal.bias,
        refractory=ideal.refractory,
    )


def _spread(key: PRNGKeyArray, std: float, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*#shape"]:
    """Factors around 1, one alone where all are the same, so that what is equal stays recognisably so."""
    if std == 0:
        return jnp.ones((), dtype)
    return jnp.maximum(1.0 + std * jax.random.normal(key, shape, dtype), LEAST)


def _fold(key: PRNGKeyArray, name: str) -> PRNGKeyArray:
    return jax.random.fold_in(key, zlib.crc32(name.encode()))
