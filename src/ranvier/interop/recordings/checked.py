"""The checks that all readers share."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float

from ranvier._concrete import concrete
from ranvier.events import Spikes

ROUNDING = 1e-3
"""Rounding of a time (ms) that is told."""


class Recording(NamedTuple):
    """Spikes that were read, and how many events are not among them.

    Args:
        spikes: The spikes, of one sample.
        left_out: Events that the address map, or the format, says are none.
    """

    spikes: Spikes
    left_out: int


def opened(owner: str, path: str | Path) -> bytes:
    """The content of a file.

    Args:
        owner: Who asks, for messages.
        path: The file.

    Raises:
        FileNotFoundError: there is no such file, or it is a folder.

    Example:
        >>> from ranvier.interop.recordings.checked import opened
        >>> try:
        ...     opened("read_csv", "none.csv")
        ... except FileNotFoundError as error:
        ...     print(error)
        read_csv: there is no file none.csv.
    """
    if not Path(path).is_file():
        msg = f"{owner}: there is no file {path}."
        raise FileNotFoundError(msg)
    return Path(path).read_bytes()


def checked(
    owner: str,
    time: ArrayLike | Sequence[Any],
    unit: ArrayLike | Sequence[Any],
    size: int | None,
    *,
    sort: bool = False,
) -> Spikes:
    """Spikes of one sample, after every check.

    Args:
        owner: Who asks, with the file, for messages.
        time: Times (ms).
        unit: Units.
        size: Number of units; None if it is not known.
        sort: Put them in order of time; those of equal time keep their order.

    Warns:
        UserWarning: float32 rounds a time by more than a microsecond, as it does from about half a minute on.

    Raises:
        ValueError: numbers of times and units differ, a time is negative or not finite, a unit is not a whole number in
            0..size - 1, or times are not in order and `sort` is not set.

    Example:
        >>> from ranvier.interop.recordings.checked import checked
        >>> checked("example", [2.0, 1.0], [0, 1], 2, sort=True).time.tolist()
        [1.0, 2.0]
    """
    time, unit = np.asarray(time), np.asarray(unit)
    if time.shape != unit.shape or time.ndim != 1:
        msg = f"{owner}: needs as many times as units; got {time.shape} and {unit.shape}."
        raise ValueError(msg)
    if time.dtype.kind not in "fiu" or unit.dtype.kind not in "fiu":
        msg = f"{owner}: times and units must be numbers; got {time.dtype} and {unit.dtype}."
        raise ValueError(msg)
    time = time.astype(float)  # float16 first: in another unit it would overflow
    if size is not None and (isinstance(size, bool) or not isinstance(size, int | np.integer) or size < 1):
        msg = f"{owner}: `size` must be a whole number of units, at least 1; got {size!r}."
        raise ValueError(msg)
    _refuse(owner, ~(np.isfinite(time) & (time >= 0)), time, "times must be finite and >= 0 (ms)")
    wrong = (unit != np.floor(unit)) | (unit < 0) | (unit >= (2**31 if size is None else size))
    _refuse(owner, wrong, unit, f"units must be whole numbers in 0..{'' if size is None else size - 1}")
    late = np.append(False, time[1:] < time[:-1])
    if late.any() and not sort:
        at = int(np.argmax(late))
        msg = (
            f"{owner}: times must be in order; event {at} comes at {time[at]:g} ms, after one at {time[at - 1]:g} ms. "
            "`sort=True` puts them in order."
        )
        raise ValueError(msg)
    order = np.argsort(time, kind="stable")
    kept = jnp.asarray(time[order])
    _tell_rounding(owner, time[order], np.asarray(kept, float))
    return Spikes(kept, jnp.asarray(unit[order].astype(np.int32)), None if size is None else int(size))


def _tell_rounding(owner: str, time: Float[np.ndarray, " n"], kept: Float[np.ndarray, " n"]) -> None:
    """Long recordings have times that float32 does not hold."""
    rounding = float(np.abs(kept - time).max(initial=0.0))
    if rounding > ROUNDING:
        words = (
            f"{owner}: times of up to {time[-1]:g} ms do not fit into float32: they were rounded by up to "
            f"{rounding:.3g} ms. Cut the recording into shorter ones, or turn on jax_enable_x64."
        )
        warnings.warn(words, UserWarning, stacklevel=4)


def _refuse(owner: str, wrong: np.ndarray, values: np.ndarray, wanted: str) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        msg = f"{owner}: {wanted}; event {at} has {values[at]}."
        raise ValueError(msg)


def known(owner: str, spikes: Spikes) -> tuple[Float[np.ndarray, "..."], Any]:
    """Times and units of spikes that are to be written.

    Args:
        owner: Who asks, for messages.
        spikes: The spikes.

    Raises:
        ValueError: they are traced.

    Example:
        >>> import ranvier as rv
        >>> from ranvier.interop.recordings.checked import known
        >>> known("example", rv.Spikes([1.0], [0]))[0].tolist()
        [1.0]
    """
    time, unit = concrete(spikes.time), concrete(spikes.unit)
    if time is None or unit is None:
        msg = f"{owner}: the spikes must be known; they are traced. Call this outside of jit, grad and vmap."
        raise ValueError(msg)
    return time, unit


def single(owner: str, spikes: Spikes) -> tuple[Float[np.ndarray, " spikes"], Any]:
    """Times and units of one sample, without padding.

    Args:
        owner: Who asks, for messages.
        spikes: The spikes.

    Raises:
        ValueError: they are traced, or a batch.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.interop.recordings.checked import single
        >>> single("example", rv.Spikes([1.0, jnp.inf], [0, -1]))[0].tolist()
        [1.0]
    """
    time, unit = known(owner, spikes)
    if time.ndim != 1:
        msg = f"{owner}: writes one sample at a time; got spikes of shape {time.shape}."
        raise ValueError(msg)
    there = time < np.inf
    return time[there], unit[there]
