"""The units table of an NWB file, read in a process of its own: `python nwb_units.py FILE`.

    /units/spike_times         times of all units (s), one unit behind the other
    /units/spike_times_index   where each unit ends

HDF5 trusts what a file says of itself: a single wrong byte can end the process that reads it. So this module imports
nothing of ranvier, and the process that runs it may break off: `read_nwb` tells what it did. Its answer is a line of
JSON with both lengths, then both lists as little-endian numbers of 8 bytes. Source: the NWB format specification,
2.8.0, core `Units`, https://nwb-schema.readthedocs.io.
"""

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np

REFUSED = 3
"""The exit status where the file was read, and is none; words are on the standard error."""
PACKED = 1000
"""Times that compression makes a list smaller at most: of a longer one the length is broken."""


def _list(file: h5py.File, path: Path, name: str, kinds: str) -> Any:
    """One of the two lists."""
    if f"units/{name}" not in file:
        msg = f"it has no units/{name}"
        raise ValueError(msg)
    found: Any = file[f"units/{name}"]
    if not isinstance(found, h5py.Dataset) or found.ndim != 1 or found.dtype.kind not in kinds:
        got = f"{found.dtype} of shape {found.shape}" if isinstance(found, h5py.Dataset) else "a group"
        msg = f"it is damaged: units/{name} must be a list of numbers; got {got}"
        raise ValueError(msg)
    if found.size * found.dtype.itemsize > PACKED * path.stat().st_size:
        msg = f"it is damaged: units/{name} has {found.size} entries, more than the file can hold"
        raise ValueError(msg)
    return found[:]


def units(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) of all units, and where each unit ends.

    Args:
        path: The file.

    Raises:
        ValueError: it is no NWB file, has no units, or is damaged.
        OSError: HDF5 cannot read it; h5py raises others, too.

    Example:
        >>> import h5py, pathlib, tempfile
        >>> from ranvier.interop.recordings.nwb_units import units
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.nwb"
        >>> with h5py.File(path, "w") as file:
        ...     file.attrs["nwb_version"] = "2.8.0"
        ...     file["units/spike_times"], file["units/spike_times_index"] = [0.5, 0.7], [2]
        >>> units(path)
        (array([0.5, 0.7]), array([2]))
    """
    with h5py.File(path, "r") as file:
        if "nwb_version" not in file.attrs:
            msg = "it is no NWB file: it does not say its nwb_version"
            raise ValueError(msg)
        if "units" not in file:
            msg = "it has no units"
            raise ValueError(msg)
        times, ends = _list(file, path, "spike_times", "fiu"), _list(file, path, "spike_times_index", "iu")
    ends = ends.astype(np.int64)
    steps = np.diff(ends, prepend=0)
    if (steps < 0).any() or (ends[-1] if len(ends) else 0) != len(times):
        msg = f"it is damaged: units/spike_times_index must ascend to the {len(times)} times that there are"
        raise ValueError(msg)
    return times.astype(np.float64), ends


def main() -> int:
    """Answer on the standard output; a sentence on the standard error where there is nothing to answer."""
    try:
        times, ends = units(Path(sys.argv[1]))
    except Exception as error:  # h5py raises errors of many kinds for damaged files
        damaged = "" if isinstance(error, ValueError) and str(error).startswith("it ") else "it is damaged: "
        sys.stderr.write(damaged + (str(error).partition("\n")[0][:200] or type(error).__name__))
        return REFUSED
    answer = sys.stdout.buffer
    answer.write(json.dumps([len(times), len(ends)]).encode() + b"\n")
    answer.write(times.astype("<f8").tobytes() + ends.astype("<i8").tobytes())
    answer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
