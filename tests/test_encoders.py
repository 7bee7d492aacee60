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
