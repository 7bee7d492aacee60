"""Whether a network fits on a chip, and what it takes."""

from typing import NamedTuple

import numpy as np

from ranvier._concrete import concrete
from ranvier.connections import Connection
from ranvier.delays import Per
from ranvier.dense import Link, dense
from ranvier.graph import cycle_limit
from ranvier.hardware.brainscales import BrainScaleS2
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron, linear


class Resources(NamedTuple):
    """What a network takes of a chip.

    Args:
        circuits: Neuron circuits: one per neuron, two per delay element.
        delay_elements: One per sender of a connection with delays.
        rows: Rows of synapses on the fullest half.
    """

    circuits: int
    delay_elements: int
    rows: int


def has_elements(link: Connection | Link) -> bool:
    """Whether a connection needs delay elements: all but those whose delays are fixed at 0."""
    return (link.high if isinstance(link, Link) else link.delay.high) > 0


def check_fits(network: Network, chip: BrainScaleS2) -> Resources:
    """Refuse a network that a chip cannot hold, and count what others take.

    With delay elements one half of the chip is theirs and all neurons share the other; without, a hidden and an output
    layer have a half each. A population is not spread over both.

    Args:
        network: The network.
        chip: The chip.

    Raises:
        ValueError: it does not fit; the message has the numbers.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.hardware import BrainScaleS2, check_fits
        >>> neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
        >>> kind = rv.axonal(12.0, 21.0)
        >>> check_fits(rv.feedforward([20, 30, 3], neuron=neuron, delay=kind, key=jax.random.key(0)), BrainScaleS2())
        Resources(circuits=133, delay_elements=50, rows=100)
    """
    _check_neurons(network)
    _check_graph(network)
    _check_delays(network, chip)
    elements = sum(network.size(link.pre) for link in network.connections if has_elements(link))
    sizes = {name: network.size(name) for name in network.neurons}
    inward = {
        name: sum(2 * network.size(link.pre) for link in network.connections if link.post == name) for name in sizes
    }
    halves = [list(sizes)] if elements else [[name] for name in sizes]
    fullest = max(sum(inward[name] for name in half) for half in halves)
    largest = max(sum(sizes[name] for name in half) for half in halves)
    circuits = sum(sizes.values()) + 2 * elements
    shared = f"the neurons of {', '.join(sizes)} on the half beside the delay elements" if elements else "a population"
    limits = [
        (elements, chip.delay_elements, "delay elements", "one for each sender of a connection with delays"),
        (2 * elements, chip.circuits // 2, "circuits for delay elements", "two for each element, on one half"),
        (largest, chip.circuits // 2, "neuron circuits on one half", shared),
        (circuits, chip.circuits, "neuron circuits", "one per neuron, two per delay element"),
        (fullest, chip.rows, "rows of synapses on one half", "two for each sender, for the two signs"),
        (elements, chip.rows, "rows of synapses on the half of the delay elements", "one for each element"),
    ]
    for needed, there, what, why in limits:
        if needed > there:
            msg = f"BrainScaleS2: the network needs {needed} {what} ({why}), but the chip has {there}. Make it smaller."
            raise ValueError(msg)
    return Resources(circuits, elements, max(fullest, elements))


def _check_neurons(network: Network) -> None:
    """LIF neurons with one time constant for all, one spike each, and no bias."""
    taus = set()
    for name, neuron in network.neurons.items():
        cell = linear(neuron, f"BrainScaleS2: population {name!r}", "Use LIF.")
        if not cell.spiking:
            msg = f"BrainScaleS2: population {name!r} never spikes, and only spikes are read. Use LIF as readout."
            raise ValueError(msg)
        refractory = concrete(cell.refractory)
        if refractory is not None and np.any((refractory >= 0) & (refractory < np.inf)):
            msg = (
                f"BrainScaleS2: population {name!r} may spike again after {refractory} ms, and only first spikes "
                "are emulated. Give it LIF(refractory=jnp.inf)."
            )
            raise ValueError(msg)
        bias = concrete(cell.bias)
        if bias is not None and np.any(bias != 0):
            msg = (
                f"BrainScaleS2: the neurons of {name!r} have a bias of up to {np.abs(bias).max():g}, and this chip is "
                "driven by spikes alone. Give them bias=0.0, or let an input unit stand for it."
            )
            raise ValueError(msg)
        taus |= _taus(cell)
    if len(taus) > 1:
        msg = (
            "BrainScaleS2: tau_mem and tau_syn must be one number for all neurons, which stands for the chip's; "
            f"got {', '.join(f'{tau:g}' for tau in sorted(taus))} ms. How they differ is the chip's frozen pattern."
        )
        raise ValueError(msg)


def _taus(neuron: AbstractLinearNeuron) -> set[float]:
    known = [concrete(tau) for tau in (neuron.tau_mem, neuron.tau_syn)]
    return {float(value) for tau in known if tau is not None for value in np.ravel(tau) if 0 < value < np.inf}


def _check_graph(network: Network) -> None:
    """One hidden layer at most."""
    _, cycle = cycle_limit(network)
    senders = {link.pre for link in network.connections} & set(network.neurons)
    if cycle or len(network.neurons) > 2 or len(senders) > 1:
        way = f"a cycle through {', '.join(cycle)}" if cycle else f"the populations {', '.join(network.neurons)}"
        msg = f"BrainScaleS2: one hidden layer and an output are all that fits; got {way}. Use fewer layers."
        raise ValueError(msg)


def _check_delays(network: Network, chip: BrainScaleS2) -> None:
    """Axonal delays inside the range of the delay elements."""
    tau = concrete(linear(next(iter(network.neurons.values())), "BrainScaleS2", "Use LIF.").tau_mem)
    kinds = {link.name: link.delay for link in network.connections}
    for link in filter(has_elements, dense(network)):
        if "position" in kinds[link.name].learns:
            msg = (
                f"BrainScaleS2: the delays of {link.name} follow from positions ({type(kinds[link.name]).__name__}), "
                "and a delay element delays a sender's spike for all receivers alike. Use rv.axonal(...)."
            )
            raise ValueError(msg)
        if link.per not in (Per.SENDER, Per.COMMON):
            msg = (
                f"BrainScaleS2: {link.name} has one delay per {link.per.value}; a delay element delays a sender's "
                "spike for all receivers. Use rv.axonal(...)."
            )
            raise ValueError(msg)
        if tau is None:
            continue
        ratio = float(np.ravel(tau)[0]) / chip.tau
        low, high = chip.delay_low * ratio, chip.delay_high * ratio
        slack = 1e-5 * ratio * chip.tau
        if not (low - slack <= link.low and link.high <= high + slack):
            msg = (
                f"BrainScaleS2: the delays of {link.name} may be {link.low:g} to {link.high:g} ms, but the "
                f"elements reach {low:.4g} to {high:.4g} ms ({chip.delay_low} to {chip.delay_high} us of the chip, "
                f"with {ratio:.4g} ms for one us). Choose bounds inside. (A FixedDelay made of "
                "traced values has bounds 0 and inf: give it low= and high=.)"
            )
            raise ValueError(msg)
