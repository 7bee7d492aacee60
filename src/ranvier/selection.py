"""Selection by path: which numbers of a network learn, by the words of the network itself.

A path is a field everywhere (`"weight"`, `"tau_mem"`), of one connection (`"hidden->hidden.delay"`) or of one
population (`"hidden.tau_mem"`, `"hidden.position"`, `"hidden.synapse.tau_syn"`). `partition`, `Recipe.learn` and
`by_path` take the same words.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from ranvier.network import Network

Tree = TypeVar("Tree")

ALWAYS = frozenset({"weight", "delay"})
"""Fields that every connection has, though its delays may have nothing that learns."""


def combine(*parts: Tree) -> Tree:
    """Put the parts of a network together again: the inverse of `partition`.

    Args:
        parts: Networks of one structure; of each number the first part that has it counts.

    Returns:
        The whole network.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> rv.combine(*rv.partition(net, "weight")).connections[0].weight.shape
        (2, 3)
    """
    return eqx.combine(*parts)


def partition(network: Network, *paths: str) -> tuple[Network, Network]:
    """Split a network into what learns and the rest.

    Args:
        network: The network.
        *paths: What learns: a field everywhere, such as `"weight"`, `"delay"` or `"v_threshold"`, or that of one
            connection or population, such as `"hidden->hidden.delay"` or `"hidden.tau_mem"`. Default: weights, all
            delays that can learn, and the positions that delays follow from.

    Returns:
        `(learn, fixed)`, two networks with None in the other's places. `ranvier.combine(learn, fixed)` joins them.

    Raises:
        ValueError: a path leads nowhere, or to a delay that never learns; the message lists what there is.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 30, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> learn, fixed = rv.partition(net, "weight", "input->hidden.delay")
        >>> len(jax.tree.leaves(learn))
        3
    """
    each = path_of_each(network)
    _check("partition", network, paths, each)
    chosen = paths or _by_default(network)
    learns = lambda path: path is not None and any(_leads(one, path) for one in chosen)
    return eqx.partition(network, jax.tree.map(learns, each, is_leaf=lambda path: path is None))


def path_of_each(network: Network) -> PyTree:
    """For each array of a network its path (str), such as `hidden.tau_mem`; None for what cannot learn.

    Args:
        network: A network, or one half of a partition.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.selection import path_of_each
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> jax.tree.leaves(path_of_each(rv.partition(net)[0]))
        ['input->output.weight', 'input->output.delay.raw']
    """
    names, links, speed = network.names, network.connections, network.speed
    moves = speed is not None and speed.learns
    owners = [(link.name, link.delay.learns) for link in links]
    return jax.tree_util.tree_map_with_path(lambda way, leaf: _path(names, owners, moves, way, leaf), network)


def labels(network: Network, paths: Iterable[str]) -> PyTree:
    """For each array that can learn the closest of some paths that leads to it, None where none does.

    Args:
        network: A network, or the half of a partition that learns.
        paths: The paths, as for `partition`. One of a single connection or population counts as closer than one that
            leads everywhere, and a longer one as closer than a shorter.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.selection import labels
        >>> net = rv.feedforward([4, 8, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> jax.tree.leaves(labels(rv.partition(net)[0], ["weight", "input->hidden.weight"]))
        ['input->hidden.weight', 'weight']
    """
    ranked = sorted(paths, key=lambda one: (not _owned(one), -len(one)))

    def closest(path: str | None) -> str | None:
        return None if path is None else next((one for one in ranked if _leads(one, path)), None)

    return jax.tree.map(closest, path_of_each(network), is_leaf=lambda path: path is None)


def check_paths(owner: str, network: Network, paths: Iterable[str]) -> None:
    """Refuse paths that lead nowhere.

    Args:
        owner: Who asks, for the message.
        network: The whole network.
        paths: The paths.

    Raises:
        ValueError: the first path that leads nowhere, with what there is.
    """
    _check(owner, network, paths, path_of_each(network))


def _check(owner: str, network: Network, paths: Iterable[str], each: PyTree) -> None:
    """The same, with the path of each array."""
    there = jax.tree.leaves(each)
    for one in paths:
        if one in ALWAYS or any(_leads(one, path) for path in there):
            continue
        fixed = [link for link in network.connections if one == f"{link.name}.delay"]
        if fixed:
            kind = type(fixed[0].delay).__name__
            if "position" in fixed[0].delay.learns:
                names = f"{fixed[0].pre}.position", f"{fixed[0].post}.position"
                msg = (
                    f"{owner}: {one!r} has no numbers of its own, it is a {kind}: its delays follow from positions; "
                    f"take {names[0]!r} or {names[1]!r}, or give it a LearnedSpeed or a Tortuosity."
                )
                raise ValueError(msg)
            msg = f"{owner}: {one!r} never learns, it is a {kind}; make it a SynapticDelay, AxonalDelay or such."
            raise ValueError(msg)
        fields = sorted({path.split(".", 1)[1] for path in there if ".delay." not in path} | ALWAYS)
        owners = [*network.names, *(link.name for link in network.connections)]
        msg = (
            f"{owner}: nothing is called {one!r}; this network has the fields {', '.join(fields)}, "
            f"everywhere or of {', '.join(owners)} alone, as in {there[0]!r}."
        )
        raise ValueError(msg)


def _by_default(network: Network) -> list[str]:
    """What the modules of a network say learns."""
    links = [f"{link.name}.{field}" for link in network.connections for field in link.learns]
    spatial = [link for link in network.connections if "position" in link.delay.learns]
    links += [f"{name}.position" for link in spatial for name in (link.pre, link.post)]
    links += ["network.speed"] * (network.speed is not None and network.speed.learns)
    return links + [f"{name}.{field}" for name, neuron in network.neurons.items() for field in neuron.learns]


def _owned(path: str) -> bool:
    """Whether a path begins with a connection or population."""
    return "." in path


def _leads(one: str, path: str) -> bool:
    """Whether the path `one`, given by a user, leads to the array at `path`."""
    anywhere = path.split(".", 1)[1]
    wholes = (path, anywhere) if "." in one else (anywhere,)
    return any(whole == one or whole.startswith(f"{one}.") for whole in wholes)


def _path(
    names: tuple[str, ...],
    owners: Sequence[tuple[str, tuple[str, ...]]],
    moves: bool,
    way: tuple[Any, ...],
    leaf: Any,
) -> str | None:
    """`.members[1].neuron.tau_mem` is `hidden.tau_mem`; None for indices and what never learns.

    Told are the names of the populations; of each connection its name and what of its delay learns; and whether the
    speed of the network learns.
    """
    group, place, *rest = way
    if group.name == "speed":
        return f"network.speed.{place.name}" if moves else None
    steps = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", "")))) for key in rest]
    if group.name == "members":
        return ".".join([names[place.idx], *(steps[1:] if steps[0] == "neuron" else steps)])
    name, learned = owners[place.idx]
    learns = steps == ["weight"] or (steps[0] == "delay" and steps[1] in learned)
    floating = not hasattr(leaf, "dtype") or jnp.issubdtype(leaf.dtype, jnp.floating)
    return ".".join([name, *steps]) if learns and floating else None
