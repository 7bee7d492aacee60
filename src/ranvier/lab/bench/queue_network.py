"""The recurrent network of `bench queues`: 100 LIF neurons, one delayed synapse with a queue of its own for each pair.

Exponential Euler with dt 0.025 ms, tau_mem 10, tau_syn 2, delays 4 +- 0.5 ms, threshold 1, a surrogate derivative for
the spike that is counted; 250 ms. The synapses are the caller's, ours or adseq's; all else is the same program.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.queues import AbstractQueue

NEURONS, DT, TAU_MEM, TAU_SYN, THRESHOLD = 100, 0.025, 10.0, 2.0, 1.0


def ours(queue: AbstractQueue) -> Callable:
    """A synapse per entry of the delays: spike times get their exact derivative, the queue moves them.

    A spike is taken at the start of its step and due after `round(delay/dt)` steps, as adseq does it.
    """

    def make(delay: np.ndarray, dt: float, tau_syn: float, v_threshold: float) -> tuple[Any, Callable]:
        steps, decay = jnp.asarray(np.rint(delay / dt), jnp.float32), jnp.float32(np.exp(-dt / tau_syn))

        def advance(carry: tuple, now: jax.Array, v: jax.Array, after: jax.Array) -> tuple[tuple, jax.Array]:
            state, current = carry
            fires = (v < v_threshold) & (after >= v_threshold)
            slope = jax.lax.stop_gradient(jnp.where(fires, after - v, 1.0))
            spike = now - (v - jax.lax.stop_gradient(v)) / slope
            state = queue.push(state, now, jnp.where(fires, spike, jnp.inf)[:, None] + steps)
            state, due = queue.pop(state, now)
            # On the grid an event arrives as its step begins, where exp(-since/tau_syn) is 1 - since/tau_syn.
            arrived = lambda time: jnp.where(time < jnp.inf, 1 - (now - time) * (dt / tau_syn), 0.0)
            # Row by row: XLA makes one loop of that, where a sum over the rows is a loop of its own.
            rows = (arrived(due.time[row]) for row in range(queue.width))
            current = decay * current + functools.reduce(jnp.add, rows)
            return (state, current), current

        return (queue.empty(dtype=jnp.float32, shape=delay.shape), jnp.zeros(delay.shape, jnp.float32)), advance

    return make


@jax.custom_jvp
def _spike(x: jax.Array) -> jax.Array:
    return (x >= 0).astype(x.dtype)


@_spike.defjvp
def _spike_jvp(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    return _spike(*primals), tangents[0] / (1 + jnp.abs(primals[0])) ** 2


def simulate_network(make: Callable, steps: int) -> Callable[[jax.Array], jax.Array]:
    """Number of spikes, as a function of the weights."""
    rng = np.random.default_rng(0)
    delay = (4 + 0.5 * rng.standard_normal((NEURONS, NEURONS))).astype(np.float32)
    decay = jnp.float32(np.exp(-DT / TAU_MEM))

    def run(weight: jax.Array) -> jax.Array:
        synapses, advance = make(delay, DT, TAU_SYN, THRESHOLD)

        def step(carry: tuple, now: jax.Array) -> tuple:
            v, current, synapses = carry
            drive = jnp.sum(weight * current, axis=0) + jnp.where(now * DT < 2.0, 1.0, 0.0)
            fired = _spike(v - THRESHOLD)
            after = (1 - fired) * (decay * v + drive * DT)
            synapses, current = advance(synapses, now, v, after)
            return (after, current, synapses), jnp.sum(fired)

        start = (jnp.zeros(NEURONS, jnp.float32), jnp.zeros((NEURONS, NEURONS), jnp.float32), synapses)
        return jnp.sum(jax.lax.scan(step, start, jnp.arange(steps, dtype=jnp.float32))[1])

    return run


def runs(make: Callable, steps: int, reverse_steps: int) -> list[Callable[[], Any]]:
    """Forward, and gradient with respect to the weights."""
    rng = np.random.default_rng(1)
    size = (NEURONS, NEURONS)
    weight = np.sqrt(23 / NEURONS) * 0.05 * rng.standard_normal(size) ** 2 * (1 - np.eye(NEURONS))
    given = jnp.asarray(weight, jnp.float32)
    forward = jax.jit(simulate_network(make, steps))
    reverse = jax.jit(jax.jacrev(simulate_network(make, reverse_steps)))
    return [lambda: forward(given), lambda: reverse(given)]
