"""Spike trains: how they are made, cut, joined and counted, against plain loops over pairs of time and unit."""

import math
from collections import Counter
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

SIZE = 4


def drawn(seed: int, *batch: int, places: int = 12, size: int | None = SIZE, t_end: float = 10.0) -> rv.Spikes:
    """Random sorted spikes, some places free, several at one time."""
    rng = np.random.default_rng(seed)
    time = np.round(rng.uniform(0, t_end, (*batch, places)), 1)
    time[rng.uniform(size=time.shape) < 0.3] = np.inf
    time = np.sort(time, axis=-1)
    unit = np.where(np.isfinite(time), rng.integers(0, SIZE, time.shape), -1)
    return rv.Spikes(time, unit, size)


def listed(spikes: rv.Spikes) -> list[list[tuple[float, int]]]:
    """The pairs of each sample in their order; refuses spikes after padding, and padding with a unit."""
    rows = []
    times, units = np.atleast_2d(np.asarray(spikes.time)), np.atleast_2d(np.asarray(spikes.unit))
    for time, unit in zip(times.tolist(), units.tolist(), strict=True):
        row = list(zip(time, unit, strict=True))
        kept = [pair for pair in row if pair[0] != math.inf]
        assert row == kept + [(math.inf, -1)] * (len(row) - len(kept))
        rows.append(kept)
    return rows


batches = pytest.mark.parametrize("batch", [(), (3,)])
compiled = pytest.mark.parametrize("call", [lambda function: function, jax.jit], ids=["eager", "jit"])


# ----------------------------------------------------------------------------------------------------- Spikes
@pytest.mark.parametrize(
    ("time", "unit", "message"),
    [
        ([1, 2], [0, 1], r"`time` must be floating-point \(ms\); got int"),
        ([1.0, 2.0], [0.0, 1.0], r"`unit` must hold integer neuron indices; got float"),
        ([1.0, 2.0], [0], r"one shape.*got \(2,\) and \(1,\)"),
        (1.0, 0, r"one shape.*got \(\) and \(\)"),
        ([1.0, 2.0], [0, 2**32 + 1], r"at most 2147483647; got 4294967297"),
        ([1.0, 2.0], [0, -(2**32)], r"at most 2147483647; got -4294967296"),
    ],
)
def test_spike_arrays(time: object, unit: object, message: str):
    with pytest.raises(ValueError, match=message):
        rv.Spikes(np.asarray(time), np.asarray(unit))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int64, np.uint64])
def test_units_become_32_bit_integers(kind: type):
    spikes = rv.Spikes(np.array([1.0, 2.0]), np.array([3, 200], kind), size=201)
    assert spikes.unit.dtype == jnp.int32
    assert np.flatnonzero(rv.spike_count(spikes)).tolist() == [3, 200]


def test_the_size_is_no_number_of_the_pytree():
    spikes = drawn(0)
    assert len(jax.tree.leaves(spikes)) == 2
    assert jax.tree.map(lambda leaf: leaf[:3], spikes).size == SIZE
    assert jax.jit(lambda train: train)(spikes).size == SIZE
    assert jax.vmap(lambda train: train)(drawn(0, 3)).size == SIZE


@pytest.mark.parametrize(
    "make",
    [
        lambda size: rv.Spikes([1.0, 2.0, math.inf], [0, 3, -1], size),
        lambda size: rv.Spikes([1.0, 2.0, math.inf], [0, 3, -1]).with_size(size),
    ],
)
def test_units_must_exist_in_a_population_of_that_size(make: Callable):
    assert make(4).size == 4
    with pytest.raises(ValueError, match=r"`size` 3 has the units 0\.\.2; got unit 3 at \(1,\), and 1 such.*from 1\?"):
        make(3)
    with pytest.raises(ValueError, match="must be at least 1; got 0"):
        make(0)


@pytest.mark.parametrize(
    ("simulator", "names"),
    [
        (rv.EventDriven(), ("hidden", "output")),
        (rv.FirstSpike(), ("hidden", "output")),
        (rv.ClockDriven(dt=1.0), ("hidden", "output")),
        (rv.Surrogate(dt=1.0), ("hidden", "output")),
    ],
    ids=["EventDriven", "FirstSpike", "ClockDriven", "surrogate"],
)
def test_simulators_say_the_size(simulator: rv.simulation.AbstractSimulator, names: tuple[str, ...]):
    neuron = rv.LIF(refractory=jnp.inf)
    net = rv.feedforward([2, 5, 3], neuron=neuron, weight=rv.initializers.constant(0.0), key=jax.random.key(0))
    spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
    for given in (spikes, spikes.with_size(2)):
        found = rv.simulate(net, given, simulator, t_end=4.0).spikes
        assert {name: found[name].size for name in names} == {"hidden": 5, "output": 3}
        assert rv.first_spike(found["output"]).tolist() == [math.inf] * 3
    with pytest.raises(ValueError, match=r"'input' are of a population of 7 units, the network's has 2.*with_size"):
        rv.simulate(net, spikes.with_size(7), simulator, t_end=4.0)


# ------------------------------------------------------------------------------------------------ from_ragged
def test_ragged_spikes_are_sorted_and_padded():
    found = rv.Spikes.from_ragged([np.array([3.0, 1.0, 1.0]), np.array([]), np.array([2.0])],
                                  [np.array([0, 1, 2]), np.array([]), np.array([5])], size=6)  # fmt: skip
    assert found.time.tolist() == [[1.0, 1.0, 3.0], [math.inf] * 3, [2.0, math.inf, math.inf]]
    assert found.unit.tolist() == [[1, 2, 0], [-1, -1, -1], [5, -1, -1]]
    assert found.size == 6
    empty = rv.Spikes.from_ragged([np.array([])], [np.array([])])
    assert (empty.time.tolist(), empty.unit.tolist(), empty.size) == ([[math.inf]], [[-1]], None)


def test_ragged_spikes_that_never_come_are_padding():
    found = rv.Spikes.from_ragged([[math.inf, 2.0, math.inf]], [[-1, 3, 9]], size=4)
    assert (found.time.tolist(), found.unit.tolist()) == ([[2.0]], [[3]])


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([], [], "one entry per sample; got 0 and 0"),
        ([[1.0]], [], "one entry per sample; got 1 and 0"),
        ([[1.0], [2.0, 3.0]], [[0], [1]], r"sample 1 has times \(2,\) and units \(1,\)"),
        ([[1.0], [2.0, 3.0]], [[0], [0.0, 1.5]], r"integers.*astype\(int\).*got unit 0.0 at place 0 of sample 1"),
        ([[1.0], [2.0]], [[0], [7.0]], r"integers.*got unit 7.0 at place 0 of sample 1"),
        ([[1.0], [2.0]], [[0], [True]], r"integers.*got unit True at place 0 of sample 1"),
        ([[1.0, 2.0]], [[0, 2**32 + 1]], r"in 0\.\.2147483647; got unit 4294967297 at place 1 of sample 0"),
        ([[1.0, 2.0]], [[0, 2**31]], r"in 0\.\.2147483647; got unit 2147483648 at place 1 of sample 0"),
        ([[1.0], [2.0, 3.0]], [[0], [3, -2]], r"in 0\.\.2147483647; got unit -2 at place 1 of sample 1"),
        ([[1.0], [math.nan]], [[0], [1]], r"in ms, or inf for no spike; got time nan at place 0 of sample 1"),
        ([[-math.inf]], [[0]], r"in ms, or inf for no spike; got time -inf at place 0 of sample 0"),
    ],
)
def test_ragged_spikes_that_are_wrong(times: list, units: list, message: str):
    with pytest.raises(ValueError, match=message):
        rv.Spikes.from_ragged([np.asarray(time) for time in times], [np.asarray(unit) for unit in units])


def test_ragged_units_must_exist():
    with pytest.raises(ValueError, match=r"in 0\.\.4; got unit 5 at place 1 of sample 0"):
        rv.Spikes.from_ragged([[1.0, 2.0]], [[0, 5]], size=5)


# ----------------------------------------------------------------------------------------------- bins of time
def dense(seed: int, *batch: int, bins: int = 9) -> np.ndarray:
    return np.random.default_rng(seed).random((*batch, bins, SIZE)) < 0.2


@batches
@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_dense_arrays_become_spikes_at_the_start_of_their_bins(batch: tuple[int, ...], kind: type):
    array, dt = dense(0, *batch), 0.25
    spikes = rv.Spikes.from_dense(array.astype(kind), dt=dt)
    rows = array.reshape(-1, *array.shape[-2:])
    assert listed(spikes) == [[(k * dt, int(unit)) for k, unit in np.argwhere(row)] for row in rows]
    assert spikes.size == SIZE
    assert spikes.time.shape == (*batch, max(row.sum() for row in rows))


@batches
@compiled
def test_spikes_go_into_the_bin_of_their_time(batch: tuple[int, ...], call: Callable):
    spikes = drawn(1, *batch, size=50)
    spikes = rv.Spikes(spikes.time, jnp.where(spikes.unit < 0, -1, jnp.arange(12, dtype=jnp.int32)), 50)
    found = np.asarray(call(lambda train: train.to_dense(0.5, 10.5))(spikes))
    wanted = np.zeros((max(1, *batch) if batch else 1, 21, 50), bool)
    for sample, row in enumerate(listed(spikes)):
        for time, unit in row:
            wanted[sample, int(time * 2), unit] = True  # times are tenths: halves are exact
    np.testing.assert_array_equal(found, wanted.reshape(found.shape))


@pytest.mark.parametrize("dt", [0.1, 0.3, 1.0, 1 / 3, 7.7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_arrays_come_back(dt: float, dtype: type):
    """3,000 bins: k dt is rounded for most of them, and must fall into bin k all the same."""
    array = dense(2, 2, bins=3000)
    spikes = rv.Spikes.from_dense(array, dt=dt)
    spikes = rv.Spikes(spikes.time.astype(dtype), spikes.unit, spikes.size)
    for call in (lambda function: function, jax.jit):
        np.testing.assert_array_equal(call(lambda train: train.to_dense(dt, 3000 * dt))(spikes), array)


def test_under_jit_a_dense_array_has_room_for_every_bin():
    array = dense(3, 2)
    eager, traced = (
        call(lambda values: rv.Spikes.from_dense(values, dt=0.5))(array) for call in (lambda f: f, jax.jit)
    )
    assert traced.time.shape == (2, 9 * SIZE)
    assert listed(traced) == listed(eager)
    np.testing.assert_array_equal(
        jax.vmap(lambda one: rv.Spikes.from_dense(one, dt=0.5).to_dense(0.5, 4.5))(array), array
    )


def test_empty_samples_have_one_free_place():
    spikes = rv.Spikes.from_dense(np.zeros((2, 3, 2)), dt=1.0)
    assert (spikes.time.tolist(), spikes.unit.tolist()) == ([[math.inf]] * 2, [[-1]] * 2)
    assert not spikes.to_dense(1.0, 3.0).any()


@pytest.mark.parametrize("wrong", [2.0, 0.5, -1.0, math.nan])
def test_bins_that_hold_something_else(wrong: float):
    array = np.array([[0.0, 1.0], [wrong, 0.0]])
    with pytest.raises(ValueError, match=rf"a bin holds 0 or 1.*smaller `dt`.*Got {wrong} at \(1, 0\)"):
        rv.Spikes.from_dense(array, dt=1.0)
    with pytest.raises(RuntimeError, match="a bin holds 0 or 1"):
        jax.block_until_ready(jax.jit(lambda values: rv.Spikes.from_dense(values, dt=1.0))(array))


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        (([1.0, 1.4], [0, 0]), "two spikes of one unit are in one bin; take a smaller `dt`"),
        (([1.0, 3.0], [0, 1]), r"outside \[0, 3.0\) ms.*use crop\(0, 3.0\) first"),
        (([-0.1, 1.0], [0, 1]), r"outside \[0, 3.0\) ms"),
        (([math.nan, 1.0], [0, 1]), r"outside \[0, 3.0\) ms"),
    ],
)
def test_spikes_that_bins_would_lose_are_refused(spikes: tuple, message: str):
    train = rv.Spikes(*spikes, size=2)
    with pytest.raises(ValueError, match=message):
        train.to_dense(1.0, 3.0)
    with pytest.raises(RuntimeError, match=message):
        jax.block_until_ready(jax.jit(lambda one: one.to_dense(1.0, 3.0))(train))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rv.Spikes.from_dense(np.zeros(3), dt=1.0),
            r"shape \(bins, size\) or \(batch, bins, size\); got \(3,\)",
        ),
        (lambda: rv.Spikes.from_dense(np.zeros((3, 0)), dt=1.0), r"\(batch, bins, size\); got \(3, 0\)"),
        (lambda: rv.Spikes.from_dense(np.zeros((3, 2)), dt=0.0), r"from_dense: `dt`.*above 0; got 0.0"),
        (lambda: drawn(0).to_dense(-1.0, 2.0), r"to_dense: `dt`.*above 0; got -1.0"),
        (lambda: drawn(0).to_dense(0.3, 1.0), r"`t_end` must be a whole number of bins of 0.3 ms; got 1.0 ms, 3\.3"),
        (lambda: drawn(0).to_dense(1.0, 0.0), r"`t_end` must be a whole number of bins of 1.0 ms; got 0.0 ms"),
        (lambda: drawn(0, size=None).to_dense(1.0, 9.0), r"to_dense: the number of units.*with_size\(n\)"),
    ],
)
def test_bins_that_cannot_be(call: Callable, message: str):
    with pytest.raises(ValueError, match=message):
        call()


# ------------------------------------------------------------------------------------------------ cut and join
@batches
@compiled
def test_crop_keeps_what_is_inside(batch: tuple[int, ...], call: Callable):
    spikes, (start, end) = drawn(4, *batch), (2.5, 7.5)
    assert {start, end} <= set(np.ravel(drawn(4, 3).time).tolist()) | {start, end}
    cropped = call(lambda train: train.crop(start, end))(spikes)
    assert listed(cropped) == [[pair for pair in row if start <= pair[0] < end] for row in listed(spikes)]
    assert (cropped.size, cropped.time.shape) == (SIZE, spikes.time.shape)
    later = cropped.shift(-start)
    assert listed(later) == [[(time - start, unit) for time, unit in row] for row in listed(cropped)]


def test_crop_at_the_edges():
    spikes = rv.Spikes([1.0, 2.0, 3.0], [0, 1, 2], size=3)
    assert listed(spikes.crop(1.0, 3.0)) == [[(1.0, 0), (2.0, 1)]]
    assert listed(spikes.crop(0.0, math.inf)) == listed(spikes)
    assert listed(spikes.crop(4.0, 5.0)) == [[]]
    assert np.isnan(rv.Spikes([math.nan, 2.0], [0, 1]).crop(1.0, 3.0).time[0]), "what is wrong must not vanish"
    with pytest.raises(ValueError, match=r"`end` must be after `start`; got start = 3.0 ms, end = 3.0 ms"):
        spikes.crop(3.0, 3.0)


def test_the_gradient_goes_through_crop_and_merge():
    unit = jnp.array([0, 1, 2])

    def total(time: jax.Array) -> jax.Array:
        kept = rv.Spikes(time, unit).crop(1.5, 9.0)
        both = rv.Spikes.merge([kept, rv.Spikes(2.0 * time, unit)])
        return jnp.sum(jnp.where(jnp.isfinite(both.time), both.time, 0.0) * (1.0 + both.unit.astype(float)))

    assert jax.grad(total)(jnp.array([1.0, 2.0, 3.0])).tolist() == [2.0, 6.0, 9.0]


@compiled
def test_batches_are_concatenated(call: Callable):
    parts = [drawn(5, 2, places=3), drawn(6, places=7), drawn(7, 1, places=5, size=None)]
    joined = call(rv.Spikes.concatenate)(parts)
    assert joined.time.shape == (4, 7)
    assert joined.size == SIZE
    assert listed(joined) == [row for part in parts for row in listed(part)]
    assert rv.Spikes.concatenate([drawn(6)]).time.shape == (1, 12)


@batches
@compiled
def test_trains_are_merged(batch: tuple[int, ...], call: Callable):
    parts = [drawn(8, *batch), drawn(9, *batch, places=5)]
    merged = call(rv.Spikes.merge)(parts)
    assert merged.time.shape == (*batch, 17)
    assert merged.size == SIZE
    rows = zip(*map(listed, parts), strict=True)
    assert listed(merged) == [sorted([*one, *two], key=lambda pair: pair[0]) for one, two in rows]


def test_trains_one_after_the_other():
    spikes, t_half = drawn(10, 2), 5.0
    halves = [spikes.crop(0.0, t_half), spikes.crop(t_half, 10.1).shift(-t_half)]
    assert listed(rv.Spikes.merge([halves[0], halves[1].shift(t_half)])) == listed(spikes)


@pytest.mark.parametrize("join", [rv.Spikes.concatenate, rv.Spikes.merge])
def test_what_cannot_be_joined(join: Callable):
    with pytest.raises(ValueError, match=rf"{join.__name__}: needs at least one Spikes; got none"):
        join([])
    with pytest.raises(ValueError, match=r"one population; got sizes \[4, 9\]"):
        join([drawn(0, 2), drawn(0, 2).with_size(9)])
    assert join([drawn(0, 2, size=None), drawn(1, 2, size=None)]).size is None
    with pytest.raises(ValueError, match=r"of `size` 2 has the units 0\.\.1; got unit"):
        join([rv.Spikes([1.0], [0], size=2), rv.Spikes([2.0], [5])])


def test_merge_needs_one_batch():
    with pytest.raises(ValueError, match=r"same batch; got \[\(2,\), \(\)\]. `concatenate` joins batches"):
        rv.Spikes.merge([drawn(0, 2), drawn(0)])


# ---------------------------------------------------------------------------------------------------- counting
@batches
@compiled
def test_first_spikes_and_counts_by_hand(batch: tuple[int, ...], call: Callable):
    spikes = drawn(11, *batch)
    first, count = call(lambda train: (rv.first_spike(train), rv.spike_count(train)))(spikes)
    for row, when, many in zip(listed(spikes), np.atleast_2d(first), np.atleast_2d(count), strict=True):
        assert when.tolist() == [min((t for t, unit in row if unit == n), default=math.inf) for n in range(SIZE)]
        assert many.tolist() == [Counter(unit for _, unit in row)[n] for n in range(SIZE)]


def test_first_spikes_and_counts_of_nothing():
    empty = rv.Spikes(jnp.zeros(0), jnp.zeros(0, jnp.int32), size=2)
    assert rv.first_spike(empty).tolist() == [math.inf, math.inf]
    assert rv.spike_count(empty).tolist() == [0, 0]


@pytest.mark.parametrize("count", [rv.first_spike, rv.spike_count])
def test_who_counts_must_know_the_size(count: Callable):
    with pytest.raises(ValueError, match=rf"{count.__name__}: the number of units.*spikes.with_size\(n\).*size=n"):
        count(rv.Spikes([1.0], [0]))


def test_the_gradient_of_a_first_spike_goes_to_that_spike():
    unit = jnp.array([2, 0, 2, 1, -1])

    def total(time: jnp.ndarray) -> jnp.ndarray:
        first = rv.first_spike(rv.Spikes(time, unit, size=4))
        return jnp.sum(jnp.where(jnp.isfinite(first), first * jnp.array([1.0, 2.0, 3.0, 4.0]), 0.0))

    found = jax.grad(total)(jnp.array([1.0, 2.0, 3.0, 4.0, math.inf]))
    assert found.tolist() == [3.0, 1.0, 0.0, 2.0, 0.0]
