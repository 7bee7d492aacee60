"""Surrogate gradients beside exact ones: the numbers are those of the vectors."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.checks import AgreementReport, gradient_agreement
from ranvier.surrogates import superspike

SPIKES = rv.Spikes(jnp.array([[0.5, 1.0, 2.0]]), jnp.array([[0, 1, 0]]))
TIMES = {"output": np.arange(0.5, 12.0, 0.5)}


def network(delay: rv.delays.DelayFactory | None = None) -> rv.Network:
    neuron, readout = rv.LIF(4.0, 2.0, refractory=jnp.inf), rv.LI(4.0, 2.0)
    return rv.feedforward(
        [2, 5, 2],
        neuron=neuron,
        readout=readout,
        delay=delay,
        weight=rv.initializers.normal(4.0, 1.0),
        key=jax.random.key(0),
    )


def loss(solution: rv.Solution) -> jax.Array:
    return jnp.sum(jnp.sin(3 * solution.voltages["output"]))


def compare(net: rv.Network, exact: rv.EventDriven, other: rv.EventDriven | rv.Surrogate) -> AgreementReport:
    return gradient_agreement(net, SPIKES, exact, other, t_end=12.0, loss=loss, record=TIMES)


def test_a_gradient_agrees_with_itself():
    found = compare(network(), rv.EventDriven(), rv.EventDriven(window=0.25))
    assert set(found) == {"weight of input->hidden", "weight of hidden->output"}
    for one in found.values():
        assert one == pytest.approx((1.0, 1.0), abs=1e-9)


def test_cosine_and_ratio_are_those_of_the_vectors():
    net, surrogate = network(rv.synaptic(0.0, 3.0)), rv.Surrogate(dt=0.1, surrogate=superspike(10.0))
    found = compare(net, rv.EventDriven(), surrogate)

    def gradient(simulator: rv.EventDriven | rv.Surrogate) -> rv.Network:
        learn, fixed = rv.partition(net)
        value = lambda learn: loss(
            rv.simulate(rv.combine(learn, fixed), SPIKES, simulator, t_end=12.0, record=TIMES, throw=False)
        )
        return jax.jit(jax.grad(value))(learn)

    pairs = zip(gradient(rv.EventDriven()).connections, gradient(surrogate).connections, strict=True)
    for exact, other in pairs:
        for name, one, two in (("weight", exact.weight, other.weight), ("delay", exact.delay.raw, other.delay.raw)):
            cosine, ratio = found[f"{name} of {exact.name}"]
            assert cosine == pytest.approx(float(jnp.vdot(one, two) / jnp.linalg.norm(one) / jnp.linalg.norm(two)))
            assert ratio == pytest.approx(float(jnp.linalg.norm(two) / jnp.linalg.norm(one)))
    assert found["weight of hidden->output"].cosine > 0.99  # no spike between these and the loss
    assert found["weight of input->hidden"].cosine < 0.999


def test_no_gradient_has_no_direction():
    quiet = jax.tree.map(lambda leaf: leaf, network())
    found = gradient_agreement(
        quiet, SPIKES, rv.EventDriven(), rv.EventDriven(), t_end=12.0, loss=lambda solution: 0.0 * loss(solution),
        record=TIMES,
    )  # fmt: skip
    assert all(math.isnan(one.cosine) and math.isnan(one.ratio) for one in found.values())


def test_the_numbers_are_explained():
    """One hidden neuron never fires; the surrogate sees it, and the exact derivative does not."""
    net = network()
    quiet = net["input->hidden"].weight.at[:, 0].set(0.1)
    net = eqx.tree_at(lambda tree: tree["input->hidden"].weight, net, quiet)
    found = compare(net, rv.EventDriven(), rv.Surrogate(dt=0.1, surrogate=superspike(1.0)))
    assert found.silent == {"hidden": 0.2}
    words = str(found)
    assert "20% of the neurons of hidden fire in no sample" in words
    assert "grows as 1/dt" in words
    assert ("the two point elsewhere" in words) == any(one.cosine < 0.5 for one in found.values())
    same = compare(net, rv.EventDriven(), rv.EventDriven(window=0.25))
    assert "1/dt" not in str(same)
    assert "point elsewhere" not in str(same)


def test_parts_without_a_gradient_are_named():
    found = gradient_agreement(
        network(), SPIKES, rv.EventDriven(), rv.EventDriven(), t_end=12.0, loss=lambda solution: 0.0 * loss(solution),
        record=TIMES,
    )  # fmt: skip
    assert "weight of input->hidden: neither gradient reaches it" in str(found)


def test_the_first_gradient_must_be_a_derivative():
    net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(5.0), key=jax.random.key(0))
    spikes, value = rv.Spikes([1.0, 2.0], [0, 1]), rv.EventDriven(gradient=rv.SpikeValue())
    loss = lambda solution: rv.first_spike(solution.spikes["output"]).sum()
    with pytest.raises(ValueError, match=r"`exact` must have the exact derivative.*SpikeValue"):
        gradient_agreement(net, spikes, value, rv.EventDriven(), t_end=20.0, loss=loss)
    found = gradient_agreement(net, spikes, rv.EventDriven(), value, t_end=20.0, loss=loss)
    assert found["weight of input->output"].cosine == pytest.approx(1.0)  # direct dependence on times is as it was
