"""Summaries of potentials: values against quadrature and a dense search, derivatives against central differences."""

import functools
import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ranvier as rv
import summed
from ranvier.checks.differences import central_difference
from ranvier.summaries import Integral, Maximum, Mean

ASKED = (Mean(30.0), Maximum(), Integral(), Integral(7.0))
T_END = 60.0
LEARNED = ("weight", "delay", "tau_mem", "tau_syn", "v_leak", "v_threshold", "bias")
KINDS = {  # delays onto the output, and the time constants of its neurons
    "synaptic": (lambda rng: rv.SynapticDelay(rng.uniform(0.5, 8.0, (5, 3)), 0.0, 13.0), (10.0, 10.0)),
    "axonal": (lambda rng: rv.AxonalDelay(rng.uniform(0.5, 8.0, (5, 1)), 0.0, 13.0), (10.0, 9.99)),
    "dendritic": (lambda rng: rv.DendriticDelay(rng.uniform(0.5, 8.0, (1, 3)), 0.0, 13.0), ([8.0, 12.0, 30.0], 6.0)),
    "fixed": (lambda rng: rv.FixedDelay(1.5), (20.0, 5.0)),
    "pairs": (lambda rng: rv.SynapticDelay(rng.uniform(0.5, 8.0, 7), 0.0, 13.0), (3.0, [6.0, 3.0, 2.9])),
}


@functools.cache
def network(kind: str) -> rv.Network:
    """Two layers and a skip, recurrent, with excitation and inhibition."""
    rng = np.random.default_rng(sorted(KINDS).index(kind))
    delay, taus = KINDS[kind]
    pattern = rv.Pairs([0, 1, 1, 2, 3, 4, 4], [0, 2, 1, 1, 2, 0, 2]) if kind == "pairs" else rv.AllToAll()
    onto = delay(rng)
    weight = rng.normal(0.5, 1.0, 7 if kind == "pairs" else (5, 3))
    populations = {
        "input": rv.Population(4),
        "hidden": rv.Population(5, rv.LIF(12.0, 4.0)),
        "output": rv.Population(
            3,
            rv.LI(
                *(jnp.asarray(tau) for tau in taus),
                v_leak=jnp.array([0.1, -0.3, 0.0]),
                bias=jnp.array([0.2, 0.0, -0.4]),
            ),
        ),
    }
    back = rv.SynapticDelay(jnp.asarray(rng.uniform(1.0, 5.0, (5, 5))), 0.9, 13.0)
    links = [
        rv.Connection("input", "hidden", jnp.asarray(rng.normal(2.0, 0.7, (4, 5))), rv.FixedDelay(1.0)),
        rv.Connection("hidden", "hidden", jnp.asarray(rng.normal(0.0, 0.7, (5, 5))), back),
        rv.Connection("hidden", "output", jnp.asarray(weight), jax.tree.map(jnp.asarray, onto), pattern),
        rv.Connection("input", "output", jnp.asarray(rng.normal(0.0, 0.5, (4, 3)))),
    ]
    return rv.Network(populations, links)


def spikes(seed: int = 0, last: float = 50.0) -> rv.Spikes:
    rng = np.random.default_rng(seed)
    return rv.Spikes(jnp.asarray(np.sort(rng.uniform(0.0, last, 24))), jnp.asarray(rng.integers(0, 4, 24), jnp.int32))


def run(net: rv.Network, given: rv.Spikes, simulator: Any = None, asked: Any = ASKED, **options: Any) -> rv.Solution:
    how = rv.EventDriven(max_spikes=40) if simulator is None else simulator
    return rv.simulate(net, given, how, t_end=T_END, record={"output": asked}, **options)


def expected(net: rv.Network, given: rv.Spikes, solution: rv.Solution) -> np.ndarray:
    """The summaries of `ASKED`, by quadrature and a dense search."""
    found = summed.courses(net, {"input": given, **solution.spikes}, "output")
    whole = 30.0 * (1.0 - math.exp(-T_END / 30.0))
    return np.array([
        [summed.integral(one, T_END, 30.0) / whole for one in found],
        [summed.highest(one, T_END) for one in found],
        [summed.integral(one, T_END, math.inf) for one in found],
        [summed.integral(one, T_END, 7.0) for one in found],
    ])  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_those_of_quadrature_and_of_a_dense_search(kind: str):
    """Whatever the window, and for events after the end, which there are."""
    given = spikes(last=59.9)
    solution = run(network(kind), given)
    assert int(solution.stats.in_flight["output"]) > 0 or kind == "fixed"
    found = np.asarray(solution.voltages["output"])
    np.testing.assert_allclose(found, expected(network(kind), given, solution), rtol=1e-11, atol=1e-11)
    again = run(network(kind), given, rv.EventDriven(window=0.2, max_spikes=40)).voltages["output"]
    np.testing.assert_allclose(found, again, rtol=1e-12, atol=1e-13)


def total_of(kind: str, given: rv.Spikes, simulator: Any = None) -> tuple[Callable[[Any], Any], Any, Any]:
    """A random linear combination of all summaries as a function of one vector; the vector; and by field what it is."""
    learn, fixed = rv.partition(network(kind), *LEARNED)
    fields = {name: rv.partition(network(kind), name)[0] for name in LEARNED} | {"time": given.time}
    at, back = ravel_pytree((learn, given.time))
    factor = jax.random.normal(jax.random.key(1), (len(ASKED), 3))

    def total(vector: Any) -> Any:
        net, time = back(vector)
        whole = eqx.combine(net, fixed)
        found = run(whole, rv.Spikes(time, given.unit), simulator, throw=False).voltages["output"]
        return jnp.sum(factor * found)

    def direction(name: str, key: Any) -> Any:
        """A random direction of one field."""
        chosen = rv.partition(network(kind), name)[0] if name != "time" else None
        leaf = lambda part: jax.random.normal(key, part.shape)
        moved = jax.tree.map(jnp.zeros_like, learn)
        time = leaf(given.time) if chosen is None else jnp.zeros_like(given.time)
        if chosen is not None:
            moved = eqx.combine(jax.tree.map(leaf, chosen), moved)
        vector = ravel_pytree((moved, time))[0]
        return vector / jnp.linalg.norm(vector)

    return total, at, (fields, direction)


@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_equal_central_differences(kind: str):
    """Of weights, delays, time constants, rest, thresholds and input times."""
    total, at, (fields, direction) = total_of(kind, spikes())
    both = jax.jit(jax.value_and_grad(total))
    _, gradient = both(at)
    for place, name in enumerate(fields):
        for key in jax.random.split(jax.random.key(place), 2):
            along = direction(name, key)
            line = lambda s, along=along: float(both(at + s * along)[0])
            quotient = central_difference(line, 5e-5, rounding=1e-14, levels=5)
            assert float(gradient @ along) == pytest.approx(quotient.value, rel=1e-7, abs=1e-8), name


@pytest.mark.parametrize("kind", KINDS)
def test_integrals_alone_are_those_beside_a_maximum(kind: str):
    """Alone, they need no potential at any time: the engine then delivers nothing to the output (`NOWHERE`)."""
    net = network(kind)
    net = rv.Network(net.populations, net.connections[::-1])  # the output's connections first
    learn, fixed = rv.partition(net, *LEARNED)
    simulator = rv.EventDriven(max_spikes=40, gradient=rv.SpikeValue())
    kept = [at for at, one in enumerate(ASKED) if not isinstance(one, Maximum)]
    factor = jax.random.normal(jax.random.key(2), (len(kept), 3))

    def total(learn: rv.Network, asked: tuple, rows: list[int]) -> tuple[jax.Array, Any]:
        solution = run(eqx.combine(learn, fixed), spikes(), simulator, asked)
        found = solution.voltages["output"][jnp.array(rows)]
        return jnp.sum(factor * found), (found, solution.stats.events)

    alone, beside = (
        eqx.filter_jit(eqx.filter_value_and_grad(total, has_aux=True))(learn, asked, rows)
        for asked, rows in ((tuple(ASKED[at] for at in kept), list(range(len(kept)))), (ASKED, kept))
    )
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14), alone, beside)


def test_a_maximum_at_an_event_moves_with_it():
    """An inhibitory event that ends the rise: the derivative by its time is the slope before it, exactly."""
    net = lambda w: rv.Network(
        {"input": rv.Population(2), "output": rv.Population(1, rv.LI(10.0, 5.0))},
        [rv.Connection("input", "output", jnp.array([[2.0], [w]]))],
    )

    def top(time: Any, w: float) -> Any:
        found = rv.simulate(net(w), rv.Spikes(time, [0, 1]), rv.EventDriven(), t_end=40.0, record={"output": Maximum()})
        return found.voltages["output"][0, 0]

    s, kernel = 3.0, lambda s: math.exp(-s / 10.0) - math.exp(-s / 5.0)
    for start in (1.0, 0.9):  # the event at a window's start, or inside of one
        time = jnp.array([start, start + s])
        value, gradient = jax.value_and_grad(top)(time, -30.0)
        slope = 2.0 * (math.exp(-s / 5.0) / 5.0 - math.exp(-s / 10.0) / 10.0)
        assert float(value) == pytest.approx(2.0 * kernel(s), rel=1e-14)
        np.testing.assert_allclose(gradient, [-slope, slope], rtol=1e-12)


def test_events_at_one_instant_owe_their_parts_of_a_maximum_by_weight():
    """They move together as one; each alone has no derivative there."""
    link = rv.Connection("input", "output", jnp.array([[2.0], [-10.0], [-20.0]]))
    net = rv.Network({"input": rv.Population(3), "output": rv.Population(1, rv.LI(10.0, 5.0))}, [link])
    read = lambda time: rv.simulate(net, rv.Spikes(time, [0, 1, 2]), rv.EventDriven(), t_end=40.0,
                                    record={"output": Maximum()}).voltages["output"][0, 0]  # fmt: skip
    gradient = np.asarray(jax.grad(read)(jnp.array([0.0, 3.0, 3.0])))
    slope = 2.0 * (math.exp(-0.6) / 5.0 - math.exp(-0.3) / 10.0)
    np.testing.assert_allclose(gradient, [-slope, slope / 3.0, slope * 2.0 / 3.0], rtol=1e-12)


@pytest.mark.parametrize(
    ("weight", "at", "wanted", "by_weight"),
    [
        ([], [], 0.1, []),  # nothing arrives
        ([-1.0], [3.0], 0.1, [0.0]),  # highest at the start
        ([1.0], [38.0], 0.1 + math.exp(-0.2) - math.exp(-0.4), [math.exp(-0.2) - math.exp(-0.4)]),  # at the end
        ([2.0, 2.0], [0.0, 600.0], 0.6, [0.25, 0.0]),  # two as high: the earlier one
        ([2.0], [1000.0], 0.6, [0.25]),  # after a long time in which nothing happens
    ],
)  # fmt: skip
def test_maxima_at_the_ends_and_ties(weight: list[float], at: list[float], wanted: float, by_weight: list[float]):
    end = 40.0 if max([0.0, *at]) < 40.0 else max(at) + 600.0

    def top(parts: Any) -> Any:
        weights, leak = parts
        link = rv.Connection("input", "output", weights)
        members = {"input": rv.Population(max(1, len(at))), "output": rv.Population(1, rv.LI(10.0, 5.0, v_leak=leak))}
        given = rv.Spikes(jnp.asarray([*at, math.inf]), jnp.asarray([*range(len(at)), -1]))
        solution = rv.simulate(rv.Network(members, [link]), given, rv.EventDriven(), t_end=end,
                               record={"output": [Maximum()]})  # fmt: skip
        return solution.voltages["output"][0, 0]

    start = jnp.asarray(weight or [0.0])[:, None], jnp.asarray(0.1)
    value, (found, by_leak) = jax.value_and_grad(top)(start)
    assert float(value) == pytest.approx(wanted, rel=1e-14)
    assert float(by_leak) == 1.0
    np.testing.assert_allclose(found[: len(by_weight), 0], by_weight, rtol=1e-12, atol=1e-300)


def test_batches_maps_and_pieces_of_them_agree():
    net, several = network("synaptic"), [spikes(seed) for seed in range(3)]
    batch = rv.Spikes(jnp.stack([one.time for one in several]), jnp.stack([one.unit for one in several]))
    read = lambda given: run(net, given).voltages["output"]
    found = read(batch)
    assert found.shape == (3, len(ASKED), 3)
    np.testing.assert_array_equal(found, jnp.stack([read(one) for one in several]))
    np.testing.assert_allclose(found, jax.jit(jax.vmap(read))(batch), rtol=1e-12)  # its window is another
    loss = lambda weight, given: jnp.sum(run(moved(net, weight), given).voltages["output"] ** 2)
    moved = lambda net, weight: eqx.tree_at(lambda it: it["hidden->output"].weight, net, weight)
    weights = jnp.stack([net["hidden->output"].weight, 0.5 * net["hidden->output"].weight])
    over = jax.vmap(jax.grad(loss), in_axes=(0, None))(weights, batch)
    for at in range(2):
        alone = sum(jax.grad(loss)(weights[at], one) for one in several)
        np.testing.assert_allclose(over[at], alone, rtol=1e-12)


def test_float32_is_close_to_float64():
    net, given = network("dendritic"), spikes()
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if eqx.is_inexact_array(leaf) else leaf, (net, given))
    found, wanted = run(*narrow).voltages["output"], run(net, given).voltages["output"]
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
    by_weight = lambda pair: jax.grad(
        lambda weight: jnp.sum(run(eqx.tree_at(lambda it: it["input->output"].weight, pair[0], weight), pair[1])
                               .voltages["output"])
    )(pair[0]["input->output"].weight)  # fmt: skip
    np.testing.assert_allclose(by_weight(narrow), by_weight((net, given)), rtol=1e-3, atol=1e-3)


def test_slow_membranes_keep_their_digits():
    """A neuron without leak, and one that is in the middle of its rise at the end: against 60 digits."""
    mpmath = pytest.importorskip("mpmath")
    mpmath.mp.dps = 60
    for tau_mem, tau_syn, tau in [
        (1e8, 5.0, math.inf),
        (1e8, 5.0, 100.0),
        (1e4, 1e4 + 1e-3, math.inf),
        (7.0, 7.0, 3.0),
    ]:
        net = rv.Network(
            {"input": rv.Population(1), "output": rv.Population(1, rv.LI(tau_mem, tau_syn))},
            [rv.Connection("input", "output", jnp.ones((1, 1)))],
        )
        asked = {"output": Integral(tau)}
        found = rv.simulate(net, rv.Spikes([2.0], [0]), rv.EventDriven(), t_end=50.0, record=asked).voltages["output"]
        m, y, c = 1 / mpmath.mpf(tau_mem), 1 / mpmath.mpf(tau_syn), mpmath.mpf(0 if tau == math.inf else 1 / tau)
        kernel = lambda s, m=m, y=y: m * s * mpmath.exp(-m * s) if m == y else m / (y - m) * (
            mpmath.exp(-m * s) - mpmath.exp(-y * s))  # fmt: skip
        wanted = mpmath.quad(lambda s, c=c, kernel=kernel: mpmath.exp(-c * (s + 2)) * kernel(s), [0, 10, 48])
        assert float(found[0, 0]) == pytest.approx(float(wanted), rel=1e-9)


ONCE = rv.feedforward(
    [4, 6, 3], neuron=rv.LIF(12.0, 4.0, refractory=jnp.inf), readout=rv.LI(jnp.array([8.0, 4.0, 20.0]), 4.0, v_leak=0.2, bias=-0.3),
    delay=rv.synaptic(0.0, 8.0), weight=[rv.initializers.normal(2.5, 0.7), rv.initializers.normal(0.3, 1.0)],
    key=jax.random.key(3),
)  # fmt: skip


def values_and_gradient(simulator: Any, asked: Any = ASKED) -> tuple[np.ndarray, np.ndarray]:
    """Summaries of `ONCE`, and the gradient of a combination of them by weights, delays and time constants."""
    learn, fixed = rv.partition(
        ONCE, "weight", "delay", "output.tau_mem", "output.tau_syn", "output.v_leak", "output.bias"
    )
    factor = jax.random.normal(jax.random.key(2), (len(asked), 3))

    def total(learn: Any) -> tuple[Any, Any]:
        found = run(rv.combine(learn, fixed), spikes(), simulator, asked, throw=False).voltages["output"]
        return jnp.sum(factor * found), found

    gradient, found = jax.jit(jax.grad(total, has_aux=True))(learn)
    return np.asarray(found), np.asarray(ravel_pytree(gradient)[0])


def test_first_spike_gives_the_same():
    """It adds up prefixes and is differentiated by JAX: nothing in common with the engine."""
    for one, other in zip(values_and_gradient(rv.EventDriven()), values_and_gradient(rv.FirstSpike()), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("simulator", "order"), [(rv.ClockDriven, 2.0), (rv.Surrogate, 1.0)])
def test_simulators_in_steps_come_closer_with_shorter_ones(simulator: Any, order: float):
    """One network, one thing asked for: from the potentials at their steps."""
    weight = rv.initializers.normal(0.3, 1.0)
    net = rv.feedforward([4, 3], neuron=rv.LI(8.0, 4.0, v_leak=0.2), weight=weight, key=jax.random.key(3))
    exact = np.asarray(run(net, spikes()).voltages["output"])
    errors = [np.max(np.abs(run(net, spikes(), simulator(dt=dt)).voltages["output"] - exact)) for dt in (0.5, 0.125)]
    assert errors[1] < 0.05
    assert errors[0] / errors[1] > 0.5 * 4.0**order
