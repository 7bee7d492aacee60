"""Whether there is memory for a simulation, asked before it starts."""

import math

import jax.numpy as jnp

from ranvier._memory import refuse_beyond
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation.validity import Records, times_of


def refuse_without_room(
    owner: str,
    network: Network,
    spikes: dict[str, Spikes],
    record: Records,
    *,
    max_spikes: int,
    steps: int = 0,
    matrices: bool = False,
) -> None:
    """Refuse a simulation whose result, or what it surely keeps on the way, does not fit into memory.

    Args:
        owner: The simulator, for the message.
        network: The network.
        spikes: Input spikes, with a batch axis.
        record: Record times by population.
        max_spikes: Spikes that are kept of each neuron.
        steps: Steps of which input and spikes are kept as a grid.
        matrices: Whether connections become matrices, pairs too.

    Raises:
        ValueError: there is not enough.
    """
    each, batch = jnp.dtype(network.dtype).itemsize, next(iter(spikes.values())).time.shape[0]
    spiking = [network.size(name) for name, neuron in network.neurons.items() if neuron.spiking]
    inputs = [network.size(name) for name in network.inputs]
    links = [
        (network.size(link.pre) * network.size(link.post), math.prod(link.weight.shape)) for link in network.connections
    ]
    times = [at.shape[-1] * network.size(name) for name, at in times_of(record).items()]
    needs = {
        "places for spikes": batch * max_spikes * sum(spiking) * (each + 4),
        "recorded potentials": batch * sum(times) * each,
        "spikes on a grid of steps": batch * steps * (2 * sum(spiking) + sum(inputs)) * each,
        "matrices of sparse connections": sum(2 * each * full for full, some in links if matrices and some < full),
    }
    means = {
        "a smaller batch": batch > 1,
        "a smaller `max_spikes`": needs["places for spikes"] > 0,
        "fewer record times": needs["recorded potentials"] > 0,
        "a longer step `dt`": steps > 0,
        "EventDriven(), which keeps sparse connections sparse": needs["matrices of sparse connections"] > 0,
    }
    refuse_beyond(owner, needs, f"Take {' or '.join(words for words, helps in means.items() if helps)}.")
