"""Everything happens on a grid of steps, and spikes have a surrogate derivative.

With a = e^{-dt/tau_syn}, b = e^{-dt/tau_mem} and u = V - v_leak - bias, a step takes the state at n dt to that at
(n + 1) dt:

    I <- I + what arrives at n dt
    u <- b u + kappa(dt) I,   I <- a I          the exact flow of tau_mem u' = -u + I, not Euler
    S  = H(V - v_threshold)                     a spike in this step, its derivative replaced
    V <- V - S (V - V_r)                        S a constant for the gradient here, if the reset is detached

An event due between two instants is shared out between them (`taps`), so what arrives is continuous in every delay and
every input time, and these learn. V, interpolated linearly, met the threshold a share e of the step before its end.
`Spikes` report that time, so that losses on spike times have a gradient at any dt. V_r is v_reset, and what the flow
makes of it in the rest of the step; and as no instant before the step's end can be reached any more, a spike is sent as
1 + e spikes at the end and -e one step later, which has the right mean. For the gradient e is a constant there, or, if
time is not detached, what it is: the exact derivative of the spikes there are, beside the surrogate's. A neuron that is
refractory stays at v_reset; a step that is so in part mixes both, so that the refractory time has a gradient too.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, DTypeLike, Float

from ranvier._exprel import exprel
from ranvier._ruled import first_order, ruled
from ranvier.checkpoints import Checkpoints, scan_in_blocks
from ranvier.crossing import touch
from ranvier.dense import dense
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import AbstractLinearNeuron, linear
from ranvier.surrogate.delay_lines import Waiting, delay_line
from ranvier.surrogates import SECOND, SurrogateSpike
from ranvier.taps import AbstractTaps


class Rules(NamedTuple):
    """What does not depend on the network.

    Args:
        dt: Step (ms).
        steps: Number of steps.
        surrogate: The spike.
        taps: How delays are spread over steps.
        detach_reset: Whether the reset is a constant for the gradient.
        checkpoint: What reverse mode keeps.
        longest: The longest delay of each connection (ms).
    """

    dt: float
    steps: int
    surrogate: SurrogateSpike
    taps: AbstractTaps
    detach_reset: bool
    detach_time: bool
    checkpoint: Checkpoints
    longest: tuple[float, ...]


class Membrane(NamedTuple):
    """Constants of a population, of shape (1, 1) or (1, size); `refractory` in steps."""

    decay: Array
    decay_syn: Array
    kappa: Array
    theta: Array
    rho: Array
    refractory: Array


class State(NamedTuple):
    """A population between two steps: u, I, for how many more steps it is refractory, and what it sends late."""

    u: Float[Array, "batch size"]
    current: Float[Array, "batch size"]
    held: Float[Array, "batch size"]
    late: Float[Array, "batch size"]


class Trace(NamedTuple):
    """A population in all steps: spike times (ms), inf for none, and the spikes themselves, 0 or 1 with their surrogate
    derivative; and for potentials, where wanted, u, I and `held` at the start of each step, after arrivals."""

    times: Float[Array, "steps batch size"] | None
    fired: Float[Array, "steps batch size"] | None
    start: State | None


class Carry(NamedTuple):
    """The network between two steps: populations, their last spikes, and what waits in each connection."""

    states: dict[str, State]
    spikes: dict[str, Float[Array, "batch size"]]
    waiting: list[Waiting]


def simulate_on_grid(
    network: Network, trains: dict[str, Float[Array, "steps batch size"]], recorded: frozenset[str], rules: Rules
) -> dict[str, Trace]:
    """All populations through all steps.

    Args:
        network: Populations of LIF and LI neurons.
        trains: Input on the grid, as from `on_grid`.
        recorded: Populations whose potentials are wanted.
        rules: The grid, and what happens on it.

    Raises:
        ValueError: a neuron is not linear between events, or delays have no upper bound.
    """
    neurons = {
        name: linear(neuron, f"Surrogate: population {name!r}", "Use ClockDriven for any other.")
        for name, neuron in network.neurons.items()
    }
    dtype, batch = network.dtype, next(iter(trains.values())).shape[1]
    membranes = {name: _membrane(neuron, rules.dt, dtype) for name, neuron in neurons.items()}
    lines = [
        delay_line(link, longest, rules.dt, rules.taps)
        for link, longest in zip(dense(network), rules.longest, strict=True)
    ]
    none = {name: jnp.zeros((batch, network.size(name)), dtype) for name in neurons}
    fired = {name: zeros for name, zeros in none.items() if neurons[name].spiking}
    states = {name: State(z - _row(neurons[name].bias, dtype), z, z, z) for name, z in none.items()}
    start = Carry(states, fired, [line.empty(batch) for line in lines])

    def step(carry: Carry, given: tuple[Array, dict[str, Array]]) -> tuple[Carry, dict[str, Trace]]:
        now, inputs = given
        sent = inputs | carry.spikes
        due = dict(none)
        waiting = []
        for line, link, queue in zip(lines, network.connections, carry.waiting, strict=True):
            filled = line.send(queue, sent[link.pre])
            due[link.post] = due[link.post] + line.due(filled)
            waiting.append(jnp.concatenate([filled[1:], jnp.zeros_like(filled[:1])]))
        states, spikes, traces = {}, {}, {}
        for name, state in carry.states.items():
            begun = state._replace(current=state.current + due[name])
            states[name], sends, times, fired = _advance(membranes[name], begun, now, rules, neurons[name].spiking)
            spikes |= {name: sends} if neurons[name].spiking else {}
            traces[name] = Trace(times, fired, begun if name in recorded else None)
        return Carry(states, spikes, waiting), traces

    blocks, every = rules.checkpoint.blocks(rules.steps)
    more = blocks * every - rules.steps
    fill = lambda leaf: jnp.concatenate([leaf, jnp.zeros((more, *leaf.shape[1:]), leaf.dtype)])
    now = jnp.arange(blocks * every).astype(dtype) * rules.dt
    _, traces = scan_in_blocks(step, start, (now, jax.tree.map(fill, trains)), blocks)
    return jax.tree.map(lambda leaf: leaf[: rules.steps], traces)


def _advance(
    membrane: Membrane, state: State, now: Float[Array, ""], rules: Rules, spiking: bool
) -> tuple[State, Float[Array, "batch size"], Float[Array, "batch size"] | None, Float[Array, "batch size"] | None]:
    """One population through a step: its state, what it sends at the end, the times of its spikes, and these."""
    u = membrane.decay * state.u + membrane.kappa * state.current
    current = membrane.decay_syn * state.current
    if not spiking:
        return State(u, current, state.held, state.late), jnp.zeros_like(u), None, None
    u = u + jnp.clip(state.held, 0.0, 1.0) * (membrane.rho - u)
    spikes = rules.surrogate(u - touch(membrane.theta))
    fired = lax.stop_gradient(spikes) > 0
    cause = fired.astype(u.dtype) if rules.detach_reset else spikes
    rise = jnp.where(fired, u - state.u, 1.0)  # above 0 at a spike: u starts below threshold
    rest = ruled(jnp.divide, _share, jnp.where(fired, u - membrane.theta, 0.0), rise)
    times = jnp.where(fired, now + rules.dt * (1.0 - rest), jnp.inf)
    rest = lax.stop_gradient(rest) if rules.detach_time else rest
    free = jnp.maximum(rest - membrane.refractory, 0.0)
    onwards = membrane.decay * membrane.rho + membrane.kappa * state.current
    restart = membrane.rho + free * (onwards - membrane.rho)
    held = jnp.where(fired, jnp.maximum(membrane.refractory - rest, 0.0), jnp.maximum(state.held - 1.0, 0.0))
    after = State(u - cause * (u - restart), current, held, spikes * rest)
    return after, spikes * (1.0 + rest) - state.late, times, spikes


def _share(args: tuple[Array, Array], share: Array, tangents: tuple[Any, Any]) -> Any:
    """Derivative of the share of a step that comes after a spike: what is detached leaves the first one only."""
    rise, share = first_order((args[1], share), SECOND)
    parts = [
        factor * tangent / rise
        for factor, tangent in ((1.0, tangents[0]), (-share, tangents[1]))
        if not isinstance(tangent, SymbolicZero)
    ]
    return sum(parts[1:], parts[0])


def _membrane(neuron: AbstractLinearNeuron, dt: float, dtype: DTypeLike) -> Membrane:
    row = lambda value: _row(value, dtype)
    rate, rate_syn = dt / row(neuron.tau_mem), dt / row(neuron.tau_syn)
    decay, rest = jnp.exp(-rate), row(neuron.rest)
    kappa = rate * decay * exprel(rate - rate_syn)
    theta, rho = row(neuron.v_threshold) - rest, row(neuron.v_reset) - rest
    return Membrane(decay, jnp.exp(-rate_syn), kappa, theta, rho, row(neuron.refractory) / dt)


def _row(value: Float[Array, "*#size"], dtype: DTypeLike) -> Float[Array, "1 #size"]:
    """A parameter of a population, to stand beside (batch, size)."""
    return value.astype(dtype).reshape(1, -1)


def on_grid(train: Spikes, size: int, rules: Rules, dtype: DTypeLike) -> Float[Array, "steps batch size"]:
    """Input spikes on the grid: one between two instants is shared out linearly, so its time has a gradient.

    Args:
        train: Spikes of one input population, (batch, n).
        size: Number of its neurons.
        rules: The grid.
        dtype: Floating-point type of the simulation.
    """
    batch = train.time.shape[0]
    some = jnp.isfinite(train.time)
    at = jnp.where(some, train.time, 0.0).astype(dtype) / rules.dt
    first = jnp.floor(lax.stop_gradient(at))
    row = jnp.where(some, first, rules.steps).astype(jnp.int32)
    sample = jnp.broadcast_to(jnp.arange(batch)[:, None], row.shape)
    empty = jnp.zeros((rules.steps, batch, size), dtype)
    shared = empty.at[row, sample, train.unit].add(1.0 - (at - first), mode="drop")
    return shared.at[row + 1, sample, train.unit].add(at - first, mode="drop")


def in_time_order(
    times: Float[Array, "steps batch size"], fired: Float[Array, "steps batch size"], room: int, t_end: float
) -> Spikes:
    """The first `room` spikes of each sample, sorted and padded; those after `t_end` do not count.

    Args:
        times: Spike time of each neuron in each step, inf for none.
        fired: 1 where there is one, 0 where there is none, with the surrogate's derivative at both.
        room: Length of the result.
        t_end: End of the simulation (ms), which the last step may go beyond.
    """
    steps, batch, size = times.shape
    by_sample = lambda values: jnp.moveaxis(values, 1, 0).reshape(batch, steps * size)
    padded = lambda values, free: jnp.concatenate([values, jnp.full((batch, 1), free, values.dtype)], axis=1)
    flat = by_sample(times)
    flat = jnp.where(flat <= t_end, flat, jnp.inf)
    count = jnp.cumsum(jnp.isfinite(flat), axis=1, dtype=jnp.int32)
    wanted = jnp.arange(1, room + 1, dtype=jnp.int32)
    place = jax.vmap(lambda one: jnp.searchsorted(one, wanted))(count)
    time = jnp.take_along_axis(padded(flat, jnp.inf), place, axis=1)
    presence = jnp.take_along_axis(padded(by_sample(fired), 0.0), place, axis=1)
    unit = jnp.where(jnp.isfinite(time), place % size, -1).astype(jnp.int32)
    time, unit, presence = lax.sort((time, unit, presence), dimension=1, num_keys=1)
    missed = jnp.sum(jnp.where(times <= t_end, 0.0, fired), axis=0)
    missed = missed - lax.stop_gradient(missed)  # 0, with a gradient
    return Spikes(time, unit, size, presence=presence, missed=missed)


def potentials(
    start: State, neuron: AbstractLinearNeuron, times: Float[Array, "batch times"], rules: Rules
) -> Float[Array, "batch times size"]:
    """Potentials at any times, by the exact flow from the step's start; at a spike's instant that after the reset.

    Args:
        start: u, I and `held` of all steps.
        neuron: The neurons.
        times: Times (ms).
        rules: The grid.
    """
    times = times.astype(start.u.dtype)
    at = jnp.minimum(jnp.floor(times / rules.dt + 1e-4).astype(jnp.int32), rules.steps - 1)
    sample = jnp.arange(times.shape[0])[:, None]
    u, current, held = (part[at, sample] for part in start[:3])
    s = jnp.maximum(times - at.astype(times.dtype) * rules.dt, 0.0)[..., None]
    s = jnp.maximum(s - rules.dt * jnp.clip(held, 0.0, 1.0), 0.0)
    row = lambda value: value.astype(u.dtype).reshape(1, 1, -1)
    rate, rate_syn = s / row(neuron.tau_mem), s / row(neuron.tau_syn)
    kappa = rate * jnp.exp(-rate) * exprel(rate - rate_syn)
    return row(neuron.rest) + u * jnp.exp(-rate) + kappa * current
