"""The named alternative of `bench queues`: adseq's queues in the same programs. Only imported objects are handled here.

Its clock and delays are in steps; the program around its queues is the one around ours.
"""

import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def find(module: ModuleType | None, name: str, capacity: int | None) -> Any:
    """A queue class of adseq, or None where it is not installed."""
    if module is None:
        return None
    kind = getattr(module, name)
    return kind if capacity is None else kind.sized(capacity)


def _step(fire: jax.Array, delay: jax.Array, queue: Any, now: jax.Array) -> tuple[Any, jax.Array]:
    """Pop, then push where there is a spike, for a single queue."""
    queue, out = queue.pop(now)
    return jax.lax.cond(fire, lambda: queue.enqueue(now + delay), lambda: queue), out


def poisson(kind: Any, delay_max: int) -> Callable:
    """As `poisson` of `ranvier.lab.bench.queues`."""

    def run(delay: jax.Array, fires: jax.Array) -> tuple[jax.Array, None]:
        def step(carry: tuple, given: tuple) -> tuple:
            (queue, total), (now, fire) = carry, given
            queue, out = jax.vmap(_step, (0, 0, 0, None))(fire, delay, queue, now)
            return (queue, total + out.sum()), None

        clock = jnp.arange(fires.shape[0], dtype=jnp.float32)
        start = jax.vmap(lambda _: kind.init(delay_max, grad=True))(jnp.zeros(fires.shape[1]))
        return jax.lax.scan(step, (start, jnp.float32(0)), (clock, fires))[0][1], None

    return run


def counts(kind: Any) -> Callable:
    """Events delivered in each step."""

    def pop(delays: np.ndarray, fires: np.ndarray) -> jax.Array:
        def step(queue: Any, given: tuple) -> tuple:
            now, delay, fire = given
            return jax.vmap(_step, (0, 0, 0, None))(fire, delay, queue, now)

        clock = jnp.arange(len(fires), dtype=jnp.float32)
        start = jax.vmap(lambda _: kind.init(80, grad=True))(jnp.zeros(fires.shape[1]))
        return jax.lax.scan(step, start, (clock, delays, fires))[1].astype(jnp.int32)

    return pop


def network(kind: Any) -> Callable:
    """Delayed synapses for `ranvier.lab.bench.queue_network`: made by adseq, one per entry of the delays (ms)."""

    def make(delay: np.ndarray, dt: float, tau_syn: float, v_threshold: float) -> tuple[Any, Callable]:
        longest = math.ceil(7.0 / dt) * dt
        build = importlib.import_module("adseq").mk_synapses
        synapses = build(kind, delay_ms=delay.reshape(-1), dt_ms=dt, vthres=v_threshold,
                         tau_syn_ms=tau_syn, n=delay.size, max_delay_ms=longest)  # fmt: skip

        def advance(synapses: Any, now: jax.Array, v: jax.Array, after: jax.Array) -> tuple[Any, jax.Array]:
            size = v.shape[0]
            wide = lambda value: jnp.repeat(value, delay.size // size)
            synapses = type(synapses).timestep_spike_detect_pre(synapses, now * dt, wide(v), wide(after))
            return synapses, synapses.isyn.reshape(delay.shape)

        return synapses, advance

    return make
