"""From the offsets of all spikes to a `Solution`: spikes in order of time, counters and status."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.clock_driven.network_step import Machine, Outcome, in_order
from ranvier.clock_driven.timing import Emitted
from ranvier.dense import Link
from ranvier.events import Spikes
from ranvier.simulation import Solution, Stats, delivered, in_flight
from ranvier.status import DROPPED, EVENTS, NOT_FINITE, STEP_SPIKES, first_status

Counts = dict[str, Int[Array, " batch"]]


def collect(
    machine: Machine,
    outcome: Outcome,
    links: tuple[Link, ...],
    inputs: dict[str, Spikes],
    t_end: float,
    max_spikes: int,
    before: Int[Array, ""],
) -> Solution:
    """Sort the spikes, count, and say what went wrong.

    Args:
        machine: The network as it ran.
        outcome: What happened.
        links: The connections.
        inputs: The input spikes.
        t_end: End of the simulation (ms); what a last, longer step did beyond it is left out.
        max_spikes: Room for spikes, per neuron.
        before: Status of the arguments.
    """
    network = machine.network
    batch = len(next(iter(inputs.values())).time)
    found: dict[str, Spikes] = {}
    total: Counts = {}
    silent: Counts = {}
    none = jnp.zeros(batch, jnp.int32)
    for name, emitted in outcome.spikes.items():
        size = network.size(name)
        total[name], silent[name] = none, jnp.full_like(none, size)
        if network.neurons[name].spiking:
            found[name], total[name], silent[name] = _sorted(machine, emitted, t_end, size * max_spikes)
    unfit = {name: jnp.maximum(total[name] - network.size(name) * max_spikes, 0) for name in total}
    every = {**inputs, **found}
    lost = {name: outcome.lost_spikes[name] + outcome.lost_events[name] for name in total}
    stats = Stats(
        status=first_status(_problems(outcome, unfit), before),
        spikes=total,
        dropped={name: unfit[name] + lost[name] for name in total},
        silent=silent,
        in_flight={name: in_flight(links, every, name, t_end, batch) for name in total},
        guarded=dict.fromkeys(total, none),
        events=delivered(links, lax.stop_gradient(every), batch),
        forgotten=outcome.forgotten,
        exact=none + sum(machine.steps * network.size(name) for name in total if _in_order(machine, name)),
    )
    return Solution(found, outcome.voltages, jax.tree.map(lax.stop_gradient, stats))


def _in_order(machine: Machine, name: str) -> bool:
    pairs = zip(machine.network.connections, machine.routes, strict=True)
    return in_order(tuple(route for link, route in pairs if link.post == name))


def _sorted(
    machine: Machine, emitted: Emitted, t_end: float, capacity: int
) -> tuple[Spikes, Int[Array, " batch"], Int[Array, " batch"]]:
    """The first spikes up to t_end, how many there were, and how many neurons had none."""
    offsets = emitted.offset
    start = jnp.arange(len(offsets), dtype=offsets.dtype) * machine.grid.dt
    times = start[:, None, None, None] + offsets
    times = jnp.moveaxis(jnp.where(times <= t_end, times, jnp.inf), 2, 0)  # (batch, steps, spikes, size)
    by_sample = lambda part: jnp.moveaxis(part, 2, 0).reshape(len(times), -1)
    presence = None if emitted.presence is None else by_sample(emitted.presence)
    here = jnp.isfinite(times)
    size = times.shape[-1]

    def one(times: Float[Array, " all"], presence: Float[Array, " all"] | None) -> Spikes:
        place = jnp.nonzero(jnp.isfinite(times), size=capacity, fill_value=len(times))[0].astype(jnp.int32)
        filled = place < len(times)
        pick = lambda part, free: jnp.where(filled, part[jnp.where(filled, place, 0)], free)
        more = () if presence is None else (pick(presence, 0.0),)
        unit = jnp.where(filled, place % size, -1).astype(jnp.int32)
        time, unit, *more = lax.sort((pick(times, jnp.inf), unit, *more), num_keys=1)
        return Spikes(time, unit, size, presence=more[0] if more else None)

    found = jax.vmap(one)(times.reshape(len(times), -1), presence)
    per_neuron = jnp.sum(here, axis=(1, 2), dtype=jnp.int32)
    count = lambda what: jnp.sum(what, axis=1, dtype=jnp.int32)
    return found, count(per_neuron), count(per_neuron == 0)


def _problems(outcome: Outcome, unfit: Counts) -> list[tuple[int, Bool[Array, ""]]]:
    """What went wrong in the run, with its key of `STATUS`."""
    some = lambda counts: jnp.any(jnp.stack([jnp.any(count > 0) for count in counts.values()]))
    finite = [(NOT_FINITE, jnp.any(~jnp.isfinite(at))) for at in outcome.voltages.values()]
    lost = [(STEP_SPIKES, some(outcome.lost_spikes)), (EVENTS, some(outcome.lost_events))]
    return [(DROPPED, some(unfit)), (NOT_FINITE, outcome.broken), *finite, *lost]
