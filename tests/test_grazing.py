"""A peak that only touches the threshold is no spike, in every simulator; one rounding more or less decides."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

import networks
import ranvier as rv

TAU_MEM = 10.0
STEP = 1e-12
SIMULATORS = {
    "event-driven": rv.EventDriven(),
    "event-driven, short windows": rv.EventDriven(window=0.25),
    "clock-driven": rv.ClockDriven(dt=0.1),
    "clock-driven, long steps": rv.ClockDriven(dt=0.7),
    "first-spike": rv.FirstSpike(),
}


def peak(tau_syn: float) -> tuple[float, float]:
    """Time (ms) and height of the peak of the potential after one event of weight 1 at 0 ms."""
    if tau_syn == TAU_MEM:
        return TAU_MEM, math.exp(-1.0)
    time = math.log(TAU_MEM / tau_syn) * TAU_MEM * tau_syn / (TAU_MEM - tau_syn)
    return time, tau_syn / (TAU_MEM - tau_syn) * (math.exp(-time / TAU_MEM) - math.exp(-time / tau_syn))


def network(tau_syn: float, weight: float) -> rv.Network:
    """One neuron that fires once, with one synapse."""
    neuron = rv.LIF(TAU_MEM, tau_syn, refractory=jnp.inf)
    link = rv.Connection("input", "output", jnp.full((1, 1), weight))
    return rv.Network({"input": rv.Population(1), "output": rv.Population(1, neuron)}, [link])


def case(tau_syn: float, weight: float) -> networks.Case:
    """The same for the oracle."""
    train = {"input": rv.Spikes(jnp.zeros(1), jnp.zeros(1, jnp.int32), size=1)}
    return networks.Case(0, "common", network(tau_syn, weight), train, {}, None, 40.0)


@pytest.mark.parametrize("tau_syn", [5.0, 10.0, 3.0], ids=["double", "equal", "other"])
@pytest.mark.parametrize("name", [*SIMULATORS, "oracle"])
def test_touching_is_not_crossing(name: str, tau_syn: float):
    time, height = peak(tau_syn)

    def spikes(weight: float) -> list[float]:
        one = case(tau_syn, weight)
        if name == "oracle":
            return [at for at, _ in networks.ask(one).spikes["output"]]
        solution = rv.simulate(one.network, one.spikes, SIMULATORS[name], t_end=one.t_end)
        return [float(at) for at in solution.spikes["output"].time if at < math.inf]

    assert spikes(1.0 / height) == []
    assert spikes((1.0 - STEP) / height) == []
    (found,) = spikes((1.0 + STEP) / height)
    # u = theta + theta STEP - theta s^2 / (2 tau_mem tau_syn) beside the peak
    assert found == pytest.approx(time - math.sqrt(2.0 * STEP * TAU_MEM * tau_syn), abs=3e-7)


def test_the_published_case():
    """`LIF(10, 5)`, weight 4: the peak is 1 at 10 ln 2."""
    assert peak(5.0) == pytest.approx((10.0 * math.log(2.0), 0.25), rel=1e-15)


def test_a_surrogate_spikes_only_where_a_point_of_its_grid_is_above():
    """On the grid point of the peak, for a grid that has it."""
    rule = rv.Surrogate(dt=0.1)
    for factor, count in ((1.0, 0), (1.0 - STEP, 0), (1.0 + STEP, 1)):
        net = network(10.0, factor * math.e)
        train = rv.Spikes(jnp.zeros(1), jnp.zeros(1, jnp.int32))
        assert int(rv.simulate(net, train, rule, t_end=40.0).stats.spikes["output"]) == count


def test_what_touches_goes_on_as_if_nothing_had_been():
    """A later event still makes it fire, at the time of the free potential."""
    net = network(5.0, 4.0)
    train = rv.Spikes(jnp.array([0.0, 7.0]), jnp.array([0, 0]))
    first = [float(rv.first_spike(rv.simulate(net, train, how, t_end=40.0).spikes["output"])[0])
             for how in SIMULATORS.values()]  # fmt: skip
    assert first[0] > 7.0
    np.testing.assert_allclose(first, first[0], rtol=0, atol=1e-9)
