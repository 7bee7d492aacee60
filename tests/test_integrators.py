"""Integrators against closed forms: their order, their stability, and the cubic between the ends of a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.integrators import AbstractIntegrator, hermite


def logistic(s: jax.Array, state: jax.Array) -> jax.Array:
    """`x' = x (1 - x) + ...`, two coupled equations with the solution (1 / (1 + e^-s), s^2) from (1/2, 0)."""
    x, y = state
    return jnp.stack([x * (1.0 - x) + y - s**2, 2.0 * s + (x - 1.0 / (1.0 + jnp.exp(-s))) * y])


def error(integrator: AbstractIntegrator, steps: int) -> float:
    h = 2.0 / steps

    def step(state: jax.Array, index: jax.Array) -> tuple[jax.Array, None]:
        field = lambda s, x: logistic(index * h + s, x)
        return integrator.advance(field, state, field(jnp.zeros(1), state), jnp.full(1, h)), None

    end, _ = jax.lax.scan(step, jnp.array([[0.5], [0.0]]), jnp.arange(float(steps)))
    return float(jnp.abs(end[:, 0] - jnp.array([1.0 / (1.0 + np.exp(-2.0)), 4.0])).max())


@pytest.mark.parametrize(("integrator", "order"), [(rv.integrators.RK4(), 4), (rv.integrators.ExponentialEuler(), 2)])
def test_the_order_of_an_integrator(integrator: AbstractIntegrator, order: int):
    coarse, fine = error(integrator, 16), error(integrator, 32)
    assert order - 0.3 < np.log2(coarse / fine) < order + 0.5


def test_exponential_euler_is_exact_for_a_leak_however_fast():
    field = lambda s, x: (3.0 - x) * jnp.array([[1e-3, 1.0, 500.0]])
    start = jnp.array([[1.0, 1.0, 1.0]])
    end = rv.integrators.ExponentialEuler().advance(field, start, field(0.0, start), jnp.full(3, 2.0))
    np.testing.assert_allclose(end[0], 3.0 - 2.0 * np.exp(-2.0 * np.array([1e-3, 1.0, 500.0])), rtol=1e-14)


def test_no_time_no_change():
    start = jnp.array([[0.3], [2.0]])
    for integrator in (rv.integrators.RK4(), rv.integrators.ExponentialEuler()):
        assert (integrator.advance(logistic, start, logistic(jnp.zeros(1), start), jnp.zeros(1)) == start).all()


def test_the_interpolant_is_exact_for_a_cubic():
    cubic = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0])
    slope = cubic.deriv()
    at = jnp.linspace(0.0, 1.0, 7)
    ends = [jnp.full(7, value) for value in (cubic(0.0), slope(0.0), cubic(1.0), slope(1.0))]
    np.testing.assert_allclose(hermite(*ends, at), cubic(np.asarray(at)), rtol=1e-14)
