"""Recovery of silent neurons: the rule by hand over several batches, in any graph, and that it works."""

import dataclasses
import io

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier.regularizers import RecoveryState, SilentRecovery, silent_share


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
