"""Networks: named populations and the connections between them, in any graph.

A network is a pytree: `jax.grad`, `jax.vmap`, `jax.jit` and optax work on it. What learns is a float array; sizes,
names and bounds are static. `ranvier.partition` says what an optimiser may touch, `project` puts delays back in their
box.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, ArrayLike, DTypeLike, Float

from ranvier._concrete import concrete
from ranvier.connections import Connection
from ranvier.delays import AbstractSpeed
from ranvier.delays.speeds import as_speed
from ranvier.neurons import AbstractNeuron
from ranvier.patterns import AllToAll
from ranvier.populations import Population
from ranvier.rules import CLOSER, PROJECT, Rule, check, finite_weights, within_bounds


class Network(eqx.Module):
    """Populations of neurons, joined by connections.

    Args:
        populations: The populations by name, inputs (those without a neuron) and others, in any order.
        connections: The connections. Two populations may be joined by several, under different names.
        speed: Speed of spikes (length per ms), common to all `SpatialDelay`s without one of their own: a number is
            fixed, `ranvier.delays.LearnedSpeed(...)` learns under the path `"network.speed"`.

    Raises:
        ValueError: names are missing, used twice or not fit for a path, shapes do not fit the sizes, a pattern names a
            neuron that is not there, or there is no input, no population of neurons or no connection.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> populations = {"input": rv.Population(2), "output": rv.Population(3, rv.LIF())}
        >>> net = rv.Network(populations, [rv.Connection("input", "output", jnp.ones((2, 3)))])
        >>> net["output"].size, net["input->output"].weight.shape
        (3, (2, 3))
    """

    members: tuple[Population, ...]
    connections: tuple[Connection, ...]
    speed: AbstractSpeed | None
    names: tuple[str, ...] = eqx.field(static=True)

    def __init__(
        self,
        populations: Mapping[str, Population],
        connections: Sequence[Connection],
        *,
        speed: AbstractSpeed | ArrayLike | None = None,
    ):
        for name, population in populations.items():
            if not isinstance(population, Population):
                msg = (
                    f"Network: `populations` must map names to ranvier.Population(size, neuron); "
                    f"got {population!r} for {name!r}."
                )
                raise ValueError(msg)
        self.names = tuple(populations)  # a dictionary would come back from JAX in alphabetical order
        self.members = tuple(populations.values())
        self.connections = tuple(connections)
        self.speed = as_speed(speed)
        if self.speed is not None and self.speed.shape != ():
            msg = f"Network: `speed` must be one number for all connections; got shape {self.speed.shape}."
            raise ValueError(msg)
        self._check_names()
        for link in self.connections:
            self._check_connection(link)

    def _check_names(self) -> None:
        for name in (*self.names, *(link.name for link in self.connections)):
            if not isinstance(name, str) or not name or "." in name or (name in self.names and "->" in name):
                msg = f"Network: names must be text without '.', and those of populations without '->'; got {name!r}."
                raise ValueError(msg)
        if not self.inputs or not self.neurons:
            there = {name: "input" if self[name].neuron is None else "neurons" for name in self.names}
            msg = f"Network: needs a population without a neuron, as input, and one with a neuron; got {there}."
            raise ValueError(msg)
        if not self.connections:
            msg = "Network: needs at least one connection; got none."
            raise ValueError(msg)
        links = [link.name for link in self.connections]
        twice = sorted({name for name in links if links.count(name) > 1} | (set(links) & set(self.names)))
        if twice:
            msg = (
                f"Network: every population and connection needs a name of its own; {', '.join(map(repr, twice))} is "
                'used twice. Name connections apart: Connection(..., name="fast").'
            )
            raise ValueError(msg)

    def _check_connection(self, link: Connection) -> None:
        if link.pre not in self.names or link.post not in self.neurons:
            msg = (
                f"Network: connection {link.name} must lead from one of the populations {list(self.names)} to one that "
                f"is not an input, {list(self.neurons)}."
            )
            raise ValueError(msg)
        pre, post = self[link.pre], self[link.post]
        if pre.neuron is not None and not pre.neuron.spiking:
            msg = f"Network: connection {link.name} starts at {link.pre!r}, whose neurons never spike."
            raise ValueError(msg)
        wanted = link.pattern.shape(pre.size, post.size)
        if link.weight.shape != wanted:
            msg = f"Network: connection {link.name} needs weights of shape {wanted}; got {link.weight.shape}."
            raise ValueError(msg)
        shape = jax.eval_shape(lambda: self.delay(link)).shape
        wanted = link.delay.per.shape(link.pattern, pre.size, post.size)
        if shape != wanted:
            kind = f"{type(link.delay).__name__} (one value per {link.delay.per.value})"
            msg = f"Network: connection {link.name} needs {kind} of shape {wanted}; got {shape}."
            raise ValueError(msg)
        check("Network", link.pattern.rules(link.name, pre.size, post.size))

    def __getitem__(self, name: str) -> Any:
        """The `Population` or the `Connection` of this name."""
        if name in self.names:
            return self.members[self.names.index(name)]
        for link in self.connections:
            if link.name == name:
                return link
        there = [*self.names, *(link.name for link in self.connections)]
        msg = f"Network: nothing is called {name!r}; this network has {', '.join(map(repr, there))}."
        raise KeyError(msg)

    @property
    def populations(self) -> dict[str, Population]:
        """The populations by name, in the order in which they were given."""
        return dict(zip(self.names, self.members, strict=True))

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the populations whose spikes are given."""
        return tuple(name for name, population in self.populations.items() if population.neuron is None)

    @property
    def neurons(self) -> dict[str, AbstractNeuron]:
        """The neuron model of every other population, by name."""
        return {name: one.neuron for name, one in self.populations.items() if one.neuron is not None}

    def size(self, population: str) -> int:
        """Number of neurons of a population."""
        return self.members[self.names.index(population)].size

    def delay(self, connection: str | Connection) -> Float[Array, "..."]:
        """Delays (ms) of a connection, given by itself or by its name.

        Returns:
            Shape (pre, post) or, with `Pairs`, (synapses,) for one delay per synapse; (pre, 1) for one per sender,
            (1, post) for one per receiver, (1, 1) for one common to all: see `ranvier.delays.Per`.
        """
        link = self[connection] if isinstance(connection, str) else connection
        speed = None if self.speed is None else self.speed()
        return link.delay(self[link.pre], self[link.post], link.pattern, speed=speed)

    @property
    def dtype(self) -> DTypeLike:
        """Floating-point type of the weights; simulations run in it."""
        return np.result_type(*(np.dtype(link.weight.dtype) for link in self.connections))

    def rules(self) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
        """What all numbers of the network must be, by the part that they belong to."""
        return self._rules(self.connections)

    def known_rules(self) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
        """The same without the delays that are traced: outside a compiled function it costs time to work them out."""
        return self._rules([link for link in self.connections if _known(self, link)])

    def _rules(self, delays: Sequence[Connection]) -> tuple[tuple[str, tuple[Rule, ...]], ...]:
        """The rules of the network, with those of the delays of some connections."""
        links = []
        for link in self.connections:
            links += [finite_weights(link.name, link.weight)]
            if any(link is one for one in delays):
                remedy = CLOSER if "position" in link.delay.learns else PROJECT
                links += [within_bounds(link.name, self.delay(link), link.delay.low, link.delay.high, remedy)]
            links += link.pattern.rules(link.name, self.size(link.pre), self.size(link.post))
        return (("", tuple(links)), *((f"population {name!r}: ", self[name].rules()) for name in self.names))

    def summary(self) -> str:
        """A table of populations and connections with their numbers of synapses, weights and delays."""
        lines = ["population            size  neuron            position"]
        for name, population in self.populations.items():
            kind = "input" if population.neuron is None else type(population.neuron).__name__
            place = "" if population.position is None else f"{population.position.shape[1]} dimensions"
            lines.append(f"{name:<20} {population.size:>5}  {kind:<16}  {place}".rstrip())
        lines += ["", "connection                 weights   delays  kind"]
        weights, delays, places = 0, 0, self._places()
        for link in self.connections:
            learned = [getattr(link.delay, field, None) for field in link.delay.learns]
            count = sum(leaf.size for leaf in jax.tree.leaves(learned))
            size = 0 if link.weight is None else link.weight.size  # the other half of a partition has it
            weights, delays = weights + size, delays + count
            kind = f"{type(link.delay).__name__} [{link.delay.low:g}, {link.delay.high:g}] ms"
            if not isinstance(link.pattern, AllToAll):
                share = link.weight.size / (self.size(link.pre) * self.size(link.post)) if size else 0
                kind += f", {type(link.pattern).__name__} ({share:.3g} of all)"
            lines.append(f"{link.name:<25} {size:>8,} {count:>8,}  {kind}")
        total = f"{weights + delays + places:,} learnable parameters"
        total += f", {places:,} of them in positions and a common speed" if places else ""
        lines.append(f"{'total':<25} {weights:>8,} {delays:>8,}  {total}")
        return "\n".join(lines)

    def _places(self) -> int:
        """How many numbers learn that belong to no connection alone: coordinates that delays follow from, and speed."""
        spatial = [link for link in self.connections if "position" in link.delay.learns]
        joined = {name for link in spatial for name in (link.pre, link.post)}
        common = self.speed if self.speed is not None and self.speed.learns else None
        return sum(leaf.size for leaf in jax.tree.leaves(([self[name].position for name in sorted(joined)], common)))

    def __repr__(self) -> str:
        return f"Network(\n{self.summary()}\n)"


def project(network: Network) -> Network:
    """Put every delay back between its bounds; `fit` calls this after each step.

    Args:
        network: The network after an optimiser's step.

    Returns:
        The same network, its delays with a `Clip` bound clipped. Other bounds are kept by construction.

    Example:
        >>> import jax, ranvier as rv
        >>> kind = rv.synaptic(0.0, 1.0, bound=rv.delays.Clip())
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=kind, key=jax.random.key(0))
        >>> moved = rv.project(jax.tree.map(lambda leaf: leaf + 5.0, net))
        >>> float(moved.delay("input->output").max())
        1.0
    """
    delays = [link.delay.project() for link in network.connections]
    return eqx.tree_at(lambda tree: [link.delay for link in tree.connections], network, delays)


def _known(network: Network, link: Connection) -> bool:
    """Whether the delays of a connection are known, not traced."""
    parts = link.delay, network[link.pre].position, network[link.post].position, network.speed
    return all(concrete(leaf) is not None for leaf in jax.tree.leaves(parts))
