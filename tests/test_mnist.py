"""MNIST: the files, the code of its pixels, and a run on digits that are easy to tell apart."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from ranvier import datasets
from ranvier.datasets import mnist
from ranvier.lab import experiment, load_run
from ranvier.lab.cli import execute
from ranvier.lab.tasks.mnist import Mnist
from ranvier.plots import report

TRAIN, VALIDATION, TEST = 60, 20, 30


def write(path: Path, array: np.ndarray) -> None:
    """An IDX file, by its published description."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(length.to_bytes(4, "big") for length in array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


def digits(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of a square each, at a place that says the class, and of random brightness."""
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.arange(count) % 10).astype(np.uint8)
    image = np.zeros((count, 28, 28), np.uint8)
    for sample, kind in enumerate(label.tolist()):
        row, column = 4 + 14 * (kind // 5), 5 * (kind % 5) + 2
        image[sample, row : row + 7, column : column + 4] = rng.integers(1, 256, (7, 4))
    return image, label


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four files in the format of MNIST."""
    made = tmp_path_factory.mktemp("mnist")
    for seed, (part, count) in enumerate({"train": TRAIN + VALIDATION, "test": TEST}.items()):
        for name, array in zip(mnist.FILES[part], digits(count, seed), strict=True):
            write(made / name, array)
    return made


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "VALIDATION", VALIDATION)


def test_the_published_digits(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    """How many there are of each, and the first few, as anybody finds them."""
    monkeypatch.setattr(mnist, "VALIDATION", 10_000)
    train, validation, test = datasets.mnist_splits(data_dir / "mnist")
    assert [len(part.label) for part in (train, validation, test)] == [50_000, 10_000, 10_000]
    counts = np.bincount(train.label) + np.bincount(validation.label)
    assert counts.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.label).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert train.label[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.label[:4].tolist() == [7, 2, 1, 0]
    assert train.feature.dtype == np.float32
    assert (train.feature.min(), train.feature.max()) == (0.0, 1.0)
    mean = (50_000 * train.feature.mean() + 10_000 * validation.feature.mean()) / 60_000
    assert mean == pytest.approx(0.1307, abs=5e-5)


def test_files_are_read_in_order(folder: Path):
    """Pixels row by row, as shares of 255; the last training samples are for validation."""
    splits = datasets.mnist_splits(folder)
    image, label = digits(TRAIN + VALIDATION, 0)
    both = [np.concatenate(parts) for parts in zip(*((p.feature, p.label) for p in splits[:2]), strict=True)]
    np.testing.assert_allclose(both[0], image.reshape(-1, 784) / 255, rtol=1e-6)
    np.testing.assert_array_equal(both[1], label)
    assert len(splits.train.label) == TRAIN
    np.testing.assert_array_equal(splits.test.label, digits(TEST, 1)[1])


def test_a_missing_file_is_named(folder: Path, tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*train-images-idx3-ubyte.gz; put the four files"):
        datasets.mnist_splits(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda content: content[:-9], "is broken or not a gzip file"),
        (lambda content: b"plain", "is broken or not a gzip file"),
        (lambda content: content[:40] + b"\xff\xff" + content[42:], "is broken or not a gzip file"),
        (lambda content: gzip.compress(gzip.decompress(content)[:-1]), "is not a complete IDX file of unsigned bytes"),
        (lambda content: gzip.compress(gzip.decompress(content)[:9]), "is not a complete IDX file of unsigned bytes"),
        (lambda content: gzip.compress(b"\0\0\x0d" + gzip.decompress(content)[3:]), "header 00 00 0d 03"),
        (lambda content: gzip.compress(b""), "does not go with 0 bytes"),
        (lambda content: b"", "is empty; fetch it again"),
        (lambda content: b"PK\3\4" + content, "is a zip archive; unpack it first"),
        (lambda content: b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS"),
        (lambda content: b"<!DOCTYPE html>", "is a web page, not the file itself"),
    ],
)
def test_a_broken_file_is_named(folder: Path, tmp_path: Path, spoil: object, message: str):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=f"{path.name} {message}|{message}"):
        datasets.mnist_splits(tmp_path)


def test_files_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(TEST + 1, np.uint8))
    with pytest.raises(ValueError, match=rf"one digit for each; got shapes \({TEST}, 28, 28\) and \({TEST + 1},\)"):
        datasets.mnist_splits(tmp_path)
    write(tmp_path / "t10k-labels-idx1-ubyte.gz", np.full(TEST, 10, np.uint8))
    with pytest.raises(ValueError, match="digits up to 10"):
        datasets.mnist_splits(tmp_path)


def test_bright_pixels_fire_early_and_dark_ones_never(folder: Path):
    made = experiment("mnist", folder=str(folder), dtype="float64")
    image = digits(TRAIN + VALIDATION, 0)[0].reshape(-1, 784)
    spikes = made.data().train.spikes
    assert spikes.time.shape == (TRAIN, 28)  # as many places as bright pixels
    for time, unit, pixels in zip(np.asarray(spikes.time), np.asarray(spikes.unit), image, strict=False):
        assert sorted(unit.tolist()) == np.flatnonzero(pixels).tolist()
        np.testing.assert_allclose(time, 0.15 + 1.85 * (1 - pixels[unit] / 255), rtol=1e-7)
        assert (np.diff(time) >= 0).all()


def test_digits_are_learned_from_the_command_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Axonal delays; the run is whole, is drawn, and its network tells squares apart that a new one does not."""
    monkeypatch.setattr(report, "CHUNK", TEST)
    small = ["--hidden", "12", "--epochs", "6", "--batch", "10", "--folder", str(folder), "--quiet"]
    small += ["--weight-lr", "0.01", "--weight-mean", "0.1", "--weight-std", "1.6", "--loss-tau", "0.2"]
    small += ["--recovery-output", "0", "--recovery-max-step", "0.5"]
    assert execute(["train", "mnist", "--delay", "axonal", *small, "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "metrics.json").read_text())
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert (result["weights"], result["delays"]) == (784 * 12 + 12 * 10, 784 + 12)
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    assert load_run(tmp_path)[0].recipe(TRAIN).augment.std == experiment("mnist").training.jitter > 0


def test_missing_data_are_told_with_what_to_do(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    assert execute(["train", "mnist", "--out", str(tmp_path / "run")]) == 1
    assert (
        "name the folder with the four MNIST files (--folder DIR), or set the environment variable RANVIER_DATA"
        in capsys.readouterr().err
    )
    monkeypatch.setenv("RANVIER_DATA", str(folder.parent))
    folder.rename(folder.parent / "mnist")
    assert len(Mnist().splits().test.label) == TEST
    (folder.parent / "mnist").rename(folder)
