"""Networks of the tests, from inputs, models and sizes by name."""

from collections.abc import Mapping, Sequence

import numpy as np

import ranvier as rv
from ranvier.dense import dense
from ranvier.neurons import AbstractNeuron


def network(
    inputs: Mapping[str, int],
    neurons: Mapping[str, AbstractNeuron],
    sizes: Mapping[str, int],
    connections: Sequence[rv.Connection],
) -> rv.Network:
    """Inputs of these sizes, and neurons of these models and sizes; a second connection of a name is numbered."""
    names = [link.name for link in connections]
    connections = [
        rv.Connection(link.pre, link.post, link.weight, link.delay, link.pattern, name=f"{link.name} ({before + 1})")
        if (before := names[:place].count(link.name))
        else link
        for place, link in enumerate(connections)
    ]
    populations = {name: rv.Population(size) for name, size in inputs.items()}
    return rv.Network(populations | {name: rv.Population(sizes[name], neurons[name]) for name in neurons}, connections)


def input_sizes(net: rv.Network) -> dict[str, int]:
    """Size of every input."""
    return {name: net.size(name) for name in net.inputs}


def neuron_sizes(net: rv.Network) -> dict[str, int]:
    """Size of every population of neurons."""
    return {name: net.size(name) for name in net.neurons}


def synapses(net: rv.Network, link: rv.Connection) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Sender, receiver, weight and delay (ms) of every synapse of a connection."""
    pre, post = net.size(link.pre), net.size(link.post)
    matrix = next(one for one in dense(net) if one.name == link.name)
    sender, receiver = np.nonzero(np.ones((pre, post), bool) if matrix.exists is None else np.asarray(matrix.exists))
    delay = np.broadcast_to(np.asarray(matrix.delay), (pre, post))
    return sender, receiver, np.asarray(matrix.weight)[sender, receiver], delay[sender, receiver]
