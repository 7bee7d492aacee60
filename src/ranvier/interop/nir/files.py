"""NIR's files: read and written with the checks that HDF5 does not make."""

import hashlib
import io
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from ranvier._hdf5 import file_trouble
from ranvier.interop.nir.exporting import to_nir
from ranvier.interop.nir.importing import from_nir
from ranvier.interop.nir.losses import MAX_LINES
from ranvier.network import Network

DIGEST = "ranvier_digest"


def write(
    path: str | Path,
    network: Network,
    *,
    unit: float = 1.0,
    dt: float | None = None,
    max_lines: int = MAX_LINES,
    approximate: bool = False,
) -> None:
    """Write a network as a NIR file.

    A digest of all numbers goes into its metadata, by which `read` finds damage.

    Args:
        path: The file; by custom it ends in `.nir`.
        network: The network, of known values.
        unit: As for `to_nir`, and so are the other arguments.
        dt: See there.
        max_lines: See there.
        approximate: See there.

    Raises:
        ValueError: NIR cannot say the network.
        OSError: the file cannot be written.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.nir.write(f"{folder}/net.nir", net)
        ...     rv.interop.nir.read(f"{folder}/net.nir").names
        ('input', 'output')
    """
    graph = to_nir(network, unit=unit, dt=dt, max_lines=max_lines, approximate=approximate)
    graph.metadata[DIGEST] = _digest(graph)
    content: Any = io.BytesIO()  # HDF5 itself does not survive a full disk
    nir.write(content, graph)
    Path(path).write_bytes(content.getvalue())


def read(
    path: str | Path,
    *,
    unit: float | None = None,
    dt: float | None = None,
    tau_syn: float | None = None,
    learn: tuple[float, float] | None = None,
) -> Network:
    """Read a network from a NIR file, of ranvier or of another library.

    Args:
        path: The file.
        unit: As for `from_nir`, and so are the other arguments.
        dt: See there.
        tau_syn: See there.
        learn: See there.

    Returns:
        The network.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no NIR file, is damaged, or holds a graph that `from_nir` refuses.

    Example:
        >>> import pathlib, tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "net.nir"
        ...     path.write_bytes(b"nothing")
        ...     try:
        ...         rv.interop.nir.read(path)
        ...     except ValueError as error:
        ...         print("is no NIR file" in str(error))
        7
        True
    """
    if not Path(path).is_file():
        msg = f"nir.read: there is no file {path}."
        raise FileNotFoundError(msg)
    graph = _graph(Path(path))
    digest = graph.metadata.pop(DIGEST, None)
    try:
        if digest is not None and digest != _digest(graph):
            msg = "it is damaged: its numbers are not those that were written."
            raise ValueError(msg)
        return from_nir(graph, unit=unit, dt=dt, tau_syn=tau_syn, learn=learn)
    except ValueError as error:
        msg = f"nir.read: {path}: {error}"
        raise ValueError(msg) from error


def _graph(path: Path) -> nir.NIRGraph:
    """What nir reads; it and h5py raise errors of every kind for files that are damaged."""
    try:
        if not h5py.is_hdf5(path):
            msg = f"nir.read: {path} is no NIR file: it is not HDF5."
            raise ValueError(msg)
        trouble = file_trouble(path)
        if trouble:
            raise ValueError(trouble)
        graph = nir.read(path)
    except Exception as error:
        if isinstance(error, ValueError) and str(error).startswith("nir.read"):
            raise
        why = str(error).partition("\n")[0] or type(error).__name__
        msg = f"nir.read: {path} is no NIR file, or damaged: {why}."
        raise ValueError(msg) from error
    if not isinstance(graph, nir.NIRGraph):
        msg = f"nir.read: {path} holds one node, a {type(graph).__name__}, and no graph."
        raise ValueError(msg)
    return graph


def _digest(graph: nir.NIRGraph) -> str:
    """SHA-256 of nodes, edges and metadata, independent of the order in which HDF5 gives them back."""
    found = hashlib.sha256()

    def add(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value):
                add(f"{place}/{key}", value[key])
            return
        found.update(f"{place}\0".encode())
        if isinstance(value, str | bytes):
            found.update(value.encode() if isinstance(value, str) else value)
        else:
            array = np.asarray(value)
            found.update(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())

    facts = graph.to_dict()
    edges = facts.pop("edges")
    add("", facts)
    for one in sorted(f"{pre}\0{post}" for pre, post in edges):
        found.update(one.encode())
    return found.hexdigest()
