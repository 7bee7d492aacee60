"""Files of data: what is broken, cut short or something else is refused, whatever byte it is."""

import contextlib
import gzip
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from ranvier import datasets
from ranvier.datasets import mnist, tidigits
from ranvier.datasets.downloads import fetch
from ranvier.datasets.idx import read_idx

TRIES = 500


def idx_bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    return header + array.astype(np.uint8).tobytes()


def spoiled(content: bytes) -> Iterator[bytes]:
    """So many with a bit turned, as many cut short."""
    random = np.random.default_rng(0)
    for at, bit in zip(random.integers(0, len(content), TRIES), random.integers(0, 8, TRIES), strict=True):
        changed = bytearray(content)
        changed[at] ^= 1 << int(bit)
        yield bytes(changed)
    for length in random.integers(0, len(content), TRIES):
        yield content[:length]


# IDX -----------------------------------------------------------------------------------------------------------------


def attempt(read: Callable[[Path], object], path: Path) -> object:
    """What a reader gives, or None where it refuses the file by its name."""
    found: object = None
    with contextlib.suppress(ValueError):
        found = read(path)
    if found is None:
        with pytest.raises(ValueError, match=re.escape(str(path))):
            read(path)
    return found


def test_packed_files_with_any_byte_changed_are_refused_or_the_same(tmp_path: Path):
    path, array = tmp_path / "images.gz", np.random.default_rng(1).integers(0, 256, (6, 5, 5))
    read = 0
    for content in spoiled(gzip.compress(idx_bytes(array), mtime=0)):
        path.write_bytes(content)
        found = attempt(read_idx, path)
        if found is not None:
            read += 1
            np.testing.assert_array_equal(found.array, array)
    assert read < 0.2 * TRIES, "only a few bytes of the header say nothing of the content"


def test_plain_files_with_any_byte_changed_keep_their_size_or_are_refused(tmp_path: Path):
    """Without a checksum a pixel may change unseen; the digest tells."""
    path, array = tmp_path / "images", np.random.default_rng(1).integers(0, 256, (6, 5, 5))
    whole = idx_bytes(array)
    for content in spoiled(whole):
        path.write_bytes(content)
        found = attempt(read_idx, path)
        if found is not None:
            assert found.array.shape == array.shape
            assert found.md5 != hashlib.md5(whole, usedforsecurity=False).hexdigest()


def test_gzip_is_known_by_its_content(tmp_path: Path):
    array = np.arange(12).reshape(3, 4)
    for name, content in (("a", gzip.compress(idx_bytes(array))), ("b.gz", idx_bytes(array))):
        (tmp_path / name).write_bytes(content)
        np.testing.assert_array_equal(read_idx(tmp_path / name).array, array)
    with pytest.raises(ValueError, match="is a folder"):
        read_idx(tmp_path)


def image_folder(place: Path, train: int = 30, test: int = 20) -> Path:
    random = np.random.default_rng(2)
    place.mkdir(exist_ok=True)
    for part, count in (("train", train), ("test", test)):
        images, labels = mnist.FILES[part]
        (place / images).write_bytes(gzip.compress(idx_bytes(random.integers(0, 256, (count, 28, 28)))))
        (place / labels).write_bytes(gzip.compress(idx_bytes(np.arange(count) % 10)))
    return place


def digest_of(path: Path) -> str:
    return hashlib.md5(gzip.decompress(path.read_bytes()), usedforsecurity=False).hexdigest()


def test_fashion_files_in_the_official_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    splits = datasets.fashion_mnist_splits(image_folder(tmp_path))
    assert [part.feature.shape for part in splits] == [(20, 784), (10, 784), (20, 784)]
    assert len(mnist.FASHION_CLASSES) == 10


def test_files_of_the_one_set_are_no_files_of_the_other(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(ValueError, match=r"Fashion-MNIST: .*t?rain-images.* is a file of MNIST; name the folder"):
        datasets.fashion_mnist_splits(data_dir / "mnist")
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
        (tmp_path / name).write_bytes((data_dir / "mnist" / name).read_bytes())
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes((tmp_path / "train-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(ValueError, match="is the published file train-labels-idx1-ubyte under another name"):
        datasets.mnist_splits(tmp_path)


def test_a_file_of_the_published_size_with_other_numbers_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    monkeypatch.setattr(mnist, "PUBLISHED", {"train": 30, "test": -1})
    with pytest.warns(UserWarning, match=r"has the md5 [0-9a-f]{32} \(unpacked\), which is not that of the published"):
        datasets.mnist_splits(image_folder(tmp_path))


def test_training_images_are_no_test_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    folder = image_folder(tmp_path, train=20, test=20)
    for train, test in zip(mnist.FILES["train"], mnist.FILES["test"], strict=True):
        (folder / test).write_bytes((folder / train).read_bytes())
    monkeypatch.setattr(mnist, "VALIDATION", 0)
    with pytest.raises(ValueError, match="the same images to train on and to test"):
        datasets.mnist_splits(folder)


# Downloads -----------------------------------------------------------------------------------------------------------


def test_missing_files_are_fetched_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    there, here = image_folder(tmp_path / "there"), tmp_path / "here"
    names = sum(mnist.FILES.values(), ())
    md5 = [hashlib.md5((there / name).read_bytes(), usedforsecurity=False).hexdigest() for name in names]
    origin = mnist._Origin("MNIST", there.as_uri() + "/", tuple(md5))
    monkeypatch.setattr(mnist, "MNIST", origin)
    splits = datasets.mnist_splits(here, download=True)
    np.testing.assert_array_equal(splits.test.feature, datasets.mnist_splits(there).test.feature)
    (here / names[3]).unlink()
    (there / names[3]).write_bytes(b"something else")
    with pytest.raises(ValueError, match=f"not the published {md5[3]}; try again later"):
        datasets.mnist_splits(here, download=True)
    assert sorted(path.name for path in here.iterdir()) == sorted(names[:3]), "nothing half done is left"
    with pytest.raises(OSError, match="cannot be reached .* fetch the file by other means"):
        fetch((there / "none").as_uri(), here / "none", "")


# N-TIDIGITS ----------------------------------------------------------------------------------------------------------

SAID = ("o", "1", "9", "z", "34")
Change = Callable[[h5py.File], None]


def tidigits_file(path: Path, change: Change = lambda file: None) -> Path:
    """A file in the published layout: four single digits and a longer one in each part."""
    random = np.random.default_rng(3)
    with h5py.File(path, "w") as file:
        for part in ("train", "test"):
            names = [f"man-ae-{part}{number}-{said}" for number, said in enumerate(SAID)]
            file[f"{part}_labels"] = np.array(names, "S")
            for name in names:
                count = int(random.integers(5, 20))
                file[f"{part}_timestamps/{name}"] = random.uniform(0, 1, count)
                file[f"{part}_addresses/{name}"] = random.integers(0, 64, count)
        change(file)
    return path


def quiet(path: Path) -> tidigits.Digits:
    with pytest.warns(UserWarning, match=r"has the md5 [0-9a-f]{32}; that of the published file is 360a2d11"):
        return datasets.ntidigits(path)


def test_single_digits_are_read_in_ms_and_in_order(tmp_path: Path):
    path = tidigits_file(tmp_path / "digits.h5")
    found = quiet(path)
    assert found.train.label.tolist() == found.test.label.tolist() == [0, 1, 9, 10]
    assert found.speaker == ("man-ae",) * 4
    with h5py.File(path) as file:
        time, unit = file["test_timestamps/man-ae-test2-9"][:], file["test_addresses/man-ae-test2-9"][:]
    order = np.argsort(time)
    np.testing.assert_allclose(found.test.time[2], 1000 * time[order])
    np.testing.assert_array_equal(found.test.unit[2], unit[order])
    assert found.test.spikes.size == 64
    assert found.test.part(np.array([3, 0])).label.tolist() == [10, 0]


def replaced(name: str, values: object) -> Change:
    def change(file: h5py.File) -> None:
        del file[name]
        if values is not None:
            file[name] = values

    return change


ONE = "timestamps/man-ae-train1-1"
WRONG: dict[str, Change] = {
    "it lacks test_labels": replaced("test_labels", None),
    "it lacks train_addresses": replaced("train_addresses", None),
    "sample man-ae-train1-1 has no entry in train_timestamps": replaced(f"train_{ONE}", None),
    "sample man-ae-train1-1 has 2 times and [0-9]+ channels": replaced(f"train_{ONE}", [0.1, 0.2]),
    "names of samples must end in `-` and digits.*got 'man-x'": replaced("train_labels", np.array(["man-x"], "S")),
    "no name in train_labels ends in a single digit": replaced("train_labels", np.array(["man-ae-1-34"], "S")),
    "a name stands twice": replaced("train_labels", np.array(["man-ae-train1-1"] * 2, "S")),
    "must be seconds from 0 to 60; got nan to nan": lambda file: file[f"train_{ONE}"].write_direct(
        np.full(len(file[f"train_{ONE}"]), np.nan)
    ),
    "must be seconds from 0 to 60; got .* Is their unit another one": lambda file: file[f"train_{ONE}"].write_direct(
        np.full(len(file[f"train_{ONE}"]), 500.0)
    ),
    "must have channels 0..63; got int64, 64 to 64": lambda file: file[
        f"train_{ONE}".replace("times", "addre").replace("addretamps", "addresses")
    ].write_direct(np.full(len(file[f"train_{ONE}"]), 64)),
}


@pytest.mark.filterwarnings("ignore:N-TIDIGITS")
@pytest.mark.parametrize("message", WRONG)
def test_a_file_of_digits_that_is_wrong_says_where(tmp_path: Path, message: str):
    path = tidigits_file(tmp_path / "digits.h5", WRONG[message])
    with pytest.raises(ValueError, match=f"N-TIDIGITS: {re.escape(str(path))}.*({message})"):
        datasets.ntidigits(path)


def test_what_is_no_file_of_digits(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="is a folder; name the published"):
        datasets.ntidigits(tmp_path)
    for content in (b"", b"text", b"version https://git-lfs.github.com/spec/v1"):
        (tmp_path / "file").write_bytes(content)
        with pytest.raises(ValueError, match=r"is no HDF5 file|pointer of Git LFS|is empty"):
            datasets.ntidigits(tmp_path / "file")


@pytest.mark.filterwarnings("ignore:N-TIDIGITS")
def test_digits_with_any_byte_changed_are_refused_or_sound(tmp_path: Path):
    """HDF5 has no checksum, so a time may change unseen (the digest tells); nothing that can be seen gets through."""
    path = tidigits_file(tmp_path / "digits.h5")
    for content in spoiled(path.read_bytes()):
        path.write_bytes(content)
        found = attempt(datasets.ntidigits, path)
        for part in () if found is None else (found.train, found.test):
            for time, unit in zip(part.time, part.unit, strict=True):
                assert len(time) == len(unit)
                assert (np.diff(time) >= 0).all()
                assert not len(time) or (time[0] >= 0 and time[-1] <= 60_000 and 0 <= unit.min() <= unit.max() < 64)
            assert set(part.label.tolist()) <= set(range(11))
