"""Files that survive: arrays with a header that says what they are, written so that no crash can tear them.

A file is an `.npz` archive, which NumPy opens anywhere: one member per array, and `header`, a JSON text with the name,
shape and type of each array, a digest of all bytes, and whatever else the writer has to say. Nothing is pickled. A
file appears under its name only when all of it is on the disk.
"""

import contextlib
import hashlib
import io
import itertools
import json
import os
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

Tree = TypeVar("Tree")

FORMAT = "ranvier-arrays-1"


class BrokenFileError(ValueError):
    """A file is not what it should be: truncated, changed, or of another kind."""


def save_arrays(path: Path | str, tree: Any, **facts: Any) -> None:
    """Write the arrays of a pytree, and facts about them, to one file, all or nothing.

    Args:
        path: The file; replaced if it is there.
        tree: Any pytree whose leaves are arrays.
        **facts: Anything JSON can hold.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> from pathlib import Path
        >>> from ranvier.train import read_arrays, save_arrays
        >>> path = Path(tempfile.mkdtemp()) / "numbers.npz"
        >>> save_arrays(path, {"a": jnp.arange(3.0)}, epoch=7)
        >>> tree, facts = read_arrays(path, {"a": jnp.zeros(3)})
        >>> tree["a"].tolist(), facts["epoch"]
        ([0.0, 1.0, 2.0], 7)
    """
    named = [(name, np.asarray(leaf)) for name, leaf in _named_leaves(tree)]
    header = {
        "format": FORMAT,
        "arrays": [{"name": name, "shape": list(leaf.shape), "dtype": str(leaf.dtype)} for name, leaf in named],
        "digest": digest([leaf for _, leaf in named], facts),
        "facts": facts,
    }
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for member, values in [
            ("header", text),
            *((str(place), leaf) for place, (_, leaf) in enumerate(named)),
        ]:
            with archive.open(zipfile.ZipInfo(f"{member}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, values, allow_pickle=False)
    write_atomically(path, content.getvalue())


def read_arrays(path: Path | str, like: Tree) -> tuple[Tree, dict[str, Any]]:
    """Read what `save_arrays` wrote into a pytree of known structure.

    Args:
        path: The file.
        like: A pytree of the same structure, whose arrays have the same shapes and types.

    Returns:
        The pytree, and the facts.

    Raises:
        FileNotFoundError: there is no such file.
        BrokenFileError: the file is truncated or changed, or its arrays are not those of `like`.
    """
    header, leaves = _read(path)
    wanted = [(name, list(leaf.shape), str(leaf.dtype)) for name, leaf in _named_leaves(like)]
    found = [(entry["name"], entry["shape"], entry["dtype"]) for entry in header["arrays"]]
    if wanted != found:
        differing = [pair for pair in itertools.zip_longest(wanted, found) if pair[0] != pair[1]]
        need, have = (" ".join(map(str, entry)) if entry else "nothing" for entry in differing[0])
        msg = f"{path} holds other arrays than this network and optimiser need: {have} instead of {need}."
        raise BrokenFileError(msg)
    return jax.tree.unflatten(jax.tree.structure(like), [jnp.asarray(leaf) for leaf in leaves]), header["facts"]


def read_facts(path: Path | str) -> dict[str, Any]:
    """Facts of a file that `save_arrays` wrote; raises as `read_arrays` does.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> from pathlib import Path
        >>> from ranvier.train import read_facts, save_arrays
        >>> path = Path(tempfile.mkdtemp()) / "numbers.npz"
        >>> save_arrays(path, jnp.zeros(2), epoch=7)
        >>> read_facts(path)
        {'epoch': 7}
    """
    return _read(path)[0]["facts"]


def read_named(path: Path | str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save_arrays` wrote of a dictionary of arrays, whatever is in it.

    Args:
        path: The file.

    Returns:
        The dictionary, and the facts; raises as `read_arrays` does.

    Example:
        >>> import tempfile, jax.numpy as jnp
        >>> from pathlib import Path
        >>> from ranvier.train import save_arrays
        >>> from ranvier.train.checkpoint import read_named
        >>> path = Path(tempfile.mkdtemp()) / "numbers.npz"
        >>> save_arrays(path, {"a": jnp.zeros(2)})
        >>> list(read_named(path)[0])
        ['a']
    """
    header, leaves = _read(path)
    names = [entry["name"].removeprefix("['").removesuffix("']") for entry in header["arrays"]]
    return dict(zip(names, leaves, strict=True)), header["facts"]


def write_atomically(path: Path | str, content: bytes) -> None:
    """Write a file such that after a crash there is the old one or the new one, whole and on the disk."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make sure that names that appeared in or vanished from a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read(path: Path | str) -> tuple[dict[str, Any], list[np.ndarray]]:
    with Path(path).open("rb") as file:
        try:
            with np.load(file, allow_pickle=False) as archive:
                header = json.loads(archive["header"].tobytes())
                leaves = [archive[str(place)] for place in range(len(header["arrays"]))]
            sound = header["format"] == FORMAT and digest(leaves, header["facts"]) == header["digest"]
            sound = sound and all(_describes(*pair) for pair in zip(header["arrays"], leaves, strict=True))
        except Exception as error:  # a wrong byte can make the archive anything
            msg = (
                f"{path} is broken or was not written by ranvier ({_one_line(error)}); delete it or use another folder."
            )
            raise BrokenFileError(msg) from error
    if not sound:
        msg = f"{path} is broken: its numbers do not match its digest; delete it or use another folder."
        raise BrokenFileError(msg)
    return header, leaves


def _describes(entry: dict[str, Any], leaf: np.ndarray) -> bool:
    """Whether an entry of the header is that of an array."""
    same = entry["shape"] == list(leaf.shape) and entry["dtype"] == str(leaf.dtype)
    return same and isinstance(entry["name"], str)


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:120]


def _named_leaves(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]


def digest(leaves: Iterable[Any], facts: Mapping[str, Any] | None = None) -> str:
    """Fingerprint (SHA-256) of the bytes, shapes and types of arrays, and of facts about them.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.train.checkpoint import digest
        >>> digest([jnp.zeros(3)]) == digest([jnp.zeros(4)])
        False
    """
    total = hashlib.sha256()
    for leaf in leaves:
        values = np.ascontiguousarray(leaf)
        total.update(f"{values.dtype}{np.shape(leaf)}".encode())
        total.update(values.tobytes())
    total.update(json.dumps(facts).encode())
    return total.hexdigest()


def plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping as it comes back from JSON: tuples become lists, so that it compares equal to a file's."""
    return json.loads(json.dumps(value))
