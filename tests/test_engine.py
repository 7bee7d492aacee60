"""Pieces of the engine, each against plain NumPy or SciPy, at the lowest and the highest vector level of this machine."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy.optimize import brentq

from engine_pieces import ENGINE, LEVELS, Pieces

LEAST = -1e300
USUAL, BITS = 4, 64


@pytest.fixture(scope="module", params=LEVELS)
def pieces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pieces:
    return Pieces(request.param, tmp_path_factory.getbasetemp())


def rates_of(tau_mem: float, tau_syn: float) -> np.ndarray:
    """1/tau_mem, 1/tau_syn, and what the difference of two exponentials is multiplied by."""
    mem, syn = 1.0 / tau_mem, 1.0 / tau_syn
    return np.array([mem, syn, 0.0 if mem == syn else mem / (mem - syn)])


def flow(pieces: Pieces, s: float, rates: np.ndarray, in_sums: int = 0) -> np.ndarray:
    found = np.zeros(3)
    pieces("flow_of", s, rates, in_sums, found, small=(2,))
    return found


def potential(s: np.ndarray | float, current: float, u: float, tau_mem: float, tau_syn: float) -> np.ndarray:
    """Two exponentials, or their limit."""
    if tau_mem == tau_syn:
        return (u + current * s / tau_mem) * np.exp(-s / tau_mem)
    gain = current * tau_syn / (tau_syn - tau_mem)
    return u * np.exp(-s / tau_mem) + gain * (np.exp(-s / tau_syn) - np.exp(-s / tau_mem))


@pytest.mark.parametrize("theta", [1.0, -0.5])
@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 4.0, 2.7])
def test_a_leap_ends_at_the_first_crossing(pieces: Pieces, ratio: float, theta: float):
    """The first sign change on a fine grid, refined by bisection; where there is none, the state at the end.

    A threshold below rest is that of a neuron whose bias is above it.
    """
    rng = np.random.default_rng(round(10 * ratio))
    crossed = 0
    for _ in range(2000):
        tau_syn, u, span = rng.uniform(1, 15), theta + rng.uniform(-2, 0), rng.uniform(0, 10)
        tau_mem, current = ratio * tau_syn, rng.uniform(-2, 12) * rng.uniform(0, 1) ** 2
        found = np.zeros(3)
        pieces("leap_of", np.array([current, u, theta, *rates_of(tau_mem, tau_syn), span]), found)
        s, current_end, u_end = found
        grid = np.linspace(0, span, 100)
        above = np.flatnonzero(potential(grid, current, u, tau_mem, tau_syn) >= theta)
        if len(above):
            bracket = grid[above[0] - 1], grid[above[0]]
            wanted = brentq(lambda at, *rest: potential(at, *rest) - theta, *bracket, xtol=1e-15, rtol=1e-15,
                            args=(current, u, tau_mem, tau_syn))  # fmt: skip
            slope = (current * np.exp(-wanted / tau_syn) - theta) / tau_mem
            assert s == pytest.approx(wanted, abs=1e-13 / slope)
            assert (current_end, u_end) == (pytest.approx(current * np.exp(-s / tau_syn), rel=1e-12), theta)
            crossed += 1
        elif s >= 0.0:  # between two points of the grid
            assert potential(s, current, u, tau_mem, tau_syn) == pytest.approx(theta, abs=1e-12)
        else:
            assert u_end == pytest.approx(potential(span, current, u, tau_mem, tau_syn), rel=1e-11, abs=1e-12)
            assert current_end == pytest.approx(current * np.exp(-span / tau_syn), rel=1e-12)
    assert 100 < crossed < 1900


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("window", [0.5, 4.0, 16.0])
def test_the_bound_is_above_the_potential_and_close_to_it(pieces: Pieces, ratio: float, window: float):
    """Against a fine grid of the true course; equal to it where it rises to the end and all events come at first."""
    rng = np.random.default_rng(round(10 * ratio + window))
    tau_syn, count, theta = 5.0, 300, 0.7
    tau_mem = ratio * tau_syn
    end = lambda current, u, span: potential(span, current, u, tau_mem, tau_syn)
    current, u = rng.uniform(-2, 4, count), rng.uniform(-1, 1, count)
    at, weight = rng.uniform(0, window, (count, 6)), rng.normal(0.2, 0.5, (count, 6))
    at[:100], weight[:100] = 0.0, np.abs(weight[:100])
    lift = np.maximum(weight * end(1.0, 0.0, window - at), 0.0).sum(axis=1)
    found, never = np.zeros(count), np.full(count, -1)
    rates = rates_of(tau_mem, tau_syn)
    pieces("bound_of", count, 5, 0, rates, window, current, u, never, np.full(count, theta), lift, found, small=(2,))
    grid = np.linspace(0.0, window, 400)
    passed = grid[None, None] - at[:, :, None]
    course = end(current[:, None], u[:, None], grid[None])
    course += np.where(passed > 0, weight[:, :, None] * end(1.0, 0.0, np.maximum(passed, 0.0)), 0.0).sum(axis=1)
    assert np.all(found + theta >= course.max(axis=1) - 1e-12)
    current_end = (current + weight.sum(axis=1)) * np.exp(-window / tau_syn)
    rising = np.flatnonzero((current_end >= course[:, -1]) & (course[:, -1] > 0.0))
    rising = rising[rising < 100]
    assert len(rising) > 0 or window > 10.0
    np.testing.assert_allclose(found[rising] + theta, np.maximum(course[rising, -1], u[rising]), rtol=1e-12)


def test_a_neuron_is_exact_or_held_whatever_its_bound(pieces: Pieces):
    found, held = np.zeros(4), np.array([-1, 5, 6, -1])
    u, zeros, never = np.array([0.0, 0.0, 0.0, np.nan]), np.zeros(4), np.full(4, np.inf)
    for recorded, wanted in ((0, [LEAST, np.inf, -np.inf, np.inf]), (1, [np.inf] * 4)):
        pieces("bound_of", 4, 5, recorded, rates_of(20.0, 5.0), 1.0, zeros, u, held, never, zeros, found, small=(2,))
        assert found.tolist() == wanted


def test_the_exponential_is_exact_to_rounding(pieces: Pieces):
    """Against 40 digits; and what it does at the ends of its range."""
    rng = np.random.default_rng(0)
    exponential = lambda at: pieces("exponential_of", at, result=ctypes.c_double)
    x = np.concatenate([-rng.uniform(0, 1, 500), rng.uniform(-700, 10, 500), [0.0, -1e-300, 1e-17, -699.9]])
    with mpmath.workdps(40):
        errors = [abs(mpmath.mpf(exponential(at)) / mpmath.exp(mpmath.mpf(at)) - 1) for at in x.tolist()]
    assert max(errors) < 4e-16
    assert (exponential(-701.0), exponential(-np.inf)) == (0.0, 0.0)
    assert np.isnan(exponential(np.nan))


def test_exponentials_side_by_side_are_exact_to_rounding(pieces: Pieces):
    x = np.concatenate([np.random.default_rng(0).uniform(-20, 20, 396), [0.0, -700.0, 1e-17, 0.3465735902799726]])
    found = np.zeros(8)
    with mpmath.workdps(40):
        for eight in x.reshape(-1, 8):
            pieces("exponentials_of", np.ascontiguousarray(eight), found)
            errors = [
                abs(mpmath.mpf(one) / mpmath.exp(mpmath.mpf(at)) - 1) for at, one in zip(eight, found, strict=True)
            ]
            assert max(errors) < 4e-16


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 30, 64])
def test_scattered_events_agree_with_a_loop(pieces: Pieces, count: int, dtype: type):
    """Several spikes meet in the same cells, the events of one do not."""
    rng = np.random.default_rng(count)
    cells = 80
    ring = rng.normal(size=(cells, 4)).astype(dtype)
    wanted = ring.copy()
    for _ in range(3):
        cell, late = rng.permutation(cells)[:count], rng.integers(0, 2, count)
        pairs, factors = rng.normal(size=(2, count)).astype(dtype), rng.normal(size=(2, 3)).astype(dtype)
        for n in range(count):
            (a, b), (syn, mem, kernel) = pairs[:, n], factors[late[n]]
            u = a * kernel + b * mem
            wanted[cell[n]] += np.array([a * syn, u, max(u, 0.0), 0.0], dtype)
        events = (4 * cell + late).astype(np.uint32)
        pieces(f"scatter_{np.dtype(dtype)}", ring, events, *pairs, factors, count)
    np.testing.assert_allclose(ring, wanted, atol=1e-5 if dtype is np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 15, 16, 33])
def test_cells_are_drained(pieces: Pieces, count: int, dtype: type):
    """Three numbers of each to three rows, and zeros are left in these cells only."""
    cells, sums = np.arange(1, 4 * 40 + 1, dtype=dtype).reshape(40, 4), np.full((3, 40), -1, dtype)
    cells[:, 3] = 0  # the free one
    given = cells.copy()
    pieces(f"drain_{np.dtype(dtype)}", cells, count, *sums)
    np.testing.assert_array_equal(sums[:, :count], given[:count, :3].T)
    np.testing.assert_array_equal(cells, np.concatenate([np.zeros((count, 4)), given[count:]]))
    np.testing.assert_array_equal(sums[:, count:], -1)


def test_events_are_located_on_around_the_ring(pieces: Pieces):
    """And exactly on a window's edge they are late."""
    neurons, span, offset, window = 5, 4, np.float32(0.25), 1.0
    cell, frac = np.arange(15, dtype=np.int32), np.tile(np.float32([0.0, 0.74, 0.75, 0.76, 0.5]), 3)
    index = np.zeros(15, np.uint32)
    pieces("locate_of", cell, frac, 15, offset, window, 10, neurons, span, index, small=(3, 4))
    late = frac >= 0.75
    assert index.tolist() == (4 * ((10 + cell + neurons * late) % 20) + late).tolist()


@pytest.mark.parametrize("ratio", [0.5, 0.95, 1.0, 1.001, 4.0])
def test_what_belongs_to_spike_and_synapse_makes_the_flow_from_the_arrival_on(pieces: Pieces, ratio: float):
    """In time and late, against the flow over the time that is left."""
    window, rates, factors = 1.0, rates_of(5.0 * ratio, 5.0), np.zeros((2, 3))
    for offset, frac, late in [(0.0, 0.0, 0), (0.3, 0.4, 0), (0.3, 0.7, 1), (0.999, 0.999, 1), (0.6, 0.399, 0)]:
        pieces("factors_of", window - offset, rates, window, factors)
        syn, mem, kernel = factors[late]
        decay_syn, decay_mem, kappa = flow(pieces, -frac, rates)
        wanted = flow(pieces, window - offset - frac + late * window, rates)
        found = decay_syn * syn, decay_mem * mem, decay_syn * kernel + kappa * mem
        np.testing.assert_allclose(found, wanted, atol=1e-14)
        assert decay_mem == pytest.approx(decay_syn - (1 - rates[1] / rates[0]) * kappa, rel=1e-14)


@pytest.mark.parametrize("ratio", [0.5, 0.93, 0.95, 1.0, 1.001, 1.07, 4.0])
def test_the_flow_without_a_branch_is_the_flow(pieces: Pieces, ratio: float):
    rates = rates_of(5.0 * ratio, 5.0)
    for s in (-1.0, 0.0, 1e-9, 1e-3, 0.1, 1.0, 30.0):
        np.testing.assert_allclose(flow(pieces, s, rates, 1), flow(pieces, s, rates), rtol=1e-15, atol=5e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 30, 64, 77])
def test_gathered_events_agree_with_a_loop(pieces: Pieces, count: int, dtype: type):
    """Some events are late, and some meet a mark: they are noted, and nothing beyond them."""
    rng = np.random.default_rng(count)
    cell, late = rng.integers(0, 15, count), rng.integers(0, 2, count)
    table, sums = rng.normal(size=(2, count)).astype(dtype), rng.normal(size=(2, count)).astype(dtype)
    weight, factors = rng.normal(size=count).astype(dtype), rng.normal(size=(2, 3)).astype(dtype)
    rates, skew = (dtype(0.2), dtype(0.05)), dtype(-3.0)
    pairs = rng.normal(size=(15, 2)).astype(dtype)
    pairs[[4, 9, 12]] = [[-0.0, 0.0], [0.0, 1.0], [-0.0, 2.0]]
    wanted, met, total, worth = sums.copy(), [], 0.0, 0.0
    for n in range(count):
        (p_i, p_u), (syn, mem, kernel), (decay, kappa) = pairs[cell[n]], factors[late[n]], table[:, n]
        x_i, x_u = decay * (p_i * syn + p_u * kernel) + kappa * p_u * mem, (decay - skew * kappa) * p_u * mem
        wanted[:, n] += x_i, x_u
        total += float(weight[n] * (x_i * rates[0] - x_u * rates[1]))
        worth += float(weight[n] * x_i)
        met += [n] if cell[n] in (4, 12) else []
    events, numbers = (4 * cell + late).astype(np.uint32), np.array([*factors.reshape(-1), skew, *rates], dtype)
    exact = 2e-5 if dtype is np.float32 else 1e-13
    for kind in range(3):
        found, noted, totals = sums.copy(), np.zeros(3, np.uint64), np.zeros(2, dtype)
        pieces(f"gather_{np.dtype(dtype)}", pairs, events, *table, weight, numbers, count, *found, noted, kind, totals,
               small=(10,))  # fmt: skip
        np.testing.assert_allclose(found, wanted, atol=exact)
        assert [n for n in range(192) if int(noted[n // 64]) >> (n % 64) & 1] == met
        if kind > 0:
            assert totals[0] == pytest.approx(total, abs=100 * exact)
        if kind > 1:
            assert totals[1] == pytest.approx(worth, abs=100 * exact)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 7, 8, 30, 77])
def test_a_gathered_row_agrees_with_a_loop(pieces: Pieces, count: int, dtype: type):
    rng = np.random.default_rng(count)
    cells, rates = rng.normal(size=(count, 2)).astype(dtype), rates_of(20.0, 5.0)
    weight, sums, totals = (
        rng.normal(size=count).astype(dtype),
        rng.normal(size=count).astype(dtype),
        np.zeros(2, dtype),
    )
    syn, mem, kernel = flow(pieces, 0.7, rates)
    x_i, x_u = cells[:, 0] * syn + cells[:, 1] * kernel, cells[:, 1] * mem
    wanted = sums + x_i, [np.sum(weight * (x_i * rates[1] - x_u * rates[0])), np.sum(weight * x_i)]
    pieces(f"row_{np.dtype(dtype)}", cells, weight, count, rates, 0.7, sums, totals)
    exact = 2e-5 if dtype is np.float32 else 1e-13
    np.testing.assert_allclose(sums, wanted[0], atol=exact)
    np.testing.assert_allclose(totals, wanted[1], atol=10 * exact)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 1.0])
@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_marked_places_are_listed_in_order(pieces: Pieces, count: int, share: float):
    rng = np.random.default_rng(count)
    chosen, places = rng.random(count) < share, np.zeros(count + BITS + USUAL, np.uint32)
    array, wanted = np.zeros((count // BITS + 1) * BITS, np.uint8), np.flatnonzero(chosen).tolist()
    array[:count] = chosen * rng.integers(1, 128, count)
    found = pieces("list_marked_of", array, count, places, result=ctypes.c_int64)
    assert places[:found].tolist() == wanted
    words = np.packbits(array > 0, bitorder="little").view(np.uint64)
    found = pieces("list_bits_of", words, count, places, result=ctypes.c_int64)
    assert places[:found].tolist() == wanted


@pytest.mark.parametrize("count", [1, 7, 8, 9, 40])
def test_ranks_are_those_of_a_stable_sort(pieces: Pieces, count: int):
    values = np.full((count + 7) // 8 * 8, np.inf)
    values[:count] = np.random.default_rng(count).integers(0, 1 + count // 2, count)  # some are equal
    order, places = np.argsort(values[:count], kind="stable"), np.zeros(len(values), np.int64)
    pieces("ranks_of", values, count, places)
    assert places[order].tolist() == list(range(count))


DEVICE = """
#include "physics/adjoint.h"
#include "physics/bound.h"
#include "physics/crossing.h"
#include "physics/tangent.h"
using namespace ranvier::RANVIER_LEVEL;
__global__ void touch(const double* x, double* y) {
    const Rates rates = rates_of(x[0], x[1]);
    const Passed passed = flow(x[2], rates);
    const Adjoint there = back(Adjoint{x[3], x[4]}, passed);
    const Tangent tangent = back(Tangent{x[5], x[6], x[7]}, there, x[2], rates, passed);
    const Leap end = leap(x[3], x[4], x[5], rates, x[2]);
    const Course over = course(x[2], rates);
    const Crossed spike{rates, x[3], x[4], x[5], x[6], x[7]};
    const double before = before_spike(spike, Parts{x[0], x[1], x[2], x[3], x[4], true}, x[5], x[6], x[7]);
    y[0] = end.u + tangent.u_mem + excess_of(x[3], x[4], x[5], x[6], x[7], over) + before + owed_by(x[0], there, rates) +
           wraps(x[0], x[1], x[2]) + flow_in_sums(x[2], rates).kernel;
}
"""


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc")
def test_the_physics_is_device_code(tmp_path: Path):
    """Every function of `physics/` compiles for a GPU, too."""
    (tmp_path / "physics.cu").write_text(DEVICE)
    command = ["nvcc", "-std=c++20", "-c", f"-I{ENGINE}", "physics.cu", "-o", "physics.o"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
