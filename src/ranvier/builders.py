"""Builders: networks of the usual shapes, with random weights and delays."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float, Int, PRNGKeyArray

from ranvier._concrete import concrete
from ranvier._memory import refuse_beyond
from ranvier._random import check_key
from ranvier.connections import Connection
from ranvier.delays import DelayFactory, fixed
from ranvier.initializers import Initializer, expected_rate, fluctuation_driven, in_degrees, xi_for_rate
from ranvier.layouts import Layout
from ranvier.network import Network
from ranvier.neurons import LI, AbstractLinearNeuron, AbstractNeuron, linear
from ranvier.patterns import PatternFactory, all_to_all
from ranvier.populations import Population

ByReceiver = Callable[[Int[Array, " synapses"] | None], Initializer]
"""Initial weights, given the receiver of each synapse, or None where all neurons are joined with all."""

OWN = 0.1
"""Share of a recurrent layer in the variance of its own membranes."""
CALM = 1.5
"""Smallest `xi`: recurrent networks whose membranes tremble more than that may excite themselves without end."""


def feedforward(
    sizes: Sequence[int],
    *,
    neuron: AbstractNeuron | Sequence[AbstractNeuron],
    delay: DelayFactory | Sequence[DelayFactory] | None = None,
    weight: Initializer | Sequence[Initializer] | None = None,
    pattern: PatternFactory | Sequence[PatternFactory] | None = None,
    position: Layout | Sequence[Layout | None] | None = None,
    readout: AbstractNeuron | None = None,
    rate: float | None = None,
    dtype: DTypeLike | None = None,
    key: PRNGKeyArray,
) -> Network:
    """Layers in a row: `input`, `hidden` (`hidden1`, `hidden2`, ... if several), `output`.

    Args:
        sizes: Size of every layer, input first.
        neuron: Model of all neurons, or one for each layer after the input.
        delay: What delays a connection has, for example `ranvier.synaptic(0.0, 1.0)`: one kind for all connections, or
            one for each; default none.
        weight: Initial weights, one initializer for all connections or one for each; default by `rate`.
        pattern: Which synapses there are, for example `ranvier.patterns.density(0.1)`: one for all connections, or one
            for each; default all.
        position: Where neurons stand, for example `ranvier.layouts.normal(1.0, 2)`: one layout for all layers, or one
            for each, input first; default nowhere. `ranvier.spatial(...)` needs it.
        readout: Model of the output neurons, for example `ranvier.LI()`; default `neuron`.
        rate: Expected spikes of an input unit per second (Hz), where it fires many times: initial weights are then
            `initializers.fluctuation_driven`, with which neurons fire at about this rate too, or more slowly. Default
            None, each unit fires about once: `normal(8/n, 8/n)`, with n senders per neuron; if all of them fire within
            tau_syn, the potential passes threshold for usual time constants.
        dtype: Floating-point type; default JAX's own.
        key: Random key for weights, delays and patterns.

    Raises:
        ValueError: fewer than two layers, or not one choice per connection or layer.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 30, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> [link.name for link in net.connections]
        ['input->hidden', 'hidden->output']
    """
    layers = _layers("feedforward", sizes, neuron, readout)
    edges = list(pairwise(layers))
    weights = _weights("feedforward", layers, edges, weight, rate)
    return _build("feedforward", layers, edges, delay, weights, pattern, position, dtype, key)


def recurrent(
    sizes: Sequence[int],
    *,
    neuron: AbstractNeuron | Sequence[AbstractNeuron],
    delay: DelayFactory | Sequence[DelayFactory],
    weight: Initializer | Sequence[Initializer] | None = None,
    pattern: PatternFactory | Sequence[PatternFactory] | None = None,
    position: Layout | Sequence[Layout | None] | None = None,
    readout: AbstractNeuron | None = None,
    rate: float | None = 10.0,
    dtype: DTypeLike | None = None,
    key: PRNGKeyArray,
) -> Network:
    """Recurrent hidden layers in a row: each onto itself and onto the next, from `input` to `output`.

    The connections, in order: `input->hidden`, `hidden->hidden`, `hidden->output`; with two hidden layers
    `input->hidden1`, `hidden1->hidden1`, `hidden1->hidden2`, `hidden2->hidden2`, `hidden2->output`; and so on.

    Args:
        sizes: Sizes of input, hidden layers and output.
        neuron: Model of the hidden neurons, or one for each hidden layer and the output.
        delay: What delays a connection has, one kind for all or one for each in the order above. The recurrent ones
            need a lower bound above 0 (see `EventDriven.min_delay`).
        weight: Initial weights, one initializer for all or one for each; default by `rate`.
        pattern: Which synapses there are, one for all or one for each; default all.
        position: Where neurons stand, one layout for all layers or one for each, input first; default nowhere.
        readout: Model of the output neurons; default `LI` with the time constants of the last hidden layer.
        rate: Expected spikes of an input unit per second (Hz), as in `feedforward`; None where units fire about once.
            Give that of your data: with more than is expected, neurons fire more. A tenth of a hidden membrane's
            variance comes from its own layer, the rest from the one before.
        dtype: Floating-point type; default JAX's own.
        key: Random key for weights, delays and patterns.

    Raises:
        ValueError: fewer than three sizes, or not one choice per connection or layer.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.recurrent([20, 10, 3], neuron=rv.LIF(), delay=rv.synaptic(1.0, 20.0), key=jax.random.key(0))
        >>> [link.name for link in net.connections]
        ['input->hidden', 'hidden->hidden', 'hidden->output']
    """
    if len(sizes) < 3:
        msg = f"recurrent: `sizes` must be (input, hidden, ..., output), three at least; got {list(sizes)}."
        raise ValueError(msg)
    last = readout
    if readout is None and isinstance(neuron, AbstractNeuron):
        like = linear(neuron, "recurrent: the default readout", "Pass `readout`, for example ranvier.LI().")
        last = LI(like.tau_mem, like.tau_syn, v_leak=like.v_leak)
    layers = _layers("recurrent", sizes, neuron, last)
    names = list(layers)
    edges = [edge for pre, post in pairwise(names) for edge in ((pre, post), (post, post))][:-1]
    weights = _weights("recurrent", layers, edges, weight, rate)
    return _build("recurrent", layers, edges, delay, weights, pattern, position, dtype, key)


def _layers(
    owner: str,
    sizes: Sequence[int],
    neuron: AbstractNeuron | Sequence[AbstractNeuron],
    readout: AbstractNeuron | None,
) -> dict[str, Population]:
    """The populations by name, input first."""
    if len(sizes) < 2:
        msg = f"{owner}: `sizes` needs an input and an output layer at least; got {list(sizes)}."
        raise ValueError(msg)
    if isinstance(neuron, Sequence) and readout is not None:
        msg = f"{owner}: `neuron` names a model for every layer, the output included; leave out `readout`."
        raise ValueError(msg)
    models = _one_each(owner, "neuron", neuron, len(sizes) - 1, "layer after the input")
    models = [*models[:-1], models[-1] if readout is None else readout]
    hidden = ["hidden"] if len(sizes) == 3 else [f"hidden{layer}" for layer in range(1, len(sizes) - 1)]
    names = ["input", *hidden, "output"]
    return {name: Population(size, one) for name, size, one in zip(names, sizes, [None, *models], strict=True)}


def _build(
    owner: str,
    layers: dict[str, Population],
    edges: Sequence[tuple[str, str]],
    delay: DelayFactory | Sequence[DelayFactory] | None,
    weights: Sequence[ByReceiver],
    pattern: PatternFactory | Sequence[PatternFactory] | None,
    position: Layout | Sequence[Layout | None] | None,
    dtype: DTypeLike | None,
    key: PRNGKeyArray,
) -> Network:
    dtype = jnp.result_type(float) if dtype is None else dtype
    check_key(owner, key)
    layers = _placed(owner, layers, position, dtype, jax.random.fold_in(key, len(edges)))
    choose = lambda name, value: _one_each(owner, name, value, len(edges), "connection")
    delays = choose("delay", fixed(0.0) if delay is None else delay)
    patterns = choose("pattern", all_to_all if pattern is None else pattern)
    links = []
    for at, one in enumerate(jax.random.split(key, len(edges))):
        pre, post = edges[at]
        weight_key, delay_key = jax.random.split(one)
        ends = layers[pre], layers[post]
        places = ends[0].position, ends[1].position
        draw = jax.random.fold_in(one, 2)
        which = patterns[at](ends[0].size, ends[1].size, same=pre == post, places=places, key=draw)
        shape = which.shape(ends[0].size, ends[1].size)
        needs = {"its weights": 2 * math.prod(shape) * jnp.dtype(dtype).itemsize}
        refuse_beyond(f"{owner}: {pre}->{post}", needs, "Pass a sparse `pattern`, or build fewer neurons.")
        values = weights[at](which.receiver)(weight_key, shape, dtype)
        links.append(Connection(pre, post, values, delays[at](*ends, which, dtype, key=delay_key), which))
    return Network(layers, links)


def _placed(
    owner: str,
    layers: dict[str, Population],
    position: Layout | Sequence[Layout | None] | None,
    dtype: DTypeLike,
    key: PRNGKeyArray,
) -> dict[str, Population]:
    """The populations with their positions, where they have some."""
    if position is None:
        return layers
    layouts = _one_each(owner, "position", position, len(layers), "layer, the input included")
    keys = jax.random.split(key, len(layers))
    at = [None if layout is None else layout(one.size, dtype, key=key)
          for one, layout, key in zip(layers.values(), layouts, keys, strict=True)]  # fmt: skip
    return {
        name: Population(one.size, one.neuron, where) for (name, one), where in zip(layers.items(), at, strict=True)
    }


def _weights(
    owner: str,
    layers: dict[str, Population],
    edges: Sequence[tuple[str, str]],
    weight: Initializer | Sequence[Initializer] | None,
    rate: float | None,
) -> list[ByReceiver]:
    """The initial weights of each connection."""
    if rate is not None and not 0 < rate < math.inf:
        msg = f"{owner}: `rate` must be the spikes of an input unit per second (Hz), above 0, or None; got {rate}."
        raise ValueError(msg)
    if weight is not None:
        chosen = _one_each(owner, "weight", weight, len(edges), "connection")
        return [lambda receiver, one=one: one for one in chosen]
    rates = {} if rate is None else _rates(layers, rate)
    loops = {post for pre, post in edges if pre == post}
    shares = [1.0 if post not in loops else OWN if pre == post else 1.0 - OWN for pre, post in edges]
    return [
        partial(_fluctuating, layers[post], rate or 1.0, rates[pre], share) if pre in rates and post in rates else _once
        for (pre, post), share in zip(edges, shares, strict=True)
    ]


def _rates(layers: dict[str, Population], rate: float) -> dict[str, Float[ArrayLike, ""]]:
    """About how often the units of each population fire (Hz): of those with closed forms that may fire repeatedly."""
    rates: dict[str, Float[ArrayLike, ""]] = {}
    for name, one in layers.items():
        if one.neuron is None:
            rates[name] = rate
        elif isinstance(one.neuron, AbstractLinearNeuron):
            hold = concrete(one.neuron.refractory)
            if not one.neuron.spiking or hold is None or not np.all(np.isinf(hold)):
                taus = jnp.mean(one.neuron.tau_mem), jnp.mean(one.neuron.tau_syn)
                rates[name] = expected_rate(xi_for_rate(rate, *taus, lowest=CALM), *taus)
    return rates


def _fluctuating(
    post: Population,
    wanted: float,
    rate: Float[ArrayLike, ""],
    share: float,
    receiver: Int[Array, " synapses"] | None,
) -> Initializer:
    """Weights onto a population that is to fire at the wanted rate, from senders of another rate (Hz)."""
    neuron = linear(post.neuron or LI(), "the builders", "Pass `weight`.")
    taus = jnp.mean(neuron.tau_mem), jnp.mean(neuron.tau_syn)
    rest = jnp.where(neuron.rest < neuron.v_threshold, neuron.rest, neuron.v_leak)
    distance = jnp.mean(neuron.v_threshold - rest) if neuron.spiking else 1.0
    xi = xi_for_rate(wanted, *taus, lowest=CALM) if neuron.spiking else 1.0
    return fluctuation_driven(rate, *taus, xi=xi, share=share, receiver=receiver, distance=distance)


def _once(receiver: Int[Array, " synapses"] | None) -> Initializer:
    """Weights around 8/n, for n senders that fire about once."""

    def initialize(key: PRNGKeyArray, shape: tuple[int, ...], dtype: DTypeLike) -> Float[Array, "*shape"]:
        each = 8 / in_degrees(shape, receiver)
        each = each if receiver is None else each.astype(dtype)
        return each + each * jax.random.normal(key, shape, dtype)

    return initialize


SUCH = {
    "neuron": "ranvier.LIF()",
    "delay": "ranvier.fixed(5.0) or ranvier.synaptic(0.0, 5.0)",
    "weight": "ranvier.initializers.normal(0.5, 0.1)",
    "pattern": "ranvier.patterns.density(0.1)",
}


def _one_each(owner: str, name: str, value: Any, count: int, what: str) -> list[Any]:
    """One choice for each connection or layer, from one for all or a list."""
    if isinstance(value, Callable | AbstractNeuron) and not isinstance(value, type):
        return [value] * count
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != count:
        got = f"{len(value)} of them" if isinstance(value, list | tuple) else repr(value)
        if isinstance(value, type):
            got = f"the class {value.__name__}: add parentheses, {value.__name__}()"
        one = f"one such as {SUCH[name]}, for all" if name in SUCH else "one for all"
        msg = f"{owner}: `{name}` must be {one}, or a list of {count}, one for each {what}; got {got}."
        raise ValueError(msg)
    return list(value)
