"""Optimisers and schedules: one learning rate for weights, another for delays, each with a course of its own.

    optimiser = by_field(weight=adam(step_decay(0.04, 0.95, 20, steps)), delay=adam(0.01))

Anything that optax offers will do; `adam` here is Adam whose learning rate can be read from its state, which is how
`fit` reports it.
"""

from typing import Any

import jax
import optax
from jaxtyping import Array, Float, PyTree

from ranvier.network import Network

STATIC = ("b1", "b2", "eps", "eps_root", "mu_dtype", "nesterov")
"""Options of Adam that are no learning rate: constants of the program rather than part of the state."""


def by_field(**optimisers: optax.GradientTransformation) -> optax.GradientTransformation:
    """One optimiser for each field of a network.

    Args:
        **optimisers: An optimiser for each field that learns: `weight`, `delay`, `v_threshold` and so on.

    Returns:
        An optimiser for what `ranvier.partition(network, ...)` says learns. Its `init` raises a `ValueError` if a
        field that learns has no optimiser, or an optimiser no field.

    Example:
        >>> import jax, optax, ranvier as rv
        >>> from ranvier.train import by_field
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> optimiser = by_field(weight=optax.adam(0.02), delay=optax.adam(0.01))
        >>> learn, fixed = rv.partition(net)
        >>> state = optimiser.init(learn)
    """

    def labels(tree: Network) -> PyTree[str]:
        found = fields(tree)
        learning = set(jax.tree.leaves(found))
        if learning != set(optimisers):
            msg = f"by_field: {sorted(learning)} learn, but there are optimisers for {sorted(optimisers)}."
            raise ValueError(msg)
        return found

    return optax.multi_transform({**optimisers}, labels)


def fields(tree: Network) -> PyTree[str]:
    """For each array of a network the field it belongs to, in the words of `ranvier.partition`.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.train import fields
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> jax.tree.leaves(fields(rv.partition(net)[0]))
        ['weight', 'delay']
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: _field(path), tree)


def _field(path: tuple[Any, ...]) -> str:
    """`.connections[0].delay.raw` belongs to `delay`, `.neurons['output'].v_threshold` to `v_threshold`."""
    return next(entry.name for entry in path[1:] if isinstance(entry, jax.tree_util.GetAttrKey))


def describe_path(network: Network, path: tuple[Any, ...]) -> str:
    """Where an array of a network belongs, in words: `weight of input->hidden`."""
    group, entry = path[0].name, path[1]
    owner = network.connections[entry.idx].name if group == "connections" else entry.key
    return f"{_field(path)} of {owner}"


def adam(rate: float | Float[Array, ""] | optax.Schedule, **options: float) -> optax.GradientTransformation:
    """Adam (`optax.adam`) whose learning rate stands in its state.

    Args:
        rate: Learning rate, or its course by steps.
        **options: `b1`, `b2`, `eps` as for `optax.adam`.

    Example:
        >>> from ranvier.train import adam, step_decay
        >>> optimiser = adam(step_decay(0.02, gamma=0.95, epochs=20, steps_per_epoch=34))
    """
    return optax.inject_hyperparams(optax.adam, static_args=STATIC)(learning_rate=rate, **options)


def step_decay(rate: float | Float[Array, ""], gamma: float, epochs: int, steps_per_epoch: int) -> optax.Schedule:
    """Multiply the learning rate by `gamma` every so many epochs: `rate gamma^floor(epoch / epochs)`.

    Example:
        >>> from ranvier.train import step_decay
        >>> round(float(step_decay(1.0, gamma=0.5, epochs=10, steps_per_epoch=4)(80)), 6)
        0.25
    """
    return optax.exponential_decay(rate, epochs * steps_per_epoch, gamma, staircase=True)


def cosine(rate: float | Float[Array, ""], epochs: int, steps_per_epoch: int, floor: float = 0.0) -> optax.Schedule:
    """Half a cosine from `rate` down to `floor * rate` after so many epochs.

    Example:
        >>> from ranvier.train import cosine
        >>> round(float(cosine(1.0, epochs=10, steps_per_epoch=4)(20)), 6)
        0.5
    """
    return optax.cosine_decay_schedule(rate, epochs * steps_per_epoch, floor)


def learning_rates(state: PyTree) -> dict[str, float]:
    """Learning rates that stand in an optimiser's state, by field where there are several.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.train import adam, learning_rates
        >>> learning_rates(adam(0.5).init(jnp.zeros(3)))
        {'all': 0.5}
    """
    found = optax.tree_utils.tree_get_all_with_path(state, "learning_rate")
    return {_group(path): float(value) for path, value in found if isinstance(value, jax.Array)}


def _group(path: tuple[Any, ...]) -> str:
    """The name that `by_field` gave an optimiser stands first on the way to its state."""
    names = [str(entry.key) for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    return names[0] if len(names) > 1 else "all"
