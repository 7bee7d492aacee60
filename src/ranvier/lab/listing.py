"""What there is in a folder of the package, one file each, without importing any of it: importing takes a second."""

import ast
import difflib
import functools
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

HERE = Path(__file__).parent
HOLDS = {"tasks": "PRESET", "studies": "STUDY"}
"""For each folder the name that makes a file more than a helper of others."""


@functools.cache
def listing(folder: str) -> Mapping[str, str]:
    """Names and first lines of the tasks or studies of `ranvier.lab`.

    Args:
        folder: `tasks` or `studies`.

    Example:
        >>> from ranvier.lab.listing import listing
        >>> listing("tasks")["temporal-order"]
        'Temporal order: which of two inputs fired first? Nothing but delays can learn it.'
    """
    found = {}
    for path in sorted((HERE / folder).glob("[a-z]*.py")):
        module = ast.parse(path.read_text("utf-8"))
        assigned = {target.id for node in module.body if isinstance(node, ast.Assign) for target in _names(node)}
        if HOLDS[folder] in assigned:
            found[path.stem.replace("_", "-")] = (ast.get_docstring(module) or "").partition("\n")[0]
    return MappingProxyType(found)


def _names(node: ast.Assign) -> list[ast.Name]:
    return [target for target in node.targets if isinstance(target, ast.Name)]


def nearest(name: str, known: list[str]) -> str:
    """Words that name what is most like a name; empty where nothing is.

    Args:
        name: A word that is not known.
        known: The words that are.

    Example:
        >>> from ranvier.lab.listing import nearest
        >>> nearest("hiden", ["hidden", "epochs"])
        '; did you mean hidden?'
    """
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
