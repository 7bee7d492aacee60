"""What values a setting may have: a range stands in its type, and `check` refuses everything outside of it."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal


class SettingError(ValueError):
    """A setting has a value that it cannot have, or does not exist.

    Args:
        name: The setting.
        problem: What is wrong with it, the rest of the sentence.

    Example:
        >>> from ranvier.lab.ranges import SettingError
        >>> str(SettingError("hidden", "must be at least 1; got 0"))
        'hidden must be at least 1; got 0'
    """

    def __init__(self, name: str, problem: str):
        super().__init__(f"{name} {problem}")
        self.name, self.problem = name, problem


@dataclasses.dataclass(frozen=True)
class Range:
    """Values that a setting may have.

    Args:
        words: What they are, as in "must be at least 1".
        holds: Whether a value is one of them.
        brief: The same for a list of options, `>= 1`; empty where it goes without saying.

    Example:
        >>> from ranvier.lab.ranges import Range
        >>> Range("even", lambda value: value % 2 == 0).holds(3)
        False
    """

    words: str
    holds: Callable[[Any], bool]
    brief: str = ""


Count = Annotated[int, Range("at least 1", lambda value: value >= 1, ">= 1")]
Whole = Annotated[int, Range("at least 0", lambda value: value >= 0, ">= 0")]
SomeCount = Annotated[int | None, Range("at least 1, or none", lambda value: value >= 1, ">= 1, none: all")]
Positive = Annotated[float, Range("finite and above 0", lambda value: 0 < value < math.inf, "> 0")]
NotNegative = Annotated[float, Range("finite and at least 0", lambda value: 0 <= value < math.inf, ">= 0")]
Limit = Annotated[float, Range("above 0, or inf for no limit", lambda value: value > 0, "> 0, inf: no limit")]
Density = Annotated[float, Range("above 0 and at most 1", lambda value: 0 < value <= 1, "> 0, at most 1")]
Share = Annotated[float, Range("between 0 and 1", lambda value: 0 <= value <= 1, "0 to 1")]
Finite = Annotated[float, Range("finite", math.isfinite)]
Seed = Annotated[int, Range("between 0 and 4294967295", lambda value: 0 <= value < 2**32, ">= 0")]
Patience = Annotated[int | None, Range("at least 1, or none", lambda value: value >= 1, ">= 1, none: never")]


def check(part: Any) -> None:
    """Refuse a dataclass one of whose fields has the wrong type or lies outside of its range.

    Args:
        part: The dataclass; ranges stand in the types of its fields.

    Raises:
        SettingError: a field does; the message names it.

    Example:
        >>> import dataclasses
        >>> from ranvier.lab.ranges import Count, check
        >>> @dataclasses.dataclass(frozen=True)
        ... class Layer:
        ...     size: Count = 0
        >>> check(Layer())
        Traceback (most recent call last):
            ...
        ranvier.lab.ranges.SettingError: size must be at least 1; got 0
    """
    for name, hint in hints(type(part)).items():
        value = getattr(part, name)
        plain, extras = unwrap(hint)
        wanted = describe_type(plain)
        if wanted and not _fits(plain, value):
            raise SettingError(name, f"must be {wanted}; got {value!r}")
        for limit in extras:
            if isinstance(limit, Range) and value is not None and not limit.holds(value):
                raise SettingError(name, f"must be {limit.words}; got {value}")


@functools.cache
def hints(owner: type) -> Mapping[str, Any]:
    """Types of the fields of a dataclass, with what is annotated there; found out once: it takes long."""
    found = typing.get_type_hints(owner, include_extras=True)
    return types.MappingProxyType({field.name: found[field.name] for field in dataclasses.fields(owner)})


def unwrap(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """A type, and what it is annotated with."""
    if typing.get_origin(hint) is Annotated:
        plain, *extras = typing.get_args(hint)
        return plain, tuple(extras)
    return hint, ()


def members(plain: Any) -> tuple[Any, ...]:
    """The types of a union, or the one type."""
    return typing.get_args(plain) if isinstance(plain, types.UnionType) else (plain,)


def describe_type(plain: Any) -> str:
    """What values of a type are called; empty for types that are not numbers or words.

    Example:
        >>> from ranvier.lab.ranges import describe_type
        >>> describe_type(int | None)
        'a whole number or none'
    """
    if typing.get_origin(plain) is Literal:
        return f"one of {', '.join(map(str, typing.get_args(plain)))}"
    names = {int: "a whole number", float: "a number", bool: "true or false", types.NoneType: "none", str: "text"}
    found = [names.get(member, "") for member in members(plain)]
    return " or ".join(found) if all(found) else ""


def _fits(plain: Any, value: Any) -> bool:
    if typing.get_origin(plain) is Literal:
        return value in typing.get_args(plain)
    allowed = members(plain)
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, allowed) or (float in allowed and isinstance(value, int))
