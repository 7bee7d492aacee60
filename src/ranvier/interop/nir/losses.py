"""What of a network NIR cannot say: the report, before anything is written."""

import json
from typing import NamedTuple

import jax
import numpy as np

from ranvier._concrete import concrete
from ranvier.interop.nir.lowering import lower, synapses
from ranvier.network import Network
from ranvier.neurons import LI, LIF

MAX_LINES = 4096


class Loss(NamedTuple):
    """One thing that NIR cannot say.

    Args:
        place: The population or connection.
        what: What is lost, and what that changes.
        changes: Whether spikes or potentials may change. If not, only what learns, or where neurons stand, is lost.
        possible: Whether a graph can be made without it.
    """

    place: str
    what: str
    changes: bool
    possible: bool


def losses(network: Network, *, max_lines: int = MAX_LINES) -> tuple[Loss, ...]:
    """What of a network NIR cannot say, item by item.

    Args:
        network: The network, of known values.
        max_lines: Most lines that a connection with a delay per synapse may have, one for each synapse.

    Returns:
        The items; none with `changes` where the graph simulates the same.

    Raises:
        ValueError: the network is traced.

    Example:
        >>> import jax, ranvier as rv
        >>> neuron = rv.LIF(refractory=2.0)
        >>> net = rv.feedforward([2, 3], neuron=neuron, delay=rv.axonal(0.0, 5.0), key=jax.random.key(0))
        >>> [(loss.place, loss.changes) for loss in rv.interop.nir.losses(net)]
        [('output', True), ('input->output', False)]
    """
    if any(concrete(leaf) is None for leaf in jax.tree.leaves(network)):
        msg = "nir: the network must have known values; it is traced. Call this outside of jit, grad and vmap."
        raise ValueError(msg)
    found = []
    for name, population in network.populations.items():
        neuron = population.neuron
        if neuron is not None and not isinstance(neuron, LIF | LI):
            found.append(Loss(name, f"its neurons are {type(neuron).__name__}; NIR knows LIF and LI", True, False))
        if isinstance(neuron, LIF) and np.any(np.asarray(neuron.refractory) > 0):
            longest = float(np.max(np.asarray(neuron.refractory)))
            what = f"its refractory time, up to {longest:g} ms; without it spikes may follow each other faster"
            found.append(Loss(name, what, True, True))
        if isinstance(neuron, LIF | LI) and np.any(np.asarray(neuron.bias) != 0):
            what = (
                "where it starts: NIR has no bias, so it goes into v_leak, and potentials start at v_leak without it; "
                "first spikes may come sooner or later"
            )
            found.append(Loss(name, what, True, True))
        if population.position is not None:
            found.append(Loss(name, "its positions", False, True))
    for link in network.connections:
        lowered = lower(*synapses(network, link), max_lines)
        if lowered.lines > max_lines:
            what = (
                f"a delay for each of its {lowered.lines} synapses, more than `max_lines` = {max_lines} lines; with "
                f"the mean delay of each sender, delays change by up to {lowered.error:.4g} ms"
            )
            found.append(Loss(link.name, what, True, True))
        if link.delay.learns:
            kind = f"{type(link.delay).__name__} [{link.delay.low:g}, {link.delay.high:g}] ms"
            found.append(Loss(link.name, f"that its delays learn, and between which bounds: {kind}", False, True))
    return tuple(found)


def facts(network: Network, unit: float, dt: float | None, report: tuple[Loss, ...]) -> str:
    """What ranvier writes into the metadata of a graph, as JSON: units, the order of names, what was lost.

    Args:
        network: The network.
        unit: Unit of time (ms).
        dt: The step (ms) for which a spike stands, or None for an impulse.
        report: What was lost.
    """
    names = [*network.names, *(link.name for link in network.connections)]
    lost = [f"{loss.place}: {loss.what}" for loss in report]
    return json.dumps({"unit_ms": unit, "dt_ms": dt, "names": names, "lost": lost})
