"""Augmentations: what they do to spikes, and that training sees it and evaluation does not."""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.augmentations import Blend, Chain, Drop, Jitter, Noise, Shift, Stretch
from ranvier.train import Dataset, Recipe, adam, by_path, evaluate, fit


def trains(batch: int = 200, count: int = 30) -> rv.Spikes:
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(3.0, 4.0, (batch, count)), axis=1)
    unit = np.argsort(rng.uniform(size=(batch, count)), axis=1).astype(np.int32)
    time[:, -5:], unit[:, -5:] = np.inf, -1
    return rv.Spikes(time, unit, size=count)


def test_jitter_moves_each_spike_by_a_normal_number_of_its_own():
    spikes, std = trains(), 0.3
    moved = Jitter(std)(spikes, key=jax.random.key(1))
    before, after = (np.asarray(rv.first_spike(train)) for train in (spikes, moved))
    assert np.array_equal(np.isinf(before), np.isinf(after))  # none is lost, silent ones stay silent
    assert np.all(np.diff(np.where(np.isinf(moved.time), 9.0, moved.time), axis=1) >= 0)
    assert np.all(moved.unit[:, -5:] == -1)
    fired = np.isfinite(before)
    steps = after[fired] - before[fired]
    assert abs(steps.mean()) < 5 * std / np.sqrt(steps.size)
    assert steps.std() == pytest.approx(std, rel=0.05)
    assert np.unique(steps).size == steps.size


def test_jitter_goes_no_further_back_than_the_start():
    moved = Jitter(50.0)(trains(), key=jax.random.key(1))
    assert float(moved.time.min()) == 0.0


def test_no_jitter_changes_nothing_and_one_that_is_no_time_is_refused():
    same = Jitter(0.0)(trains(), key=jax.random.key(1))
    assert np.array_equal(same.time, trains().time)
    for std in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="`std` must be a time in ms >= 0"):
            Jitter(std)


def silenced(spikes: rv.Spikes, *, key: jax.Array) -> rv.Spikes:
    del key
    return rv.Spikes(jnp.full_like(spikes.time, jnp.inf), jnp.full_like(spikes.unit, -1))


def test_training_sees_what_is_augmented_and_evaluation_does_not():
    net = rv.feedforward([30, 2], neuron=rv.LIF(refractory=jnp.inf), key=jax.random.key(0))
    data = Dataset(trains(20), np.arange(20) % 2)
    recipe = Recipe(
        rv.EventDriven(max_spikes=1), t_end=30.0, batch=10, epochs=1, optimiser=by_path({"weight": adam(0.01)}),
        readout=rv.readouts.FirstSpike("output"), loss=partial(rv.losses.relative_time_mse, margin=0.5),
        learn=("weight",), augment=silenced,
    )  # fmt: skip
    line = fit(net, data, data, recipe, key=jax.random.key(0)).epochs[0]
    assert line["spikes_per_neuron"]["output"] == 0.0
    assert line["validation_accuracy"] == evaluate(net, data, recipe)["accuracy"] > 0.0
    assert "silenced" in recipe.describe()["augment"]


# Samples that last --------------------------------------------------------------------------------------------------


def found(spikes: rv.Spikes) -> list[list[tuple[float, int]]]:
    """Each sample's spikes as pairs, after a look at order and padding."""
    rows = []
    for time, unit in zip(np.asarray(spikes.time), np.asarray(spikes.unit), strict=True):
        there = np.isfinite(time)
        assert np.all(np.diff(time[there]) >= 0)
        assert np.all(there[:-1] >= there[1:])
        assert np.all(unit[~there] == -1)
        rows.append(list(zip(time[there].tolist(), unit[there].tolist(), strict=True)))
    return rows


def test_shift_moves_whole_samples_and_leaves_out_what_leaves():
    spikes = trains(batch=50)
    before = found(spikes)
    after = found(Shift(channels=3, time=0.5, end=3.9)(spikes, key=jax.random.key(0)))
    steps = set()
    for old, new in zip(before, after, strict=True):
        moved = {(round(t - new[0][0], 9), u - new[0][1]) for t, u in new}
        candidates = [{(round(t - t0, 9), u - u0) for t, u in old} for t0, u0 in old]
        at = next(n for n, one in enumerate(candidates) if moved <= one)
        by_time, by_unit = new[0][0] - old[at][0], new[0][1] - old[at][1]
        steps.add(by_unit)
        wanted = [(t + by_time, u + by_unit) for t, u in old]
        assert len(new) == sum(0 <= t < 3.9 and 0 <= u < 30 for t, u in wanted)
    assert steps <= set(range(-3, 4))
    assert len(steps) > 4


def test_stretch_scales_times():
    spikes = trains(batch=40)
    ratios = []
    for old, new in zip(found(spikes), found(Stretch(0.2, end=4.0)(spikes, key=jax.random.key(0))), strict=True):
        ratio = new[0][0] / old[0][0]
        ratios.append(ratio)
        wanted = [(t * ratio, u) for t, u in old if t * ratio < 4.0]
        assert new == [(pytest.approx(t), u) for t, u in wanted]
    assert 0.8 <= min(ratios) < 0.9
    assert 1.1 < max(ratios) <= 1.2


def test_drop_keeps_a_share_of_the_spikes():
    before, after = found(trains()), found(Drop(0.3)(trains(), key=jax.random.key(0)))
    assert all(set(new) <= set(old) for old, new in zip(before, after, strict=True))
    assert sum(map(len, after)) / sum(map(len, before)) == pytest.approx(0.7, abs=0.02)


def test_noise_adds_spikes():
    before, after = found(trains()), found(Noise(5, end=10.0)(trains(), key=jax.random.key(0)))
    added = [set(new) - set(old) for old, new in zip(before, after, strict=True)]
    assert {len(one) for one in added} == {5}
    assert all(0 <= t < 10.0 and 0 <= u < 30 for one in added for t, u in one)
    assert np.mean([t for one in added for t, _ in one]) == pytest.approx(5.0, abs=0.5)


def test_blend_mixes_two_of_a_class_at_the_mean_of_their_middles():
    rng = np.random.default_rng(0)
    time = np.sort(rng.uniform(0.0, 20.0, (4, 400)) + np.array([[0.0], [0.0], [40.0], [40.0]]), axis=1)
    unit = rng.integers(20, 30, (4, 400)) + np.array([[0], [0], [10], [0]])
    spikes, label = rv.Spikes(time, unit, size=60), jnp.array([0, 1, 0, 2])
    mixed = Blend(1.0)(spikes, label=label, key=jax.random.key(0))
    rows, before = found(mixed), found(spikes)
    assert rows[1] == before[1]  # alone of its class
    assert rows[3] == before[3]
    for row in (rows[0], rows[2]):
        assert len(row) == pytest.approx(400, abs=60)  # half of both
        assert np.mean([t for t, _ in row]) == pytest.approx(30.0, abs=1.0)
        assert np.mean([u for _, u in row]) == pytest.approx(29.5, abs=0.6)
    assert found(Blend(0.0)(spikes, label=label, key=jax.random.key(0))) == before


def test_a_chain_gives_each_part_a_key_and_the_classes():
    spikes, label = trains(batch=6), jnp.array([0, 0, 1, 1, 2, 2])
    chain = Chain((Blend(1.0), Shift(1), Drop(0.2)))
    one, same, other = (found(chain(spikes, label=label, key=jax.random.key(seed))) for seed in (0, 0, 1))
    assert one == same != other
    keys = jax.random.split(jax.random.key(0), 3)
    by_hand = Drop(0.2)(Shift(1)(Blend(1.0)(spikes, label=label, key=keys[0]), key=keys[1]), key=keys[2])
    assert one == found(by_hand)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shift(-1), "Shift: `channels` must be finite and at least 0; got -1"),
        (lambda: Stretch(1.0), "Stretch: `share` must be at least 0 and below 1"),
        (lambda: Drop(-0.1), "Drop: `share`"),
        (lambda: Noise(1, end=0.0), "Noise: `end` must be a time in ms above 0"),
        (lambda: Blend(1.5), "Blend: `share` must be between 0 and 1"),
    ],
)
def test_augmentations_out_of_range(make: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message):
        make()


def test_blend_leaves_samples_alone_whose_partners_are_silent():
    time, unit = np.full((4, 8), np.inf), np.full((4, 8), -1, np.int32)
    time[0], unit[0] = np.arange(8.0), np.arange(8)
    spikes = rv.Spikes(jnp.asarray(time), jnp.asarray(unit), 10)
    mixed = Blend(1.0)(spikes, label=jnp.zeros(4, jnp.int32), key=jax.random.key(0))
    assert found(mixed) == found(spikes)
