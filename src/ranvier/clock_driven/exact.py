"""`ExactSpikes`: every spike at its own time within the step, with the derivative of that time."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier._concrete import concrete
from ranvier.clock_driven.cells import make_cells
from ranvier.clock_driven.collect import collect
from ranvier.clock_driven.layouts import AbstractLayout, Exact, Merged
from ranvier.clock_driven.network_step import Machine, advance_all, number_of_steps, place_records
from ranvier.clock_driven.spike import AbstractSpike, Settings
from ranvier.clock_driven.timing import Grid, Sparks
from ranvier.delays import Per
from ranvier.dense import Link, dense
from ranvier.events import Spikes
from ranvier.graph import cycle_limit, running_order
from ranvier.network import Network
from ranvier.simulation import Solution, argument_status


class ExactSpikes(AbstractSpike):
    """Spikes at the instant of the crossing, found within the step and differentiated through `exact_root`.

    Example:
        >>> import ranvier as rv
        >>> rv.ClockDriven(spike=rv.clock_driven.ExactSpikes()).dt
        0.1
    """

    def run(
        self,
        settings: Settings,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        _check_cycles(network, settings.dt)
        layouts = tuple((settings.layout or default_layout(link)).sized(link) for link in dense(network))
        steps = number_of_steps(t_end, settings.dt)
        dtype = jnp.dtype(network.dtype)
        grid = Grid(settings.dt, jnp.asarray(settings.dt, dtype))
        rooms = {name: _room(grid, at.astype(dtype), steps) for name, at in record.items()}
        return _simulate(settings, layouts, steps, rooms, network, spikes, t_end, record)


@eqx.filter_jit
def _simulate(
    settings: Settings,
    layouts: tuple[AbstractLayout, ...],
    steps: int,
    rooms: dict[str, int],
    network: Network,
    spikes: dict[str, Spikes],
    t_end: float,
    record: dict[str, Float[Array, "batch times"]],
) -> Solution:
    """The part that is compiled."""
    dtype = jnp.dtype(network.dtype)
    grid = Grid(settings.dt, jnp.asarray(settings.dt, dtype))
    parts = settings.gradient.parts()
    cells = {
        name: make_cells(
            network.neurons[name], network.size(name), grid, settings.integrator, settings.step_spikes, parts
        )
        for name in running_order(network, settings.dt)
    }
    links, valued = dense(network), parts.scale > 0
    routes = tuple(layout.route(link, grid, valued) for layout, link in zip(layouts, links, strict=True))
    machine = Machine(network, grid, cells, routes, steps, settings.step_events, rooms)
    trains = {name: Sparks.of_times(grid, train.time.astype(dtype), train.unit) for name, train in spikes.items()}
    times = {name: at.astype(dtype) for name, at in record.items()}
    outcome = advance_all(machine, trains, times, settings.checkpoint)
    status = argument_status(network, spikes, t_end, record)
    return collect(machine, outcome, links, spikes, t_end, settings.max_spikes, status)


def _room(grid: Grid, times: Float[Array, "batch count"], steps: int) -> int:
    """Largest number of record times that share a step."""
    known = concrete(place_records(grid, times, steps)[1])
    return times.shape[1] if known is None else int(np.max(known)) + 1


def default_layout(link: Link) -> AbstractLayout:
    """`Exact` where all receivers share a sender's delay, so that it costs little; else `Merged`."""
    return Exact() if link.per in (Per.SENDER, Per.COMMON) else Merged()


def _check_cycles(network: Network, dt: float) -> None:
    limit, cycle = cycle_limit(network)
    if limit < dt:
        msg = (
            f"ClockDriven: {', '.join(cycle)} form a cycle whose delays may be as small as {limit} ms; the smallest "
            f"allowed is dt = {dt} ms. Give one of them a larger lower bound, for example "
            f"rv.synaptic(low={max(dt, 0.5)}, ...), or take a shorter step, ClockDriven(dt={limit or 'smaller'})."
        )
        raise ValueError(msg)
