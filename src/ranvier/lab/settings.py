"""Settings: the numbers and choices of nested frozen dataclasses, under one flat list of names.

An experiment is made of parts, and parts of smaller ones. `settings` lists everything that can be set, each under one
name: `experiment.training.epochs` is `epochs`, `experiment.model.delay.low` is `delay_low`: the way to it, without the
first step where there are more. A part that can be exchanged for others, such as the kind of delays, is a setting as
well, whose value is a name; its own numbers are there as long as it is. Command line, files, errors and Python's
`change` all use these names. Meanings come from the docstrings of the dataclasses, ranges from their types.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin

from ranvier.lab.listing import nearest
from ranvier.lab.ranges import Range, SettingError, describe_type, hints, members, unwrap

Owner = TypeVar("Owner")

HIDDEN = {"setting": False}
"""Metadata of a field that is no setting."""


class Choice:
    """What a part may be exchanged for; stands in the type of a field, `Annotated[AbstractMethod, Choice(...)]`.

    Args:
        *parts: One of each kind, with the numbers it has by default. Each has a `name`.

    Example:
        >>> from ranvier.lab.methods import ClockDriven, EventDriven
        >>> from ranvier.lab.settings import Choice
        >>> list(Choice(EventDriven(), ClockDriven()).parts)
        ['event-driven', 'clock-driven']
    """

    def __init__(self, *parts: Any):
        self.parts = {part.name: part for part in parts}


@dataclasses.dataclass(frozen=True)
class Setting:
    """One number or choice.

    Args:
        name: What it is called everywhere.
        path: Fields that lead to it.
        value: What it is now; of a choice the name.
        kind: Its type; of a choice `str`.
        meaning: What it is, in a sentence.
        brief: What values it may have, where there are limits: `>= 1`.
        choices: Of a choice, what there is to choose from, by name.
        group: The part of the experiment that it belongs to; empty for the experiment itself.
    """

    name: str
    path: tuple[str, ...]
    value: Any
    kind: Any
    meaning: str
    brief: str = ""
    choices: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def group(self) -> str:
        """The first step of the way to it; empty where it is the only one."""
        return self.path[0] if len(self.path) > 1 else ""


def settings(owner: Any) -> dict[str, Setting]:
    """All settings of nested dataclasses, by name, in the order in which they are defined.

    Args:
        owner: The outermost dataclass.

    Raises:
        TypeError: two settings have the same name.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.settings import settings
        >>> found = settings(experiment("yin-yang", delay="axonal"))["delay_low"]
        >>> found.value, found.meaning
        (0.0, 'Smallest delay (ms).')
    """
    found: dict[str, Setting] = {}
    for one in _walk(owner, ()):
        if one.name in found:
            msg = f"two settings are called {one.name}: {'.'.join(found[one.name].path)} and {'.'.join(one.path)}."
            raise TypeError(msg)
        found[one.name] = one
    return found


def values(owner: Any) -> dict[str, Any]:
    """Names and values of all settings.

    Example:
        >>> from ranvier.lab.settings import values
        >>> from ranvier.lab.training import Cosine
        >>> values(Cosine(floor=0.5))
        {'floor': 0.5}
    """
    return {name: one.value for name, one in settings(owner).items()}


def change(owner: Owner, given: Mapping[str, Any]) -> Owner:
    """Nested dataclasses with other settings.

    Choices come first, whatever the order. A part that is chosen anew has the numbers of `Choice`, those of a part that
    is there already stay.

    Args:
        owner: The outermost dataclass.
        given: New values by name: numbers, names of choices, or both as text.

    Raises:
        SettingError: there is no setting of a name, or it cannot have that value.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.settings import change
        >>> change(experiment("yin-yang"), {"delay_low": 0.5, "delay": "axonal"}).model.delay.low
        0.5
    """
    left = dict(given)
    while True:
        known = settings(owner)
        name = next((name for name, one in known.items() if one.choices and name in left), None)
        if name is None:
            break
        chosen = convert(known[name], left.pop(name))
        if chosen != known[name].value:
            owner = _rebuilt(owner, {known[name].path: known[name].choices[chosen]})
    unknown = next((name for name in left if name not in known), None)
    if unknown is not None:
        raise SettingError(unknown, missing(owner, unknown))
    try:
        return _rebuilt(owner, {known[name].path: convert(known[name], value) for name, value in left.items()})
    except _Inside as error:
        raise SettingError(setting_name(error.path), error.problem) from error


def convert(setting: Setting, value: Any) -> Any:
    """A value in the type of a setting: text is read, a whole number may stand for a number.

    Args:
        setting: The setting.
        value: A value, or text: `0.5`, `true`, `none`, `1,2,3`.

    Raises:
        SettingError: the value does not fit.

    Example:
        >>> from ranvier.lab.settings import Setting, convert
        >>> [convert(Setting("x", ("x",), 1, kind, ""), text) for kind, text in [(float, "1e-3"), (int | None, "none")]]
        [0.001, None]
    """
    if setting.choices:
        if value in setting.choices:
            return value
        raise SettingError(setting.name, f"must be one of {', '.join(setting.choices)}; got {value!r}")
    for kind in members(setting.kind):
        try:
            return _read(kind, value)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    raise SettingError(setting.name, f"must be {expected(setting)}; got {value!r}")


def expected(setting: Setting) -> str:
    """What values a setting may have, in words."""
    inner = get_args(setting.kind) if get_origin(setting.kind) is tuple else ()
    several = ", or several with commas between them" + (", or a range such as 0..4" if inner == (int, ...) else "")
    kind = f"{describe_type(inner[0])}{several}" if inner else describe_type(setting.kind)
    return kind or getattr(setting.kind, "__name__", "something else")


def everywhere(owner: Any) -> dict[str, list[tuple[Setting, dict[str, str]]]]:
    """All settings that any choice brings along, by name, each with the choices that it takes.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.settings import everywhere
        >>> [needed["method"] for _, needed in everywhere(experiment("yin-yang"))["dt"]]
        ['clock-driven', 'surrogate']
    """
    found: dict[str, list[tuple[Setting, dict[str, str]]]] = {}
    for one, needed in _everything(owner, (), {}):
        found.setdefault(one.name, []).append((one, needed))
    return found


def missing(owner: Any, name: str) -> str:
    """Why there is no setting of a name, the rest of a sentence; for what is like no setting at all, nothing else.

    Example:
        >>> from ranvier.lab import experiment
        >>> from ranvier.lab.settings import missing
        >>> missing(experiment("yin-yang"), "dt")
        'is a number of method clock-driven or surrogate, but method is event-driven'
    """
    places = [needed for _, needed in everywhere(owner).get(name, [])]
    known = settings(owner)
    for choice in {choice: None for needed in places for choice in needed}:
        able = list(dict.fromkeys(needed[choice] for needed in places if choice in needed))
        if choice in known and known[choice].value not in able:
            return f"is a number of {choice} {' or '.join(able)}, but {choice} is {known[choice].value}"
    return f"is not a setting{nearest(name, list(known))}"


def setting_name(path: tuple[str, ...]) -> str:
    """The name of a setting: the way to it, without the first of several steps."""
    return "_".join(path[1:] or path)


def _walk(owner: Any, path: tuple[str, ...]) -> Iterator[Setting]:
    """The settings of a dataclass and of the dataclasses in it."""
    meaning, types = meanings(type(owner)), hints(type(owner))
    for field in dataclasses.fields(owner):
        if field.metadata.get("setting", True):
            yield from _of_field(types[field.name], getattr(owner, field.name), (*path, field.name), meaning)


def _of_field(hint: Any, value: Any, path: tuple[str, ...], meaning: Mapping[str, str]) -> Iterator[Setting]:
    plain, extras = unwrap(hint)
    choices = next((extra.parts for extra in extras if isinstance(extra, Choice)), None)
    name, told = setting_name(path), meaning.get(path[-1], "")
    if choices is not None:
        own = {} if value.name in choices else {value.name: value}
        yield Setting(name, path, value.name, str, told, "", {**choices, **own})
    if dataclasses.is_dataclass(value):
        yield from _walk(value, path)
    elif choices is None:
        brief = next((extra.brief for extra in extras if isinstance(extra, Range)), "")
        yield Setting(name, path, value, plain, told, brief)


def _everything(owner: Any, path: tuple[str, ...], needed: dict[str, str]) -> Iterator[tuple[Setting, dict[str, str]]]:
    """As `_walk`, through every choice."""
    meaning, types = meanings(type(owner)), hints(type(owner))
    for field in dataclasses.fields(owner):
        if not field.metadata.get("setting", True):
            continue
        own, value = (*path, field.name), getattr(owner, field.name)
        first = next(_of_field(types[field.name], value, own, meaning), None)
        if first is not None and first.choices and first.path == own:
            yield first, needed
            for name, part in first.choices.items():
                yield from _everything(part, own, needed | {first.name: name})
        elif dataclasses.is_dataclass(value):
            yield from _everything(value, own, needed)
        elif first is not None:
            yield first, needed


class _Inside(SettingError):
    """A field of a part, at the end of some way, has a value that it cannot have."""

    def __init__(self, path: tuple[str, ...], problem: str):
        super().__init__(".".join(path), problem)
        self.path = path


def _rebuilt(owner: Any, given: Mapping[tuple[str, ...], Any]) -> Any:
    """A dataclass with other values at some places, all at once."""
    inner: dict[str, dict[tuple[str, ...], Any]] = {}
    for path, value in given.items():
        inner.setdefault(path[0], {})[path[1:]] = value
    fields = {
        name: places[()] if () in places else _inside(getattr(owner, name), name, places)
        for name, places in inner.items()
    }
    return dataclasses.replace(owner, **fields)


def _inside(part: Any, name: str, given: Mapping[tuple[str, ...], Any]) -> Any:
    """A part with other values; an error keeps the way to the field that is wrong."""
    try:
        return _rebuilt(part, given)
    except _Inside as error:
        raise _Inside((name, *error.path), error.problem) from error
    except SettingError as error:
        raise _Inside((name, error.name), error.problem) from error


def _read(kind: Any, value: Any) -> Any:
    """A value of a type, from a value or text; raises `ValueError`, `TypeError` or `KeyError` where it is none."""
    text = isinstance(value, str)
    if get_origin(kind) is tuple:
        return _read_several(get_args(kind)[0], value)
    if get_origin(kind) is Literal:
        return {str(option): option for option in get_args(kind)}[str(value)]
    if kind is NoneType:
        return {"none": None}["none" if value is None else value.lower()]
    if kind is bool:
        return value if isinstance(value, bool) else {"true": True, "false": False}[value.lower()]
    if isinstance(value, bool) or (kind is int and isinstance(value, float)) or (kind is str and not text):
        raise ValueError
    return kind(value)


def _read_several(kind: Any, value: Any) -> tuple[Any, ...]:
    """Several values: a list, or text with commas between them; `0..4` stands for 0,1,2,3,4."""
    found: list[Any] = []
    for part in value.split(",") if isinstance(value, str) else value:
        first, dots, last = str(part).partition("..")
        found += range(int(first), int(last) + 1) if dots and kind is int else [_read(kind, part)]
    if not found:
        raise ValueError
    return tuple(found)


@lru_cache
def meanings(owner: type) -> Mapping[str, str]:
    """What each argument of a class is, from the `Args:` of its docstring and of those it is derived from.

    Example:
        >>> from ranvier.lab.settings import meanings
        >>> from ranvier.lab.training import Cosine
        >>> meanings(Cosine)
        {'floor': 'Learning rates at the end, as a share of those at the start.'}
    """
    found: dict[str, str] = {}
    for one in reversed(owner.__mro__):
        section = re.search(r"^Args:\n((?: +.*\n?)*)", inspect.cleandoc(one.__doc__ or ""), re.MULTILINE)
        for name, text in re.findall(r"^    (\w+): (.*(?:\n     +.*)*)", section[1] if section else "", re.MULTILINE):
            found[name] = " ".join(text.split())
    return found
