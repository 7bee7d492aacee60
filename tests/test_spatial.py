"""Delays by distance: lengths, bounds, exact gradients of positions, speeds and tortuosity, whatever simulates."""

import math
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.checks import Probes, check_gradients
from ranvier.clock_driven import Exact, Merged
from ranvier.delays import (
    AbstractMetric,
    Clip,
    Euclidean,
    FixedSpeed,
    LearnedSpeed,
    Manhattan,
    Per,
    Refuse,
    Ring,
    Saturate,
    Sphere,
    Tortuosity,
)  # fmt: skip
from ranvier.hardware import BrainScaleS2, check_fits
from ranvier.selection import path_of_each
from ranvier.status import DELAY

KEY = jax.random.key(0)
METRICS = {"euclidean": Euclidean(), "manhattan": Manhattan(), "sphere": Sphere(1.5), "ring": Ring(4.0)}
SIMULATORS = {
    "event-driven": rv.EventDriven(),
    "exact": rv.ClockDriven(dt=0.5, layout=Exact(history=32, events=32)),
    "merged": rv.ClockDriven(dt=0.5, layout=Merged()),
    "surrogate": rv.Surrogate(dt=0.5),
    "first-spike": rv.FirstSpike(),
}
T_END = 30.0
PATHS = ("position", "delay", "network.speed")


def by_hand(metric: AbstractMetric, x: np.ndarray, y: np.ndarray) -> float:
    """The length of one way, written down another way."""
    if isinstance(metric, Euclidean):
        return math.dist(x, y)
    if isinstance(metric, Manhattan):
        return float(np.abs(x - y).sum())
    if isinstance(metric, Sphere):
        return metric.radius * math.acos(x @ y / np.linalg.norm(x) / np.linalg.norm(y))
    around = np.mod(x - y, metric.length)
    return float(np.linalg.norm(np.minimum(around, metric.length - around)))


def some(size: int, dimensions: int, seed: int = 0) -> jax.Array:
    return jnp.asarray(np.random.default_rng([seed, size, dimensions]).normal(0.0, 1.5, (size, dimensions)))


def joined(dimensions: int = 2, **spatial: object) -> tuple[rv.SpatialDelay, rv.Population, rv.Population]:
    pre, post = rv.Population(5, position=some(5, dimensions)), rv.Population(4, rv.LIF(), some(4, dimensions))
    return rv.SpatialDelay(**spatial), pre, post


@pytest.mark.parametrize("dimensions", [1, 2, 3, 10])
@pytest.mark.parametrize("name", list(METRICS))
def test_lengths_and_their_derivatives_in_up_to_ten_dimensions(name: str, dimensions: int):
    metric = METRICS[name]
    if metric.problem(dimensions):
        pytest.skip("a sphere has at least two dimensions")
    delay, pre, post = joined(dimensions, metric=metric)
    found = np.asarray(delay.length(pre, post))
    wanted = [[by_hand(metric, x, y) for y in np.asarray(post.position)] for x in np.asarray(pre.position)]
    np.testing.assert_allclose(found, wanted, rtol=1e-12)
    pairs = rv.Pairs([0, 4, 2], [3, 0, 2])
    np.testing.assert_array_equal(delay.length(pre, post, pairs), found[[0, 4, 2], [3, 0, 2]])
    at = lambda x, y: delay.length(rv.Population(5, position=x), rv.Population(4, position=y)).sum()
    for argument in (0, 1):
        slope = jax.grad(at, argument)(pre.position, post.position)
        along = np.random.default_rng(1).normal(size=slope.shape)
        move = lambda step, argument=argument, along=along: at(
            *(
                one + step * along if which == argument else one
                for which, one in enumerate((pre.position, post.position))
            )
        )
        difference = (8 * (move(1e-4) - move(-1e-4)) - (move(2e-4) - move(-2e-4))) / 12e-4
        assert float(np.sum(slope * along)) == pytest.approx(float(difference), rel=1e-8)


@pytest.mark.parametrize("name", list(METRICS))
def test_at_distance_0_the_derivative_is_0(name: str):
    """Of first and second order, alone and among others, which keep theirs."""
    metric, here = METRICS[name], jnp.asarray([[0.5, -1.0], [0.25, 2.0]])
    delay = rv.SpatialDelay(metric=metric, low=1.0)
    matrix = lambda x: delay(rv.Population(2, position=x), rv.Population(2, position=here))
    assert np.array_equal(np.diagonal(matrix(here)), [1.0, 1.0])
    slopes = jax.jacobian(matrix)(here)
    assert np.isfinite(slopes).all()
    assert not slopes[0, 0].any()
    assert slopes[0, 1, 0].any()
    assert np.isfinite(jax.hessian(lambda x: matrix(x).sum())(here)).all()


def test_opposite_points_of_a_sphere_have_a_finite_derivative():
    at = lambda x: Sphere(2.0)(x, jnp.asarray([[0.0, -3.0]]))[0]
    assert float(at(jnp.asarray([[0.0, 1.0]]))) == pytest.approx(2 * math.pi)
    assert not np.asarray(jax.grad(at)(jnp.asarray([[0.0, 1.0]]))).any()


def test_close_neurons_keep_their_digits_in_float32():
    x = jnp.asarray([[100.0, 200.0]], jnp.float32)
    y = jnp.nextafter(x, jnp.inf)
    wanted = math.dist(np.asarray(x, float)[0], np.asarray(y, float)[0])
    assert float(Euclidean()(x, y)[0]) == pytest.approx(wanted, rel=1e-6)
    slope = np.asarray(jax.grad(lambda x: Euclidean()(x, y)[0])(x))[0]
    np.testing.assert_allclose(slope, (np.asarray(x, float) - np.asarray(y, float))[0] / wanted, rtol=1e-6)


def test_nothing_with_all_three_axes_is_kept_for_the_derivative():
    """Neither for all synapses, nor, of pairs, anything of the size of all synapses."""
    pre, post = rv.Population(61, position=some(61, 3)), rv.Population(53, position=some(53, 3))
    delay = rv.SpatialDelay()

    def kept(pattern: rv.AllToAll | rv.Pairs) -> set[tuple[int, ...]]:
        at = lambda x, y: delay(rv.Population(61, position=x), rv.Population(53, position=y), pattern)
        _, back = jax.vjp(at, pre.position, post.position)
        return {leaf.shape for leaf in jax.tree.leaves(back) if hasattr(leaf, "shape")}

    assert max(map(len, kept(rv.AllToAll()))) == 2
    assert all(math.prod(shape) <= 61 * 53 for shape in kept(rv.AllToAll()))
    assert all(math.prod(shape) <= 61 * 3 for shape in kept(rv.Pairs(np.arange(50), np.arange(50))))
    text = str(jax.make_jaxpr(lambda: delay(pre, post, rv.Pairs([1, 2], [3, 4])))())
    assert "61,53" not in text


def test_speeds():
    delay, pre, post = joined(low=0.5)
    length = np.asarray(delay.length(pre, post))
    each = np.linspace(0.5, 2.0, 5)[:, None]
    for speed, wanted in [
        (2.0, 2.0), (FixedSpeed(each), each), (LearnedSpeed(3.0), 3.0), (LearnedSpeed(each), each), (None, 0.25)
    ]:  # fmt: skip
        found = rv.SpatialDelay(speed, low=0.5)(pre, post, speed=jnp.asarray(0.25))
        np.testing.assert_allclose(found, 0.5 + length / wanted, rtol=1e-12)
    pairs = rv.Pairs([0, 4, 2], [3, 0, 2])
    found = rv.SpatialDelay(FixedSpeed(each))(pre, post, pairs)
    np.testing.assert_allclose(found, (length / each)[[0, 4, 2], [3, 0, 2]], rtol=1e-12)
    longer = Tortuosity(np.full((5, 4), 1.5))
    np.testing.assert_allclose(rv.SpatialDelay(tortuosity=longer)(pre, post), 1.5 * length, rtol=1e-12)


def test_saturation_follows_short_ways_and_never_passes_the_largest_delay():
    delay, pre, post = joined(low=1.0, high=3.0, limit=Saturate(), speed=0.2)
    time = np.asarray(delay.length(pre, post)) / 0.2
    wanted = 1.0 + 2.0 * (time / 2) / (1 + (time / 2) ** 4) ** 0.25
    np.testing.assert_allclose(delay(pre, post), wanted, rtol=1e-12)
    far = Saturate()(jnp.asarray([0.0, 1e-3, 1e9, 1e30], jnp.float32), 2.0)
    np.testing.assert_allclose(far, [0.0, 1e-3, 2.0, 2.0], rtol=1e-6)
    slopes = jax.vmap(jax.grad(lambda t: Saturate()(t, 2.0)))(jnp.asarray([0.0, 1.0, 2.0, 4.0, 1e9]))
    np.testing.assert_allclose(slopes, (1 + np.asarray([0.0, 0.5, 1.0, 2.0, 5e8]) ** 4) ** -1.25, rtol=1e-12)


def network(once: bool = False, high: float = 14.0) -> tuple[rv.Network, rv.Spikes]:
    """All metrics, both kinds of limit, all kinds of speed, tortuosity and pairs in one network, and its input."""
    rng = np.random.default_rng(3)
    sizes, neuron = {"input": 4, "hidden": 4, "output": 2}, rv.LIF(10.0, 5.0, refractory=math.inf if once else 0.5)
    layer = lambda name, at: rng.normal([at, 0.0, 0.5], 1.0, (sizes[name], 3))
    populations = {
        name: rv.Population(size, None if name == "input" else neuron, layer(name, 2.0 * at))
        for at, (name, size) in enumerate(sizes.items())
    }
    sparse = rv.Pairs.from_mask(rng.random((4, 4)) < 0.5)
    weight = lambda mean, shape: rng.normal(mean, 0.6, shape)
    saturated = {"low": 1.0, "high": high, "limit": Saturate()}
    links = [
        rv.Connection("input", "hidden", weight(1.4, (4, 4)),
                      rv.SpatialDelay(LearnedSpeed(rng.uniform(0.5, 2.0, (4, 1))), **saturated)),
        rv.Connection("input", "hidden", weight(0.8, (4, 4)), rv.SpatialDelay(None, high=50.0, metric=Ring(7.0)), name="ring"),
        rv.Connection("hidden", "output", weight(1.2, (4, 2)), rv.SpatialDelay(LearnedSpeed(0.7), high=50.0, metric=Manhattan())),
    ]  # fmt: skip
    if not once:
        longer = Tortuosity(rng.uniform(1.1, 1.9, sparse.shape(4, 4)), 1.0, 2.0, Clip())
        kind = rv.SpatialDelay(0.5, **saturated, metric=Sphere(2.0), tortuosity=longer)
        links.append(rv.Connection("hidden", "hidden", weight(-0.3, sparse.shape(4, 4)), kind, sparse))
    else:
        kind = rv.SpatialDelay(
            0.5, **saturated, metric=Sphere(2.0), tortuosity=Tortuosity(rng.uniform(1.1, 1.9, (4, 2)))
        )
        links.append(rv.Connection("input", "output", weight(0.9, (4, 2)), kind))
    time = np.sort(rng.uniform(0.0, 15.0, 16))
    spikes = rv.Spikes(time, rng.integers(0, 4, 16).astype(np.int32))
    return rv.Network(populations, links, speed=LearnedSpeed(1.3)), spikes


@pytest.mark.parametrize("once", [False, True])
def test_gradients_are_central_differences(once: bool):
    """All metrics, speeds, limits and tortuosity; the goal is 1e-8."""
    net, spikes = network(once)
    report = check_gradients(
        net, spikes, rv.EventDriven(), t_end=T_END, names=PATHS, record={"output": np.array([12.0, 29.0])}, samples=1,
        probes=Probes(coordinates=3, directions=1), tolerance=1e-8, key=KEY,
    )  # fmt: skip
    assert report.passed, str(report)
    assert all(field.counted > 0 for field in report.fields)


def recurrent_part(net: rv.Network) -> rv.Network:
    """Without the output and a second way to the hidden layer: on a grid all of it takes long to compile."""
    populations = {name: net.populations[name] for name in ("input", "hidden")}
    return rv.Network(populations, [net["ring"], net["hidden->hidden"]], speed=net.speed)


def as_synaptic(net: rv.Network) -> rv.Network:
    """The same delays, free."""
    links = [
        rv.Connection(link.pre, link.post, link.weight, rv.SynapticDelay(net.delay(link), link.delay.low, 100.0, Clip()),
                      link.pattern, name=link.name)
        for link in net.connections
    ]  # fmt: skip
    return rv.Network(net.populations, links)


def outcome(learn: rv.Network, fixed: rv.Network, spikes: rv.Spikes, simulator: rv.EventDriven) -> jax.Array:
    net = rv.combine(learn, fixed)
    last = "output" if "output" in net.populations else "hidden"
    found = rv.simulate(net, spikes, simulator, t_end=T_END, record={last: [10.0, 20.0, 29.0]})
    times = [jnp.where(jnp.isfinite(one.time), jnp.sin(one.time), 0.0).sum() for one in found.spikes.values()]
    return sum(times) + jnp.sum(found.voltages[last] ** 2)


slope_of = eqx.filter_jit(jax.value_and_grad(outcome))


@pytest.mark.parametrize(
    "name", ["event-driven", *(pytest.param(name, marks=pytest.mark.slow) for name in ("merged", "surrogate"))]
)
def test_gradients_are_those_of_free_delays_passed_on(name: str):
    """Also where there is no derivative to compare with, as for a surrogate."""
    net, spikes = network()
    net = net if name == "event-driven" else recurrent_part(net)
    free = as_synaptic(net)
    learn, fixed = rv.partition(net, *PATHS)
    value, slope = slope_of(learn, fixed, spikes, SIMULATORS[name])
    owed, rest = rv.partition(free, "delay")
    other, owed = slope_of(owed, rest, spikes, SIMULATORS[name])
    assert float(value) == pytest.approx(float(other), rel=1e-9)
    delays = lambda learn: [rv.combine(learn, fixed).delay(link.name) for link in net.connections]
    wanted = jax.vjp(delays, learn)[1]([link.delay.raw for link in owed.connections])[0]
    for one, two in zip(jax.tree.leaves(slope), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
        assert np.any(one != 0)


@pytest.mark.parametrize("name", ["exact", "first-spike"])
def test_gradients_are_those_of_event_driven(name: str):
    """Of all that learns, in the network whose gradients are central differences."""
    net, spikes = network(once=name == "first-spike")
    learn, fixed = rv.partition(net, *PATHS)
    (_, found), (_, wanted) = (slope_of(learn, fixed, spikes, SIMULATORS[one]) for one in (name, "event-driven"))
    for one, two in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7, atol=1e-9)


def test_a_delay_that_is_too_long_is_refused_where_it_is_known_and_where_it_is_not():
    pre, post = rv.Population(1, position=[[0.0]]), rv.Population(1, rv.LIF(), [[5.0]])
    build = lambda position: rv.Network(
        {"input": pre, "output": rv.Population(1, rv.LIF(), position)},
        [rv.Connection("input", "output", jnp.ones((1, 1)), rv.SpatialDelay(high=4.0))],
    )
    spikes = rv.Spikes(jnp.asarray([1.0]), jnp.asarray([0]))
    run = lambda position: rv.simulate(build(position), spikes, rv.EventDriven(), t_end=20.0, throw=False).stats.status
    assert int(run(jnp.asarray([[3.9]]))) == 0
    with pytest.raises(
        ValueError, match=r"the delays of input->output must be in \[0, 4\] ms.*bring the positions closer.*got 5"
    ):
        rv.simulate(build(post.position), spikes, rv.EventDriven(), t_end=20.0)
    assert int(jax.jit(run)(jnp.asarray([[5.0]]))) == DELAY
    assert int(jax.jit(run)(jnp.asarray([[3.9]]))) == 0


def test_what_learns_is_found_by_path(tmp_path: Path):
    net, _ = network()
    of = lambda *paths: set(jax.tree.leaves(path_of_each(rv.partition(net, *paths)[0])))
    positions = {"input.position", "hidden.position", "output.position"}
    own = {"input->hidden.delay.speed.raw", "hidden->output.delay.speed.raw", "hidden->hidden.delay.tortuosity.raw"}
    weights = {f"{link.name}.weight" for link in net.connections}
    assert of() == positions | own | weights | {"network.speed.raw"}
    assert of("hidden.position") == {"hidden.position"}
    assert of("position") == positions
    assert of("delay") == own
    assert of("input->hidden.delay") == {"input->hidden.delay.speed.raw"}
    assert of("speed") == of("network.speed") == {"network.speed.raw"}
    with pytest.raises(
        ValueError, match="'ring.delay' has no numbers of its own.*take 'input.position' or 'hidden.position'"
    ):
        of("ring.delay")
    rv.save(tmp_path / "net.npz", net)
    again = rv.load(tmp_path / "net.npz")
    assert jax.tree.structure(again) == jax.tree.structure(net)
    for link in net.connections:
        np.testing.assert_array_equal(again.delay(link.name), net.delay(link))
    assert "SpatialDelay [1, 14] ms" in str(net)
    assert f"{sum(one.size for one in jax.tree.leaves(rv.partition(net)[0])):,} learnable parameters" in str(net)
    assert [one.get_xlabel() for one in rv.plots.parameter_histograms(net)].count("delay (ms)") == 4


def test_project_puts_tortuosity_back():
    net, _ = network()
    moved = rv.project(jax.tree.map(lambda leaf: leaf + 5 if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, net))
    assert float(moved["hidden->hidden"].delay.tortuosity().max()) == 2.0


def test_builders_take_positions():
    layouts = [rv.layouts.line(3.0, 2), rv.layouts.ball(1.0, 2), None]
    kinds = [rv.spatial(1.0, 9.0, learn_speed=Per.SENDER, tortuosity=1.5), rv.fixed(1.0)]
    net = rv.feedforward([4, 5, 3], neuron=rv.LIF(), delay=kinds, position=layouts, dtype="float32", key=KEY)
    assert net["input"].position.dtype == net["hidden"].position.dtype == jnp.float32
    assert net["output"].position is None
    assert net["input->hidden"].delay.speed.shape == (4, 1)
    assert net["input->hidden"].delay.tortuosity().shape == (4, 5)
    assert net.delay("input->hidden").dtype == jnp.float32
    kinds = [rv.spatial(1.0, 9.0), rv.spatial(1.0, learn_speed=Per.COMMON), rv.fixed(1.0)]
    net = rv.recurrent([4, 5, 3], neuron=rv.LIF(), delay=kinds, position=layouts, key=KEY)
    assert net.delay("hidden->hidden").shape == (5, 5)
    with pytest.raises(ValueError, match="`position` must be one for all, or a list of 3"):
        rv.feedforward([4, 5, 3], neuron=rv.LIF(), position=layouts[:2], key=KEY)


def test_layouts():
    np.testing.assert_allclose(rv.layouts.ring(2.0, 3)(7)[:, 2], 0.0)
    np.testing.assert_allclose(np.linalg.norm(rv.layouts.ring(2.0)(7), axis=1), 2.0)
    sheet = np.asarray(rv.layouts.sheet(3.0)(7))
    assert len(np.unique(sheet, axis=0)) == 7
    np.testing.assert_allclose(sheet.max(axis=0)[0], 1.5)
    ball = np.asarray(rv.layouts.ball(2.0, 3)(4000, key=KEY))
    share = (np.linalg.norm(ball, axis=1) / 2.0) ** 3  # even by volume: uniform
    assert share.max() <= 1.0
    np.testing.assert_allclose(np.quantile(share, [0.25, 0.5, 0.75]), [0.25, 0.5, 0.75], atol=0.03)
    normal = np.asarray(rv.layouts.normal(2.0, 4)(4000, jnp.float32, key=KEY))
    np.testing.assert_allclose(normal.std(axis=0), 2.0, rtol=0.05)
    tones = np.asarray(rv.layouts.tonotopic([100.0, 1000.0, 8000.0], 35.0)(3))[:, 0]
    scale, slope, shift = 165.4, 2.1, 0.88
    np.testing.assert_allclose(scale * (10 ** (slope * (tones / 35 + 0.5)) - shift), [100.0, 1000.0, 8000.0], rtol=1e-9)
    np.testing.assert_allclose(rv.layouts.moved(rv.layouts.line(2.0), [5.0])(2), [[4.0], [6.0]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: rv.SpatialDelay(speed=0.0), "`speed` must be finite and above 0"),
        (lambda: rv.SpatialDelay(speed=np.ones(3)), r"shape \(\), or \(pre, 1\).*got \(3,\)"),
        (lambda: rv.SpatialDelay(low=2.0, high=1.0), "0 <= low < high"),
        (lambda: rv.SpatialDelay(limit=Saturate()), "Saturate needs a finite largest delay"),
        (lambda: Sphere(0.0), "`radius` must be a finite number above 0"),
        (lambda: Ring(math.inf), "`length` must be a finite number above 0"),
        (lambda: Tortuosity(np.ones((2, 2)), 1.5, 2.0), r"`factor` must be in \[1.5, 2\]; got values from 1.0"),
        (lambda: Tortuosity(np.ones((2, 2)), 2.0, 1.0), "needs 0 < `low` < `high` < inf"),
        (lambda: rv.spatial(tortuosity=0.5), "`tortuosity` must be a finite factor of at least 1"),
        (lambda: rv.spatial(learn_speed=Per.RECEIVER), "`learn_speed` must be Per.COMMON, Per.SENDER or None"),
        (lambda: rv.spatial(speed=None, learn_speed=Per.COMMON), "with a `speed`"),
        (lambda: rv.layouts.normal(1.0, 2)(3), "normal: positions are drawn at random; pass `key`"),
        (lambda: rv.layouts.ring(1.0, 1), "`dimensions` must be a whole number, at least 2; got 1"),
        (lambda: rv.layouts.line(-1.0), "`length` must be a finite number above 0; got -1"),
        (lambda: rv.layouts.tonotopic([1.0, 2.0], 1.0)(3), "has 2 channels, the population 3"),
        (lambda: rv.layouts.moved(rv.layouts.line(1.0), [1.0, 2.0])(3), "one number per dimension, 1"),
        (lambda: rv.SpatialDelay()(rv.Population(2), rv.Population(3)), "the sending one, of size 2, has none"),
        (lambda: rv.SpatialDelay()(rv.Population(2, position=some(2, 2)), rv.Population(3, position=some(3, 3))),
         "the sending population has 2, the receiving one 3"),
        (lambda: joined(1, metric=Sphere(1.0))[0](*joined(1)[1:]), "at least 2 dimensions; got 1"),
        (lambda: joined(speed=None)[0](*joined()[1:]), "has no `speed`, and neither has the network"),
        (lambda: joined(speed=np.ones((3, 1)))[0](*joined()[1:]), r"one value per sender, shape \(5, 1\); got \(3, 1\)"),
        (lambda: rv.Network({"input": rv.Population(1), "out": rv.Population(1, rv.LIF())}, [], speed=np.ones((2, 1))),
         "`speed` must be one number for all connections"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_a_chip_knows_no_positions():
    neuron = rv.LIF(6.0, 6.0, refractory=jnp.inf)
    kind = rv.spatial(12.0, 21.0, limit=Saturate())
    net = rv.feedforward([4, 6, 1], neuron=neuron, delay=kind, position=rv.layouts.normal(1.0, 2), key=KEY)
    with pytest.raises(ValueError, match=r"input->hidden follow from positions \(SpatialDelay\).*Use rv.axonal"):
        check_fits(net, BrainScaleS2())
    assert isinstance(rv.SpatialDelay().limit, Refuse)
