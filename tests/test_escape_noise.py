"""What the value of a spike estimates: the derivative of the expected loss under escape noise, by noisy runs."""

import jax
import numpy as np
import pytest

from ranvier.lab.studies.escape_noise import DT, Noise, compare_network, draw, expected_gradient


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
    """On most of a few random networks, at wide noise; `benchmarks/escape_noise.py` has ten, and narrower noise."""
    rows = [compare_network(seed, 0.2, 4000, key=jax.random.key(seed)) for seed in range(5)]
    assert sum(row.value > row.exact for row in rows) >= 4
    assert np.median([row.value for row in rows]) > 0.6
