"""Spike rasters: who fired when, population above population, and how spikes travelled in between.

`raster` draws a tick for each spike, and the potentials of populations that do not spike; `causes` finds the events
that did most to make one neuron fire, back to the input; `travel` draws such events as thin lines from emission to
arrival, whose horizontal extent is the delay.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ranvier.dense import dense
from ranvier.events import Spikes, known_size
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.plots.style import CLASSES, EXCITATORY, FAINT, INHIBITORY, INK, LABEL, axes_or_new, tidy

Rows = dict[str, Float[np.ndarray, " size"]]
Voltages = tuple[Float[np.ndarray, " times"], Float[np.ndarray, "times size"]]
GAP = 1.6
SHALLOWEST, DEEPEST = 4.0, 13.0
"""Height of the band of a population, in rows of the smallest."""
MANY = 300
"""More spikes than that in a picture have thin ticks."""
SMALLEST = 5.0
"""Smallest size of a name (points); smaller ones are left out."""


class Event(NamedTuple):
    """What a spike of neuron `source` of `pre` does to neuron `target` of `post`: when it was emitted, when
    it arrived, with what weight, and when the target then fired (ms).
    """

    pre: str
    source: int
    emitted: float
    post: str
    target: int
    arrived: float
    weight: float
    fired: float


def raster(
    spikes: Spikes | Mapping[str, Spikes],
    *,
    t_end: float | None = None,
    voltages: Mapping[str, Voltages] | None = None,
    colours: Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the spikes of several populations, the first one at the bottom, and the potentials of others above them.

    Args:
        spikes: Spikes of one sample, shape (n,), or of several populations by name, in the order of the picture. Their
            `size` must be known, as it is after `simulate`.
        t_end: End of the time axis (ms); default the last spike or recorded time.
        voltages: Of populations that do not spike the record times, and the potentials of the sample, as in
            `Solution.voltages`: {population: (times, (times, size))}.
        colours: One colour for each neuron of a population, where it is not to be dark grey.
        names: Names of the neurons of a population, shown on the axis where there is room.
        ax: Where to draw; default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: `spikes` have a batch axis, or their `size` is not known.

    Example:
        >>> import ranvier as rv
        >>> trains = {"input": rv.Spikes([1.0, 2.0], [0, 1], size=2), "output": rv.Spikes([3.0], [0], size=1)}
        >>> rv.plots.raster(trains, t_end=5.0).get_xlabel()
        'time (ms)'
    """
    trains = {"": spikes} if isinstance(spikes, Spikes) else dict(spikes)
    traces = dict(voltages or {})
    sizes = {name: known_size(train, "raster") for name, train in trains.items()}
    sizes |= {name: values.shape[1] for name, (_, values) in traces.items()}
    rows = heights(sizes)
    total = _top(rows, sizes)
    axes = axes_or_new(ax, 7.0, float(np.clip(0.17 * total + 0.8, 2.4, 9.0)))
    count = sum(int(np.isfinite(train.time).sum()) for train in trains.values())
    latest = [0.0]
    for name, train in trains.items():
        latest += _ticks(axes, name, train, rows[name], (colours or {}).get(name), 2.2 if count < MANY else 0.9)
    for name, (times, values) in traces.items():
        latest += _traces(axes, np.asarray(times), np.asarray(values), rows[name], (colours or {}).get(name))
    _label(axes, rows, sizes, names or {}, colours or {})
    end = t_end if t_end is not None else max(latest) or 1.0
    axes.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-GAP / 2, total))
    return axes


def heights(sizes: Mapping[str, int]) -> Rows:
    """The height at which `raster` draws each neuron, by population; the first population is at the bottom.

    Args:
        sizes: Number of neurons of each population, in the order of the picture.

    Example:
        >>> from ranvier.plots.spike_raster import heights
        >>> heights({"input": 2})["input"].tolist()
        [1.0, 3.0]
    """
    rows, base = {}, 0.0
    for name, size in sizes.items():
        depth = min(max(float(size), SHALLOWEST), DEEPEST)
        rows[name] = base + depth * (np.arange(size) + 0.5) / size
        base += depth + GAP
    return rows


def _edges(rows: Float[np.ndarray, " size"]) -> tuple[float, float]:
    """Lower and upper edge of a population's band."""
    depth = min(max(float(len(rows)), SHALLOWEST), DEEPEST)
    middle = float(rows.mean())
    return middle - depth / 2, middle + depth / 2


def _top(rows: Rows, sizes: Mapping[str, int]) -> float:
    """Upper edge of the picture."""
    return max((_edges(rows[name])[1] for name in sizes), default=1.0) + GAP / 2


def _ticks(
    axes: Axes,
    name: str,
    train: Spikes,
    rows: Float[np.ndarray, " size"],
    palette: Sequence[str] | None,
    width: float,
) -> list[float]:
    """A tick for each spike of one population; the times of its spikes."""
    low, high = _edges(rows)
    half = float(np.clip(0.42 * (high - low) / len(rows), 0.12, 0.68))
    times, units = _one(name, train)
    ends = [[(time, rows[unit] - half), (time, rows[unit] + half)] for time, unit in zip(times, units, strict=True)]
    shades = [INK if palette is None else palette[unit] for unit in units]
    axes.add_collection(LineCollection(ends, colors=shades, linewidths=width, label=name, zorder=3))
    return times.tolist()


def _traces(
    axes: Axes,
    times: Float[np.ndarray, " times"],
    values: Float[np.ndarray, "times size"],
    rows: Float[np.ndarray, " size"],
    palette: Sequence[str] | None,
) -> list[float]:
    """The potentials of one population in its band, with their range beside it; the times."""
    low, high = _edges(rows)
    finite = values[np.isfinite(values)]
    least, most = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    scale = 0.9 * (high - low) / ((most - least) or 1.0)
    few = values.shape[1] <= len(CLASSES)
    for unit, trace in enumerate(values.T):
        shade = palette[unit] if palette is not None else CLASSES[unit] if few else INK
        drawn = low + 0.05 * (high - low) + scale * (trace - least)
        axes.plot(times, drawn, color=shade, linewidth=1.4 if few else 0.6, alpha=1.0 if few else 0.5, zorder=3)
    for value, place, side in ((least, low, "bottom"), (most, high, "top")):
        axes.annotate(
            f"{value:.2g}", (1.0, place), xycoords=axes.get_yaxis_transform(), fontsize=7, color=INK, ha="right",
            va=side,
        )  # fmt: skip
    return times.tolist()


def _one(name: str, train: Spikes) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Times and units of one sample, padding left out."""
    time, unit = np.asarray(train.time), np.asarray(train.unit)
    if time.ndim != 1:
        msg = f"raster: `spikes` of {name!r} must be of one sample, shape (n,); got {time.shape}. Pick one."
        raise ValueError(msg)
    spike = np.isfinite(time)
    return time[spike], unit[spike]


def _label(
    axes: Axes,
    rows: Rows,
    sizes: Mapping[str, int],
    names: Mapping[str, Sequence[str]],
    colours: Mapping[str, Sequence[str]],
) -> None:
    """Population names at their bands, or names of neurons where there are some and they fit."""
    tidy(axes, x="time (ms)")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    row = axes.get_window_extent().height * 72 / axes.figure.dpi / _top(rows, sizes)  # points
    places, texts, shades, fonts = [], [], [], []
    for name, at in rows.items():
        low, high = _edges(at)
        axes.axhline(high + GAP / 2, color=FAINT, linewidth=0.6)
        font = min(LABEL, 0.85 * row * (high - low) / len(at))
        known = name in names and font >= SMALLEST
        lines = [*textwrap.wrap(name, 14), f"({len(at)})"]
        font = font if known else max(SMALLEST, min(LABEL, row * (high - low + GAP) / (1.25 * len(lines))))
        places += at.tolist() if known else [float(at.mean())]
        texts += list(names[name]) if known else ["\n".join(lines)]
        shades += list(colours.get(name, [INK] * len(at))) if known else [INK]
        fonts += [font] * (len(at) if known else 1)
    axes.set_yticks(places, texts)
    axes.tick_params(axis="y", length=0)
    for tick, shade, font in zip(axes.get_yticklabels(), shades, fonts, strict=True):
        tick.set(color=shade, fontsize=font)


def causes(
    network: Network,
    spikes: Mapping[str, Spikes],
    population: str,
    unit: int,
    *,
    counts: Sequence[int] = (6, 2),
) -> list[Event]:
    """Events that did most to make a neuron fire first, and those that made their senders fire.

    What an event did is `|w| e^{-(t - arrival) / tau_syn}`, its current when the neuron fires at t.

    Args:
        network: The network.
        spikes: Spikes of one sample, of every population, inputs included.
        population: Population of the neuron.
        unit: The neuron; without a spike it has no causes.
        counts: How many events to name for the neuron, for each of their senders, for each of theirs, and so
            on.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.plots.spike_raster import causes
        >>> net = rv.feedforward([2, 1], neuron=rv.LIF(), weight=rv.initializers.constant(9.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> fired = rv.simulate(net, spikes, rv.EventDriven(), t_end=20.0).spikes
        >>> [event.source for event in causes(net, {"input": spikes, **fired}, "output", 0)]
        [1, 0]
    """
    trains = {name: _one(name, train) for name, train in spikes.items()}
    found: list[Event] = []
    seen: set[tuple[str, int, float]] = set()
    front = [(population, unit, float(min(trains[population][0][trains[population][1] == unit], default=np.nan)))]
    for count in counts:
        fresh = [event for place in front if place not in seen for event in _onto(network, trains, *place, count)]
        seen.update(front)
        found += fresh
        front = list(dict.fromkeys((event.pre, event.source, event.emitted) for event in fresh))
        front = [place for place in front if place[0] in network.neurons]
    return found


def _onto(
    network: Network,
    trains: Mapping[str, tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]],
    post: str,
    target: int,
    before: float,
    count: int,
) -> list[Event]:
    """The strongest events onto one neuron before some time."""
    neuron = linear(network.neurons[post], "plots: the strength of an event", "It decays with tau_syn.")
    tau = float(np.broadcast_to(np.asarray(neuron.tau_syn), network.size(post))[target])
    events: list[tuple[float, Event]] = []
    for link in dense(network):
        if link.post != post:
            continue
        time, unit = trains[link.pre]
        delay = np.broadcast_to(np.asarray(link.delay), link.weight.shape)[:, target]
        weight = np.asarray(link.weight)[:, target]
        there = np.full(weight.shape, True) if link.exists is None else np.asarray(link.exists)[:, target]
        for emitted, source in zip(time.tolist(), unit.tolist(), strict=True):
            arrived = emitted + float(delay[source])
            if there[source] and arrived < before:
                effect = abs(float(weight[source])) * np.exp((arrived - before) / tau)
                event = Event(link.pre, source, emitted, post, target, arrived, float(weight[source]), before)
                events.append((-effect, event))
    return [event for _, event in sorted(events)[:count]]


def travel(axes: Axes, rows: Rows, events: Sequence[Event]) -> None:
    """Draw events as lines from where and when they were emitted to where and when they arrived.

    A fainter line goes on from the arrival to the spike that the target fired.

    Args:
        axes: Where to draw; a `raster` is there already.
        rows: The rows of the raster, from `heights`.
        events: The events; excitatory ones grey, inhibitory ones red, the stronger the wider.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots.spike_raster import Event, travel
        >>> from ranvier.plots.style import figure
        >>> axes = figure(4.0, 3.0).add_subplot()
        >>> event = Event("a", 0, 1.0, "b", 0, 1.5, weight=0.7, fired=1.8)
        >>> travel(axes, {"a": np.array([0.0]), "b": np.array([2.0])}, [event])
        >>> len(axes.collections)
        3
    """
    if not events:
        return
    ends = [(event.arrived, rows[event.post][event.target]) for event in events]
    lines = [[(event.emitted, rows[event.pre][event.source]), end] for event, end in zip(events, ends, strict=True)]
    shades = [EXCITATORY if event.weight >= 0 else INHIBITORY for event in events]
    strongest = max(abs(event.weight) for event in events) or 1.0
    widths = [0.5 + 1.1 * abs(event.weight) / strongest for event in events]
    axes.add_collection(LineCollection(lines, colors=shades, linewidths=widths, alpha=0.6, zorder=2))
    stays = [[end, (event.fired, end[1])] for event, end in zip(events, ends, strict=True)]
    axes.add_collection(LineCollection(stays, colors=shades, linewidths=0.8, alpha=0.25, zorder=1))
    axes.scatter(*zip(*ends, strict=True), s=9, c=shades, linewidths=0, zorder=4)
