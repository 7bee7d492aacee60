"""A recurrent layer written with adseq's synapses: the named alternative of `ranvier bench clock`.

One lossless FIFO queue of four places per synapse, as adseq is used: spikes and arrivals on the grid, exponential
current, v reset to 0. Only adseq's public functions are called; it is no dependency of ranvier.
"""

import importlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier.events import Spikes
from ranvier.network import Network

CAPACITY = 4
TAU_MEM, TAU_SYN = 20.0, 5.0


def adseq_loss(network: Network, spikes: Spikes, dt: float, t_end: float, longest: float) -> Callable:
    """Value and gradient of the summed potential, as a function of the two connections' weights and delays.

    Args:
        network: Input to hidden and hidden to itself, in this order.
        spikes: One sample, shape (1, n).
        dt: Step (ms).
        t_end: End (ms).
        longest: Longest delay (ms).
    """
    adseq = importlib.import_module("adseq")
    inputs, hidden = network.connections[0].weight.shape
    steps = round(t_end / dt)
    present = np.zeros((steps, inputs), bool)
    known = np.isfinite(np.asarray(spikes.time[0]))
    at = np.minimum((np.asarray(spikes.time[0])[known] / dt).astype(int), steps - 1)
    present[at, np.asarray(spikes.unit[0])[known]] = True
    decay = jnp.exp(-dt / TAU_MEM)

    def queues(delay: Float[Array, "pre post"]) -> object:
        kind = adseq.FIFORing.sized(CAPACITY)
        return adseq.mk_synapses(kind, delay_ms=delay.ravel(), dt_ms=dt, vthres=1.0, tau_syn_ms=TAU_SYN,
                                 max_delay_ms=longest, n=delay.size)  # fmt: skip

    def loss(weight_in: Array, weight: Array, delay_in: Array, delay: Array) -> Float[Array, ""]:
        def step(carry: tuple, x: tuple) -> tuple[tuple, Array]:
            v, outer, inner = carry
            number, spiking = x
            outer = outer.timestep_static_spike(number * dt, jnp.repeat(spiking, hidden))
            current = jnp.sum(weight_in * outer.isyn.reshape(inputs, hidden), axis=0)
            current = current + jnp.sum(weight * inner.isyn.reshape(hidden, hidden), axis=0)
            after = v * decay + (1.0 - decay) * current
            inner = inner.timestep_spike_detect_pre(number * dt, jnp.repeat(v, hidden), jnp.repeat(after, hidden))
            return (jnp.where(after >= 1.0, 0.0, after), outer, inner), jnp.sum(after)

        start = (jnp.zeros(hidden, jnp.float32), queues(delay_in), queues(delay))
        numbers = jnp.arange(steps, dtype=jnp.float32)
        return jnp.sum(jax.lax.scan(step, start, (numbers, jnp.asarray(present)))[1])

    return jax.value_and_grad(loss, argnums=(0, 1, 2, 3))
