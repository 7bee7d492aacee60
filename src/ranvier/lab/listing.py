"""What there is in a folder of the package, one file each, without importing any of it: importing takes a second."""

import ast
import difflib
from pathlib import Path

HERE = Path(__file__).parent


def listing(folder: str) -> dict[str, str]:
    """Names and first lines of the files in a folder of `ranvier.lab`.

    Args:
        folder: `tasks`, `studies` or `bench`.

    Example:
        >>> from ranvier.lab.listing import listing
        >>> listing("tasks")["temporal-order"]
        'Temporal order: which of two inputs fired first? Nothing but delays can learn it.'
    """
    found = {}
    for path in sorted((HERE / folder).glob("[a-z]*.py")):
        words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        found[path.stem.replace("_", "-")] = words.partition("\n")[0]
    return found


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
