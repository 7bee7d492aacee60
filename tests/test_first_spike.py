"""`FirstSpike` against closed forms in many digits and against `EventDriven`; see also test_first_spike_gradients.py."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier.closed_form import roots
from ranvier.closed_form.sorting import sort_by_time
from ranvier.simulation import AbstractSimulator

TAUS = [(5.0, 5.0), (2.0, 1.0), (7.0, 3.0), (3.0, 7.0), (5.005, 5.0)]
KINDS = {
    "none": rv.fixed(0.0),
    "synaptic": rv.synaptic(0.0, 3.0),
    "axonal": rv.axonal(0.0, 3.0),
    "dendritic": rv.dendritic(0.0, 3.0),
}


FIELDS = ("weight", "delay", "v_threshold", "v_reset", "v_leak")
BOTH = ("synaptic", "axonal")
"""Kinds of delay of the two connections: with the other two, all in two networks, as a program takes long to compile."""


def anywhere(tau_mem: float, tau_syn: float, count: int = 2000) -> roots.Start:
    rng = np.random.default_rng(0)
    current = rng.uniform(1, 30, count) * rng.uniform(0, 1, count) ** 2 + 1e-3
    columns = (current, rng.uniform(-1, 0.999, count), *(np.full(count, x) for x in (1.0, tau_mem, tau_syn)))
    return roots.Start(*map(jnp.asarray, columns))


def starts(tau_mem: float, tau_syn: float) -> roots.Start:
    start = anywhere(tau_mem, tau_syn)
    return jax.tree.map(lambda leaf: leaf[roots.reaches(start, jnp.full(start.u.shape, jnp.inf))], start)


@jax.jit
def highest(start: roots.Start, grid: jax.Array) -> jax.Array:
    """The largest potential at the times of a grid, one after the other."""
    at = lambda top, s: (jnp.maximum(top, roots.potential(start, s + 0.0 * start.u)), None)
    return jax.lax.scan(at, jnp.full(start.u.shape, -jnp.inf), grid)[0]


@pytest.mark.parametrize(("tau_mem", "tau_syn"), TAUS)
def test_who_reaches_the_threshold_is_known_before_the_root(tau_mem: float, tau_syn: float):
    """Against the largest value on a fine grid, for several spans; grazes within the grid's error are left out."""
    start = anywhere(tau_mem, tau_syn, 600)
    for span in (0.5, 3.0, 60.0):
        top = highest(start, jnp.linspace(0.0, span, 4001))
        clear = jnp.abs(top - 1.0) > 1e-3
        assert int(clear.sum()) > 0.9 * len(top)
        assert jnp.array_equal(roots.reaches(start, jnp.full(top.shape, span))[clear], (top > 1.0)[clear])


@pytest.mark.parametrize(("tau_mem", "tau_syn"), TAUS)
def test_roots_meet_the_threshold_first(tau_mem: float, tau_syn: float):
    """u is theta at the root, and below it at every moment before."""
    start = starts(tau_mem, tau_syn)
    root = jax.jit(roots.first_root)(start, jnp.full(start.u.shape, jnp.inf))
    assert len(root) > 500
    slope = (start.current * jnp.exp(-root / tau_syn) - 1.0) / tau_mem
    assert jnp.max(jnp.abs(roots.potential(start, root) - 1.0) / slope) < 1e-12
    for share in np.linspace(0.0, 0.999, 20):
        assert jnp.all(roots.potential(start, share * root) < 1.0)


@pytest.mark.parametrize(("tau_mem", "tau_syn"), TAUS[:3])
def test_roots_agree_with_fifty_digits(tau_mem: float, tau_syn: float):
    start = jax.tree.map(lambda leaf: leaf[:40], starts(tau_mem, tau_syn))
    root = roots.first_root(start, jnp.full(start.u.shape, jnp.inf))
    with mpmath.workdps(50):
        mem, syn = mpmath.mpf(tau_mem), mpmath.mpf(tau_syn)
        for i, u, found in zip(start.current.tolist(), start.u.tolist(), root.tolist(), strict=True):
            i, u = mpmath.mpf(i), mpmath.mpf(u)
            if mem == syn:
                wanted = -mem * (mpmath.lambertw(-mpmath.exp(-u / i) / i) + u / i)
            else:
                gain = i * syn / (syn - mem)
                value = lambda s, u=u, gain=gain: (u - gain) * mpmath.exp(-s / mem) + gain * mpmath.exp(-s / syn) - 1
                wanted = mpmath.findroot(value, found)
            slope = (i * mpmath.exp(-wanted / syn) - 1) / mem
            assert abs(mpmath.re(wanted) - found) * slope < 1e-14


def test_a_grazing_spike_keeps_its_digits():
    """Near the branch point of Lambert's W: `s = tau (1 - sqrt(2 e) + 2/3 e)` for a current of `e^(1 + e)`."""
    excess = jnp.array([1e-14, 1e-12, 1e-9, 1e-6])
    one = jnp.ones(4)
    start = roots.Start(jnp.exp(1.0 + excess), 0.0 * one, one, 5.0 * one, 5.0 * one)
    wanted = 5.0 * (1.0 - jnp.sqrt(2.0 * excess) + 2.0 / 3.0 * excess)
    np.testing.assert_allclose(roots.equal(start), wanted, atol=1e-8)  # the current's own rounding moves it by so much
    np.testing.assert_allclose(roots.implicit(start, roots.peak(start)), wanted, atol=1e-7)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 33])
def test_sorting_is_that_of_numpy(n: int):
    """Coincident and missing events included; the payload has lines that share the times."""
    rng = np.random.default_rng(n)
    time = rng.choice([0.0, 1.0, 2.0, 2.5, np.inf], (n, 1, 7))
    payload = np.broadcast_to(rng.permutation(n)[:, None, None], (n, 3, 7)).astype(np.int32)
    due, moved = jax.jit(sort_by_time)(time, payload)
    assert np.array_equal(due, np.sort(time, axis=0))
    assert np.array_equal(np.sort(moved, axis=0), np.sort(payload, axis=0))  # nothing is lost or doubled
    origin = np.argsort(payload[:, 0, 0])[np.asarray(moved)]
    assert np.array_equal(np.take_along_axis(np.broadcast_to(time, moved.shape), origin, axis=0),
                          np.broadcast_to(due, moved.shape))  # fmt: skip


def network(kind: str | tuple[str, str], taus: tuple[float, float], seed: int) -> rv.Network:
    kinds = (kind, kind) if isinstance(kind, str) else kind
    neuron = rv.LIF(*taus, v_leak=0.1, v_threshold=1.1, v_reset=-0.2, refractory=jnp.inf)
    weight = rv.initializers.normal(1.5, 1.5)
    return rv.feedforward(
        [6, 8, 4], neuron=neuron, delay=[KINDS[each] for each in kinds], weight=weight, key=jax.random.key(seed)
    )


def trains(seed: int, batch: int = 3, count: int = 8) -> rv.Spikes:
    rng = np.random.default_rng(seed)
    time = np.sort(rng.uniform(0, 8, (batch, count)), axis=1)
    time[0, -2:] = np.inf
    return rv.Spikes(time, np.where(np.isfinite(time), rng.integers(0, 6, time.shape), -1))


def simulated(net: rv.Network, spikes: rv.Spikes, simulator: AbstractSimulator) -> rv.Solution:
    at = {"output": jnp.array([2.0, 7.5]), "hidden": jnp.array([4.0])}
    return rv.simulate(net, spikes, simulator, t_end=15.0, record=at, throw=False)


def times_and_voltages(solution: rv.Solution) -> jax.Array:
    first = [rv.first_spike(solution.spikes[name]) for name in ("hidden", "output")]
    parts = [jnp.where(jnp.isfinite(part), part, 0.0) for part in first] + list(solution.voltages.values())
    return jnp.concatenate([part.reshape(-1) for part in parts])


@partial(jax.jit, static_argnums=0)
def differentiated(simulator: AbstractSimulator, learn: rv.Network, fixed: rv.Network, spikes: rv.Spikes) -> tuple:
    """A sum of times and potentials, these numbers, and the gradient with respect to `learn` and the input times."""
    seed = jax.random.normal(jax.random.key(3), (3 * (8 + 4 + 2 * 4 + 8),))

    def value(learn: rv.Network, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        numbers = times_and_voltages(simulated(rv.combine(learn, fixed), rv.Spikes(time, spikes.unit), simulator))
        return seed @ numbers, numbers

    return jax.value_and_grad(value, (0, 1), has_aux=True)(learn, spikes.time)


@pytest.mark.parametrize("kinds", [BOTH, ("dendritic", "none")], ids=" ".join)
def test_spikes_potentials_and_gradients_are_those_of_event_driven(kinds: tuple[str, str]):
    for taus in TAUS[:3]:
        parts = rv.partition(network(kinds, taus, 1), *FIELDS)
        agree([differentiated(each, *parts, trains(2)) for each in (rv.FirstSpike(), rv.EventDriven())])


@pytest.mark.parametrize(
    ("gradient", "limit"),
    [(rv.SpikeValue(0.7), math.inf), (rv.SpikeValue(1.3, 0.4, 2.0, reset=True, refractory=True), 5.0)],
    ids=["the value alone", "with all its parts"],
)
def test_values_of_spikes_are_those_of_event_driven(gradient: rv.SpikeValue, limit: float):
    """Of times, potentials and counts."""
    parts = rv.partition(network(BOTH, (5.0, 5.0), 1), *FIELDS)
    simulators = [each(max_inverse_slope=limit, gradient=gradient) for each in (rv.FirstSpike, rv.EventDriven)]
    agree([valued(each, *parts, trains(2)) for each in simulators])


@partial(jax.jit, static_argnums=0)
def valued(simulator: AbstractSimulator, learn: rv.Network, fixed: rv.Network, spikes: rv.Spikes) -> tuple:
    """As `differentiated`, and the squares of all counts."""
    seed = jax.random.normal(jax.random.key(3), (3 * (8 + 4 + 2 * 4 + 8),))

    def value(learn: rv.Network, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        solution = simulated(rv.combine(learn, fixed), rv.Spikes(time, spikes.unit), simulator)
        numbers = times_and_voltages(solution)
        counts = jnp.concatenate([rv.spike_count(solution.spikes[name]) for name in ("hidden", "output")], axis=1)
        return seed @ numbers + jnp.sum((counts - 0.3) ** 2), numbers

    return jax.value_and_grad(value, (0, 1), has_aux=True)(learn, spikes.time)


def test_a_spikes_value_has_no_second_derivative_and_says_so():
    net = network("none", (5.0, 5.0), 1)
    learn, fixed = rv.partition(net, "v_threshold")
    simulator = rv.FirstSpike(gradient=rv.SpikeValue())

    def count(learn: rv.Network) -> jax.Array:
        found = rv.simulate(rv.combine(learn, fixed), trains(2), simulator, t_end=15.0)
        return jnp.sum(rv.spike_count(found.spikes["output"]) ** 2)

    norm = lambda learn: sum(jnp.sum(leaf) for leaf in jax.tree.leaves(jax.grad(count)(learn)))
    with pytest.raises(ValueError, match="second derivative of a spike's value"):
        jax.grad(norm)(learn)


def agree(results: list[tuple]) -> None:
    """Both simulators give the same, and something happens."""
    times = results[0][0][1][: 3 * (8 + 4)]
    assert jnp.count_nonzero(times[:24]) > 6
    assert jnp.count_nonzero(times[24:]) > 2
    for mine, other in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)


def test_statistics_are_those_of_event_driven():
    net, spikes = network("synaptic", (5.0, 5.0), 1), trains(2)
    mine, other = (rv.simulate(net, spikes, each, t_end=8.0).stats for each in (rv.FirstSpike(), rv.EventDriven()))
    for field in ("status", "spikes", "dropped", "silent", "in_flight", "events"):
        for a, b in zip(*(jax.tree.leaves(getattr(stats, field)) for stats in (mine, other)), strict=True):
            assert np.array_equal(a, b), field


@pytest.mark.parametrize("count", [0, 1])
def test_where_nobody_sends_nobody_spikes(count: int):
    """No input spikes at all, and a population without connections: silent and at rest, as with `EventDriven`."""
    neuron, link = rv.LIF(refractory=jnp.inf, v_leak=0.25), rv.Connection("input", "fed", jnp.full((2, 3), 9.0))
    net = build.network({"input": 2}, {"fed": neuron, "alone": neuron}, {"fed": 3, "alone": 2}, [link])
    at = {"alone": jnp.array([2.0]), "fed": jnp.array([2.0])}
    spikes = rv.Spikes(jnp.ones((4, count)), jnp.zeros((4, count), jnp.int32))
    mine, other = (rv.simulate(net, spikes, it, t_end=20.0, record=at) for it in (rv.FirstSpike(), rv.EventDriven()))
    assert mine.stats.spikes["fed"].tolist() == [3 * count] * 4
    assert mine.stats.silent["alone"].tolist() == [2] * 4
    assert jnp.all(mine.voltages["alone"] == 0.25)
    for name in ("fed", "alone"):
        np.testing.assert_allclose(mine.voltages[name], other.voltages[name], atol=1e-12)
        assert np.array_equal(mine.stats.in_flight[name], other.stats.in_flight[name])


def test_a_dendritic_delay_is_a_delay_of_the_output():
    spikes = trains(6)
    net = network("dendritic", (2.0, 1.0), 7)
    link = net.connections[0]
    none = rv.Connection("input", "hidden", link.weight)
    delay = net.delay(link)
    single = lambda link: build.network({"input": 6}, {"hidden": net.neurons["hidden"]}, {"hidden": 8}, [link])
    first = [rv.first_spike(rv.simulate(single(each), spikes, rv.FirstSpike(), t_end=90.0).spikes["hidden"])
             for each in (link, none)]  # fmt: skip
    both = jnp.isfinite(first[0])
    assert both.sum() > 5
    assert jnp.max(jnp.where(both, jnp.abs(first[0] - first[1] - delay), 0.0)) < 1e-12


def test_float32_is_close_to_float64_even_late():
    """Everything 1000 ms later: the error is that of the times themselves."""
    spikes = trains(2)
    late = rv.Spikes(jnp.round(spikes.time * 256) / 256 + 1000.0, spikes.unit)
    results = []
    whole = network("axonal", (5.0, 5.0), 1)
    for dtype in (jnp.float32, jnp.float64):
        net = jax.tree.map(lambda leaf, dtype=dtype: leaf.astype(dtype), whole)
        solution = rv.simulate(net, rv.Spikes(late.time.astype(dtype), late.unit), rv.FirstSpike(), t_end=1020.0)
        results.append(rv.first_spike(solution.spikes["hidden"]))
    assert results[0].dtype == jnp.float32
    both = jnp.isfinite(results[1])
    assert both.sum() > 6
    assert np.array_equal(both, jnp.isfinite(results[0]))
    assert jnp.max(jnp.where(both, jnp.abs(results[0].astype(jnp.float64) - results[1]), 0.0)) < 1e-3


def test_seeds_are_trained_at_once():
    """`vmap` over networks: values and gradients are those of each alone."""
    parts = [rv.partition(network(BOTH, (2.0, 1.0), seed), *FIELDS) for seed in range(3)]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *parts)
    take = partial(differentiated, rv.FirstSpike())
    together = jax.jit(jax.vmap(take, in_axes=(0, 0, None)))(*stacked, trains(2))
    for at, (learn, fixed) in enumerate(parts):
        for one, all_ in zip(*map(jax.tree.leaves, (take(learn, fixed, trains(2)), together)), strict=True):
            np.testing.assert_allclose(all_[at], one, rtol=1e-10, atol=1e-10)


def test_what_it_cannot_do_is_refused():
    again = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
    spikes = rv.Spikes(jnp.array([1.0]), jnp.array([0]))
    with pytest.raises(ValueError, match=r"'output' may spike more than once.*refractory=jnp.inf"):
        rv.simulate(again, spikes, rv.FirstSpike(), t_end=5.0)
    once = rv.LIF(refractory=jnp.inf)
    cyclic = rv.recurrent([2, 3, 1], neuron=once, delay=rv.synaptic(1.0, 2.0), key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"feed-forward network; got a cycle through hidden->hidden"):
        rv.simulate(cyclic, spikes, rv.FirstSpike(), t_end=5.0)


@pytest.mark.parametrize(
    ("field", "value", "status"), [("weight", jnp.nan, 4), ("v_leak", 3.0, 3), ("tau_mem", -1.0, 6)]
)
def test_a_broken_network_is_reported(field: str, value: float, status: int):
    net = network("none", (2.0, 1.0), 1)
    broken = jax.tree.map(lambda leaf: leaf, net)
    where = (
        (lambda n: n.connections[0].weight) if field == "weight" else (lambda n: getattr(n.neurons["hidden"], field))
    )
    broken = eqx.tree_at(where, broken, replace_fn=lambda leaf: jnp.full_like(leaf, value))
    assert int(rv.simulate(broken, trains(2), rv.FirstSpike(), t_end=9.0, throw=False).stats.status) == status
