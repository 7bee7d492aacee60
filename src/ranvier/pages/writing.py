"""One HTML file from a page: its values as numbers, the style and the scripts that draw them, all inside."""

import dataclasses
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.pages.figures import AbstractFigure, Page
from ranvier.plots.style import CLASSES

PARTS = ("page.css", "axes.js", "charts.js", "page.js")
"""Files that are put into the template, each at the place that has its name."""
DIGITS = 5
"""Digits of each number."""


def write_page(path: Path | str, page: Page) -> Path:
    """Write a page as one HTML file that works offline.

    Args:
        path: The file; by custom it ends in `.html`.
        page: What is on it.

    Returns:
        The path.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from ranvier.pages import Notes, Page, Section, write_page
        >>> words = Section("About", (Notes(words=(("", "Nothing happened."),)),))
        >>> write_page(f"{tempfile.mkdtemp()}/page.html", Page("<mine>", (words,))).stat().st_size < 100_000
        True
    """
    place, source = Path(path), files("ranvier.pages")
    data = json.dumps({**plain(page), "colours": CLASSES}, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    parts = {f"__{name}__": (source / name).read_text("utf-8") for name in PARTS}
    parts |= {"__TITLE__": html.escape(page.title), "__DATA__": data.replace("<", "\\u003c")}
    template = (source / "page.html").read_text("utf-8")
    place.write_text(re.sub("|".join(map(re.escape, parts)), lambda found: parts[found[0]], template), "utf-8")
    return place


def plain(value: Any) -> Any:
    """A value as JSON knows it: figures by the name of their class, numbers that are not finite as nothing.

    Example:
        >>> import numpy as np
        >>> from ranvier.pages.writing import plain
        >>> plain({"a": np.array([1.0, np.nan, 0.1234567])})
        {'a': [1, None, 0.12346]}
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return _short(value)
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, Sequence):
        return [plain(part) for part in value]
    kind = {"kind": type(value).__name__} if isinstance(value, AbstractFigure) else {}
    return kind | {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}


def _short(value: float) -> float | int | None:
    """A number with few digits."""
    if not math.isfinite(value):
        return None
    short = float(f"{value:.{DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short
