"""MNIST: 70,000 handwritten digits, 28 x 28 grey pixels each, read from the four published files.

A file is gzip around IDX: two zero bytes, the type of the numbers (8: unsigned bytes), the number of axes, the length
of each axis as four bytes, highest first, and then the numbers.

Source: LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86 (1998).
"""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ranvier.datasets.samples import Samples, Splits

SIDE = 28
"""Pixels along each side."""
CLASSES = tuple("0123456789")
VALIDATION = 10_000
"""So many samples, the last of the training files, choose the best epoch."""
FILES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}


def mnist_splits(folder: Path | str) -> Splits:
    """The digits: 50,000 to train on, 10,000 to validate (the last of the training files), 10,000 to test.

    Args:
        folder: Where the four files are, `train-images-idx3-ubyte.gz` and so on.

    Returns:
        `Splits(train, validation, test)`. Features are brightnesses, float32 of shape (samples, 784), row by row from
        the top left, 0 for the dark ground and 1 for the brightest ink; labels are the digits.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is broken, truncated, or something else than it should be.

    Example:
        >>> from ranvier import datasets
        >>> datasets.mnist_splits("/no/such/folder")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        FileNotFoundError: MNIST: there is no /no/such/folder/train-images-idx3-ubyte.gz; ...
    """
    known, test = (_samples(Path(folder), *FILES[part]) for part in ("train", "test"))
    count = len(known.label) - VALIDATION
    if count < 1:
        msg = f"MNIST: {folder} holds {len(known.label)} training samples; expected more than {VALIDATION}."
        raise ValueError(msg)
    train, validation = (Samples(known.feature[part], known.label[part]) for part in (slice(count), slice(count, None)))
    return Splits(train, validation, test)


def _samples(folder: Path, images: str, labels: str) -> Samples:
    image, label = read_idx(folder / images), read_idx(folder / labels)
    if image.shape[1:] != (SIDE, SIDE) or label.shape != image.shape[:1] or label.max(initial=0) >= len(CLASSES):
        msg = (
            f"MNIST: {folder / images} and {labels} must hold {SIDE} x {SIDE} images and one digit for each; got "
            f"shapes {image.shape} and {label.shape}, digits up to {label.max(initial=0)}."
        )
        raise ValueError(msg)
    return Samples(image.reshape(len(image), -1) / np.float32(255), label.astype(np.int64))


def read_idx(path: Path) -> UInt8[np.ndarray, "*shape"]:
    """The unsigned bytes of an IDX file, `.gz`.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not gzip, truncated or changed, or its header is not that of unsigned bytes or of its size.
    """
    try:
        content = gzip.decompress(path.read_bytes())
    except FileNotFoundError as error:
        msg = (
            f"MNIST: there is no {path}; put the four files {', '.join(sum(FILES.values(), ()))} into one folder and "
            "name it."
        )
        raise FileNotFoundError(msg) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        msg = f"MNIST: {path} is broken or not a gzip file ({error}); fetch it again."
        raise ValueError(msg) from error
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    shape = tuple(int(length) for length in np.frombuffer(content[4:start], ">u4")) if len(content) >= start else ()
    if content[:3] != b"\0\0\x08" or not shape or math.prod(shape) != len(content) - start:
        msg = (
            f"MNIST: {path} is not a complete IDX file of unsigned bytes: its header "
            f"{content[:start].hex(' ')} does not go with {len(content)} bytes; fetch it again."
        )
        raise ValueError(msg)
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
