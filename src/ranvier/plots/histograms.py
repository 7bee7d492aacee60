"""Histograms of weights and delays, after training and before it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, MaxNLocator

from ranvier.network import Network
from ranvier.plots.style import DELAY, FAINT, INK, SMALL, WEIGHT, figure, tidy

ACROSS = 4
"""Histograms side by side in a new figure."""


class Parameters(NamedTuple):
    """All numbers of one kind of one connection."""

    title: str
    unit: str
    colour: str
    values: Float[np.ndarray, " size"]
    bounds: tuple[float, ...]


def parameters(network: Network) -> list[Parameters]:
    """Weights of every connection, then the delays of those that have learnable ones.

    Args:
        network: The network.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.plots.histograms import parameters
        >>> net = rv.feedforward([4, 5, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> [group.title for group in parameters(net)]
        ['weights, input → hidden', 'weights, hidden → output']
    """
    links = network.connections
    weights = [
        Parameters(f"weights, {link.pre} → {link.post}", "weight (threshold)", WEIGHT, np.ravel(link.weight), ())
        for link in links
    ]
    delays = [
        Parameters(
            f"delays, {link.pre} → {link.post}",
            "delay (ms)",
            DELAY,
            np.ravel(network.delay(link)),
            tuple(bound for bound in (link.delay.low, link.delay.high) if math.isfinite(bound)),
        )
        for link in links
        if link.delay.learns
    ]
    return weights + delays


def parameter_histograms(
    network: Network, initial: Network | None = None, *, ax: Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw one histogram for the weights, and one for the learnable delays, of every connection.

    Args:
        network: The network after training.
        initial: The same network before training, drawn in grey.
        ax: Where to draw; as many as `parameters(network)` has entries. Default a new figure.

    Returns:
        The axes.

    Raises:
        ValueError: the number of axes does not fit.

    Example:
        >>> import jax, ranvier as rv
        >>> net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
        >>> rv.plots.parameter_histograms(net)[1].get_xlabel()
        'delay (ms)'
    """
    learned = parameters(network)
    if ax is None:
        across = min(len(learned), ACROSS)
        page = figure(4.0 * across, 3.0 * math.ceil(len(learned) / across), layout="constrained")
        panels = page.subplots(math.ceil(len(learned) / across), across, squeeze=False).ravel().tolist()
        for spare in panels[len(learned) :]:
            spare.remove()
        ax = panels[: len(learned)]
    assert ax is not None
    if len(ax) != len(learned):
        msg = f"parameter_histograms: `ax` must be {len(learned)} axes for this network; got {len(ax)}."
        raise ValueError(msg)
    before = [None] * len(learned) if initial is None else [group.values for group in parameters(initial)]
    for one, group, start in zip(ax, learned, before, strict=True):
        _histogram(one, group, start)
    return list(ax)


def _histogram(axes: Axes, group: Parameters, start: Float[np.ndarray, " size"] | None) -> None:
    everything = group.values if start is None else np.concatenate([group.values, start])
    bins = min(40, max(8, math.ceil(2 * math.sqrt(group.values.size))))
    edges = np.histogram_bin_edges(everything, bins).tolist()
    if start is not None:
        axes.hist(start, edges, color=FAINT, alpha=0.45, label="before training")
    axes.hist(group.values, edges, color=group.colour, alpha=0.75, label="learned")
    axes.hist(group.values, edges, histtype="step", color=group.colour, linewidth=1.2)
    for bound in group.bounds:
        axes.axvline(bound, color=INK, linewidth=0.9, linestyle=":")
    tidy(axes, title=f"{group.values.size:,} {group.title}", x=group.unit, y="number")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    if start is not None:
        axes.set_ylim(top=1.3 * axes.get_ylim()[1])  # room for the legend above the bars
        axes.legend(fontsize=SMALL, frameon=False, ncols=2, loc="upper left", columnspacing=1.0, borderaxespad=0.1)
