"""`ClockDriven` with exact spikes: spikes, potentials and gradients equal to `EventDriven`'s, and to its own differences."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import clocked
import ranvier as rv
from ranvier.checkpoints import scan_in_blocks
from ranvier.clock_driven.merged import FEW, deposit_all, deposit_step, merge
from ranvier.clock_driven.network_step import number_of_steps
from ranvier.clock_driven.timing import Delay, Emitted, Grid, Sparks
from ranvier.dense import dense

EXACT = rv.ClockDriven(dt=0.5, layout=rv.clock_driven.Exact())


@functools.cache
def differentiated(simulator: rv.ClockDriven | rv.EventDriven, *names: str) -> tuple:
    """Value, solution and gradients of the shared loss with respect to named fields, all if none, and input times."""
    net, train = clocked.network(), clocked.spikes()
    learn, rest = rv.partition(net, *names) if names else (net, None)
    run = lambda learn, time: clocked.loss(rv.combine(learn, rest) if names else learn, time, train, simulator)
    (value, solution), gradients = jax.jit(jax.value_and_grad(run, (0, 1), has_aux=True))(learn, train.time)
    return value, solution, gradients


COMMON = ("weight", "delay", "v_threshold", "v_reset", "v_leak", "refractory")


def test_an_exact_layout_gives_the_event_driven_gradients():
    value, solution, (network, times) = differentiated(EXACT)
    wanted, truth, (event_driven, wanted_times) = differentiated(rv.EventDriven(), *COMMON)
    same_solution(solution, truth)
    np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(times, wanted_times, rtol=1e-9, atol=1e-9)
    mine, _ = rv.partition(network, *COMMON)
    for leaf, other in zip(jax.tree.leaves(mine), jax.tree.leaves(event_driven), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-9, atol=1e-9)
    assert int(solution.stats.exact) == math.ceil(clocked.T_END / EXACT.dt) * 8


def test_an_exact_layout_gives_the_same_at_every_dt():
    """Spikes, potentials and the derivative along a line through all parameters, in steps of another length."""
    dt, line = 0.02, direction(None)
    along_it = forward(rv.ClockDriven(dt=dt, layout=rv.clock_driven.Exact()))
    (value, solution), derivative = along_it((clocked.network(), clocked.spikes().time), line, 0.0)
    wanted, truth, _ = differentiated(rv.EventDriven(), *COMMON)
    same_solution(solution, truth)
    np.testing.assert_allclose(value, wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(derivative, along(line), rtol=1e-9)
    assert int(solution.stats.exact) == math.ceil(clocked.T_END / dt) * 8


def same_solution(solution: rv.Solution, truth: rv.Solution) -> None:
    """Spikes, potentials and counters are those of `EventDriven`."""
    assert int(solution.stats.status) == 0
    assert int(truth.stats.spikes["hidden"]) > 40
    np.testing.assert_array_equal(solution.spikes["hidden"].unit, truth.spikes["hidden"].unit)
    np.testing.assert_allclose(solution.spikes["hidden"].time, truth.spikes["hidden"].time, rtol=0, atol=1e-9)
    for name, potential in truth.voltages.items():
        np.testing.assert_allclose(solution.voltages[name], potential, rtol=0, atol=1e-9)
    for field in ("spikes", "silent", "in_flight", "dropped"):
        assert jax.tree.map(int, getattr(solution.stats, field)) == jax.tree.map(int, getattr(truth.stats, field))
    assert int(solution.stats.events) == int(truth.stats.events)


QUEUES = {
    "fifo": rv.queues.FifoQueue(16),
    "sorted": rv.queues.SortedQueue(16),
    "heap": rv.queues.HeapQueue(16),
    "ring": rv.queues.RingQueue(10.0, 0.5, per_step=4),
    "lossy": rv.queues.LossyQueue(16),
}


@pytest.mark.parametrize(("shape", "dtype", "low"), [((4, 3), jnp.float32, 0.5), ((4, 1), jnp.float64, 0.0)])
def test_every_queue_delivers_what_the_exact_layout_does(shape: tuple[int, int], dtype: type, low: float):
    """Random spikes, two of a neuron in some steps: arrivals of every step, and their gradients.

    With delays below a step the receivers run after the senders.
    """
    rng = np.random.default_rng(4)
    offset = np.sort(np.where(rng.random((60, 2, 3, 4)) < 0.15, rng.uniform(0.0, 0.5, (60, 2, 3, 4)), np.inf), axis=1)
    values = {"weight": rng.normal(size=(4, 3)), "delay": rng.uniform(low, 9.5, shape), "offset": offset}
    grid = Grid(0.5, jnp.asarray(0.5, dtype))

    def outcome(layout: rv.clock_driven.AbstractLayout, values: dict[str, jax.Array]) -> tuple[jax.Array, tuple]:
        kind = rv.AxonalDelay if shape[1] == 1 else rv.SynapticDelay
        link = rv.Connection("a", "b", values["weight"], kind(values["delay"], low, 9.5))
        net = rv.Network({"a": rv.Population(4), "b": rv.Population(3, rv.LIF())}, [link])
        route = layout.route(dense(net)[0], grid, valued=False)

        def step(state: tuple, given: tuple) -> tuple:
            sent = given[0], Emitted(given[1])
            state, lost = route.push(state, *sent) if low == 0.0 else (state, 0)
            state, found = route.due(state, given[0])
            state, lost = route.push(state, *sent) if low > 0.0 else (state, lost)
            return state, (found.times, found.weights, found.lost + lost)

        _, (times, weights, lost) = jax.lax.scan(
            step, route.empty(3), (jnp.arange(60, dtype=jnp.int32), values["offset"])
        )
        here = jnp.isfinite(times)
        total = jnp.sum(jnp.sin(jnp.where(here, times, 0.0)) * weights)
        return total, (jnp.where(here, times, -1.0), weights, lost)

    cast = {name: jnp.asarray(value, dtype) for name, value in values.items()}
    run = jax.jit(lambda values: {name: jax.value_and_grad(functools.partial(outcome, layout), has_aux=True)(values)
                                  for name, layout in layouts.items()})  # fmt: skip
    layouts = {
        "exact": rv.clock_driven.Exact(),
        **{name: rv.clock_driven.Queued(queue) for name, queue in QUEUES.items()},
    }
    found = run(cast)
    (_, truth), slopes = found.pop("exact")
    assert int(truth[2].sum()) == 0
    assert int((truth[0] >= 0).sum()) > 400
    close = functools.partial(np.testing.assert_allclose, rtol=0, atol=1e-12 if dtype == jnp.float64 else 1e-4)
    for (_, mine), gradient in found.values():
        jax.tree.map(close, mine, truth)
        jax.tree.map(close, gradient, slopes)


def test_what_a_queue_loses_raises_or_is_counted():
    """Spikes of one neuron on a line of 20 ms to two others: a queue of one place holds one of them."""
    links = [
        rv.Connection("input", "first", jnp.full((1, 1), 30.0)),
        rv.Connection("first", "second", jnp.full((1, 2), 30.0), rv.FixedDelay(20.0)),
    ]
    models = {"first": rv.LIF(refractory=1.0), "second": rv.LIF(refractory=math.inf)}
    net = build.network({"input": 1}, models, {"first": 1, "second": 2}, links)
    train = rv.Spikes([1.0], [0])

    def run(queue: rv.queues.AbstractQueue, throw: bool = True) -> rv.Solution:
        return rv.simulate(
            net, train, rv.ClockDriven(dt=0.5, layout=rv.clock_driven.Queued(queue)), t_end=50.0, throw=throw
        )

    whole = rv.simulate(net, train, rv.EventDriven(), t_end=50.0)
    sent = int(whole.stats.spikes["first"])
    assert sent >= 3
    assert whole.spikes["first"].time[sent - 1] < 20.0
    lossy = {keep: run(rv.queues.SingleQueue(keep())) for keep in (rv.queues.First, rv.queues.Latest)}
    for solution in lossy.values():
        assert int(solution.stats.status) == 0
        assert int(solution.stats.dropped["second"]) == 0
        assert int(solution.stats.forgotten["second"]) == 2 * (sent - 1)
    first, latest = (float(lossy[keep].spikes["second"].time[0]) for keep in (rv.queues.First, rv.queues.Latest))
    wait = float(whole.spikes["first"].time[sent - 1] - whole.spikes["first"].time[0])
    assert first == pytest.approx(float(whole.spikes["second"].time[0]), abs=1e-9)
    assert latest - first == pytest.approx(wait, abs=1e-9)
    full = run(rv.queues.FifoQueue(1), throw=False)
    assert int(full.stats.dropped["second"]) == 2 * (sent - 1)
    with pytest.raises(RuntimeError, match=r"more events than fit: .*queue of Queued"):
        run(rv.queues.FifoQueue(1))
    with pytest.raises(ValueError, match="Queued: `events` must be at least 1; got 0"):
        rv.clock_driven.Queued(events=0)


@functools.cache
def forward(simulator: rv.ClockDriven) -> Callable[[tuple, tuple, float], tuple[tuple, jax.Array]]:
    """The shared loss along a line through every parameter at once, its solution, and its derivative in forward mode."""
    train = clocked.spikes()

    @jax.jit
    def along_it(point: tuple[rv.Network, jax.Array], line: tuple, step: jax.Array | float) -> tuple[tuple, jax.Array]:
        moved = lambda step: jax.tree.map(lambda leaf, slope: leaf + step * slope, point, line)
        loss = lambda step: clocked.loss(*moved(step), train, simulator)
        value, derivative, solution = jax.jvp(loss, (step,), (1.0,), has_aux=True)
        return (value, solution), derivative

    return along_it


def direction(only: str | None) -> tuple:
    """A random direction in the space of all parameters and input times, or in that of one field."""
    net, train = clocked.network(), clocked.spikes()
    rng = np.random.default_rng(3)
    # An infinite time does not move, and at a refractory time of 0 only one side exists.
    movable = lambda leaf: np.isfinite(leaf) & (np.asarray(leaf) != 0.0)
    line = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape) * movable(leaf), (net, train.time))
    if only is None:
        return line
    still = jax.tree.map(np.zeros_like, line)
    return rv.combine(rv.partition(line[0], only)[0], still[0]), still[1]


def along(line: tuple) -> float:
    """The gradient in a direction."""
    _, _, gradient = differentiated(EXACT)
    pairs = zip(jax.tree.leaves(gradient), jax.tree.leaves(line), strict=True)
    return float(sum(np.sum(np.asarray(slope) * part) for slope, part in pairs))


FIELDS = (None, "weight", "delay", "tau_mem", "tau_syn", "v_threshold", "v_reset", "v_leak", "refractory")


@pytest.mark.parametrize("field", FIELDS)
def test_gradients_are_those_of_central_differences(field: str | None):
    """Richardson's rule on the simulation itself, through all spikes of every neuron."""
    point, line = (clocked.network(), clocked.spikes().time), direction(field)
    value = lambda step: forward(EXACT)(point, line, step)[0][0]
    difference = lambda step: (value(step) - value(-step)) / (2 * step)
    step = 2e-6
    found = (4 * difference(step / 2) - difference(step)) / 3
    np.testing.assert_allclose(along(line), found, rtol=1e-6, atol=1e-6)


def test_forward_mode_equals_reverse_mode():
    line = direction(None)
    _, derivative = forward(EXACT)((clocked.network(), clocked.spikes().time), line, 0.0)
    np.testing.assert_allclose(derivative, along(line), rtol=1e-10)


def one_neuron(weight: list[list[float]], delay: rv.delays.AbstractDelay, **parameters: float) -> rv.Network:
    link = rv.Connection("input", "output", jnp.asarray(weight), delay)
    return build.network({"input": len(weight)}, {"output": rv.LIF(**parameters)}, {"output": len(weight[0])}, [link])


def test_merged_events_are_exact_where_no_two_share_a_step():
    delay = rv.SynapticDelay(jnp.array([[0.3], [2.7], [4.4]]), 0.0, 5.0)
    net = one_neuron([[2.0], [2.5], [-1.0]], delay, tau_mem=8.0, tau_syn=4.0)
    train = rv.Spikes(jnp.array([0.21, 1.37, 6.2, 9.9]), jnp.array([0, 1, 0, 2], jnp.int32))

    def loss(net: rv.Network, simulator: rv.simulation.AbstractSimulator) -> jax.Array:
        solution = rv.simulate(net, train, simulator, t_end=20.0, record={"output": [19.0]})
        return solution.voltages["output"].sum() + solution.spikes["output"].time[0]

    learn, rest = rv.partition(net)
    take = jax.jit(jax.value_and_grad(lambda learn, it: loss(rv.combine(learn, rest), it)), static_argnums=1)
    mine, truth = take(learn, rv.ClockDriven(dt=0.5)), take(learn, rv.EventDriven())
    np.testing.assert_allclose(mine[0], truth[0], rtol=0, atol=1e-10)
    for leaf, other in zip(jax.tree.leaves(mine[1]), jax.tree.leaves(truth[1]), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=0, atol=1e-9)


def test_merged_layout_is_second_order_in_dt():
    truth = rv.simulate(clocked.network(), clocked.spikes(), rv.EventDriven(), t_end=clocked.T_END)
    real = np.isfinite(np.asarray(truth.spikes["hidden"].time))
    errors = []
    for dt in (0.2, 0.05):
        simulator = rv.ClockDriven(dt=dt, layout=rv.clock_driven.Merged())
        solution = rv.simulate(clocked.network(), clocked.spikes(), simulator, t_end=clocked.T_END)
        np.testing.assert_array_equal(solution.spikes["hidden"].unit, truth.spikes["hidden"].unit)
        errors.append(np.mean(np.abs(solution.spikes["hidden"].time[real] - truth.spikes["hidden"].time[real])))
        assert int(solution.stats.exact) == 0
    assert errors[0] < 0.02
    assert errors[1] < errors[0] / 8


def test_gradients_of_merged_events_are_those_of_central_differences():
    """A recurrent layer in which several events of both signs share a neuron and a step, along three directions."""
    rng = np.random.default_rng(2)
    draw = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))
    links = [
        rv.Connection("input", "hidden", draw(-0.4, 1.2, 4, 3), rv.SynapticDelay(draw(0.1, 6.0, 4, 3), 0.0, 7.0)),
        rv.Connection("hidden", "hidden", draw(-0.8, 0.8, 3, 3), rv.SynapticDelay(draw(1.1, 4.0, 3, 3), 1.0, 5.0)),
    ]
    hidden = rv.LIF(tau_mem=8.0, tau_syn=4.0, refractory=0.7)
    net = build.network({"input": 4}, {"hidden": hidden}, {"hidden": 3}, links)
    point = (net, jnp.asarray(np.sort(rng.uniform(0.0, 20.0, 40))))
    unit = jnp.asarray(rng.integers(0, 4, 40), jnp.int32)

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def at(step: jax.Array, line: tuple) -> tuple[jax.Array, rv.simulation.Stats]:
        net, time = jax.tree.map(lambda leaf, slope: leaf + step * slope, point, line)
        simulator, record = rv.ClockDriven(dt=1.0, layout=rv.clock_driven.Merged(longest=7.0)), {"hidden": [24.3]}
        solution = rv.simulate(net, rv.Spikes(time, unit), simulator, t_end=25.0, record=record, throw=False)
        fired = solution.spikes["hidden"].time
        total = jnp.sum(jnp.where(jnp.isfinite(fired), jnp.sin(fired), 0.0)) + jnp.sum(solution.voltages["hidden"])
        return total, solution.stats

    for _ in range(3):
        line = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), point)
        (_, stats), slope = at(jnp.array(0.0), line)
        assert (int(stats.status), int(stats.exact)) == (0, 0)
        assert int(stats.spikes["hidden"]) > 6
        value = lambda step, line=line: float(at(jnp.array(step), line)[0][0])
        difference = lambda step, value=value: (value(step) - value(-step)) / (2 * step)
        np.testing.assert_allclose(slope, (4 * difference(1e-6) - difference(2e-6)) / 3, rtol=1e-6)


def test_the_merged_event_has_the_weight_and_the_centre_of_its_events():
    sums = jnp.array([[[[3.0, 1.0 * 0.1 + 2.0 * 0.4]], [[-2.0, -2.0 * 0.2]]]])
    times, weights = merge(sums, jnp.array(0.5))
    np.testing.assert_allclose(times[:, 0, 0], [0.2, 0.3])
    np.testing.assert_allclose(weights[:, 0, 0], [-2.0, 3.0])
    beyond = jnp.array([[[[3.0, 3.0 * np.nextafter(0.5, 1.0)]], [[0.0, 0.0]]]])
    assert float(merge(beyond, jnp.array(0.5))[0].max()) == 0.5


@pytest.mark.parametrize("pre", [3, 2 * FEW + 4])
def test_merged_events_are_summed_where_they_arrive(pre: int):
    """Against loops over events: few and many spikes in a step, two samples, both signs, and padding."""
    rng = np.random.default_rng(0)
    grid, slots, post, first = Grid(0.5, jnp.array(0.5)), 9, 2, 7
    weight, late = rng.normal(size=(pre, post)), rng.uniform(0.0, 3.0, (pre, post))
    offset = np.where(rng.random((1, 2, pre)) < 0.9, rng.uniform(0.0, 0.5, (1, 2, pre)), np.inf)
    expected = np.zeros((slots, 2, 2, post, 2))
    for sample, unit, target in np.ndindex(2, pre, post):
        if np.isfinite(offset[0, sample, unit]):
            step, rest = divmod(first * 0.5 + offset[0, sample, unit] + late[unit, target], 0.5)
            value = weight[unit, target]
            expected[int(step) % slots, sample, int(value < 0), target] += value, value * rest
    sparks = Sparks.of_step(jnp.int32(first), Emitted(jnp.asarray(offset)))
    given = sparks, jnp.asarray(weight), Delay.split(jnp.asarray(late), grid), grid.dt
    ring = deposit_step(jnp.zeros(expected.shape), *given)
    line = deposit_all(jnp.zeros((2 * slots, *expected.shape[1:])), *given)
    np.testing.assert_allclose(ring, expected, atol=1e-12)
    np.testing.assert_allclose(line[first : first + slots], np.roll(expected, -first, axis=0), atol=1e-12)


def test_a_zero_weight_still_has_its_derivative():
    net = one_neuron([[0.0]], rv.SynapticDelay(jnp.array([[0.4]]), 0.0, 1.0))
    train = rv.Spikes(jnp.array([1.0]), jnp.array([0], jnp.int32))
    run = lambda net: rv.simulate(net, train, rv.ClockDriven(dt=0.1), t_end=9.0, record={"output": [9.0]})
    gradient = jax.jit(jax.grad(lambda net: run(net).voltages["output"].sum()))(net)
    assert float(gradient.connections[0].weight[0, 0]) == pytest.approx(0.155, abs=0.002)


def test_samples_of_a_batch_have_nothing_to_do_with_each_other():
    net = one_neuron([[2.0, 1.5], [2.5, -0.5]], rv.AxonalDelay(jnp.array([[0.3], [2.7]]), 0.0, 5.0), tau_mem=8.0)
    batch = rv.Spikes(jnp.array([[0.2, 1.4, 3.0], [1.1, 1.2, jnp.inf]]), jnp.array([[0, 1, 0], [1, 0, -1]], jnp.int32))
    record = {"output": [[5.0, 5.1], [2.0, 12.0]]}
    mine, truth = (rv.simulate(net, batch, simulator, t_end=20.0, record=record)
                   for simulator in (rv.ClockDriven(dt=0.5, max_spikes=8), rv.EventDriven(max_spikes=8)))  # fmt: skip
    assert truth.stats.spikes["output"].tolist() == mine.stats.spikes["output"].tolist()
    np.testing.assert_allclose(mine.spikes["output"].time, truth.spikes["output"].time, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(mine.spikes["output"].unit, truth.spikes["output"].unit)
    np.testing.assert_allclose(mine.voltages["output"], truth.voltages["output"], rtol=0, atol=1e-10)


def test_a_peak_within_a_long_step_is_not_missed():
    """The potential meets the threshold and is far below it again before the step ends."""
    net = one_neuron([[4.2]], rv.FixedDelay(0.5), tau_mem=2.0, tau_syn=1.0)
    spikes = rv.Spikes(jnp.array([1.0]), jnp.zeros(1, jnp.int32))
    mine, truth = (
        rv.simulate(net, spikes, simulator, t_end=20.0).spikes["output"].time
        for simulator in (rv.ClockDriven(dt=10.0, layout=rv.clock_driven.Exact()), rv.EventDriven())
    )
    assert jnp.isfinite(truth).sum() == 1
    np.testing.assert_allclose(mine[jnp.isfinite(mine)], truth[jnp.isfinite(truth)], rtol=0, atol=1e-12)


def test_what_does_not_fit_is_counted_and_raised():
    delay = rv.AxonalDelay(jnp.array([[6.0]]), 0.0, 9.0)
    net = one_neuron([[6.0]], delay, tau_mem=5.0)
    burst = rv.Spikes(jnp.array([1.0, 1.1, 1.2, 1.3]), jnp.zeros(4, jnp.int32))
    run = lambda **options: rv.simulate(net, burst, rv.ClockDriven(dt=1.0, **options), t_end=30.0, throw=False)
    few = run(layout=rv.clock_driven.Exact(events=2))
    assert int(few.stats.status) == 11
    assert int(few.stats.dropped["output"]) == 2
    spikes = run(step_spikes=1, layout=rv.clock_driven.Exact())
    assert int(spikes.stats.status) == 10
    assert int(spikes.stats.dropped["output"]) > 0
    spacious = run(step_spikes=1, layout=rv.clock_driven.Exact(events=9))  # every neuron reaches the step's end
    assert int(spacious.stats.status) == 10
    total = run(max_spikes=2, step_spikes=4)
    assert int(total.stats.status) == 1
    assert int(total.stats.dropped["output"]) == int(total.stats.spikes["output"]) - 2
    with pytest.raises(RuntimeError, match=r"step_spikes"):
        rv.simulate(net, burst, rv.ClockDriven(dt=1.0, step_spikes=1, layout=rv.clock_driven.Exact()), t_end=30.0)


def test_spikes_that_do_not_fit_in_a_step_are_each_counted():
    """One more spike in the last step than there is room for; the neuron reaches the step's end."""
    net = one_neuron([[300.0]], rv.FixedDelay(0.5), refractory=0.35)
    train = rv.Spikes([1.5, 1.6, 1.7, 1.8], [0, 0, 0, 0])
    run = lambda room: rv.simulate(net, train, rv.ClockDriven(dt=1.0, step_spikes=room, layout=rv.clock_driven.Exact()), t_end=2.95,
                                   throw=False).stats  # fmt: skip
    few, whole = run(2), run(4)
    assert (int(few.status), int(few.dropped["output"])) == (10, 1)
    assert (int(whole.status), int(whole.spikes["output"])) == (0, 3)


def test_events_of_several_connections_that_do_not_fit_are_counted():
    links = [rv.Connection(name, "output", jnp.array([[6.0]]), rv.FixedDelay(2.0)) for name in ("one", "two")]
    net = build.network({"one": 1, "two": 1}, {"output": rv.LIF()}, {"output": 1}, links)
    train = rv.Spikes(jnp.array([1.2]), jnp.zeros(1, jnp.int32))
    run = lambda room: rv.simulate(net, {"one": train, "two": train}, rv.ClockDriven(dt=1.0, step_events=room),
                                   t_end=9.0, throw=False)  # fmt: skip
    assert int(run(2).stats.status) == 0
    assert (int(run(1).stats.status), int(run(1).stats.dropped["output"])) == (11, 1)


def test_what_happens_in_steps_that_fill_the_last_block_does_not_count():
    """Ten steps in blocks of four: in the two after them two events reach each neuron, which has room for one."""
    links = [
        rv.Connection("input", "first", jnp.full((2, 2), 40.0), rv.AxonalDelay(jnp.array([[0.3], [1.9]]), 0.0, 9.0)),
        rv.Connection("first", "second", jnp.ones((2, 2)), rv.FixedDelay(3.0)),
    ]
    once = rv.LIF(refractory=math.inf)
    net = build.network({"input": 2}, {"first": once, "second": once}, {"first": 2, "second": 2}, links)
    train = rv.Spikes(jnp.array([7.5, 9.2, 9.2]), jnp.array([0, 1, 1], jnp.int32))
    simulator = rv.ClockDriven(
        dt=1.0, layout=rv.clock_driven.Exact(events=1), checkpoint=rv.checkpoints.Checkpoints(every=4)
    )
    run = lambda t_end: rv.simulate(net, train, simulator, t_end=t_end, throw=False).stats
    assert (int(run(10.0).status), int(run(10.0).spikes["first"])) == (0, 2)
    later = run(12.0)
    assert (int(later.status), later.dropped["first"] > 0, later.dropped["second"] > 0) == (11, True, True)


def test_a_history_that_is_too_short_is_counted():
    links = [
        rv.Connection("input", "hidden", jnp.array([[9.0]]), rv.FixedDelay(0.0)),
        rv.Connection("hidden", "output", jnp.array([[1.0]]), rv.FixedDelay(20.0)),
    ]
    models = {"hidden": rv.LIF(tau_mem=5.0), "output": rv.LI()}
    net = build.network({"input": 1}, models, {"hidden": 1, "output": 1}, links)
    train = rv.Spikes(jnp.array([1.0]), jnp.array([0], jnp.int32))
    run = lambda history: rv.simulate(net, train, rv.ClockDriven(dt=1.0, layout=rv.clock_driven.Exact(history=history)), t_end=15.0,
                                      throw=False)  # fmt: skip
    assert int(run(16).stats.status) == 0
    short = run(2)
    assert int(short.stats.status) == 11
    assert int(short.stats.dropped["output"]) == int(short.stats.spikes["hidden"]) - 2


@pytest.mark.parametrize("blocks", [1, 3, 12])
def test_blocks_change_no_value_and_no_gradient(blocks: int):
    step = lambda carry, x: (jnp.sin(carry) + x, carry * x)
    xs = jnp.linspace(0.0, 1.0, 12)
    loss = lambda scan, start, xs: (lambda end, ys: end + jnp.sum(ys))(*scan(start, xs))
    mine = jax.value_and_grad(lambda *given: loss(lambda c, x: scan_in_blocks(step, c, x, blocks), *given), (0, 1))
    plain = jax.value_and_grad(lambda *given: loss(lambda c, x: jax.lax.scan(step, c, x), *given), (0, 1))
    for leaf, other in zip(jax.tree.leaves(mine(xs[3], xs)), jax.tree.leaves(plain(xs[3], xs)), strict=True):
        np.testing.assert_allclose(leaf, other, rtol=1e-14)


def test_the_last_step_reaches_the_end():
    assert [number_of_steps(t_end, 0.1) for t_end in (0.05, 0.3, 0.31, 2.0)] == [1, 3, 4, 20]


def test_blocks_cover_all_steps():
    for steps in (1, 2, 10, 99, 100, 101):
        blocks, every = rv.checkpoints.Checkpoints().blocks(steps)
        assert steps <= blocks * every < steps + every
        assert abs(every - math.sqrt(steps)) <= 1
    assert rv.checkpoints.Checkpoints(every=7).blocks(20) == (3, 7)


def test_an_event_arrives_in_one_step_only():
    """At step edges, in both dtypes: the sum of steps and wraps is that of spike and delay, to rounding."""
    for dtype, close in ((jnp.float64, 1e-12), (jnp.float32, 1e-4)):
        grid = Grid(0.1, jnp.asarray(0.1, dtype))
        delay = Delay.split(jnp.arange(200, dtype=dtype)[:, None] * jnp.asarray(0.1, dtype), grid)
        for offset in (0.0, 0.05, 0.1):
            late, at = delay.arrival(jnp.full((200, 1), offset, dtype), grid.dt, jnp.arange(200, dtype=jnp.int32))
            assert bool(jnp.all((at > -close) & (at < 0.1 + close)))
            due = late.astype(dtype) * grid.dt + at
            np.testing.assert_allclose(due[:, 0], offset + 0.1 * np.arange(200), rtol=0, atol=close)


def test_float32_is_close_to_float64():
    net = one_neuron([[2.0, 1.5], [2.5, 1.0]], rv.AxonalDelay(jnp.array([[0.3], [2.7]]), 0.0, 5.0), tau_mem=8.0)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net)
    time, unit = jnp.arange(0.3, 90.0, 1.7), jnp.arange(53, dtype=jnp.int32) % 2
    truth = rv.simulate(net, rv.Spikes(time, unit), rv.EventDriven(), t_end=100.0)
    given = rv.Spikes(time.astype(jnp.float32), unit)
    solution = rv.simulate(narrow, given, rv.ClockDriven(dt=0.5), t_end=100.0)
    assert solution.spikes["output"].time.dtype == jnp.float32
    np.testing.assert_array_equal(solution.spikes["output"].unit, truth.spikes["output"].unit)
    np.testing.assert_allclose(solution.spikes["output"].time, truth.spikes["output"].time, rtol=0, atol=1e-3)


def test_ode_neurons_run_in_networks():
    """A leaky neuron integrated by RK4, between two exact populations, against the same network in closed form."""
    parameters = {"tau_mem": 8.0, "v_threshold": 1.0, "v_reset": 0.0}
    mine = rv.AdaptiveLIF(a=0.0, b=0.0, bias=0.0, synapse=rv.synapses.ExponentialCurrent(4.0), **parameters)
    links = [
        rv.Connection("input", "hidden", jnp.array([[1.9, 1.2], [1.5, 1.4]]),
                      rv.SynapticDelay(jnp.array([[0.3, 1.2], [2.7, 0.1]]), 0.0, 5.0)),
        rv.Connection("hidden", "readout", jnp.array([[0.5], [-0.3]]), rv.FixedDelay(0.7)),
    ]  # fmt: skip
    make = lambda neuron: build.network(
        {"input": 2}, {"hidden": neuron, "readout": rv.LI()}, {"hidden": 2, "readout": 1}, links
    )
    train = rv.Spikes(jnp.array([0.2, 1.4, 3.1, 6.0]), jnp.array([0, 1, 0, 1], jnp.int32))
    record = {"hidden": [2.05, 11.3], "readout": [12.0]}
    run = lambda neuron, simulator: rv.simulate(make(neuron), train, simulator, t_end=20.0, record=record)
    truth = run(rv.LIF(tau_syn=4.0, **parameters), rv.EventDriven())
    solution = run(mine, rv.ClockDriven(dt=0.1, layout=rv.clock_driven.Exact()))
    assert int(truth.stats.spikes["hidden"]) > 2
    np.testing.assert_array_equal(solution.spikes["hidden"].unit, truth.spikes["hidden"].unit)
    real = np.isfinite(np.asarray(truth.spikes["hidden"].time))
    np.testing.assert_allclose(
        solution.spikes["hidden"].time[real], truth.spikes["hidden"].time[real], rtol=0, atol=1e-7
    )
    for name, potential in truth.voltages.items():
        np.testing.assert_allclose(solution.voltages[name], potential, rtol=0, atol=1e-7)


def test_wrong_arguments_are_refused():
    for options, message in (
        ({"dt": 0.0}, r"`dt` must be a time in ms above 0; got 0.0"),
        ({"dt": math.nan}, r"`dt` must be a time"),
        ({"max_spikes": 0}, r"`max_spikes` must be at least 1; got 0"),
        ({"step_spikes": 0}, r"`step_spikes` must be at least 1"),
        ({"step_events": 0}, r"`step_events` must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            rv.ClockDriven(**options)
    with pytest.raises(ValueError, match=r"Exact: `history` must be at least 1"):
        rv.clock_driven.Exact(history=0)
    with pytest.raises(ValueError, match=r"Merged: `longest`"):
        rv.clock_driven.Merged(longest=-1.0)
    with pytest.raises(ValueError, match=r"Checkpoints: `every`"):
        rv.checkpoints.Checkpoints(every=0)


def test_a_cycle_shorter_than_a_step_is_refused():
    net = rv.recurrent([2, 3, 1], neuron=rv.LIF(), delay=rv.synaptic(0.2, 5.0), key=jax.random.key(0))
    train = rv.Spikes(jnp.array([1.0]), jnp.array([0], jnp.int32))
    with pytest.raises(ValueError, match=r"hidden->hidden form a cycle .* 0.2 ms.* dt = 0.5 ms"):
        rv.simulate(net, train, rv.ClockDriven(dt=0.5), t_end=5.0)


def test_delays_without_a_bound_need_a_longest_one_only_when_traced():
    net = one_neuron([[2.0]], rv.SynapticDelay(jnp.array([[3.0]])))
    train = rv.Spikes(jnp.array([1.0]), jnp.array([0], jnp.int32))
    count = lambda net, layout: rv.simulate(net, train, rv.ClockDriven(dt=1.0, layout=layout), t_end=9.0).stats.events
    with pytest.raises(ValueError, match=r"input->output have no upper bound.*Merged\(longest"):
        jax.jit(lambda net: count(net, rv.clock_driven.Merged()))(net)
    assert int(count(net, rv.clock_driven.Merged())) == 1
    assert int(jax.jit(lambda net: count(net, rv.clock_driven.Merged(longest=8.0)))(net)) == 1


def test_a_state_that_diverges_is_reported():
    """A step too long for the sodium gates."""
    link = rv.Connection("input", "output", jnp.ones((1, 1)), rv.FixedDelay(1.0))
    network = build.network({"input": 1}, {"output": rv.HodgkinHuxley(bias=12.0)}, {"output": 1}, [link])
    spikes = rv.Spikes(jnp.array([1.0]), jnp.array([0]))
    with pytest.raises(RuntimeError, match="most likely its dt is too long, or else the neuron's own right-hand side"):
        rv.simulate(network, spikes, rv.ClockDriven(dt=0.1), t_end=20.0)
