"""Spikes as arrays: NumPy archives, NIR's event data, events of tonic, and the layout of the Heidelberg digits."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import ArrayLike

from ranvier.events import Spikes
from ranvier.interop._require import require
from ranvier.interop.recordings.checked import checked, known

UNKNOWN = -1
"""Size of a population, in a file, where nobody has said it."""


def write_npz(path: str | Path, spikes: Spikes) -> None:
    """Write spikes as a NumPy archive: `time` (ms), `unit`, and `size`, -1 where it is not known.

    Args:
        path: The file.
        spikes: The spikes, of one sample or of a batch.

    Raises:
        ValueError: they are traced.

    Example:
        >>> import tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_npz(f"{folder}/a.npz", rv.Spikes([0.1, 2.0], [1, 0], size=2))
        ...     rv.interop.recordings.read_npz(f"{folder}/a.npz").size
        2
    """
    time, unit = known("write_npz", spikes)
    size = np.asarray(UNKNOWN if spikes.size is None else spikes.size)
    with Path(path).open("wb") as file:
        np.savez(file, allow_pickle=False, time=time, unit=unit, size=size)


def read_npz(path: str | Path) -> Spikes:
    """Read what `write_npz` writes.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or no such file; or its spikes are not valid.

    Example:
        >>> import tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_npz(f"{folder}/a.npz", rv.Spikes([[0.1], [2.0]], [[1], [0]]))
        ...     rv.interop.recordings.read_npz(f"{folder}/a.npz").time.shape
        (2, 1)
    """
    owner = f"read_npz: {path}"
    if not Path(path).is_file():
        msg = f"read_npz: there is no file {path}."
        raise FileNotFoundError(msg)
    try:
        with Path(path).open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            time, unit, size = (np.asarray(file[name]) for name in ("time", "unit", "size"))
            size = int(size)
    except Exception as error:  # zipfile and NumPy raise errors of many kinds for damaged files
        why = str(error).partition("\n")[0][:200]
        msg = f"{owner} is damaged, or no archive with `time`, `unit` and `size`: {why}."
        raise ValueError(msg) from error
    return _batch(owner, time, unit, None if size == UNKNOWN else size)


def from_event_data(data: Any, *, unit: float = 1.0) -> Spikes:
    """Spikes from `nir.EventData`, whose padding is the index -1 and the time inf.

    Args:
        data: The events, shape (samples, events).
        unit: Unit of its times, in ms: 1000.0 for seconds.

    Raises:
        ValueError: times and indices differ in shape, a time is negative, NaN, or not below `t_max`, an index is not in
            0..n_neurons - 1, times are not in order, or an event stands behind padding.

    Example:
        >>> import nir, numpy as np, ranvier as rv
        >>> data = nir.EventData(np.array([[1, -1]]), np.array([[0.5, np.inf]]), n_neurons=2, t_max=1.0)
        >>> rv.interop.recordings.from_event_data(data, unit=1000.0).time.tolist()
        [[500.0, inf]]
    """
    time, index = np.asarray(data.time, float), np.asarray(data.idx)
    if not 0 < unit < np.inf:
        msg = f"from_event_data: `unit` must be a time above 0 (ms); got {unit}."
        raise ValueError(msg)
    if time.shape == index.shape and ((time < np.inf) & (time > data.t_max)).any():
        msg = f"from_event_data: times must be at most t_max = {data.t_max}; got {time[time < np.inf].max()}."
        raise ValueError(msg)
    return _batch("from_event_data", time * unit, index, int(data.n_neurons))


def to_event_data(spikes: Spikes, *, t_end: float, unit: float = 1.0) -> Any:
    """Spikes as `nir.EventData`.

    Args:
        spikes: The spikes, of a population of known size; one sample becomes a batch of one.
        t_end: End of the recording (ms).
        unit: Unit of time there, in ms: 1000.0 for seconds.

    Raises:
        ValueError: the size is not known, a spike is after `t_end`, or they are traced.
        ImportError: nir is not installed.

    Example:
        >>> import ranvier as rv
        >>> rv.interop.recordings.to_event_data(rv.Spikes([1.0], [0], size=2), t_end=5.0).idx.tolist()
        [[0]]
    """
    nir = require("nir", "to_event_data", "nir")
    time, index = (np.atleast_2d(values) for values in known("to_event_data", spikes))
    late = np.max(time, where=time < np.inf, initial=0.0)
    if spikes.size is None or late > t_end or not 0 < unit < np.inf:
        msg = (
            f"to_event_data: needs spikes of known size, none after t_end = {t_end} ms, and a unit above 0; got size "
            f"{spikes.size}, the last at {late:g} ms, unit {unit}."
        )
        raise ValueError(msg)
    return nir.EventData(
        idx=np.where(time < np.inf, index, -1), time=time / unit, n_neurons=spikes.size, t_max=t_end / unit
    )


def from_tonic(events: Any, sensor: Sequence[int], *, tick: float = 1e-3, sort: bool = False) -> Spikes:
    """Spikes from the events of one sample of a data set of tonic.

    A unit is `(p height + y) width + x`: the order of an array of shape (polarities, height, width). tonic itself is
    not needed.

    Args:
        events: Structured array with `t`, `x`, `p` and, if the sensor has rows, `y`: `events, label = dataset[k]`.
        sensor: The data set's `sensor_size`, (width, height, polarities).
        tick: Unit of its times (ms): 0.001 for microseconds.
        sort: Put the spikes in order of time.

    Raises:
        ValueError: a field is missing, an event is outside the sensor, or times are not valid or not in order.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> events = np.array([(1500, 3, 1)], dtype=[("t", int), ("x", int), ("p", int)])
        >>> rv.interop.recordings.from_tonic(events, (700, 1, 1)).time.tolist()
        [1.5]
    """
    names = getattr(getattr(events, "dtype", None), "names", None) or ()
    width, height, polarities = (int(n) for n in sensor)
    needed = {"t", "x"} | ({"y"} if height > 1 else set()) | ({"p"} if polarities > 1 else set())
    if not needed <= set(names):
        msg = f"from_tonic: `events` must be a structured array with {sorted(needed)}; it has {list(names)}."
        raise ValueError(msg)
    unit = np.zeros(len(events), np.int64)
    for name, values in (("p", polarities), ("y", height), ("x", width)):
        value = np.asarray(events[name]).astype(np.int64) if name in needed else np.zeros(len(events), np.int64)
        wrong = (value < 0) | (value >= values)
        if wrong.any():
            at = int(np.argmax(wrong))
            msg = f"from_tonic: `{name}` must be in 0..{values - 1}; event {at} has {value[at]}. Is `sensor` right?"
            raise ValueError(msg)
        unit = unit * values + value
    return checked(
        "from_tonic", np.asarray(events["t"]).astype(float) * tick, unit, width * height * polarities, sort=sort
    )


def write_shd(path: str | Path, spikes: Spikes, label: ArrayLike | Sequence[Any]) -> None:
    """Write a batch in the layout of the Heidelberg digits: HDF5 with `spikes/times`, `spikes/units` and `labels`.

    Args:
        path: The file.
        spikes: The spikes of a batch; times (ms) become seconds in float32.
        label: Class of each sample, whole numbers >= 0.

    Raises:
        ValueError: there are not as many labels as samples, a label is not valid, or they are traced.

    Example:
        >>> import h5py, tempfile, ranvier as rv
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rv.interop.recordings.write_shd(f"{folder}/a.h5", rv.Spikes([[500.0]], [[3]], size=700), [1])
        ...     with h5py.File(f"{folder}/a.h5") as file:
        ...         file["spikes/times"][0].tolist()
        [0.5]
    """
    import h5py

    time, unit = known("write_shd", spikes)
    label = np.asarray(label)
    if time.ndim != 2 or label.shape != time.shape[:1] or label.dtype.kind not in "iu" or (label < 0).any():
        msg = f"write_shd: needs a batch and as many labels >= 0; got {time.shape} and {label.dtype} {label.shape}."
        raise ValueError(msg)
    content = io.BytesIO()  # HDF5 itself does not survive a full disk
    with h5py.File(content, "w") as file:
        group = file.create_group("spikes")
        times = group.create_dataset("times", (len(time),), h5py.vlen_dtype(np.float32))
        units = group.create_dataset("units", (len(time),), h5py.vlen_dtype(np.int32))
        for at, row in enumerate(time):
            times[at], units[at] = (
                (row[row < np.inf] / 1000.0).astype(np.float32),
                unit[at][row < np.inf].astype(np.int32),
            )
        file.create_dataset("labels", data=label)
    Path(path).write_bytes(content.getvalue())


def _batch(owner: str, time: Any, unit: Any, size: int | None) -> Spikes:
    """Spikes of one sample or a batch, padded with inf and -1, after every check."""
    if time.shape != unit.shape or time.ndim not in (1, 2) or time.dtype.kind != "f" or unit.dtype.kind not in "iu":
        msg = (
            f"{owner}: times and units must be floats and integers of one shape, (n,) or (samples, n); got "
            f"{time.dtype} {time.shape} and {unit.dtype} {unit.shape}."
        )
        raise ValueError(msg)
    for at, (row, units) in enumerate(zip(np.atleast_2d(time), np.atleast_2d(unit), strict=True)):
        there = ~(row == np.inf)
        if (there[1:] & ~there[:-1]).any():
            msg = f"{owner}: sample {at} has a spike behind padding (inf)."
            raise ValueError(msg)
        checked(f"{owner}: sample {at}", row[there], units[there], size)
    return Spikes(time, np.where(time < np.inf, unit, -1).astype(np.int32), size)
