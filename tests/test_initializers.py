"""Initial weights: what they do to a membrane, by numerical integration and by simulation of Poisson input."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.initializers import expected_rate, fluctuation_driven, xi_for_rate

KEY = jax.random.key(0)
TAUS = [(20.0, 5.0), (10.0, 10.0), (4.0, 12.0), (2.0, 1.0)]


def poisson(rate: float, size: int, t_end: float, seed: int) -> rv.Spikes:
    """Independent Poisson trains, `rate` in Hz."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rate * size * t_end / 1000)
    return rv.Spikes(np.sort(rng.uniform(0, t_end, count)), rng.integers(0, size, count), size)


def kernel(s: np.ndarray, tau_mem: float, tau_syn: float) -> np.ndarray:
    """Potential after an event of weight 1, by the differential equations in steps of the grid (midpoints)."""
    current = np.exp(-s / tau_syn)
    u, step = np.zeros_like(s), s[1] - s[0]
    decay = math.exp(-step / tau_mem)
    for n in range(1, len(s)):
        u[n] = decay * u[n - 1] + math.exp(-step / 2 / tau_mem) * step / tau_mem * (current[n] + current[n - 1]) / 2
    return u


@pytest.mark.parametrize(("tau_mem", "tau_syn"), TAUS)
def test_the_integrals_of_a_potential_are_as_written(tau_mem: float, tau_syn: float):
    """Mean and spread of the weights invert the numerical integrals of the kernel and its square."""
    s = np.linspace(0, 15 * (tau_mem + tau_syn), 200_001)
    eps = kernel(s, tau_mem, tau_syn)
    first, second = np.trapezoid(eps, s), np.trapezoid(eps**2, s)
    start = fluctuation_driven(20.0, tau_mem, tau_syn, mean=0.3, xi=1.4, share=0.9, distance=1.2)
    weight = np.asarray(start(KEY, (400, 1000), jnp.float64))
    events = 400 * 0.02
    np.testing.assert_allclose(events * first * weight.mean(axis=0), 0.9 * 0.3, rtol=1e-4)  # of every neuron
    np.testing.assert_allclose(events * second * np.mean(weight**2), 0.9 * (0.9 / 1.4) ** 2, rtol=0.01)


@pytest.mark.parametrize(("tau_mem", "tau_syn"), TAUS)
@pytest.mark.parametrize(("rate", "senders", "mean"), [(10.0, 100, 0.0), (50.0, 30, 0.4)])
def test_the_free_membrane_has_the_mean_and_spread_that_were_wanted(
    tau_mem: float, tau_syn: float, rate: float, senders: int, mean: float
):
    """Poisson input at the stated rate, delays included; statistics over 60 neurons and 3 s."""
    xi, cells, t_end = 1.5, 60, 3000.0
    start = fluctuation_driven(rate, tau_mem, tau_syn, mean=mean, xi=xi)
    net = rv.feedforward(
        [senders, cells], neuron=rv.LI(tau_mem, tau_syn), weight=start, delay=rv.synaptic(0.0, 30.0), key=KEY
    )
    warm = 10 * (tau_mem + tau_syn) + 30.0
    times = np.linspace(warm, t_end, 1500)
    spikes = poisson(rate, senders, t_end, seed=1)
    u = np.asarray(rv.simulate(net, spikes, rv.EventDriven(), t_end=t_end, record={"output": times}).voltages["output"])
    wait = 2 * (tau_mem + tau_syn) / (t_end - warm)
    spread = (1 - mean) / xi
    np.testing.assert_allclose(u.mean(axis=0), mean, atol=6 * spread * math.sqrt(wait))
    over_time = np.sqrt(np.mean(u.var(axis=0)))
    assert abs(over_time / spread - 1) < 0.12, (over_time, spread)


def test_the_rate_of_crossings_is_rices():
    """Of the free membrane, counted on a fine grid."""
    tau_mem, tau_syn, xi = 20.0, 5.0, 1.2
    start = fluctuation_driven(20.0, tau_mem, tau_syn, xi=xi)
    net = rv.feedforward([200, 40], neuron=rv.LI(tau_mem, tau_syn), weight=start, key=KEY)
    times = np.arange(200.0, 2200.0, 0.25)
    spikes = poisson(20.0, 200, 2200.0, seed=2)
    u = np.asarray(
        rv.simulate(net, spikes, rv.EventDriven(), t_end=2200.0, record={"output": times}).voltages["output"]
    )
    u = (u - u.mean(axis=0)) / u.std(axis=0)
    crossings = np.sum((u[1:] >= xi) & (u[:-1] < xi)) / 40 / 2.0
    assert crossings == pytest.approx(float(expected_rate(xi, tau_mem, tau_syn)), rel=0.15)


def test_xi_for_rate_is_the_inverse_between_its_bounds():
    for xi in (1.0, 1.7, 3.0):
        assert float(xi_for_rate(expected_rate(xi, 8.0, 3.0), 8.0, 3.0)) == pytest.approx(xi)
    assert float(xi_for_rate(1e4, 8.0, 3.0)) == 1.0
    assert float(xi_for_rate(1e-9, 8.0, 3.0)) == 3.0


def test_shares_add_up():
    """Two connections of shares 0.9 and 0.1 do together what one of share 1 does."""
    one, two = (fluctuation_driven(10.0, share=share)(KEY, (50, 2000), jnp.float64) for share in (0.9, 0.1))
    both = fluctuation_driven(10.0)(KEY, (50, 2000), jnp.float64)
    np.testing.assert_allclose(one**2 + two**2, both**2, rtol=1e-12)


def test_pairs_are_balanced_by_the_senders_of_each_receiver():
    """From 1, 2, 25 and 400 senders: the mean of each but the first, and the spread that so many senders need."""
    degree = np.array([1, 2, 25, 400] * 300)
    receiver = np.random.RandomState(0).permutation(np.repeat(np.arange(len(degree)), degree))
    weight = np.asarray(fluctuation_driven(10.0, mean=0.1, receiver=receiver)(KEY, receiver.shape, jnp.float64))
    mean = np.bincount(receiver, weight) / degree
    np.testing.assert_allclose(mean[degree > 1] * degree[degree > 1], 0.1 / (0.01 * 5.0), rtol=1e-9)
    for senders in (1, 2, 25, 400):
        dense = fluctuation_driven(10.0, mean=0.1)(KEY, (senders, 300), jnp.float64)
        mine = weight[degree[receiver] == senders]
        assert float(mine.std()) == pytest.approx(float(dense.std()), rel=0.12), senders
    with pytest.raises(ValueError, match=r"shape \(40,\) need `receiver`.*pass receiver=pattern.post"):
        fluctuation_driven(10.0)(KEY, (40,), jnp.float64)


def test_builders_give_each_neuron_weights_for_its_own_senders():
    """Neuron j has j + 1 senders. Where units fire about once they add up to 8 on average, whatever their number."""
    mask = np.tri(200, 200, dtype=bool).T
    pattern = lambda pre, post, *, same, places, key: rv.Pairs.from_mask(mask)
    build = lambda rate: rv.feedforward([200, 200], neuron=rv.LIF(), pattern=pattern, rate=rate, key=KEY)[
        "input->output"
    ]
    total = lambda link: np.bincount(link.pattern.post, link.weight)
    once = total(build(None))
    assert abs(once[100:].mean() - 8.0) < 0.3
    assert abs(once[10:50].mean() - 8.0) < 1.0
    assert np.abs(total(build(10.0))[1:]).max() < 1e-3


@pytest.mark.parametrize("name", ["rate", "tau_mem", "tau_syn", "xi", "share", "distance"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_numbers_out_of_range(name: str, value: float):
    with pytest.raises(ValueError, match=rf"fluctuation_driven: `{name}` must be a finite number above 0; got {value}"):
        fluctuation_driven(**({"rate": 10.0} | {name: value}))


def test_a_mean_that_few_spikes_cannot_give_quietly():
    with pytest.raises(ValueError, match=r"a mean of 0.8.*Lower `mean` or `xi`, or expect more spikes"):
        fluctuation_driven(1.0, mean=0.8)(KEY, (3, 3), jnp.float64)


# ---------------------------------------------------------------------------------------------------- builders


@pytest.mark.parametrize(("tau_mem", "tau_syn"), [(20.0, 5.0), (10.0, 10.0), (2.0, 1.0)])
@pytest.mark.parametrize(("rate", "sizes"), [(5.0, (100, 64)), (20.0, (30, 100)), (100.0, (200, 64))])
def test_recurrent_networks_fire_at_sensible_rates(tau_mem: float, tau_syn: float, rate: float, sizes: tuple[int, int]):
    neuron, t_end = rv.LIF(tau_mem, tau_syn), 600.0
    net = rv.recurrent([*sizes, 3], neuron=neuron, delay=rv.synaptic(1.0, 10.0), rate=rate, key=KEY)
    spikes = poisson(rate, sizes[0], t_end, seed=3)
    solution = rv.simulate(net, spikes, rv.EventDriven(max_spikes=300), t_end=t_end, throw=False)
    found = int(solution.stats.spikes["hidden"]) / sizes[1] / t_end * 1000
    assert 1.0 < found < 60.0, found
    assert int(solution.stats.silent["hidden"]) < 0.2 * sizes[1]


def test_deep_networks_keep_firing():
    net = rv.feedforward([100, 80, 80, 80, 80], neuron=rv.LIF(), rate=10.0, key=KEY)
    stats = rv.simulate(net, poisson(10.0, 100, 1000.0, seed=4), rv.EventDriven(max_spikes=100), t_end=1000.0).stats
    assert all(1.0 < int(count) / 80 < 20.0 for count in stats.spikes.values()), stats.spikes


def test_the_default_bears_ten_times_the_input_that_it_expects():
    """100 spikes of 20 inputs in 40 ms, 125 Hz each: over 200 spikes per neuron with weights around 8/n."""
    net = rv.recurrent([20, 64, 3], neuron=rv.LIF(), delay=rv.synaptic(1.0, 20.0), key=KEY)
    stats = rv.simulate(net, poisson(125.0, 20, 40.0, seed=5), rv.EventDriven(), t_end=40.0).stats
    assert 16 < int(stats.spikes["hidden"]) < 4 * 64


def test_the_own_layer_has_a_tenth_of_the_variance():
    net = rv.recurrent([50, 400, 3], neuron=rv.LIF(), delay=rv.fixed(1.0), rate=5.0, key=KEY)
    into, own = (float(jnp.sum(net[name].weight ** 2)) for name in ("input->hidden", "hidden->hidden"))
    fired = float(expected_rate(xi_for_rate(5.0, 20.0, 5.0), 20.0, 5.0))
    assert own * fired / (into * 5.0) == pytest.approx(1 / 9, rel=0.05)


def test_who_fires_about_once_has_weights_around_eight_over_n():
    once = rv.LIF(refractory=math.inf)
    nets = [
        rv.feedforward([400, 300], neuron=rv.LIF(), key=KEY)["input->output"],
        rv.recurrent([400, 300, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), rate=None, key=KEY)["input->hidden"],
        rv.recurrent([3, 400, 300], neuron=once, readout=once, delay=rv.fixed(1.0), key=KEY)["hidden->output"],
    ]
    for link in nets:
        assert float(link.weight.mean()) == pytest.approx(8 / 400, rel=0.05)
        assert float(link.weight.std()) == pytest.approx(8 / 400, rel=0.05)


def test_networks_are_built_inside_jit_too():
    build = lambda key: rv.recurrent([5, 6, 2], neuron=rv.LIF(), delay=rv.axonal(1.0, 9.0), key=key)
    for found, wanted in zip(jax.tree.leaves(jax.jit(build)(KEY)), jax.tree.leaves(build(KEY)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_a_rate_that_is_none(rate: float):
    with pytest.raises(ValueError, match=rf"recurrent: `rate` must be the spikes of an input unit.*None; got {rate}"):
        rv.recurrent([5, 6, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), rate=rate, key=KEY)
