"""The Yin-Yang data set against the published arrays, bit for bit, and against its geometry."""

import dataclasses
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from ranvier import datasets, encoders

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def splits() -> datasets.Splits:
    return datasets.yin_yang_splits()


@pytest.mark.parametrize("split", SPLITS)
def test_samples_equal_the_published_ones_bit_for_bit(data_dir: Path, splits: datasets.Splits, split: str):
    samples = getattr(splits, split)
    feature = np.load(data_dir / "yin_yang" / f"{split}_samples.npy", allow_pickle=False)
    label = np.load(data_dir / "yin_yang" / f"{split}_labels.npy", allow_pickle=False)
    assert samples.feature.dtype == feature.dtype == np.float64
    assert samples.feature.shape == feature.shape
    assert samples.feature.tobytes() == feature.tobytes(), "features are not those published, bit for bit"
    assert samples.label.dtype == label.dtype
    assert samples.label.tobytes() == label.tobytes(), "labels are not those published, bit for bit"


@pytest.mark.parametrize("split", SPLITS)
def test_class_of_the_published_points_is_their_label(data_dir: Path, split: str):
    feature = np.load(data_dir / "yin_yang" / f"{split}_samples.npy", allow_pickle=False)
    label = np.load(data_dir / "yin_yang" / f"{split}_labels.npy", allow_pickle=False)
    np.testing.assert_array_equal(datasets.yin_yang_class(feature[:, 0], feature[:, 1]), label)


def test_sizes_and_balance(splits: datasets.Splits):
    assert splits._fields == SPLITS
    assert [samples.feature.shape for samples in splits] == [(5000, 4), (1000, 4), (1000, 4)]
    assert (np.bincount(splits.train.label, minlength=3) > 1600).all()


@hypothesis.given(size=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_any_seed_gives_points_of_the_sign(size: int, seed: int):
    samples = datasets.yin_yang_samples(size, seed)
    x, y = samples.feature[:, 0], samples.feature[:, 1]
    assert (np.hypot(x - 0.5, y - 0.5) <= 0.5).all()
    np.testing.assert_array_equal(samples.feature[:, 2:], 1 - samples.feature[:, :2])
    np.testing.assert_array_equal(datasets.yin_yang_class(x, y), samples.label)
    np.testing.assert_array_equal(datasets.yin_yang_samples(size + 3, seed).feature[:size], samples.feature)


def test_the_global_random_state_is_left_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (that this one is untouched is the point)
    datasets.yin_yang_samples(5, seed=1)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_class_map_knows_the_sign():
    """Half a turn swaps yin and yang and the two dots; areas are those of the sign."""
    axis = (np.arange(400) + 0.5) / 400
    x, y = np.meshgrid(axis, axis)
    shown = datasets.yin_yang_class(x, y)
    turned = datasets.yin_yang_class(1 - x, 1 - y)
    np.testing.assert_array_equal(np.array([1, 0, 2, -1])[shown], turned)
    assert np.mean(shown == -1) == pytest.approx(1 - np.pi / 4, abs=1e-3)
    assert np.mean(shown == 2) == pytest.approx(2 * np.pi * 0.1**2, abs=1e-3)
    assert np.mean(shown == 1) == pytest.approx(np.pi / 8 - np.pi * 0.1**2, abs=1e-3)


def test_class_of_named_points():
    x = np.array([0.25, 0.75, 0.25, 0.75, 0.5, 0.5, 1.2])
    y = np.array([0.5, 0.5, 0.3, 0.7, 0.9, 0.1, 0.5])
    assert datasets.yin_yang_class(x, y).tolist() == [2, 2, 1, 0, 1, 0, -1]


def test_features_become_input_spikes(splits: datasets.Splits):
    spikes = encoders.latency(splits.test.feature, t_early=0.15, t_late=2.0)
    assert spikes.time.shape == (1000, 4)


@pytest.mark.parametrize("size", [0, -3])
def test_size_must_be_positive(size: int):
    with pytest.raises(ValueError, match=rf"`size` must be at least 1; got {size}"):
        datasets.yin_yang_samples(size, seed=42)


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_seed_must_fit(seed: int):
    with pytest.raises(ValueError, match=rf"`seed` must be in 0..2\*\*32 - 1; got {seed}"):
        datasets.yin_yang_samples(1, seed=seed)


def test_samples_cannot_be_replaced(splits: datasets.Splits):
    with pytest.raises(dataclasses.FrozenInstanceError):
        splits.test.label = np.zeros(1000, int)
