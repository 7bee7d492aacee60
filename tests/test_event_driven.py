"""Forward results of `EventDriven` against the oracle, and what they must not depend on."""

import math
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import networks
import ranvier as rv

WINDOWS = (None, 2.0, 1.0, 0.5, 0.25, 0.1)
CHUNKS, PER_CHUNK, FORMS = 8, 12, 3
TOLERANCE = {"time": 1e-9, "voltage": 1e-9}


def run(case: networks.Case, simulator: rv.EventDriven, **options: object) -> rv.Solution:
    """Simulate a case."""
    return rv.simulate(case.network, case.spikes, simulator, t_end=case.t_end, record=case.record, **options)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_spikes_and_potentials_agree_with_the_oracle(chunk: int, record_property: Callable[[str, object], None]):
    """Times, order, potentials and events in flight, whatever the window: 96 networks of 24 structures."""
    worst = {"time": 0.0, "voltage": 0.0}
    for seed in range(chunk * PER_CHUNK, (chunk + 1) * PER_CHUNK):
        form = FORMS * chunk + seed % FORMS
        case = networks.draw(seed, form)
        expected = networks.ask(case)
        for window in WINDOWS:
            solution = run(case, rv.EventDriven(max_spikes=40, window=window))
            errors = networks.compare(solution, expected)
            assert all(errors[name] < TOLERANCE[name] for name in errors), f"seed {seed}, {window}: {errors}"
            worst = {name: max(worst[name], errors[name]) for name in worst}
    record_property("oracle", worst)


@pytest.mark.parametrize("longest", [30.0, 150.0])
def test_every_spike_of_a_burst_arrives(longest: float):
    """Several spikes of a sender in one window, and more on their way than are at hand at once."""
    rng = np.random.default_rng(0)
    trains = [
        np.linspace(3.0, 5.0, 12),
        np.arange(1.0, 80.0, 1.7),
        np.array([2.1, 20.3, 20.4, 21.6, 40.0, 55.0]),
        np.sort(rng.uniform(0.0, 80.0, 15)),
    ]
    pairs = sorted((float(time), unit) for unit, train in enumerate(trains) for time in train)
    spikes = rv.Spikes(jnp.asarray([time for time, _ in pairs]), jnp.asarray([unit for _, unit in pairs], jnp.int32))
    ends = rv.Population(4), rv.Population(12)
    delay = rv.synaptic(0.0, longest)(*ends, rv.AllToAll(), jnp.float64, key=jax.random.key(0))
    link = rv.Connection("input", "hidden", jnp.asarray(rng.uniform(0.5, 1.5, (4, 12))), delay)
    network = build.network({"input": 4}, {"hidden": rv.LIF(10.0, 4.0)}, {"hidden": 12}, [link])
    case = networks.Case(0, "synaptic", network, {"input": spikes}, {}, None, 160.0)
    solution = run(case, rv.EventDriven(window=1.0, max_spikes=100))
    assert networks.compare(solution, networks.ask(case))["time"] < 1e-9
    assert int(solution.stats.spikes["hidden"]) > 100


def test_a_long_window_is_cut_to_what_the_network_allows():
    case = networks.draw(1)
    errors = networks.compare(run(case, rv.EventDriven(window=1e6, max_spikes=40)), networks.ask(case))
    assert errors["time"] < 1e-9


def narrow(case: networks.Case) -> tuple[networks.Case, networks.Case]:
    """The case in float32, and the same numbers in float64."""

    def cast(tree: object, dtype: type) -> object:
        return jax.tree.map(lambda leaf: leaf.astype(dtype) if leaf.dtype.kind == "f" else leaf, tree)

    single = cast((case.network, case.spikes), jnp.float32)
    record = {name: times.astype(np.float32) for name, times in case.record.items()}
    cases = []
    for network, spikes in (single, cast(single, jnp.float64)):
        cases.append(networks.Case(case.seed, case.kind, network, spikes, record, case.window, case.t_end))
    return cases[0], cases[1]


def value_and_gradient(case: networks.Case) -> tuple[rv.Solution, np.ndarray]:
    """A solution, and the gradient of the sum of its first spikes and potentials."""
    learn, fixed = rv.partition(case.network, "weight", "delay", "v_threshold")

    def loss(learn: rv.Network) -> tuple[jnp.ndarray, rv.Solution]:
        solution = rv.simulate(rv.combine(learn, fixed), case.spikes, rv.EventDriven(max_spikes=40), t_end=case.t_end,
                               record=case.record)  # fmt: skip
        first = rv.first_spike(solution.spikes["hidden"])
        total = jnp.sum(jnp.where(jnp.isfinite(first), first, 0.0))
        return total + sum(jnp.sum(part) for part in solution.voltages.values()), solution

    found, solution = jax.grad(loss, has_aux=True)(learn)
    return solution, np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


@pytest.mark.parametrize("seed", range(0, 66, 6))
def test_float32_is_close_to_float64(seed: int, record_property: Callable[[str, object], None]):
    single, double = narrow(networks.draw(seed, seed // 6 % 4 * 7))  # four structures
    (here, slope), (there, exact) = value_and_gradient(single), value_and_gradient(double)
    worst = 0.0
    for name in here.spikes:
        assert here.spikes[name].time.dtype == jnp.float32
        size = single.network.size(name)
        found, wanted = networks.listed(here.spikes[name]), networks.listed(there.spikes[name])
        for unit in range(size):
            pair = [[time for time, owner in train if owner == unit] for train in (found, wanted)]
            assert len(pair[0]) == len(pair[1])
            worst = max([worst, *(abs(a - b) for a, b in zip(*pair, strict=True))])
    relative = float(np.linalg.norm(slope - exact) / np.linalg.norm(exact))
    record_property("float32", {"time": worst, "gradient": relative})
    assert worst < 1e-4
    assert relative < 1e-3


def test_results_do_not_depend_on_threads():
    """Bit for bit, gradients summed over the batch included."""
    case = networks.draw(9)
    spikes = networks.repeat(case, 11)
    learn, fixed = rv.partition(case.network, "weight", "delay", "v_threshold", "v_reset")

    def loss(learn: rv.Network, threads: int) -> tuple[jnp.ndarray, rv.Solution]:
        solution = rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(threads=threads), t_end=case.t_end,
                               record=case.record)  # fmt: skip
        times = solution.spikes["hidden"].time
        return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0)) + jnp.sum(solution.voltages["readout"]), solution

    results = [jax.grad(loss, has_aux=True)(learn, threads) for threads in (1, 2, 3, 8)]
    for other in results[1:]:
        for one, two in zip(jax.tree.leaves(results[0]), jax.tree.leaves(other), strict=True):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("seed", [6, 9])
def test_a_batch_is_its_samples(seed: int):
    case = networks.draw(seed)
    spikes = networks.repeat(case, 5)
    together = rv.simulate(case.network, spikes, rv.EventDriven(), t_end=case.t_end, record=case.record)
    for n in range(5):
        one = {name: rv.Spikes(train.time[n], train.unit[n]) for name, train in spikes.items()}
        alone = rv.simulate(case.network, one, rv.EventDriven(), t_end=case.t_end, record=case.record)
        part = jax.tree.map(lambda leaf, n=n: leaf if leaf.ndim == 0 else leaf[n], together)
        for found, wanted in zip(jax.tree.leaves(part), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_each_sample_may_have_its_own_record_times():
    case = networks.draw(0)
    times = np.sort(np.random.default_rng(0).uniform(0, case.t_end, (3, 4)))
    spikes = networks.repeat(case, 3)
    found = rv.simulate(case.network, spikes, rv.EventDriven(), t_end=case.t_end, record={"hidden": times})
    for n in range(3):
        one = {name: rv.Spikes(train.time[n], train.unit[n]) for name, train in spikes.items()}
        alone = rv.simulate(case.network, one, rv.EventDriven(), t_end=case.t_end, record={"hidden": times[n]})
        np.testing.assert_array_equal(found.voltages["hidden"][n], alone.voltages["hidden"])


def test_jit_changes_nothing():
    case = networks.draw(5)
    there = jax.jit(lambda network, spikes: rv.simulate(network, spikes, rv.EventDriven(), t_end=case.t_end))
    here = rv.simulate(case.network, case.spikes, rv.EventDriven(), t_end=case.t_end)
    for found, wanted in zip(jax.tree.leaves(there(case.network, case.spikes)), jax.tree.leaves(here), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("seed", [0, 7])
def test_counters_say_what_happened(seed: int):
    case = networks.draw(seed)
    solution, expected = run(case, rv.EventDriven()), networks.ask(case)
    total = 0
    for name, train in solution.spikes.items():
        units = [unit for _, unit in expected.spikes[name]]
        size = case.network.size(name)
        assert int(solution.stats.spikes[name]) == len(units)
        assert int(solution.stats.silent[name]) == size - len(set(units))
        assert int(solution.stats.dropped[name]) == 0
        assert int(solution.stats.guarded[name]) == 0
        assert rv.spike_count(train).tolist() == [units.count(unit) for unit in range(size)]
    for link in case.network.connections:
        sent = len(networks.listed((case.spikes | solution.spikes)[link.pre]))
        total += sent * link.weight.shape[1]
    assert int(solution.stats.events) == total
    assert int(solution.stats.status) == 0
    assert int(solution.stats.in_flight["readout"]) == expected.in_flight["readout"]


def test_spikes_that_do_not_fit_are_counted_and_raised():
    case = networks.draw(0)
    small = rv.EventDriven(max_spikes=1)
    with pytest.raises(RuntimeError, match=r"more spikes than fit.*max_spikes.*\d+ spikes per neuron of 'hidden'"):
        run(case, small)
    stats = run(case, small, throw=False).stats
    assert int(stats.status) == 1
    assert int(stats.spikes["hidden"]) == 6
    assert int(stats.dropped["hidden"]) > 0  # a lost spike reaches nobody: how many follow it is another network's tale
    with pytest.raises(Exception, match="more spikes than fit"):
        jax.block_until_ready(jax.jit(lambda: run(case, small))())


def test_room_is_shared_by_a_population():
    """One busy neuron may take the room of silent ones; one more spike does not fit."""
    weight = jnp.zeros((1, 4)).at[0, 2].set(60.0)
    network = build.network(
        {"input": 1}, {"output": rv.LIF()}, {"output": 4}, [rv.Connection("input", "output", weight)]
    )
    spikes = rv.Spikes([1.0], [0])
    count = int(rv.simulate(network, spikes, rv.EventDriven(), t_end=50.0).stats.spikes["output"])
    room = math.ceil(count / 4)
    assert count > 4
    fits = rv.simulate(network, spikes, rv.EventDriven(max_spikes=room), t_end=50.0).stats
    assert (int(fits.spikes["output"]), int(fits.silent["output"])) == (count, 3)
    lost = rv.simulate(network, spikes, rv.EventDriven(max_spikes=room - 1), t_end=50.0, throw=False).stats
    assert int(lost.spikes["output"]) == 4 * (room - 1)
    assert int(lost.dropped["output"]) >= 1


def test_neurons_far_from_threshold_need_no_exact_path():
    """Readouts included: a population that never spikes is aggregated unless it is recorded."""
    links = [rv.Connection("input", name, jnp.full((2, 3), 0.01), rv.FixedDelay(0.7)) for name in ("quiet", "readout")]
    models = {"quiet": rv.LIF(), "readout": rv.LI()}
    network = build.network({"input": 2}, models, {"quiet": 3, "readout": 3}, links)
    spikes = rv.Spikes([1.0, 2.0, 30.0], [0, 1, 0])
    assert int(rv.simulate(network, spikes, rv.EventDriven(), t_end=50.0).stats.exact) == 0


def test_a_dendritic_delay_is_a_delay_of_the_output():
    rng = np.random.default_rng(2)
    weight, delay = jnp.asarray(rng.normal(1.5, 1.0, (5, 4))), rng.uniform(0.5, 6.0, 4)
    spikes = networks.train(rng, 5, 20, 60.0)

    def times(kind: rv.FixedDelay | rv.DendriticDelay) -> list[np.ndarray]:
        link = rv.Connection("input", "output", weight, kind)
        network = build.network({"input": 5}, {"output": rv.LIF(10.0)}, {"output": 4}, [link])
        train = rv.simulate(network, spikes, rv.EventDriven(), t_end=100.0).spikes["output"]
        return [np.asarray(train.time)[np.asarray(train.unit) == unit] for unit in range(4)]

    plain, delayed = (
        times(rv.FixedDelay(0.0)),
        times(rv.DendriticDelay(delay[None, :], bound=rv.delays.Clip())),
    )
    assert sum(map(len, plain)) > 4
    for unit in range(4):
        np.testing.assert_allclose(delayed[unit], plain[unit] + delay[unit], rtol=0, atol=1e-11)


def test_events_of_no_weight_change_nothing():
    case = networks.draw(1)
    before = run(case, rv.EventDriven(window=1.0))
    links = [
        rv.Connection("extra", "hidden", jnp.zeros((2, 6)), rv.FixedDelay(0.3)),
        *case.network.connections,
    ]
    inputs = build.input_sizes(case.network) | {"extra": 2}
    network = build.network(inputs, case.network.neurons, build.neuron_sizes(case.network), links)
    spikes = case.spikes | {"extra": networks.train(np.random.default_rng(0), 2, 25, 100.0)}
    after = rv.simulate(network, spikes, rv.EventDriven(window=1.0), t_end=case.t_end, record=case.record)
    for name in before.spikes:
        np.testing.assert_allclose(after.spikes[name].time, before.spikes[name].time, rtol=0, atol=1e-11)
        np.testing.assert_array_equal(after.spikes[name].unit, before.spikes[name].unit)
    np.testing.assert_allclose(after.voltages["readout"], before.voltages["readout"], rtol=0, atol=1e-12)


@hypothesis.settings(max_examples=12)
@hypothesis.given(order=st.permutations(range(6)))
def test_permuting_neurons_permutes_results(order: list[int]):
    case = networks.draw(1)
    order = np.asarray(order)

    def permuted(link: rv.Connection) -> rv.Connection:
        rows = order if link.pre == "hidden" else np.arange(link.weight.shape[0])
        columns = order if link.post == "hidden" else np.arange(link.weight.shape[1])
        delay = np.broadcast_to(np.asarray(case.network.delay(link)), link.weight.shape)
        return rv.Connection(link.pre, link.post, link.weight[rows][:, columns], rv.FixedDelay(delay[rows][:, columns]))

    sizes = build.neuron_sizes(case.network)
    links = [permuted(link) for link in case.network.connections]
    network = build.network(build.input_sizes(case.network), case.network.neurons, sizes, links)
    there = rv.simulate(network, case.spikes, rv.EventDriven(), t_end=case.t_end, record=case.record)
    here = run(case, rv.EventDriven())
    np.testing.assert_allclose(there.spikes["hidden"].time, here.spikes["hidden"].time, rtol=0, atol=1e-10)
    count = int(here.stats.spikes["hidden"])
    np.testing.assert_array_equal(order[there.spikes["hidden"].unit[:count]], here.spikes["hidden"].unit[:count])
    np.testing.assert_allclose(there.voltages["hidden"], here.voltages["hidden"][:, order], rtol=0, atol=1e-10)


@hypothesis.settings(max_examples=12)
@hypothesis.given(shift=st.floats(0.0, 30.0))
def test_shifting_all_input_shifts_all_output(shift: float):
    case = networks.draw(1)
    moved = {name: rv.Spikes(train.time + shift, train.unit) for name, train in case.spikes.items()}
    here, there = (rv.simulate(case.network, one, rv.EventDriven(), t_end=250.0) for one in (case.spikes, moved))
    for name in here.spikes:
        np.testing.assert_allclose(there.spikes[name].time, here.spikes[name].time + shift, rtol=0, atol=1e-9)
