"""Coincidences, borders and extremes, each against the oracle and for several windows."""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import networks
import oracle
import ranvier as rv

WINDOWS = (None, 2.0, 1.0, 0.5, 0.25, 0.1)
FEW = (None, 1.0, 0.1)
"""Where nothing happens at the edge of a window; each is a program."""
Train = list[tuple[float, int]]


def wire(*links: rv.Connection, **models: rv.LIF | rv.LI) -> rv.Network:
    """A network of the given connections; populations without a model are inputs."""
    sizes: dict[str, int] = {}
    for link in links:
        sizes[link.pre], sizes[link.post] = link.weight.shape
    inputs = {name: size for name, size in sizes.items() if name not in models}
    return build.network(inputs, models, {name: sizes[name] for name in models}, links)


def join(pre: str, post: str, weight: Sequence, delay: float | Sequence = 0.0) -> rv.Connection:
    """A connection with fixed delays."""
    return rv.Connection(pre, post, jnp.asarray(weight, float), rv.FixedDelay(jnp.asarray(delay, float)))


def spikes_of(*train: tuple[float, int]) -> rv.Spikes:
    """An input train; sorted."""
    ordered = sorted(train)
    return rv.Spikes(jnp.asarray([t for t, _ in ordered], float), jnp.asarray([unit for _, unit in ordered], jnp.int32))


def agree(
    network: rv.Network,
    spikes: rv.Spikes | dict[str, rv.Spikes],
    t_end: float,
    record: dict[str, list[float]] | None = None,
    *,
    windows: Sequence[float | None] = FEW,
    tolerance: float = 1e-9,
) -> oracle.OracleResult:
    """Compare with the oracle, for some windows; returns what the oracle says."""
    trains = {network.inputs[0]: spikes} if isinstance(spikes, rv.Spikes) else spikes
    times = {name: np.asarray(at) for name, at in (record or {}).items()}
    case = networks.Case(0, "", network, trains, times, None, t_end)
    expected = networks.ask(case)
    for window in windows:
        simulator = rv.EventDriven(window=window, max_spikes=400)
        solution = rv.simulate(network, trains, simulator, t_end=t_end, record=times)
        errors = networks.compare(solution, expected)
        assert max(errors.values()) < tolerance, (window, errors)
    return expected


def test_tied_input_spikes():
    network = wire(join("input", "output", [[0.9, -1.0], [1.5, 4.0], [2.0, 0.6]]), output=rv.LIF(8.0, 3.0))
    result = agree(network, spikes_of((1.0, 0), (1.0, 1), (1.0, 2), (4.0, 2), (4.0, 2), (4.0, 1)), 30.0)
    assert len(result.spikes["output"]) > 1


def test_tied_spikes_of_two_neurons():
    """Equal neurons fire at one instant; both reach the output, at one instant."""
    network = wire(
        join("input", "hidden", [[5.0, 5.0, 5.0]], 0.3), join("hidden", "output", [[2.0], [3.0], [-1.0]], 0.7),
        hidden=rv.LIF(8.0, 3.0), output=rv.LIF(8.0, 3.0),
    )  # fmt: skip
    result = agree(network, spikes_of((1.0, 0), (7.0, 0)), 40.0)
    times = [time for time, _ in result.spikes["hidden"]]
    assert times[0] == times[1] == times[2]
    assert [unit for _, unit in result.spikes["hidden"][:3]] == [0, 1, 2]
    assert result.spikes["output"]


def test_arrivals_of_opposite_sign_at_one_instant_cancel():
    network = wire(join("input", "output", [[50.0], [-50.0]], [[2.5], [1.0]]), output=rv.LIF())
    assert agree(network, spikes_of((1.0, 0), (2.5, 1)), 30.0).spikes["output"] == []


def test_silent_outputs():
    network = wire(join("input", "output", [[0.1, 0.2]]), output=rv.LIF())
    spikes = spikes_of((1.0, 0), (2.0, 0))
    assert agree(network, spikes, 30.0).spikes["output"] == []
    solution = rv.simulate(network, spikes, rv.EventDriven(), t_end=30.0)
    assert int(solution.stats.silent["output"]) == 2
    assert "silent={'output': Array(2, dtype=int32)}" in str(solution.stats)
    assert rv.first_spike(solution.spikes["output"]).tolist() == [math.inf, math.inf]
    assert set(solution.spikes["output"].unit.tolist()) == {-1}


@pytest.mark.parametrize("delay", [0.0, 0.4, 1.0, 2.4])
def test_spikes_on_window_edges(delay: float):
    """The prototype lost the spike at 0.6 with a window of 0.1."""
    times = [0.0, 0.1, 0.3, 0.6, 0.7, 1.0, 1.2, 1.4, 1.9, 2.0, 2.5, 3.0, 4.0, 5.6, 8.0, 9.6, 10.0]
    network = wire(
        join("input", "output", [[1.1, 0.7], [0.4, 1.6]], delay), join("output", "readout", [[1.0], [1.0]], delay),
        output=rv.LIF(6.0, 3.0), readout=rv.LI(6.0, 3.0),
    )  # fmt: skip
    spikes = spikes_of(*((time, n % 2) for n, time in enumerate(times)))
    for t_end in (9.6, 11.3):
        kept = rv.Spikes(spikes.time[spikes.time <= t_end], spikes.unit[spikes.time <= t_end])
        record = {"readout": [0.0, 0.6, 1.0, 2.0, 9.5, 9.6], "output": [0.0, 1.0, 4.0]}
        agree(network, kept, t_end, record, windows=WINDOWS)


@pytest.mark.parametrize("kind", ["synaptic", "axonal", "dendritic", "uniform"])
def test_arrivals_on_window_edges(kind: str):
    """Sums of times and delays that lie on an edge in exact, but not in rounded, arithmetic; and just beside it."""
    rng = np.random.default_rng(3)
    shape = {"synaptic": (4, 3), "axonal": (4, 1), "dendritic": (1, 3), "uniform": (1, 1)}[kind]
    grid = rng.integers(0, 30, shape) / 10 + rng.choice([0.0, 1e-15, -1e-16, 1e-13], shape)
    network = wire(join("input", "output", rng.normal(0.6, 0.5, (4, 3)), np.abs(grid)), output=rv.LIF(6.0, 3.0))
    times = np.sort(rng.integers(0, 150, 40) / 10)
    spikes = rv.Spikes(jnp.asarray(times), jnp.asarray(rng.integers(0, 4, 40), jnp.int32))
    assert agree(network, spikes, 20.0, windows=WINDOWS).spikes["output"]


def test_an_output_spike_on_a_window_edge():
    """A current step crosses threshold at exactly 1, 2 and 4 ms, up to rounding; three populations in a row."""
    weights = [1.0 / oracle.response(time, 20.0, 20.0) for time in (1.0, 2.0, 4.0)]
    network = wire(
        join("input", "first", [weights]), join("first", "second", 40.0 * np.eye(3)),
        join("second", "third", np.eye(3)), first=rv.LIF(20.0, 20.0, refractory=jnp.inf),
        second=rv.LIF(20.0, 20.0, refractory=jnp.inf), third=rv.LIF(20.0, 20.0),
    )  # fmt: skip
    result = agree(network, spikes_of((0.0, 0)), 8.0, windows=(1.0, 0.5, 0.25, 0.125, 2.0))
    np.testing.assert_allclose([time for time, _ in result.spikes["first"]], [1.0, 2.0, 4.0], atol=1e-9)


def test_spikes_at_the_beginning_and_at_the_end():
    network = wire(join("input", "output", [[60.0]]), output=rv.LIF(6.0, 3.0))
    for t_end in (8.0, 10.0, 10.3):
        result = agree(network, spikes_of((0.0, 0), (t_end, 0)), t_end, {"output": [0.0, t_end]})
        assert result.spikes["output"][0][0] < 0.2


def test_an_output_spike_at_the_very_end():
    """`t_end` is a time at which a neuron crosses threshold: that spike belongs to the run."""
    network = wire(join("input", "output", [[6.0]]), output=rv.LIF(6.0, 3.0))
    first = float(rv.simulate(network, spikes_of((0.3, 0)), rv.EventDriven(), t_end=9.0).spikes["output"].time[0])
    for t_end, count in ((first - 1e-9, 0), (first + 1e-9, 1)):
        assert len(agree(network, spikes_of((0.3, 0)), t_end).spikes["output"]) == count


def test_events_due_exactly_at_the_end_are_delivered_whatever_the_window():
    for t_end, delay in ((10.0, 2.0), (10.3, 2.3), (8.0, 0.0), (9.5, 9.5)):
        network = wire(join("input", "output", [[1.0]], delay), output=rv.LIF())
        found = agree(network, spikes_of((t_end - delay, 0)), t_end, windows=WINDOWS)
        assert found.in_flight["output"] == 0


def test_zero_weights():
    network = wire(join("input", "output", np.zeros((2, 2)), 1.0), output=rv.LIF())
    assert agree(network, spikes_of((1.0, 0), (2.0, 1)), 10.0, {"output": [5.0]}).voltages["output"] == [[0.0, 0.0]]


def test_zero_delays_through_two_layers_in_one_window():
    strong = rv.LIF(6.0, 3.0, refractory=jnp.inf)
    network = wire(
        join("input", "first", [[300.0, 200.0]]), join("first", "second", np.full((2, 2), 250.0)),
        join("second", "third", np.full((2, 1), 400.0)), first=strong, second=strong, third=strong,
    )  # fmt: skip
    result = agree(network, spikes_of((0.05, 0)), 20.0)
    assert result.spikes["third"][0][0] < 0.25


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("beyond", [1e-3, 1e-6, 1e-9, -1e-9, -1e-6, -1e-3])
def test_grazing_spikes(ratio: float, beyond: float):
    """A peak just above the threshold is a spike, one just below is not."""
    tau_mem, tau_syn = 4.0 * ratio, 4.0
    peak = oracle.response(oracle.time_to_peak(0.0, 1.0, tau_mem, tau_syn), tau_mem, tau_syn)
    network = wire(join("input", "output", [[(1.0 + beyond) / peak]], 0.3), output=rv.LIF(tau_mem, tau_syn))
    steep = math.sqrt(abs(beyond))  # dt = dV / V', and V' is of this order
    result = agree(network, spikes_of((1.0, 0)), 40.0, tolerance=max(1e-9, 1e-13 / steep))
    assert len(result.spikes["output"]) == (1 if beyond > 0 else 0)


def test_the_end_may_come_before_the_last_arrival():
    network = wire(join("input", "output", [[1.0, 1.0]], [[1.0, 40.0]]), output=rv.LIF())
    result = agree(network, spikes_of((1.0, 0), (9.5, 0)), 10.0)
    assert result.in_flight["output"] == 3


def test_empty_trains():
    network = wire(join("input", "output", [[1.0]], 1.0), output=rv.LIF(v_leak=0.2))
    for time in (jnp.full(3, jnp.inf), jnp.zeros(0)):
        spikes = rv.Spikes(time, jnp.full(time.shape, -1, jnp.int32))
        result = agree(network, spikes, 10.0, {"output": [0.0, 10.0]})
        assert result.voltages["output"] == [[0.2], [0.2]]
    some = rv.Spikes(jnp.array([[jnp.inf, jnp.inf], [1.0, jnp.inf]]), jnp.array([[-1, -1], [0, -1]]))
    found = rv.simulate(network, some, rv.EventDriven(), t_end=10.0, record={"output": [9.0]})
    assert found.voltages["output"][0, 0, 0] == 0.2
    assert found.voltages["output"][1, 0, 0] > 0.2


def test_delays_longer_than_the_run():
    network = wire(join("input", "output", [[9.0, 9.0]], [[500.0, 1e6]]), output=rv.LIF())
    result = agree(network, spikes_of((1.0, 0), (2.0, 0)), 10.0)
    assert result.in_flight["output"] == 4
    delay = rv.SynapticDelay(jnp.array([[500.0, 3.0]]), bound=rv.delays.Clip())
    learn, fixed = rv.partition(wire(rv.Connection("input", "output", jnp.ones((1, 2)), delay), output=rv.LI()))

    def potential(learn: rv.Network) -> jnp.ndarray:
        solution = rv.simulate(rv.combine(learn, fixed), spikes_of((1.0, 0)), rv.EventDriven(), t_end=10.0,
                               record={"output": [9.0]})  # fmt: skip
        return jnp.sum(solution.voltages["output"])

    slope = jax.grad(potential)(learn).connections[0]
    assert (slope.weight[0, 0], slope.delay.raw[0, 0]) == (0.0, 0.0)
    assert slope.weight[0, 1] > 0
    assert np.isfinite(slope.delay.raw[0, 1])


@pytest.mark.parametrize(("delay", "window"), [(30.0, 0.25), (90.0, 0.25), (150.0, 0.25), (260.0, 0.25), (9.0, 8.0)])
@pytest.mark.parametrize("own", [False, True])
def test_very_long_delays(delay: float, window: float, own: bool):
    """Delays of up to 1040 windows: spikes are looked up in groups of windows. Gradients too."""
    rng = np.random.default_rng(int(delay))
    tau = jnp.asarray(rng.uniform(6.0, 8.0, 4)) if own else 7.0
    network = wire(
        rv.Connection("input", "hidden", jnp.asarray(rng.normal(1.5, 1.0, (6, 4))),
                      rv.SynapticDelay(rng.uniform(0.0, delay, (6, 4)), 0.0, delay, rv.delays.Clip())),
        rv.Connection("hidden", "hidden", jnp.asarray(rng.normal(0.0, 1.0, (4, 4))),
                      rv.SynapticDelay(rng.uniform(1.0, delay, (4, 4)), 1.0, delay, rv.delays.Clip())),
        hidden=rv.LIF(tau, 4.0),
    )  # fmt: skip
    t_end = 3 * delay + 20.0
    spikes = networks.train(rng, 6, 60, t_end)
    assert agree(network, spikes, t_end, windows=(window, 8 * window)).spikes["hidden"]
    learn, fixed = rv.partition(network)

    def total(learn: rv.Network, window: float) -> jnp.ndarray:
        simulator = rv.EventDriven(window=window, max_spikes=400)
        times = rv.simulate(rv.combine(learn, fixed), spikes, simulator, t_end=t_end).spikes["hidden"].time
        return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0))

    fine, coarse = jax.grad(total)(learn, window), jax.grad(total)(learn, 1.0)
    for one, other in zip(jax.tree.leaves(fine), jax.tree.leaves(coarse), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8 * np.max(np.abs(other)))


@pytest.mark.parametrize("kind", ["synaptic", "axonal", "dendritic", "uniform"])
def test_many_simultaneous_arrivals(kind: str):
    """A thousand inputs arrive at one instant, on a window's edge; and as many again at random."""
    rng = np.random.default_rng(0)
    shape = {"synaptic": (1000, 2), "axonal": (1000, 1), "dendritic": (1, 2), "uniform": (1, 1)}[kind]
    network = wire(
        join("input", "output", rng.normal(0.02, 0.1, (1000, 2)), np.full(shape, 2.0)), output=rv.LIF(9.0, 4.0)
    )
    train = [(3.0, unit) for unit in range(1000)] + [(float(t), unit) for unit, t in enumerate(rng.uniform(4, 6, 1000))]
    assert agree(network, spikes_of(*train), 30.0, windows=(None, 2.0, 0.25), tolerance=1e-9).spikes["output"]


def test_bursts_of_many_spikes_in_one_window():
    network = wire(join("input", "output", [[400.0, 40.0]]), join("output", "readout", [[0.3], [0.2]], 0.5),
                   output=rv.LIF(5.0, 5.0), readout=rv.LI(5.0, 5.0))  # fmt: skip
    result = agree(network, spikes_of((1.0, 0)), 10.0, {"readout": [3.0, 9.0]})
    assert sum(time < 1.5 for time, _ in result.spikes["output"]) > 20


def test_several_inputs_and_two_connections_between_the_same_populations():
    network = wire(
        join("left", "output", [[0.8, 1.2]], 0.5), join("left", "output", [[1.1, 0.3]], 4.0),
        join("right", "output", [[-0.4, 0.9], [0.6, 0.2]], [[1.0], [2.0]]), output=rv.LIF(8.0, 4.0),
    )  # fmt: skip
    trains = {"right": spikes_of((2.0, 0), (3.0, 1)), "left": spikes_of((0.0, 0), (1.0, 0), (6.0, 0))}
    assert agree(network, trains, 30.0).spikes["output"]


def test_populations_may_be_named_in_any_order():
    """Results come by name; the running order is found."""
    late = join("input", "aa", [[9.0]]), join("aa", "zz", [[9.0]]), join("zz", "mm", [[9.0]])
    models = {"mm": rv.LIF(), "zz": rv.LIF(), "aa": rv.LIF()}
    network = wire(*reversed(late), **models)
    result = agree(network, spikes_of((1.0, 0), (2.0, 0), (3.0, 0)), 60.0)
    assert [bool(result.spikes[name]) for name in ("aa", "zz", "mm")] == [True, True, True]


@pytest.mark.parametrize(("pre", "post"), [(1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize("kind", [rv.SynapticDelay, rv.AxonalDelay, rv.DendriticDelay])
def test_populations_of_one_neuron(pre: int, post: int, kind: type):
    """Delays of shape (1, 1), (n, 1) and (1, n) are all kinds at once; gradients keep their shapes."""
    rng = np.random.default_rng(pre + 2 * post)
    shape = {"SynapticDelay": (pre, post), "AxonalDelay": (pre, 1), "DendriticDelay": (1, post)}[kind.__name__]
    link = rv.Connection("input", "output", jnp.asarray(rng.uniform(1.0, 3.0, (pre, post))),
                         kind(rng.uniform(0.5, 3.0, shape), 0.0, 5.0, rv.delays.Clip()))  # fmt: skip
    network = wire(link, output=rv.LIF(8.0, 4.0))
    spikes = spikes_of(*((1.0 + n, n % pre) for n in range(6)))
    assert agree(network, spikes, 30.0).spikes["output"]
    learn, fixed = rv.partition(network)
    first = lambda learn: (
        rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(), t_end=30.0).spikes["output"].time[0]
    )
    found = jax.grad(first)(learn).connections[0]
    assert found.delay.raw.shape == shape
    owner = int(rv.simulate(network, spikes, rv.EventDriven(), t_end=30.0).spikes["output"].unit[0])
    assert float(found.delay.raw[:, min(owner, shape[1] - 1)].sum()) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("low", [1.0, 0.5, 0.3])
def test_cycles_with_delays_at_their_bound(low: float):
    loop = rv.SynapticDelay(jnp.full((2, 2), low), low, 5.0, rv.delays.Clip())
    network = wire(join("input", "hidden", [[4.0, 3.0]]),
                   rv.Connection("hidden", "hidden", jnp.array([[0.0, 4.0], [4.5, 0.0]]), loop),
                   hidden=rv.LIF(6.0, 3.0, refractory=1.0))  # fmt: skip
    assert len(agree(network, spikes_of((1.0, 0), (2.0, 0)), 20.0).spikes["hidden"]) > 4


def test_a_delay_a_hair_below_its_bound_loses_no_event():
    """An optimiser's rounding may leave a delay below its bound, by less than what is refused."""
    loop = rv.SynapticDelay(jnp.full((1, 1), 1.0 - 8e-7), 1.0, 5.0, rv.delays.Clip())
    feedback = rv.Connection("hidden", "hidden", jnp.array([[0.5]]), loop)
    network = wire(join("input", "hidden", [[9.0]]), feedback, hidden=rv.LIF(6.0, 3.0, refractory=0.5))
    first = agree(network, spikes_of((0.0, 0)), 20.0, tolerance=1e-5).spikes["hidden"][0][0]
    just_after_an_edge = 2.0 + 3e-7 - first
    result = agree(network, spikes_of((just_after_an_edge, 0)), 20.0, {"hidden": [19.0]}, tolerance=1e-5)
    assert 2.0 < result.spikes["hidden"][0][0] < 2.0 + 4e-7


def test_a_refractory_period_that_ends_at_a_record_an_arrival_or_the_end():
    first = float(rv.simulate(wire(join("input", "output", [[12.0]]), output=rv.LIF(6.0, 3.0)), spikes_of((1.0, 0)),
                              rv.EventDriven(), t_end=20.0).spikes["output"].time[0])  # fmt: skip
    network = wire(join("input", "output", [[12.0], [3.0]]), output=rv.LIF(6.0, 3.0, refractory=2.0, v_reset=-0.25))
    ends = first + 2.0
    result = agree(
        network, spikes_of((1.0, 0), (ends, 1)), 20.0, {"output": [first + 1e-9, first + 1.0, ends, ends + 1e-6]}
    )
    np.testing.assert_allclose([row[0] for row in result.voltages["output"]][:3], -0.25, atol=1e-12)
    agree(network, spikes_of((1.0, 0)), ends, {"output": [ends]})


def test_records_at_one_instant_and_at_spikes():
    network = wire(join("input", "output", [[12.0, 6.0]]), output=rv.LIF(6.0, 3.0, v_reset=-0.5))
    first = agree(network, spikes_of((1.0, 0)), 20.0).spikes["output"][0][0]
    solution = rv.simulate(network, spikes_of((1.0, 0)), rv.EventDriven(), t_end=20.0,
                           record={"output": [1.0, 1.0, first + 1e-12, 20.0, 20.0]})  # fmt: skip
    seen = np.asarray(solution.voltages["output"])
    np.testing.assert_array_equal(seen[0], seen[1])
    np.testing.assert_array_equal(seen[3], seen[4])
    assert seen[2, 0] == pytest.approx(-0.5, abs=1e-9)


def test_an_infinite_train_of_reset_is_cut_short():
    """Net excitation that runs away ends, with a count, and does not hang."""
    loop = rv.SynapticDelay(jnp.full((2, 2), 1.0), 0.5, 5.0)
    feedback = rv.Connection("hidden", "hidden", jnp.full((2, 2), 9.0), loop)
    network = wire(join("input", "hidden", [[9.0, 9.0]]), feedback, hidden=rv.LIF(6.0, 3.0))
    with pytest.raises(RuntimeError, match="more spikes than fit"):
        rv.simulate(network, spikes_of((1.0, 0)), rv.EventDriven(), t_end=100.0)
