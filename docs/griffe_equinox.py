"""For the API reference: what Griffe, which reads sources without running them, does not know of this package.

* An Equinox module is a dataclass: a class that derives from `equinox.Module`, or a `NamedTuple`, without an `__init__`
  gets the one that is made of its fields.
* What an abstract class without fields lists as arguments are the attributes that those derived from it have.
* `Example:` is a section of code, as `Examples:` is.
"""

import re
from typing import Any

import griffe


class EquinoxModules(griffe.Extension):
    """Completes the package before its pages are made."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Called for everything that has a docstring."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(r"^( *)Example:$", r"\1Examples:", obj.docstring.value, flags=re.MULTILINE)

    def on_package(self, *, pkg: griffe.Module, **kwargs: Any) -> None:
        """Called when the package has been read."""
        for found in _classes(pkg):
            if found.docstring is not None and _is_interface(found):
                found.docstring.value = re.sub(r"^Args:$", "Attributes:", found.docstring.value, flags=re.MULTILINE)
            if "__init__" not in found.members and _is_module(found):
                own = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
                made = griffe.Function("__init__", parent=found, parameters=griffe.Parameters(own, *_fields(found)))
                found.set_member("__init__", made)


def _classes(place: griffe.Module | griffe.Class) -> list[griffe.Class]:
    """All classes of a package."""
    inside = [one for one in place.members.values() if not one.is_alias]
    found = [one for one in inside if isinstance(one, griffe.Class)]
    return found + [deeper for one in inside if isinstance(one, griffe.Module) for deeper in _classes(one)]


def _line(found: griffe.Class) -> list[griffe.Class]:
    """The class after the classes that it derives from."""
    return [*reversed([one for one in found.mro() if isinstance(one, griffe.Class)]), found]


def _is_module(found: griffe.Class) -> bool:
    return any(str(base) in ("eqx.Module", "NamedTuple") for one in _line(found) for base in one.bases)


def _is_interface(found: griffe.Class) -> bool:
    """Whether a class is abstract and makes nothing of what its docstring lists."""
    decorated = any("dataclass" in str(one.value) for one in found.decorators)
    return found.name.startswith("Abstract") and not (decorated or _is_module(found) or "__init__" in found.members)


def _fields(found: griffe.Class) -> list[griffe.Parameter]:
    """What the class is made from: its annotated fields, those of the classes below it first."""
    fields: dict[str, griffe.Parameter] = {}
    for one in _line(found):
        for name, field in one.members.items():
            told = str(getattr(field, "annotation", None))
            if not field.is_attribute or told == "None" or told.startswith("eqx.AbstractVar"):
                continue
            if "class-attribute" in field.labels and "instance-attribute" not in field.labels:  # a ClassVar
                continue
            value, kind = _default(field.value), griffe.ParameterKind.positional_or_keyword
            fields[name] = griffe.Parameter(name, annotation=field.annotation, kind=kind, default=value)
    return list(fields.values())


def _default(value: Any) -> Any:
    """The default behind `eqx.field(default=...)`, or the value itself."""
    if isinstance(value, griffe.ExprCall) and str(value.function) == "eqx.field":
        given = {one.name: one.value for one in value.arguments if isinstance(one, griffe.ExprKeyword)}
        if "default_factory" in given:
            return griffe.ExprCall(given["default_factory"], [])
        return given.get("default")
    return value
