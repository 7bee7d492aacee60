"""One step of a population of ODE neurons: arrivals, threshold crossings and resets, all at their own times within it.

Each neuron cuts the step into pieces at its own arrivals and spikes. A piece is integrated as a whole; if the spike
condition's cubic reaches 0 in it, the piece ends there, the neuron is reset and the rest is a new piece. Every time
is an offset from the step's start, so nothing is lost to rounding late in a simulation in float32. All of it is plain
JAX and smooth between events; only the crossing has a derivative rule of its own, `exact_root`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from equinox.internal import unvmap_any
from jax import lax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, ArrayLike, Bool, DTypeLike, Float, Int

from ranvier.checkpoints import KEPT
from ranvier.clock_driven.cubic import Cubic, first_crossing
from ranvier.integrators import AbstractIntegrator, hermite
from ranvier.neurons.abstract_ode import AbstractODENeuron


class ODEState(NamedTuple):
    """A population between two steps.

    Args:
        neuron: The neurons' variables.
        synapse: The synapses' variables.
        armed: Whether the spike condition has been below 0 since the last spike.
    """

    neuron: Float[Array, "variables size"]
    synapse: Float[Array, "synaptic size"]
    armed: Bool[Array, " size"]


class Step(NamedTuple):
    """What one step gives back.

    Args:
        state: The population at the step's end.
        spikes: Offset of each spike from the step's start (ms), ascending, inf where there is none.
        lost: Spikes of each neuron beyond the room for them, at least; 0 for a valid step.
    """

    state: ODEState
    spikes: Float[Array, "spikes size"]
    lost: Int[Array, " size"]


def initial_state(neuron: AbstractODENeuron, size: int, dtype: DTypeLike) -> ODEState:
    """State of a population at t = 0, before any event."""
    state = neuron.initial(size, dtype)
    return ODEState(state, neuron.synapse.initial(size, dtype), neuron.condition(state) < 0)


def ode_step(
    neuron: AbstractODENeuron,
    integrator: AbstractIntegrator,
    state: ODEState,
    t: ArrayLike,
    h: ArrayLike,
    arrivals: Float[Array, "width size"],
    weights: Float[Array, "width size"],
    max_spikes: int = 1,
) -> Step:
    """Advance a population by h ms through its events, differentiably.

    The error of a step is the integrator's, at arrivals and spikes too, for both cut the integration: with `RK4` the
    global error of potentials, spike times and gradients is O(h^4). Cost: one integration of all neurons for each
    piece that any of them needs, `width + max_spikes + 1` at most.

    Args:
        neuron: The neurons.
        integrator: How their state is advanced between events.
        state: The population at the step's start.
        t: Time of the step's start (ms), for dynamics that depend on it.
        h: Length of the step (ms), > 0.
        arrivals: Offsets of the events from the step's start (ms), ascending for each neuron, in [0, h], inf for none.
        weights: Weight of each event.
        max_spikes: Room for spikes of one neuron in one step.

    Returns:
        The population at the end, its spikes, and how many did not fit.
    """
    width, size = arrivals.shape
    dtype = state.neuron.dtype
    t, end = jnp.asarray(t, dtype), jnp.broadcast_to(jnp.asarray(h, dtype), (size,))
    never, nothing = jnp.full((1, size), jnp.inf, dtype), jnp.zeros((1, size), dtype)
    times, jumps = jnp.concatenate([arrivals, never]), jnp.concatenate([weights, nothing])
    piece = lambda walk: _piece(neuron, integrator, t, end, times, jumps, walk)
    # Computed again in the backward pass: an integrator's stages would be most of what is kept, and of the program.
    piece = jax.checkpoint(piece, prevent_cse=False)
    stay = lambda walk: (walk, never[0])

    def advance(walk: _Walk, _: None) -> tuple[_Walk, Float[Array, " size"]]:
        # Of any sample that `vmap` takes part in, so that it stays a branch and costs nothing where it is not taken.
        return lax.cond(unvmap_any(walk.unfinished(times, end)), piece, stay, walk)

    start = _Walk(state, jnp.zeros_like(end), jnp.zeros(size, jnp.int32))
    walk, spikes = lax.scan(advance, start, length=width + max_spikes + 1)
    spikes = lax.sort(spikes, dimension=0)
    lost = jnp.sum(spikes[max_spikes:] < jnp.inf, axis=0, dtype=jnp.int32) + walk.unfinished(times, end).astype(
        jnp.int32
    )
    return _kept(Step(walk.state, spikes[:max_spikes], lost))


def _kept(step: Step) -> Step:
    """The same; reverse mode keeps it, as one array of each type, and need not walk again to find it."""
    neuron, synapse, armed = step.state
    numbers = checkpoint_name(jnp.concatenate([neuron, synapse, step.spikes]), KEPT)
    counts = checkpoint_name(jnp.stack([armed.astype(jnp.int32), step.lost]), KEPT)
    neuron, synapse, spikes = lax.split(numbers, [len(neuron), len(synapse), len(step.spikes)])
    return Step(ODEState(neuron, synapse, counts[0] > 0), spikes, counts[1])


class _Walk(NamedTuple):
    """Each neuron on its way through the step: its state, the offset it has reached, and its next arrival."""

    state: ODEState
    now: Float[Array, " size"]
    next: Int[Array, " size"]

    def unfinished(self, times: Float[Array, "events size"], end: Float[Array, " size"]) -> Bool[Array, " size"]:
        """Whether there is time or an event left."""
        return (self.now < end) | (_own(times, self.next) <= end)


def _own(rows: Float[Array, "events size"], index: Int[Array, " size"]) -> Float[Array, " size"]:
    """Each neuron's entry."""
    return jnp.take_along_axis(rows, index[None], axis=0)[0]


def _piece(
    neuron: AbstractODENeuron,
    integrator: AbstractIntegrator,
    t: ArrayLike,
    end: Float[Array, " size"],
    times: Float[Array, "events size"],
    jumps: Float[Array, "events size"],
    walk: _Walk,
) -> tuple[_Walk, Float[Array, " size"]]:
    """Take each neuron to its next arrival, or the step's end, or the spike before it."""
    (x, synapse, armed), now, index = walk.state, walk.now, walk.next
    due = _own(times, index)
    target = jnp.minimum(due, end)
    length = target - now

    def field(s: Float[Array, " size"], x: Float[Array, "variables size"]) -> Float[Array, "variables size"]:
        current = neuron.synapse.current(neuron.synapse.flow(synapse, s), neuron.voltage(x))
        return neuron.dynamics(t + now + s, x, current)

    slope = field(jnp.zeros_like(length), x)
    x_end = integrator.advance(field, x, slope, length)
    slope, slope_end = length[None] * slope, length[None] * field(length, x_end)
    condition, condition_slope = jax.jvp(neuron.condition, (x,), (slope,))
    condition_end, condition_slope_end = jax.jvp(neuron.condition, (x_end,), (slope_end,))
    crosses, fraction = first_crossing(
        Cubic(condition, condition_slope, condition_end, condition_slope_end), armed & (length > 0)
    )
    before = hermite(x, slope, x_end, slope_end, fraction[None])
    after = neuron.reset(before)
    # Without a reset the condition stays at 0, give or take rounding: such a neuron is armed once it is below again.
    armed_again = neuron.condition(after) < jnp.minimum(neuron.condition(before), 0.0)
    passed = jnp.where(crosses, fraction * length, length)
    arrives = ~crosses & (due <= end)
    weight = jnp.where(arrives, _own(jumps, index), 0.0)
    state = ODEState(
        jnp.where(crosses, after, x_end),
        neuron.synapse.arrive(neuron.synapse.flow(synapse, passed), weight),
        jnp.where(crosses, armed_again, armed | (condition_end < 0)),
    )
    reached = jnp.where(crosses, now + fraction * length, target)
    spikes = jnp.where(crosses, reached, jnp.inf)
    return _Walk(state, reached, index + arrives.astype(jnp.int32)), spikes
