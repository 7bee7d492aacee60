"""Pieces of the CPU kernel, each against plain NumPy or SciPy."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from numba import njit
from scipy.optimize import brentq

from ranvier.event_driven import packing
from ranvier.event_driven.kernels.cpu import borrow, bound, fan_out, flow, gather, lanes, marks, scatter

leap = njit(lambda current, u, theta, mem, syn, gain, span: flow.leap(
    current, u, theta, flow.Rates(mem, syn, gain), span))  # fmt: skip
excess = njit(lambda *arguments: bound.bound(*arguments))
exponential = njit(lambda x: flow.exponential(x))
add_events = njit(lambda ring, events, pairs, factors, n: scatter.scatter(ring, events, pairs, factors, n))
locate = njit(lambda *arguments: fan_out.locate(*arguments))
pull_events = njit(lambda ring, events, synapse, sums, factors, n, noted: gather.gather(
    ring, events, synapse, sums, factors, n, noted))  # fmt: skip
both = njit(lambda ring, events, synapse, sums, factors, n, noted, weight, rates: gather.gather_and_weigh(
    ring, events, synapse, sums, factors, n, noted, weight, rates))  # fmt: skip
valued = njit(lambda ring, events, synapse, sums, factors, n, noted, weight, rates: gather.gather_and_value(
    ring, events, synapse, sums, factors, n, noted, weight, rates))  # fmt: skip
drain = njit(lambda cells, sums, count: lanes.drain(cells, sums, count))
list_marked = njit(lambda array, count, places: marks.list_marked(array, count, places))
list_bits = njit(lambda words, count, places: marks.list_bits(words, count, places))
part = njit(lambda array, start, size: borrow.part(array, start, size).copy())
ranks = njit(lambda values, count, places: lanes.ranks(values, count, places))
marked = njit(lambda array, first: marks.marked(array, first))


def potential(s: np.ndarray | float, current: float, u: float, tau_mem: float, tau_syn: float) -> np.ndarray:
    """Two exponentials, or their limit."""
    if tau_mem == tau_syn:
        return (u + current * s / tau_mem) * np.exp(-s / tau_mem)
    gain = current * tau_syn / (tau_syn - tau_mem)
    return u * np.exp(-s / tau_mem) + gain * (np.exp(-s / tau_syn) - np.exp(-s / tau_mem))


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 4.0, 2.7])
def test_a_leap_ends_at_the_first_crossing(ratio: float):
    """The first sign change on a fine grid, refined by bisection; where there is none, the state at the end."""
    rng = np.random.default_rng(round(10 * ratio))
    crossed = 0
    for _ in range(2000):
        tau_syn, u, span = rng.uniform(1, 15), rng.uniform(-1, 1), rng.uniform(0, 10)
        tau_mem, current = ratio * tau_syn, rng.uniform(-2, 12) * rng.uniform(0, 1) ** 2
        mem, syn = 1 / tau_mem, 1 / tau_syn
        s, current_end, u_end = leap(current, u, 1.0, mem, syn, 0.0 if mem == syn else mem / (mem - syn), span)
        grid = np.linspace(0, span, 100)
        above = np.flatnonzero(potential(grid, current, u, tau_mem, tau_syn) >= 1.0)
        if len(above):
            bracket = grid[above[0] - 1], grid[above[0]]
            wanted = brentq(lambda at, *rest: potential(at, *rest) - 1.0, *bracket, xtol=1e-15, rtol=1e-15,
                            args=(current, u, tau_mem, tau_syn))  # fmt: skip
            slope = (current * np.exp(-wanted / tau_syn) - 1.0) / tau_mem
            assert s == pytest.approx(wanted, abs=1e-13 / slope)
            assert (current_end, u_end) == (pytest.approx(current * np.exp(-s / tau_syn), rel=1e-12), 1.0)
            crossed += 1
        elif s >= 0.0:  # between two points of the grid
            assert potential(s, current, u, tau_mem, tau_syn) == pytest.approx(1.0, abs=1e-12)
        else:
            assert u_end == pytest.approx(potential(span, current, u, tau_mem, tau_syn), rel=1e-11, abs=1e-12)
            assert current_end == pytest.approx(current * np.exp(-span / tau_syn), rel=1e-12)
    assert 100 < crossed < 1900


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("window", [0.5, 4.0, 16.0])
def test_the_bound_is_above_the_potential_and_close_to_it(ratio: float, window: float):
    """Against a fine grid of the true course; equal to it where it rises to the end and all events come at first."""
    rng = np.random.default_rng(round(10 * ratio + window))
    tau_syn, count, theta = 5.0, 300, 0.7
    tau_mem = ratio * tau_syn
    mem, syn = 1 / tau_mem, 1 / tau_syn
    end = lambda current, u, span: potential(span, current, u, tau_mem, tau_syn)
    current, u = rng.uniform(-2, 4, count), rng.uniform(-1, 1, count)
    at, weight = rng.uniform(0, window, (count, 6)), rng.normal(0.2, 0.5, (count, 6))
    at[:100], weight[:100] = 0.0, np.abs(weight[:100])
    lift = np.maximum(weight * end(1.0, 0.0, window - at), 0.0).sum(axis=1)
    found, never = np.zeros(count), np.full(count, -1)
    kernel = end(1.0, 0.0, window)
    excess(5, False, 0.0, current, u, never, np.exp(-window * syn), np.exp(-window * mem), kernel,
           -np.expm1(-window * mem), 0.5 * mem / syn, np.full(count, theta), lift, found)  # fmt: skip
    grid = np.linspace(0.0, window, 400)
    passed = grid[None, None] - at[:, :, None]
    course = end(current[:, None], u[:, None], grid[None])
    course += np.where(passed > 0, weight[:, :, None] * end(1.0, 0.0, np.maximum(passed, 0.0)), 0.0).sum(axis=1)
    assert np.all(found + theta >= course.max(axis=1) - 1e-12)
    current_end = (current + weight.sum(axis=1)) * np.exp(-window * syn)
    rising = np.flatnonzero((current_end >= course[:, -1]) & (course[:, -1] > 0.0))
    rising = rising[rising < 100]
    assert len(rising) > 0 or window > 10.0
    np.testing.assert_allclose(found[rising] + theta, np.maximum(course[rising, -1], u[rising]), rtol=1e-12)


def test_a_neuron_is_exact_or_held_whatever_its_bound():
    found, held = np.zeros(4), np.array([-1, 5, 6, -1])
    u = np.array([0.0, 0.0, 0.0, np.nan])
    numbers = (np.exp(-0.2), np.exp(-0.05), 0.05, 0.05, 0.125)
    excess(5, False, 0.0, np.zeros(4), u, held, *numbers, np.full(4, np.inf), np.zeros(4), found)
    assert found.tolist() == [bound.LEAST, np.inf, -np.inf, np.inf]
    excess(5, True, 0.0, np.zeros(4), u, held, *numbers, np.full(4, np.inf), np.zeros(4), found)
    assert found.tolist() == [np.inf] * 4


def test_the_exponential_is_exact_to_rounding():
    """Against 40 digits; and what it does at the ends of its range."""
    rng = np.random.default_rng(0)
    x = np.concatenate([-rng.uniform(0, 1, 500), rng.uniform(-700, 10, 500), [0.0, -1e-300, 1e-17, -699.9]])
    with mpmath.workdps(40):
        errors = [abs(mpmath.mpf(exponential(at)) / mpmath.exp(mpmath.mpf(at)) - 1) for at in x.tolist()]
    assert max(errors) < 4e-16
    assert (exponential(-701.0), exponential(-np.inf)) == (0.0, 0.0)
    assert np.isnan(exponential(np.nan))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 30, 64])
def test_scattered_events_agree_with_a_loop(count: int, dtype: type):
    """Several spikes meet in the same cells, the events of one do not."""
    rng = np.random.default_rng(count)
    cells = 80
    ring = rng.normal(size=(cells, 4)).astype(dtype)
    wanted = ring.copy()
    for _ in range(3):
        cell, late = rng.permutation(cells)[:count], rng.integers(0, 2, count)
        pairs, factors = rng.normal(size=(2, count)).astype(dtype), rng.normal(size=(2, 4)).astype(dtype)
        for n in range(count):
            (a, b), (syn, mem, kernel, _) = pairs[:, n], factors[late[n]]
            u = a * kernel + b * mem
            wanted[cell[n]] += np.array([a * syn, u, max(u, 0.0), 0.0], dtype)
        add_events(ring.reshape(-1), (4 * cell + late).astype(np.uint32), tuple(pairs), factors.reshape(-1), count)
    np.testing.assert_allclose(ring, wanted, atol=1e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 15, 16, 33])
def test_cells_are_drained(count: int, dtype: type):
    """Three numbers of each to three rows, and zeros are left in these cells only."""
    cells, sums = np.arange(1, 4 * 40 + 1, dtype=dtype).reshape(40, 4), np.full((3, 40), -1, dtype)
    given = cells.copy()
    drain(cells.reshape(-1), sums, count)
    np.testing.assert_array_equal(sums[:, :count], given[:count, :3].T)
    np.testing.assert_array_equal(cells, np.concatenate([np.zeros((count, 4)), given[count:]]))
    np.testing.assert_array_equal(sums[:, count:], -1)


def test_events_are_located_on_around_the_ring():
    """And exactly on a window's edge they are late."""
    neurons, span, offset, window = 5, 4, np.float32(0.25), 1.0
    cell, frac = np.arange(15, dtype=np.int32), np.tile(np.float32([0.0, 0.74, 0.75, 0.76, 0.5]), 3)
    index = np.zeros(15, np.uint32)
    locate(cell, frac, offset, window, 10, neurons, span, index)
    late = frac >= 0.75
    assert index.tolist() == (4 * ((10 + cell + neurons * late) % 20) + late).tolist()


@pytest.mark.parametrize("ratio", [0.5, 0.95, 1.0, 1.001, 4.0])
def test_what_belongs_to_spike_and_synapse_makes_the_flow_from_the_arrival_on(ratio: float):
    """In time and late, against the flow over the time that is left."""
    window, rates = 1.0, flow.Rates(1.0 / (5.0 * ratio), 1 / 5.0, 0.0 if ratio == 1.0 else 1.0 / (1.0 - ratio))
    whole, factors = flow.flow(window, rates), np.zeros(8)
    for offset, frac, late in [(0.0, 0.0, 0), (0.3, 0.4, 0), (0.3, 0.7, 1), (0.999, 0.999, 1), (0.6, 0.399, 0)]:
        fan_out.set_factors(window - offset, rates, whole, factors)
        syn, mem, kernel, none = factors[4 * late : 4 * late + 4]
        decay_syn, decay_mem, kappa = flow.flow(-frac, rates)
        wanted = flow.flow(window - offset - frac + late * window, rates)
        found = decay_syn * syn, decay_mem * mem, decay_syn * kernel + kappa * mem
        np.testing.assert_allclose(found, wanted, atol=1e-14)
        assert decay_mem == pytest.approx(decay_syn - (1 - rates.syn / rates.mem) * kappa, rel=1e-14)
        assert none == 0.0


@pytest.mark.parametrize("ratio", [0.5, 0.93, 0.95, 1.0, 1.001, 1.07, 4.0])
def test_the_flow_without_a_branch_is_the_flow(ratio: float):
    rates = flow.Rates(1.0 / (5.0 * ratio), 1 / 5.0, 0.0 if ratio == 1.0 else 1.0 / (1.0 - ratio))
    for s in (-1.0, 0.0, 1e-9, 1e-3, 0.1, 1.0, 30.0):
        np.testing.assert_allclose(flow.flow_in_sums(s, rates), flow.flow(s, rates), rtol=1e-15, atol=5e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 30, 64, 77])
def test_gathered_events_agree_with_a_loop(count: int, dtype: type):
    """Some events are late, and some meet a mark: they are noted, and nothing beyond them."""
    rng = np.random.default_rng(count)
    cell, late = rng.integers(0, 15, count), rng.integers(0, 2, count)
    table, sums = rng.normal(size=(2, count)).astype(dtype), rng.normal(size=(2, count)).astype(dtype)
    weight, factors = rng.normal(size=count).astype(dtype), rng.normal(size=(2, 4)).astype(dtype)
    rates, skew = (dtype(0.2), dtype(0.05)), dtype(-3.0)
    pairs = rng.normal(size=(15, 2)).astype(dtype)
    pairs[[4, 9, 12]] = [[-0.0, 0.0], [0.0, 1.0], [-0.0, 2.0]]
    wanted, met, total, worth = sums.copy(), [], 0.0, 0.0
    for n in range(count):
        (p_i, p_u), (syn, mem, kernel, _), (decay, kappa) = pairs[cell[n]], factors[late[n]], table[:, n]
        x_i, x_u = decay * (p_i * syn + p_u * kernel) + kappa * p_u * mem, (decay - skew * kappa) * p_u * mem
        wanted[:, n] += x_i, x_u
        total += float(weight[n] * (x_i * rates[0] - x_u * rates[1]))
        worth += float(weight[n] * x_i)
        met += [n] if cell[n] in (4, 12) else []
    events, synapse = (4 * cell + late).astype(np.uint32), (*table, skew)
    one, two, three, noted = sums.copy(), sums.copy(), sums.copy(), np.zeros((3, 3), np.uint64)
    pull_events(pairs.reshape(-1), events, synapse, tuple(one), factors.reshape(-1), count, noted[0])
    weighed = both(pairs.reshape(-1), events, synapse, tuple(two), factors.reshape(-1), count, noted[1], weight, rates)
    pair = valued(pairs.reshape(-1), events, synapse, tuple(three), factors.reshape(-1), count, noted[2], weight, rates)
    exact = 2e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(one, wanted, atol=exact)
    np.testing.assert_allclose(two, wanted, atol=exact)
    np.testing.assert_allclose(three, wanted, atol=exact)
    assert weighed == pytest.approx(total, abs=100 * exact)
    assert pair == (pytest.approx(total, abs=100 * exact), pytest.approx(worth, abs=100 * exact))
    for row in noted:
        assert [n for n in range(192) if int(row[n // 64]) >> (n % 64) & 1] == met


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_marked_places_are_listed_in_order(count: int, share: float):
    rng = np.random.default_rng(count)
    chosen, places = rng.random(count) < share, np.zeros(count + marks.USUAL, np.uintp)
    room = (count // marks.BITS + 1) * marks.BITS
    array, wanted = np.zeros(room, np.uint8), np.flatnonzero(chosen).tolist()
    array[:count] = chosen * rng.integers(1, 256, count)
    assert places[: list_marked(array, count, places)].tolist() == wanted
    words = np.packbits(array > 0, bitorder="little").view(np.uint64)
    assert places[: list_bits(words, count, places)].tolist() == wanted


def test_a_part_is_a_slice():
    array = np.arange(10.0)
    assert part(array, 3, 4).tolist() == [3.0, 4.0, 5.0, 6.0]
    assert part(array, 3, 0).tolist() == []


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_ranks_are_those_of_a_stable_sort(count: int):
    values = np.full((count + lanes.WIDTH - 1) // lanes.WIDTH * lanes.WIDTH, np.inf)
    values[:count] = np.random.default_rng(count).integers(0, 1 + count // 2, count)  # some are equal
    order, places = np.argsort(values[:count], kind="stable"), np.zeros(len(values), np.uintp)
    ranks(values, count, places)
    assert places[order].tolist() == list(range(count))


def test_marked_bytes_are_the_bits_of_a_word():
    array = np.zeros(2 * marks.BITS, np.uint8)
    array[[64, 65, 100, 127]] = [3, 1, 255, 2]
    assert marked(array, 0) == 0
    assert marked(array, 64) == sum(1 << bit for bit in (0, 1, 36, 63))


def test_what_is_packed_is_unpacked():
    tree = {
        "a": jnp.arange(6.0).reshape(2, 3),
        "b": (jnp.arange(4, dtype=jnp.int32), jnp.zeros((0, 2))),
        "c": jnp.ones(()),
    }
    packed = packing.pack(tree, tree["a"].dtype)
    assert packing.layout(tree)[-2:] == tuple(part.size for part in packed) == (7, 4)
    back = packing.unpack(packing.layout(tree), *(np.asarray(part) for part in packed))
    assert jax.tree.structure(back) == jax.tree.structure(tree)
    for one, other in zip(jax.tree.leaves(back), jax.tree.leaves(tree), strict=True):
        assert one.shape == other.shape
        assert np.array_equal(one, np.asarray(other))
