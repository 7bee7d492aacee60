"""What the value of a spike estimates: the derivative of the expected loss under escape noise, by noisy runs."""

import math
from functools import partial

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.lab.studies.by_gradient.rules import Trace, by_slope, constant, everywhere, gradient_by, near_misses
from ranvier.lab.studies.escape_noise import DT, Noise, compare_network, draw, expected_gradient, gradient_of


def test_the_derivative_of_the_expected_loss_is_that_of_differences():
    """Of the mean loss along the gradient, with the same random numbers on both sides."""
    layer, inputs, factor = draw(0)
    mean = lambda layer, key: expected_gradient(layer, inputs, factor, Noise(1.0, 0.3), DT, 4000, key=key)
    found = mean(layer, jax.random.key(0))
    assert 4.0 < float(found.spikes) < 100.0
    slope = np.linalg.norm(found.two)
    along = found.two / slope
    moved = lambda step: layer._replace(
        inner=layer.inner + step * along[:3], recurrent=layer.recurrent + step * along[3:]
    )
    rise = mean(moved(0.1), jax.random.key(1)).loss - mean(moved(-0.1), jax.random.key(1)).loss
    assert float(np.vdot(found.one, along)) == pytest.approx(float(rise) / 0.2, rel=0.2)


@pytest.mark.slow
def test_the_value_of_a_spike_is_closer_to_it_than_the_exact_derivative():
    """On most of a few random networks; `benchmarks/escape_noise.py` has ten, and other noise."""
    ways = {
        "value": partial(gradient_of, way=rv.SpikeValue()),
        "exact": partial(gradient_of, way=rv.ExactDerivative()),
        "grid": partial(gradient_by, rule=constant, noise=Noise(1.0, 0.2), h=1.0),
    }
    rows = [compare_network(seed, 0.2, ways, 4000, key=jax.random.key(seed)) for seed in range(4)]
    assert sum(row["value"] > row["exact"] for row in rows) >= 3
    assert np.median([row["value"] for row in rows]) > 0.8
    np.testing.assert_allclose([row["grid"] for row in rows], [row["value"] for row in rows], atol=0.15)


def test_rules_count_spikes_by_slope_and_those_that_noise_would_make():
    """Two spikes of slopes 1 and 4; one maximum of 0.8 with u'' = -0.2 per ms^2, elsewhere nothing near."""
    u = np.full((9, 1), -5.0)
    u[2], u[7] = 1.0, 1.0
    u[4:7, 0] = 0.8 - 0.001 * np.array([1.0, 0.0, 1.0])
    slope, fired = np.ones((9, 1)), (u == 1.0).astype(float)
    slope[7] = 4.0
    trace, noise = Trace(u, slope, fired), Noise(0.5, 0.1)
    where = lambda rule, **options: {int(n): float(rule(trace, noise, 3.0, **options)[n, 0]) for n in range(9)}
    assert {n: k for n, k in where(constant).items() if k} == {2: 3.0, 7: 3.0}
    steep = where(by_slope, power=1.0)
    assert (steep[2], steep[7]) == (pytest.approx(1.5), pytest.approx(6.0))
    near = where(near_misses)
    mean = 0.5 * math.exp(-2.0) * math.sqrt(2 * math.pi * 0.1 / 0.2)
    assert near[5] == pytest.approx(3.0 * (1.0 - math.exp(-mean)), rel=1e-6)
    assert (near[2], near[4], near[6]) == (3.0, 0.0, 0.0)
    dense = where(everywhere)
    assert dense[5] == pytest.approx(3.0 * 0.5 * DT * math.exp(-2.0))
    assert dense[2] == 3.0
