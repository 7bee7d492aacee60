"""Kernels of dilated delays: against the package dcls, and their gradient through a simulation against differences."""

import json
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.taps import AbstractTaps, Gaussian, Linear, Tent, sharpened

REFERENCE = json.loads((Path(__file__).parent / "data" / "dcls_kernels.json").read_text("utf-8"))
POSITION = jnp.array(REFERENCE["position"])
VERSIONS = {"v1": lambda sigma: Linear(), "max": Tent, "gauss": Gaussian}


@pytest.mark.parametrize("entry", REFERENCE["kernels"], ids=lambda entry: f"{entry['version']}-{entry['sigma']}")
def test_kernels_are_those_of_dcls(entry: dict):
    taps = VERSIONS[entry["version"]](entry["sigma"])
    weights = taps(POSITION, REFERENCE["count"])
    assert np.allclose(weights.T, entry["weights"], rtol=0, atol=2e-7)  # dcls divides by sum + 1e-7 for v1 too


@pytest.mark.parametrize("entry", REFERENCE["kernels"], ids=lambda entry: f"{entry['version']}-{entry['sigma']}")
def test_the_reference_is_what_dcls_gives(entry: dict):
    torch = pytest.importorskip("torch", reason="needs torch and dcls: see the note in tests/data/dcls_kernels.json")
    modules = pytest.importorskip("DCLS.construct.modules", reason="needs dcls: see tests/data/dcls_kernels.json")
    count = REFERENCE["count"]
    kernel = modules.ConstructKernel1d(1, 1, 1, 1, [count], entry["version"])
    one, width = torch.ones(1, 1, 1).double(), torch.full((1, 1, 1, 1), entry["sigma"]).double()
    for position, expected in zip(REFERENCE["position"], entry["weights"], strict=True):
        place = torch.full((1, 1, 1, 1), position - count // 2).double()
        assert np.allclose(kernel(one, place, width)[0, 0].numpy(), expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("taps", [Gaussian(1.3), Tent(0.8)], ids=["gauss", "tent"])
def test_the_gradient_is_that_of_the_simulation(taps: AbstractTaps):
    """No neuron spikes, so nothing is replaced: weights, delays and the width, against central differences."""
    net = rv.feedforward(
        [3, 2],
        neuron=rv.LI(20.0, 5.0),
        delay=rv.synaptic(0.0, 6.0),
        weight=rv.initializers.normal(1.0, 1.0),
        key=jax.random.key(3),
    )
    spikes = rv.Spikes(jnp.array([0.2, 1.7, 4.4, 9.9]), jnp.array([0, 2, 1, 0]))

    @jax.jit
    def loss(weight, raw, sigma):
        changed = eqx.tree_at(lambda net: (net.connections[0].weight, net.connections[0].delay.raw), net, (weight, raw))
        simulator = rv.Surrogate(dt=0.5, taps=eqx.tree_at(lambda taps: taps.sigma, taps, sigma))
        solution = rv.simulate(changed, spikes, simulator, t_end=20.0, record={"output": [7.3, 19.0]}, throw=False)
        return jnp.sum(jnp.sin(3 * solution.voltages["output"]))

    args = (net.connections[0].weight, net.connections[0].delay.raw, jnp.asarray(taps.sigma, jnp.float64))
    for place, gradient in enumerate(jax.jit(jax.grad(loss, argnums=(0, 1, 2)))(*args)):
        direction = np.random.RandomState(place).randn(*gradient.shape)

        def quotient(h: float, place=place, direction=direction) -> float:
            ends = [
                loss(*(a + sign * h * direction if n == place else a for n, a in enumerate(args))) for sign in (1, -1)
            ]
            return float(ends[0] - ends[1]) / (2 * h)

        expected = (4 * quotient(5e-5) - quotient(1e-4)) / 3
        assert abs(float((gradient * direction).sum()) - expected) < 1e-6 * abs(expected), place


def test_widths_fall_by_one_factor_and_then_stay():
    widths = [float(sharpened(epoch, start=8.0, end=0.5, epochs=5)) for epoch in range(1, 8)]
    assert np.allclose(widths, [8, 4, 2, 1, 0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match="sharpened: widths must be above 0"):
        sharpened(1, start=0.0, end=0.5, epochs=5)
