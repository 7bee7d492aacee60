"""Encoders: every value becomes one spike at the right time, in order, with the right derivative."""

import inspect

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import encoders

shapes = st.sampled_from([(1,), (5,), (3, 4)])  # few: JAX compiles for each
values = hnp.arrays(np.float64, shapes, elements={"min_value": 0, "max_value": 1})


def test_values_by_hand():
    """The two ends and the middle of the Yin-Yang code, t = 0.15 + 1.85 v."""
    spikes = encoders.latency(jnp.array([[1.0, 0.0, 0.5], [0.2, 0.2, 0.1]]), t_early=0.15, t_late=2.0)
    assert isinstance(spikes, rv.Spikes)
    np.testing.assert_allclose(spikes.time, [[0.15, 1.075, 2.0], [0.335, 0.52, 0.52]], rtol=1e-15)
    assert spikes.unit.tolist() == [[1, 2, 0], [2, 0, 1]]


def test_values_from_which_on_nothing_fires():
    spikes = encoders.latency(
        jnp.array([[1.0, 0.2, 0.9, 0.0], [1.0, 1.0, 0.95, 0.9]]), t_early=0.0, t_late=2.0, never=0.95
    )
    np.testing.assert_allclose(spikes.time, [[0.0, 0.4, 1.8, np.inf], [1.8, np.inf, np.inf, np.inf]], rtol=1e-15)
    assert spikes.unit.tolist() == [[3, 1, 2, -1], [3, -1, -1, -1]]


@hypothesis.given(value=values)
def test_every_value_becomes_one_spike_of_its_channel(value: np.ndarray):
    spikes = encoders.latency(value, t_early=1.0, t_late=5.0)
    time, unit = np.asarray(spikes.time), np.asarray(spikes.unit)
    assert time.shape == unit.shape == value.shape
    assert (np.diff(time) >= 0).all()
    np.testing.assert_array_equal(np.sort(unit), np.broadcast_to(np.arange(value.shape[-1]), value.shape))
    np.testing.assert_allclose(time, 1 + 4 * np.take_along_axis(value, unit, -1), rtol=1e-15)
    assert (np.diff(unit)[np.diff(time) == 0] > 0).all(), "equal values must keep the order of their channels"


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_dtype_is_kept(dtype: jnp.dtype):
    spikes = encoders.latency(jnp.array([0.5, 0.25], dtype), t_early=0.0, t_late=1.0)
    assert spikes.time.dtype == dtype
    assert spikes.unit.dtype == jnp.int32


def test_traced_like_untraced():
    value = jnp.array([[0.7, 0.1], [0.4, 0.9]])

    def encode(value: jax.Array) -> rv.Spikes:
        return encoders.latency(value, t_early=0.5, t_late=1.5)

    plain = encode(value)
    for spikes in (jax.jit(encode)(value), jax.vmap(encode)(value)):
        np.testing.assert_array_equal(spikes.time, plain.time)
        np.testing.assert_array_equal(spikes.unit, plain.unit)


def test_gradient_goes_through_the_sorting():
    """d t_i / d v_i = t_late - t_early for the spike of channel i, wherever it stands in the train."""
    value, cost = jnp.array([0.7, 0.1, 0.4]), jnp.array([2.0, 3.0, 5.0])

    def total(value: jax.Array) -> jax.Array:
        spikes = encoders.latency(value, t_early=0.15, t_late=2.0)
        return jnp.sum(cost[spikes.unit] * spikes.time)

    np.testing.assert_allclose(jax.grad(total)(value), 1.85 * cost, rtol=1e-14)


def test_spikes_are_those_that_simulate_takes():
    network = rv.feedforward(
        [3, 2], neuron=rv.LIF(2.0, 1.0), weight=rv.initializers.constant(3.0), key=jax.random.key(0)
    )
    spikes = encoders.latency(jnp.array([[1.0, 0.0, 0.5]]), t_early=0.15, t_late=2.0)
    solution = rv.simulate(network, spikes, rv.EventDriven(), t_end=2.0)
    assert int(solution.stats.spikes["output"][0]) > 0


@pytest.mark.parametrize("wrong", [-0.1, 1.5, np.nan, np.inf])
def test_values_outside_the_unit_interval(wrong: float):
    value = np.array([[0.5, 0.5], [0.5, wrong]])
    with pytest.raises(ValueError, match=rf"`value` must be in \[0, 1\]; got {wrong} at \(1, 1\), and 1 such"):
        encoders.latency(value, t_early=0.0, t_late=1.0)


@pytest.mark.parametrize("times", [(1.0, 1.0), (2.0, 1.0), (-1.0, 1.0), (0.0, np.inf), (np.nan, 1.0)])
def test_times_in_the_wrong_order(times: tuple[float, float]):
    with pytest.raises(ValueError, match=rf"0 <= t_early < t_late < inf; got t_early = {times[0]}, t_late"):
        encoders.latency(jnp.array([0.5]), t_early=times[0], t_late=times[1])


@pytest.mark.parametrize("value", [np.array([0, 255]), np.array(0.5)])
def test_values_that_are_no_channels(value: np.ndarray):
    """Without the shape checks of the tests, which refuse these values first."""
    with pytest.raises(ValueError, match="`value` must be floating-point of shape"):
        inspect.unwrap(encoders.latency)(value, t_early=0.0, t_late=1.0)


# Latency of a leaky integrator ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("current", "time"), [(1.0, 4.46), (0.5, 10.22), (0.25, 32.19), (0.21, 60.89)])
def test_latency_of_a_leaky_integrator_is_as_published(current: float, time: float):
    found = encoders.lif_latency(jnp.array([current]), tau=20.0, threshold=0.2)
    assert float(found.time[0]) == pytest.approx(time, abs=6e-3)


def test_latency_of_a_leaky_integrator_solves_its_equation():
    """tau u' = -u + x from 0: u(T) is the threshold."""
    current = jnp.array([[0.21, 0.9, 0.2, 0.0, 3.0]])
    spikes = encoders.lif_latency(current, tau=7.0, threshold=0.2)
    assert spikes.unit.tolist() == [[4, 1, 0, -1, -1]]
    time, own = np.asarray(spikes.time)[0, :3], np.asarray(current)[0, [4, 1, 0]]
    np.testing.assert_allclose(own * -np.expm1(-time / 7.0), 0.2, rtol=1e-12)


def test_currents_come_back():
    current = jnp.array([3.0, 1.0, 0.5, 0.200001])
    time = encoders.lif_latency(current, tau=20.0).time
    np.testing.assert_allclose(encoders.lif_current(time, tau=20.0), current, rtol=1e-9)
    assert float(encoders.lif_current(jnp.array([jnp.inf]), tau=20.0)[0]) == pytest.approx(0.2)


def test_gradient_of_the_latency_is_finite_also_where_a_channel_is_silent():
    total = lambda x: jnp.sum(jnp.where(jnp.isfinite(t := encoders.lif_latency(x, tau=20.0).time), t, 0.0))
    found = jax.grad(total)(jnp.array([0.5, 0.2, 0.0]))
    step = 1e-6
    wanted = (total(jnp.array([0.5 + step, 0.2, 0.0])) - total(jnp.array([0.5 - step, 0.2, 0.0]))) / (2 * step)
    np.testing.assert_allclose(found, [wanted, 0.0, 0.0], rtol=1e-6)


# Rates ---------------------------------------------------------------------------------------------------------------


def test_poisson_spikes_have_their_mean_and_their_variance():
    rate = np.tile([0.0, 20.0, 200.0], (2000, 1))
    spikes = encoders.poisson(rate, t_end=500.0, key=jax.random.key(0))
    counts = np.asarray(rv.spike_count(spikes))
    np.testing.assert_allclose(counts.mean(axis=0), [0, 10, 100], rtol=0.03)
    np.testing.assert_allclose(counts.var(axis=0), [0, 10, 100], rtol=0.1)
    time = np.asarray(spikes.time)[np.isfinite(spikes.time)]
    assert time.min() >= 0
    assert time.max() < 500
    np.testing.assert_allclose(np.histogram(time, 5, (0, 500))[0] / len(time), 0.2, atol=0.01)
    again = encoders.poisson(rate, t_end=500.0, key=jax.random.key(0))
    np.testing.assert_array_equal(spikes.time, again.time)


def test_regular_spikes_are_evenly_spaced():
    spikes = encoders.regular(np.array([[50.0, 0.0], [125.0, 10.0]]), t_end=60.0)
    assert spikes.time.shape == (2, 8)
    assert np.asarray(spikes.time)[0, :3].tolist() == [10.0, 30.0, 50.0]
    assert np.asarray(rv.spike_count(spikes)).tolist() == [[3, 0], [7, 1]]
    assert encoders.regular(np.array([50.0]), t_end=60.0).time.shape == (3,)


# Populations and changes ----------------------------------------------------------------------------------------------


def test_the_unit_that_is_met_fires_first_and_the_others_by_distance():
    spikes = encoders.population(jnp.array([[0.25, 1.0]]), 5, t_early=1.0, t_late=9.0, width=0.25, least=0.1)
    first = np.asarray(rv.first_spike(spikes))[0].reshape(2, 5)
    distance = (np.array([[0.25], [1.0]]) - np.linspace(0, 1, 5)) / 0.25
    response = np.exp(-(distance**2) / 2)
    np.testing.assert_allclose(first, np.where(response > 0.1, 1 + 8 * (1 - response), np.inf), rtol=1e-12)


def test_populations_have_gradients():
    total = lambda x: jnp.sum(encoders.population(x, 3, t_early=0.0, t_late=1.0, least=0.0, width=1.0).time)
    value, step = jnp.array([0.3, 0.9]), 1e-6
    for at in range(2):
        wanted = (total(value.at[at].add(step)) - total(value.at[at].add(-step))) / (2 * step)
        assert float(jax.grad(total)(value)[at]) == pytest.approx(float(wanted), rel=1e-7)


def test_levels_follow_the_signal_to_within_a_threshold():
    """Built again from its spikes, a random walk is never further than a threshold from what it was."""
    walk = np.cumsum(np.random.default_rng(0).normal(0, 1, (300, 3)), axis=0)
    spikes = encoders.delta(walk, threshold=0.7, dt=2.0)
    at = np.linspace(0, 2.0 * 299, 4001)
    for channel in range(3):
        own = [np.asarray(spikes.time)[np.asarray(spikes.unit) == 2 * channel + down] for down in (0, 1)]
        level = walk[0, channel] + 0.7 * (np.searchsorted(own[0], at, "right") - np.searchsorted(own[1], at, "right"))
        signal = np.interp(at, 2.0 * np.arange(300), walk[:, channel])
        assert np.abs(level - signal).max() < 0.7 + 1e-6
    assert encoders.delta(walk[None], threshold=0.7, dt=2.0).time.shape == (1, *spikes.time.shape)


def test_a_signal_that_does_not_move_has_no_spikes():
    assert not np.isfinite(encoders.delta(np.ones((5, 2)), threshold=0.5, dt=1.0).time).any()


WRONG = {
    "lif_latency: `tau` must be a finite number above 0": lambda: encoders.lif_latency(jnp.ones(2), tau=0.0),
    "`current` must be finite and >= 0; got -1.0": lambda: encoders.lif_latency(-jnp.ones(2), tau=1.0),
    "`time` must be above 0 ms; got 0.0": lambda: encoders.lif_current(jnp.zeros(2), tau=1.0),
    "`rate` must be finite and >= 0 Hz; got nan": lambda: encoders.regular(np.array([np.nan]), t_end=1.0),
    "poisson: `t_end` must be": lambda: encoders.poisson(np.ones(2), t_end=-1.0, key=jax.random.key(0)),
    "cannot be traced; call it outside": lambda: jax.jit(lambda x: encoders.regular(x, t_end=1.0))(jnp.ones(2)),
    "needs `units` >= 2": lambda: encoders.population(jnp.ones(1), 1, t_early=0.0, t_late=1.0),
    "`least` must be in": lambda: encoders.population(jnp.ones(1), 2, t_early=0.0, t_late=1.0, least=1.0),
    "`signal` must have shape": lambda: encoders.delta(np.ones((1, 1, 2, 3)), threshold=1.0, dt=1.0),
    "`signal` must be finite; got inf": lambda: encoders.delta(np.array([[np.inf]]), threshold=1.0, dt=1.0),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_encoded_is_told(message: str):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()
