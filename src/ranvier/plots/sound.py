"""What a cochlea does to a sound: the sound, the potentials of its hair cells, the spikes of its nerve."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ranvier.events import Spikes
from ranvier.plots.style import INK, LABEL, figure, tidy

TICKS = (100.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Frequencies (Hz) that are named, where there are channels for them."""


def cochleagram(
    sound: Float[np.ndarray, " samples"],
    rate: float | int,
    drive: Float[np.ndarray, "cells steps"],
    spikes: Spikes,
    centres: Float[np.ndarray, " channels"],
    *,
    title: str = "",
) -> Figure:
    """Draw a sound, what its hair cells make of it, and the spikes that follow.

    Args:
        sound: Samples of the sound.
        rate: Samples per second.
        drive: Potential of each hair cell, from the beginning to the end of the sound: `Cochlea.drive`.
        spikes: Spikes of one sample, shape (n,).
        centres: Centre frequency (Hz) of each channel, ascending: `Cochlea.centres`.
        title: What is heard.

    Returns:
        The figure.

    Raises:
        ValueError: there are not as many hair cells as centre frequencies.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> sound, ear = np.sin(np.arange(4000) / 5.0), rv.encoders.Cochlea(channels=32)
        >>> drive, spikes = ear.drive(sound, rate=16_000), ear(sound, rate=16_000)
        >>> page = rv.plots.cochleagram(sound, 16_000, drive, spikes, ear.centres)
        >>> len(page.axes)
        3
    """
    if len(drive) != len(centres):
        msg = f"cochleagram: `drive` must have one row for each of the {len(centres)} channels; got {drive.shape}."
        raise ValueError(msg)
    page = figure(9.0, 7.0, layout="constrained")
    top, middle, bottom = page.subplots(3, 1, sharex=True, height_ratios=[1, 2, 2])
    end = 1000.0 * len(sound) / rate
    top.plot(1000.0 * np.arange(len(sound)) / rate, sound, color=INK, linewidth=0.5)
    tidy(top, title=title or "sound", y="pressure")
    shade = np.sqrt(drive / max(float(drive.max()), 1e-12))
    middle.imshow(
        shade, aspect="auto", origin="lower", extent=(0.0, end, 0.0, len(drive)), cmap="Greys", vmin=0, vmax=1
    )
    tidy(middle, title="potential of the hair cells (square root)")
    there = np.isfinite(np.asarray(spikes.time))
    time, unit = np.asarray(spikes.time)[there], np.asarray(spikes.unit)[there]
    bottom.scatter(time, unit + 0.5, s=2.0, marker="|", color=INK, linewidths=0.7)
    tidy(bottom, title=f"{len(time)} spikes of {len(centres)} channels", x="time (ms)")
    named = [hertz for hertz in TICKS if centres[0] <= hertz <= centres[-1]]
    for axes in (middle, bottom):
        axes.set_yticks(np.interp(named, centres, np.arange(len(centres)) + 0.5))
        axes.set_yticklabels([f"{hertz / 1000:g} k" if hertz >= 1000 else f"{hertz:g}" for hertz in named])
        axes.set_ylabel("centre frequency (Hz)", fontsize=LABEL, color=INK)
        axes.set_ylim(0, len(centres))
        axes.grid(visible=False)
    bottom.set_xlim(0.0, end)
    return page
