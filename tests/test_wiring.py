"""What wiring costs, which synapses are removed, and synapses that move while a network learns."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ranvier as rv
from ranvier.rewiring import DeepRewiring, Rewiring
from ranvier.train import Dataset, Recipe
from ranvier.train.programs import programs
from ranvier.train.step import initial_state
from ranvier.wiring import Repulsion, Volume, WiringLength, at_random, by_length, by_weight, lengths, prune

KEY = jax.random.key(0)


def spatial(**given: object) -> rv.Network:
    return rv.feedforward(
        [6, 8, 3], neuron=rv.LIF(refractory=jnp.inf), delay=given.pop("delay", rv.spatial(0.5, tortuosity=1.5)),
        position=rv.layouts.normal(1.0, 2), key=KEY, **given,
    )  # fmt: skip


def test_costs_are_their_sums():
    net = spatial()
    total = 0.0
    for link in net.connections:
        one, other = np.asarray(net[link.pre].position), np.asarray(net[link.post].position)
        factor, weight = np.asarray(link.delay.tortuosity()), np.asarray(link.weight)
        for i, x in enumerate(one):
            for j, y in enumerate(other):
                total += abs(weight[i, j]) * factor[i, j] * np.hypot(*(x - y))
    assert float(WiringLength(0.5)(net)) == pytest.approx(0.5 * total, rel=1e-12)
    position = np.concatenate([one.position for one in net.members])
    assert float(Volume(2.0)(net)) == pytest.approx(2.0 * position.var(axis=0).sum(), rel=1e-12)
    near = lambda x: np.mean([sum(np.exp(-np.sum((a - b) ** 2) / 0.5) for b in x) - 1 for a in x]) / 2
    wanted = 3.0 * sum(near(np.asarray(one.position)) for one in net.members)
    assert float(Repulsion(3.0, 0.5)(net)) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("cost", [WiringLength(0.1), Volume(0.3), Repulsion(0.2, 0.7)])
def test_costs_have_derivatives(cost: WiringLength):
    learn, fixed = rv.partition(spatial(), "position", "weight", "delay")
    value = jax.jit(lambda learn: cost(rv.combine(learn, fixed)))
    slope = jax.grad(value)(learn)
    rng = np.random.default_rng(0)
    along = jax.tree.map(lambda leaf: jnp.asarray(rng.normal(size=leaf.shape)), learn)
    at = lambda step: float(value(jax.tree.map(lambda leaf, move: leaf + step * move, learn, along)))
    wanted = (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4
    found = sum(float(jnp.sum(a * b)) for a, b in zip(jax.tree.leaves(slope), jax.tree.leaves(along), strict=True))
    assert found == pytest.approx(wanted, rel=1e-8)


def test_pruned_networks_keep_the_worthiest_synapses():
    net = spatial()
    for by, worth in (
        (by_weight, lambda link: np.abs(link.weight)),
        (by_length, lambda link: -np.asarray(net.delay(link))),
    ):
        small = prune(net, 0.75, by)
        for link, left in zip(net.connections, small.connections, strict=True):
            mask = np.asarray(left.pattern.exists(*link.weight.shape))
            assert mask.sum() == left.weight.size == round(0.25 * link.weight.size)
            assert worth(link)[mask].min() > worth(link)[~mask].max()
            np.testing.assert_array_equal(left.weight, np.asarray(link.weight)[mask])
            np.testing.assert_allclose(small.delay(left), np.asarray(net.delay(link))[mask], rtol=1e-12)
    smaller = prune(small, 0.5, at_random, key=KEY)
    assert [link.weight.size for link in smaller.connections] == [6, 3]
    assert not np.array_equal(prune(small, 0.5, at_random, key=jax.random.key(1)).connections[0].weight,
                              smaller.connections[0].weight)  # fmt: skip
    assert prune(net, 0.999).connections[1].weight.size == 1


@pytest.mark.parametrize("kind", [rv.synaptic(0.0, 9.0), rv.axonal(0.0, 9.0), rv.fixed(2.0)])
def test_other_delays_are_pruned_too(kind: rv.delays.DelayFactory):
    net = spatial(delay=kind)
    small = prune(net, 0.5)
    for link, left in zip(net.connections, small.connections, strict=True):
        mask = np.asarray(left.pattern.exists(*link.weight.shape))
        whole = np.broadcast_to(net.delay(link), link.weight.shape)
        matrix = (
            np.broadcast_to(small.delay(left), mask.shape)[mask] if small.delay(left).ndim == 2 else small.delay(left)
        )
        np.testing.assert_allclose(matrix, whole[mask], rtol=1e-12)
        assert by_length(small, left).shape == left.weight.shape


def test_near_prefers_short_ways():
    net = rv.feedforward([60, 60], neuron=rv.LIF(), delay=rv.spatial(), pattern=rv.patterns.near(0.1, 0.4),
                         position=rv.layouts.ball(1.0, 2), key=KEY)  # fmt: skip
    link = net.connections[0]
    every = np.asarray(link.delay.length(net["input"], net["output"]))
    assert link.weight.shape == (360,)
    share = np.exp(-every / 0.4)
    assert float(lengths(net, link).mean()) == pytest.approx((every * share).sum() / share.sum(), rel=0.1)
    assert float(lengths(net, link).mean()) < 0.7 * every.mean()
    with pytest.raises(ValueError, match="near: both populations need positions"):
        rv.feedforward([6, 6], neuron=rv.LIF(), pattern=rv.patterns.near(0.1, 0.4), key=KEY)


def test_rewiring_moves_the_weakest_to_free_places():
    net = spatial(pattern=rv.patterns.density(0.5))
    moved, changed = Rewiring(0.25)(net, key=KEY)
    for link, new, which in zip(net.connections, moved.connections, changed, strict=True):
        gone = np.asarray(which)
        assert gone.sum() == round(0.25 * link.weight.size)
        assert np.abs(link.weight)[gone].max() < np.abs(link.weight)[~gone].min()
        np.testing.assert_array_equal(new.weight, np.where(gone, 0.0, link.weight))
        size = net.size(link.pre), net.size(link.post)
        before, after = (np.asarray(one.pattern.exists(*size)) for one in (link, new))
        assert after.sum() == before.sum()  # no pair twice
        assert not before[np.asarray(new.pattern.pre)[gone], np.asarray(new.pattern.post)[gone]].any()
    again, _ = Rewiring(0.25)(net, key=jax.random.key(1))
    assert not np.array_equal(again.connections[0].pattern.pre, moved.connections[0].pattern.pre)
    full = spatial()
    assert Rewiring(0.25)(full, key=KEY)[1] == [None, None]


def test_deep_rewiring_keeps_signs_and_moves_what_comes_to_zero():
    rng, rule = np.random.default_rng(1), DeepRewiring(decay=0.1, every=1)
    before = np.concatenate([rng.normal(size=200), [0.0, -0.0, 0.0, -0.0]])
    after = before + np.concatenate([rng.normal(0.0, 0.3, 200), [0.5, -0.5, -0.5, 0.5]])
    settled = np.asarray(rule.settled(jnp.asarray(before), jnp.asarray(after), KEY))
    sign = np.copysign(1.0, before)
    lives = (after - 0.1 * sign) * sign > 0
    assert 10 < (~lives).sum() < 100
    np.testing.assert_allclose(settled, np.where(lives, after - 0.1 * sign, 0.0), rtol=0, atol=1e-15)
    np.testing.assert_array_equal(np.copysign(1.0, settled), sign)
    assert lives[-4:].tolist() == [True, True, False, False]
    noisy = np.asarray(DeepRewiring(0.0, noise=0.1).settled(jnp.full(4000, 9.0), jnp.full(4000, 9.0), KEY))
    assert noisy.mean() == pytest.approx(9.0, abs=0.01)
    assert noisy.std() == pytest.approx(0.1, rel=0.05)
    net = spatial(pattern=rv.patterns.density(0.6))
    gone = [jnp.arange(link.weight.size) % 3 == 0 for link in net.connections]
    weights = [jnp.where(which, 0.0, link.weight) for which, link in zip(gone, net.connections, strict=True)]
    net = eqx.tree_at(lambda net: [link.weight for link in net.connections], net, weights)
    moved, changed = rule(net, key=KEY)
    for link, new, which, wanted in zip(net.connections, moved.connections, changed, gone, strict=True):
        size = net.size(link.pre), net.size(link.post)
        free = size[0] * size[1] - link.weight.size
        assert int(which.sum()) == min(int(wanted.sum()), free)
        assert not bool((which & ~wanted).any())
        assert int(new.pattern.exists(*size).sum()) == link.weight.size  # no pair twice
        assert not bool(new.weight[which].any())
    strong = eqx.tree_at(
        lambda net: [link.weight for link in net.connections], net, [jnp.full(w.shape, 9.0) for w in weights]
    )
    shaken = lambda *paths: DeepRewiring(0.0, noise=0.1).settle(rv.partition(strong, *paths)[0], strong, key=KEY)
    one, other = (link.weight[:10] for link in shaken("weight").connections)
    assert not np.isclose(one, other).any()  # each connection has noise of its own
    assert not np.isclose(one, 9.0).all()
    assert all((link.weight == 9.0).all() for link in shaken("position").connections)
    fresh = np.asarray(rule.starts(1000, KEY, jnp.dtype(float)))
    assert 400 < np.signbit(fresh).sum() < 600


def test_deep_rewiring_finds_the_synapses_of_a_teacher():
    """Potentials of a readout are linear in its weights: 6 of 40 inputs matter, and 8 synapses look for them."""
    rng = np.random.default_rng(3)
    senders = rng.choice(40, 6, replace=False).astype(np.int32)
    strengths = jnp.asarray([1.8, -1.6, 1.4, -1.4, 1.2, -1.4])  # together 0: no other inputs do for the mean
    ends = {"input": rv.Population(40), "output": rv.Population(1, rv.LI(10.0, 5.0))}

    def student(senders: np.ndarray, weight: jax.Array) -> rv.Network:
        pairs = rv.Pairs(senders, np.zeros(senders.size, np.int32))
        return rv.Network(ends, [rv.Connection("input", "output", weight, pattern=pairs)])

    units = [np.flatnonzero(rng.random(40) < 0.3) for _ in range(400)]
    spikes = rv.Spikes.from_ragged([rng.uniform(0, 20, each.size) for each in units], units)
    read = rv.readouts.Potential("output", 30.0)
    target = read(rv.simulate(student(senders, strengths), spikes, rv.EventDriven(), t_end=31.0, record=read.record))
    first = student(np.arange(8, dtype=np.int32), jnp.asarray(rng.normal(0.0, 0.1, 8)))

    def error(rewiring: object) -> tuple[float, set]:
        plan = Recipe(
            rv.EventDriven(), t_end=31.0, readout=read, loss=lambda value, wanted: jnp.sum((value - wanted) ** 2, axis=-1),
            optimiser=optax.adam(0.05), epochs=60, batch=40, learn=("weight",), rewiring=rewiring,
        )  # fmt: skip
        data = Dataset(spikes, np.asarray(target))
        found = rv.fit(first, data, data, plan, stuck=None, key=KEY)
        link = found.last.connections[0]
        strong = np.asarray(link.pattern.pre)[np.abs(np.asarray(link.weight)) > 0.3]
        return found.epochs[-1]["loss"], set(strong.tolist())

    still, looked = error(None), error(DeepRewiring(decay=0.02, every=10))
    assert still[1] == {3, 6, 7}  # those it had from the start
    assert still[1] < looked[1] <= set(senders.tolist())
    assert len(looked[1]) >= 5
    assert looked[0] < 0.5 * still[0]


def recipe(**given: object) -> Recipe:
    return Recipe(
        rv.FirstSpike(), t_end=60.0, readout=rv.readouts.FirstSpike("output"),
        loss=partial(rv.losses.relative_time_mse, margin=0.5), optimiser=rv.train.by_path(
            {"weight": optax.adam(1e-3), "position": optax.adam(1e-2)}), epochs=1, batch=10, learn=("weight", "position"),
        **given,
    )  # fmt: skip


def test_training_pays_for_wiring_and_moves_synapses():
    rng = np.random.default_rng(0)
    spikes = rv.Spikes(np.sort(rng.uniform(0, 10, (40, 6)), axis=1), np.tile(np.arange(6), (40, 1)))
    data = Dataset(spikes, rng.integers(0, 3, 40), classes=3)
    strong = rv.initializers.normal(6.0, 1.0)  # all neurons fire
    net = spatial(delay=rv.spatial(0.5), pattern=rv.patterns.density(0.5), weight=strong)
    run = lambda plan: programs(plan).train(plan, initial_state(net, plan), data, KEY, 1)[0]
    plain, dear = run(recipe()).network, run(recipe(costs=(WiringLength(5.0),))).network
    assert WiringLength(1.0)(dear) < WiringLength(1.0)(plain)
    state = run(recipe(rewiring=Rewiring(0.25, every=4)))  # four steps: it happens after the last one
    changed = [np.asarray(link.weight == 0) for link in state.network.connections]
    assert [one.sum() for one in changed] == [6, 3]
    kinds = jax.tree_util.tree_leaves_with_path(state.optimiser)
    for place, gone in enumerate(changed):
        momenta = [leaf for way, leaf in kinds if f"connections[{place}].weight" in jax.tree_util.keystr(way)]
        assert len(momenta) == 2
        for leaf in momenta:
            assert not np.asarray(leaf)[gone].any()
            assert np.asarray(leaf)[~gone].any()
    twice = recipe(rewiring=Rewiring(0.25, every=7))  # counted over epochs: in the second one, after its third step
    first, _ = programs(twice).train(twice, initial_state(net, twice), data, KEY, 1)
    here = [np.asarray(link.pattern.pre) for link in first.network.connections]
    second, _ = programs(twice).train(twice, first, data, KEY, 2)
    same = lambda state: [np.array_equal(a, link.pattern.pre) for a, link in zip(here, state.connections, strict=True)]
    assert same(net) == [True, True]
    assert same(second.network) == [False, False]
    positions = [leaf for way, leaf in kinds if "position" in jax.tree_util.keystr(way)]
    assert positions
    assert all(np.asarray(leaf).any() for leaf in positions)
    never = run(recipe(rewiring=Rewiring(0.25, every=5))).network
    np.testing.assert_array_equal(never.connections[0].weight, plain.connections[0].weight)


def test_what_makes_no_sense_is_refused():
    plain = rv.feedforward([2, 3], neuron=rv.LIF(), key=KEY)
    for wrong, message in [
        (lambda: WiringLength(-1.0), "`strength` must be finite and at least 0; got -1"),
        (lambda: Repulsion(1.0, 0.0), "`radius` must be above 0"),
        (lambda: Rewiring(1.0), "0 < `share` < 1"),
        (lambda: DeepRewiring(-0.1), "DeepRewiring: `decay` must be finite and at least 0; got -0.1"),
        (lambda: DeepRewiring(0.1, every=0), "DeepRewiring: `every` must be at least 1; got 0"),
        (lambda: prune(plain, 1.0), "`share` must be at least 0 and below 1; got 1.0"),
        (lambda: prune(plain, 0.5, at_random), "at_random: synapses are drawn at random; pass `key`"),
        (lambda: WiringLength(1.0)(plain), "WiringLength: no connection of this network has a SpatialDelay"),
        (lambda: Volume(1.0)(plain), "Volume: no population of this network has a position"),
        (lambda: lengths(plain, plain.connections[0]), "lengths: input->output has a FixedDelay"),
        (lambda: rv.patterns.near(0.0, 1.0), "near: needs 0 < `share` <= 1"),
    ]:
        with pytest.raises(ValueError, match=message):
            wrong()
