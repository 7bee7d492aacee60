"""Data that are read batch by batch: the same samples, the same numbers as in memory, resumable."""

from pathlib import Path

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier.datasets import (
    leave_one_speaker_out,
    official_parts,
    random_parts,
    read_spike_file,
    speaker_parts,
)
from ranvier.readouts import MeanPotential
from ranvier.train import Dataset, Recipe, Stream, adam, by_path, evaluate, fit
from ranvier.train.stream import NARROWEST
from spike_sets import CHANNELS, write_words


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_words(tmp_path_factory.mktemp("words") / "words.h5")


@pytest.fixture(scope="module")
def stream(words: Path) -> Stream:
    file = read_spike_file(words, memory=10)  # is read again batch by batch
    assert file.kept is None
    return Stream(file, np.arange(file.size), file.label, classes=3)


def in_memory(stream: Stream) -> Dataset:
    return stream.take(np.arange(stream.size))


RECIPE = Recipe(
    rv.EventDriven(max_spikes=30, gradient=rv.SpikeValue()),
    t_end=160.0,
    readout=MeanPotential("output"),
    loss=rv.losses.cross_entropy,
    optimiser=by_path({"weight": adam(0.01), "delay": adam(0.05)}),
    epochs=1,
    batch=60,
)
NETWORK = rv.recurrent(
    [CHANNELS, 6, 3],
    neuron=rv.LIF(20.0, 5.0),
    readout=rv.LI(20.0, 5.0),
    delay=[rv.synaptic(0.5, 10.0), rv.synaptic(1.0, 10.0), rv.fixed(0.0)],
    weight=[rv.initializers.normal(1.0, 0.3), rv.initializers.normal(0.0, 0.1), rv.initializers.normal(0.0, 0.3)],
    dtype="float32",
    key=jax.random.key(0),
)


def test_every_sample_comes_once_in_an_order_of_the_key(stream: Stream):
    orders = [stream.order(7, jax.random.key(seed)) for seed in (0, 0, 1)]
    for order in orders:
        assert sorted(np.concatenate(order)) == list(range(60))
        assert sorted(map(len, order)) == [4, *[7] * 8]
    assert all(map(np.array_equal, orders[0], orders[1]))
    assert not np.array_equal(np.concatenate(orders[0]), np.concatenate(orders[2]))


def test_batches_are_bucketed_by_length(stream: Stream):
    """Within a batch of a shelf the numbers of spikes differ less than among all samples."""
    count = stream.source.count
    spread = [np.ptp(count[places]) for places in stream.order(7, jax.random.key(0)) if len(places) == 7]
    assert np.mean(spread) < 0.5 * np.ptp(count)
    batches = list(stream.batches(7, jax.random.key(0)))
    assert {batch.data.spikes.time.shape for batch in batches} == {(7, NARROWEST)}
    (short,) = [batch for batch in batches if len(batch.rows) < 7]
    assert short.weight.tolist() == [1.0] * 4 + [0.0] * 3
    assert np.isinf(short.data.spikes.time[4:]).all()


def test_a_stream_and_a_dataset_give_the_same_numbers(stream: Stream):
    streamed, whole = (evaluate(NETWORK, data, RECIPE) for data in (stream, in_memory(stream)))
    assert streamed["accuracy"] == whole["accuracy"]
    assert np.isclose(streamed["loss"], whole["loss"], rtol=1e-5)
    assert streamed["spikes_per_neuron"]["hidden"] == pytest.approx(whole["spikes_per_neuron"]["hidden"])


def test_an_epoch_of_one_batch_learns_the_same(stream: Stream):
    fitted = [fit(NETWORK, data, data, RECIPE, key=jax.random.key(3)) for data in (stream, in_memory(stream))]
    for one, other in zip(*(jax.tree.leaves(each.last) for each in fitted), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-3, atol=2e-5)
    assert not np.array_equal(fitted[0].last.connections[0].weight, NETWORK.connections[0].weight)


def test_the_wrong_network_and_no_samples_are_refused(stream: Stream):
    other = rv.feedforward([5, 3], neuron=rv.LIF(), readout=rv.LI(), key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"20 channels; the network's inputs are \{'input': 5\}"):
        stream.check(other, 160.0)
    with pytest.raises(ValueError, match="at least one sample"):
        Stream(stream.source, np.zeros(0, int), np.zeros(0, int), classes=3)
    with pytest.raises(ValueError, match="class below 2"):
        Stream(stream.source, np.arange(60), stream.target, classes=2)


def test_other_data_have_another_digest(stream: Stream):
    fewer = Stream(stream.source, stream.rows[:30], stream.target[:30], classes=3)
    again = Stream(stream.source, stream.rows, stream.target, classes=3)
    assert stream.digest() == again.digest() != fewer.digest()


# Which samples are for what -------------------------------------------------------------------------------------------


def test_official_splits(words: Path):
    parts = official_parts(read_spike_file(words))
    assert list(map(len, parts)) == [42, 9, 9]
    assert sorted(np.concatenate(parts)) == list(range(60))


@pytest.mark.parametrize("seed", [0, 1])
def test_speakers_are_in_one_part_only(words: Path, seed: int):
    file = read_spike_file(words)
    parts = speaker_parts(file, validation=0.25, test=0.25, seed=seed)
    who = [set(file.speaker[part]) for part in parts]
    assert list(map(len, who)) == [6, 3, 3]
    assert sorted(np.concatenate(parts)) == list(range(60))


def test_one_speaker_is_left_out(words: Path):
    file = read_spike_file(words)
    parts = leave_one_speaker_out(file, "speaker7", seed=2)
    assert set(file.speaker[parts.test]) == {7}
    assert len(set(file.speaker[parts.validation])) == 1
    assert sorted(np.concatenate(parts)) == list(range(60))
    assert np.array_equal(leave_one_speaker_out(file, 7, seed=2).test, parts.test)
    with pytest.raises(ValueError, match="there is no speaker eva; there are speaker0"):
        leave_one_speaker_out(file, "eva")


def test_random_splits(words: Path):
    file = read_spike_file(words)
    parts = random_parts(file, validation=0.2, test=0.1, seed=4)
    assert list(map(len, parts)) == [42, 12, 6]
    assert not np.array_equal(parts.test, random_parts(file, validation=0.2, test=0.1, seed=5).test)
    with pytest.raises(ValueError, match="leave a part without a sample"):
        random_parts(file, validation=0.0)


def test_files_without_speakers_or_splits_say_so(tmp_path: Path):
    file = read_spike_file(write_words(tmp_path / "a.h5", speakers=0, splits=False))
    with pytest.raises(ValueError, match=r"a\.h5: a split by speaker needs at least three.*found none"):
        speaker_parts(file)
    with pytest.raises(ValueError, match=r"a\.h5: expected samples of train, validation and test"):
        official_parts(file)


def test_spikes_after_the_end_are_refused(stream: Stream):
    """Also of a sample that is not the longest."""
    net = rv.feedforward([CHANNELS, 3], neuron=rv.LI(20.0, 5.0), key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"Stream: spikes up to .* ms; the simulation ends at t_end = 1 ms"):
        stream.check(net, 1.0)
