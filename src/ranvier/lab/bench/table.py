"""Tables of benchmark rows, and their JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.train.provenance import provenance

Row = Mapping[str, Any]


def format_table(rows: Sequence[Row]) -> str:
    """Rows as aligned text.

    Example:
        >>> from ranvier.lab.bench.table import format_table
        >>> print(format_table([{"name": "a", "ms": 1.25}]))
        name    ms
           a  1.25
    """
    names = list(rows[0])
    cells = [names, *([_text(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(names))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells)


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as JSON, with versions, device and commit."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"rows": list(rows), **provenance()}, indent=1) + "\n", encoding="utf-8")


def _text(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
