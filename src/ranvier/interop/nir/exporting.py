"""From a network of ranvier to a graph of NIR.

NIR: `tau_syn I' = -I + w_in S`, `tau_mem v' = v_leak - v + r I`, with S a sum of weighted impulses. A weight of ranvier
is a jump of I, so `w_in = tau_syn` in NIR's unit of time leaves weights as they are, with r = 1. Libraries that run a
graph in steps of dt read a spike as the value 1 during a step, an impulse of area dt; for them `w_in = tau_syn / dt`.
Some of them read neither w_in nor r, and let I grow by the weight and v by I; so for steps `r = tau_mem / dt`, which
makes that right, and the weights are smaller by as much.
"""

from typing import Any

import nir
import numpy as np
from jaxtyping import Float

from ranvier.interop.nir.losses import MAX_LINES, facts, losses
from ranvier.interop.nir.lowering import lower, synapses
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.populations import Population

METADATA = "ranvier"


def to_nir(
    network: Network,
    *,
    unit: float = 1.0,
    dt: float | None = None,
    max_lines: int = MAX_LINES,
    approximate: bool = False,
) -> nir.NIRGraph:
    """A network as a graph of NIR.

    Populations and connections keep their names. Every population that sends to no other one has an Output. NIR does
    not say in which unit times are: `unit` and `dt` stand in the metadata of the graph, where `from_nir` finds them.

    Args:
        network: The network, of known values.
        unit: Unit of time in the graph, in ms: 1.0 for ms, 1000.0 for seconds.
        dt: Step (ms) of a library that reads a spike as 1 during a step; None if a spike is an impulse of area 1.
        max_lines: Most lines that a connection with a delay per synapse may have, one for each synapse.
        approximate: Leave out what NIR cannot say, where possible; `losses` tells what and what it changes.

    Returns:
        The graph, checked by nir.

    Raises:
        ValueError: NIR cannot say the network, and `approximate` is not set or does not help; a name has a `/`; or a
            number is not valid.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.axonal(0.0, 5.0), key=jax.random.key(0))
        >>> sorted(rv.interop.nir.to_nir(net).nodes)
        ['input', 'input->output', 'input->output:delay', 'output', 'output:out']
    """
    _check_arguments(network, unit, dt)
    report = losses(network, max_lines=max_lines)
    wrong = [loss for loss in report if loss.changes and not (approximate and loss.possible)]
    if wrong:
        some = "; ".join(f"{loss.place}: {loss.what}" for loss in wrong[:3])
        hint = " `approximate=True` leaves it out." if all(loss.possible for loss in wrong) else ""
        msg = f"to_nir: NIR cannot say {len(wrong)} thing(s) of this network: {some}.{hint}"
        raise ValueError(msg)
    nodes: dict[str, Any] = {name: _node(one, unit, dt) for name, one in network.populations.items()}
    edges = []
    for link in network.connections:
        at = link.pre
        for part, values in lower(*synapses(network, link), max_lines).nodes:
            name = f"{link.name}:{part}" if part else link.name
            nodes[name] = (
                nir.Delay(values / unit) if part == "delay" else nir.Linear(_weights(nodes[link.post], values, part))
            )
            edges.append((at, name))
            at = name
        edges.append((at, link.post))
    for name in _ends(network):
        nodes[f"{name}:out"] = nir.Output({"output": np.array([network.size(name)])})
        edges.append((name, f"{name}:out"))
    return nir.NIRGraph(nodes, edges, metadata={METADATA: facts(network, unit, dt, report)})


def _check_arguments(network: Network, unit: float, dt: float | None) -> None:
    for name, value in {"unit": unit, "dt": dt}.items():
        if value is not None and not (np.isfinite(value) and value > 0):
            msg = f"to_nir: `{name}` must be a time above 0 (ms); got {value}."
            raise ValueError(msg)
    names = [*network.names, *(link.name for link in network.connections)]
    for name in names:
        if "/" in name or ":" in name:
            msg = f"to_nir: names must be without '/' and ':', which NIR files and this export use; got {name!r}."
            raise ValueError(msg)


def _node(population: Population, unit: float, dt: float | None) -> nir.NIRNode:
    """A population as a node."""
    neuron, size = population.neuron, population.size
    if not isinstance(neuron, LIF | LI):
        return nir.Input({"input": np.array([size])})
    each = lambda value: np.array(np.broadcast_to(np.asarray(value), (size,)))
    tau_mem, tau_syn = each(neuron.tau_mem / unit), each(neuron.tau_syn / unit)
    common: dict[str, Any] = {
        "tau_mem": tau_mem,
        "tau_syn": tau_syn,
        "r": np.ones_like(tau_mem) if dt is None else tau_mem / (dt / unit),
        "v_leak": each(neuron.rest),
        "w_in": tau_syn if dt is None else tau_syn / (dt / unit),
    }
    if isinstance(neuron, LI):
        return nir.CubaLI(**common)
    return nir.CubaLIF(**common, v_threshold=each(neuron.v_threshold), v_reset=each(neuron.v_reset))


def _weights(post: Any, values: Float[np.ndarray, "out into"], part: str) -> Float[np.ndarray, "out into"]:
    """Weights onto a node, without the resistance that it has."""
    return np.ascontiguousarray(values if part else values / post.r[:, None].astype(values.dtype))


def _ends(network: Network) -> list[str]:
    """Populations that send to no other one; the last of all if there is none."""
    senders = {link.pre for link in network.connections if link.post != link.pre}
    return [name for name in network.neurons if name not in senders] or [list(network.neurons)[-1]]
