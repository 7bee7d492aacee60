"""What the first bytes of a file say it is, where it should be an HDF5 file."""

from pathlib import Path

OTHERS = {
    b"\x1f\x8b": "is packed by gzip; unpack it first: gunzip",
    b"PK": "is a zip archive; unpack it first",
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself; fetch it: git lfs pull",
}


def something_else(path: Path) -> str | None:
    """Words on a file that is empty, packed or a pointer; None for others.

    Args:
        path: The file.

    Example:
        >>> import tempfile, pathlib
        >>> from ranvier.datasets.first_bytes import something_else
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.h5"
        ...     _ = path.write_bytes(b"PK and more")
        ...     something_else(path)
        'is a zip archive; unpack it first'
    """
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        return "is empty"
    return next((words for start, words in OTHERS.items() if head.startswith(start)), None)
