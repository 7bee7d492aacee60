"""Synapses against the shapes of the literature, written down independently, and against wrong input."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import ranvier as rv
from ranvier._exprel import exprel
from ranvier.synapses import AbstractSynapse

V = -50.0
S = np.array([0.0, 0.3, 1.0, 2.7, 6.0, 40.0])


def double(rise: float, decay: float) -> Callable:
    """Response of a double exponential synapse to an event of weight 1, peak 1, in many digits."""

    def shape(s: float) -> float:
        with mpmath.workdps(40):
            r, d = mpmath.mpf(rise), mpmath.mpf(decay)
            peak = r * d / (d - r) * mpmath.log(d / r)
            response = lambda at: mpmath.exp(-at / d) - mpmath.exp(-at / r)
            return float(response(mpmath.mpf(s)) / response(peak))

    return shape


CASES = {
    "exponential": (rv.synapses.ExponentialCurrent(4.0), lambda s: np.exp(-s / 4.0)),
    "alpha": (rv.synapses.AlphaCurrent(3.0), lambda s: s / 3.0 * np.exp(1.0 - s / 3.0)),
    "double": (rv.synapses.DoubleExponentialCurrent(1.5, 4.0), double(1.5, 4.0)),
    "almost alpha": (rv.synapses.DoubleExponentialCurrent(3.0, 3.0 + 3e-9), double(3.0, 3.0 + 3e-9)),
    "equal": (rv.synapses.DoubleExponentialCurrent(3.0, 3.0), lambda s: s / 3.0 * np.exp(1.0 - s / 3.0)),
    "conductance": (rv.synapses.ConductanceExponential(4.0, e_rev=-10.0), lambda s: np.exp(-s / 4.0) * 40.0),
}


def current(synapse: AbstractSynapse, state: jax.Array) -> np.ndarray:
    return np.asarray(synapse.current(state, jnp.full(state.shape[1], V)))


@pytest.mark.parametrize("name", CASES)
def test_a_synapse_has_its_shape(name: str):
    synapse, shape = CASES[name]
    empty = synapse.initial(len(S), jnp.float64)
    assert empty.shape == (synapse.variables, len(S))
    assert not current(synapse, empty).any()
    state = synapse.flow(synapse.arrive(empty, jnp.full(len(S), 2.0)), jnp.asarray(S))
    np.testing.assert_allclose(current(synapse, state), [2.0 * shape(s) for s in S], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_events_add_up_wherever_time_is_cut(name: str):
    synapse, shape = CASES[name]
    state = synapse.arrive(synapse.initial(1, jnp.float64), jnp.array([1.5]))
    state = synapse.flow(synapse.flow(state, jnp.array([0.9])), jnp.array([1.1]))
    state = synapse.flow(synapse.arrive(state, jnp.array([-0.7])), jnp.array([0.4]))
    np.testing.assert_allclose(current(synapse, state), 1.5 * shape(2.4) - 0.7 * shape(0.4), rtol=1e-13)


@pytest.mark.parametrize("name", CASES)
def test_the_derivatives_of_a_synapse(name: str):
    """With respect to every parameter and the time of the event, against central differences."""
    synapse, _ = CASES[name]
    leaves, tree = jax.tree.flatten(synapse)

    def response(x: jax.Array) -> jax.Array:
        one = jax.tree.unflatten(tree, [x[index] for index in range(len(leaves))])
        state = one.flow(one.arrive(one.initial(1, jnp.float64), jnp.ones(1)), x[-1:])
        return one.current(state, jnp.full(1, V))[0]

    at = jnp.array([*map(float, leaves), 2.2])
    step = 1e-3 * jnp.eye(len(at))
    slope = lambda h: jnp.stack([(response(at + h * row) - response(at - h * row)) / (2e-3 * h) for row in step])
    wanted = (4.0 * slope(0.5) - slope(1.0)) / 3.0
    np.testing.assert_allclose(jax.grad(response)(at), wanted, rtol=1e-9, atol=1e-11)


def test_parameters_may_be_one_per_neuron():
    synapse = rv.synapses.DoubleExponentialCurrent(jnp.array([1.0, 2.0]), jnp.array([4.0, 2.0]))
    state = synapse.flow(synapse.arrive(synapse.initial(2, jnp.float64), jnp.ones(2)), jnp.full(2, 2.0))
    wanted = [double(1.0, 4.0)(2.0), 1.0]
    np.testing.assert_allclose(current(synapse, state), wanted, rtol=1e-13)


def test_the_relative_exponential_and_its_derivatives():
    points = [-30.0, -0.26, -0.24, -1e-3, -1e-9, 0.0, 1e-12, 1e-4, 0.249, 0.251, 3.0]
    function = exprel
    for order in range(3):
        with mpmath.workdps(60):
            terms = [(mpmath.ff(n, order) / mpmath.factorial(n + 1), n - order) for n in range(order, 200)]
            wanted = [float(sum(factor * mpmath.mpf(x) ** power for factor, power in terms)) for x in points]
        found = jax.vmap(function)(jnp.asarray(points))
        np.testing.assert_allclose(found, wanted, rtol=1e-13)
        function = jax.grad(function)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: rv.synapses.ExponentialCurrent(0.0),
            r"ExponentialCurrent: `tau_syn` must be a time above 0.*; got 0.0",
        ),
        (lambda: rv.synapses.AlphaCurrent(-1.0), r"AlphaCurrent: `tau_syn` must be a time above 0.*; got -1.0"),
        (lambda: rv.synapses.AlphaCurrent(np.inf), r"AlphaCurrent: `tau_syn` must be a time above 0.*; got inf"),
        (
            lambda: rv.synapses.ConductanceExponential(e_rev=np.nan),
            r"ConductanceExponential: `e_rev` must be finite; got nan",
        ),
        (
            lambda: rv.synapses.ExponentialCurrent(np.ones((2, 2))),
            r"scalar or one value per neuron.*got shape \(2, 2\)",
        ),
        (
            lambda: rv.synapses.DoubleExponentialCurrent(5.0, 1.0),
            r"`tau_rise` must be at most `tau_decay`; got tau_rise = 5.0 and tau_decay = 1.0",
        ),
    ],
)
def test_wrong_input(make: Callable, message: str):
    with pytest.raises(ValueError, match=message):
        make()
