"""Address events in the binary formats AEDAT 2 and AEDAT 3.1.

AEDAT 2: lines that start with `#`, then for each event an address and a time in microseconds, 32 bits each, big-endian.
AEDAT 3.1: the same lines up to `#!END-HEADER`, then packets: 28 bytes of header, then events of 8 bytes, little-endian.
"""

from pathlib import Path

import numpy as np

from ranvier.events import Spikes
from ranvier.interop.recordings.addresses import AddressMap
from ranvier.interop.recordings.checked import Recording, opened, single
from ranvier.interop.recordings.text import mapped, whole_ticks

MICROSECOND = 1e-3
PACKET = np.dtype(
    [("kind", "<i2"), ("source", "<i2"), ("size", "<i4"), ("offset", "<i4"), ("overflow", "<i4"), ("capacity", "<i4"),
     ("number", "<i4"), ("valid", "<i4")]
)  # fmt: skip


def write_aedat2(path: str | Path, spikes: Spikes) -> None:
    """Write spikes as AEDAT 2, with the unit as address.

    Args:
        path: The file.
        spikes: The spikes of one sample, at whole microseconds, below 2^32 microseconds.

    Raises:
        ValueError: a time is not a whole number of microseconds, or too long for the format; they are traced, or a
            batch.

    Example:
        >>> import tempfile, ranvier as rv
        >>> from ranvier.interop.recordings import read_aedat2, table, write_aedat2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_aedat2(f"{folder}/a.aedat", rv.Spikes([0.5, 1.0], [1, 0]))
        ...     read_aedat2(f"{folder}/a.aedat", table([0, 1], size=2)).spikes.time.tolist()
        [0.5, 1.0]
    """
    time, unit = single("write_aedat2", spikes)
    ticks = whole_ticks("write_aedat2", time, MICROSECOND)
    if len(ticks) and ticks.max() >= 2**32:
        msg = f"write_aedat2: times must be below 2^32 microseconds; got {ticks.max()}."
        raise ValueError(msg)
    body = np.stack([np.asarray(unit), ticks], axis=1).astype(">u4").tobytes()
    Path(path).write_bytes(b"#!AER-DAT2.0\r\n# address and time in microseconds, 32 bits each\r\n" + body)


def read_aedat2(path: str | Path, address: AddressMap, *, sort: bool = False) -> Recording:
    """Read AEDAT 2.

    Args:
        path: The file.
        address: Which unit an address is; see `bits` and `table`.
        sort: Put the spikes in order of time.

    Returns:
        The spikes, and how many events are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not AEDAT 2, is cut off, the times go back (after 71 minutes they wrap), or the map refuses an
            address.

    Example:
        >>> import pathlib, tempfile
        >>> from ranvier.interop.recordings import read_aedat2, table
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.aedat"
        ...     _ = path.write_bytes(b"#!AER-DAT2.0\\r\\n" + bytes([0, 0, 0, 1, 0, 0, 3, 232]))
        ...     read_aedat2(path, table([0, 1], size=2)).spikes.time.tolist()
        [1.0]
    """
    owner, content = f"read_aedat2: {path}", opened("read_aedat2", path)
    at = _header(owner, content, b"#!AER-DAT2.0", None)
    if (len(content) - at) % 8:
        msg = f"{owner} is cut off, or no AEDAT 2: {len(content) - at} bytes of events are no multiple of 8."
        raise ValueError(msg)
    events = np.frombuffer(content, ">u4", offset=at).reshape(-1, 2).astype(np.int64)
    return mapped(owner, events[:, 1] * MICROSECOND, events[:, 0], address, sort=sort)


def read_aedat31(path: str | Path, address: AddressMap, *, kind: int = 1, sort: bool = False) -> Recording:
    """Read the events of one kind from AEDAT 3.1.

    Args:
        path: The file.
        address: Which unit an address is: the 31 bits above the first of an event. For polarity events `bits((1, 15),
            (16, 15), (0, 1), shape=(height, width, 2))` gives units in the order y, x, polarity.
        kind: Kind of the events: 1 for polarity (the default), 12 for spikes of a chip.
        sort: Put the spikes in order of time.

    Returns:
        The spikes, and how many events are left out: those of other kinds, and those marked as not valid.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not AEDAT 3.1, is cut off, a packet is not what its header says, times go back, or the map
            refuses an address.

    Example:
        >>> import pathlib, struct, tempfile
        >>> from ranvier.interop.recordings import read_aedat31, table
        >>> packet = struct.pack("<hhiiiiii", 1, 0, 8, 4, 0, 1, 1, 1) + struct.pack("<II", (1 << 1) | 1, 2000)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.aedat"
        ...     _ = path.write_bytes(b"#!AER-DAT3.1\\r\\n#!END-HEADER\\r\\n" + packet)
        ...     read_aedat31(path, table([0, 1], size=2)).spikes.time.tolist()
        [2.0]
    """
    owner, content = f"read_aedat31: {path}", opened("read_aedat31", path)
    at = _header(owner, content, b"#!AER-DAT3.1", b"#!END-HEADER")
    found, left_out = [np.zeros((2, 0), np.int64)], 0
    while at < len(content):
        if len(content) - at < PACKET.itemsize:
            msg = f"{owner} is cut off: {len(content) - at} bytes are left for the header of a packet."
            raise ValueError(msg)
        head = np.frombuffer(content, PACKET, count=1, offset=at)[0]
        size, number, start = int(head["size"]), int(head["number"]), at + PACKET.itemsize
        if size < 1 or number < 0 or int(head["overflow"]) < 0 or start + size * number > len(content):
            msg = f"{owner} is damaged or cut off: the packet at byte {at} says {number} events of {size} bytes."
            raise ValueError(msg)
        at = start + size * number
        if head["kind"] != kind:
            left_out += number
            continue
        if size != 8:
            msg = f"{owner}: events of the kind {kind} must have 8 bytes; at byte {start} they have {size}."
            raise ValueError(msg)
        data, time = np.frombuffer(content, "<u4", count=2 * number, offset=start).reshape(-1, 2).astype(np.int64).T
        valid = data & 1 == 1
        left_out += int((~valid).sum())
        found.append(np.stack([data[valid] >> 1, time[valid] + (int(head["overflow"]) << 31)]))
    place, time = np.concatenate(found, axis=1)
    return mapped(owner, time * MICROSECOND, place, address, sort=sort, left_out=left_out)


def _header(owner: str, content: bytes, first: bytes, last: bytes | None) -> int:
    """Where the events start."""
    if not content.startswith(first):
        msg = f"{owner} does not start with {first.decode()}, but with {content[:16]!r}."
        raise ValueError(msg)
    at = 0
    while content[at : at + 1] == b"#":
        end = content.find(b"\n", at)
        if end < 0:
            msg = f"{owner} is cut off: a line of its header has no end."
            raise ValueError(msg)
        line, at = content[at:end].rstrip(b"\r"), end + 1
        if line == last:
            return at
    if last is not None:
        msg = f"{owner} is cut off or damaged: its header has no line {last.decode()}."
        raise ValueError(msg)
    return at
