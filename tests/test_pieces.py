"""A run cut into pieces is the run in one piece: spikes, potentials, counters, and gradients through all pieces."""

import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import networks
import ranvier as rv

FIELDS = ("weight", "delay", "v_threshold", "v_reset", "v_leak", "bias", "tau_mem", "tau_syn", "refractory")


def cut(train: rv.Spikes, start: float, end: float, first: bool) -> rv.Spikes:
    """The input spikes of one piece, in its time, in as many places; one at the very cut belongs to the piece before."""
    here = (train.time <= end) & ((train.time > start) | first)
    order = jnp.argsort(jnp.where(here, train.time, jnp.inf))
    time = jnp.where(here, train.time - start, jnp.inf)[order]
    return rv.Spikes(time, jnp.where(here, train.unit, -1)[order])


def in_pieces(case: networks.Case, network: rv.Network, times: dict, cuts: Sequence[float], simulator: Any) -> tuple:
    """Spikes in the time of the whole run, the solutions, and the state at the end."""
    edges, state, solutions, spikes = [0.0, *cuts, case.t_end], None, [], {}
    trains = {name: rv.Spikes(times[name], train.unit) for name, train in case.spikes.items()}
    for start, end in itertools.pairwise(edges):
        part = {name: cut(train, start, end, first=start == 0.0) for name, train in trains.items()}
        solution = rv.simulate(network, part, simulator, t_end=end - start, start=state, end=True)
        state = solution.end
        solutions.append(solution)
        for name, train in solution.spikes.items():
            spikes.setdefault(name, []).append((train.time + start, train.unit))
    return spikes, solutions, state


def times_of(case: networks.Case) -> dict:
    return {name: train.time for name, train in case.spikes.items()}


def cuts_of(case: networks.Case, whole: rv.Solution) -> list[list[float]]:
    """At random, three of them; at a spike; just after one, in its refractory time, its events on their way."""
    times = networks.listed(whole.spikes[next(iter(whole.spikes))])
    some = np.sort(np.random.default_rng([case.seed, 9]).uniform(0.02, 0.98, 3)) * case.t_end
    return [some.tolist(), [times[len(times) // 2][0]], [times[len(times) // 3][0] + 0.3]]


@pytest.mark.parametrize("seed", [1, 3, 5, 6, 7])
def test_pieces_have_the_spikes_of_the_whole(seed: int):
    """Recurrent, every kind of delay, refractory times, infinite ones too, biases; to 1e-9 ms."""
    case = (networks.biased if seed in (3, 6) else networks.draw)(seed)
    simulator, ends = rv.EventDriven(window=case.window), {name: [case.t_end] for name in case.network.neurons}
    whole = rv.simulate(case.network, case.spikes, simulator, t_end=case.t_end, record=ends)
    for cuts in cuts_of(case, whole)[seed % 3 : seed % 3 + 2]:  # each piece is a program
        found, solutions, state = in_pieces(case, case.network, times_of(case), cuts, simulator)
        for name, train in whole.spikes.items():
            pairs = [(time, unit) for part in found[name] for time, unit in networks.listed(rv.Spikes(*part))]
            wanted = networks.listed(train)
            assert sorted(unit for _, unit in pairs) == sorted(unit for _, unit in wanted)
            np.testing.assert_allclose([time for time, _ in pairs], [time for time, _ in wanted], rtol=0, atol=1e-9)
            np.testing.assert_allclose(state.voltage[name], whole.voltages[name][0], rtol=0, atol=1e-9)
            assert sum(int(one.stats.spikes[name]) for one in solutions) == len(wanted)
        assert sum(int(one.stats.events) for one in solutions) == int(whole.stats.events)
        in_flight = [
            {name: int(count) for name, count in one.stats.in_flight.items()} for one in (whole, solutions[-1])
        ]
        assert in_flight[0] == in_flight[1]


@pytest.mark.parametrize("seed", [1, 6])
def test_gradients_through_the_pieces_are_those_of_the_whole(seed: int):
    """Of every spike and the last potentials, with respect to all numbers and to input times; to 1e-8."""
    case = (networks.biased if seed % 2 == 0 else networks.draw)(seed)
    once = any(np.isinf(np.asarray(neuron.refractory)).any() for neuron in case.network.neurons.values())
    learn, fixed = rv.partition(case.network, *(FIELDS[:-1] if once else FIELDS))
    simulator, ends = rv.EventDriven(window=case.window), {name: [case.t_end] for name in case.network.neurons}

    def worth(times: list, voltages: list) -> jnp.ndarray:
        spikes = [jnp.where(jnp.isfinite(time), jnp.sin(time), 0.0) for time in times]
        return sum(jnp.sum(part) for part in [*spikes, *(jnp.cos(part) for part in voltages)])

    def at_once(learn: rv.Network, times: dict) -> tuple[jnp.ndarray, rv.Solution]:
        spikes = {name: rv.Spikes(times[name], train.unit) for name, train in case.spikes.items()}
        solution = rv.simulate(rv.combine(learn, fixed), spikes, simulator, t_end=case.t_end, record=ends)
        return worth([train.time for train in solution.spikes.values()], list(solution.voltages.values())), solution

    def piecewise(learn: rv.Network, times: dict, cuts: list[float]) -> jnp.ndarray:
        found, _, state = in_pieces(case, rv.combine(learn, fixed), times, cuts, simulator)
        return worth([time for parts in found.values() for time, _ in parts], list(state.voltage.values()))

    wanted, whole = jax.jit(jax.grad(at_once, argnums=(0, 1), has_aux=True))(learn, times_of(case))
    for cuts in cuts_of(case, whole)[1:]:
        take = jax.jit(jax.grad(lambda *given, cuts=cuts: piecewise(*given, cuts), argnums=(0, 1)))
        found = take(learn, times_of(case))
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
            scale = float(jnp.max(jnp.abs(jnp.where(jnp.isfinite(other), other, 0.0)), initial=0.0))
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-8 * max(scale, 1e-3), err_msg=str(cuts))


def stream(
    network: rv.Network, train: rv.Spikes, count: int, simulator: rv.EventDriven
) -> tuple[list, rv.simulation.State]:
    """Spikes of the output, piece by piece of 10 ms, all by one compiled program after the first."""
    state, found = None, []
    step = jax.jit(lambda part, state: rv.simulate(network, part, simulator, t_end=10.0, start=state, end=True))
    for n in range(count):
        here = (train.time >= 10.0 * n) & (train.time < 10.0 * (n + 1))
        time, unit = jnp.where(here, train.time - 10.0 * n, jnp.inf), jnp.where(here, train.unit, -1)
        order = jnp.argsort(time, axis=-1)
        part = rv.Spikes(jnp.take_along_axis(time, order, -1), jnp.take_along_axis(unit, order, -1))
        solution = step(part, state)
        state = solution.end
        found.append(solution.spikes["output"].time + 10.0 * n)
    return found, state


@pytest.fixture(scope="module")
def busy() -> tuple[rv.Network, rv.Spikes]:
    """A recurrent network whose delays are longer than a piece, two samples."""
    rng, delay = np.random.default_rng(0), rv.synaptic(1.0, 25.0)
    network = rv.recurrent([5, 8, 3], neuron=rv.LIF(12.0, 5.0, refractory=1.5), readout=rv.LIF(12.0, 5.0), delay=delay,
                           weight=rv.initializers.constant(1.5), key=jax.random.key(0))  # fmt: skip
    time = np.sort(rng.uniform(0.0, 60.0, (2, 40)), axis=1)
    return network, rv.Spikes(jnp.asarray(time, network.dtype), jnp.asarray(rng.integers(0, 5, (2, 40)), jnp.int32))


def test_a_stream_of_samples_is_the_run_of_each(busy: tuple[rv.Network, rv.Spikes]):
    """Under `jit`; a batch; a batch of states under `vmap`; delays longer than a piece."""
    network, train = busy
    whole = rv.simulate(network, train, rv.EventDriven(), t_end=60.0)
    found, state = stream(network, train, 6, rv.EventDriven())
    joined = jnp.sort(jnp.concatenate(found, axis=1), axis=1)
    wanted = whole.spikes["output"].time
    assert int(whole.stats.spikes["output"].min()) > 10
    np.testing.assert_allclose(joined[:, : wanted.shape[1]], wanted, rtol=0, atol=1e-9)
    assert not jnp.any(jnp.isfinite(joined[:, wanted.shape[1] :]))

    more = rv.Spikes(jnp.full((2, 40), jnp.inf), jnp.full((2, 40), -1))
    go_on = lambda part, state: (
        rv.simulate(network, part, rv.EventDriven(), t_end=10.0, start=state).spikes["output"].time
    )
    together = go_on(more, state)
    assert bool(jnp.any(jnp.isfinite(together)))  # by what was on its way
    np.testing.assert_allclose(jax.vmap(go_on)(more, state), together, rtol=0, atol=1e-12)


def test_float32_loses_nothing_in_a_long_stream(busy: tuple[rv.Network, rv.Spikes]):
    network, train = busy
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32) if leaf.dtype == float else leaf, (network, train))
    exact, _ = stream(network, train, 6, rv.EventDriven())
    found, _ = stream(*single, 6, rv.EventDriven())
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == jnp.float32
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_what_cannot_go_on_is_refused(busy: tuple[rv.Network, rv.Spikes]):
    network, train = busy
    run = lambda *given, **options: rv.simulate(*given, t_end=60.0, **options)
    assert run(network, train, rv.EventDriven()).end is None
    state = run(network, train, rv.EventDriven(), end=True).end
    for simulator in (rv.ClockDriven(dt=1.0), rv.FirstSpike(), rv.Surrogate()):
        name = type(simulator).__name__
        with pytest.raises(ValueError, match=f"simulate: {name} starts at rest and gives no state.*EventDriven"):
            run(network, train, simulator, end=True)
        with pytest.raises(ValueError, match=f"simulate: {name} starts at rest and gives no state"):
            run(network, train, simulator, start=state)
    with pytest.raises(ValueError, match="Is it the state of another batch"):
        run(network, rv.Spikes(train.time[:1], train.unit[:1]), rv.EventDriven(), start=state)
    read = rv.feedforward([3, 2], neuron=rv.LIF(), readout=rv.LI(), key=jax.random.key(0))
    with pytest.raises(ValueError, match="a summary of 'output' is of a run from rest to `t_end`"):
        run(read, rv.Spikes([1.0], [0]), rv.EventDriven(), record={"output": rv.summaries.Mean()}, end=True)
    other = rv.feedforward([5, 3], neuron=rv.LIF(), key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"`start` is of a network of \['hidden', 'input', 'output'\]"):
        run(other, train, rv.EventDriven(), start=state)
    few = rv.Spikes(train.time[:, :3], train.unit[:, :3])
    begun = run(network, few, rv.EventDriven(), end=True).end  # three places for input spikes
    late = rv.Spikes(0.2 * train.time + 45.0, train.unit)  # 40 of them, all on their way at the end
    assert int(run(network, late, rv.EventDriven(), start=begun, end=True, throw=False).stats.status) == 18


def test_a_spikes_value_does_not_pass_from_piece_to_piece(busy: tuple[rv.Network, rv.Spikes]):
    """Refused, and not silently left out; without a derivative of the state it may be streamed as any other."""
    network, train = busy
    simulator = rv.EventDriven(gradient=rv.SpikeValue())
    nothing = rv.Spikes(jnp.full((2, 1), jnp.inf), jnp.full((2, 1), -1))

    def loss(network: rv.Network, detach: bool) -> jnp.ndarray:
        state = rv.simulate(network, train, simulator, t_end=60.0, end=True).end
        state = jax.lax.stop_gradient(state) if detach else state
        solution = rv.simulate(network, nothing, simulator, t_end=20.0, start=state)
        return jnp.sum(rv.spike_count(solution.spikes["output"]))

    with pytest.raises(
        ValueError, match="EventDriven: the value of a spike does not pass from piece to piece.*stop_grad"
    ):
        jax.grad(loss)(network, False)
    assert bool(jnp.any(jax.grad(loss)(network, True).connections[0].weight != 0))
