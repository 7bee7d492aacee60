"""The simulation with exact spike times: what happens in one step of a whole network, and all steps in turn."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from ranvier.checkpoints import KEPT, Checkpoints, scan_in_blocks
from ranvier.clock_driven.arrivals import Arrivals, padded
from ranvier.clock_driven.cells import AbstractCells, Advanced
from ranvier.clock_driven.layouts import AbstractRoute
from ranvier.clock_driven.merged import merge
from ranvier.clock_driven.timing import Emitted, Grid, Sparks
from ranvier.network import Network


class Machine(NamedTuple):
    """A network made ready: its cells in running order, and the route of each connection."""

    network: Network
    grid: Grid
    cells: dict[str, AbstractCells]
    routes: tuple[AbstractRoute, ...]
    steps: int
    events: int
    rooms: dict[str, int]


class State(NamedTuple):
    """Everything between two steps: cells, events on their way (None for input connections), and what was lost."""

    cells: dict[str, Any]
    routes: tuple[Any, ...]
    lost_spikes: dict[str, Int[Array, " batch"]]
    lost_events: dict[str, Int[Array, " batch"]]
    forgotten: dict[str, Int[Array, " batch"]]


class Recording(NamedTuple):
    """Record times of one population: their steps and offsets, and how many may share a step."""

    step: Int[Array, "batch times"]
    offset: Float[Array, "batch times"]
    rank: Int[Array, "batch times"]
    room: int


class Outcome(NamedTuple):
    """The offsets of all spikes, recorded potentials, what was lost, and whether some state is not a number."""

    spikes: dict[str, Emitted]
    voltages: dict[str, Float[Array, "batch times size"]]
    lost_spikes: dict[str, Int[Array, " batch"]]
    lost_events: dict[str, Int[Array, " batch"]]
    forgotten: dict[str, Int[Array, " batch"]]
    broken: Bool[Array, ""]


def advance_all(
    machine: Machine, trains: dict[str, Sparks], record: dict[str, Float[Array, "batch times"]], checkpoint: Checkpoints
) -> Outcome:
    """Run all steps.

    Args:
        machine: The network made ready.
        trains: Input spikes.
        record: Times (ms) at which to record, by population.
        checkpoint: What reverse mode keeps.
    """
    batch = len(next(iter(trains.values())).unit)
    blocks, every = checkpoint.blocks(machine.steps)
    steps = blocks * every
    links = machine.network.connections
    known = {at: machine.routes[at].schedule(trains[link.pre], machine.steps) for at, link in enumerate(links)
             if link.pre in trains}  # fmt: skip
    inputs = {at: padded(arrivals, steps - machine.steps) for at, arrivals in known.items()}
    recordings = {name: _recording(machine, times, machine.rooms[name]) for name, times in record.items()}
    none = {name: jnp.zeros(batch, jnp.int32) for name in machine.cells}
    routes = tuple(None if at in inputs else route.empty(batch) for at, route in enumerate(machine.routes))
    start = State({name: cells.initial(batch) for name, cells in machine.cells.items()}, routes, none, none, none)
    body = lambda state, x: _step(machine, recordings, state, *x)
    end, (spikes, potentials) = scan_in_blocks(
        body, start, (jnp.arange(steps, dtype=jnp.int32), inputs), blocks, twice=True
    )
    sample = jnp.arange(batch, dtype=jnp.int32)[:, None]
    voltages = {name: potentials[name][at.step, at.rank, sample] for name, at in recordings.items()}
    broken = [
        jnp.any(jnp.isnan(leaf)) for leaf in jax.tree.leaves(end.cells) if jnp.issubdtype(leaf.dtype, jnp.floating)
    ]
    return Outcome(spikes, voltages, end.lost_spikes, end.lost_events, end.forgotten, jnp.any(jnp.stack(broken)))


def _step(
    machine: Machine,
    recordings: dict[str, Recording],
    state: State,
    step: Int[Array, ""],
    inputs: dict[int, Arrivals],
) -> tuple[State, tuple[dict[str, Emitted], dict[str, Array]]]:
    """One step of every population in turn: take what arrives, advance, record, send."""
    cells, routes = dict(state.cells), list(state.routes)
    lost_spikes, lost_events, forgotten = map(dict, (state.lost_spikes, state.lost_events, state.forgotten))
    links = machine.network.connections
    counts = (step < machine.steps).astype(jnp.int32)  # steps that only fill the last block do not count
    spikes, potentials = {}, {}
    for name, neurons in machine.cells.items():
        arrivals = []
        for at, link in enumerate(links):
            if link.post == name and at in inputs:
                arrivals.append(inputs[at])
            elif link.post == name:
                routes[at], found = machine.routes[at].due(routes[at], step)
                arrivals.append(found)
        times, weights, lost = _gather(machine, arrivals, cells[name], neurons)
        lost_events[name] = lost_events[name] + counts * lost
        advance = partial(neurons.advance, cells[name], step, times=times, weights=weights)
        whole = jnp.broadcast_to(machine.grid.dt, (times.shape[1], 1))
        if name in recordings:
            result, potentials[name] = _record(recordings[name], step, whole, advance, neurons)
        else:
            result = advance(whole)
        cells[name], spikes[name], lost = result
        lost_spikes[name] = lost_spikes[name] + counts * jnp.sum(lost, axis=1, dtype=jnp.int32)
        for at, link in enumerate(links):
            if link.pre == name:
                routes[at], lost = machine.routes[at].push(routes[at], step, spikes[name])
                sums = forgotten if machine.routes[at].forgiving else lost_events
                sums[link.post] = sums[link.post] + counts * lost
    return State(cells, tuple(routes), lost_spikes, lost_events, forgotten), (spikes, potentials)


def _gather(
    machine: Machine, arrivals: list[Arrivals], state: Any, neurons: AbstractCells
) -> tuple[Float[Array, "events batch size"], Float[Array, "events batch size"], Int[Array, " batch"]]:
    """All that arrives at a population in a step, in order of time."""
    if not arrivals:
        shape = (0, *neurons.voltage(state).shape)
        return jnp.zeros(shape, machine.grid.dt.dtype), jnp.zeros(shape, machine.grid.dt.dtype), jnp.zeros(
            shape[1], jnp.int32
        )  # fmt: skip
    times, weights = [part.times for part in arrivals], [part.weights for part in arrivals]
    lost = sum((part.lost for part in arrivals[1:]), arrivals[0].lost)
    sums = [part.sums for part in arrivals if part.sums is not None]
    if sums:
        centre, weight = merge(sum(sums[1:], sums[0]), machine.grid.dt)
        times, weights = [*times, centre], [*weights, weight]
    filled = [part for part in times if len(part)]
    if len(filled) == 1:
        return filled[0], next(part for part in weights if len(part)), lost
    ordered, sorted_weights = lax.sort((jnp.concatenate(times), jnp.concatenate(weights)), dimension=0, num_keys=1)
    room = machine.events
    lost = lost + jnp.sum(jnp.isfinite(ordered[room:]), axis=(0, 2), dtype=jnp.int32)
    return ordered[:room], sorted_weights[:room], lost


def _recording(machine: Machine, times: Float[Array, "batch count"], room: int) -> Recording:
    """Place record times on the grid; one at the very end belongs to the last step."""
    step, rank = place_records(machine.grid, times, machine.steps)
    return Recording(step, times - step.astype(times.dtype) * machine.grid.dt, rank, room)


def place_records(
    grid: Grid, times: Float[Array, "batch count"], steps: int
) -> tuple[Int[Array, "batch count"], Int[Array, "batch count"]]:
    """Step of each record time, and how many before it are in the same step."""
    step = jnp.minimum(grid.split(times)[0], steps - 1)
    place = jnp.broadcast_to(jnp.arange(times.shape[1], dtype=jnp.int32), step.shape)
    fresh = jnp.concatenate([jnp.ones((len(step), 1), bool), step[:, 1:] != step[:, :-1]], axis=1)
    return step, place - lax.cummax(jnp.where(fresh, place, 0), axis=1)


def _record(
    recording: Recording,
    step: Int[Array, ""],
    whole: Float[Array, "batch 1"],
    advance: Callable[[Float[Array, "batch 1"]], Advanced],
    neurons: AbstractCells,
) -> tuple[Advanced, Float[Array, "room batch size"]]:
    """Advance to each record time of this step, always from the step's start, and last by the whole step."""
    here = recording.step == step
    ranks = jnp.arange(recording.room + 1, dtype=jnp.int32)
    mine = here[None] & (recording.rank[None] == ranks[:, None, None])
    h = jnp.sum(jnp.where(mine, recording.offset[None], 0.0), axis=2, keepdims=True)
    last = ranks == recording.room
    h = jnp.where(last[:, None, None], whole[None], h)
    wanted = jnp.any(mine, axis=(1, 2)) | last
    empty = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(advance, whole))

    # Whatever reverse mode keeps of one branch is an array of both: computed again, what was found apart, it is little.
    again = jax.checkpoint(advance, prevent_cse=False, policy=jax.checkpoint_policies.save_only_these_names(KEPT))

    def at(_: None, x: tuple[Array, Array]) -> tuple[None, Advanced]:
        return None, lax.cond(x[0], again, lambda _: empty, x[1])

    results = lax.scan(at, None, (wanted, h))[1]
    potentials = jax.vmap(neurons.voltage)(results[0])
    return jax.tree.map(lambda leaf: leaf[-1], results), potentials[:-1]


def number_of_steps(t_end: float, dt: float) -> int:
    """Steps that cover [0, t_end]."""
    return max(1, math.ceil(t_end / dt - 1e-9))


def in_order(routes: tuple[AbstractRoute, ...]) -> bool:
    """Whether every event is taken in order of time."""
    return all(route.exact for route in routes)
