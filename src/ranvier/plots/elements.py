"""Delay elements of a chip: delay against setting, spread over elements, reproducibility over trials."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from ranvier.plots.style import DELAY, FAINT, INK, SMALL, figure, tidy


def delay_elements(
    setting: Float[np.ndarray, " settings"], delay: Float[np.ndarray, "elements settings trials"]
) -> Figure:
    """Three panels of measured delays.

    Args:
        setting: Delays that were asked for (us).
        delay: Delays that were measured (us).

    Returns:
        A figure.

    Example:
        >>> import numpy as np
        >>> from ranvier.plots import delay_elements
        >>> len(delay_elements(np.arange(3.0), np.ones((5, 3, 4))).axes)
        3
    """
    page = figure(14.0, 4.2)
    left, middle, right = page.subplots(1, 3)
    mean, jitter = delay.mean(axis=2), delay.std(axis=2, ddof=1)
    left.plot(setting, mean.T, color=DELAY, alpha=0.15, linewidth=0.8)
    left.plot(setting, setting, color=INK, linewidth=1.2, linestyle="--", label="as set")
    left.legend(fontsize=SMALL, edgecolor="none")
    tidy(left, title="Delay of each element", x="setting (µs)", y="delay (µs)")
    own = 1e3 * (mean - setting).mean(axis=1)
    middle.hist(own, bins=min(24, len(own)), color=DELAY, alpha=0.8)
    middle.axvline(0.0, color=INK, linewidth=1.0, linestyle="--")
    tidy(middle, title=f"Spread: {own.std(ddof=1):.0f} ns", x="mean deviation of an element (ns)", y="elements")
    order = np.argsort(jitter.mean(axis=1))
    low, mid, high = np.quantile(1e3 * jitter[order], (0.0, 0.5, 1.0), axis=1)
    right.fill_between(np.arange(len(order)), low, high, color=FAINT, alpha=0.4, linewidth=0.0, label="all settings")
    right.plot(mid, color=DELAY, linewidth=1.4, label="median")
    right.set_ylim(bottom=0.0)
    right.legend(fontsize=SMALL, edgecolor="none", loc="lower right")
    title = f"Reproducibility: {np.median(1e3 * jitter):.0f} ns"
    tidy(right, title=title, x="element, sorted", y="standard deviation over trials (ns)")
    page.tight_layout()
    return page
