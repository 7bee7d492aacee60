"""Patterns: an absent synapse has no weight, delay, gradient or event, whatever simulates the network."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier.clock_driven import Exact, Merged, Queued
from ranvier.dense import dense
from ranvier.hardware import BrainScaleS2, EmulatedChip, InTheLoop, weight_codes, written
from ranvier.patterns import density, in_degree
from ranvier.queues import SortedQueue

T_END = 40.0
SIMULATORS = {
    "event-driven": rv.EventDriven(),
    "exact": rv.ClockDriven(dt=0.5, layout=Exact(history=32, events=32)),
    "merged": rv.ClockDriven(dt=0.5, layout=Merged()),
    "queued": rv.ClockDriven(dt=0.5, layout=Queued(SortedQueue(32), events=32)),
    "surrogate": rv.Surrogate(dt=0.5),
    "first-spike": rv.FirstSpike(),
}
DELAYS = {
    "synaptic": lambda rng, count, pre, post: rv.SynapticDelay(rng.uniform(1.1, 9.0, count), 1.0, 10.0, rv.delays.Clip()),
    "axonal": lambda rng, count, pre, post: rv.AxonalDelay(rng.uniform(1.1, 9.0, (pre, 1)), 1.0, 10.0),
    "dendritic": lambda rng, count, pre, post: rv.DendriticDelay(rng.uniform(1.1, 9.0, (1, post)), 1.0, 10.0),
    "each fixed": lambda rng, count, pre, post: rv.FixedDelay(rng.uniform(1.1, 9.0, count)),
    "common": lambda rng, count, pre, post: rv.FixedDelay(1.5),
}  # fmt: skip
KNOWN = {"exact": rv.EventDriven(), "queued": rv.EventDriven(), "first-spike": rv.EventDriven(max_spikes=1)}
"""What simulates the filled network where both agree to rounding: it compiles fastest."""
Edges = tuple[tuple[str, str, float | None], ...]


def plain(kind: str, own: str | None = None, once: bool = False) -> Edges:
    """A recurrent network whose last connection is dense, of one kind of delay, or with another one to itself."""
    back = () if once else (("hidden->hidden", own or kind, 0.3),)
    return (("input->hidden", kind, 0.5), *back, ("hidden->output", kind, None))


def mixed(once: bool = False) -> Edges:
    """Every kind of delay with absent synapses in one network, as its program takes long to compile, and a dense one."""
    back = "input->output" if once else "hidden->hidden"
    return (
        ("input->hidden", "synaptic", 0.5), ("input->hidden", "common", 0.3), (back, "dendritic", 0.3),
        (back, "each fixed", 0.2), ("hidden->output", "axonal", 0.6), ("input->output", "common", None),
    )  # fmt: skip


def sparse(seed: int, edges: Edges, once: bool = False) -> tuple[rv.Network, rv.Spikes]:
    """A network of connections with a kind of delay and a share of synapses, None for all, and its input.

    Neurons fire once if `once`.
    """
    rng = np.random.default_rng(seed)
    sizes = {"input": 6, "hidden": 8, "output": 3}
    neuron = rv.LIF(10.0, 5.0, refractory=jnp.inf if once else 0.5)
    populations = {name: rv.Population(size, None if name == "input" else neuron) for name, size in sizes.items()}
    links = []
    for number, (name, kind, share) in enumerate(edges):
        pre, post = name.split("->")
        mean = -0.3 if pre == post else 1.6
        shape, pattern = (sizes[pre], sizes[post]), rv.AllToAll()
        if share is not None:
            pattern = rv.Pairs.from_mask(rng.random(shape) < share)
        count = pattern.shape(*shape)
        delay = DELAYS[kind](rng, count, *shape)
        links.append(rv.Connection(pre, post, rng.normal(mean, 0.8, count), delay, pattern, name=f"{name} {number}"))
    time = np.sort(rng.uniform(0.0, 30.0, (2, 25)))
    return rv.Network(populations, links), rv.Spikes(time, rng.integers(0, 6, (2, 25)).astype(np.int32))


def case(name: str) -> tuple[rv.Network, rv.Spikes]:
    """The network of a simulator: of a queue per synapse and one per sender, which are all there is, for queues."""
    if name == "queued":
        return sparse(8, plain("synaptic", "axonal"))
    once = name == "first-spike"
    return sparse(1, mixed(once), once)


matrices = eqx.filter_jit(dense)
chip_weights = eqx.filter_jit(written)


def filled(net: rv.Network) -> rv.Network:
    """The same network with all synapses, those that were absent of weight 0."""
    links = []
    for link, matrix in zip(net.connections, matrices(net), strict=True):
        delay = link.delay
        if delay.per is rv.delays.Per.SYNAPSE:
            fixed = isinstance(delay, rv.FixedDelay)
            delay = (
                rv.FixedDelay(matrix.delay)
                if fixed
                else rv.SynapticDelay(matrix.delay, delay.low, delay.high, rv.delays.Clip())
            )
        links.append(rv.Connection(link.pre, link.post, matrix.weight, delay, name=link.name))
    return rv.Network(net.populations, links)


@eqx.filter_jit
def outcome(net: rv.Network, spikes: rv.Spikes, simulator: rv.EventDriven) -> tuple[rv.Network, rv.Solution]:
    """Gradient of a sum over all spikes and potentials, and what happened."""
    learn, fixed = rv.partition(net)

    def loss(learn: rv.Network) -> tuple[jax.Array, rv.Solution]:
        found = rv.simulate(
            rv.combine(learn, fixed), spikes, simulator, t_end=T_END, record={"hidden": [9.9, 30.0]}, throw=False
        )
        parts = [jnp.where(jnp.isfinite(train.time), jnp.sin(train.time), 0.0).sum() for train in found.spikes.values()]
        return sum(parts) + jnp.sum(found.voltages["hidden"] ** 2), found

    gradient, solution = jax.grad(loss, has_aux=True)(learn)
    return gradient, solution


def compare(net: rv.Network, spikes: rv.Spikes, simulator: rv.EventDriven, known: rv.EventDriven) -> None:
    """Spikes, potentials and gradients of the sparse and, by a simulator that agrees, the filled network are equal."""
    (slope, one), (whole, other) = outcome(net, spikes, simulator), outcome(filled(net), spikes, known)
    assert int(one.stats.status) == int(other.stats.status) == 0
    assert sum(int(count.sum()) for count in one.stats.spikes.values()) > 10
    for name, train in one.spikes.items():
        np.testing.assert_allclose(train.time, other.spikes[name].time, rtol=0, atol=1e-9)
        assert np.array_equal(train.unit, other.spikes[name].unit)
    np.testing.assert_allclose(one.voltages["hidden"], other.voltages["hidden"], rtol=0, atol=1e-9)
    for link, mine, theirs in zip(net.connections, slope.connections, whole.connections, strict=True):
        np.testing.assert_allclose(mine.weight, link.pattern.take(theirs.weight), rtol=1e-8, atol=1e-8)
        if not link.delay.learns:
            continue
        raw = theirs.delay.raw
        raw = link.pattern.take(raw) if link.delay.per is rv.delays.Per.SYNAPSE else raw
        np.testing.assert_allclose(mine.delay.raw, raw, rtol=1e-8, atol=1e-8)
    counted(net, spikes, one)


def counted(net: rv.Network, spikes: rv.Spikes, solution: rv.Solution) -> None:
    """Events and events in flight, counted synapse by synapse."""
    trains = {"input": spikes, **solution.spikes}
    for sample in range(2):
        events, late = 0, dict.fromkeys(net.neurons, 0)
        for link in net.connections:
            sender, _, _, delay = build.synapses(net, link)
            time, unit = np.asarray(trains[link.pre].time[sample]), np.asarray(trains[link.pre].unit[sample])
            for at in range(np.isfinite(time).sum()):
                events += (sender == unit[at]).sum()
                late[link.post] += int((time[at] + delay[sender == unit[at]] > T_END).sum())
        assert int(solution.stats.events[sample]) == events
        assert {name: int(count[sample]) for name, count in solution.stats.in_flight.items()} == late


@pytest.mark.parametrize("name", SIMULATORS)
def test_an_absent_synapse_is_one_of_weight_0(name: str):
    compare(*case(name), SIMULATORS[name], KNOWN.get(name, SIMULATORS[name]))


def test_other_pairs_of_the_same_number_compile_nothing_anew():
    traced = []

    @eqx.filter_jit
    def run(net: rv.Network, spikes: rv.Spikes) -> jax.Array:
        traced.append(1)
        return rv.simulate(net, spikes, rv.EventDriven(), t_end=T_END).stats.events

    rng = np.random.default_rng(0)
    net, spikes = sparse(3, plain("synaptic"))
    first = net.connections[0]
    many = rng.permutation(48)[: first.pattern.pre.size]
    other = eqx.tree_at(lambda net: net.connections[0].pattern, net, rv.Pairs(*np.divmod(many, 8)))
    assert not np.array_equal(run(net, spikes), run(other, spikes))
    assert len(traced) == 1


def test_pairs_may_stand_in_any_order():
    net, spikes = sparse(4, plain("synaptic"))
    link = net.connections[0]
    order = np.random.default_rng(1).permutation(link.weight.size)
    pattern = rv.Pairs(link.pattern.pre[order], link.pattern.post[order])
    delay = rv.SynapticDelay(link.delay.raw[order], 1.0, 10.0, rv.delays.Clip())
    turned = rv.Network(
        net.populations, [rv.Connection("input", "hidden", link.weight[order], delay, pattern), *net.connections[1:]]
    )
    run = lambda net: rv.simulate(net, spikes, rv.EventDriven(), t_end=T_END).spikes["output"].time
    assert np.array_equal(run(net), run(turned))


@pytest.mark.parametrize("name", SIMULATORS)
def test_wrong_pairs_under_jit_have_a_status(name: str):
    """In the program of the test above, which compiles for any pairs."""
    net, spikes = case(name)
    status = lambda net: int(outcome(net, spikes, SIMULATORS[name])[1].stats.status)
    pattern = net.connections[0].pattern
    assert status(net) == 0
    for pre in (pattern.pre.at[0].set(6), pattern.pre.at[0].set(-1), pattern.pre.at[1].set(pattern.pre[0])):
        post = pattern.post.at[1].set(pattern.post[0]) if pre[1] == pre[0] else pattern.post
        wrong = eqx.tree_at(
            lambda net: (net.connections[0].pattern.pre, net.connections[0].pattern.post), net, (pre, post)
        )
        assert status(wrong) == 13


def test_drawn_pairs():
    key = jax.random.key(0)
    one, other = (density(0.25)(20, 30, key=jax.random.key(seed)) for seed in (0, 1))
    assert one.pre.shape == other.pre.shape == (150,)
    assert not np.array_equal(one.pre * 30 + one.post, other.pre * 30 + other.post)
    assert len(set(zip(one.pre.tolist(), one.post.tolist(), strict=True))) == 150
    lonely = density(1.0, self_connections=False)(6, 6, same=True, key=key)
    assert lonely.pre.shape == (30,)
    assert not np.any(lonely.pre == lonely.post)
    assert density(1.0, self_connections=False)(6, 6, same=False, key=key).pre.shape == (36,)
    few = in_degree(3, self_connections=False)(7, 7, same=True, key=key)
    assert np.bincount(few.post).tolist() == [3] * 7
    assert not np.any(few.pre == few.post)
    assert len(set(zip(few.pre.tolist(), few.post.tolist(), strict=True))) == 21
    share = np.mean(
        [np.bincount(in_degree(3)(10, 10, key=jax.random.key(seed)).pre, minlength=10) for seed in range(200)], axis=0
    )
    assert np.all(abs(share - 3.0) < 5 * np.sqrt(3 * 0.7 / 200))


def test_builders_draw_patterns():
    patterns = [density(0.5), in_degree(2, self_connections=False), rv.patterns.all_to_all]
    net = rv.recurrent([6, 5, 2], neuron=rv.LIF(), delay=rv.synaptic(1.0, 5.0), pattern=patterns, key=jax.random.key(0))
    assert [link.weight.shape for link in net.connections] == [(15,), (10,), (5, 2)]
    assert [net.delay(link).shape for link in net.connections] == [(15,), (10,), (5, 2)]
    assert "Pairs (0.5 of all)" in net.summary()
    assert sum(leaf.size for leaf in jax.tree.leaves(rv.partition(net)[0])) == 2 * (15 + 10 + 10)


def chip_network() -> tuple[rv.Network, rv.Spikes]:
    """A feed-forward network that fits on a chip, with pairs."""
    neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
    patterns = [density(0.6), rv.patterns.all_to_all]
    kinds = [rv.axonal(12.0, 21.0, bound=rv.delays.Clip()), rv.fixed(0.0)]
    net = rv.feedforward([8, 6, 3], neuron=neuron, delay=kinds, pattern=patterns, weight=rv.initializers.normal(0.5, 0.3),
                         key=jax.random.key(2))  # fmt: skip
    return net, rv.Spikes(jnp.linspace(0.0, 10.0, 8)[None], jnp.arange(8, dtype=jnp.int32)[None])


def test_a_chip_knows_pairs():
    net, spikes = chip_network()
    whole, chip = filled(net), BrainScaleS2(chip_seed=3)
    for link, mine, theirs in zip(
        net.connections, chip_weights(net, chip).connections, chip_weights(whole, chip).connections, strict=True
    ):
        assert np.array_equal(mine.weight, link.pattern.take(theirs.weight))
        assert mine.weight.shape == link.weight.shape
    codes = weight_codes(net, chip)[0]
    exists = matrices(net)[0].exists
    assert not np.any(np.asarray(codes)[~np.asarray(exists)])
    loop = InTheLoop(EmulatedChip(chip), key=jax.random.key(4))
    one, other = (rv.simulate(each, spikes, loop, t_end=90.0) for each in (net, whole))
    for name, train in one.spikes.items():
        assert np.array_equal(train.time, other.spikes[name].time)
    assert int(one.stats.events[0]) == int(other.stats.events[0]) - 8 * 6 + int(exists.sum())


def test_waking_silent_neurons_raises_only_the_synapses_there_are():
    net, spikes = sparse(6, plain("common"))
    quiet = eqx.tree_at(lambda net: [link.weight for link in net.connections], net, replace_fn=lambda w: 0.0 * w)
    solution = rv.simulate(quiet, spikes, rv.EventDriven(), t_end=T_END)
    recovery = rv.regularizers.SilentRecovery()
    woken, _, _ = recovery(quiet, rv.regularizers.silent_share(solution, quiet), recovery.init(quiet))
    assert [link.weight.shape for link in woken.connections] == [link.weight.shape for link in net.connections]
    assert all(bool((link.weight > 0).all()) for link in woken.connections if link.post == "hidden")
