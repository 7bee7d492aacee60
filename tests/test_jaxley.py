"""Delayed synapses in Jaxley: against NEURON, closed forms, a heap, and central differences."""

import heapq
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxley as jx
import numpy as np
import pytest
from jaxley.channels import Fire
from jaxley.connect import connect

import neuron_reference
import ranvier as rv
from jaxley_cells import centre, trainable, two_cells, voltage
from ranvier.interop.jaxley import (
    LIF,
    Conductance,
    Current,
    DelayedSynapse,
    DoubleExponential,
    Exponential,
    GivenSpikes,
    check,
    crossing_times,
    dropped,
)
from ranvier.interop.jaxley.waiting import moved
from ranvier.queues import FifoQueue, HeapQueue, LossyQueue, RingQueue, SingleQueue, SortedQueue

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of pandas, about Jaxley
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

FROZEN = json.loads((Path(__file__).parent / "data" / "neuron.json").read_text("utf-8"))
NAMES = ("delay", "gS", "tau", "gNa")


@pytest.fixture(autouse=True)
def lenient() -> Iterator[None]:
    """Jaxley mixes ranks and types of arrays."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


FOUR = FifoQueue(4)


def synapse(queue: Any = FOUR, **options: Any) -> DelayedSynapse:
    point = neuron_reference.POINT
    kernel, effect = Exponential(point["tau"]), Conductance(gS=point["gS"])
    return DelayedSynapse(**{"delay": point["delay"], "kernel": kernel, "effect": effect, "queue": queue} | options)


def driven(one: Any, v_pre: np.ndarray, dt: float, params: dict[str, Any] | None = None) -> dict[str, jax.Array]:
    """States after each step of two synapses, one with a voltage that is given and one at rest, in its precision."""
    own = {name: jnp.full(2, value, v_pre.dtype) for name, value in (one.synapse_params | (params or {})).items()}

    def step(states: dict[str, jax.Array], v: jax.Array) -> tuple[dict[str, jax.Array], dict[str, jax.Array]]:
        after = one.update_states(states, dt, v, v, own)
        return after, after

    start = {name: jnp.full(2, value, v_pre.dtype) for name, value in one.synapse_states.items()}
    return jax.lax.scan(step, start, jnp.stack([jnp.asarray(v_pre), jnp.full_like(v_pre, -70.0)], axis=1))[1]


def crossings(v: np.ndarray, dt: float, threshold: float = -20.0) -> list[float]:
    """Where straight lines between voltages cross the threshold."""
    up = np.flatnonzero((v[:-1] < threshold) & (v[1:] >= threshold))
    return [dt * (at + (threshold - v[at]) / (v[at + 1] - v[at])) for at in up]


def zigzag(rng: np.random.Generator, steps: int) -> np.ndarray:
    """A voltage whose parabolas are straight lines wherever it crosses: pieces of four equal increments."""
    levels = np.where(np.arange(steps // 4 + 1) % 2, rng.uniform(-15.0, 30.0, steps // 4 + 1), -70.0)
    levels[rng.random(len(levels)) < 0.4] = -70.0
    return np.interp(np.arange(steps), 4 * np.arange(len(levels)), levels)


# Against NEURON


def test_the_frozen_reference_is_what_neuron_says():
    found = subprocess.run(
        [sys.executable, neuron_reference.__file__, "1"], capture_output=True, text=True, timeout=200, check=True
    )
    found = json.loads(found.stdout[found.stdout.index("{") :])
    assert found["points"] == FROZEN["points"][:1]
    np.testing.assert_allclose(found["centre"], FROZEN["centre"][:1], atol=1e-7)
    np.testing.assert_allclose(found["voltage"], FROZEN["voltage"][:1], atol=2e-5)
    for name in NAMES:
        np.testing.assert_allclose(found["derivatives"][0][name], FROZEN["derivatives"][0][name], rtol=1e-4)


def errors(dt: float, phases: slice) -> tuple[float, float, np.ndarray]:
    """Largest difference from NEURON over some phases: voltage (mV), time of the answer (ms), its derivatives (relative)."""
    frozen = {name: FROZEN[name][phases] for name in ("points", "voltage", "centre", "derivatives")}
    one = synapse()
    net = two_cells(one, dt=dt)
    trainable(net, [*(one.key(name) for name in NAMES[:3]), "HH_gNa"])
    run = voltage(net, dt)
    points = jnp.array([[point[name] for name in NAMES] for point in frozen["points"]])

    def answer(values: jax.Array) -> tuple[jax.Array, jax.Array]:
        v = run(values)
        return centre(v, dt), v

    (time, v), slope = jax.jit(jax.vmap(jax.value_and_grad(answer, has_aux=True)))(points)
    wanted = np.array(frozen["voltage"])
    v = np.array(v)[:, :: round(FROZEN["every"] / dt)][:, : wanted.shape[1]]
    slopes = np.array([[one[name] for name in NAMES] for one in frozen["derivatives"]])
    return (
        float(np.abs(v - wanted[:, : v.shape[1]]).max()),
        float(np.abs(np.array(time) - frozen["centre"]).max()),
        np.abs(np.array(slope) / slopes - 1).max(axis=0),
    )


@pytest.mark.slow
def test_voltages_and_derivatives_are_those_of_neuron():
    """At 16 positions of crossing and arrival within a step, and with a quarter of that step at four of them."""
    trace, time, slopes = errors(0.025, slice(None))
    assert trace < 2.2e-2
    assert time < 2.2e-2
    assert (slopes < [2e-3, 4e-3, 9e-3, 6e-3]).all(), slopes
    fine_trace, fine_time, fine_slopes = errors(0.00625, slice(0, 16, 5))
    assert 3.2 < trace / fine_trace < 5.3
    assert 3.2 < time / fine_time < 5.3
    assert (fine_slopes < [6e-4, 1.1e-3, 2.2e-3, 2.5e-3]).all(), fine_slopes


# Derivatives


SHIFT = jnp.array([2e-4, 0.0, 0.0, 0.0, 0.0, 0.0])


@pytest.mark.slow
def test_derivatives_are_those_of_the_model_with_three_spikes_on_their_way():
    one, dt = synapse(), 0.05
    net = two_cells(one, pulses=3, dt=dt, t_end=60.0)
    names = [one.key(name) for name in ("delay", "gS", "tau", "v_th", "e_syn")] + ["HH_gNa"]
    trainable(net, names)
    run = voltage(net, dt)
    answer = lambda values: centre(run(values), dt)
    at, scale = jnp.array([27.3, 2e-5, 2.0, -20.0, 0.0, 0.12]), jnp.array([27.3, 2e-5, 2.0, 20.0, 20.0, 0.12])
    steps = jnp.array([1e-5, 1e-3, 2e-3])  # the first for the delay, whose slope jumps a little at steps of time
    moved = ((scale[:, None] * jnp.eye(6))[None] * steps[:, None, None]).reshape(-1, 6)
    grid = jnp.tile(at, (41, 1)).at[:, 0].add(0.005 + jnp.linspace(-0.2, 0.2, 41))  # delays across 8 steps of time
    forward, reverse = jax.jit(lambda values: (jax.jacfwd(answer)(values), jax.grad(answer)(values)))(at)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10)
    value = jax.jit(jax.vmap(answer))(jnp.concatenate([at + moved, at - moved, grid + SHIFT, grid - SHIFT]))
    up, down, later, earlier = jnp.split(value, np.cumsum([18, 18, 41]))
    slopes = (up - down).reshape(3, 6) / (2 * steps[:, None] * scale)
    of_delay, others = slopes[0, :1], (4 * slopes[1, 1:] - slopes[2, 1:]) / 3
    np.testing.assert_allclose(jnp.concatenate([of_delay, others]), reverse, rtol=1e-6)
    along_delay = lambda point: jax.jvp(answer, (point,), (jnp.eye(6)[0],))[1]
    np.testing.assert_allclose((later - earlier) / (2 * SHIFT[0]), jax.jit(jax.vmap(along_delay))(grid), rtol=1e-6)


@pytest.mark.slow
def test_float32_checkpoints_and_a_run_in_two_parts():
    one = synapse()
    net = two_cells(one, dt=0.05, t_end=20.0)
    trainable(net, [one.key("delay")])
    at = jnp.array([5.0])
    slope = lambda **options: jax.jit(jax.value_and_grad(lambda x: centre(voltage(net, 0.05, **options)(x), 0.05)))(at)
    value, plain = slope()
    again, kept = slope(checkpoint_lengths=[21, 20])
    np.testing.assert_allclose([again, kept[0]], [value, plain[0]], rtol=1e-10)
    with jax.enable_x64(False):
        single = jax.jit(jax.value_and_grad(lambda x: centre(voltage(net, 0.05)(x), 0.05)))(jnp.array([5.0]))
    assert single[1].dtype == jnp.float32
    np.testing.assert_allclose(
        [single[0], single[1][0]], [value, plain[0]], rtol=3e-3
    )  # Jaxley takes slopes over 1e-3 mV


# Queues, against a heap


ONE, TWO, SAME = Exponential(2.0), DoubleExponential(0.5, 3.0), DoubleExponential(2.0, 2.0)
CONDUCTANCES = [
    (FifoQueue(6), ONE), (SortedQueue(6), ONE), (HeapQueue(6), ONE), (LossyQueue(6), ONE), (FifoQueue(6), TWO), (HeapQueue(6), SAME),
]  # fmt: skip


@pytest.mark.parametrize(("queue", "kernel"), CONDUCTANCES, ids=lambda one: type(one).__name__)
def test_conductances_are_sums_over_arrivals(queue: Any, kernel: Any):
    rng, dt = np.random.default_rng(0), 0.1
    v = zigzag(rng, 400)
    one = DelayedSynapse(3.37, kernel=kernel, queue=queue)
    states = driven(one, v, dt)
    arrivals, waiting, ends = [], [(time + 3.37) for time in crossings(v, dt)], dt * np.arange(1, 401)
    heapq.heapify(waiting)
    while waiting:
        arrivals.append(heapq.heappop(waiting))
    assert len(arrivals) > 20
    since = ends[:, None] - np.array(arrivals)
    if isinstance(kernel, Exponential):
        answer = np.exp(-since / 2.0)
    elif kernel.tau_rise == kernel.tau_decay:
        answer = np.e * since / 2.0 * np.exp(-since / 2.0)
    else:
        answer = np.exp(-since / 3.0) - np.exp(-since / 0.5)
        peak = np.log(6.0) / (1 / 0.5 - 1 / 3.0)
        answer /= np.exp(-peak / 3.0) - np.exp(-peak / 0.5)
    wanted = np.sum(np.where(since >= 0, answer, 0.0), axis=1)
    np.testing.assert_allclose(states[one.key("g")][:, 0], wanted, atol=1e-12)
    assert not states[one.key("dropped")].any()
    # The averages over the steps have the integral of the conductance.
    tail = dt * float(jnp.sum(states[one.key("g_avg")]))
    fine = np.linspace(0.0, 40.0, 400_001)
    exact = np.trapezoid(np.interp(fine, np.append(0.0, ends), np.append(0.0, wanted)), fine)
    assert tail == pytest.approx(exact, rel=0.02)
    if isinstance(kernel, Exponential):
        assert tail == pytest.approx(
            sum(2.0 * (1 - np.exp(-(40.0 - arrival) / 2.0)) for arrival in arrivals if arrival < 40.0)
        )


@pytest.mark.parametrize("policy", [rv.queues.Raise(), rv.queues.Clamp()], ids=["raise", "clamp"])
def test_the_quick_way_of_fifo_queues_is_the_way_of_all(policy: Any):
    """150 steps of 50 synapses, some of which overflow, late arrivals and a delay that is no number among them."""
    queue, rng, dt, lost = FifoQueue(3, policy), np.random.default_rng(3), 1.0, 0
    delay = rng.uniform(-0.5, 40.0, 50)
    delay[7] = np.nan
    quick = slow = [jnp.full(50, jnp.inf)] * 3
    general, there = moved.dispatch(object), np.zeros(50, bool)
    for _ in range(150):
        there = (rng.random(50) < 0.15 * (rng.random() < 0.8)) & ~there  # never in two steps that follow each other
        left = jnp.where(there, delay - rng.uniform(0.0, 1.0, 50), jnp.inf)
        one, other = moved(queue, quick, left if there.any() else None, dt), general(queue, slow, left, dt)
        quick, slow = one.slots, other.slots
        np.testing.assert_array_equal(jnp.sort(jnp.stack(quick), axis=0), jnp.sort(jnp.stack(slow), axis=0))
        np.testing.assert_array_equal(one.arrival, other.arrival)
        np.testing.assert_array_equal(one.lost, other.lost)
        lost += int(one.lost.sum())
    assert lost > 30


def test_short_delays_lose_no_charge():
    """Below a step an arrival is late, but counts in full."""
    v = np.concatenate([np.full(5, -70.0), np.linspace(-70.0, 30.0, 4), np.full(400, 30.0)])
    for delay in (0.0, 0.01, 0.05, 0.1, 0.2):
        one = DelayedSynapse(delay, kernel=Exponential(2.0))
        assert float(jnp.sum(driven(one, v, 0.1)[one.key("g_avg")]) * 0.1) == pytest.approx(2.0, rel=1e-7)


def test_spikes_without_a_place_are_counted_and_several_sizes_fit_into_one_network():
    first = synapse(FifoQueue(1), delay=27.3)
    net = two_cells(first, pulses=3, t_end=30.0)
    pre, post = net.cell(0).branch(0).comp(0), net.cell(1).branch(0).comp(0)
    others = [synapse(FifoQueue(size), delay=27.3) for size in (2, 3, 4)] + [synapse(SingleQueue(), delay=27.3)]
    for one in others:
        connect(pre, post, one)
    assert len({one.name for one in [first, *others]}) == 5
    net.DelayedSynapse2.edge("all").record("DelayedSynapse2_dropped", verbose=False)
    (_, seen), states = jax.jit(lambda: jx.integrate(net, return_states=True))()
    counts = {name: int(count[0]) for name, count in dropped(net, states).items()}
    assert counts == {
        "DelayedSynapse1": 2, "DelayedSynapse2": 1, "DelayedSynapse3": 0, "DelayedSynapse4": 0,
        "DelayedSynapseSingleLatest1": 2,
    }  # fmt: skip
    assert float(seen[-1]) == 1.0
    check(net)
    with pytest.raises(ValueError, match=r"DelayedSynapse1: 2 spikes found no place .* Raise `capacity` from 1"):
        check(net, states)


# Given spikes


def test_given_spikes_act_at_their_times_and_have_exact_derivatives():
    times = np.array([0.0, 1.03, 1.04, 1.05, 2.0, 7.77])
    one = GivenSpikes(8, delay=0.5, kernel=Exponential(2.0))
    names = [one.key(f"time{place}") for place in range(8)]
    table = one.columns(times)

    def conductance(values: jax.Array) -> jax.Array:
        params = {name: values[at : at + 1] for at, name in enumerate(names)}
        return driven(one, np.zeros(100), 0.1, params)[one.key("g")][:, 0]

    at = jnp.array([table[name] for name in names])
    ends = 0.1 * np.arange(1, 101)
    since = ends[:, None] - (times + 0.5)
    wanted = np.where(since >= -1e-12, np.exp(-since / 2.0), 0.0)
    found = conductance(at)
    np.testing.assert_allclose(found[:15], wanted.sum(axis=1)[:15], atol=1e-12)
    np.testing.assert_allclose(found[16:], wanted.sum(axis=1)[16:], atol=1e-12)
    last = lambda values: conductance(values)[-1]
    slopes = jax.grad(last)(at)
    np.testing.assert_allclose(slopes[:6], wanted[-1] / 2.0, rtol=1e-10)
    np.testing.assert_allclose(jax.jacfwd(last)(at), slopes, rtol=1e-10, atol=1e-14)


def test_given_spikes_keep_time_over_a_second_in_float32():
    """40,000 steps, whose sum in float32 would be off by 0.4 ms."""
    one = GivenSpikes(1, kernel=Exponential(2.0))
    params = {one.key("time0"): jnp.array([999.5], jnp.float32), one.key("delay"): jnp.zeros(1, jnp.float32)}
    seen = driven(one, np.zeros(40_000, np.float32), 0.025, params)[one.key("g")][:, 0]
    first = int(np.argmax(np.asarray(seen) > 0))
    assert 0.025 * first <= 999.5 + 0.026
    assert 0.025 * (first + 1) >= 999.5 - 0.001


def test_given_spikes_drive_a_cell_with_itself_as_sender():
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    net = jx.Network([cell])
    one = GivenSpikes(2, effect=Current(iS=0.01))
    comp = net.cell(0).branch(0).comp(0)
    connect(comp, comp, one)
    for key, value in one.columns(rv.Spikes([1.0, 3.0], [0, 0], size=1)).items():
        net.set(key, value)
    comp.record("v", verbose=False)
    net.make_trainable(one.key("time1"), verbose=False)
    area = float(net.nodes["area"].iloc[0])

    @jax.jit
    def last(time: jax.Array) -> jax.Array:
        return jx.integrate(net, params=[{one.key("time1"): time[None]}], t_max=10.0)[0, -1]

    charge = 0.01 * 2.0 * (2.0 - np.exp(-(10.0 - 1.0) / 2.0) - np.exp(-(10.0 - 3.0) / 2.0))  # nA ms, without a leak
    rise = charge * 1e-3 / (area * 1e-8 * 1.0)  # over 1 uF/cm2, in mV
    assert float(last(jnp.asarray(3.0))) == pytest.approx(-70.0 + rise, abs=abs(rise) * 5e-3)
    slope = float(jax.grad(last)(3.0))
    difference = float(last(jnp.asarray(3.0 + 1e-5)) - last(jnp.asarray(3.0 - 1e-5))) / 2e-5
    assert slope == pytest.approx(difference, rel=1e-7)


def test_spike_times_in_the_wrong_form():
    one = GivenSpikes(2)
    with pytest.raises(ValueError, match="3 spikes, but only 2 places"):
        one.columns([1.0, 2.0, 3.0])
    for wrong in ([-1.0], [np.nan], np.zeros((1, 1, 1))):
        with pytest.raises(ValueError, match="`times` must be known times >= 0"):
            one.columns(wrong)
    with pytest.raises(ValueError, match="population of known size"):
        one.columns(rv.Spikes([1.0], [0]))
    assert one.columns(rv.Spikes([1.0, 2.0], [1, 1], size=2))["GivenSpikes2_time1"].tolist() == [np.inf, 2.0]


# A LIF cell that resets between steps


def lif_times(dt: float, current: float = 2e-3) -> tuple[np.ndarray, np.ndarray]:
    """Times of the first three spikes of a constant current (nA), and their derivatives (ms/nA)."""
    net = two_cells(synapse(), sender=LIF(gLeak=1e-4, eLeak=-70.0, v_th=-50.0, v_reset=-70.0), dt=dt, t_end=60.0)
    net.delete_recordings()
    net.delete_stimuli()
    net.cell(0).set("v", -70.0)
    net.cell(0).branch(0).comp(0).record("v", verbose=False)
    steps = round(60.0 / dt)

    def times(amplitude: jax.Array) -> jax.Array:
        stimulus = net.cell(0).branch(0).comp(0).data_stimulate(amplitude * jnp.ones(steps), None)
        v = jx.integrate(net, data_stimuli=stimulus, delta_t=dt)[0]
        return crossing_times(v, -50.0, dt, max_spikes=20)[:3]

    both = jax.jit(lambda amplitude: (times(amplitude), jax.jacfwd(times)(amplitude)))
    found, slope = both(current)
    return np.array(found), np.array(slope)


def test_lif_spikes_and_their_derivatives_have_closed_forms():
    area = 2 * np.pi * 1.0 * 10.0 * 1e-8  # cm2, of Jaxley's compartment
    drive = 2e-3 * 1e-6 / area / 1e-4  # mA/cm2 over S/cm2: mV above the leak
    tau, gap = 10.0, 20.0
    one = -tau * np.log(1 - gap / drive)
    slope = -tau * gap / drive / (1 - gap / drive) / 2e-3
    for dt, bound in ((0.025, 4e-3), (0.0125, 2e-3)):
        times, slopes = lif_times(dt)
        np.testing.assert_allclose(times, one * np.arange(1, 4), rtol=bound)
        np.testing.assert_allclose(slopes, slope * np.arange(1, 4), rtol=bound)


# What does not fit is refused


def test_names_tell_apart_what_jaxley_would_merge():
    assert DelayedSynapse(queue=FifoQueue(8)).name == "DelayedSynapse8"
    assert DelayedSynapse(kernel=DoubleExponential(), effect=Current()).name == "DelayedSynapseDoubleCurrent4"
    assert DelayedSynapse(name="fast").change_name("slow").name == "slow4"
    assert "slow4_delay" in DelayedSynapse(name="fast").change_name("slow").synapse_params
    assert GivenSpikes(3, effect=Current()).name == "GivenSpikesCurrent3"


def test_both_orders_of_arguments_are_understood():
    one = DelayedSynapse(2.0)
    states = {name: jnp.array(value) for name, value in one.synapse_states.items()}
    params = {name: jnp.array(value) for name, value in one.synapse_params.items()}
    v = jnp.array(-60.0)
    old = one.update_states(states, 0.1, v, v, params)
    assert old == one.update_states(states, params, v, v, {}, {}, {}, {}, 0.1)
    assert one.compute_current(old, v, v, params) == one.compute_current(old, params, v, v, {}, {}, {}, {}, 0.1)
    with pytest.raises(TypeError, match="This version of Jaxley is not known"):
        one.update_states(states, 0.1)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`queue` must not be a RingQueue"):
        DelayedSynapse(queue=RingQueue(5.0, 0.1))
    for wrong in ({"delay": -1.0}, {"delay": np.inf}, {"v_th": np.nan}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            DelayedSynapse(**wrong)
    with pytest.raises(ValueError, match="`capacity` must be a whole number"):
        GivenSpikes(0)
    with pytest.raises(ValueError, match="`v_reset` must be below `v_th`"):
        LIF(v_th=-80.0)
    with pytest.raises(ValueError, match="crosses the threshold 2 times"):
        crossing_times(jnp.array([-1.0, 1.0, -1.0, 1.0]), 0.0, 0.1, max_spikes=1)


def test_senders_that_hide_their_spikes_are_refused():
    net = two_cells(DelayedSynapse(), sender=Fire())
    with pytest.raises(ValueError, match=r"compartment 0 has the channel Fire, .* Use ranvier.interop.jaxley.LIF"):
        check(net)
    net = two_cells(DelayedSynapse(), sender=LIF())
    check(net)
    net.set("DelayedSynapse4_delay", -1.0)
    with pytest.raises(ValueError, match="`DelayedSynapse4_delay` must be >= 0"):
        check(net)


PROBE = """
import jax
before = dict(jax.config.values)
import ranvier.interop.jaxley
from jax._src import xla_bridge
assert {k: v for k, v in jax.config.values.items()} == before
assert not xla_bridge._backends
"""


def test_the_import_changes_no_setting_and_starts_nothing():
    subprocess.run([sys.executable, "-c", PROBE], check=True, timeout=100)
