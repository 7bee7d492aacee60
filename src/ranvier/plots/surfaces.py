"""Random manifolds: what the values of three units have to do with each other in each class, and samples as rasters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.figure import Figure

from ranvier.plots.style import CLASSES, INK, LABEL, SMALL, figure, tidy

SHOWN = 4
"""Classes that have a raster."""


def manifolds(
    values: Float[np.ndarray, "samples columns"],
    label: Int[np.ndarray, " samples"],
    *,
    units: int,
    t_start: float = 0.0,
    span: float = 1.0,
    names: Sequence[str] | None = None,
) -> Figure:
    """Samples of random manifolds: three units in space, one colour for each class, and a raster of some classes.

    Args:
        values: Features of `ranvier.datasets.random_manifolds`, shape (samples, spikes * units).
        label: Classes of the samples.
        units: Number of units, at least 3.
        t_start: Time (ms) of value 0.
        span: Time (ms) from value 0 to value 1.
        names: Names of the classes; default their numbers.

    Returns:
        The figure.

    Raises:
        ValueError: there are fewer than three units, or the columns are not a number of spikes for each.

    Example:
        >>> import jax
        >>> from ranvier import datasets, plots
        >>> found = datasets.draw_manifolds(classes=3, units=5, smoothness=3.0, key=jax.random.key(0))
        >>> train = datasets.random_manifolds(60, 1, 1, manifolds=found, key=jax.random.key(1)).train
        >>> len(plots.manifolds(train.feature, train.label, units=5, span=100.0).axes)
        4
    """
    if units < 3 or values.shape[1] % units:
        msg = f"manifolds: needs at least 3 `units`, and columns for each; got {units} and {values.shape[1]} columns."
        raise ValueError(msg)
    classes = np.unique(label)
    called = [str(one) for one in range(int(classes.max()) + 1)] if names is None else names
    shown = classes[:SHOWN]
    page = figure(11.0, 4.6, layout="constrained")
    grid = page.add_gridspec(len(shown), 2, width_ratios=[1.1, 1.0])
    space: Any = page.add_subplot(grid[:, 0], projection="3d")
    for one in classes:
        points: Any = values[label == one][:, :3].T
        look: Any = {"s": 3, "linewidths": 0, "color": CLASSES[one % len(CLASSES)], "label": called[one]}
        space.scatter(*points, **look)
    space.set_title("values of units 0, 1 and 2", fontsize=LABEL, color=INK, loc="left")
    space.tick_params(labelsize=SMALL, colors=INK)
    space.legend(fontsize=SMALL, frameon=False, markerscale=3, ncols=2, loc="upper left", bbox_to_anchor=(-0.1, 1.0))
    for row, one in enumerate(shown):
        axes = page.add_subplot(grid[row, 1])
        times = t_start + span * values[label == one][0].reshape(-1, units)
        for train in times:
            axes.vlines(train, np.arange(units) - 0.4, np.arange(units) + 0.4, color=CLASSES[one % len(CLASSES)])
        axes.set_xlim(t_start - 0.02 * span, t_start + 1.02 * span)
        tidy(axes, title=f"class {called[one]}", x="time (ms)" if row == len(shown) - 1 else "", y="unit")
    return page
