"""Data sets in which only time tells the classes apart: what they are by hand, and that counting is at chance."""

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier import datasets
from ranvier.datasets import Noise, Samples

KEY, OTHER = jax.random.key(3), jax.random.key(4)
CHANNELS = 8
NOISY = Noise(jitter=0.3, distractors=0)
CROWDED = Noise(jitter=0.3, distractors=3)
ORDERS = datasets.random_orders(4, CHANNELS, window=40.0, key=jax.random.key(9))
TASKS = {
    "intervals": lambda size, noise, key: datasets.interval_samples(size, channels=CHANNELS, noise=noise, key=key),
    "polychrony": lambda size, noise, key: datasets.polychrony_samples(size, ORDERS, noise=noise, key=key),
    "coincidence": lambda size, noise, key: datasets.coincidence_samples(size, channels=CHANNELS, noise=noise, key=key),
    "delayed-xor": lambda size, noise, key: datasets.delayed_xor_samples(size, channels=CHANNELS, noise=noise, key=key),
}
MANIFOLDS = datasets.draw_manifolds(classes=4, units=CHANNELS, smoothness=2.0, key=KEY)


def manifold_samples(size: int, key: jax.Array) -> Samples:
    train = datasets.random_manifolds(size, 1, 1, manifolds=MANIFOLDS, key=key).train
    return Samples(100 * train.feature, train.label)


def linear(train: np.ndarray, label: np.ndarray, test: np.ndarray, answer: np.ndarray) -> float:
    """Accuracy of a linear classifier, least squares on the classes."""
    with_one = lambda rows: np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    weight = np.linalg.lstsq(with_one(train), np.eye(label.max() + 1)[label], rcond=None)[0]
    return float(np.mean(np.argmax(with_one(test) @ weight, axis=1) == answer))


def counts(samples: Samples, channels: int = CHANNELS) -> np.ndarray:
    return np.asarray(rv.spike_count(datasets.channel_spikes(samples.feature, channels)))


def pairwise_delays(samples: Samples) -> np.ndarray:
    """Times of all spikes after the first spike of channel 0: what is left when the onset is taken away."""
    return samples.feature - samples.feature[:, :1]


def nearest(train: np.ndarray, label: np.ndarray, test: np.ndarray, answer: np.ndarray) -> float:
    """Accuracy of the nearest neighbour."""
    distance = ((test[:, None] - train[None]) ** 2).sum(axis=2)
    return float(np.mean(label[np.argmin(distance, axis=1)] == answer))


READ = {
    "intervals": lambda samples: samples.feature[:, CHANNELS:] - samples.feature[:, :CHANNELS],
    "polychrony": pairwise_delays,
    "coincidence": lambda samples: np.abs(samples.feature[:, 1::2] - samples.feature[:, ::2]),
    "delayed-xor": pairwise_delays,
}
"""What of the times says the class, without noise."""


@pytest.mark.parametrize("name", TASKS)
def test_counting_is_at_chance_and_timing_is_not(name: str):
    train, test = TASKS[name](400, CROWDED, KEY), TASKS[name](200, CROWDED, OTHER)
    chance = 1 / (train.label.max() + 1)
    assert linear(counts(train), train.label, counts(test), test.label) <= chance + 0.02
    assert (counts(train) == counts(train)[0, 0]).all(), "every channel fires equally often in every sample"
    train, test = TASKS[name](400, NOISY, KEY), TASKS[name](200, NOISY, OTHER)
    assert nearest(READ[name](train), train.label, READ[name](test), test.label) > 0.97


def test_counting_is_at_chance_on_random_manifolds_and_timing_is_not():
    train, test = manifold_samples(800, KEY), manifold_samples(200, OTHER)
    assert (counts(train) == 1).all()
    assert linear(counts(train), train.label, counts(test), test.label) <= 0.27
    assert nearest(train.feature, train.label, test.feature, test.label) > 0.97


@pytest.mark.parametrize("name", TASKS)
def test_samples_come_by_key_and_stay_within_their_duration(name: str):
    one, same, other = (TASKS[name](50, CROWDED, key) for key in (KEY, KEY, OTHER))
    np.testing.assert_array_equal(one.feature, same.feature)
    assert not np.array_equal(one.feature, other.feature)
    assert one.feature.min() >= 0
    assert one.feature.max() <= 100
    assert np.ptp(np.bincount(one.label)) <= 1


def test_times_of_coincidences_are_alike_in_both_classes():
    """Kolmogorov-Smirnov distance of each channel's times between the classes: far below that of a difference."""
    samples = datasets.coincidence_samples(4000, channels=2, shift=10.0, duration=80.0, key=KEY)
    for channel in samples.feature.T:
        one, two = (np.sort(channel[samples.label == label]) for label in (0, 1))
        at = np.linspace(0, 80, 200)
        share = [np.searchsorted(part, at) / len(part) for part in (one, two)]
        assert np.abs(share[0] - share[1]).max() < 0.06


def test_orders_differ_and_share_their_times():
    assert len({tuple(row) for row in ORDERS.tolist()}) == 4
    np.testing.assert_allclose(np.sort(ORDERS, axis=1), np.tile(np.linspace(0, 40, CHANNELS), (4, 1)))


# Random manifolds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("smoothness", "terms"), [(0.5, 1000), (1.0, 1000), (2.0, 32), (3.0, 10)])
def test_terms_are_as_many_as_published(smoothness: float, terms: int):
    found = datasets.draw_manifolds(classes=1, units=1, smoothness=smoothness, key=KEY)
    assert found.amplitude.shape[-1] == terms


def test_the_two_spectra_are_those_published():
    k = np.arange(3)
    np.testing.assert_allclose(datasets.numpy_spectrum(k, 2.0), [1, 1 / 4, 1 / 9])
    np.testing.assert_allclose(datasets.torch_spectrum(k, 2.0), [1 / 2, 1 / 5, 1 / 10])
    made = [
        datasets.draw_manifolds(classes=1, units=3, smoothness=2.0, spectrum=spectrum, key=KEY)
        for spectrum in (datasets.numpy_spectrum, datasets.torch_spectrum)
    ]
    x = np.linspace(0, 1, 20)[:, None]
    assert np.abs(made[0](x, 0) - made[1](x, 0)).max() > 0.01


def test_values_are_those_of_the_sum():
    """One unit, two dimensions, by hand; the first term has no amplitude."""
    found = datasets.draw_manifolds(classes=1, units=1, dimension=2, smoothness=3.0, key=KEY)
    random = np.random.default_rng(np.asarray(jax.random.key_data(jax.random.fold_in(KEY, 0))).tolist())
    a, b, c = random.random((3, 1, 1, 2, 10))[:, 0, 0]
    k, x = np.arange(10), np.array([[0.3, 0.8]])
    strength = np.where(k > 0, 1 / ((k + 1.0) ** 3 + 1), 0)
    waves = [
        sum(a[d, n] * strength[n] * np.sin(2 * np.pi * (n * x[0, d] * b[d, n] + c[d, n])) for n in k) for d in range(2)
    ]
    y = (waves[0] * waves[1] - found.low[0, 0, 0]) / (found.high[0, 0, 0] - found.low[0, 0, 0])
    np.testing.assert_allclose(found(x, 0)[0, 0], np.clip(y, 0, 1), rtol=1e-10)


def test_a_larger_exponent_is_smoother():
    x = np.linspace(0, 1, 2000)[:, None]
    length = [
        np.abs(np.diff(datasets.draw_manifolds(classes=1, smoothness=alpha, key=KEY)(x, 0), axis=0)).sum()
        for alpha in (1.0, 2.0, 3.0)
    ]
    assert length[0] > 2 * length[1] > 2 * length[2]


def test_every_class_and_every_spike_has_a_manifold_of_its_own():
    found = datasets.draw_manifolds(classes=3, units=4, smoothness=3.0, spikes=2, key=KEY)
    x = np.linspace(0, 1, 50)[:, None]
    rows = np.concatenate([found(x, label) for label in range(3)], axis=1).T  # (3 classes * 2 spikes * 4 units, 50)
    assert np.abs(np.corrcoef(rows) - np.eye(len(rows))).max() < 0.999


def test_parts_share_one_standardisation():
    """A point has the same values, whatever is drawn beside it; hardly any value is beyond the range."""
    x = np.random.default_rng(0).random((200, 1))
    np.testing.assert_array_equal(MANIFOLDS(x, 1)[:5], MANIFOLDS(x[:5], 1))
    splits = datasets.random_manifolds(4000, 500, 500, manifolds=MANIFOLDS, key=KEY)
    for part in splits:
        assert part.feature.min() >= 0
        assert part.feature.max() <= 1
        assert np.mean((part.feature == 0) | (part.feature == 1)) < 1e-3
        assert np.ptp(np.bincount(part.label)) <= 1
    assert not set(splits.train.feature[:, 0]) & set(splits.test.feature[:, 0])


def test_the_generators_of_others_stay_as_they_are():
    np.random.seed(5)  # noqa: NPY002
    datasets.draw_manifolds(classes=1, smoothness=3.0, key=KEY)
    after = np.random.rand()  # noqa: NPY002
    np.random.seed(5)  # noqa: NPY002
    assert after == np.random.rand()  # noqa: NPY002


def test_a_picture_has_every_class_in_space_and_a_raster_of_some():
    train = datasets.random_manifolds(200, 1, 1, manifolds=MANIFOLDS, key=KEY).train
    page = rv.plots.manifolds(train.feature, train.label, units=CHANNELS, t_start=10.0, span=90.0)
    space, *rasters = page.axes
    assert [len(cloud.get_offsets()) for cloud in space.collections] == np.bincount(train.label).tolist()
    assert len(rasters) == 4
    ticks = [segment[0, 0] for lines in rasters[2].collections for segment in lines.get_segments()]
    np.testing.assert_allclose(np.sort(ticks), np.sort(10 + 90 * train.feature[train.label == 2][0]))
    with pytest.raises(ValueError, match="at least 3 `units`"):
        rv.plots.manifolds(train.feature, train.label, units=2)


# Controls ------------------------------------------------------------------------------------------------------------


def test_without_rates_every_unit_fires_equally_often_and_keeps_its_spikes():
    random = np.random.default_rng(0)
    times = [random.uniform(0, 50, size) for size in (0, 5, 40)]
    units = [random.integers(0, 3, len(row)) for row in times]
    spikes = rv.Spikes.from_ragged(times, units, size=3)
    found = datasets.equal_counts(spikes, 4, t_end=50.0, key=KEY)
    assert np.asarray(rv.spike_count(found)).tolist() == [[4.0] * 3] * 3
    assert (np.diff(np.asarray(found.time), axis=1) >= 0).all()
    for sample in range(3):
        for unit in range(3):
            own = np.asarray(spikes.time)[sample][np.asarray(spikes.unit)[sample] == unit]
            now = np.asarray(found.time)[sample][np.asarray(found.unit)[sample] == unit]
            assert np.isin(own, now).sum() == min(len(own), 4)
    again = datasets.equal_counts(spikes, 4, t_end=50.0, key=KEY)
    np.testing.assert_array_equal(found.time, again.time)


def test_rates_that_tell_classes_apart_are_gone():
    random, label = np.random.default_rng(1), np.arange(200) % 2
    times = [random.uniform(0, 50, 3 + 6 * one) for one in label]
    spikes = rv.Spikes.from_ragged(times, [random.integers(0, 2, len(row)) for row in times], size=2)
    before, after = (
        np.asarray(rv.spike_count(one)) for one in (spikes, datasets.equal_counts(spikes, 3, t_end=50.0, key=KEY))
    )
    assert linear(before[:100], label[:100], before[100:], label[100:]) > 0.9
    assert linear(after[:100], label[:100], after[100:], label[100:]) <= 0.5


def test_time_runs_backwards():
    spikes = rv.Spikes.from_ragged([[1.0, 2.5, 4.0], [3.0]], [[0, 1, 0], [1]], size=2)
    found = datasets.time_reversed(spikes, t_end=5.0)
    assert found.time.tolist() == [[1.0, 2.5, 4.0], [2.0, np.inf, np.inf]]
    assert found.unit.tolist() == [[0, 1, 0], [1, -1, -1]]
    twice = datasets.time_reversed(found, t_end=5.0)
    np.testing.assert_array_equal(twice.time, spikes.time)


def test_reversal_keeps_intervals_and_coincidences_but_not_patterns():
    turned = lambda samples: Samples(100.0 - samples.feature, samples.label)
    for name, kept in (("intervals", True), ("coincidence", True), ("polychrony", False)):
        train, test = TASKS[name](400, NOISY, KEY), turned(TASKS[name](200, NOISY, OTHER))
        read = lambda samples, name=name: np.abs(READ[name](samples)) if name == "intervals" else READ[name](samples)
        share = nearest(read(train), train.label, read(test), test.label)
        assert (share > 0.97) if kept else (share < 0.6), name


# What cannot be ------------------------------------------------------------------------------------------------------

WRONG = {
    "draw_manifolds: `units` must be at least 1; got 0": lambda: datasets.draw_manifolds(units=0, key=KEY),
    "`smoothness` must be a finite number above 0; got 0": lambda: datasets.draw_manifolds(smoothness=0.0, key=KEY),
    "each part needs at least 1 sample; got 0": lambda: datasets.random_manifolds(0, manifolds=MANIFOLDS, key=KEY),
    "Noise: `jitter` must be a time": lambda: Noise(jitter=-1.0),
    "fit into `duration`, 15.0 ms; it takes 20.0": lambda: datasets.interval_samples(3, duration=15.0, key=KEY),
    "at least one sample": lambda: datasets.interval_samples(0, key=KEY),
    "come in pairs, so their number must be even; got 3": lambda: datasets.coincidence_samples(3, channels=3, key=KEY),
    "`channels` must be at least 2": lambda: datasets.delayed_xor_samples(3, channels=1, key=KEY),
    "2 `channels` have fewer than 3 different orders": lambda: datasets.random_orders(3, 2, key=KEY),
    "same number of columns": lambda: datasets.channel_spikes(np.zeros((2, 3)), 2),
    "`count` must be at least 1": lambda: datasets.equal_counts(rv.Spikes([1.0], [0], 1), 0, t_end=9.0, key=KEY),
    "number of units": lambda: datasets.equal_counts(rv.Spikes([1.0], [0]), 1, t_end=9.0, key=KEY),
    "a spike is at 3.0 ms": lambda: datasets.time_reversed(rv.Spikes([3.0], [0]), t_end=2.0),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_cannot_be_is_told(message: str):
    with pytest.raises(ValueError, match=message):
        WRONG[message]()
