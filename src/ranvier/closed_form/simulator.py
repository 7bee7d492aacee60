"""`FirstSpike`: continuous time, one spike per neuron, in closed form and plain JAX."""

import math
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ranvier._concrete import concrete
from ranvier.closed_form.prefixes import Arrivals, Cells, first_spikes, potentials_at, prefixes
from ranvier.closed_form.sorting import in_order
from ranvier.closed_form.summaries import summaries_of_u
from ranvier.dense import Link, dense
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient, ExactDerivative, Parts, no_near_misses
from ranvier.graph import cycle_limit, running_order
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.simulation import (
    AbstractSimulator,
    Records,
    Solution,
    Stats,
    argument_status,
    delivered,
    summaries_of,
    times_of,
)
from ranvier.status import NOT_FINITE, TONIC, first_status
from ranvier.summaries import Summaries, above_rest


class FirstSpike(AbstractSimulator):
    """First spikes of feed-forward networks in closed form (DelGrad), on any device that JAX knows.

    A neuron spikes once at most: `refractory = inf`. Its arrivals are sorted, the state after each follows from an
    associative scan, and the spike is found from the first one that leads across threshold before the next: by
    Lambert's W where tau_mem = tau_syn, by a square root where tau_mem = 2 tau_syn, else by a few steps of cubic
    convergence. O(n log^2 n) per neuron for n arrivals (a sorting network). Spikes and gradients are those of
    `EventDriven`. Every derivative is JAX's own: weights, delays, thresholds, leak potentials, biases, time constants,
    input times, record times, and of exact derivatives to every order. It can be mapped (`jax.vmap`) over samples, and
    over networks to train many seeds at once.

    Args:
        max_inverse_slope: Guard for spikes that graze the threshold, where dt*/dV = -1/V' diverges: the largest 1/V'
            (ms) used in the gradient, for weights, delays and everything upstream alike. Default none; then the
            gradient of a spike at the very top of its potential is not finite. `Stats.guarded` counts the spikes it
            acts on.
        gradient: How a spike is differentiated: `ExactDerivative()`, or `SpikeValue(...)`, the same as `EventDriven`'s.
            A neuron that fires once never resumes, so `reset` and `refractory` of it have no effect.

    Raises:
        ValueError: `max_inverse_slope` is not above 0; or, when run: the network has a cycle, a neuron may spike more
            than once, fires by itself (its bias takes it to threshold), or is not linear.

    References:
        Göltz et al., "DelGrad", Nat. Commun. 16 (2025); Göltz et al., Nat. Mach. Intell. 3 (2021).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.LIF(refractory=jnp.inf)
        >>> net = rv.feedforward([2, 3], neuron=neuron, weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> def first(times):
        ...     solution = rv.simulate(net, rv.Spikes(times, jnp.array([0, 1])), rv.FirstSpike(), t_end=20.0)
        ...     return solution.spikes["output"].time[0]
        >>> round(float(jax.grad(first)(jnp.array([1.0, 2.0])).sum()), 5)
        1.0
    """

    max_inverse_slope: float = eqx.field(static=True, default=math.inf)
    gradient: AbstractGradient = eqx.field(static=True, default=ExactDerivative())

    def __check_init__(self):
        no_near_misses(self.gradient, "FirstSpike")
        if not self.max_inverse_slope > 0:
            msg = f"FirstSpike: `max_inverse_slope` must be above 0; got {self.max_inverse_slope}."
            raise ValueError(msg)

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        order, links = tuple(_order(network)), dense(network)
        dtype = jnp.dtype(network.dtype)
        inputs = {name: Spikes(train.time.astype(dtype), train.unit, train.size) for name, train in spikes.items()}
        times = {name: at.astype(dtype) for name, at in times_of(record).items()}
        status = first_status([(TONIC, _fire_alone(network))], before=argument_status(network, spikes, t_end, record))
        parts = self.gradient.parts()
        parts = parts._replace(max_inverse_slope=min(parts.max_inverse_slope, self.max_inverse_slope))
        asked = summaries_of(record)
        found, voltages, late, guarded = _simulate(network, order, links, inputs, t_end, asked | times, parts)
        for name in asked:
            rest = linear(network.neurons[name], "FirstSpike", "").rest.astype(dtype)
            voltages[name] = above_rest(asked[name], voltages[name], rest, t_end)
        results = [*(train.time for train in found.values()), *voltages.values()]
        status = first_status([(NOT_FINITE, jnp.isnan(result).any()) for result in results], before=status)
        stats = _stats(network, links, inputs | found, late, guarded, status)
        return Solution(found, voltages, stats)


def _order(network: Network) -> list[str]:
    """The populations in the order in which they depend on each other."""
    _, cycle = cycle_limit(network)
    if cycle:
        msg = f"FirstSpike: needs a feed-forward network; got a cycle through {', '.join(cycle)}. Use EventDriven()."
        raise ValueError(msg)
    for name, neuron in network.neurons.items():
        cell = linear(neuron, "FirstSpike", "Use ClockDriven().")
        hold = concrete(cell.refractory)
        if neuron.spiking and hold is not None and np.any((hold >= 0) & (hold < np.inf)):
            msg = (
                f"FirstSpike: the neurons of {name!r} may spike more than once, since their refractory time is {hold} "
                "ms. Give them LIF(refractory=jnp.inf), or use EventDriven()."
            )
            raise ValueError(msg)
        leak, bias, threshold = concrete(cell.v_leak), concrete(cell.bias), concrete(cell.v_threshold)
        if leak is None or bias is None or threshold is None:
            continue
        if np.any((leak < threshold) & (leak + bias >= threshold) & (bias < np.inf)):
            msg = (
                f"FirstSpike: neurons of {name!r} fire without input, since their bias takes them to the threshold: "
                "v_leak + bias is not below v_threshold. Give them a smaller bias, or use EventDriven()."
            )
            raise ValueError(msg)
    return running_order(network, np.inf)


def _fire_alone(network: Network) -> Bool[Array, ""]:
    """Whether some neuron fires without input."""
    neurons = [linear(neuron, "FirstSpike", "") for neuron in network.neurons.values()]
    return jnp.any(jnp.stack([jnp.any(neuron.rest >= neuron.v_threshold) for neuron in neurons]))


Counts = dict[str, Int[Array, " batch"]]
"""A number for each sample, by population."""


class Sent(NamedTuple):
    """Spikes on their way out of a population; `unit` is None where neuron k's only spike stands in row k.

    `presence` is 1 for each, where it has a derivative (`ranvier.gradients`).
    """

    time: Float[Array, "n batch"]
    unit: Int[Array, "n batch"] | None
    presence: Float[Array, "n batch"] | None = None


@partial(jax.jit, static_argnums=(1, 6))
def _simulate(
    network: Network,
    order: tuple[str, ...],
    links: tuple[Link, ...],
    inputs: dict[str, Spikes],
    t_end: Float[ArrayLike, ""],
    record: dict[str, Float[Array, "batch _"] | Summaries],
    parts: Parts,
) -> tuple[dict[str, Spikes], dict[str, Float[Array, "batch _ _"]], Counts, Counts]:
    """Spikes, potentials (for summaries what `above_rest` takes), the events due after the end, and the spikes with a
    limited gradient, by population."""
    sent = {name: Sent(train.time.T, train.unit.T) for name, train in inputs.items()}
    batch = len(next(iter(inputs.values())).time)
    found, voltages, late, guarded = {}, {}, {}, {}
    for name in order:
        neuron, size = linear(network.neurons[name], "FirstSpike", ""), network.size(name)
        into = [_arrivals(link, sent[link.pre]) for link in links if link.post == name]
        due = _join([part for part in into if len(part.time)])
        rest, threshold = _column(neuron.rest), _column(neuron.v_threshold)
        cells = Cells(_column(neuron.tau_mem), _column(neuron.tau_syn), -_column(neuron.bias), threshold - rest,
                      lax.stop_gradient(threshold - _column(neuron.v_leak)))  # fmt: skip
        guarded[name] = jnp.zeros(batch, jnp.int32)
        late[name] = jnp.zeros(batch, jnp.int32) if due is None else _late(due, size, t_end)
        first = onward = jnp.full((size, batch), jnp.inf, network.dtype)
        presence = None if parts.scale == 0 else jnp.zeros_like(first)
        if neuron.spiking and due is not None:
            fired = first_spikes(due, cells, t_end, parts)
            guarded[name] = jnp.sum(fired.limited, axis=0, dtype=jnp.int32)
            first, onward, presence = fired.time, fired.onward, fired.presence
        if neuron.spiking:
            sent[name] = Sent(onward, None, presence)
            found[name] = in_order(first.T, None if presence is None else presence.T)
        asked = record.get(name)
        if isinstance(asked, tuple):
            voltages[name] = jnp.moveaxis(summaries_of_u(asked, due, cells, t_end, (size, batch)), 2, 0)
        elif asked is not None:
            at = asked.T
            u = cells.start * jnp.exp(-at[:, None] / cells.mem)
            u = u if due is None else potentials_at(prefixes(due, cells), cells, at)
            held = jnp.where(at[:, None] >= first[None], _column(neuron.v_reset), rest + u)
            voltages[name] = jnp.moveaxis(held, 2, 0)
    return found, voltages, late, guarded


def _column(parameter: Float[Array, "*#size"]) -> Float[Array, "1 #size 1"]:
    """A parameter of a population, to stand beside (events, neurons, samples)."""
    return jnp.reshape(parameter, (1, -1, 1))


def _arrivals(link: Link, sent: Sent) -> Arrivals:
    """What a connection delivers, in the order of sending; where there is no synapse, never."""
    if sent.unit is None:
        time, weight = sent.time[:, None] + link.delay[:, :, None], link.weight[:, :, None]
        weight = weight if sent.presence is None else weight * sent.presence[:, None]
        there = None if link.exists is None else link.exists[:, :, None]
    else:
        some = jnp.isfinite(sent.time)
        unit = jnp.where(some, sent.unit, 0)
        wait = link.delay[unit] if link.delay.shape[0] > 1 else link.delay[None]
        time = jnp.where(some, sent.time, 0.0)[:, None] + jnp.moveaxis(wait, -1, 1)
        time, weight = jnp.where(some[:, None], time, jnp.inf), jnp.moveaxis(link.weight[unit], -1, 1)
        there = None if link.exists is None else jnp.moveaxis(link.exists[unit], -1, 1)
    return Arrivals(time if there is None else jnp.where(there, time, jnp.inf), weight)


def _join(into: list[Arrivals]) -> Arrivals | None:
    """Arrivals of several connections as one list; None where nobody sends."""

    def join(parts: list[Float[Array, "_ _ _"]]) -> Float[Array, "_ _ _"]:
        shape = np.broadcast_shapes(*(part.shape[1:] for part in parts))
        return jnp.concatenate([jnp.broadcast_to(part, (len(part), *shape)) for part in parts])

    return Arrivals(join([part.time for part in into]), join([part.weight for part in into])) if into else None


def _late(due: Arrivals, size: int, t_end: Float[ArrayLike, ""]) -> Int[Array, " batch"]:
    """Events at the neurons of a population that are due after the end."""
    many = jnp.sum(jnp.isfinite(due.time) & (due.time > t_end), axis=(0, 1), dtype=jnp.int32)
    return many * (size // due.time.shape[1])


def _stats(
    network: Network,
    links: tuple[Link, ...],
    trains: dict[str, Spikes],
    late: Counts,
    guarded: Counts,
    status: Int[Array, ""],
) -> Stats:
    """Counters: nothing can be dropped, since each neuron has one place."""
    nothing = jax.tree.map(jnp.zeros_like, late)
    count = lambda train: jnp.sum(jnp.isfinite(train.time), axis=-1, dtype=jnp.int32)
    counts = nothing | {name: count(train) for name, train in trains.items() if name in network.neurons}
    silent = {name: network.size(name) - total for name, total in counts.items()}
    events = delivered(links, lax.stop_gradient(trains), len(next(iter(trains.values())).time))
    return Stats(
        status, counts, nothing, silent, lax.stop_gradient(late), guarded, events, jnp.zeros_like(events)
    )  # fmt: skip
