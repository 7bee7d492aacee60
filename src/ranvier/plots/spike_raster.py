"""Spike rasters: who fired when, population above population, and how spikes travelled in between.

`raster` draws a tick for each spike; `causes` finds the events that did most to make one neuron fire, back to
the input; `travel` draws such events as thin lines from emission to arrival, whose horizontal extent is the
delay.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from ranvier.dense import dense
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.plots.style import EXCITATORY, FAINT, INHIBITORY, INK, LABEL, tidy

Rows = dict[str, Float[np.ndarray, " size"]]
GAP = 1.6
SHALLOWEST, DEEPEST = 4.0, 13.0
"""Height of the band of a population, in rows of the smallest."""


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
    axes: Axes,
    spikes: Mapping[str, Spikes],
    sizes: Mapping[str, int],
    *,
    colours: Mapping[str, Sequence[str]] | None = None,
    names: Mapping[str, Sequence[str]] | None = None,
) -> Rows:
    """Draw the spikes of several populations, the first one at the bottom.

    Args:
        axes: Where to draw.
        spikes: Spikes of one sample by population, shape (n,).
        sizes: Number of neurons of each population; its order is that of the picture.
        colours: One colour for each neuron of a population, where it is not to be dark grey.
        names: Names of the neurons of a population, shown on the axis.

    Returns:
        The height at which each neuron was drawn, by population.

    Raises:
        ValueError: `spikes` have a batch axis.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.plots import raster
        >>> from ranvier.plots.style import figure
        >>> spikes = {"input": rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))}
        >>> raster(figure(4.0, 3.0).add_subplot(), spikes, {"input": 2})["input"].tolist()
        [1.0, 3.0]
    """
    rows, base = {}, 0.0
    for name, size in sizes.items():
        depth = min(max(float(size), SHALLOWEST), DEEPEST)
        rows[name] = base + depth * (np.arange(size) + 0.5) / size
        _ticks(axes, name, spikes, rows[name], depth / size, (colours or {}).get(name, [INK] * size))
        base += depth + GAP
        axes.axhline(base - GAP / 2, color=FAINT, linewidth=0.6)
    axes.set_ylim(-GAP / 2, base - GAP / 2)
    _label(axes, rows, names or {}, colours or {})
    return rows


def _ticks(
    axes: Axes,
    name: str,
    spikes: Mapping[str, Spikes],
    heights: Float[np.ndarray, " size"],
    spacing: float,
    palette: Sequence[str],
) -> None:
    """A tick for each spike of one population; never too small to see."""
    half = 0.42 * min(max(spacing, 0.9), 1.6)
    train = _one(name, spikes[name]) if name in spikes else ([], [])
    pairs = [(float(time), int(unit)) for time, unit in zip(*train, strict=True)]
    ends = [[(time, heights[unit] - half), (time, heights[unit] + half)] for time, unit in pairs]
    shades = [palette[unit] for _, unit in pairs]
    axes.add_collection(LineCollection(ends, colors=shades, linewidths=2.2, label=name, zorder=3))


def _one(name: str, train: Spikes) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Times and units of one sample, padding left out."""
    time, unit = np.asarray(train.time), np.asarray(train.unit)
    if time.ndim != 1:
        msg = f"raster: `spikes` of {name!r} must be of one sample, shape (n,); got {time.shape}. Pick one."
        raise ValueError(msg)
    spike = np.isfinite(time)
    return time[spike], unit[spike]


def _label(axes: Axes, rows: Rows, names: Mapping[str, Sequence[str]], colours: Mapping[str, Sequence[str]]) -> None:
    """Population names at their bands, or names of neurons where there are some."""
    tidy(axes, x="time (ms)")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    places, texts, shades = [], [], []
    for name, heights in rows.items():
        known = name in names
        places += heights.tolist() if known else [float(heights.mean())]
        texts += list(names[name]) if known else [f"{name}\n({len(heights)})"]
        shades += list(colours.get(name, [INK] * len(heights))) if known else [INK]
    axes.set_yticks(places, texts, fontsize=LABEL)
    axes.tick_params(axis="y", length=0)
    for tick, shade in zip(axes.get_yticklabels(), shades, strict=True):
        tick.set_color(shade)
    axes.autoscale_view(scaley=False)


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
        rows: What `raster` returned.
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
