"""What the HDF5 library does not check in a damaged file, and ends the process over, or never comes back from.

Lists of different lengths lie in heaps. A heap is `GCOL`, version, size, and objects one behind the other: number (0:
the free rest), references, size, content. Where a size says that an object is none, or ends beyond its heap, the
library would read the same bytes again and again. So all heaps are gone through before it sees them. A list itself is a
length and the place of its heap: where the length is beyond all reason the library would ask for as much memory.
Source: HDF5 File Format Specification, III.E.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

START = b"GCOL\x01"
KEPT = 1 << 27
"""Bytes of the file after which what was read of it is given back."""
HEAD = 16
"""Bytes of the head of a heap, and of an object."""
SEQUENCE = 0
"""The kind of a list of different lengths that holds numbers; that of texts is 1, and is another class in h5py."""


def type_trouble(kind: h5py.h5t.TypeID) -> str:
    """What is wrong with a type; empty where nothing is.

    A list of different lengths says of which kind it is, in four bits. If they say neither of the two kinds, the
    library calls a function that is not there as soon as such a list is read. Source: HDF5 File Format Specification,
    IV.A.2.d.

    Args:
        kind: The type of a part or of an attribute, as `part.id.get_type()` has it.

    Example:
        >>> import h5py
        >>> from ranvier._hdf5 import type_trouble
        >>> type_trouble(h5py.h5t.py_create(h5py.vlen_dtype(float), logical=True))
        ''
    """
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        inside = [kind.get_member_type(number) for number in range(kind.get_nmembers())]
    elif isinstance(kind, h5py.h5t.TypeVlenID | h5py.h5t.TypeArrayID):
        inside = [kind.get_super()]
    else:
        inside = []
    found = kind.encode()[3] & 15 if isinstance(kind, h5py.h5t.TypeVlenID) else SEQUENCE  # 2 bytes, then the type
    if found != SEQUENCE:
        return f"it says of lists that they are of kind {found}; there are kinds 0 and 1"
    return next(filter(None, map(type_trouble, inside)), "")


def heap_trouble(path: Path) -> str:
    """What is wrong with the heaps of a file; empty where nothing is.

    Args:
        path: An HDF5 file.

    Example:
        >>> import tempfile, pathlib, h5py, numpy as np
        >>> from ranvier._hdf5 import heap_trouble
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.h5"
        >>> with h5py.File(path, "w") as file:
        ...     rows = file.create_dataset("rows", (2,), h5py.vlen_dtype(float))
        ...     rows[0], rows[1] = np.ones(3), np.ones(900)
        >>> heap_trouble(path)
        ''
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        at, seen = content.find(START), 0
        while at >= 0:
            if at - seen > KEPT and hasattr(mmap, "MADV_DONTNEED"):
                content.madvise(mmap.MADV_DONTNEED)
                seen = at
            end = at + int.from_bytes(content[at + 8 : at + 16], "little")
            if not at + HEAD < end <= len(content):
                return f"the heap at byte {at} does not end in the file"
            if not _sound(content, at + HEAD, end):
                return f"the heap at byte {at} holds an object of an impossible size"
            at = content.find(START, end)
    return ""


REFERENCE = np.dtype([("length", "<u4"), ("place", "<u8"), ("number", "<u4")])
"""One list of a part of lists."""


def list_trouble(path: Path, part: h5py.Dataset) -> str:
    """What is wrong with the type of a part or the lengths of its lists; empty where nothing is.

    Lengths of compressed lists are not looked at.

    Args:
        path: The file.
        part: Lists of numbers, or texts, of different lengths.
    """
    kind = part.id.get_type()
    trouble = type_trouble(kind)
    if trouble:
        return trouble
    texts = isinstance(kind, h5py.h5t.TypeStringID) and kind.is_variable_str()
    if part.compression is not None or not (texts or isinstance(kind, h5py.h5t.TypeVlenID)):
        return ""
    size, each, first = path.stat().st_size, 1 if texts else kind.get_super().get_size(), 0
    for content in _references(path, part):
        known = np.frombuffer(content[: len(content) // REFERENCE.itemsize * REFERENCE.itemsize], REFERENCE)
        known = known[: len(part) - first]
        wrong = (known["length"] > 0) & ((known["length"].astype(np.int64) * each > size) | (known["place"] >= size))
        if wrong.any():
            at = int(np.argmax(wrong))
            return f"entry {first + at} has {known['length'][at]} elements at byte {known['place'][at]} of {size}"
        first += len(known)
    return ""


def _references(path: Path, part: h5py.Dataset) -> Iterator[bytes]:
    """The lengths and places of the lists, piece by piece."""
    if part.chunks is None:
        places = [(part.id.get_offset(), part.id.get_storage_size())]
    else:
        chunks = (part.id.get_chunk_info(number) for number in range(part.id.get_num_chunks()))
        places = [(one.byte_offset, one.size) for one in sorted(chunks, key=lambda one: one.chunk_offset)]
    with path.open("rb") as file:
        for begin, length in places:
            file.seek(begin or 0)
            yield file.read(length if begin is not None else 0)


def _sound(content: mmap.mmap, at: int, end: int) -> bool:
    """Whether the objects of a heap follow each other to its end."""
    while at + HEAD <= end:
        number = int.from_bytes(content[at : at + 2], "little")
        size = int.from_bytes(content[at + 8 : at + HEAD], "little")
        needed = HEAD + -(-size // 8) * 8 if number else size
        if needed < HEAD or at + needed > end:
            return False
        at += needed
    return True


def file_trouble(path: Path) -> str:
    """What is wrong with the heaps, types and lists of all parts of a file; empty where nothing is.

    Args:
        path: An HDF5 file.

    Example:
        >>> import pathlib, tempfile, h5py
        >>> from ranvier._hdf5 import file_trouble
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.h5"
        >>> with h5py.File(path, "w") as file:
        ...     file["a"] = ["one", "two"]
        >>> file_trouble(path)
        ''
    """

    def look(name: str, part: h5py.Dataset | h5py.Group | h5py.Datatype) -> str | None:
        if not isinstance(part, h5py.Dataset):
            return None
        trouble = list_trouble(path, part) if part.ndim == 1 else type_trouble(part.id.get_type())
        return f"{name}: {trouble}" if trouble else None

    trouble = heap_trouble(path)
    if trouble:
        return trouble
    with h5py.File(path, "r") as file:
        return file.visititems(look) or ""
