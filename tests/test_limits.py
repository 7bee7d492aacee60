"""The limits of `EventDriven`: refused with numbers before anything starts, and stretches without events cost little."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import networks
import ranvier as rv
from ranvier.status import STATUS, WINDOWS

TRAIN = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))


def network(neuron: rv.LIF, weight: float = 3.0) -> rv.Network:
    """Two inputs and one neuron."""
    link = rv.Connection("input", "output", jnp.full((2, 1), weight))
    return rv.Network({"input": rv.Population(2), "output": rv.Population(1, neuron)}, [link])


def test_time_constants_beyond_the_limit_are_named():
    with pytest.raises(ValueError, match=r"`tau_mem` must be a time above 0 and below 1e\+09 ms; got 1000000000.0"):
        rv.LIF(1e9, 5.0)


def test_a_neuron_without_leak():
    """`LIF(1e8, tau_syn)` with weights times 1e8/tau_syn: u is the sum of what has arrived, less its synaptic rest."""
    tau = 5.0
    net = network(rv.LIF(1e8, tau), 0.6 * 1e8 / tau)
    found = rv.simulate(net, TRAIN, rv.EventDriven(), t_end=20.0, record={"output": [1.5, 2.0]})
    rising = 0.6 * (1.0 - np.exp(-np.array([0.5, 1.0]) / tau))
    np.testing.assert_allclose(found.voltages["output"][:, 0], rising, rtol=1e-7)
    (first,) = (float(at) for at in found.spikes["output"].time if at < np.inf)
    # 0.6 (2 - e^{-(t - 1)/tau} - e^{-(t - 2)/tau}) = 1
    assert first == pytest.approx(2.0 - tau * np.log((2.0 - 1.0 / 0.6) / (1.0 + np.exp(-1.0 / tau))), abs=1e-5)


def test_too_many_windows_are_refused_with_numbers():
    with pytest.raises(
        ValueError, match=r"`tau_syn` of 'output' is 1e-09 ms, and t_end 30 ms would be 3.8e\+09 windows"
    ):
        rv.simulate(network(rv.LIF(10.0, 1e-9)), TRAIN, rv.EventDriven(), t_end=30.0)
    net = network(rv.LIF(10.0, 5.0))

    def status(tau: jnp.ndarray) -> jnp.ndarray:
        changed = eqx.tree_at(lambda net: net.members[1].neuron.tau_syn, net, tau)
        return rv.simulate(changed, TRAIN, rv.EventDriven(), t_end=30.0, throw=False).stats.status

    assert int(jax.jit(status)(jnp.asarray(1e-9))) == WINDOWS
    assert int(jax.jit(status)(jnp.asarray(1.0))) == 0
    assert "2^22 windows" in STATUS[WINDOWS]


def test_stretches_without_events_change_nothing():
    """Short time constants over a long time: a million windows, nearly all of them empty."""
    rng = np.random.default_rng(0)
    links = [rv.Connection("input", "hidden", jnp.asarray(rng.uniform(20.0, 60.0, (2, 50)))),
             rv.Connection("hidden", "hidden", jnp.asarray(rng.normal(-5.0, 2.0, (50, 50))), rv.FixedDelay(0.5))]  # fmt: skip
    neuron = rv.LIF(0.05, 0.01, refractory=0.3)
    net = rv.Network({"input": rv.Population(2), "hidden": rv.Population(50, neuron)}, links)
    once = lambda t_end: rv.simulate(net, TRAIN, rv.EventDriven(), t_end=t_end)
    short, long = once(20.0), once(40_000.0)
    assert int(short.stats.spikes["hidden"]) > 50
    np.testing.assert_allclose(short.spikes["hidden"].time, long.spikes["hidden"].time, rtol=0, atol=1e-9)
    assert int(short.stats.exact) == int(long.stats.exact)


@pytest.mark.parametrize("seed", range(0, 24, 3))
def test_passing_by_changes_nothing(seed: int):
    """Sparse input, refractory times, records and delays, with short windows, against the oracle."""
    case = networks.draw(seed)
    sparse = {name: rv.Spikes(train.time[..., :4], train.unit[..., :4], size=train.size)
              for name, train in case.spikes.items()}  # fmt: skip
    case = dataclasses.replace(case, spikes=sparse)
    for window in (0.1, 0.5, None):
        simulator = rv.EventDriven(max_spikes=40, window=window)
        solution = rv.simulate(case.network, case.spikes, simulator, t_end=case.t_end, record=case.record)
        errors = networks.compare(solution, networks.ask(case))
        assert all(error < 1e-9 for error in errors.values()), errors


def test_two_neurons_on_a_cycle():
    """i -> s -> s, weights 10 and 3: the second spike of s, by hand and inside `jit`."""

    def second(delay: float) -> jnp.ndarray:
        links = [rv.Connection("i", "s", jnp.full((1, 1), 10.0)),
                 rv.Connection("s", "s", jnp.full((1, 1), 3.0), rv.FixedDelay(delay))]  # fmt: skip
        net = rv.Network({"i": rv.Population(1), "s": rv.Population(1, rv.LIF(10.0, 5.0, refractory=0.3))}, links)
        train = rv.Spikes(jnp.array([0.0, 0.4]), jnp.array([0, 0]))
        return rv.simulate(net, train, rv.EventDriven(), t_end=20.0).spikes["s"].time[1]

    assert float(second(0.5)) == pytest.approx(1.6250322, abs=5e-8)
    assert float(jax.jit(lambda: second(0.5))()) == pytest.approx(1.6250322, abs=5e-8)
