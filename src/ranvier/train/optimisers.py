"""Optimisers and schedules: one learning rate for weights, another for delays, each with a course of its own.

    optimiser = by_path({"weight": adam(step_decay(0.04, 0.95, 20, steps)), "hidden->hidden.delay": adam(0.01)})

Anything that optax offers will do; `adam` here is Adam whose learning rate can be read from its state, which is how
`fit` reports it.
"""

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, PyTree

from ranvier.network import Network
from ranvier.selection import labels, path_of_each

STATIC = ("b1", "b2", "eps", "eps_root", "mu_dtype", "nesterov")
"""Options of Adam that are no learning rate: constants of the program rather than part of the state."""


def by_path(optimisers: Mapping[str, optax.GradientTransformation]) -> optax.GradientTransformation:
    """An optimiser, and so a learning rate, for each part of a network, in the words of `ranvier.partition`.

    `"weight"` is every weight, `"hidden->hidden.delay"` the delays of one connection, `"hidden.tau_mem"` a parameter of
    one population. A longer path goes before a shorter one: with `"delay"` and `"hidden->hidden.delay"` the latter has
    that connection, the former all others.

    Args:
        optimisers: An optimiser for each path.

    Returns:
        An optimiser for what `ranvier.partition(network, ...)` says learns. Its `init` raises a `ValueError` if
        something that learns has no optimiser, or an optimiser nothing that learns.

    Example:
        >>> import jax, optax, ranvier as rv
        >>> from ranvier.train import by_path
        >>> net = rv.feedforward([4, 5, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> rates = {"weight": 0.02, "delay": 0.01, "input->hidden.delay": 0.001}
        >>> optimiser = by_path({path: optax.adam(rate) for path, rate in rates.items()})
        >>> learn, fixed = rv.partition(net)
        >>> state = optimiser.init(learn)
    """
    transforms: dict[Hashable, optax.GradientTransformation] = {**optimisers}

    def param_labels(tree: Network) -> PyTree:
        chosen = labels(tree, optimisers)
        orphan = jax.tree.map(lambda path, name: path if name is None else None, path_of_each(tree), chosen)
        missing, idle = jax.tree.leaves(orphan), set(optimisers) - set(jax.tree.leaves(chosen))
        if missing or idle:
            wrong = f"{_told(idle)} with nothing that learns" if idle else f"{_told(missing)} without an optimiser"
            told = f"{_told(learning_paths(tree))} learn, optimisers are given for {_told(transforms)}"
            msg = f"by_path: {wrong}; {told}."
            raise ValueError(msg)
        return chosen

    return optax.multi_transform(transforms, param_labels)


def learning_paths(tree: Network) -> list[str]:
    """For each array of what learns its path, in the words of `ranvier.partition`.

    Args:
        tree: The half of a partition that learns.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.train import learning_paths
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> learning_paths(rv.partition(net)[0])
        ['input->output.weight', 'input->output.delay']
    """
    return [_short(path) for path in jax.tree.leaves(path_of_each(tree))]


def _short(path: str) -> str:
    """Without what holds the numbers inside a delay."""
    owner, dot, _ = path.partition(".delay.")
    return f"{owner}.delay" if dot else path


def _told(paths: Iterable[Any]) -> str:
    return ", ".join(map(repr, sorted({_short(path) for path in paths})))


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


def ease_in(
    rate: float | Float[Array, ""],
    epochs: int,
    steps_per_epoch: int,
    start: float = 0.01,
    factor: float = 1.05,
    *,
    faster: bool = False,
    floor: float = 0.0,
) -> optax.Schedule:
    """From `start * rate` up by `factor` at every step until it is `rate`, times half a cosine down to `floor`.

    `min(1, start factor^n)` at step n; if `faster`, `min(1, start factor^(n (n + 1)/2))`.

    Example:
        >>> from ranvier.train import ease_in
        >>> [round(float(ease_in(1.0, 1000, 100, faster=faster)(30)), 3) for faster in (False, True)]
        [0.043, 1.0]

    Source: both are in use for learning with exact adjoints: Nowotny, Turner, Knight, arXiv:2212.01232, and Mészáros,
    Knight, Akarca, Nowotny, arXiv:2511.01632.
    """
    fall = cosine(1.0, epochs, steps_per_epoch, floor)
    low, rise = math.log(max(start, 1e-12)), math.log(factor)

    def course(step: Any) -> Any:
        climbed = 0.5 * step * (step + 1.0) if faster else 1.0 * step
        return rate * jnp.exp(jnp.minimum(low + rise * climbed, 0.0)) * fall(step)

    return course


def learning_rates(state: PyTree) -> dict[str, float]:
    """Learning rates that stand in an optimiser's state, by path where there are several.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.train import adam, learning_rates
        >>> learning_rates(adam(0.5).init(jnp.zeros(3)))
        {'all': 0.5}
    """
    found = optax.tree_utils.tree_get_all_with_path(state, "learning_rate")
    return {_group(path): float(value) for path, value in found if isinstance(value, jax.Array)}


def _group(path: tuple[Any, ...]) -> str:
    """The path that an optimiser of `by_path` serves stands first on the way to its state."""
    names = [str(entry.key) for entry in path if isinstance(entry, jax.tree_util.DictKey)]
    return names[0] if len(names) > 1 else "all"
