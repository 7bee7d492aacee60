"""Augmentations: what they do to spikes, and that training sees it and evaluation does not."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.augmentations import Jitter
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
