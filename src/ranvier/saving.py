"""Saving: a whole network in one file, and back.

The file is a NumPy archive (`.npz`, no pickle): the arrays of the network by their place, and a header in JSON with
everything static: names, sizes, kinds, bounds, and the version of the format.
"""

import dataclasses
import enum
import json
import math
import os
import tempfile
import types
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import AbstractArray

from ranvier.connections import Connection
from ranvier.delays import AbstractBound, AbstractDelay, AbstractLimit, AbstractMetric, AbstractSpeed, Per, Tortuosity
from ranvier.network import Network
from ranvier.neurons import AbstractNeuron
from ranvier.patterns import AbstractPattern
from ranvier.populations import Population
from ranvier.synapses import AbstractSynapse

FORMAT = "ranvier network"
VERSION = 1
HEADER = "header"
KINDS = "fiub"
"""Kinds of numbers that are written and read."""
LETTERS = 200
"""Of what stands in a file, as many are told at most."""
FAMILIES = (
    AbstractNeuron, AbstractSynapse, AbstractDelay, AbstractBound, AbstractLimit, AbstractMetric, AbstractSpeed,
    Tortuosity, AbstractPattern, Population, Connection,
)  # fmt: skip


class FunctionsNeededError(ValueError):
    """The network of a file has functions of a user's, which no file can hold."""


def save(path: str | Path, network: Network) -> None:
    """Write a whole network to a file, which `load` reads without the code that built it.

    Functions of a neuron of your own (`ODENeuron`) cannot be written: such a file is read with `load(path, like=...)`.
    The file appears whole or not at all.

    Args:
        path: The file, text or `Path`; by custom it ends in `.npz`.
        network: The network, of known values.

    Raises:
        ValueError: the network holds something that cannot be saved, or is traced.
        OSError: the file cannot be written.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.save(f"{folder}/net.npz", net)
        ...     bool((rv.load(f"{folder}/net.npz").delay("input->output") == net.delay("input->output")).all())
        True
    """
    if not isinstance(network, Network):
        msg = f"save: expected save(path, network) with a ranvier.Network; got {type(network).__name__} as `network`."
        raise ValueError(msg)
    arrays: dict[str, np.ndarray] = {}
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "ranvier": version("ranvier"),
        "network": _encode(network, "", arrays),
    }
    path = Path(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, allow_pickle=False, **{HEADER: np.asarray(json.dumps(facts))}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def load(path: str | Path, like: Network | None = None) -> Network:
    """Read a network that `save` wrote.

    Args:
        path: The file, text or `Path`.
        like: A network of the same structure, whose functions are taken: needed only where the file's network has
            functions of your own (`ODENeuron`). Its numbers are not read; every static part must be the same.

    Returns:
        The network, with the same numbers in the same precision, bounds and names.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, no network of ranvier, written by a newer version, in float64 while JAX runs
            in float32, holds kinds that are not known here, or does not match `like`.

    Example:
        >>> import jax, tempfile, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.save(f"{folder}/net.npz", net)
        ...     rv.load(f"{folder}/net.npz").connections[0].name
        'input->output'
    """
    facts, arrays = _read(Path(path))
    try:
        return _network(facts["network"], arrays, like, str(path))
    except (TypeError, KeyError, AttributeError, IndexError) as error:  # a header that says something else
        msg = f"load: {path} is damaged: its header does not describe a network ({_clipped(error)})."
        raise ValueError(msg) from error


def _network(facts: Any, arrays: dict[str, np.ndarray], like: Network | None, path: str) -> Network:
    """The network that a header describes."""
    if like is not None:
        wanted: dict[str, np.ndarray] = {}
        _compare(_encode(like, "", wanted), facts, "network", path)
    decoded = _decode(facts, arrays, like, path)
    members = (Population(one.size, one.neuron, one.position) for one in decoded.members)  # which looks at its numbers
    populations = dict(zip(decoded.names, members, strict=True))
    return Network(populations, decoded.connections, speed=decoded.speed)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _encode(value: Any, place: str, arrays: dict[str, np.ndarray]) -> Any:
    """A value as JSON knows it; its arrays go into `arrays` under their place."""
    if isinstance(value, jax.core.Tracer):
        msg = f"save: {place} is traced, its value is not known here; save outside of jit, grad and vmap."
        raise ValueError(msg)
    if isinstance(value, jax.Array | np.ndarray):
        if np.dtype(value.dtype).kind not in KINDS:
            msg = f"save: {place} has the type {value.dtype}, which NumPy files do not know; convert it to float32."
            raise ValueError(msg)
        arrays[place] = np.asarray(value)
        return {"array": place}
    if isinstance(value, eqx.Module):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        inner = {name: _encode(one, f"{place}.{name}" if place else name, arrays) for name, one in fields.items()}
        return {"kind": type(value).__name__, "fields": inner}
    if isinstance(value, tuple | list):
        return {"tuple": [_encode(one, f"{place}[{at}]", arrays) for at, one in enumerate(value)]}
    if isinstance(value, dict):
        return {"dict": {key: _encode(one, f"{place}[{key}]", arrays) for key, one in value.items()}}
    if isinstance(value, enum.Enum):
        return {"per": value.value}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if callable(value):
        return {"function": getattr(value, "__qualname__", type(value).__name__)}
    msg = f"save: {place} is a {type(value).__name__}, which cannot be saved."
    raise ValueError(msg)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a file."""
    if path.is_dir():
        msg = f"load: {path} is a folder; name the file of a network in it, such as {path / 'network.npz'}."
        raise ValueError(msg)
    if not path.exists():
        msg = f"load: there is no file {path}."
        raise FileNotFoundError(msg)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name]) for name in file.files}
    except Exception as error:  # zipfile and NumPy raise errors of many kinds for damaged files
        why = "no NumPy archive" if "pickle" in str(error) else _clipped(error)  # whose advice would be to run its code
        msg = f"load: {path} is damaged, or was not written by ranvier.save ({why})."
        raise ValueError(msg) from error
    try:
        facts = json.loads(str(arrays.pop(HEADER)))
    except (KeyError, json.JSONDecodeError) as error:
        msg = f"load: {path} was not written by ranvier.save: it has no header."
        raise ValueError(msg) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or not isinstance(facts.get("version"), int):
        msg = f"load: {path} does not hold a network of ranvier."
        raise ValueError(msg)
    if facts["version"] > VERSION:
        msg = (
            f"load: {path} was written by ranvier {facts.get('ranvier')} in version {facts['version']} of the format; "
            f"this ranvier reads up to version {VERSION}. Install a newer one."
        )
        raise ValueError(msg)
    if any(array.dtype == np.float64 for array in arrays.values()) and not jax.config.read("jax_enable_x64"):
        msg = f'load: {path} holds float64 numbers; call jax.config.update("jax_enable_x64", True) first.'
        raise ValueError(msg)
    return facts, arrays


def _decode(value: Any, arrays: dict[str, np.ndarray], like: Any, path: str) -> Any:
    """The inverse of `_encode`; `like` has the functions."""
    if not isinstance(value, dict):
        return value
    if "array" in value:
        if value["array"] not in arrays:
            msg = f"load: {path} is damaged: the array {_clipped(value['array'])} is missing."
            raise ValueError(msg)
        array = arrays[value["array"]]
        if array.dtype.kind not in KINDS:
            msg = f"load: {path} is damaged: {value['array']} holds {array.dtype}, which is no kind of number here."
            raise ValueError(msg)
        return jnp.asarray(array)
    if "tuple" in value:
        likes = like if like is not None else [None] * len(value["tuple"])
        return tuple(_decode(one, arrays, other, path) for one, other in zip(value["tuple"], likes, strict=True))
    if "dict" in value:
        return {key: _decode(one, arrays, None if like is None else like[key], path)
                for key, one in value["dict"].items()}  # fmt: skip
    if "per" in value:
        return Per(value["per"])
    if "float" in value:
        return float(value["float"])
    if "function" in value:
        if like is None:
            msg = (
                f"load: {path} needs the function {value['function']}, which no file can hold. Pass a network that has "
                "it: load(path, like=network)."
            )
            raise FunctionsNeededError(msg)
        return like
    return _module(value, arrays, like, path)


def _module(value: dict[str, Any], arrays: dict[str, np.ndarray], like: Any, path: str) -> Any:
    known = {cls.__name__: cls for family in FAMILIES for cls in _final(family)} | {"Network": Network}
    kind = known.get(value["kind"])
    if kind is None:
        msg = (
            f"load: {path} holds a {_clipped(value['kind'])}, which is not known here. If it is a class of your own, "
            "import it before loading."
        )
        raise ValueError(msg)
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    if set(fields) != set(value["fields"]):
        msg = (
            f"load: {path} holds a {value['kind']} with the fields {_clipped(sorted(value['fields']))}; here it has "
            f"{sorted(fields)}. It was written with another version of that class."
        )
        raise ValueError(msg)
    made = object.__new__(kind)
    for name, wanted in fields.items():
        decoded = _decode(value["fields"][name], arrays, None if like is None else getattr(like, name), path)
        if kind.__module__.startswith("ranvier.") and not _fits(decoded, wanted):
            got = str(decoded.dtype) if isinstance(decoded, jax.Array) else _clipped(repr(decoded))
            msg = f"load: {path} is damaged: {name} of a {value['kind']} is {got}, which it cannot be."
            raise ValueError(msg)
        object.__setattr__(made, name, decoded)
    return made


def _fits(value: Any, wanted: Any) -> bool:
    """Whether a value is of the type of its field; shapes and ranges are checked where networks are."""
    if isinstance(wanted, types.UnionType):
        return any(_fits(value, one) for one in wanted.__args__)
    if wanted in (int, float):
        return isinstance(value, int | wanted) and not isinstance(value, bool)
    plain = getattr(wanted, "__origin__", wanted)
    if not isinstance(plain, type):
        return True
    if issubclass(plain, AbstractArray):
        return isinstance(value, jax.Array) and str(value.dtype) in plain.dtypes
    return isinstance(value, plain)


def _final(family: type) -> Iterator[type]:
    """A class and all that derive from it."""
    yield family
    for child in family.__subclasses__():
        yield from _final(child)


def _compare(wanted: Any, found: Any, place: str, path: str) -> None:
    """Refuse a file whose network is not built like another, naming the first difference."""
    if isinstance(wanted, dict) and isinstance(found, dict) and wanted.keys() == found.keys():
        for key in wanted:
            inner = place if key in ("fields", "tuple", "dict") else f"{place}.{key}"
            _compare(wanted[key], found[key], inner, path)
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for at, (one, other) in enumerate(zip(wanted, found, strict=True)):
            _compare(one, other, f"{place}[{at}]", path)
    elif wanted != found:
        msg = f"load: {path} does not match `like`: {place} is {_short(found)} there, {_short(wanted)} in `like`."
        raise ValueError(msg)


def _short(value: Any) -> str:
    return _clipped(value.get("kind", json.dumps(value)) if isinstance(value, dict) else json.dumps(value))


def _clipped(value: Any) -> str:
    """On one line, and no longer than a person reads: what stands in a damaged file may be anything."""
    text = " ".join(str(value).split())
    return text if len(text) <= LETTERS else f"{text[:LETTERS]}..."
