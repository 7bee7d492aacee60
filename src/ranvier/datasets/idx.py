"""IDX: arrays of unsigned bytes in a file, as MNIST and its like are published.

Two zero bytes, the type of the numbers (8: unsigned bytes), the number of axes, the length of each axis as four bytes,
highest first, and then the numbers. Files may be packed by gzip, whatever their name.
"""

import gzip
import hashlib
import math
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

UNPACKED = 1 << 30
"""Bytes that a file may have when it is unpacked; more are no data set of this kind."""
OTHER = {
    b"PK": "is a zip archive; unpack it first",
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull",
    b"<": "is a web page, not the file itself; fetch it again",
}


class Idx(NamedTuple):
    """What an IDX file holds.

    Args:
        array: The numbers.
        md5: Digest of the unpacked file, by which published files are known.
    """

    array: UInt8[np.ndarray, "*shape"]
    md5: str


def read_idx(path: Path) -> Idx:
    """Read the unsigned bytes of an IDX file, packed by gzip or not.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is something else, truncated or changed, or its header is not that of unsigned bytes or of its
            size. What changed in numbers of a file that is not packed cannot be seen: it has no checksum.

    Example:
        >>> import pathlib, tempfile
        >>> from ranvier.datasets.idx import read_idx
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels"
        >>> path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
        10
        >>> read_idx(path).array.tolist()
        [7, 9]
    """
    if path.is_dir():
        msg = f"{path} is a folder; name the IDX file in it."
        raise ValueError(msg)
    if not path.is_file():
        msg = f"there is no {path}."
        raise FileNotFoundError(msg)
    content = _unpacked(path, path.read_bytes())
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    shape = tuple(int(length) for length in np.frombuffer(content[4:start], ">u4")) if len(content) >= start else ()
    if content[:3] != b"\0\0\x08" or not shape or math.prod(shape) != len(content) - start:
        msg = (
            f"{path} is not a complete IDX file of unsigned bytes: its header {content[: min(start, 20)].hex(' ')} "
            f"does not go with {len(content)} bytes; fetch it again."
        )
        raise ValueError(msg)
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Idx(np.frombuffer(content, np.uint8, offset=start).reshape(shape), digest)


def _unpacked(path: Path, content: bytes) -> bytes:
    """The content of a file, unpacked if it is packed."""
    if not content:
        msg = f"{path} is empty; fetch it again."
        raise ValueError(msg)
    for start, words in OTHER.items():
        if content.startswith(start):
            msg = f"{path} {words}."
            raise ValueError(msg)
    if not content.startswith(b"\x1f\x8b"):
        if path.suffix == ".gz" and not content.startswith(b"\0\0"):
            msg = f"{path} is broken or not a gzip file: it begins with {content[:4].hex(' ')}; fetch it again."
            raise ValueError(msg)
        return content
    try:
        with gzip.open(path) as file:
            found = file.read(UNPACKED + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        msg = f"{path} is broken or not a gzip file ({error}); fetch it again."
        raise ValueError(msg) from error
    if len(found) > UNPACKED:
        msg = f"{path} unpacks to more than {UNPACKED} bytes; it is no data set of this kind."
        raise ValueError(msg)
    return found
