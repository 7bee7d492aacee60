"""What the value of a spike estimates: the derivative of the expected loss under noise at the threshold.

With escape noise a neuron fires at a rate that depends on its potential, `r(u) = r_0 e^{(u - theta)/D}`. The expected
loss is then a smooth function of the weights, spikes that appear and vanish included, and

    dE[L]/dw = E[sum over spikes of (1/D) (L with the spike - L without it) du/dw]

since `r'/r = 1/D` (Campbell's theorem; du/dw at a given past). `SpikeValue(1/D)` is one term of that mean, from the run
without noise, with the difference to first order. Here it is estimated in another way, from many noisy runs and nothing
but their losses: `E[(L - mean L) dlog P/dw]`, P the probability of the run's spikes.

A recurrent layer of LIF neurons with v_leak = v_reset = 0 and no refractory time, all delays alike, and a linear loss
of what leaky integrators read from it: small, and simulated on a grid.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from equinox import combine
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from ranvier.connections import Connection
from ranvier.delays import FixedDelay
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.gradients import AbstractGradient
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.populations import Population
from ranvier.selection import partition
from ranvier.simulation import simulate


class Layer(NamedTuple):
    """Weights from the inputs, among the neurons, and to the readout; time constants, and the delay of all (ms)."""

    inner: Float[Array, "inputs size"]
    recurrent: Float[Array, "size size"]
    out: Float[Array, "size readout"]
    tau_mem: float
    tau_syn: float
    delay: float


class Noise(NamedTuple):
    """Rate of spikes at the threshold (per ms), and the width D of the noise in units of the threshold."""

    rate: float
    width: float


class Expected(NamedTuple):
    """Two independent estimates of dE[L]/dw, rows first of inputs, then of neurons, from half of the runs each; the
    mean loss, and the mean number of spikes of a run."""

    one: Float[Array, "senders size"]
    two: Float[Array, "senders size"]
    loss: Float[Array, ""]
    spikes: Float[Array, ""]


class Walker(NamedTuple):
    """Many runs at one instant: u and I, the traces of I and u that each sender leaves, the readout's (u, I), events on
    their way, and the derivative of log P."""

    u: Float[Array, "runs size"]
    i: Float[Array, "runs size"]
    trace_i: Float[Array, "runs senders"]
    trace_u: Float[Array, "runs senders size"]
    read: Float[Array, "two runs readout"]
    waiting: Float[Array, "steps runs size"]
    score: Float[Array, "runs senders size"]


def expected_gradient(
    layer: Layer,
    inputs: Float[Array, "steps inputs"],
    factor: Float[Array, "steps readout"],
    noise: Noise,
    dt: float,
    runs: int,
    *,
    key: PRNGKeyArray,
) -> Expected:
    """Derivative of `E[L]`, `L = sum_k factor_k V(k dt)`, with respect to all weights onto the layer.

    Args:
        layer: The network.
        inputs: Number of input spikes that arrive in each step.
        factor: Of the potentials in the loss.
        noise: At the threshold, 1.
        dt: Step (ms); the delay must be a multiple of it.
        runs: How many.
        key: Random key.
    """
    wait = round(layer.delay / dt) + 1
    half = [_runs(layer, inputs, factor, noise, dt, runs // 2, wait, one) for one in jax.random.split(key)]
    (one, loss, spikes), (two, *rest) = half
    return Expected(one, two, 0.5 * (loss + rest[0]), 0.5 * (spikes + rest[1]))


@partial(jax.jit, static_argnames=("dt", "runs", "wait"))
def _runs(
    layer: Layer,
    inputs: Float[Array, "steps inputs"],
    factor: Float[Array, "steps readout"],
    noise: Noise,
    dt: float,
    runs: int,
    wait: int,
    key: PRNGKeyArray,
) -> tuple[Float[Array, "senders size"], Float[Array, ""], Float[Array, ""]]:
    senders, size, readout = inputs.shape[1] + layer.out.shape[0], layer.out.shape[0], layer.out.shape[1]
    mem, syn = jnp.exp(-dt / layer.tau_mem), jnp.exp(-dt / layer.tau_syn)
    kernel = layer.tau_syn / (layer.tau_mem - layer.tau_syn) * (mem - syn)
    weight = jnp.concatenate([layer.inner, layer.recurrent])

    def step(walker: Walker, now: tuple[Array, Array, Array]) -> tuple[Walker, tuple[Array, Array]]:
        arriving, weigh, key = now
        came = walker.waiting[0]
        events = jnp.concatenate([jnp.broadcast_to(arriving, (runs, len(arriving))), came], axis=1)
        trace_i = walker.trace_i + events
        i = walker.i + events @ weight
        read_i = walker.read[1] + came @ layer.out
        u = mem * walker.u + kernel * i
        trace_u = mem * walker.trace_u + kernel * trace_i[:, :, None]
        read_u = mem * walker.read[0] + kernel * read_i
        hazard = jnp.minimum(noise.rate * dt * jnp.exp((u - 1.0) / noise.width), 20.0)
        fires = jax.random.uniform(key, u.shape) < -jnp.expm1(-hazard)
        slope = hazard / noise.width * jnp.where(fires, 1.0 / jnp.expm1(jnp.maximum(hazard, 1e-12)), -1.0)
        score = walker.score + slope[:, None, :] * trace_u
        kept = 1.0 - fires.astype(u.dtype)
        waiting = jnp.concatenate([walker.waiting[1:], fires.astype(u.dtype)[None]])
        after = Walker(u * kept, syn * i, syn * trace_i, trace_u * kept[:, None, :],
                       jnp.stack([read_u, syn * read_i]), waiting, score)  # fmt: skip
        return after, (read_u @ weigh, jnp.sum(fires, axis=1))

    none = lambda *shape: jnp.zeros(shape, weight.dtype)
    start = Walker(none(runs, size), none(runs, size), none(runs, senders), none(runs, senders, size),
                   none(2, runs, readout), none(wait, runs, size),
                   none(runs, senders, size))  # fmt: skip
    walker, (part, count) = lax.scan(step, start, (inputs, factor, jax.random.split(key, len(inputs))))
    loss = jnp.sum(part, axis=0)
    gradient = jnp.mean((loss - jnp.mean(loss))[:, None, None] * walker.score, axis=0)
    return gradient, jnp.mean(loss), jnp.mean(jnp.sum(count, axis=0))


DT, STEPS = 0.1, 600


Way = Callable[[Layer, Float[Array, "steps inputs"], Float[Array, "steps readout"]], Float[Array, "senders size"]]
"""A gradient of the loss, from the network, the inputs and the factors of the loss; rows as those of `Expected`."""


def compare_network(
    seed: int, width: float, ways: Mapping[str, Way], runs: int, *, key: PRNGKeyArray
) -> dict[str, float]:
    """Draw a network whose neurons fire several times, and compare gradients to that of the expected loss.

    Args:
        seed: Of the network and its input.
        width: Of the noise, in units of the threshold.
        ways: Gradients by name.
        runs: Noisy runs.
        key: Random key of the noise.

    Returns:
        By name the cosine of each gradient to the derivative of the expected loss; `halves`, the cosine of its two
        halves to each other; and `spikes` of a noisy run.
    """
    layer, inputs, factor = draw(seed)
    expected = expected_gradient(layer, inputs, factor, Noise(1.0, width), DT, runs, key=key)
    wanted = 0.5 * (expected.one + expected.two)
    found = {name: _cosine(way(layer, inputs, factor), wanted) for name, way in ways.items()}
    return {**found, "halves": _cosine(expected.one, expected.two), "spikes": float(expected.spikes)}


def draw(seed: int) -> tuple[Layer, Float[Array, "steps inputs"], Float[Array, "steps readout"]]:
    """A random network, its input and its loss.

    Args:
        seed: Which one.
    """
    rng = np.random.default_rng(seed)
    inner, recurrent = rng.normal(1.5, 0.7, (3, 4)), rng.normal(0.0, 0.5, (4, 4))
    out = rng.normal(0.0, 0.5, (4, 2))
    layer = Layer(jnp.asarray(inner), jnp.asarray(recurrent), jnp.asarray(out), tau_mem=10.0, tau_syn=5.0, delay=1.0)
    inputs = np.zeros((STEPS, 3))
    for unit in range(3):
        inputs[rng.choice(STEPS * 3 // 4, 6, replace=False), unit] = 1.0
    factor = np.zeros((STEPS, 2))
    factor[99::100] = rng.normal(size=(STEPS // 100, 2))
    return layer, jnp.asarray(inputs), jnp.asarray(factor)


def gradient_of(
    layer: Layer, inputs: Float[Array, "steps inputs"], factor: Float[Array, "steps readout"], way: AbstractGradient
) -> Float[Array, "senders size"]:
    """The gradient of the same loss without noise, by `EventDriven`.

    Args:
        layer: The network.
        inputs: Number of input spikes that arrive in each step.
        factor: Of the potentials in the loss.
        way: How a spike is differentiated.
    """
    wait, taus = FixedDelay(layer.delay), (layer.tau_mem, layer.tau_syn)
    populations = {
        "input": Population(inputs.shape[1]),
        "hidden": Population(layer.out.shape[0], LIF(*taus)),
        "readout": Population(layer.out.shape[1], LI(*taus)),
    }
    links = [
        Connection("input", "hidden", layer.inner, FixedDelay(0.0)),
        Connection("hidden", "hidden", layer.recurrent, wait),
        Connection("hidden", "readout", layer.out, wait),
    ]
    at, unit = np.nonzero(np.asarray(inputs))
    weighed = np.flatnonzero(np.any(np.asarray(factor) != 0, axis=1))
    spikes, record = Spikes(at * DT, unit), {"readout": (weighed + 1) * DT}
    learn, rest = partition(Network(populations, links), "weight")

    def loss(learn: Network) -> Float[Array, ""]:
        simulator = EventDriven(gradient=way)
        solution = simulate(combine(learn, rest), spikes, simulator, t_end=STEPS * DT + 1.0, record=record)
        return jnp.sum(solution.voltages["readout"] * factor[weighed])

    found = jax.grad(loss)(learn).connections
    return jnp.concatenate([found[0].weight, found[1].weight])


def _cosine(one: Float[Array, "senders size"], two: Float[Array, "senders size"]) -> float:
    return float(jnp.vdot(one, two) / (jnp.linalg.norm(one) * jnp.linalg.norm(two)))
