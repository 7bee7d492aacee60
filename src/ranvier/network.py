"""Networks: named populations and the connections between them, in any graph.

A network is a pytree: `jax.grad`, `jax.vmap`, `jax.jit` and optax work on it. Every leaf is a float array; sizes,
names and bounds are static. `partition` says what an optimiser may touch, `project` puts delays back in their box.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import DTypeLike, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.delays import DelayFactory, fixed
from ranvier.initializers import Initializer, normal
from ranvier.neurons import LI, AbstractNeuron, linear

Choice = TypeVar("Choice")


class Network(eqx.Module):
    """Populations of neurons, joined by connections.

    Args:
        inputs: Name and size of each input population, whose spikes are given.
        neurons: Name of each population of neurons, and its model.
        sizes: Size of each population of neurons.
        connections: The connections. Two populations may be joined by several.

    Raises:
        ValueError: names are missing or used twice, shapes do not fit the sizes, or there is no connection.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> link = rv.Connection("input", "output", jnp.ones((2, 3)))
        >>> rv.Network({"input": 2}, {"output": rv.LIF()}, {"output": 3}, [link]).size("output")
        3
    """

    neurons: dict[str, AbstractNeuron]
    connections: tuple[Connection, ...]
    input_sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)
    neuron_sizes: tuple[tuple[str, int], ...] = eqx.field(static=True)

    def __init__(
        self,
        inputs: Mapping[str, int],
        neurons: Mapping[str, AbstractNeuron],
        sizes: Mapping[str, int],
        connections: Sequence[Connection],
    ):
        if set(neurons) != set(sizes):
            msg = f"Network: `neurons` and `sizes` must name the same populations; got {list(neurons)}, {list(sizes)}."
            raise ValueError(msg)
        if not inputs or not neurons or set(inputs) & set(neurons):
            msg = f"Network: needs inputs and neurons under different names; got {list(inputs)} and {list(neurons)}."
            raise ValueError(msg)
        self.input_sizes = tuple((name, int(size)) for name, size in inputs.items())
        self.neuron_sizes = tuple((name, int(sizes[name])) for name in neurons)
        self.neurons = dict(neurons)
        self.connections = tuple(connections)
        self._check()

    def _check(self) -> None:
        sizes = dict(self.input_sizes + self.neuron_sizes)
        for name, size in sizes.items():
            if size < 1:
                msg = f"Network: population {name!r} must have at least one neuron; got {size}."
                raise ValueError(msg)
        if not self.connections:
            msg = "Network: needs at least one connection; got none."
            raise ValueError(msg)
        for link in self.connections:
            if link.pre not in sizes or link.post not in self.neurons:
                msg = f"Network: connection {link.name} must join two of {list(sizes)} and not end at an input."
                raise ValueError(msg)
            if link.pre in self.neurons and not self.neurons[link.pre].spiking:
                msg = f"Network: connection {link.name} starts at {link.pre!r}, whose neurons never spike."
                raise ValueError(msg)
            if link.weight.shape != (sizes[link.pre], sizes[link.post]):
                msg = (
                    f"Network: connection {link.name} needs weights of shape {(sizes[link.pre], sizes[link.post])}; "
                    f"got {link.weight.shape}."
                )
                raise ValueError(msg)
        for name, neuron in self.neurons.items():
            for leaf in jax.tree.leaves(neuron):
                if leaf.shape not in ((), (sizes[name],)):
                    want = f"scalars or of shape ({sizes[name]},)"
                    msg = f"Network: parameters of {name!r} must be {want}; got {leaf.shape}."
                    raise ValueError(msg)

    def size(self, population: str) -> int:
        """Number of neurons of a population."""
        return dict(self.input_sizes + self.neuron_sizes)[population]

    @property
    def dtype(self) -> DTypeLike:
        """Floating-point type of the weights; simulations run in it."""
        return np.result_type(*(np.dtype(link.weight.dtype) for link in self.connections))

    def summary(self) -> str:
        """A table of populations and connections with their numbers of weights and delays."""
        lines = ["population            size  neuron"]
        lines += [f"{name:<20} {size:>5}  input" for name, size in self.input_sizes]
        lines += [f"{name:<20} {size:>5}  {type(self.neurons[name]).__name__}" for name, size in self.neuron_sizes]
        lines += ["", "connection                 weights   delays  kind"]
        weights = delays = 0
        for link in self.connections:
            count = sum(leaf.size for leaf in jax.tree.leaves(link.delay)) if link.delay.learns else 0
            size = 0 if link.weight is None else link.weight.size  # the other half of a partition has it
            weights, delays = weights + size, delays + count
            box = f"{type(link.delay).__name__} [{link.delay.low:g}, {link.delay.high:g}] ms"
            lines.append(f"{link.name:<25} {size:>8,} {count:>8,}  {box}")
        lines.append(f"{'total':<25} {weights:>8,} {delays:>8,}  {weights + delays:,} learnable parameters")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Network(\n{self.summary()}\n)"


def feedforward(
    sizes: Sequence[int],
    *,
    neuron: AbstractNeuron,
    delay: DelayFactory | None = None,
    weight: Initializer | Sequence[Initializer] | None = None,
    readout: AbstractNeuron | None = None,
    dtype: DTypeLike | None = None,
    key: PRNGKeyArray,
) -> Network:
    """Layers in a row: `input`, `hidden` (`hidden1`, `hidden2`, ... if several), `output`.

    Args:
        sizes: Size of every layer, input first.
        neuron: Model of the hidden neurons, and of the output unless `readout` is given.
        delay: What delays each connection has, for example `ranvier.synaptic(0.0, 1.0)`; default none.
        weight: Initial weights of all connections, or one initializer for each. Default `normal(8/pre, 8/pre)`:
            if every sender fires once within tau_syn, the potential passes threshold for usual time constants.
        readout: Model of the output neurons, for example `ranvier.LI()`.
        dtype: Floating-point type; default JAX's own.
        key: Random key for weights and delays.

    Raises:
        ValueError: fewer than two layers, or not one initializer per connection.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 30, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> [link.name for link in net.connections]
        ['input->hidden', 'hidden->output']
    """
    if len(sizes) < 2:
        msg = f"feedforward: `sizes` needs an input and an output layer at least; got {list(sizes)}."
        raise ValueError(msg)
    hidden = ["hidden"] if len(sizes) == 3 else [f"hidden{layer}" for layer in range(1, len(sizes) - 1)]
    names = ["input", *hidden, "output"]
    edges = list(pairwise(names))
    return _build(dict(zip(names, sizes, strict=True)), edges, neuron, delay, weight, readout, dtype, key)


def recurrent(
    sizes: Sequence[int],
    *,
    neuron: AbstractNeuron,
    delay: DelayFactory | Sequence[DelayFactory],
    weight: Initializer | Sequence[Initializer] | None = None,
    readout: AbstractNeuron | None = None,
    dtype: DTypeLike | None = None,
    key: PRNGKeyArray,
) -> Network:
    """One recurrent hidden layer: `input` to `hidden`, `hidden` to itself, `hidden` to `output`.

    Args:
        sizes: Sizes of input, hidden and output.
        neuron: Model of the hidden neurons.
        delay: What delays the three connections have, one for all or one each in the order above. The recurrent
            one needs a lower bound above 0 (see `EventDriven.min_delay`).
        weight: Initial weights, one initializer for all or one each; default as in `feedforward`.
        readout: Model of the output neurons; default `LI` with the time constants of `neuron`.
        dtype: Floating-point type; default JAX's own.
        key: Random key for weights and delays.

    Raises:
        ValueError: not three sizes, or not one factory per connection.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.recurrent([20, 10, 3], neuron=rv.LIF(), delay=rv.synaptic(1.0, 20.0), key=jax.random.key(0))
        >>> [link.name for link in net.connections]
        ['input->hidden', 'hidden->hidden', 'hidden->output']
    """
    if len(sizes) != 3:
        msg = f"recurrent: `sizes` must be (input, hidden, output); got {list(sizes)}."
        raise ValueError(msg)
    names = ("input", "hidden", "output")
    edges = [("input", "hidden"), ("hidden", "hidden"), ("hidden", "output")]
    last = readout
    if last is None:
        like = linear(neuron, "recurrent: the default readout", "Pass `readout`, for example ranvier.LI().")
        last = LI(like.tau_mem, like.tau_syn, v_leak=like.v_leak)
    return _build(dict(zip(names, sizes, strict=True)), edges, neuron, delay, weight, last, dtype, key)


def _build(
    sizes: dict[str, int],
    edges: Sequence[tuple[str, str]],
    neuron: AbstractNeuron,
    delay: DelayFactory | Sequence[DelayFactory] | None,
    weight: Initializer | Sequence[Initializer] | None,
    readout: AbstractNeuron | None,
    dtype: DTypeLike | None,
    key: PRNGKeyArray,
) -> Network:
    dtype = jnp.result_type(float) if dtype is None else dtype
    default = [normal(8 / sizes[pre], 8 / sizes[pre]) for pre, _ in edges]
    weights = default if weight is None else _one_each("weight", weight, len(edges))
    delays = _one_each("delay", fixed(0.0) if delay is None else delay, len(edges))
    links = []
    for (pre, post), start, kind, one in zip(edges, weights, delays, jax.random.split(key, len(edges)), strict=True):
        weight_key, delay_key = jax.random.split(one)
        shape = (sizes[pre], sizes[post])
        links.append(Connection(pre, post, start(weight_key, shape, dtype), kind(*shape, dtype, key=delay_key)))
    models = {name: neuron for name in sizes if name != "input"}
    if readout is not None:
        models["output"] = readout
    return Network({"input": sizes["input"]}, models, {name: sizes[name] for name in models}, links)


def _one_each(name: str, value: Choice | Sequence[Choice], count: int) -> list[Choice]:
    values = list(value) if isinstance(value, Sequence) else [value] * count
    if len(values) != count:
        msg = f"`{name}` must be one value for all connections or one for each of {count}; got {len(values)}."
        raise ValueError(msg)
    return values


def partition(network: Network, *names: str) -> tuple[Network, Network]:
    """Split a network into what an optimiser may touch and what stays fixed.

    Args:
        network: The network.
        *names: Fields to learn, `"weight"`, `"delay"`, or a neuron parameter such as `"v_threshold"`, in every
            connection or population that has them. Without names: what each module learns by default, weights and
            delays. A `FixedDelay` never learns.

    Returns:
        `(learn, fixed)`, two networks with None in the other's places. `ranvier.combine(learn, fixed)` joins them.

    Raises:
        ValueError: a name is not a field of any module of this network.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 30, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> learn, fixed = rv.partition(net, "weight")
        >>> len(jax.tree.leaves(learn))
        2
    """
    fields = {name: set(vars(neuron)) for name, neuron in network.neurons.items()}
    known = {"weight", "delay"}.union(*fields.values())
    wrong = sorted(set(names) - known)
    if wrong:
        msg = f"partition: no field named {', '.join(map(repr, wrong))}; this network has {sorted(known)}."
        raise ValueError(msg)
    mask = jax.tree.map(lambda _: False, network)
    for place, link in enumerate(network.connections):
        chosen = set(names) if names else set(link.learns)
        if "weight" in chosen:
            mask = eqx.tree_at(lambda tree, at=place: tree.connections[at].weight, mask, True)
        for field in link.delay.learns if "delay" in chosen else ():
            mask = eqx.tree_at(lambda tree, at=place, of=field: getattr(tree.connections[at].delay, of), mask, True)
    for population, neuron in network.neurons.items():
        for field in (set(names) if names else set(neuron.learns)) & fields[population]:
            mask = eqx.tree_at(lambda tree, at=population, of=field: getattr(tree.neurons[at], of), mask, True)
    return eqx.partition(network, mask)


def project(network: Network) -> Network:
    """Put every delay back between its bounds; `fit` calls this after each step.

    Args:
        network: The network after an optimiser's step.

    Returns:
        The same network, its `Projection` delays clipped. Other bounds are kept by construction.

    Example:
        >>> import jax, ranvier as rv
        >>> kind = rv.synaptic(0.0, 1.0, bound=rv.Projection())
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=kind, key=jax.random.key(0))
        >>> float(rv.project(jax.tree.map(lambda leaf: leaf + 5.0, net)).connections[0].delay().max())
        1.0
    """
    delays = [link.delay.project() for link in network.connections]
    return eqx.tree_at(lambda tree: [link.delay for link in tree.connections], network, delays)
