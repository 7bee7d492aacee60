"""`ClockDriven`: any neuron with a threshold, step by step, with events and spikes inside the steps."""

import math

import equinox as eqx
from jaxtyping import Array, Float

from ranvier.clock_driven.blocks import Checkpoints
from ranvier.clock_driven.exact import ExactSpikes
from ranvier.clock_driven.layouts import AbstractLayout
from ranvier.clock_driven.spike import AbstractSpike, Settings
from ranvier.clock_driven.surrogate_spikes import as_spikes
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient, ExactDerivative
from ranvier.integrators import RK4, AbstractIntegrator
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator, Solution


class ClockDriven(AbstractSimulator):
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
        spike: How spikes are treated: `ExactSpikes()` by default, or a surrogate such as
            `ranvier.surrogates.superspike(10.0)`, which stands for `SurrogateSpikes` of it.
        layout: How events wait, for all connections, `Exact()`, `Merged()` or `Queued(queue)`; default by the
            kind of delay.
        integrator: For neurons without a closed form.
        checkpoint: What reverse mode keeps: time against memory.
        max_spikes: How many spikes per neuron are kept; a population shares its places.
        step_spikes: How many spikes one neuron may fire in one step.
        step_events: How many events one neuron may get in one step, where connections with several layouts or
            several exact ones meet.
        gradient: How an exact spike is differentiated: `ExactDerivative()`, or `SpikeValue(...)` for LIF and LI
            populations and the layouts `Exact` and `Merged`. A surrogate is a gradient of its own and takes none.

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

    dt: float = eqx.field(static=True, default=0.1)
    spike: AbstractSpike = eqx.field(converter=as_spikes, default=ExactSpikes())
    layout: AbstractLayout | None = None
    integrator: AbstractIntegrator = RK4()
    checkpoint: Checkpoints = Checkpoints()
    max_spikes: int = eqx.field(static=True, default=64)
    step_spikes: int = eqx.field(static=True, default=2)
    step_events: int = eqx.field(static=True, default=32)
    gradient: AbstractGradient = eqx.field(static=True, default=ExactDerivative())

    def __check_init__(self):
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
        record: dict[str, Float[Array, "batch times"]],
    ) -> Solution:
        """Simulate the network from 0 to `t_end` ms for every sample of the batch."""
        settings = Settings(
            self.dt, self.layout, self.integrator, self.checkpoint, self.max_spikes, self.step_spikes, self.step_events,
            self.gradient,
        )  # fmt: skip
        return self.spike.run(settings, network, spikes, t_end, record)
