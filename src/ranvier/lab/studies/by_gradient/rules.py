"""What a spike, and a spike that might have been, should count: any weights, on a grid, for the noise test.

The run without noise of `ranvier.lab.studies.escape_noise`, on the grid of the noisy ones, differentiated as if each
neuron had at each instant dS = k du, S the number of its spikes there and k any number. `SpikeValue(1/D)` is k = 1/D at
the spikes and 0 elsewhere; a rule says otherwise.
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


Rule = Callable[[Trace, Noise], Float[np.ndarray, "steps size"]]


def constant(trace: Trace, noise: Noise, share: float = 1.0) -> Float[np.ndarray, "steps size"]:
    """`share/D` at every spike."""
    return share * trace.fired / noise.width


def by_slope(trace: Trace, noise: Noise, power: float) -> Float[np.ndarray, "steps size"]:
    """`(V'/mean V')^power / D` at every spike."""
    slope = np.maximum(trace.slope, 1e-3)
    typical = np.exp(np.sum(np.log(slope) * trace.fired) / np.sum(trace.fired))
    return trace.fired * (slope / typical) ** power / noise.width


def near_misses(trace: Trace, noise: Noise) -> Float[np.ndarray, "steps size"]:
    """And at every maximum below the threshold 1/D times the spikes that noise would have made of it.

    `n = 1 - exp(-integral r dt)` around the maximum, where `u = u_max + u'' t^2/2`, so that the integral is
    `r_0 e^{(u_max - theta)/D} sqrt(2 pi D/|u''|)`.
    """
    middle = trace.u[1:-1]
    bend = (trace.u[2:] - 2.0 * middle + trace.u[:-2]) / DT**2
    top = (middle >= trace.u[:-2]) & (middle > trace.u[2:]) & (middle > 0.0)
    top &= (trace.fired[:-2] + trace.fired[1:-1] + trace.fired[2:]) == 0
    wide = np.sqrt(2.0 * np.pi * noise.width / np.maximum(-bend, 1e-6))
    count = -np.expm1(-noise.rate * np.exp((middle - 1.0) / noise.width) * wide)
    return constant(trace, noise) + np.pad(np.where(top, count, 0.0), ((1, 1), (0, 0))) / noise.width


def everywhere(trace: Trace, noise: Noise) -> Float[np.ndarray, "steps size"]:
    """And at every other instant 1/D times the spikes that noise would have made there: a dense surrogate."""
    hazard = noise.rate * DT * np.exp(np.minimum((trace.u - 1.0) / noise.width, 0.0))
    return constant(trace, noise) + np.where(trace.fired > 0, 0.0, hazard) / noise.width


RULES: dict[str, Rule] = {
    "1/D": constant,
    "1/(2D)": partial(constant, share=0.5),
    "1/(4D)": partial(constant, share=0.25),
    "2/D": partial(constant, share=2.0),
    "V'/D": partial(by_slope, power=1.0),
    "1/(V'D)": partial(by_slope, power=-1.0),
    "and near misses": near_misses,
    "and everywhere": everywhere,
}
"""Rules by name."""


def gradient_by(
    layer: Layer, inputs: Float[Array, "steps inputs"], factor: Float[Array, "steps readout"], noise: Noise, rule: Rule
) -> Float[Array, "senders size"]:
    """The gradient with respect to all weights onto the layer, with weights k of a rule.

    Args:
        layer: The network.
        inputs: Number of input spikes that arrive in each step.
        factor: Of the potentials in the loss.
        noise: At the threshold, 1.
        rule: Makes k of the run without noise.
    """
    none = jnp.zeros((inputs.shape[0], layer.out.shape[0]))
    weight = jnp.concatenate([layer.inner, layer.recurrent])
    _, u, fired = _run(weight, layer, inputs, factor, none)
    i = _currents(layer, inputs, np.asarray(fired))
    trace = Trace(np.asarray(u), (i - np.asarray(u)) / layer.tau_mem, np.asarray(fired))
    return jax.grad(lambda weight: _run(weight, layer, inputs, factor, jnp.asarray(rule(trace, noise)))[0])(weight)


@jax.jit
def _run(
    weight: Float[Array, "senders size"],
    layer: Layer,
    inputs: Float[Array, "steps inputs"],
    factor: Float[Array, "steps readout"],
    k: Float[Array, "steps size"],
) -> tuple[Float[Array, ""], Float[Array, "steps size"], Float[Array, "steps size"]]:
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
    return jnp.sum(part), u, fired


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
