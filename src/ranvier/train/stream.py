"""A data set that is read batch by batch, so that it may be larger than memory.

Batches are bucketed by length: the order of an epoch is drawn at random, cut into shelves of some batches, sorted by
the number of spikes within each shelf, and cut into batches, whose order is drawn again. A batch is as wide as its
longest sample, rounded up to a power of two or one and a half of it, so that few programs are compiled.
"""

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, PRNGKeyArray

from ranvier.datasets.spike_files import Rows
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.train.checkpoint import digest
from ranvier.train.dataset import Dataset

SHELF = 8
"""Batches of a shelf."""
NARROWEST = 64
"""Smallest width of a batch, in spikes."""


@runtime_checkable
class Source(Protocol):
    """Where spikes are read: `ranvier.datasets.SpikeFile`, or what wraps one."""

    channels: int
    """Number of units."""
    count: Int[np.ndarray, " samples"]
    """Spikes of each sample, or more than that."""
    end: float
    """Time (ms) of the last spike, or later."""
    checksum: int
    """Another one for other spikes."""

    def read(self, rows: Int[np.ndarray, " n"]) -> Rows:
        """Spikes of some samples, in that order."""
        ...


class Batch(NamedTuple):
    """Some samples, at the end those of weight 0, which fill a batch up.

    Args:
        data: Spikes and classes.
        weight: 1 for each sample, 0 for what only fills up.
        rows: Which samples they are, without those; where the batch is read in parts, those of all parts.
    """

    data: Dataset
    weight: Float[np.ndarray, " batch"]
    rows: Int[np.ndarray, " _"]


class Stream:
    """Samples that are read when they are needed. `fit` takes it in place of a `Dataset`.

    Args:
        source: Where they are read.
        rows: Which of its samples.
        target: Class of each of them.
        classes: Number of classes.
        dtype: Precision of times.

    Raises:
        ValueError: there is no sample, or rows and classes do not fit together.

    Example:
        >>> import tempfile, numpy as np
        >>> from ranvier.datasets import SpikeWriter, read_spike_file
        >>> from ranvier.train import Stream
        >>> path = tempfile.mkdtemp() + "/two.h5"
        >>> with SpikeWriter(path, classes=("no", "yes"), channels=3) as out:
        ...     out.add(np.array([1.0, 5.5]), np.array([0, 2]), label=1)
        ...     out.add(np.array([2.5]), np.array([1]), label=0)
        >>> stream = Stream(read_spike_file(path), np.array([0, 1]), np.array([1, 0]), classes=2)
        >>> stream.take(np.array([1])).spikes.time[0, :2].tolist()
        [2.5, inf]
    """

    def __init__(
        self,
        source: Source,
        rows: Int[np.ndarray, " n"],
        target: Int[np.ndarray, " n"],
        *,
        classes: int,
        dtype: str = "float32",
    ):
        self.source, self.rows, self.target, self.classes, self.dtype = source, rows, target, classes, dtype
        if len(rows) == 0 or len(rows) != len(target) or target.min() < 0 or target.max() >= classes:
            msg = (
                f"Stream: expected at least one sample and a class below {classes} for each; got {len(rows)} samples, "
                f"{len(target)} classes{f' up to {target.max()}' if len(target) else ''}."
            )
            raise ValueError(msg)

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.rows)

    def check(self, network: Network, t_end: float) -> None:
        """Refuse spikes that the network cannot be simulated with; the first sample of most spikes is looked at whole.

        Args:
            network: The network.
            t_end: End of a simulation (ms).

        Raises:
            ValueError: the network has another number of inputs, or several input populations; or there are
                spikes after `t_end`.
        """
        if len(network.inputs) != 1 or network.size(network.inputs[0]) != self.source.channels:
            there = {name: network.size(name) for name in network.inputs}
            msg = f"Stream: the data have {self.source.channels} channels; the network's inputs are {there}."
            raise ValueError(msg)
        if self.source.end > t_end:
            msg = f"Stream: spikes up to {self.source.end:g} ms; the simulation ends at t_end = {t_end:g} ms."
            raise ValueError(msg)
        self.take(np.array([int(np.argmax(self.source.count[self.rows]))])).check(network, t_end)

    def digest(self) -> str:
        """A short fingerprint, by which a resumed run knows its data again."""
        return digest([np.array(self.source.checksum, np.int64), self.rows, self.target])[:16]

    def take(self, places: Int[np.ndarray, " n"], *, fill: int = 0, width: int | None = None) -> Dataset:
        """Some samples as a data set in memory.

        Args:
            places: Their places in this stream.
            fill: Empty samples to add at the end.
            width: Places for the spikes of a sample; default what they need.
        """
        start, time, unit = self.source.read(self.rows[places])
        count = np.diff(start)
        width = _width(int(count.max(initial=0))) if width is None else width
        shape = (len(places) + fill, width)
        times, units = np.full(shape, np.inf, self.dtype), np.full(shape, -1, np.int32)
        row = np.repeat(np.arange(len(places)), count)
        column = np.arange(len(time)) - np.repeat(start[:-1], count)
        times[row, column], units[row, column] = time, unit
        target = np.concatenate([self.target[places], np.zeros(fill, self.target.dtype)])
        spikes = Spikes(jnp.asarray(times), jnp.asarray(units), size=self.source.channels)
        return Dataset(spikes, target, classes=self.classes)

    def batches(
        self, size: int, key: PRNGKeyArray | None = None, *, room: int | None = None, part: tuple[int, int] = (0, 1)
    ) -> Iterator[Batch]:
        """All samples once, batch by batch.

        Args:
            size: Samples of a batch; the last one is filled up.
            key: Decides the order; without it samples are sorted by length.
            room: Places of a batch for samples, where it is filled up to more than `size`.
            part: Only one of so many equal parts of each batch is read: its number, and how many there are.
        """
        number, parts = part
        each = (size if room is None else room) // parts
        for places in self.order(size, key):
            own = places[number * each : (number + 1) * each]
            weight = number * each + np.arange(each) < len(places)
            width = None if parts == 1 else _width(int(self.source.count[self.rows[places]].max(initial=0)))
            data = self.take(own, fill=each - len(own), width=width)
            yield Batch(data, weight.astype(self.dtype), places)

    def order(self, size: int, key: PRNGKeyArray | None = None) -> list[Int[np.ndarray, " _"]]:
        """Which samples come in which batch.

        Args:
            size: As for `batches`.
            key: As for `batches`.
        """
        count = self.source.count[self.rows]
        if key is None:
            order = np.argsort(count, kind="stable")
            return [order[first : first + size] for first in range(0, self.size, size)]
        first, second = jax.random.split(key)
        drawn = np.asarray(jax.random.permutation(first, self.size))
        shelves = [drawn[begin : begin + SHELF * size] for begin in range(0, self.size, SHELF * size)]
        drawn = np.concatenate([shelf[np.argsort(count[shelf], kind="stable")] for shelf in shelves])
        packs = [drawn[begin : begin + size] for begin in range(0, self.size, size)]
        return [packs[at] for at in np.asarray(jax.random.permutation(second, len(packs)))]


def _width(longest: int) -> int:
    """The next power of two, or one and a half of one."""
    whole = NARROWEST
    while whole < longest:
        whole *= 2
    return whole * 3 // 4 if longest <= whole * 3 // 4 and whole > NARROWEST else whole
