"""Simulators and their parts as JSON: what a run folder needs in order to be simulated without the code that made it.

Only values of ranvier's own classes and functions are written, with the place where they are defined, and only such are
read: nothing in a file can make another class.
"""

import dataclasses
import importlib
import math
from types import FunctionType
from typing import Any

PACKAGE = "ranvier."


def to_json(value: Any) -> Any:
    """A value as JSON knows it.

    Args:
        value: A simulator, a part of one, or plain numbers and text.

    Raises:
        ValueError: it has parts that only the user's own code can make.

    Example:
        >>> import ranvier as rv
        >>> from ranvier.train.portable import from_json, to_json
        >>> from_json(to_json(rv.EventDriven(max_spikes=1))).max_spikes
        1
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, tuple | list):
        return {"tuple": [to_json(part) for part in value]}
    if isinstance(value, FunctionType) and _is_ours(value):
        return {"function": f"{value.__module__}:{value.__qualname__}"}
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and _is_ours(type(value)):
        fields = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"class": f"{type(value).__module__}:{type(value).__qualname__}", "fields": fields}
    kind = value if isinstance(value, FunctionType) else type(value)
    msg = f"{kind.__module__}.{kind.__qualname__} is not a part of ranvier, so no file can hold it"
    raise ValueError(msg)


def from_json(fact: Any) -> Any:
    """The value that `to_json` wrote.

    Args:
        fact: What it gave, through a file or not.

    Raises:
        ValueError: it names something that this version of ranvier does not have.
    """
    if not isinstance(fact, dict):
        return fact
    if "float" in fact:
        return float(fact["float"])
    if "tuple" in fact:
        return tuple(from_json(part) for part in fact["tuple"])
    if "function" in fact:
        return _found(fact["function"])
    kind = _found(fact["class"])
    names = {field.name for field in dataclasses.fields(kind)}
    if names != set(fact["fields"]):
        msg = f"{fact['class']} has other fields in this version of ranvier: {sorted(names)}."
        raise ValueError(msg)
    made = object.__new__(kind)
    for name, part in fact["fields"].items():
        object.__setattr__(made, name, from_json(part))
    return made


def _is_ours(thing: Any) -> bool:
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "<locals>")
    return module.startswith(PACKAGE) and "<locals>" not in name


def _found(place: str) -> Any:
    """What stands at `module:name`, of ranvier only."""
    module, _, name = place.partition(":")
    try:
        if not module.startswith(PACKAGE):
            raise AttributeError
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        msg = f"{place} is not known to this version of ranvier."
        raise ValueError(msg) from error
    if not _is_ours(found):
        msg = f"{place} is not a part of ranvier."
        raise ValueError(msg)
    return found
