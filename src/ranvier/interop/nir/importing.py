"""From a graph of NIR to a network of ranvier.

Between two populations a graph has chains of linear nodes: weights, scales, delays. A chain is followed as a list of
terms, each from one sender with a gain and a delay, so that any chain becomes synapses, exactly.
"""

import json
from typing import Any, NamedTuple

import nir
import numpy as np
from jaxtyping import Float, Int

from ranvier.connections import Connection
from ranvier.delays import AbstractDelay, AxonalDelay, DendriticDelay, FixedDelay, SynapticDelay
from ranvier.interop.nir.exporting import METADATA
from ranvier.interop.nir.terms import Terms, joined, passed
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.patterns import Pairs
from ranvier.populations import Population

LINEAR = (nir.Linear, nir.Affine, nir.Scale, nir.Delay)
MOST_PATHS = 10_000


class _Units(NamedTuple):
    """Unit of time (ms), step (ms) of a spike or None, names in their order, bounds of delays that learn or None."""

    unit: Any
    dt: float | None
    names: tuple[str, ...]
    learn: tuple[float, float] | None = None


def from_nir(
    graph: Any,
    *,
    unit: float | None = None,
    dt: float | None = None,
    tau_syn: float | None = None,
    learn: tuple[float, float] | None = None,
) -> Network:
    """A graph of NIR as a network.

    Input becomes an input, CubaLIF a population of `LIF`, CubaLI one of `LI`; chains of Linear, Affine without bias,
    Scale and Delay become connections, with fixed delays unless `learn` is given. Input resistances and input weights
    go into the weights, exactly. Neurons start at v_leak, which NIR leaves open; where that is not below the threshold
    they start at v_reset, and the difference is their bias.

    NIR's own LIF and LI have no synaptic current: a spike makes the potential jump by `r w / tau`. ranvier's neurons
    have one; with `tau_syn` the jump takes that many ms, and potentials differ by about the part `tau_syn / tau` of it.

    Args:
        graph: The graph.
        unit: Unit of its times, in ms: 1000.0 for seconds. Needed unless ranvier made the graph.
        dt: Step (ms) that a spike stands for, where it is read as the value 1 during a step; None for an impulse.
        tau_syn: Synaptic time constant (ms) for nodes of the type LIF and LI.
        learn: Bounds (ms) between which delays learn: those per sender become `AxonalDelay`, per receiver
            `DendriticDelay`, all others `SynapticDelay`. Where there is no delay it stays so. None: all are fixed.

    Returns:
        The network.

    Raises:
        ValueError: the graph has a node that ranvier does not know, a loop without a neuron, a bias, a number that is
            not valid, a delay outside of `learn`, or it does not say its unit. The message names the node.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.axonal(0.0, 5.0), key=jax.random.key(0))
        >>> again = rv.interop.nir.from_nir(rv.interop.nir.to_nir(net))
        >>> bool((again["input->output"].weight == net["input->output"].weight).all())
        True
    """
    if not isinstance(graph, nir.NIRGraph):
        msg = f"from_nir: expected a nir.NIRGraph; got {type(graph).__name__}. `read` reads files."
        raise ValueError(msg)
    units = _units(graph, unit, dt)._replace(learn=learn)
    _check_graph(graph)
    order = {name: at for at, name in enumerate(units.names)}
    nodes = dict(sorted(graph.nodes.items(), key=lambda item: order.get(item[0], len(order))))
    gains: dict[str, Float[np.ndarray, " size"]] = {}
    populations = {}
    for name, node in nodes.items():
        if not isinstance(node, (*LINEAR, nir.Output)):
            populations[name], gains[name] = _population(name, node, units, tau_syn)
    after = {name: [] for name in nodes}
    for pre, post in graph.edges:
        after[pre].append(post)
    links, taken = [], set(populations)
    for name in populations:
        for path, terms, width in _paths(name, nodes, after, populations[name].size):
            links += _connections(path, terms, width, gains[path[-1]], units, populations, taken)
    links.sort(key=lambda link: order.get(link.name, len(order)))
    try:
        return Network(populations, links)
    except ValueError as error:
        msg = f"from_nir: the graph makes no network: {error}"
        raise ValueError(msg) from error


def _units(graph: nir.NIRGraph, unit: float | None, dt: float | None) -> _Units:
    """From the arguments, else from the metadata of ranvier."""
    text = graph.metadata.get(METADATA) if isinstance(graph.metadata, dict) else None
    try:
        facts = json.loads(text) if text is not None else {}
        known = _Units(facts.get("unit_ms"), facts.get("dt_ms"), tuple(map(str, facts.get("names", ()))))
    except (TypeError, ValueError, AttributeError) as error:
        msg = "from_nir: the graph's metadata of ranvier is damaged; delete graph.metadata['ranvier'] and give `unit`."
        raise ValueError(msg) from error
    known = known if unit is None else known._replace(unit=unit, dt=dt)
    known = known if dt is None else known._replace(dt=dt)
    for name, value in {"unit": known.unit, "dt": known.dt}.items():
        right = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < np.inf
        if not right and (name == "unit" or value is not None):
            say = "NIR does not say its unit of time; say it: unit=1.0 for ms, unit=1000.0 for seconds."
            msg = f"from_nir: {say}" if value is None else f"from_nir: `{name}` must be a time above 0; got {value!r}."
            raise ValueError(msg)
    return known


def _check_graph(graph: nir.NIRGraph) -> None:
    """Edges that lead nowhere, and nodes that ranvier does not know."""
    known = (*LINEAR, nir.Input, nir.Output, nir.CubaLIF, nir.CubaLI, nir.LIF, nir.LI)
    for name, node in graph.nodes.items():
        if not isinstance(node, known):
            kind = type(node).__name__
            hint = " Write its nodes into the outer graph." if isinstance(node, nir.NIRGraph) else ""
            names = "Input, Output, CubaLIF, CubaLI, LIF, LI, Linear, Affine, Scale and Delay"
            msg = f"from_nir: node {name!r} is of the type {kind}; ranvier knows {names}.{hint}"
            raise ValueError(msg)
    for edge in graph.edges:
        for end in edge:
            if end not in graph.nodes:
                msg = f"from_nir: the edge {tuple(edge)!r} needs a node {end!r}, which is not there."
                raise ValueError(msg)
    twice = [edge for edge in set(map(tuple, graph.edges)) if [tuple(one) for one in graph.edges].count(edge) > 1]
    if twice:
        msg = f"from_nir: the edge {twice[0]!r} stands there twice."
        raise ValueError(msg)


def _numbers(name: str, node: Any, field: str, size: int | None = None) -> Float[np.ndarray, " size"]:
    """A parameter of a node: finite numbers, one per neuron."""
    value = np.asarray(getattr(node, field))
    if value.dtype.kind not in "fiu" or value.ndim != 1 or value.size == 0 or (size is not None and value.size != size):
        wanted = "shape (size,)" if size is None else f"shape ({size},)"
        msg = f"from_nir: `{field}` of node {name!r} must be numbers of {wanted}; got {value.dtype} of {value.shape}."
        raise ValueError(msg)
    if not np.isfinite(value).all():
        msg = f"from_nir: `{field}` of node {name!r} must be finite; got {value[~np.isfinite(value)][0]}."
        raise ValueError(msg)
    return value if value.dtype.kind == "f" else value.astype(float)


def _population(
    name: str, node: Any, units: _Units, tau_syn: float | None
) -> tuple[Population, Float[np.ndarray, " size"]]:
    """A node as a population, and what a weight onto each of its neurons is multiplied with."""
    if isinstance(node, nir.Input):
        shape = np.asarray(next(iter(node.input_type.values()), ()))
        if shape.shape != (1,) or shape.dtype.kind not in "iu" or shape[0] < 1:
            msg = f"from_nir: the Input {name!r} must have the shape (size,); got {shape.tolist()}."
            raise ValueError(msg)
        return Population(int(shape[0])), np.ones(int(shape[0]))
    cuba = isinstance(node, nir.CubaLIF | nir.CubaLI)
    if not cuba and tau_syn is None:
        kind = type(node).__name__
        msg = (
            f"from_nir: node {name!r} is a {kind} without a synaptic current; ranvier's neurons have one. Give its "
            f"time constant, tau_syn=... (ms), small against that of the membrane; or write the node as a Cuba{kind}."
        )
        raise ValueError(msg)
    tau_mem = _numbers(name, node, "tau_mem" if cuba else "tau")
    read = lambda field: _numbers(name, node, field, tau_mem.size)
    synaptic = read("tau_syn") if cuba else np.full_like(tau_mem, (tau_syn or 0.0) / units.unit)
    fields = {"tau_mem": tau_mem * units.unit, "tau_syn": synaptic * units.unit, "v_leak": read("v_leak")}
    spiking = isinstance(node, nir.CubaLIF | nir.LIF)
    if spiking:
        fields |= _firing(fields["v_leak"], read("v_threshold"), read("v_reset"))
    common = {field: value[0] if (value == value[0]).all() else value for field, value in fields.items()}
    try:
        neuron = LIF(**common) if spiking else LI(**common)
    except ValueError as error:
        msg = f"from_nir: node {name!r} is not valid: {error}"
        raise ValueError(msg) from error
    area = 1.0 if units.dt is None else units.dt / units.unit
    gain = read("r") * (read("w_in") if cuba else 1.0) * area / synaptic
    return Population(tau_mem.size, neuron), gain


def _firing(leak: Any, threshold: Any, reset: Any) -> dict[str, Float[np.ndarray, " size"]]:
    """Potentials of neurons that spike: a leak potential above threshold is a bias of a neuron that starts at reset."""
    alone = leak >= threshold
    start, bias = np.where(alone, reset, leak), np.where(alone, leak - reset, 0.0).astype(leak.dtype)
    return {"v_leak": start, "bias": bias, "v_threshold": threshold, "v_reset": reset}


_Path = tuple[list[str], Terms, int]


def _paths(start: str, nodes: dict[str, Any], after: dict[str, list[str]], size: int) -> list[_Path]:
    """Chains from a population to the next ones: names of all nodes, what arrives at the end, and on how many lines."""
    done: list[_Path] = []
    lines = np.arange(size)
    open_paths = [([start], Terms(lines, lines, np.ones(size), np.zeros(size)), size)]
    while open_paths:
        path, terms, width = open_paths.pop(0)
        for name in after[path[-1]]:
            node = nodes[name]
            if isinstance(node, nir.Output):
                continue
            if isinstance(node, LINEAR):
                if name in path:
                    loop = " -> ".join([*path[path.index(name) :], name])
                    msg = f"from_nir: the nodes {loop} are a loop without a neuron."
                    raise ValueError(msg)
                open_paths.append(([*path, name], *passed(name, node, terms, width)))
            else:
                done.append(([*path, name], terms, width))
        if len(done) + len(open_paths) > MOST_PATHS:
            msg = f"from_nir: from node {start!r} there are more than {MOST_PATHS} chains; join nodes of the graph."
            raise ValueError(msg)
    return done


def _connections(
    path: list[str],
    terms: Terms,
    width: int,
    gain: Float[np.ndarray, " size"],
    units: _Units,
    populations: dict[str, Population],
    taken: set[str],
) -> list[Connection]:
    """A chain as connections: one, or several where a sender reaches a receiver with several delays."""
    pre, post = path[0], path[-1]
    sizes = populations[pre].size, populations[post].size
    sender = populations[pre].neuron
    if sender is not None and not sender.spiking:
        msg = f"from_nir: node {pre!r} never spikes, but sends to {post!r}; ranvier sends spikes only."
        raise ValueError(msg)
    if populations[post].neuron is None:
        msg = f"from_nir: the chain {' -> '.join(path)} ends at an Input."
        raise ValueError(msg)
    if width != sizes[1]:
        less = "more" if width > sizes[1] else "fewer"
        msg = f"from_nir: the chain {' -> '.join(path)} has {less} lines than the {sizes[1]} neurons it ends at."
        raise ValueError(msg)
    base = next((name.partition(":")[0] for name in path[1:-1]), f"{pre}->{post}")
    made = []
    for one in joined(terms, sizes):
        name, number = base, 2
        while name in taken:
            name, number = f"{base} ({number})", number + 1
        taken.add(name)
        dtype = one.gain.dtype  # that of the graph's weights, which is that of the network
        weight, delay = (one.gain * gain[one.line]).astype(dtype), (one.delay * units.unit).astype(dtype)
        made.append(_connection(name, pre, post, one, weight, delay, sizes, units.learn))
    return made


def _connection(
    name: str,
    pre: str,
    post: str,
    terms: Terms,
    weight: Float[np.ndarray, " synapses"],
    delay: Float[np.ndarray, " synapses"],
    sizes: tuple[int, int],
    learn: tuple[float, float] | None,
) -> Connection:
    """Synapses as a matrix where all of them are there, else as pairs; one delay for all where they agree."""
    if terms.dense:
        weight, delay = weight.reshape(sizes), delay.reshape(sizes)
    pattern = None if terms.dense else Pairs(_index(terms.source), _index(terms.line))
    try:
        return Connection(pre, post, weight, _delay(delay, learn), pattern, name=name)
    except ValueError as error:
        msg = f"from_nir: connection {name!r}: {error}"
        raise ValueError(msg) from error


def _delay(delay: Float[np.ndarray, "..."], learn: tuple[float, float] | None) -> AbstractDelay:
    """Delays as what they are: one for all, per sender, per receiver, or per synapse; fixed, or between bounds."""
    per_sender = delay.ndim == 2 and (delay == delay[:, :1]).all()
    per_receiver = delay.ndim == 2 and (delay == delay[:1]).all()
    same = (delay == delay.flat[0]).all()
    if learn is None or not delay.any():
        return FixedDelay(
            delay.flat[0] if same else delay[:, :1] if per_sender else delay[:1] if per_receiver else delay
        )
    low, high = learn
    if per_sender and not same:
        return AxonalDelay(delay[:, :1], low, high)
    return DendriticDelay(delay[:1], low, high) if per_receiver and not same else SynapticDelay(delay, low, high)


def _index(values: Int[np.ndarray, " synapses"]) -> Int[np.ndarray, " synapses"]:
    return values.astype(np.int32)
