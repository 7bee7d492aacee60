"""Neurons with a bias: closed forms, the oracle, every simulator, and what refuses it."""

import functools
import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import networks
import ranvier as rv

T_END = 200.0
ALONE = rv.Spikes(jnp.array([150.0]), jnp.array([0]))  # no weight, no effect
TAU = 10.0


def alone(dtype: Any = float, **options: Any) -> rv.Network:
    """Two neurons that nothing reaches: the first fires by itself, the second does not."""
    neuron = rv.LIF(TAU, 5.0, v_reset=-0.2, v_leak=0.1, **options)
    network = build.network({"input": 1}, {"cells": neuron}, {"cells": 2},
                            [rv.Connection("input", "cells", jnp.zeros((1, 2)), rv.FixedDelay(1.0))])  # fmt: skip
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), network)


def spike_times(bias: float, refractory: float = 0.0) -> np.ndarray:
    """Those of the first neuron, in closed form."""
    rest = 0.1 + bias
    first = TAU * math.log(bias / (rest - 1.0))
    period = refractory + TAU * math.log((rest + 0.2) / (rest - 1.0))
    return first + period * np.arange(int((T_END - first) / period) + 1)


@pytest.mark.parametrize("simulator", [rv.EventDriven(max_spikes=500), rv.EventDriven(max_spikes=500, window=0.3),
                                       rv.ClockDriven(dt=0.5, max_spikes=500)])  # fmt: skip
@pytest.mark.parametrize(("bias", "refractory"), [(1.5, 0.0), (0.9001, 3.0), (15.0, 0.5)])
def test_a_neuron_above_threshold_fires_with_its_period(simulator: Any, bias: float, refractory: float):
    network = alone(bias=jnp.array([bias, 0.6]), refractory=refractory)
    solution = rv.simulate(network, ALONE, simulator, t_end=T_END, record={"cells": [7.0, 13.0]})
    train, wanted = solution.spikes["cells"], spike_times(bias, refractory)
    assert int(solution.stats.spikes["cells"]) == len(wanted)
    np.testing.assert_allclose(train.time[: len(wanted)], wanted, rtol=0, atol=1e-9)
    assert not np.any(train.unit[: len(wanted)])
    np.testing.assert_allclose(solution.voltages["cells"][:, 1], 0.7 - 0.6 * np.exp(-np.array([0.7, 1.3])), rtol=1e-12)


def test_the_period_in_float32():
    network = alone(jnp.float32, bias=jnp.array([1.5, 0.6]), refractory=2.0)
    train = rv.simulate(network, ALONE, rv.EventDriven(), t_end=T_END).spikes["cells"]
    wanted = spike_times(1.5, 2.0)
    assert train.time.dtype == jnp.float32
    np.testing.assert_allclose(train.time[: len(wanted)], wanted, rtol=0, atol=1e-4)


def test_an_infinite_refractory_time_allows_one_spike():
    network = alone(bias=jnp.array([1.5, 0.6]), refractory=math.inf)
    train = rv.simulate(network, ALONE, rv.EventDriven(), t_end=T_END).spikes["cells"]
    assert float(train.time[0]) == pytest.approx(spike_times(1.5)[0], abs=1e-12)
    assert not np.isfinite(train.time[1])


def test_the_derivative_of_the_period():
    """Of the last spike, in closed form: with respect to bias, and to every other number that it depends on."""
    network = alone(bias=jnp.array([1.5, 0.6]), refractory=2.0)
    count = len(spike_times(1.5, 2.0))

    def last(network: rv.Network) -> jnp.ndarray:
        return rv.simulate(network, ALONE, rv.EventDriven(), t_end=T_END).spikes["cells"].time[count - 1]

    def closed(tau: jnp.ndarray, bias: jnp.ndarray, leak: jnp.ndarray, high: jnp.ndarray, low: jnp.ndarray,
               hold: jnp.ndarray) -> jnp.ndarray:  # fmt: skip
        rest = leak + bias
        return tau * jnp.log(bias / (rest - high)) + (count - 1) * (hold + tau * jnp.log((rest - low) / (rest - high)))

    found = jax.grad(last)(network)["cells"].neuron
    wanted = jax.grad(closed, argnums=range(6))(*map(jnp.asarray, (TAU, 1.5, 0.1, 1.0, -0.2, 2.0)))
    names = ("tau_mem", "bias", "v_leak", "v_threshold", "v_reset", "refractory")
    for name, number in zip(names, wanted, strict=True):
        np.testing.assert_allclose(jnp.sum(getattr(found, name)), number, rtol=1e-11, err_msg=name)
    assert float(found.bias[1]) == 0.0


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_with_biases_agree_with_the_oracle(seed: int):
    case = networks.biased(seed)
    simulator = rv.EventDriven(window=case.window)
    solution = rv.simulate(case.network, case.spikes, simulator, t_end=case.t_end, record=case.record)
    worst = networks.compare(solution, networks.ask(case))
    assert worst["time"] < 1e-9
    assert worst["voltage"] < 1e-9


def once(bias: Any) -> tuple[rv.Network, rv.Spikes]:
    """Three inputs, four neurons that fire once, a readout: all with a bias."""
    rng = np.random.default_rng(3)
    neuron = rv.LIF(8.0, 5.0, v_reset=-0.2, v_leak=0.1, bias=bias, refractory=math.inf)
    links = [
        rv.Connection("input", "hidden", jnp.asarray(rng.uniform(1.5, 2.5, (3, 4))), rv.FixedDelay(1.0)),
        rv.Connection("hidden", "readout", jnp.asarray(rng.normal(size=(4, 2))), rv.FixedDelay(2.0)),
    ]
    models, sizes = {"hidden": neuron, "readout": rv.LI(9.0, 4.0, bias=0.3)}, {"hidden": 4, "readout": 2}
    return build.network({"input": 3}, models, sizes, links), rv.Spikes([1.0, 2.0, 2.5], [0, 1, 2])


@functools.partial(jax.jit, static_argnums=2)
@jax.value_and_grad
def readout_loss(network: rv.Network, spikes: rv.Spikes, simulator: Any) -> jnp.ndarray:
    """A loss of potentials and of spike times of `once`."""
    record = {"readout": [0.5, 8.0, 20.0], "hidden": [0.5, 3.3]}
    solution = rv.simulate(network, spikes, simulator, t_end=40.0, record=record)
    times = solution.spikes["hidden"].time
    total = sum(jnp.sum(jnp.sin(part)) for part in solution.voltages.values())
    return total + jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0))


@pytest.mark.parametrize("gradient", [rv.ExactDerivative(), rv.SpikeValue(0.5, 0.3)])
@pytest.mark.parametrize("bias", [(0.0, 0.0, 0.0, 0.0), (0.5, -0.5, 0.85, 0.0)])
def test_first_spikes_in_closed_form(bias: tuple[float, ...], gradient: Any):
    """Below threshold; also where the bias is 0 the derivative with respect to it is right."""
    network, spikes = once(jnp.array(bias))
    one, other = (readout_loss(network, spikes, kind(gradient=gradient)) for kind in (rv.FirstSpike, rv.EventDriven))
    for found, wanted in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-9, atol=1e-10)


def test_first_spikes_need_input():
    network, spikes = once(jnp.array([0.5, 0.0, 0.95, 0.0]))
    with pytest.raises(ValueError, match="FirstSpike: neurons of 'hidden' fire without input.*EventDriven"):
        rv.simulate(network, spikes, rv.FirstSpike(), t_end=40.0)
    status = jax.jit(
        lambda network: rv.simulate(network, spikes, rv.FirstSpike(), t_end=40.0, throw=False).stats.status
    )
    assert int(status(network)) == 17
    assert int(status(once(0.5)[0])) == 0


def test_surrogates_fire_by_themselves_too():
    """First order in dt; the bias has a gradient, and what it moves moves the right way."""
    network = alone(bias=jnp.array([1.5, 0.6]), refractory=2.0)
    wanted = spike_times(1.5, 2.0)

    def last(network: rv.Network, dt: float) -> jnp.ndarray:
        train = rv.simulate(network, ALONE, rv.Surrogate(dt=dt, detach_reset=False), t_end=T_END).spikes["cells"]
        return train.time[5]

    coarse, slope = jax.jit(jax.value_and_grad(last), static_argnums=1)(network, 0.4)
    errors = [abs(float(time) - wanted[5]) for time in (coarse, last(network, 0.1))]
    assert errors[1] < 0.5 * errors[0] < 0.2
    assert float(slope["cells"].neuron.bias[0]) < 0.0


def test_without_spikes_of_others_nothing_is_passed_over():
    """A neuron that will fire by itself in the midst of a long silence, after an inhibiting event."""
    neuron = rv.LIF(20.0, 5.0, bias=1.05)
    link = rv.Connection("input", "cells", jnp.full((1, 1), -40.0), rv.FixedDelay(1.0))
    network = build.network({"input": 1}, {"cells": neuron}, {"cells": 1}, [link])
    case = networks.Case(0, "", network, {"input": rv.Spikes([1.0], [0])}, {}, None, 1000.0)
    solution = rv.simulate(network, case.spikes, rv.EventDriven(), t_end=case.t_end)
    assert int(solution.stats.spikes["cells"]) > 10
    assert networks.compare(solution, networks.ask(case))["time"] < 1e-9


def test_paths_files_and_rules(tmp_path: Any):
    network = alone(bias=jnp.array([1.5, 0.6]))
    learn, _ = rv.partition(network, "cells.bias")
    assert [leaf.tolist() for leaf in jax.tree.leaves(learn)] == [[1.5, 0.6]]
    rv.save(tmp_path / "net.npz", network)
    assert rv.load(tmp_path / "net.npz")["cells"].neuron.bias.tolist() == [1.5, 0.6]
    with pytest.raises(ValueError, match="LIF: `bias` must be finite; got inf"):
        rv.LIF(bias=math.inf)
    with pytest.raises(ValueError, match="LI: `bias` must be finite; got nan"):
        rv.LI(bias=math.nan)
    wrong = eqx.tree_at(lambda net: net["cells"].neuron.bias, network, jnp.array([jnp.nan, 0.0]))
    for simulator in (rv.EventDriven(), rv.ClockDriven(dt=5.0), rv.Surrogate(dt=5.0)):
        assert int(rv.simulate(wrong, ALONE, simulator, t_end=T_END, throw=False).stats.status) == 6


def test_a_chip_refuses_a_bias():
    neuron = rv.LIF(6.0, 6.0, bias=0.25, refractory=math.inf)
    network = rv.feedforward([5, 2], neuron=neuron, weight=rv.initializers.constant(0.8), key=jax.random.key(0))
    with pytest.raises(ValueError, match="BrainScaleS2: the neurons of 'output' have a bias of up to 0.25"):
        rv.hardware.check_fits(network, rv.hardware.BrainScaleS2())


def test_the_doctor_knows_that_the_bias_is_to_blame():
    spikes = rv.Spikes(jnp.tile(jnp.arange(1.0, 11.0), (4, 1)), jnp.tile(jnp.arange(10), (4, 1)))
    for bias, words in ((9.0, "The bias of output alone"), (-3.0, "The bias of output holds")):
        network = rv.feedforward([10, 5], neuron=rv.LIF(bias=bias), key=jax.random.key(0))
        found = rv.checks.diagnose(network, spikes, rv.EventDriven(max_spikes=400), t_end=100.0)
        assert words in " ".join(str(found).split())
