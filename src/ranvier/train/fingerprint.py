"""What a recipe is made of, in words: by it a resumed run knows that nothing has changed.

`fingerprint` goes through any value, the settings that functions carry along included: arguments bound by `partial`,
the numbers inside optax's optimisers and schedules, defaults, and for functions of the user's own also what they do.
"""

import dataclasses
import functools
import hashlib
import inspect
import math
import sys
from collections.abc import Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
import optax

LIBRARIES = {*sys.stdlib_module_names, "ranvier", "jax", "jaxlib", "optax", "equinox", "numpy", "jaxtyping", "chex"}
"""What functions of these packages do is not looked at: the versions of packages are kept apart."""

SHORT = 8
"""Arrays and lists of numbers up to this length are spelled out, longer ones have a digest."""

PASSED_THROUGH = {
    *("init", "init_fn", "init_fns", "update", "update_fn", "update_fns", "inner", "tx", "transforms", "optimisers"),
    *("other_hps", "numeric_hps", "sched_hps", "sched_fns", "schedule_fn", "param_labels", "args", "fn"),
}
"""Names of parts inside optimisers that tell a reader nothing."""

DEEPEST = 40
"""Nothing that decides a result is nested deeper than this."""


def fingerprint(value: Any) -> dict[str, Any]:
    """A flat description of a value, of what JSON knows: two values that compute the same have the same.

    Args:
        value: Anything: numbers, arrays, modules, functions, partials, optimisers, and containers of them.

    Returns:
        {path: number or text}; None is left out. Nothing in it depends on the process, such as addresses in memory.

    Example:
        >>> from functools import partial
        >>> from ranvier.losses import relative_time_mse
        >>> from ranvier.train.fingerprint import fingerprint
        >>> fingerprint({"loss": partial(relative_time_mse, margin=0.2), "batch": 150})["loss.margin"]
        0.2
    """
    found: dict[str, Any] = {}
    for path, text in _walk(value, (), ()):
        if text is None:
            continue
        name = ".".join(part for part in path if part not in PASSED_THROUGH)
        while name in found and found[name] != text:  # passed-through names may make two paths one
            name += "'"
        found[name] = text
    return found


Found = Iterator[tuple[tuple[str, ...], Any]]


def _walk(value: Any, path: tuple[str, ...], above: tuple[int, ...]) -> Found:
    """Path and description of everything inside a value, itself first."""
    if isinstance(value, str | bool | int) or value is None:
        yield path, value
    elif isinstance(value, float):
        yield path, value if math.isfinite(value) else str(value)
    elif isinstance(value, np.ndarray | np.generic | jax.Array):
        yield path, _array(value)
    elif isinstance(value, type | ModuleType | BuiltinFunctionType | np.dtype):
        yield path, _name(value)
    elif id(value) in above or len(above) > DEEPEST:
        yield path, "..."
    else:
        name, parts = _parts(value)
        if name is not None:
            yield path, name
        for key, part in parts.items():
            yield from _walk(part, (*path, key), (*above, id(value)))


def _parts(value: Any) -> tuple[str | None, dict[str, Any]]:
    """What a value is called, and what it is made of."""
    value = inspect.unwrap(value) if callable(value) else value
    if isinstance(value, Mapping):
        return None, {str(key): part for key, part in value.items()}
    if isinstance(value, optax.GradientTransformation):
        return None, {"init": value.init, "update": value.update}
    if isinstance(value, tuple | list | range):
        return _sequence(value)
    if isinstance(value, set | frozenset):
        return str(sorted(map(repr, value))), {}
    if isinstance(value, functools.partial):
        name, parts = _parts(value.func)
        return name, {**parts, **{str(n): part for n, part in enumerate(value.args)}, **value.keywords}
    if isinstance(value, MethodType):
        return _name(value.__func__), {"self": value.__self__, **_function(value.__func__)[1]}
    if isinstance(value, FunctionType):
        return _function(value)
    if dataclasses.is_dataclass(value):
        fields = {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
        return _name(type(value)), fields
    return _name(type(value)), dict(getattr(value, "__dict__", {}))


def _sequence(value: Any) -> tuple[str | None, dict[str, Any]]:
    """A named tuple by its names, numbers in one line, the rest by place."""
    if hasattr(value, "_fields"):
        return _name(type(value)), dict(zip(value._fields, value, strict=True))
    if all(isinstance(part, str | bool | int | float) or part is None for part in value):
        text = str(list(value))
        return text if len(value) <= SHORT else f"{len(value)} values, {_digest(text.encode())}", {}
    return f"{len(value)} parts", {str(place): part for place, part in enumerate(value)}


def _function(function: FunctionType) -> tuple[str, dict[str, Any]]:
    """A function's name, its defaults and what it closes over; for the user's own also what it does and refers to."""
    parts: dict[str, Any] = {}
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = function.__defaults__ or ()
    parts.update(zip(names[len(names) - len(defaults) :], defaults, strict=True))
    parts.update(function.__kwdefaults__ or {})
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            parts[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            parts[name] = None
    if _of_a_library(function):
        return _name(function).partition(".<locals>")[0], parts
    for name in sorted(_names(code)):
        known = function.__globals__.get(name)
        if known is not None and not isinstance(known, ModuleType | type) and name not in parts:
            parts[name] = known
    return f"{_name(function)} {_digest(_code(code))}", parts


def _of_a_library(function: FunctionType) -> bool:
    file, package = function.__code__.co_filename, (function.__module__ or "").partition(".")[0]
    return package in LIBRARIES or "site-packages" in file or "dist-packages" in file


def _names(code: CodeType) -> set[str]:
    """Global names that a function refers to, also inside the functions it makes."""
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _code(code: CodeType) -> bytes:
    """What a function does, wherever it stands."""
    constants = [_code(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts]
    return b"\0".join([code.co_code, *constants, *(name.encode() for name in code.co_names)])


def _array(value: Any) -> Any:
    if isinstance(value, jax.core.Tracer):
        return "traced"
    if jnp.issubdtype(value.dtype, jax.dtypes.prng_key):
        value = jax.random.key_data(value)
    known = np.asarray(value)
    if known.ndim == 0 and known.dtype.kind in "biuf":
        return next(text for _, text in _walk(known.item(), (), ()))
    if known.size <= SHORT:
        return str(known.tolist())
    return f"{known.dtype}{list(known.shape)} {_digest(np.ascontiguousarray(known).tobytes())}"


def _name(value: Any) -> str:
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None) or str(value)
    return f"{module}.{name}" if isinstance(module, str) and module not in ("__main__", "builtins") else name


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]
