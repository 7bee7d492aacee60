"""Spikes as text: comma-separated values, and address events."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ranvier.events import Spikes
from ranvier.interop.recordings.addresses import AddressMap
from ranvier.interop.recordings.checked import Recording, checked, opened, single

HEADER = ["time_ms", "unit"]


def write_csv(path: str | Path, spikes: Spikes) -> None:
    """Write spikes of one sample as comma-separated values: a header `time_ms,unit`, then one line per spike.

    Args:
        path: The file.
        spikes: The spikes. Times are written so that they are read again exactly.

    Raises:
        ValueError: they are traced, or a batch.

    Example:
        >>> import tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_csv(f"{folder}/a.csv", rv.Spikes([0.1, 2.0], [1, 0], size=2))
        ...     rv.interop.recordings.read_csv(f"{folder}/a.csv", size=2).unit.tolist()
        [1, 0]
    """
    time, unit = single("write_csv", spikes)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows((repr(float(str(t))), int(u)) for t, u in zip(time, unit, strict=True))


def read_csv(path: str | Path, *, size: int | None = None, sort: bool = False) -> Spikes:
    """Read what `write_csv` writes.

    Args:
        path: The file.
        size: Number of units; None if it is not known.
        sort: Put the spikes in order of time.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file; the message names the line.

    Example:
        >>> import pathlib, tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.csv"
        ...     _ = path.write_text("time_ms,unit\\n1.5,0\\n")
        ...     rv.interop.recordings.read_csv(path).time.tolist()
        [1.5]
    """
    owner = f"read_csv: {path}"
    try:
        rows = list(csv.reader(io.StringIO(_text(owner, opened("read_csv", path)))))
    except csv.Error as error:
        msg = f"{owner} is no table of commas and lines: {error}."
        raise ValueError(msg) from error
    if not rows or rows[0] != HEADER:
        msg = (
            f"{owner}: the first line must be {','.join(HEADER)}; got {','.join(rows[0])[:80] if rows else 'nothing'}."
        )
        raise ValueError(msg)
    numbers = _numbers(owner, [(at, row) for at, row in enumerate(rows[1:], start=2) if row], 2)
    return checked(owner, numbers[:, 0], numbers[:, 1], size, sort=sort)


def write_aer_text(path: str | Path, spikes: Spikes, *, tick: float = 1e-3) -> None:
    """Write spikes as address events: a line with time in ticks and address, the unit, for each.

    Args:
        path: The file.
        spikes: The spikes of one sample, at whole numbers of ticks.
        tick: Unit of time (ms): 0.001 for microseconds.

    Raises:
        ValueError: a time is not a whole number of ticks, up to a thousandth; or they are traced, or a batch.

    Example:
        >>> import pathlib, tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_aer_text(f"{folder}/a.txt", rv.Spikes([0.5], [3]))
        ...     pathlib.Path(f"{folder}/a.txt").read_text().splitlines()[1]
        '500 3'
    """
    time, unit = single("write_aer_text", spikes)
    ticks = whole_ticks("write_aer_text", time, tick)
    lines = [f"# time in {tick:g} ms, address", *(f"{t} {u}" for t, u in zip(ticks, unit, strict=True))]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_aer_text(
    path: str | Path, address: AddressMap, *, tick: float = 1e-3, time_first: bool = True, sort: bool = False
) -> Recording:
    """Read address events from text: a line with two whole numbers for each, and comments that start with `#`.

    Args:
        path: The file.
        address: Which unit an address is.
        tick: Unit of time (ms).
        time_first: Whether the time stands before the address, or behind it.
        sort: Put the spikes in order of time.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no such file; the message names the line or the event.

    Example:
        >>> import pathlib, tempfile, ranvier as rv
        >>> from ranvier.interop.recordings import read_aer_text, table
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.txt"
        ...     _ = path.write_text("# an example\\n1500 1\\n")
        ...     read_aer_text(path, table([0, 1], size=2)).spikes.time.tolist()
        [1.5]
    """
    owner = f"read_aer_text: {path}"
    lines = enumerate(_text(owner, opened("read_aer_text", path)).splitlines(), start=1)
    rows = [(at, line.split()) for at, line in lines if line.strip() and not line.lstrip().startswith("#")]
    numbers = _numbers(owner, rows, 2)
    if (numbers != np.floor(numbers)).any() or (numbers < 0).any() or (numbers >= 2**53).any():
        at = int(np.argmax(((numbers != np.floor(numbers)) | (numbers < 0) | (numbers >= 2**53)).any(axis=1)))
        msg = f"{owner}: times and addresses must be whole numbers >= 0; line {rows[at][0]} has {rows[at][1]}."
        raise ValueError(msg)
    time, place = (numbers if time_first else numbers[:, ::-1]).T
    return mapped(owner, time * tick, place.astype(np.int64), address, sort=sort)


def mapped(owner: str, time: Any, place: Any, address: AddressMap, *, sort: bool, left_out: int = 0) -> Recording:
    """Events of addresses as spikes of units.

    Args:
        owner: Who asks, with the file, for messages.
        time: Times (ms).
        place: Addresses.
        address: Which unit an address is.
        sort: Put them in order of time.
        left_out: Events that are left out already.

    Raises:
        ValueError: the map refuses an address, or gives a unit that is none.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.recordings import table
        >>> from ranvier.interop.recordings.text import mapped
        >>> mapped("example", np.array([1.0]), np.array([1]), table([-1, -1], size=1), sort=False).left_out
        1
    """
    try:
        unit = np.asarray(address.unit(place))
    except (ValueError, IndexError, TypeError) as error:
        msg = f"{owner}: {error}"
        raise ValueError(msg) from error
    out = unit == -1
    return Recording(checked(owner, time[~out], unit[~out], address.size, sort=sort), left_out + int(out.sum()))


def whole_ticks(owner: str, time: Any, tick: float) -> Any:
    """Times as whole numbers of ticks.

    Args:
        owner: Who asks, for messages.
        time: Times (ms).
        tick: Unit of time (ms).

    Raises:
        ValueError: one is not a whole number of ticks, up to a thousandth, or `tick` is not a time above 0.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.recordings.text import whole_ticks
        >>> whole_ticks("example", np.array([1.5]), 1e-3).tolist()
        [1500]
    """
    if not 0 < tick < np.inf:
        msg = f"{owner}: `tick` must be a time above 0 (ms); got {tick}."
        raise ValueError(msg)
    ticks = np.asarray(time, float) / tick
    off = np.abs(ticks - np.round(ticks)) > 1e-3
    if off.any():
        at = int(np.argmax(off))
        msg = (
            f"{owner}: times must be whole numbers of {tick:g} ms; spike {at} is at {time[at]:g} ms. Round them first."
        )
        raise ValueError(msg)
    return np.round(ticks).astype(np.int64)


def _text(owner: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{owner} is no text: byte {error.start} is not UTF-8."
        raise ValueError(msg) from error


def _numbers(owner: str, rows: list[tuple[int, list[str]]], columns: int) -> Float[np.ndarray, "rows columns"]:
    """Rows of text as numbers."""
    found = np.empty((len(rows), columns))
    for at, (line, row) in enumerate(rows):
        try:
            found[at] = [float(value) for value in row]
        except ValueError as error:
            msg = f"{owner}: line {line} must have {columns} numbers; got {' '.join(row)[:80]!r}."
            raise ValueError(msg) from error
    return found
