"""Files of spikes: what is read, and what is refused with which words."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ranvier.datasets import SpikeFileError, SpikeWriter, read_spike_file

FUZZED = 150


def write(path: Path, times: Any, units: Any, labels: Any = (0, 1), **extra: Any) -> Path:
    """A file in the layout of SHD, written with nothing but h5py."""
    with h5py.File(path, "w") as file:
        for name, rows in (("times", times), ("units", units)):
            rows = [np.asarray(row) for row in rows]
            kind = h5py.vlen_dtype(rows[0].dtype)
            place = file.create_dataset(f"spikes/{name}", (len(rows),), kind)
            for at, row in enumerate(rows):
                place[at] = row
        file["labels"] = np.asarray(labels)
        for name, value in extra.items():
            file[f"extra/{name}"] = value
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spikes.h5"


HALF = np.float16
GOOD = ([HALF([0.1, 0.2]), HALF([1.3])], [[0, 2], [1]])


def test_half_precision_is_widened_before_it_is_scaled(path: Path):
    file = read_spike_file(write(path, *GOOD, labels=[0, 2], keys=[b"no", b"yes", b"so"]))
    rows = file.read(np.array([1, 0]))
    assert rows.start.tolist() == [0, 1, 3]
    assert rows.time.tolist() == [np.float32(1000.0 * float(HALF(t))) for t in (1.3, 0.1, 0.2)]
    assert rows.unit.tolist() == [1, 0, 2]
    assert file.channels == 3
    assert file.end == 1000.0 * float(HALF(1.3))
    assert file.classes == ("no", "yes", "so")
    assert file.notes == ("no sample of class yes",)


def test_the_real_samples(data_dir: Path):
    file = read_spike_file(data_dir / "shd_sample.h5")
    assert file.channels == 700
    assert (file.count.min(), file.count.max()) == (3476, 12889)
    assert file.size == 12


def test_unsorted_times_are_sorted_ties_in_order_and_silence_is_told(path: Path):
    file = read_spike_file(write(path, [HALF([0.2, 0.1, 0.1]), HALF([])], [[0, 1, 2], np.zeros(0, int)]))
    assert file.read(np.array([0])).unit.tolist() == [1, 2, 0]
    assert "1 of 2 samples have no spike" in file.notes[0]
    assert "1 samples were not in order" in file.notes[1]


def test_a_file_that_does_not_fit_into_memory_is_read_again(path: Path):
    rng = np.random.default_rng(0)
    rows = [np.sort(rng.uniform(0.0, 1.0, size)).astype(np.float32) for size in rng.integers(0, 9, 600)]
    write(path, rows, [rng.integers(0, 7, len(row)) for row in rows], labels=np.arange(600) % 3)
    kept, streamed = read_spike_file(path), read_spike_file(path, memory=100)
    assert kept.kept is not None
    assert streamed.kept is None
    order = rng.permutation(600)[:64].repeat(2)
    for one, two in zip(kept.read(order), streamed.read(order), strict=True):
        assert np.array_equal(one, two)
    write(path, rows[::-1], [np.zeros(len(row), int) for row in rows[::-1]], labels=np.arange(600) % 3)
    with pytest.raises(SpikeFileError, match="has changed since it was opened"):
        streamed.read(np.arange(600))


@pytest.mark.parametrize(
    ("times", "units", "labels", "message"),
    [
        ([[0.1, 0.2], [1.3]], [[0], [1]], [0, 1], r"sample 0: \(2,\) times and \(1,\) units"),
        ([[0.1], [np.nan]], [[0], [1]], [0, 1], "sample 1: time nan; expected finite"),
        ([[0.1], [np.inf]], [[0], [1]], [0, 1], "sample 1: time inf"),
        ([[-0.1], [0.1]], [[0], [1]], [0, 1], "sample 0: time -0.1"),
        ([[0.1], [0.2]], [[0], [-3]], [0, 1], "sample 1: unit -3"),
        ([[0.1], [0.2]], [[0.0], [1.0]], [0, 1], "sample 0: units are float64; expected whole numbers"),
        ([[1], [2]], [[0], [1]], [0, 1], "sample 0: times are int64; expected floating-point"),
        ([[0.1], [0.2]], [[0], [1]], [0], "2 times, 2 units, 1 labels"),
        ([[0.1], [0.2]], [[0], [1]], [0, -1], "sample 1: label -1"),
        ([[0.1], [0.2]], [[0], [1]], [0.0, 1.0], "labels must be whole numbers"),
        ([[100.0], [700.0]], [[0], [1]], [0, 1], "another unit of time: read it by read_spike_file"),
        ([np.zeros(0), np.zeros(0)], [np.zeros(0, int), np.zeros(0, int)], [0, 1], "no sample has a spike"),
    ],
)
def test_wrong_samples_are_named(path: Path, times: Any, units: Any, labels: Any, message: str):
    write(path, times, units, labels)
    with pytest.raises(SpikeFileError, match=f"spikes.h5.*{message}"):
        read_spike_file(path)


def test_more_that_is_refused(path: Path):
    write(path, *GOOD, keys=[b"only"])
    with pytest.raises(SpikeFileError, match="sample 1: label 1 is none of the 1 classes"):
        read_spike_file(path)
    write(path, *GOOD)
    with pytest.raises(SpikeFileError, match="sample 0: unit 2; expected units below 2"):
        read_spike_file(path, channels=2)
    assert read_spike_file(path, channels=9).channels == 9
    with h5py.File(path, "a") as file:
        del file["spikes/units"]
    with pytest.raises(
        SpikeFileError, match="spikes/units is missing; expected the layout of SHD.*Found: labels, spikes"
    ):
        read_spike_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x1f\x8bxxxx", "packed by gzip"),
        (b"PK\x03\x04", "is a zip archive"),
        (b"version https://git-lfs.github.com/spec/v1\n", "pointer of Git LFS"),
        (b"something else", "no HDF5 file"),
    ],
)
def test_other_files_are_told(path: Path, content: bytes, message: str):
    path.write_bytes(content)
    with pytest.raises(SpikeFileError, match=message):
        read_spike_file(path)


def test_a_folder_or_nothing(tmp_path: Path):
    with pytest.raises(SpikeFileError, match="is a folder; name the HDF5 file in it"):
        read_spike_file(tmp_path)
    with pytest.raises(FileNotFoundError, match="there is no"):
        read_spike_file(tmp_path / "none.h5")


@pytest.mark.parametrize("half", [True, False])
def test_changed_files_are_refused_or_read_as_they_were(path: Path, half: bool):
    """Cut, overwritten and zeroed copies: an error that names the file, or the same spikes; never others."""
    rng = np.random.default_rng(1)
    with SpikeWriter(path, classes=("a", "b"), channels=20, speakers=("x",)) as out:
        for label in (0, 1, 1, 0):
            out.add(np.sort(rng.uniform(0, 900, 40)), rng.integers(0, 20, 40), label=label, speaker=0, split=0)
    whole, good = path.read_bytes(), read_spike_file(path)
    refused = 0
    for number in range(FUZZED):
        content, at = bytearray(whole), int(rng.integers(0, len(whole)))
        if half:
            content = content[:at]
        else:
            content[at : at + int(rng.integers(1, 64))] = rng.bytes(1)
        broken = path.with_name(f"broken{number}.h5")
        broken.write_bytes(bytes(content))
        found, told = None, ""
        try:
            found = read_spike_file(broken)
        except SpikeFileError as error:
            told = str(error)
        assert str(broken) in told if found is None else found.checksum == good.checksum
        refused += found is None
    assert refused > FUZZED // 20


@pytest.mark.parametrize(
    ("time", "unit", "label"),
    [([2.0, 1.0], [0, 0], 0), ([-1.0], [0], 0), ([np.inf], [0], 0), ([1.0], [3], 0), ([1.0], [0], 2)],
)
def test_the_writer_refuses_what_the_reader_would(path: Path, time: Any, unit: Any, label: int):
    with (
        pytest.raises(ValueError, match="sample 0 does not fit"),
        SpikeWriter(path, classes=("a", "b"), channels=3) as out,
    ):
        out.add(np.asarray(time), np.asarray(unit), label=label)
    assert not path.exists()
