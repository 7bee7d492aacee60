"""Regularizers: bounds and targets of spike counts, and the recovery of silent neurons, by hand and at work."""

import dataclasses
import io
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier.regularizers import (
    CountLowerBound,
    CountTarget,
    CountUpperBound,
    PeakMargin,
    RecoveryState,
    SilentRecovery,
    silent_share,
)


def two_layers(weight: float = 1.0, dtype: jnp.dtype = jnp.float64) -> rv.Network:
    """2 inputs, 3 hidden neurons, 2 outputs."""
    neuron = rv.LIF(2.0, 1.0, refractory=jnp.inf)
    start = rv.initializers.constant(weight)
    return rv.feedforward([2, 3, 2], neuron=neuron, weight=start, dtype=dtype, key=jax.random.key(0))


def share(hidden: list[float], output: list[float]) -> dict[str, jax.Array]:
    return {"hidden": jnp.array(hidden), "output": jnp.array(output)}


FINE = share([0.0, 0.2, 0.3], [0.0, 0.0])
"""Nobody above the default limits, one neuron exactly on its own."""


def gained(network: rv.Network, before: rv.Network) -> list[list[list[float]]]:
    """What each weight of each connection has gained."""
    pairs = zip(network.connections, before.connections, strict=True)
    return [np.round(link.weight - old.weight, 12).tolist() for link, old in pairs]


def test_neurons_above_their_limit_get_the_step_on_all_incoming_weights():
    """Defaults: hidden 0.3, output 0. Exactly on the limit is not above it."""
    before = two_layers()
    recovery = SilentRecovery(step=0.01)
    silent = share([0.31, 0.3, 1.0], [0.0, 0.01])
    network, _, bumped = recovery(before, silent, recovery.init(before))
    assert gained(network, before) == [[[0.01, 0.0, 0.01]] * 2, [[0.0, 0.01]] * 3]
    assert bumped.shape == ()
    assert jnp.issubdtype(bumped.dtype, jnp.integer)
    assert int(bumped) == 3


def test_everything_but_these_weights_is_untouched():
    before = two_layers()
    recovery = SilentRecovery()
    same, _, none = recovery(before, FINE, recovery.init(before))
    assert eqx.tree_equal(same, before)
    assert int(none) == 0
    network, _, _ = recovery(before, share([1.0] * 3, [1.0] * 2), recovery.init(before))
    restored = eqx.tree_at(
        lambda net: [link.weight for link in net.connections],
        network,
        [link.weight for link in before.connections],
    )
    assert eqx.tree_equal(restored, before)


def test_the_increment_doubles_while_needed_ends_at_the_maximum_and_goes_back():
    network = two_layers()
    recovery = SilentRecovery(step=0.01, max_step=0.05)
    state = recovery.init(network)
    first_output = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0]
    steps = []
    for silent in first_output:
        before = network
        network, state, bumped = recovery(network, share([0.0] * 3, [silent, 0.0]), state)
        into_hidden, into_output = gained(network, before)
        assert into_hidden == [[0.0] * 3] * 2
        assert into_output == [[into_output[0][0], 0.0]] * 3, "the other output needs no help"
        assert int(bumped) == (silent > 0)
        steps.append(into_output[0][0])
    np.testing.assert_allclose(steps, [0.01, 0.02, 0.04, 0.05, 0.05, 0.0, 0.01], rtol=1e-12)


def test_each_neuron_doubles_by_itself():
    before = two_layers()
    recovery = SilentRecovery(step=0.01)
    network, state, _ = recovery(before, share([1.0, 0.0, 1.0], [0.0, 0.0]), recovery.init(before))
    network, _, _ = recovery(network, share([1.0, 1.0, 0.0], [0.0, 0.0]), state)
    assert gained(network, before)[0] == [[0.03, 0.01, 0.01]] * 2


@pytest.mark.parametrize(
    ("limit", "helped"),
    [
        (0.5, [[0, 0, 1], [0, 0]]),
        ({"hidden": 0.35}, [[0, 1, 1], [1, 0]]),
        ({"output": 0.6}, [[1, 1, 1], [0, 0]]),
        (1.0, [[0, 0, 0], [0, 0]]),
    ],
)
def test_limits(limit: float | dict[str, float], helped: list[list[int]]):
    """One for all; or by name, where the others keep their default; 1 switches it off."""
    before = two_layers()
    recovery = SilentRecovery(step=1.0, limit=limit, max_step=1.0)
    network, _, bumped = recovery(before, share([0.31, 0.4, 1.0], [0.5, 0.0]), recovery.init(before))
    assert [rows[0] for rows in gained(network, before)] == helped
    assert int(bumped) == sum(map(sum, helped))


def test_all_connections_onto_a_population_are_raised_in_any_graph():
    """Two inputs, a recurrent population, a readout that never spikes."""
    links = [
        rv.Connection("one", "a", jnp.zeros((1, 2))),
        rv.Connection("two", "a", jnp.zeros((3, 2))),
        rv.Connection("a", "a", jnp.zeros((2, 2)), rv.FixedDelay(1.0)),
        rv.Connection("a", "read", jnp.zeros((2, 1))),
    ]
    before = build.network({"one": 1, "two": 3}, {"a": rv.LIF(), "read": rv.LI()}, {"a": 2, "read": 1}, links)
    recovery = SilentRecovery(step=0.25)
    state = recovery.init(before)
    assert list(state.increment) == ["a"]
    network, _, bumped = recovery(before, {"a": jnp.array([0.0, 0.5])}, state)
    assert gained(network, before) == [[[0.0, 0.25]], [[0.0, 0.25]] * 3, [[0.0, 0.25]] * 2, [[0.0]] * 2]
    assert int(bumped) == 1


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_jit_and_scan_give_the_same_with_a_state_of_constant_type(dtype: jnp.dtype):
    network = two_layers(dtype=dtype)
    recovery = SilentRecovery()
    silent = {name: row.astype(dtype) for name, row in share([0.9, 0.0, 0.5], [0.0, 0.1]).items()}
    state = recovery.init(network)
    plain = recovery(*recovery(network, silent, state)[:1], silent, recovery(network, silent, state)[1])
    jitted = jax.jit(recovery)(
        *jax.jit(recovery)(network, silent, state)[:1], silent, recovery(network, silent, state)[1]
    )
    assert eqx.tree_equal(plain, jitted)

    def batch(carry: tuple[rv.Network, RecoveryState], _: None) -> tuple[tuple[rv.Network, RecoveryState], jax.Array]:
        *carry, bumped = recovery(carry[0], silent, carry[1])
        return tuple(carry), bumped

    (scanned, last), bumped = jax.lax.scan(batch, (network, state), length=2)
    assert eqx.tree_equal((scanned, last), plain[:2])
    assert bumped.tolist() == [3, 3]
    assert {row.dtype for row in last.increment.values()} == {jnp.dtype(dtype)}


def test_state_goes_through_a_file():
    network = two_layers()
    recovery = SilentRecovery()
    _, state, _ = recovery(network, share([1.0, 0.0, 0.0], [0.0, 0.0]), recovery.init(network))
    file = io.BytesIO()
    eqx.tree_serialise_leaves(file, state)
    file.seek(0)
    assert eqx.tree_equal(eqx.tree_deserialise_leaves(file, recovery.init(network)), state)


def solution_of(network: rv.Network, time: np.ndarray, unit: np.ndarray) -> rv.Solution:
    return rv.simulate(network, rv.Spikes(jnp.array(time), jnp.array(unit)), rv.EventDriven(), t_end=10.0)


def test_silent_share_counts_samples():
    """Hidden neuron 0 hears input 0, neuron 1 both, neuron 2 nobody; the second sample is input 1 alone."""
    network = two_layers(3.0)
    heard = jnp.array([[9.0, 9.0, 0.0], [0.0, 9.0, 0.0]])
    network = eqx.tree_at(lambda net: net.connections[0].weight, network, heard)
    time, unit = np.array([[1.0, 2.0], [1.0, np.inf]]), np.array([[0, 1], [1, -1]])
    shares = silent_share(solution_of(network, time, unit), network)
    assert shares["hidden"].tolist() == [0.5, 0.0, 1.0]
    assert shares["output"].shape == (2,)
    assert shares["hidden"].dtype == network.dtype
    alone = silent_share(solution_of(network, time[1], unit[1]), network)
    assert alone["hidden"].tolist() == [1.0, 0.0, 1.0]


def test_silent_share_leaves_out_what_never_spikes():
    network = rv.feedforward([2, 3, 2], neuron=rv.LIF(), readout=rv.LI(), key=jax.random.key(0))
    shares = silent_share(solution_of(network, np.array([1.0]), np.array([0])), network)
    assert list(shares) == ["hidden"]


def test_a_network_that_is_all_silent_is_woken():
    """No weight at all: a gradient would be zero for ever. With doubling a few batches are enough."""
    network = two_layers(0.0)
    recovery = SilentRecovery()
    state = recovery.init(network)
    time, unit = np.array([[0.5, 1.0], [0.2, 0.9]]), np.array([[0, 1], [1, 0]])
    counts = []
    for _ in range(20):
        shares = silent_share(solution_of(network, time, unit), network)
        network, state, bumped = recovery(network, shares, state)
        counts.append(int(bumped))
    assert counts[0] == 5
    assert counts[-1] == 0
    assert max(float(link.weight.max()) for link in network.connections) < 5


def test_the_rule_is_a_value():
    recovery = SilentRecovery(limit={"output": 0.1, "hidden": 0.2})
    assert hash(recovery) == hash(SilentRecovery(limit={"hidden": 0.2, "output": 0.1}))
    assert jax.tree.leaves(recovery) == []
    with pytest.raises(dataclasses.FrozenInstanceError):
        recovery.step = 1.0


@pytest.mark.parametrize(("step", "max_step"), [(0.0, 0.5), (-1.0, 0.5), (0.1, 0.01), (0.1, np.inf), (np.nan, 0.5)])
def test_steps_out_of_range(step: float, max_step: float):
    with pytest.raises(ValueError, match=rf"needs 0 < `step` <= `max_step` < inf; got {step} and {max_step}"):
        SilentRecovery(step, max_step=max_step)


@pytest.mark.parametrize("limit", [-0.1, 1.1, np.nan, {"output": 2.0}])
def test_limits_out_of_range(limit: float | dict[str, float]):
    with pytest.raises(ValueError, match=r"`limit` must be a share of samples in \[0, 1\]; got"):
        SilentRecovery(limit=limit)


@pytest.mark.parametrize("name", ["hiden", "input"])
def test_limits_of_unknown_populations(name: str):
    with pytest.raises(ValueError, match=rf"of \['hidden', 'output'\]; got \['{name}'\]"):
        SilentRecovery(limit={name: 0.1}).init(two_layers())


@pytest.mark.parametrize("wrong", [{"hidden": jnp.zeros(3)}, share([0.0] * 2, [0.0] * 2)])
def test_shares_and_states_that_do_not_fit(wrong: dict[str, jax.Array]):
    network = two_layers()
    recovery = SilentRecovery()
    with pytest.raises(ValueError, match=r"`silent` must hold one number per neuron .*'hidden': \(3,\)"):
        recovery(network, wrong, recovery.init(network))
    with pytest.raises(ValueError, match=r"`state` must hold one number per neuron .*'hidden': \(3,\)"):
        recovery(network, FINE, RecoveryState(wrong))


# Spike counts --------------------------------------------------------------------------------------------------------

COUNTS = np.array([[3, 0, 6], [1, 1, 1]])
"""Spikes of three neurons in two samples."""


def counted(counts: np.ndarray = COUNTS) -> rv.Solution:
    """A solution with so many spikes of `hidden`."""
    rows = [np.repeat(np.arange(3), row) for row in counts]
    times = [np.linspace(1.0, 2.0, len(row)) for row in rows]
    train = rv.Spikes.from_ragged(times, rows).with_size(3)
    whole = rv.simulate(two_layers(), rv.Spikes([[1.0], [1.0]], [[0], [0]]), rv.EventDriven(), t_end=9.0)
    return dataclasses.replace(whole, spikes={"hidden": train})


def test_bounds_of_spike_counts_by_hand():
    """Means 3 and 1 of the samples above 1.5: 1.5^2 and 0; below 2: 0, 2, 0 and 1, 1, 1."""
    assert float(CountUpperBound("hidden", 1.5, strength=2.0)(counted())) == pytest.approx(2.0 * 1.5**2 / 2)
    assert float(CountUpperBound("hidden", 1.5, strength=2.0, power=1.0)(counted())) == pytest.approx(2.0 * 1.5 / 2)
    assert float(CountLowerBound("hidden", 2.0, strength=3.0)(counted())) == pytest.approx(3.0 * (4 + 3) / 6)
    assert float(CountLowerBound("hidden", 2.0, strength=3.0, power=1.0)(counted())) == pytest.approx(3.0 * (2 + 3) / 6)
    one = counted(COUNTS[:1])
    one = dataclasses.replace(one, spikes={"hidden": jax.tree.map(lambda leaf: leaf[0], one.spikes["hidden"])})
    assert float(CountUpperBound("hidden", 1.5, strength=2.0)(one)) == pytest.approx(2.0 * 1.5**2)
    assert float(CountLowerBound("hidden", 2.0, strength=3.0)(one)) == pytest.approx(3.0 * 4 / 3)


def test_the_target_of_spike_counts_by_hand():
    """Half the mean square of 1, -2, 4 and -1, -1, -1; each spike is pulled by what its neuron has too many, over 3."""
    target = CountTarget("hidden", 2.0, strength=0.5)
    assert float(target(counted())) == pytest.approx(0.5 * ((1 + 4 + 16) / 3 + 1) / 4)

    def value(time: jax.Array) -> jax.Array:
        solution = counted()
        moved = rv.Spikes(time, solution.spikes["hidden"].unit, 3)
        return target(dataclasses.replace(solution, spikes={"hidden": moved}))

    time, unit = counted().spikes["hidden"].time, np.asarray(counted().spikes["hidden"].unit)
    excess = np.where(unit < 0, 0, np.take_along_axis(COUNTS - 2.0, np.maximum(unit, 0), axis=1))
    np.testing.assert_allclose(jax.grad(value)(time), -0.5 * excess / 3 / 2, rtol=1e-12)


@pytest.mark.parametrize("weight", [0.25, 2.0])
def test_the_target_draws_spike_counts_to_it_from_both_sides(weight: float):
    """Nothing but the target teaches: weights grow or shrink until each neuron fires about five times."""
    start = rv.feedforward(
        [10, 5], neuron=rv.LIF(), weight=rv.initializers.uniform(0.8 * weight, weight), key=jax.random.key(1)
    )
    spikes = rv.Spikes(np.linspace(0.0, 30.0, 40), np.arange(40) % 10)
    learn, fixed = rv.partition(start, "weight")
    solve = lambda learn: rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(), t_end=40.0)
    slope = jax.jit(jax.grad(lambda learn: CountTarget("output", 5.0, strength=1.0)(solve(learn))))
    before = np.asarray(rv.spike_count(solve(learn).spikes["output"]))
    assert (before < 4).all() if weight < 1 else (before > 6).all()
    for _ in range(150):
        step = lambda value, gradient: value - 0.02 * jnp.sign(gradient)
        learn = jax.tree.map(step, learn, slope(learn))
    after = np.asarray(rv.spike_count(solve(learn).spikes["output"]))
    assert np.abs(after - 5).max() <= 1


@pytest.mark.parametrize("term", [CountUpperBound("output", 0.5, 1.0), CountLowerBound("output", 9.0, 1.0)])
def test_bounds_refuse_an_exact_derivative_and_name_alternatives(term: CountUpperBound | CountLowerBound):
    net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(9.0), key=jax.random.key(0))
    spikes = rv.Spikes([1.0, 2.0], [0, 1])
    learn, fixed = rv.partition(net)
    value = lambda learn: term(rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(), t_end=20.0))
    assert float(value(learn)) > 0
    with pytest.raises(ValueError, match="spike_count: the gradient of a spike count is not available"):
        jax.grad(value)(learn)
    watched = lambda learn: (jax.tree.leaves(learn)[0].sum(), value(learn))
    jax.grad(watched, has_aux=True)(learn)  # only looked at


SURROGATE = rv.Surrogate(dt=0.5, surrogate=rv.surrogates.superspike(beta=5.0))
ESTIMATES = {"the value of a spike": rv.EventDriven(gradient=rv.SpikeValue()), "a surrogate": SURROGATE}


@pytest.mark.parametrize("name", ESTIMATES)
def test_bounds_keep_spike_counts_between_them_where_counts_have_a_gradient(name: str):
    """From too many spikes to at most six on average, then back up to at least four for each neuron."""
    weight = rv.initializers.uniform(1.6, 2.0)
    start = rv.feedforward([10, 5], neuron=rv.LIF(), weight=weight, key=jax.random.key(1))
    spikes = rv.Spikes(np.linspace(0.0, 30.0, 40), np.arange(40) % 10)
    learn, fixed = rv.partition(start, "weight")
    solve = lambda learn: rv.simulate(rv.combine(learn, fixed), spikes, ESTIMATES[name], t_end=40.0)
    count = lambda learn: np.asarray(rv.spike_count(solve(learn).spikes["output"]))
    assert count(learn).mean() > 8
    for bound in (CountUpperBound("output", 6.0, strength=1.0), CountLowerBound("output", 9.0, strength=1.0)):
        slope = jax.jit(jax.grad(lambda learn, bound=bound: bound(solve(learn))))
        for _ in range(100):
            learn = jax.tree.map(lambda value, gradient: value - 0.02 * jnp.sign(gradient), learn, slope(learn))
        if isinstance(bound, CountUpperBound):
            assert count(learn).mean() <= 6.5
    assert count(learn).min() >= 8


def test_a_surrogate_sees_the_spikes_that_a_silent_neuron_missed():
    """The gradient of a count is the sum of the surrogate's bumps along the way, with or without a spike."""
    weight = rv.initializers.constant(0.5)
    net = rv.feedforward([1, 1], neuron=rv.LIF(20.0, 5.0), weight=weight, key=jax.random.key(0))
    spikes, learn, fixed = rv.Spikes([1.0], [0]), *rv.partition(net, "weight")

    def count(learn: rv.Network) -> jax.Array:
        solution = rv.simulate(rv.combine(learn, fixed), spikes, SURROGATE, t_end=20.0)
        return rv.spike_count(solution.spikes["output"])[0]

    after = np.arange(0.5, 20.25, 0.5) - 1.0  # ends of the steps, counted from the event
    kernel = np.where(after > 0, 5 / 15 * (np.exp(-after / 20) - np.exp(-after / 5)), 0.0)  # u of an event of weight 1
    bump = 1 / (1 + 5 * np.abs(0.5 * kernel - 1)) ** 2
    value, gradient = jax.value_and_grad(count)(learn)
    assert float(value) == 0.0
    np.testing.assert_allclose(gradient.connections[0].weight, [[np.sum(bump * kernel)]], rtol=1e-9)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CountUpperBound("hidden", -1.0, 1.0), "CountUpperBound: `limit` must be a finite number >= 0; got -1"),
        (lambda: CountLowerBound("hidden", 1.0, float("inf")), "CountLowerBound: `strength` must be .*; got inf"),
        (lambda: CountUpperBound("hidden", 1.0, 1.0, power=0.5), "`power` must be a finite number >= 1; got 0.5"),
        (lambda: CountTarget("hidden", float("nan"), 1.0), "CountTarget: `target` must be .*; got nan"),
    ],
)
def test_bounds_out_of_range_are_refused(make: Any, message: str):
    with pytest.raises(ValueError, match=message):
        make()


# Potentials of silent neurons ----------------------------------------------------------------------------------------

PEAK_TIMES = np.arange(0.25, 30.0, 0.25)


def peaked(weight: float, simulator: Any = None) -> tuple[Any, Any, rv.Network]:
    """Two neurons, the second of which hardly feels the input; the term, and what it costs."""
    term = PeakMargin("output", PEAK_TIMES, strength=3.0, margin=0.2)
    net = rv.feedforward([1, 2], neuron=rv.LIF(10.0, 4.0), delay=rv.synaptic(0.0, 5.0), key=jax.random.key(0))
    net = eqx.tree_at(lambda tree: tree.connections[0].weight, net, jnp.array([[weight, 0.05]]))
    spikes = rv.Spikes([[2.0, 5.0]], [[0, 0]])

    def cost(net: rv.Network) -> jax.Array:
        how = rv.EventDriven() if simulator is None else simulator
        return term(rv.simulate(net, spikes, how, t_end=30.0, record=term.record))

    return term, cost, net


def test_what_a_silent_neuron_lacks_by_hand():
    """V(t) = w/(tau_mem/tau_syn - 1) sum (e^-s/tau_mem - e^-s/tau_syn), the largest of the recorded ones."""
    _, cost, net = peaked(0.8)
    lack = []
    for weight, delay in zip((0.8, 0.05), np.asarray(net.delay("input->output"))[0], strict=True):
        after = [np.maximum(PEAK_TIMES - at - delay, 0.0) for at in (2.0, 5.0)]
        lack.append(1.2 - np.max(weight * 4 / 6 * sum(np.exp(-s / 10) - np.exp(-s / 4) for s in after)))
    assert lack[0] > 0.2
    assert float(cost(net)) == pytest.approx(3.0 * np.mean(lack), rel=1e-9)


@pytest.mark.parametrize("simulator", [rv.EventDriven(), rv.ClockDriven(dt=0.5)])
def test_silent_neurons_have_an_exact_gradient(simulator: Any):
    """Of weights and delays, as central differences have it."""
    _, cost, net = peaked(0.8, simulator)
    learn, fixed = rv.partition(net)
    value = lambda learn: cost(rv.combine(learn, fixed))
    found, step = jax.grad(value)(learn).connections[0], 1e-5
    for field in (lambda link: link.weight, lambda link: link.delay.raw):
        for at in range(2):
            part = lambda tree, field=field: field(tree.connections[0])
            moved = [eqx.tree_at(part, learn, part(learn).at[0, at].add(by)) for by in (step, -step)]
            wanted = (float(value(moved[0])) - float(value(moved[1]))) / (2 * step)
            assert float(field(found)[0, at]) == pytest.approx(wanted, rel=1e-6, abs=1e-9)
    assert float(found.weight[0, 0]) < -0.1
    assert float(found.weight[0, 1]) < -0.1, "the neuron that hardly feels anything has one, too"


def test_a_neuron_that_fires_costs_nothing():
    _, cost, net = peaked(9.0)
    assert 3.0 * 1.1 / 2 < float(cost(net)) < 3.0 * 1.2 / 2, "what the other one lacks"


def test_training_records_what_the_term_needs():
    """A hidden layer that is silent at first; the readout has potentials of its own."""
    from ranvier.train import Dataset, Recipe, adam

    net = rv.feedforward(
        [2, 4, 2], neuron=rv.LIF(10.0, 4.0), readout=rv.LI(), weight=rv.initializers.constant(0.2),
        key=jax.random.key(0),
    )  # fmt: skip
    data = Dataset(rv.Spikes([[1.0, 2.0]] * 4, [[0, 1]] * 4), np.array([0, 1, 0, 1]))
    term = PeakMargin("hidden", PEAK_TIMES, strength=1.0)
    readout = rv.readouts.MaxPotential("output")
    recipe = Recipe(rv.EventDriven(), t_end=30.0, readout=readout, loss=rv.losses.cross_entropy,
                    optimiser=adam(0.1), epochs=25, batch=4, regularizers=(term,))  # fmt: skip
    fitted = rv.fit(net, data, data, recipe, stuck=None, key=jax.random.key(0))
    silent = [line["silent"]["hidden"] for line in fitted.epochs]
    assert silent[0] == 1.0
    assert silent[-1] == 0.0
    with pytest.raises(ValueError, match="wants potentials of 'output', and so does `readout`"):
        dataclasses.replace(recipe, regularizers=(PeakMargin("output", PEAK_TIMES, strength=1.0),))


def test_a_margin_without_potentials_or_with_wrong_times_is_refused():
    with pytest.raises(ValueError, match="PeakMargin: `times` must be finite"):
        PeakMargin("hidden", np.array([2.0, 1.0]), strength=1.0)
    with pytest.raises(ValueError, match="`margin` must be a finite number >= 0; got -1"):
        PeakMargin("hidden", PEAK_TIMES, strength=1.0, margin=-1.0)
    term, _, net = peaked(1.0)
    solution = rv.simulate(net, rv.Spikes([1.0], [0]), rv.EventDriven(), t_end=30.0)
    with pytest.raises(ValueError, match="were not recorded; pass record=term.record"):
        term(solution)
