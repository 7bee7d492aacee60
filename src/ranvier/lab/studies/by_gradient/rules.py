"""What a spike, and a spike that might have been, should count: any weights, on a grid, for the noise test.

The run without noise of `ranvier.lab.studies.escape_noise`, on the grid of the noisy ones, differentiated as if each
neuron had at each instant dS = k du, S the number of its spikes there and k any number. `SpikeValue(h)` is k = h at the
spikes and 0 elsewhere; a rule may say otherwise.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from ranvier.lab.studies.escape_noise import DT, Layer, Noise


class Trace(NamedTuple):
    """Potentials just before an instant, their slopes (per ms), and spikes (0 or 1)."""

    u: Float[np.ndarray, "steps size"]
    slope: Float[np.ndarray, "steps size"]
    fired: Float[np.ndarray, "steps size"]


Rule = Callable[[Trace, Noise, float], Float[np.ndarray, "steps size"]]
"""Makes k of the run without noise, the noise, and h, what a spike counts at most or on average."""


def constant(trace: Trace, noise: Noise, h: float) -> Float[np.ndarray, "steps size"]:
    """h at every spike: `SpikeValue(h)`."""
    return h * trace.fired


def by_slope(trace: Trace, noise: Noise, h: float, power: float) -> Float[np.ndarray, "steps size"]:
    """`h (V'/V'_0)^power` at every spike, V'_0 the geometric mean of all V' there."""
    slope = np.maximum(trace.slope, 1e-3)
    typical = np.exp(np.sum(np.log(slope) * trace.fired) / np.sum(trace.fired))
    return h * trace.fired * (slope / typical) ** power


def near_misses(trace: Trace, noise: Noise, h: float) -> Float[np.ndarray, "steps size"]:
    """And at every maximum below the threshold h times the spikes that noise would have made of it.

    `n = 1 - exp(-integral r dt)` around the maximum, where `u = u_max + u'' t^2/2`, so that the integral is
    `r_0 e^{(u_max - theta)/D} sqrt(2 pi D/|u''|)`.
    """
    middle = trace.u[1:-1]
    bend = (trace.u[2:] - 2.0 * middle + trace.u[:-2]) / DT**2
    top = (middle >= trace.u[:-2]) & (middle > trace.u[2:]) & (middle > 0.0)
    top &= (trace.fired[:-2] + trace.fired[1:-1] + trace.fired[2:]) == 0
    wide = np.sqrt(2.0 * np.pi * noise.width / np.maximum(-bend, 1e-6))
    count = -np.expm1(-noise.rate * np.exp((middle - 1.0) / noise.width) * wide)
    return constant(trace, noise, h) + h * np.pad(np.where(top, count, 0.0), ((1, 1), (0, 0)))


def everywhere(trace: Trace, noise: Noise, h: float) -> Float[np.ndarray, "steps size"]:
    """And at every other instant h times the spikes that noise would have made there: a dense surrogate."""
    hazard = noise.rate * DT * np.exp(np.minimum((trace.u - 1.0) / noise.width, 0.0))
    return constant(trace, noise, h) + h * np.where(trace.fired > 0, 0.0, hazard)


RULES: dict[str, Rule] = {
    "h": constant,
    "h V'": partial(by_slope, power=1.0),
    "h/V'": partial(by_slope, power=-1.0),
    "h, near misses": near_misses,
    "h, everywhere": everywhere,
}
"""Rules by name."""


def gradient_by(
    layer: Layer,
    inputs: Float[Array, "steps inputs"],
    factor: Float[Array, "steps readout"],
    rule: Rule,
    noise: Noise,
    h: float,
) -> Float[Array, "senders size"]:
    """The gradient with respect to all weights onto the layer, with weights k of a rule.

    Args:
        layer: The network.
        inputs: Number of input spikes that arrive in each step.
        factor: Of the potentials in the loss.
        rule: Makes k of the run without noise.
        noise: At the threshold, 1.
        h: For the rule.
    """
    none = jnp.zeros((inputs.shape[0], layer.out.shape[0]))
    weight = jnp.concatenate([layer.inner, layer.recurrent])
    _, (u, fired) = _differentiated(weight, layer, inputs, factor, none)[0]
    i = _currents(layer, inputs, np.asarray(fired))
    trace = Trace(np.asarray(u), (i - np.asarray(u)) / layer.tau_mem, np.asarray(fired))
    k = jnp.asarray(rule(trace, noise, h), weight.dtype)
    return _differentiated(weight, layer, inputs, factor, k)[1]


def _run(
    weight: Float[Array, "senders size"],
    layer: Layer,
    inputs: Float[Array, "steps inputs"],
    factor: Float[Array, "steps readout"],
    k: Float[Array, "steps size"],
) -> tuple[Float[Array, ""], tuple[Float[Array, "steps size"], Float[Array, "steps size"]]]:
    mem, syn = jnp.exp(-DT / layer.tau_mem), jnp.exp(-DT / layer.tau_syn)
    kernel = layer.tau_syn / (layer.tau_mem - layer.tau_syn) * (mem - syn)
    size, wait = layer.out.shape[0], 11

    def step(state: tuple[Array, ...], now: tuple[Array, ...]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        u, i, read_u, read_i, waiting = state
        arriving, weigh, here = now
        i = i + jnp.concatenate([arriving, waiting[0]]) @ weight
        read_i = read_i + waiting[0] @ layer.out
        u, read_u = mem * u + kernel * i, mem * read_u + kernel * read_i
        fires = (lax.stop_gradient(u) >= 1.0).astype(u.dtype)
        sent = fires + here * (u - lax.stop_gradient(u))
        after = u * (1.0 - fires), syn * i, read_u, syn * read_i, jnp.concatenate([waiting[1:], sent[None]])
        return after, (read_u @ weigh, u, fires)

    none = lambda *shape: jnp.zeros(shape, weight.dtype)
    start = none(size), none(size), none(layer.out.shape[1]), none(layer.out.shape[1]), none(wait, size)
    _, (part, u, fired) = lax.scan(step, start, (inputs, factor, k))
    return jnp.sum(part), (u, fired)


_differentiated = jax.jit(jax.value_and_grad(_run, has_aux=True))
"""The loss, potentials and spikes; and the gradient."""


def _currents(
    layer: Layer, inputs: Float[Array, "steps inputs"], fired: Float[np.ndarray, "steps size"]
) -> Float[np.ndarray, "steps size"]:
    """Synaptic currents at the end of each step."""
    late = np.concatenate([np.zeros((11, fired.shape[1])), fired])[: len(fired)]
    drive = np.asarray(inputs) @ np.asarray(layer.inner) + late @ np.asarray(layer.recurrent)
    found, now = np.zeros_like(drive), np.zeros(drive.shape[1])
    for at, came in enumerate(drive):
        now = (now + came) * np.exp(-DT / layer.tau_syn)
        found[at] = now
    return found
