"""From the offsets of all spikes to a `Solution`: spikes in order of time, counters and status."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.network_step import Machine, Outcome, in_order
from ranvier.connections import Connection
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron
from ranvier.simulation import Solution, Stats, first_status

Counts = dict[str, Int[Array, " batch"]]


def collect(machine: Machine, outcome: Outcome, inputs: dict[str, Spikes], t_end: float, max_spikes: int) -> Solution:
    """Sort the spikes, count, and say what went wrong.

    Args:
        machine: The network as it ran.
        outcome: What happened.
        inputs: The input spikes.
        t_end: End of the simulation (ms); what a last, longer step did beyond it is left out.
        max_spikes: Room for spikes, per neuron.
    """
    network = machine.network
    batch = len(next(iter(inputs.values())).time)
    found: dict[str, Spikes] = {}
    total: Counts = {}
    silent: Counts = {}
    none = jnp.zeros(batch, jnp.int32)
    for name, offsets in outcome.spikes.items():
        size = network.size(name)
        total[name], silent[name] = none, jnp.full_like(none, size)
        if network.neurons[name].spiking:
            found[name], total[name], silent[name] = _sorted(machine, offsets, t_end, size * max_spikes)
    unfit = {name: jnp.maximum(total[name] - network.size(name) * max_spikes, 0) for name in total}
    every = {**inputs, **found}
    counts = {name: jnp.sum(jnp.isfinite(train.time), axis=1, dtype=jnp.int32) for name, train in inputs.items()}
    events = sum((network.size(link.post) * (counts | total)[link.pre] for link in network.connections), none)
    lost = {name: outcome.lost_spikes[name] + outcome.lost_events[name] for name in total}
    stats = Stats(
        status=_status(machine, outcome, unfit),
        spikes=total,
        dropped={name: unfit[name] + lost[name] for name in total},
        silent=silent,
        in_flight={name: _in_flight(network, every, name, t_end, none) for name in total},
        guarded=dict.fromkeys(total, none),
        events=events,
        forgotten=outcome.forgotten,
        exact=none + sum(machine.steps * network.size(name) for name in total if _in_order(machine, name)),
    )
    return Solution(found, outcome.voltages, jax.tree.map(lax.stop_gradient, stats))


def _in_order(machine: Machine, name: str) -> bool:
    pairs = zip(machine.network.connections, machine.routes, strict=True)
    return in_order(tuple(route for link, route in pairs if link.post == name))


def _sorted(
    machine: Machine, offsets: Float[Array, "steps spikes batch size"], t_end: float, capacity: int
) -> tuple[Spikes, Int[Array, " batch"], Int[Array, " batch"]]:
    """The first spikes up to t_end, how many there were, and how many neurons had none."""
    start = jnp.arange(len(offsets), dtype=offsets.dtype) * machine.grid.dt
    times = start[:, None, None, None] + offsets
    times = jnp.moveaxis(jnp.where(times <= t_end, times, jnp.inf), 2, 0)  # (batch, steps, spikes, size)
    here = jnp.isfinite(times)
    size = times.shape[-1]

    def one(times: Float[Array, " all"]) -> tuple[Float[Array, " capacity"], Int[Array, " capacity"]]:
        place = jnp.nonzero(jnp.isfinite(times), size=capacity, fill_value=len(times))[0].astype(jnp.int32)
        filled = place < len(times)
        time = jnp.where(filled, times[jnp.where(filled, place, 0)], jnp.inf)
        time, unit = lax.sort((time, jnp.where(filled, place % size, -1).astype(jnp.int32)), num_keys=1)
        return time, unit

    time, unit = jax.vmap(one)(times.reshape(len(times), -1))
    per_neuron = jnp.sum(here, axis=(1, 2), dtype=jnp.int32)
    count = lambda what: jnp.sum(what, axis=1, dtype=jnp.int32)
    return Spikes(time, unit), count(per_neuron), count(per_neuron == 0)


def _in_flight(
    network: Network, trains: dict[str, Spikes], post: str, t_end: float, none: Int[Array, " batch"]
) -> Int[Array, " batch"]:
    """Events for one population that are due after t_end."""

    def late(link: Connection, train: Spikes) -> Int[Array, ""]:
        delay = link.delay()
        unit = train.unit if delay.shape[0] > 1 else jnp.zeros_like(train.unit)
        due = train.time[:, None] + delay[jnp.maximum(unit, 0)].astype(train.time.dtype)
        beyond = jnp.isfinite(train.time)[:, None] & (due > t_end)
        return jnp.sum(beyond, dtype=jnp.int32) * (network.size(post) // beyond.shape[1])

    counts = [
        lax.map(lambda train, link=link: late(link, train), lax.stop_gradient(trains[link.pre]))
        for link in lax.stop_gradient(network.connections)
        if link.post == post
    ]
    return sum(counts, none)


def _status(machine: Machine, outcome: Outcome, unfit: Counts) -> Int[Array, ""]:
    """The first key of `STATUS` that applies, 0 if none does."""
    network = lax.stop_gradient(machine.network)
    some = lambda counts: jnp.any(jnp.stack([jnp.any(count > 0) for count in counts.values()]))
    problems: list[tuple[int, Bool[Array, ""]]] = [(1, some(unfit))]
    for neuron in network.neurons.values():
        if isinstance(neuron, AbstractLinearNeuron) and neuron.spiking:
            problems.append((2, jnp.any(neuron.v_reset >= neuron.v_threshold)))
            problems.append((3, jnp.any(neuron.v_leak >= neuron.v_threshold)))
            problems.append((6, jnp.any(~(neuron.refractory >= 0))))
        if isinstance(neuron, AbstractLinearNeuron):
            problems.append((6, jnp.any(~(neuron.tau_mem > 0)) | jnp.any(~(neuron.tau_syn > 0))))
    slack = 1e-6 if jnp.dtype(network.dtype) == jnp.float64 else 1e-4
    for link in network.connections:
        delay = link.delay()
        problems.append((4, jnp.any(~jnp.isfinite(link.weight))))
        inside = (delay >= link.delay.low - slack) & (delay <= link.delay.high + slack) & jnp.isfinite(delay)
        problems.append((5, jnp.any(~inside)))
    problems += [(9, outcome.broken), *((9, jnp.any(~jnp.isfinite(at))) for at in outcome.voltages.values())]
    problems += [(10, some(outcome.lost_spikes)), (11, some(outcome.lost_events))]
    return first_status(problems)
