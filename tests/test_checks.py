"""The gradient check: its differences, what it calls structure, and that it finds wrong gradients."""

import dataclasses
import math
import re
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from oracle import OracleConnection, OracleNetwork, OraclePopulation
from oracle import simulate as oracle_simulate
from ranvier.checks import FieldReport, GradientReport, Probes, Reason, Verdict, check_gradients
from ranvier.checks.coordinates import flatten, place, probes
from ranvier.checks.differences import central_difference, directional_derivatives
from ranvier.checks.structure import Train, by_unit, order, signature, slopes, wiring
from ranvier.simulation import AbstractSimulator, Solution

FIELDS = ("weight", "delay", "v_threshold", "v_reset", "v_leak", "refractory", "time")
FEW = Probes(coordinates=3, directions=1)


# Differences


@pytest.mark.parametrize(
    ("function", "wanted"),
    [
        (math.exp, 1.0),
        (lambda s: math.sin(3 * s) / (1 + s), 3.0),
        (lambda s: 2.0 + 0.5 * s, 0.5),
        (lambda s: 7.0, 0.0),
        (lambda s: s**3 + 1e-3 * s, 1e-3),
    ],
)
def test_central_differences_are_accurate_and_know_how_accurate(function: Callable[[float], float], wanted: float):
    found = central_difference(function, 0.1, rounding=2e-16)
    assert found.value == pytest.approx(wanted, abs=1e-11)
    assert abs(found.value - wanted) <= 3 * found.error < 1e-10


def test_rounding_limits_what_the_error_may_claim():
    noisy = lambda s: round(math.exp(s), 8)
    found = central_difference(noisy, 0.1, rounding=1e-8)
    assert found.error > 1e-8
    assert abs(found.value - 1) <= 3 * found.error < 1e-5


def test_steps_shrink_until_the_function_counts():
    found = central_difference(lambda s: math.exp(s) if abs(s) < 3e-4 else math.nan, 0.1)
    assert found.step < 3e-4
    assert found.value == pytest.approx(1.0, abs=1e-10)
    assert math.isnan(central_difference(lambda s: math.exp(s) if s <= 0 else math.nan, 0.1).value)
    assert math.isnan(central_difference(lambda s: math.exp(s) if abs(s) < 1e-8 else math.nan, 0.1).value)


def test_directional_derivatives():
    at, rows = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 0.0, 0.0], [0.5, -0.5, 2.0]])
    found = directional_derivatives(lambda x: float(np.prod(x)), at, rows, 0.1)
    assert [one.value for one in found] == pytest.approx((rows @ [6.0, 3.0, 2.0]).tolist(), rel=1e-11)


# Structure


def chain(delay: float = 1.0) -> rv.Network:
    """Two inputs onto one neuron."""
    link = rv.Connection("input", "output", jnp.ones((2, 1)), rv.FixedDelay(delay))
    return build.network({"input": 2}, {"output": rv.LIF()}, {"output": 1}, [link])


def mark(inputs: list[float], outputs: list[float], rest: float = 0.0, record: tuple[float, ...] = ()) -> bytes:
    trains = {
        "input": by_unit(np.array(inputs), np.array([0, 1])),
        "output": Train(np.array(outputs), np.zeros(len(outputs), int)),
    }
    at = {"output": np.array(record)} if record else {}
    return signature(wiring(chain()), trains, (np.array([[1.0]]),), {"output": np.array(rest)}, at)


BASE = mark([1.0, 3.0], [2.5, 5.0], rest=1.0, record=(4.5,))


def test_the_signature_does_not_see_what_makes_no_difference():
    assert mark([1.1, 3.0], [2.6, 5.0], rest=1.0, record=(4.5,)) == BASE
    assert mark([1.0, 1.2], [2.5]) == mark([1.2, 1.0], [2.5])  # two arrivals between the same instants


@pytest.mark.parametrize(
    "other",
    [
        mark([1.6, 3.0], [2.5, 5.0], rest=1.0, record=(4.5,)),  # an arrival passes a spike
        mark([1.0, 2.2], [2.5, 5.0], rest=1.0, record=(4.5,)),  # an arrival passes the end of a refractory time
        mark([1.0, 3.6], [2.5, 5.0], rest=1.0, record=(4.5,)),  # an arrival passes a record
        mark([1.0, 3.0], [2.5, 4.4], rest=1.0, record=(4.5,)),  # a spike passes a record
        mark([1.0, 3.0], [2.5], rest=1.0, record=(4.5,)),  # a spike vanishes
        mark([1.0, 3.0], [2.5, 5.0, 9.0], rest=1.0, record=(4.5,)),  # a spike appears
    ],
)
def test_the_signature_sees_what_has_no_derivative(other: bytes):
    assert other != BASE


def test_order_of_spikes():
    one, two = Train(np.array([1.0, 2.0]), np.array([0, 1])), Train(np.array([3.0, 2.0]), np.array([0, 1]))
    assert order({"a": one}) != order({"a": two})
    assert order({"a": one}) == order({"a": Train(one.time + 1, one.unit)})


def busy(refractory: float = 1.0) -> tuple[rv.Network, rv.Spikes]:
    """A small recurrent network with all kinds of delays, and input that makes it fire."""
    neuron = rv.LIF(10.0, 4.0, refractory=refractory, v_reset=-0.2, v_leak=0.1)
    readout = rv.LIF(8.0, jnp.full(2, 3.0))
    delays = [rv.synaptic(0.5, 6.0), rv.axonal(1.0, 6.0), rv.dendritic(0.5, 4.0)]
    net = rv.recurrent([5, 6, 2], neuron=neuron, readout=readout, delay=delays, weight=rv.initializers.normal(0.6, 0.5),
                       key=jax.random.key(4))  # fmt: skip
    rng = np.random.default_rng(1)
    return net, rv.Spikes.from_ragged([rng.uniform(0, 40, 24)] * 2, [rng.integers(0, 5, 24) for _ in range(2)])


def test_slopes_agree_with_the_oracle():
    net, spikes = busy()
    time, unit = np.asarray(spikes.time[0]), np.asarray(spikes.unit[0])
    populations, connections = {}, []
    for name, size in build.neuron_sizes(net).items():
        values = {field: np.broadcast_to(value, size).tolist() for field, value in vars(net.neurons[name]).items()}
        populations[name] = OraclePopulation(size, **values)
    for link in net.connections:
        delay = np.broadcast_to(net.delay(link), link.weight.shape).tolist()
        connections.append(OracleConnection(link.pre, link.post, link.weight.tolist(), delay))
    oracle = oracle_simulate(
        OracleNetwork({"input": 5}, populations, connections),
        {"input": list(zip(time.tolist(), unit.tolist(), strict=True))}, 50.0,
    )  # fmt: skip
    trains = {"input": by_unit(time, unit)}
    for name, train in oracle.spikes.items():
        trains[name] = by_unit(*(np.array(part) for part in zip(*train, strict=True)))
    found = slopes(net, trains, tuple(np.asarray(net.delay(link)) for link in net.connections))
    for name, train in oracle.spikes.items():
        at = sorted(range(len(train)), key=lambda n: (train[n][1], train[n][0]))
        assert len(train) > 3
        np.testing.assert_allclose(found[name], np.array(oracle.slopes[name])[at], rtol=1e-9)


# Coordinates


def test_a_vector_comes_back_where_it_was():
    net, spikes = busy()
    trains = {"input": rv.Spikes(spikes.time[0], spikes.unit[0])}
    flat = flatten(net, trains, FIELDS)
    again, moved = place(net, trains, FIELDS, jnp.asarray(flat.at))
    assert eqx.tree_equal(again, net)
    assert eqx.tree_equal(moved, trains)
    weights = flat.fields[0]
    assert (weights.name, weights.part) == ("weight", slice(0, 5 * 6 + 6 * 6 + 6 * 2))
    shifted, _ = place(net, trains, FIELDS, jnp.asarray(flat.at).at[weights.part].add(1.0))
    np.testing.assert_allclose(shifted.connections[1].weight, net.connections[1].weight + 1.0)
    assert eqx.tree_equal([link.delay for link in shifted.connections], [link.delay for link in net.connections])


def test_input_is_sorted_after_a_move():
    trains = {"input": rv.Spikes(jnp.array([1.0, 2.0, jnp.inf]), jnp.array([0, 1, -1]))}
    flat = flatten(chain(), trains, ("time",))
    assert flat.free.tolist() == [True, True, False]
    _, moved = place(chain(), trains, ("time",), jnp.asarray(flat.at).at[0].add(3.0))
    assert moved["input"].time.tolist() == [2.0, 4.0, math.inf]
    assert moved["input"].unit.tolist() == [1, 0, -1]


def test_numbers_at_a_bound_are_not_moved():
    delay = rv.SynapticDelay(jnp.array([[0.0], [0.5], [1.0]]), 0.0, 1.0, rv.delays.Clip())
    link = rv.Connection("input", "output", jnp.ones((3, 1)), delay)
    neuron = rv.LIF(refractory=jnp.array([0.0]))
    net = build.network({"input": 3}, {"output": neuron}, {"output": 1}, [link])
    flat = flatten(net, {}, ("delay", "refractory"))
    assert flat.free.tolist() == [False, True, False, False]
    rows = probes(flat, flat.fields[0].part, 5, 2, jax.random.key(0))
    assert (rows[:, [0, 2, 3]] == 0).all()
    assert len(probes(flat, flat.fields[1].part, 5, 2, jax.random.key(0))) == 0


# The check


@pytest.mark.parametrize("refractory", [1.0, math.inf])
def test_exact_gradients_pass(refractory: float):
    net, spikes = busy(refractory)
    report = check_gradients(
        net, spikes, rv.EventDriven(), t_end=50.0, names=FIELDS,
        record={"output": np.array([20.0, 45.0])}, probes=FEW, key=jax.random.key(2),
    )  # fmt: skip
    assert report.passed, str(report)
    assert report.runs == 2
    found = {field.name: field for field in report.fields}
    assert found.pop("refractory").verdict is (Verdict.AGREES if refractory == 1.0 else Verdict.NOTHING)
    assert all(field.verdict is Verdict.AGREES and field.counted >= 4 for field in found.values())
    assert max(field.largest for field in found.values()) < 1e-7
    assert report["weight"].size == 78


class Biased(AbstractSimulator):
    """Simulates rightly, but the gradient of the delays is a thousandth too large."""

    def run(
        self, network: rv.Network, spikes: dict[str, rv.Spikes], t_end: float, record: dict[str, jax.Array]
    ) -> Solution:
        def bias(raw: jax.Array) -> jax.Array:
            return raw + 1e-3 * (raw - jax.lax.stop_gradient(raw))

        wrong = eqx.tree_at(lambda net: [link.delay.raw for link in net.connections], network, replace_fn=bias)
        return rv.EventDriven().run(wrong, spikes, t_end, record)


def words(report: GradientReport) -> str:
    return " ".join(str(report).split())


def one(spikes: rv.Spikes) -> rv.Spikes:
    return rv.Spikes(spikes.time[0], spikes.unit[0])


def test_a_wrong_gradient_is_found():
    net, spikes = busy()
    report = check_gradients(net, one(spikes), Biased(), t_end=50.0, probes=FEW, key=jax.random.key(2))
    assert not report.passed
    assert report["delay"].verdict is Verdict.DIFFERS
    assert report["delay"].largest == pytest.approx(1e-3, rel=1e-2)
    assert report["weight"].verdict is Verdict.AGREES
    assert "`delay` is NOT the derivative" in words(report)
    assert "not passed" in words(report)


def test_float32_networks_and_own_losses():
    net, spikes = busy()
    small = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net)
    loss = lambda solution: jnp.sin(solution.voltages["output"]).sum() + solution.spikes["output"].time[0]
    report = check_gradients(
        small, one(spikes), rv.EventDriven(), t_end=50.0, loss=loss, names=("weight",),
        record={"output": np.array([45.0])}, probes=FEW, key=jax.random.key(2),
    )  # fmt: skip
    assert report.passed, str(report)
    assert "your loss" in words(report)


def test_arrivals_at_a_record_are_excluded():
    """Both delays place an arrival exactly on a record: every step of a delay has a kink inside."""
    delay = rv.AxonalDelay(jnp.array([[1.0], [2.0]]), 0.0, 5.0, rv.delays.Clip())
    link = rv.Connection("input", "output", jnp.full((2, 1), 0.3), delay)
    net = build.network({"input": 2}, {"output": rv.LI()}, {"output": 1}, [link])
    spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
    report = check_gradients(
        net,
        spikes,
        rv.EventDriven(),
        t_end=10.0,
        record={"output": np.array([2.0, 4.0])},
        probes=FEW,
        key=jax.random.key(0),
    )
    assert report["delay"].verdict is Verdict.NOTHING
    assert report["delay"].excluded == {Reason.STRUCTURE: 3}
    assert report["weight"].verdict is Verdict.AGREES
    assert report.passed
    assert "Excluded: 3 of 6 comparisons (50.0%)" in words(report)


def test_runs_with_grazing_spikes_do_not_count():
    net, spikes = busy()
    steep = dataclasses.replace(FEW, min_slope=100.0)
    report = check_gradients(net, one(spikes), rv.EventDriven(), t_end=50.0, probes=steep, key=jax.random.key(2))
    assert report.left_out == {Reason.GRAZING: 1}
    assert report.excluded == {Reason.GRAZING: report.probes}
    assert not report.passed
    assert "graze" in words(report)


def test_runs_whose_gradient_was_limited_do_not_count():
    net, spikes = busy()
    report = check_gradients(
        net, one(spikes), rv.EventDriven(max_inverse_slope=0.1), t_end=50.0, probes=FEW, key=jax.random.key(2)
    )
    assert report.left_out == {Reason.GUARDED: 1}


def test_float64_must_be_on():
    net, spikes = busy()
    with jax.enable_x64(False), pytest.raises(RuntimeError, match="jax_enable_x64"):
        check_gradients(net, spikes, rv.EventDriven(), t_end=50.0, key=jax.random.key(2))


def test_unknown_fields_are_refused():
    net, spikes = busy()
    with pytest.raises(ValueError, match="tau"):
        check_gradients(net, spikes, rv.EventDriven(), t_end=50.0, names=("tau",), key=jax.random.key(2))


# The report


def field(errors: tuple[float, ...], noise: tuple[float, ...]) -> FieldReport:
    return FieldReport("weight", 10, 5 * len(errors), {}, errors, noise, 1e-6)


@pytest.mark.parametrize(
    ("errors", "noise", "verdict"),
    [
        ((1e-8, 9e-7), (1e-9, 1e-9), Verdict.AGREES),
        ((1e-8, 2e-6), (1e-9, 1e-9), Verdict.DIFFERS),
        ((1e-8, 2e-6), (1e-9, 1e-6), Verdict.UNDECIDED),
        ((math.nan,), (1e-9,), Verdict.DIFFERS),
        ((math.inf,), (math.inf,), Verdict.UNDECIDED),
        ((), (), Verdict.NOTHING),
    ],
)
def test_verdicts(errors: tuple[float, ...], noise: tuple[float, ...], verdict: Verdict):
    found = field(errors, noise)
    assert found.verdict is verdict
    report = GradientReport((found,), 1e-6, "A check.", len(errors), {})
    assert report.passed is (verdict is Verdict.AGREES)
    assert verdict.value in report.table()
    assert ("not passed" in words(report)) is not report.passed


def test_of_the_value_of_a_spike_the_exact_derivative_is_checked_and_the_other_told():
    net = rv.recurrent([3, 4, 2], neuron=rv.LIF(), delay=rv.synaptic(1.0, 5.0), weight=rv.initializers.constant(1.5),
                       key=jax.random.key(0))  # fmt: skip
    spikes = rv.Spikes(jnp.arange(1.0, 19.0), jnp.arange(18) % 3)
    check = lambda gradient: check_gradients(
        net, spikes, rv.EventDriven(gradient=gradient), t_end=40.0, record={"output": jnp.array([20.0, 39.0])}, probes=FEW,
        key=jax.random.key(1),
    )  # fmt: skip
    found, exact = check(rv.SpikeValue(0.5)), check(rv.ExactDerivative())
    assert found.passed
    assert exact.beside == ""
    assert [field.errors for field in found.fields] == [field.errors for field in exact.fields]
    told = " ".join(str(found).split())
    assert re.search(
        r"own gradient, SpikeValue\(scale=0\.5.*is not a derivative.*`weight` cosine -?\d\.\d\d, norm", told
    )
