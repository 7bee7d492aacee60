"""`ClockDriven`: any neuron with a threshold, step by step, with events and spikes inside the steps."""

import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier._compiling import QUICKLY, Options, quickly
from ranvier._concrete import concrete
from ranvier.checkpoints import Checkpoints
from ranvier.clock_driven.cells import make_cells
from ranvier.clock_driven.collect import collect
from ranvier.clock_driven.layouts import AbstractLayout, Exact, Merged
from ranvier.clock_driven.network_step import Machine, advance_all, number_of_steps, place_records
from ranvier.clock_driven.timing import Grid, Sparks
from ranvier.delays import Per
from ranvier.dense import Link, dense
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient, ExactDerivative, no_near_misses
from ranvier.graph import cycle_limit, running_order
from ranvier.integrators import RK4, AbstractIntegrator
from ranvier.network import Network
from ranvier.simulation import (
    AbstractSteppedSimulator,
    Records,
    Solution,
    argument_status,
    refuse_without_room,
    times_of,
)


class ClockDriven(AbstractSteppedSimulator):
    """Simulation in steps of dt, for any neuron, on any device that JAX knows, in forward and reverse mode.

    Spikes are found within a step and events arrive within a step: neither is rounded to the grid. LIF and LI
    populations advance by their closed form, others by the integrator, from event to event. Every derivative is JAX's
    own, of what was computed, to every order: weights, delays, every neuron parameter, input times and record times.

    With `Exact` layouts LIF networks give what `EventDriven` gives, at every dt. `Merged` sums a step's events at a
    neuron, which is much cheaper for per-synapse delays, exact where no two events of one sign share a step, and
    second order in dt elsewhere. By default connections with one delay per sender, or one for all, are `Exact`, those
    with synaptic or dendritic delays `Merged`. `Stats.exact` counts the neuron-steps in which order was kept.

    Args:
        dt: Length of a step (ms), not above the smallest delay around a cycle.
        layout: How events wait, for all connections, `Exact()`, `Merged()` or `Queued(queue)`; default by the
            kind of delay.
        integrator: For neurons without a closed form.
        checkpoint: What reverse mode keeps: time against memory.
        max_spikes: How many spikes per neuron are kept; a population shares its places.
        step_spikes: How many spikes one neuron may fire in one step.
        step_events: How many events one neuron may get in one step, where connections with several layouts or
            several exact ones meet.
        gradient: How a spike is differentiated: `ExactDerivative()`, or `SpikeValue(...)` for LIF and LI
            populations and the layouts `Exact` and `Merged`.

    Raises:
        ValueError: an argument is out of range; or, when run, a cycle of connections has no sufficient delay.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
        >>> def first(times):
        ...     solution = rv.simulate(net, rv.Spikes(times, jnp.array([0, 1])), rv.ClockDriven(dt=1.0), t_end=20.0)
        ...     return solution.spikes["output"].time[0]
        >>> round(float(jax.grad(first)(jnp.array([1.0, 2.0])).sum()), 5)
        1.0
    """

    compiler_options: ClassVar[Options] = QUICKLY
    dt: float = eqx.field(static=True, default=0.1)
    layout: AbstractLayout | None = None
    integrator: AbstractIntegrator = RK4()
    checkpoint: Checkpoints = Checkpoints()
    max_spikes: int = eqx.field(static=True, default=64)
    step_spikes: int = eqx.field(static=True, default=2)
    step_events: int = eqx.field(static=True, default=32)
    gradient: AbstractGradient = eqx.field(static=True, default=ExactDerivative())

    def __check_init__(self):
        no_near_misses(self.gradient, "ClockDriven")
        if not (math.isfinite(self.dt) and self.dt > 0):
            msg = f"ClockDriven: `dt` must be a time in ms above 0; got {self.dt}."
            raise ValueError(msg)
        room = {"max_spikes": self.max_spikes, "step_spikes": self.step_spikes, "step_events": self.step_events}
        for name, value in room.items():
            if value < 1:
                msg = f"ClockDriven: `{name}` must be at least 1; got {value}."
                raise ValueError(msg)

    def run(
        self,
        network: Network,
        spikes: dict[str, Spikes],
        t_end: float,
        record: Records,
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        _check_cycles(network, self.dt)
        refuse_without_room("ClockDriven", network, spikes, record, max_spikes=self.max_spikes, matrices=True)
        times = times_of(record)
        layouts = tuple((self.layout or default_layout(link)).sized(link) for link in dense(network))
        steps = number_of_steps(t_end, self.dt)
        dtype = jnp.dtype(network.dtype)
        grid = Grid(self.dt, jnp.asarray(self.dt, dtype))
        rooms = {name: _room(grid, at.astype(dtype), steps) for name, at in times.items()}
        return _simulate(self, layouts, steps, rooms, network, spikes, t_end, times)


@quickly
def _simulate(
    simulator: ClockDriven,
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
    grid = Grid(simulator.dt, jnp.asarray(simulator.dt, dtype))
    parts = simulator.gradient.parts()
    cells = {
        name: make_cells(
            network.neurons[name], network.size(name), grid, simulator.integrator, simulator.step_spikes, parts
        )
        for name in running_order(network, simulator.dt)
    }
    links, valued = dense(network), parts.scale > 0
    routes = tuple(layout.route(link, grid, valued) for layout, link in zip(layouts, links, strict=True))
    machine = Machine(network, grid, cells, routes, steps, simulator.step_events, rooms)
    trains = {name: Sparks.of_times(grid, train.time.astype(dtype), train.unit) for name, train in spikes.items()}
    times = {name: at.astype(dtype) for name, at in record.items()}
    outcome = advance_all(machine, trains, times, simulator.checkpoint)
    status = argument_status(network, spikes, t_end, record)
    return collect(machine, outcome, links, spikes, t_end, simulator.max_spikes, status)


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
