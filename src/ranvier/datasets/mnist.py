"""MNIST and Fashion-MNIST: 70,000 grey images each, 28 x 28 pixels, in ten classes, from the four published files.

Files are known by their digests: those of the one set are refused where the other is wanted, and one that has the size
of a published file, but not its numbers, is told.

Sources: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86 (1998); Xiao, Rasul, Vollgraf, arXiv:1708.07747 (MIT).
"""

import dataclasses
import warnings
from pathlib import Path

import numpy as np

from ranvier.datasets.downloads import fetch
from ranvier.datasets.idx import Idx, read_idx
from ranvier.datasets.samples import Samples, Splits

SIDE = 28
"""Pixels along each side."""
CLASSES = tuple("0123456789")
FASHION_CLASSES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"
)  # fmt: skip
VALIDATION = 10_000
"""So many samples, the last of the training files, choose the best epoch."""
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
PUBLISHED = {"train": 60_000, "test": 10_000}


@dataclasses.dataclass(frozen=True)
class _Origin:
    """Where a set comes from, digests of the packed files, and of those unpacked that are known."""

    name: str
    url: str
    packed: tuple[str, str, str, str]
    plain: tuple[str, ...] = ()


MNIST = _Origin(
    "MNIST",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    (
        "f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
        "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c",
    ),
    (
        "6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637",
    ),
)  # fmt: skip
FASHION = _Origin(
    "Fashion-MNIST",
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    (
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310",
    ),
)  # fmt: skip


def mnist_splits(folder: Path | str, *, download: bool = False) -> Splits:
    """The digits: 50,000 to train on, 10,000 to validate (the last of the training files), 10,000 to test.

    Args:
        folder: Where the four files are, `train-images-idx3-ubyte.gz` and so on, packed or not.
        download: Fetch those that are not there, and check their digests.

    Returns:
        `Splits(train, validation, test)`. Features are brightnesses, float32 of shape (samples, 784), row by row from
        the top left, 0 for the dark ground and 1 for the brightest ink; labels are the digits.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, truncated, or something else than it should be.
        OSError: a file cannot be fetched.

    Warns:
        UserWarning: a file has the size of the published one, but other numbers.

    Example:
        >>> from ranvier import datasets
        >>> datasets.mnist_splits("/no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: MNIST: there is no /no/such/folder/train-images-idx3-ubyte.gz; ...
    """
    return _splits(MNIST, Path(folder), download)


def fashion_mnist_splits(folder: Path | str, *, download: bool = False) -> Splits:
    """Clothes: 50,000 to train on, 10,000 to validate (the last of the training files), 10,000 to test.

    Args:
        folder: Where the four files are, named as those of MNIST, packed or not.
        download: Fetch those that are not there, and check their digests.

    Returns:
        `Splits(train, validation, test)` as of `mnist_splits`; labels 0 to 9 are T-shirt, trouser, pullover, dress,
        coat, sandal, shirt, sneaker, bag, ankle boot.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, truncated, or something else than it should be, such as one of MNIST.
        OSError: a file cannot be fetched.

    Example:
        >>> from ranvier import datasets
        >>> datasets.fashion_mnist_splits("/no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: Fashion-MNIST: there is no /no/such/folder/train-images-idx3-ubyte.gz; ...
    """
    return _splits(FASHION, Path(folder), download)


def _splits(origin: _Origin, folder: Path, download: bool) -> Splits:
    if download:
        for name, md5 in zip(sum(FILES.values(), ()), origin.packed, strict=True):
            if not (folder / name.removesuffix(".gz")).exists():
                fetch(origin.url + name, folder / name, md5)
    known, test = (_samples(origin, folder, part) for part in FILES)
    count = len(known.label) - VALIDATION
    if count < 1:
        msg = f"{origin.name}: {folder} holds {len(known.label)} training samples; expected more than {VALIDATION}."
        raise ValueError(msg)
    if known.feature.shape == test.feature.shape and np.array_equal(known.feature, test.feature):
        msg = f"{origin.name}: {folder} holds the same images to train on and to test; put the right files there."
        raise ValueError(msg)
    train, validation = (Samples(known.feature[part], known.label[part]) for part in (slice(count), slice(count, None)))
    return Splits(train, validation, test)


def _samples(origin: _Origin, folder: Path, part: str) -> Samples:
    images, labels = FILES[part]
    image, label = (_read(origin, folder, name, PUBLISHED[part]) for name in (images, labels))
    if image.shape[1:] != (SIDE, SIDE) or label.shape != image.shape[:1] or label.max(initial=0) >= len(CLASSES):
        msg = (
            f"{origin.name}: {folder / images} and {labels} must hold {SIDE} x {SIDE} images and one digit for each; "
            f"got shapes {image.shape} and {label.shape}, digits up to {label.max(initial=0)}."
        )
        raise ValueError(msg)
    return Samples(image.reshape(len(image), -1) / np.float32(255), label.astype(np.int64))


def _read(origin: _Origin, folder: Path, name: str, published: int) -> np.ndarray:
    """One file, packed or not; its numbers must be those of the right set, as far as that is known."""
    plain = folder / name.removesuffix(".gz")
    path = plain if plain.exists() and not (folder / name).exists() else folder / name
    try:
        found = read_idx(path)
    except FileNotFoundError as error:
        msg = (
            f"{origin.name}: there is no {path}; put the four files {', '.join(sum(FILES.values(), ()))} into one "
            "folder and name it."
        )
        raise FileNotFoundError(msg) from error
    except ValueError as error:
        msg = f"{origin.name}: {error}"
        raise ValueError(msg) from error
    _check_origin(origin, path, found, published)
    return found.array


def _check_origin(origin: _Origin, path: Path, found: Idx, published: int) -> None:
    for other in (MNIST, FASHION):
        if other is not origin and found.md5 in other.plain:
            msg = f"{origin.name}: {path} is a file of {other.name}; name the folder of {origin.name}."
            raise ValueError(msg)
    place = path.name.removesuffix(".gz")
    order = [name.removesuffix(".gz") for name in sum(FILES.values(), ())]
    if found.md5 in origin.plain and order[origin.plain.index(found.md5)] != place:
        msg = f"{origin.name}: {path} is the published file {order[origin.plain.index(found.md5)]} under another name."
        raise ValueError(msg)
    if len(found.array) == published and origin.plain and found.md5 not in origin.plain:
        words = f"{origin.name}: {path} has the md5 {found.md5} (unpacked), which is not that of the published file."
        warnings.warn(words, UserWarning, stacklevel=6)
