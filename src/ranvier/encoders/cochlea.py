"""A cochlea: from a sound to the spikes of its auditory nerve, one channel for each place along the basilar membrane.

    middle ear         x = sound filtered by the high-pass H(f) = i f/f_m / (1 + i f/f_m), f_m = `middle` Hz
    basilar membrane   y_c = x filtered by the gammatone H_c(f) = (1 + i (f - f_c)/b_c)^-4
    hair cell          r_c = max(y_c, 0)^p, then twice through a low-pass of first order at `locking` Hz
    nerve              a leaky integrator driven by r_c, whose threshold each spike raises for a while

Centre frequencies f_c lie evenly on the ERB scale, `21.4 log10(1 + 0.00437 f)`; b_c = 1.019 ERB(f_c), with
`ERB(f) = 24.7 (1 + 0.00437 f)` Hz. Far below `locking` the hair cell follows each period of the sound, so spikes lock
to its phase; far above only its envelope is left. Filters act on the spectrum of the whole sound: nothing of them is an
approximation in time, and their delay, about 14 ms at 80 Hz and under 1 ms at 7 kHz, is that of the gammatone.

Sources: Patterson, Nimmo-Smith, Holdsworth, Rice, APU report 2341 (1987), gammatones; Glasberg & Moore, Hear. Res. 47
(1990), ERB; Cramer, Stradmann, Schemmel, Zenke, IEEE TNNLS 33 (2022), spikes of 700 channels from spoken digits.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float, Int

from ranvier.encoders.hair_cells import HairCells, fire
from ranvier.events import Spikes

STEP = 0.25
"""Step of hair cells and nerve (ms)."""
TAIL = 64.0
"""Silence behind a sound (ms), in which the filters ring out before they could wrap around."""
FAINTEST = 1e-5
"""Root mean square below which a sound is silence; 1 is full scale, so that is -100 dB."""
CELLS = 4096
"""Cells that run side by side."""


class Train(NamedTuple):
    """Spikes of one sound, sorted by time.

    Args:
        time: Times (ms).
        unit: Channels, 0 the lowest.
    """

    time: Float[np.ndarray, " spikes"]
    unit: Int[np.ndarray, " spikes"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cochlea:
    """Turns sounds into spikes.

    Args:
        channels: Channels, 2 or more; 32 to 700 are usual.
        low: Centre frequency (Hz) of the lowest channel.
        high: That of the highest.
        level: Root mean square that each sound is scaled to, so that loud and soft ones fire alike.
        middle: Cut-off (Hz) of the middle ear's high-pass; 0 for none.
        compression: Power p of the hair cell; 1 is linear.
        locking: Cut-off (Hz) of the hair cell's low-pass: how far up spikes lock to the phase of a sound.
        gain: Potential of the nerve for a steady drive of 1, in units of its threshold.
        tau_mem: Its membrane time constant (ms).
        refractory: Time (ms) after a spike in which it is at rest.
        adaptation: What each spike adds to its threshold.
        tau_adapt: Time constant (ms) with which that is forgotten.

    Raises:
        ValueError: a number is out of range.

    Example:
        >>> import numpy as np
        >>> from ranvier.encoders import Cochlea
        >>> tone = np.sin(2 * np.pi * 440.0 * np.arange(16_000) / 16_000)
        >>> ear = Cochlea(channels=64)
        >>> spikes = ear(tone, rate=16_000)
        >>> busiest = np.bincount(spikes.unit).argmax()
        >>> spikes.size, bool(abs(ear.centres[busiest] / 440.0 - 1.0) < 0.1)
        (64, True)
    """

    channels: int = 140
    low: float = 80.0
    high: float = 7000.0
    level: float = 0.1
    middle: float = 500.0
    compression: float = 0.5
    locking: float = 1000.0
    gain: float = 60.0
    tau_mem: float = 2.0
    refractory: float = 2.0
    adaptation: float = 1.0
    tau_adapt: float = 50.0

    def __post_init__(self):
        above = ["low", "level", "compression", "locking", "gain", "tau_mem", "tau_adapt"]
        for name in above:
            if not 0 < getattr(self, name) < math.inf:
                msg = f"Cochlea: `{name}` must be finite and above 0; got {getattr(self, name)}."
                raise ValueError(msg)
        for name in ("middle", "refractory", "adaptation"):
            if not 0 <= getattr(self, name) < math.inf:
                msg = f"Cochlea: `{name}` must be finite and at least 0; got {getattr(self, name)}."
                raise ValueError(msg)
        if not self.low < self.high < math.inf:
            msg = f"Cochlea: `high` must be a frequency in Hz above `low` = {self.low}; got {self.high}."
            raise ValueError(msg)
        if not (isinstance(self.channels, int) and self.channels >= 2):
            msg = f"Cochlea: `channels` must be a whole number of at least 2; got {self.channels}."
            raise ValueError(msg)

    @property
    def centres(self) -> Float[np.ndarray, " channels"]:
        """Centre frequencies (Hz), ascending."""
        ends = 21.4 * np.log10(1.0 + 0.00437 * np.array([self.low, self.high]))
        return (10.0 ** (np.linspace(ends[0], ends[1], self.channels) / 21.4) - 1.0) / 0.00437

    def __call__(self, sound: Float[np.ndarray, " samples"], *, rate: float | int) -> Spikes:
        """Spikes of a sound.

        Args:
            sound: Sound pressure over time, one channel, any scale.
            rate: Samples per second; half of it must not lie below `high`.

        Returns:
            `Spikes` of shape (n,), sorted, all before the end of the sound.

        Raises:
            ValueError: the sound is silent, not finite, or empty, or `rate` is too low.
        """
        (train,) = self.trains([sound], rate=rate)
        return Spikes(train.time, train.unit, size=self.channels)

    def trains(self, sounds: Sequence[Float[np.ndarray, " _"]], *, rate: float | int) -> list[Train]:
        """Spikes of several sounds of any lengths, as if each were alone, but faster: hair cells run side by side.

        Args:
            sounds: The sounds, each of one channel.
            rate: Samples per second of all of them.

        Raises:
            ValueError: as when called with one sound; the message says which.
        """
        aside = max(1, CELLS // self.channels)
        found = []
        for first in range(0, len(sounds), aside):
            drives = [self.drive(sound, rate=rate) for sound in sounds[first : first + aside]]
            found += self._nerve(drives)
        return found

    def drive(self, sound: Float[np.ndarray, " samples"], *, rate: float | int) -> Float[np.ndarray, "channels steps"]:
        """What drives each nerve fibre, the potential of its hair cell, in steps of `STEP` = 0.25 ms.

        Args:
            sound: The sound.
            rate: Samples per second.

        Raises:
            ValueError: as when called.
        """
        loud = self._scaled(sound, rate)
        bank = _bank(
            self.channels, self.low, self.high, self.middle, self.locking, _longer(len(loud), rate), float(rate)
        )
        spectrum = np.fft.rfft(loud, bank.length)[: bank.membrane.shape[1]] * np.float32(bank.points / bank.length)
        moved = np.fft.irfft(spectrum * bank.membrane, bank.points, axis=1)
        np.maximum(moved, 0.0, out=moved)
        bent = np.sqrt(moved) if self.compression == 0.5 else moved ** np.float32(self.compression)
        inside = np.fft.rfft(bent, axis=1)[:, : len(bank.cell)]
        smooth = np.fft.irfft(inside * bank.cell, bank.steps, axis=1)
        return np.maximum(smooth[:, : math.ceil(1000.0 * len(loud) / rate / STEP)], 0.0)

    def _scaled(self, sound: Float[np.ndarray, " samples"], rate: float | int) -> Float[np.ndarray, " samples"]:
        """The sound at the wanted level."""
        if self.high > rate / 2:
            msg = (
                f"Cochlea: sounds of {rate:g} samples per second hold nothing above {rate / 2:g} Hz, but `high` is "
                f"{self.high:g} Hz; lower `high` to {0.45 * rate:g}, or take sounds of a higher rate."
            )
            raise ValueError(msg)
        given = np.asarray(sound, np.float64)
        if given.ndim != 1 or given.size == 0:
            msg = f"Cochlea: a sound must have shape (samples,), at least one sample; got {given.shape}."
            raise ValueError(msg)
        if not np.isfinite(given).all():
            msg = f"Cochlea: a sound must be finite; got {given[~np.isfinite(given)][0]}."
            raise ValueError(msg)
        given = given - given.mean()
        loudness = math.sqrt(np.mean(given**2))
        if loudness < FAINTEST:
            msg = f"Cochlea: a sound is silent: its root mean square is {loudness:.1g} of full scale."
            raise ValueError(msg)
        return (given * (self.level / loudness)).astype(np.float32)

    def _nerve(self, drives: Sequence[Float[np.ndarray, "channels _"]]) -> list[Train]:
        """Spikes of several sounds, whose cells stand side by side; a sound's own are those before its end."""
        steps = max(drive.shape[1] for drive in drives)
        lanes = np.zeros((steps, len(drives), self.channels), np.float32)
        for place, drive in enumerate(drives):
            lanes[: drive.shape[1], place] = drive.T
        numbers = HairCells(self.gain, self.tau_mem, self.refractory, self.adaptation, self.tau_adapt)
        time, lane = fire(lanes.reshape(steps, -1), STEP, numbers)
        found = []
        for place, drive in enumerate(drives):
            own = (lane // self.channels == place) & (time < drive.shape[1] * STEP)
            order = np.lexsort((lane[own], time[own]))
            found.append(Train(time[own][order], (lane[own] % self.channels)[order].astype(np.int32)))
        return found


def _smooth(number: int) -> int:
    """The next number whose factors are 2, 3 and 5, for which Fourier transforms are fast."""
    while True:
        rest = number
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return number
        number += 1


def _longer(samples: int, rate: float | int) -> int:
    """Samples up to the next eighth of a second: sounds of similar lengths share their filters."""
    eighth = rate / 8.0
    return math.ceil(math.ceil(samples / eighth - 1e-9) * eighth)


class _Bank(NamedTuple):
    """Filters for sounds of one length and rate: points of each transform, and gains by frequency."""

    length: int
    points: int
    steps: int
    membrane: Complex[np.ndarray, "channels frequencies"]
    cell: Complex[np.ndarray, " frequencies"]


@lru_cache(maxsize=8)
def _bank(
    channels: int, low: float, high: float, middle: float, locking: float, samples: int, rate: float | int
) -> _Bank:
    """The filters. All transforms span the same time, a whole number of steps, so that cutting a spectrum resamples."""
    steps = _smooth(math.ceil((1000.0 * samples / rate + TAIL) / STEP))
    seconds = steps * STEP / 1000.0
    length = max(round(seconds * rate), samples)
    seconds = length / rate
    points = _smooth(max(math.ceil(seconds * max(16_000.0, 2.2 * high)), steps))
    frequency = np.arange(min(points, length) // 2 + 1) / seconds
    centre = Cochlea(channels=channels, low=low, high=high).centres[:, None]
    width = 1.019 * 24.7 * (1.0 + 0.00437 * centre)
    membrane = (1.0 + 1j * (frequency - centre) / width) ** -4
    if middle > 0:
        membrane *= 1j * frequency / (middle + 1j * frequency)
    slow = np.arange(steps // 2 + 1) / seconds
    cell = (1.0 + 1j * slow / locking) ** -2 * (steps / points)
    return _Bank(length, points, steps, membrane.astype(np.complex64), cell.astype(np.complex64))
