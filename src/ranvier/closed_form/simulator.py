"""`FirstSpike`: continuous time, one spike per neuron, in closed form and plain JAX."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from ranvier._concrete import concrete
from ranvier.closed_form.prefixes import Arrivals, Tau, first_spikes, potentials_at, prefixes, sort_arrivals
from ranvier.connections import Connection
from ranvier.events import Spikes
from ranvier.graph import cycle_limit, running_order
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.simulation import AbstractSimulator, Solution, Stats


class FirstSpike(AbstractSimulator):
    """First spikes of feed-forward networks in closed form (DelGrad), on any device that JAX knows.

    A neuron spikes once at most: `refractory = inf`. Its arrivals are sorted, the state after each follows from an
    associative scan, and the spike is found from the first one that leads across threshold before the next: by
    Lambert's W where tau_mem = tau_syn, by a square root where tau_mem = 2 tau_syn, else by a few steps of cubic
    convergence. O(n log n) per neuron for n arrivals. Spikes and gradients are those of `EventDriven`. Every derivative
    is JAX's own: weights, delays, thresholds, leak potentials, time constants, input times, record times; first order
    only. It can be mapped (`jax.vmap`) over samples, and over networks to train many seeds at once.

    Raises:
        ValueError: when run: the network has a cycle, a neuron may spike more than once or is not linear.

    References:
        Göltz et al., "DelGrad", Nat. Commun. 16 (2025); Göltz et al., Nat. Mach. Intell. 3 (2021).

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> neuron = rv.LIF(refractory=jnp.inf)
        >>> net = rv.feedforward([2, 3], neuron=neuron, weight=rv.constant(5.0), key=jax.random.key(0))
        >>> def first(times):
        ...     solution = rv.simulate(net, rv.Spikes(times, jnp.array([0, 1])), rv.FirstSpike(), t_end=20.0)
        ...     return solution.spikes["output"].time[0]
        >>> round(float(jax.grad(first)(jnp.array([1.0, 2.0])).sum()), 5)
        1.0
    """

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        order = _order(network)
        dtype = jnp.dtype(network.dtype)
        inputs = {name: Spikes(train.time.astype(dtype), train.unit) for name, train in spikes.items()}
        times = {name: at.astype(dtype) for name, at in record.items()}
        found, voltages, late = jax.vmap(lambda one, at: _sample(network, order, one, t_end, at))(inputs, times)
        return Solution(found, voltages, _stats(network, inputs, found, late, voltages))


def _order(network: Network) -> list[str]:
    """The populations in the order in which they depend on each other."""
    _, cycle = cycle_limit(network)
    if cycle:
        msg = f"FirstSpike: needs a feed-forward network; got a cycle through {', '.join(cycle)}. Use EventDriven()."
        raise ValueError(msg)
    for name, neuron in network.neurons.items():
        hold = concrete(linear(neuron, "FirstSpike", "Use ClockDriven().").refractory)
        if neuron.spiking and hold is not None and not np.all(np.isinf(hold)):
            msg = (
                f"FirstSpike: the neurons of {name!r} may spike more than once, since their refractory time is {hold} "
                "ms. Give them LIF(refractory=jnp.inf), or use EventDriven()."
            )
            raise ValueError(msg)
    return running_order(network, np.inf)


def _sample(
    network: Network,
    order: list[str],
    inputs: dict[str, Spikes],
    t_end: float,
    record: dict[str, Float[Array, " times"]],
) -> tuple[dict[str, Spikes], dict[str, Float[Array, "times size"]], dict[str, Int[Array, ""]]]:
    """One sample: spikes and potentials, and the events due after the end, by population."""
    sent, voltages, late = dict(inputs), {}, {}
    for name in order:
        neuron = linear(network.neurons[name], "FirstSpike", "")
        into = [_arrivals(link, sent[link.pre]) for link in network.connections if link.post == name]
        due = _join(into, network.size(name))
        late[name] = jnp.sum(jnp.where(jnp.isfinite(due.time), due.time > t_end, False), dtype=jnp.int32)
        late[name] = late[name] * (due.weight.shape[1] // due.time.shape[1])
        tau = Tau(neuron.tau_mem, neuron.tau_syn)
        states = prefixes(sort_arrivals(*due), tau)
        first = jnp.full(network.size(name), jnp.inf, due.weight.dtype)
        if neuron.spiking:
            first = first_spikes(states, tau, neuron.v_threshold - neuron.v_leak, t_end)
            unit = jnp.argsort(lax.stop_gradient(first))
            time = first[unit]
            sent[name] = Spikes(time, jnp.where(jnp.isfinite(time), unit, -1).astype(jnp.int32))
        if name in record:
            free = neuron.v_leak + potentials_at(states, tau, record[name])
            voltages[name] = jnp.where(record[name][:, None] >= first[None], neuron.v_reset, free)
    return {name: sent[name] for name in order if network.neurons[name].spiking}, voltages, late


def _arrivals(link: Connection, train: Spikes) -> Arrivals:
    """What a connection delivers, in the order of sending; one column of times where receivers share them."""
    some = jnp.isfinite(train.time)
    unit = jnp.where(some, train.unit, 0)
    delay = link.delay()
    wait = delay[unit] if delay.shape[0] > 1 else delay
    time = jnp.where(some, train.time, 0.0)[:, None] + wait
    return Arrivals(jnp.where(some[:, None], time, jnp.inf), jnp.where(some[:, None], link.weight[unit], 0.0))


def _join(into: list[Arrivals], size: int) -> Arrivals:
    """Arrivals of several connections as one list."""
    shared = all(part.time.shape[1] == 1 for part in into)
    columns = 1 if shared else size
    times = [jnp.broadcast_to(part.time, (part.time.shape[0], columns)) for part in into]
    return Arrivals(jnp.concatenate(times), jnp.concatenate([part.weight for part in into]))


def _stats(
    network: Network,
    inputs: dict[str, Spikes],
    found: dict[str, Spikes],
    late: dict[str, Int[Array, " batch"]],
    voltages: dict[str, Float[Array, "batch times size"]],
) -> Stats:
    """Counters: nothing can be dropped, since each neuron has one place."""
    nothing = jax.tree.map(jnp.zeros_like, late)
    count = lambda train: jnp.sum(jnp.isfinite(train.time), axis=-1, dtype=jnp.int32)
    counts = nothing | {name: count(train) for name, train in found.items()}
    silent = {name: network.size(name) - total for name, total in counts.items()}
    sent = counts | {name: count(train) for name, train in inputs.items()}
    events = sum(sent[link.pre] * network.size(link.post) for link in network.connections)
    events = jnp.asarray(events, jnp.int32)
    return Stats(
        _status(network, found, voltages), counts, nothing, silent, lax.stop_gradient(late), nothing, events,
        jnp.zeros_like(events),
    )  # fmt: skip


def _status(network: Network, found: dict[str, Spikes], voltages: dict[str, Array]) -> Int[Array, ""]:
    """First key of `ranvier.simulation.STATUS` that applies."""
    neurons = [linear(neuron, "FirstSpike", "") for neuron in network.neurons.values()]
    delays = [(link.delay(), link.delay.low, link.delay.high) for link in network.connections]
    taus = [tau for neuron in neurons for tau in (neuron.tau_mem, neuron.tau_syn)]
    results = [*(train.time for train in found.values()), *voltages.values()]
    slack = 1e-6 if network.dtype == np.float64 else 1e-4
    wrong = {
        3: [jnp.any(neuron.v_leak >= neuron.v_threshold) for neuron in neurons],
        4: [~jnp.isfinite(link.weight).all() for link in network.connections],
        5: [~jnp.all((d >= low - slack) & (d <= high + slack) & (d < jnp.inf)) for d, low, high in delays],
        6: [~jnp.all((tau > 0) & (tau < jnp.inf)) for tau in taus],
        9: [jnp.isnan(result).any() for result in results],
    }
    codes = [jnp.where(bad, code, 10) for code, checks in wrong.items() for bad in checks]
    least = jnp.min(jnp.stack(codes))
    return jnp.where(least == 10, 0, least).astype(jnp.int32)
