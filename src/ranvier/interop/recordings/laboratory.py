"""Spikes of Neo and of NWB files, as laboratories keep them."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float, Int

from ranvier.events import Spikes
from ranvier.interop._require import require
from ranvier.interop.recordings import nwb_units
from ranvier.interop.recordings.checked import checked, single


def to_neo(spikes: Spikes, *, t_end: float) -> list[Any]:
    """Spikes as a list of `neo.SpikeTrain`, one per unit, in ms from 0 to `t_end`.

    Args:
        spikes: The spikes of one sample, of a population of known size.
        t_end: End of the recording (ms).

    Raises:
        ValueError: the size is not known, a spike is after `t_end`, they are traced, or a batch.
        ImportError: neo is not installed.

    Example:
        >>> import ranvier as rv
        >>> [len(train) for train in rv.interop.recordings.to_neo(rv.Spikes([1.0], [1], size=2), t_end=5.0)]
        [0, 1]
    """
    neo = require("neo", "to_neo", "neo")
    time, unit = single("to_neo", spikes)
    if spikes.size is None or time.max(initial=0.0) > t_end:
        msg = (
            f"to_neo: needs spikes of known size, none after t_end = {t_end} ms; got size {spikes.size}, the last at "
            f"{time.max(initial=0.0):g} ms."
        )
        raise ValueError(msg)
    return [neo.SpikeTrain(time[unit == one], units="ms", t_start=0.0, t_stop=t_end) for one in range(spikes.size)]


def from_neo(trains: Sequence[Any]) -> Spikes:
    """Spikes from a list of `neo.SpikeTrain`, one per unit, merged in order of time.

    Args:
        trains: The trains; times count from 0, in any unit that Neo knows.

    Raises:
        ValueError: there is no train, a time is negative or not finite, or a train is not in order.

    Example:
        >>> import neo, ranvier as rv
        >>> trains = [neo.SpikeTrain([2.0], units="s", t_stop=3.0), neo.SpikeTrain([1.0], units="s", t_stop=3.0)]
        >>> rv.interop.recordings.from_neo(trains).time.tolist()
        [1000.0, 2000.0]
    """
    times = [np.asarray(train.rescale("ms").magnitude, float) for train in trains]
    return _merged("from_neo", times)


def write_nwb(path: str | Path, spikes: Spikes, *, description: str = "spikes of a simulation by ranvier") -> None:
    """Write spikes as the units table of an NWB file, times in seconds.

    Args:
        path: The file.
        spikes: The spikes of one sample, of a population of known size.
        description: Session description, which NWB asks for.

    Raises:
        ValueError: the size is not known, they are traced, or a batch.
        ImportError: pynwb is not installed.

    Example:
        >>> import tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_nwb(f"{folder}/a.nwb", rv.Spikes([500.0], [1], size=2))
        ...     rv.interop.recordings.read_nwb(f"{folder}/a.nwb").unit.tolist()
        [1]
    """
    pynwb = require("pynwb", "write_nwb", "neo")
    time, unit = single("write_nwb", spikes)
    if spikes.size is None:
        msg = "write_nwb: needs spikes of known size. Say it with spikes.with_size(n)."
        raise ValueError(msg)
    file = pynwb.NWBFile(description, "ranvier", datetime.now(UTC))
    for one in range(spikes.size):
        file.add_unit(spike_times=time[unit == one] / 1000.0)
    content = io.BytesIO()  # HDF5 itself does not survive a full disk
    with h5py.File(content, "w") as inside, pynwb.NWBHDF5IO(file=inside, mode="w") as out:
        out.write(file)
    Path(path).write_bytes(content.getvalue())


def read_nwb(path: str | Path) -> Spikes:
    """Read the units table of an NWB file; times count from 0, in seconds there, in ms here.

    A process of its own reads it, which takes a fraction of a second: in a damaged file HDF5 may break off.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or has no units; or their times are negative, not finite or not in order.

    Example:
        >>> import pathlib, tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder) / "a.nwb"
        ...     _ = path.write_text("nothing")
        ...     try:
        ...         rv.interop.recordings.read_nwb(path)
        ...     except ValueError as error:
        ...         print("it is damaged" in str(error))
        True
    """
    if not Path(path).is_file():
        msg = f"read_nwb: there is no file {path}."
        raise FileNotFoundError(msg)
    times, ends = _units(Path(path))
    return _merged(f"read_nwb: {path}", np.split(times * 1000.0, ends[:-1]) if len(ends) else [])


def _units(path: Path) -> tuple[Float[np.ndarray, " times"], Int[np.ndarray, " units"]]:
    """Times (s) of all units, and where each ends, by a process that may break off."""
    command = [sys.executable, "-P", nwb_units.__file__, str(path.absolute())]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    head, _, body = done.stdout.partition(b"\n")
    if done.returncode == 0 and len(body) == 8 * sum(json.loads(head)):
        many = json.loads(head)[0]
        return np.frombuffer(body, "<f8", many).astype(float), np.frombuffer(body, "<i8", offset=8 * many).astype(int)
    told = done.stderr.decode(errors="replace").strip()
    if done.returncode != nwb_units.REFUSED:
        signal = f"signal {-done.returncode}" if done.returncode < 0 else f"status {done.returncode}"
        told = f"it is damaged: the process that read it broke off ({signal}). Fetch or write it again"
    msg = f"read_nwb: {path}: {told}."
    raise ValueError(msg)


def _merged(owner: str, times: list[np.ndarray]) -> Spikes:
    """Trains of all units as one, after each has been checked."""
    if not times:
        msg = f"{owner}: needs at least one unit; got none."
        raise ValueError(msg)
    for one, time in enumerate(times):
        checked(f"{owner}: unit {one}", time, np.zeros(len(time), int), 1)
    unit = np.repeat(np.arange(len(times)), [len(time) for time in times])
    return checked(owner, np.concatenate(times), unit, len(times), sort=True)
