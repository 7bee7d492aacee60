"""Gradients of `FirstSpike`: of 200 random layers against differences, of some against fifty digits."""

from typing import Any

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import build
import ranvier as rv

TAUS = [(5.0, 5.0), (2.0, 1.0), (7.0, 3.0), (3.0, 7.0), (5.005, 5.0)]
"""Lambert's W, the square root, and the implicit form, on either side of equal time constants and close to it."""
LAYERS, COUNTED, SAMPLE, PRE, POST = 280, 200, 12, 10, 3

Values = dict[str, jax.Array]


def layers(taus: tuple[float, float]) -> Values:
    """Random layers: one spike of each sender, a delay of each synapse, a threshold."""
    rng = np.random.default_rng(4)
    return {
        "time": jnp.asarray(rng.uniform(0, 10, (LAYERS, PRE))),
        "delay": jnp.asarray(rng.uniform(0, 4, (LAYERS, PRE, POST))),
        "weight": jnp.asarray(rng.normal(1.2, 1.2, (LAYERS, PRE, POST))),
        "threshold": jnp.asarray(rng.uniform(0.8, 1.2, (LAYERS, 1))),
        "tau": jnp.tile(jnp.array(taus), (LAYERS, 1)),
    }


def first(values: Values) -> jax.Array:
    """First spikes of one layer."""
    order = jnp.argsort(values["time"])
    neuron = rv.LIF(values["tau"][0], values["tau"][1], v_threshold=values["threshold"][0], refractory=jnp.inf)
    delay = rv.SynapticDelay(values["delay"], high=9.0, bound=rv.delays.Clip())
    link = rv.Connection("input", "output", values["weight"], delay)
    net = build.network({"input": PRE}, {"output": neuron}, {"output": POST}, [link])
    spikes = rv.Spikes(values["time"][order], order)
    return rv.first_spike(rv.simulate(net, spikes, rv.FirstSpike(), t_end=40.0, throw=False).spikes["output"])


every = jax.jit(jax.vmap(first))
reverse = jax.jit(jax.vmap(jax.jacrev(first)))
forward = jax.jit(jax.vmap(lambda values, ways: jax.jvp(first, (values,), (ways,))[1]))


@pytest.mark.parametrize("taus", TAUS)
def test_gradients_of_200_layers_agree_with_differences(taus: tuple[float, float]):
    """Along a random direction for each parameter, Richardson's extrapolation of central differences.

    A layer counts if some neuron fires and, for all that fire, the two differences agree to 1e-5: else a spike appears,
    vanishes, grazes or changes order with an arrival within a step of 2e-4. Those are few.
    """
    values = layers(taus)
    base, exact = every(values), reverse(values)
    fired, counts = jnp.isfinite(base), jnp.isfinite(base).any(axis=1)
    errors = {}
    for name, array in values.items():
        way = jnp.asarray(np.random.default_rng(5).normal(size=array.shape))
        wide, near = (
            (every(values | {name: array + h * way}) - every(values | {name: array - h * way})) / (2 * h)
            for h in (2e-4, 1e-4)
        )
        wanted = (4 * near - wide) / 3
        got = jnp.sum(exact[name] * way[:, None], axis=tuple(range(2, exact[name].ndim)))
        still = jax.tree.map(jnp.zeros_like, values)
        np.testing.assert_allclose(forward(values, still | {name: way}), got, rtol=1e-10, atol=1e-10)
        counts &= jnp.all(~fired | (jnp.abs(near - wide) < 1e-5 * (1 + jnp.abs(near))), axis=1)
        errors[name] = jnp.where(fired, jnp.abs(got - wanted) / (1 + jnp.abs(wanted)), 0.0)
    left_out = int(jnp.sum(fired.any(axis=1) & ~counts))
    assert int(counts.sum()) >= COUNTED, f"{int(counts.sum())} of {LAYERS} layers count, {left_out} have a kink"
    assert left_out < 0.15 * LAYERS
    for name, error in errors.items():
        assert error[counts].max() < 1e-8, name
    shifted = exact["time"].sum(-1) - 1.0  # later input, later output
    assert jnp.max(jnp.abs(jnp.where(fired, shifted, 0.0))) < 1e-12


def potential(taus: tuple[float, float], events: list[tuple[Any, Any]], at: Any) -> Any:
    """u at a time, of events (weight, time of arrival), in the digits of mpmath."""
    mem, syn = map(mpmath.mpf, taus)
    total = mpmath.mpf(0)
    for weight, time in events:
        s = at - time
        if mem == syn:
            total += weight * s / mem * mpmath.exp(-s / mem)
        else:
            total += weight * syn / (mem - syn) * (mpmath.exp(-s / mem) - mpmath.exp(-s / syn))
    return total


def in_fifty_digits(taus: tuple[float, float], theta: Any, events: list[tuple[Any, Any]], near: float) -> list[Any]:
    """The root T of u = theta next to `near`, and dT/dx = -(du/dx) / (du/dT) for theta, all weights, all arrivals."""
    before = [event for event in events if event[1] < near]
    root = mpmath.findroot(lambda at: potential(taus, before, at) - theta, near)
    slope = mpmath.diff(lambda at: potential(taus, before, at), root)
    by_weight, by_time = np.zeros(len(events)), np.zeros(len(events))
    for i, (weight, time) in enumerate(events):
        if time < near:
            by_weight[i] = -mpmath.diff(lambda w, time=time: potential(taus, [(w, time)], root), weight) / slope
            by_time[i] = -mpmath.diff(lambda t, weight=weight: potential(taus, [(weight, t)], root), time) / slope
    return [float(root), float(1 / slope), by_weight, by_time]


@pytest.mark.parametrize("taus", TAUS)
def test_gradients_agree_with_fifty_digits(taus: tuple[float, float]):
    """Of twelve neurons, spread over the layers: theta, weights, delays and input times."""
    values = jax.tree.map(np.asarray, layers(taus))
    base, exact = np.asarray(every(values)), jax.tree.map(np.asarray, reverse(values))
    some = np.argwhere(np.isfinite(base))[::37][:SAMPLE]
    assert len(some) == SAMPLE
    for at, j in some.tolist():
        with mpmath.workdps(50):
            weight, delay = ([mpmath.mpf(x) for x in values[name][at, :, j].tolist()] for name in ("weight", "delay"))
            due = [mpmath.mpf(x) + d for x, d in zip(values["time"][at].tolist(), delay, strict=True)]
            theta = mpmath.mpf(float(values["threshold"][at, 0]))
            wanted = in_fifty_digits(taus, theta, list(zip(weight, due, strict=True)), float(base[at, j]))
        found = {name: gradient[at, j] for name, gradient in exact.items()}
        got = [base[at, j], found["threshold"][0], found["weight"][:, j], found["delay"][:, j]]
        for mine, real in zip([*got, found["time"]], [*wanted, wanted[-1]], strict=True):
            np.testing.assert_allclose(mine, real, rtol=1e-12, atol=1e-12)
