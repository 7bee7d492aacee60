"""Pictures of a network in space, and a film of one sample."""

from pathlib import Path
from typing import Any

import matplotlib.animation as animation
import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from ranvier.plots.style import CLASSES, FAINT, INK, SMALL, figure
from ranvier.viewer.scene import Scene

SIGN = {True: "#C8553D", False: "#3A6EA5"}
"""Colour of an axon by whether its weight is positive."""

TRAIL = 0.04
"""A neuron that has fired glows for this share of the sample."""


def draw_network(scene: Scene, ax: Axes | None = None) -> Axes:
    """Draw neurons at their places, larger the more they fire, and axons in the colour and strength of their weights.

    Args:
        scene: What is seen.
        ax: Where to draw: two-dimensional axes for a scene in a plane, else three-dimensional ones; default new ones.

    Returns:
        The axes.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.viewer import draw_network, scene
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> draw_network(scene(net, {"input": rv.Spikes(jnp.array([1.0]), jnp.array([0]))}, t_end=5.0)).name
        '3d'
    """
    if ax is None:
        page = figure(7.0, 6.0)
        ax = page.add_subplot(projection=None if scene.flat else "3d")
    assert ax is not None
    _axons(scene, ax)
    fired = np.bincount(scene.neuron, minlength=len(scene.place))
    size = 18 + 110 * fired / max(fired.max(), 1)
    for at, name in enumerate(scene.names):
        mine = slice(scene.starts[at], scene.starts[at + 1])
        colour = CLASSES[at % len(CLASSES)]
        ax.scatter(*_columns(scene, scene.place[mine]), s=size[mine], color=colour, label=name, edgecolor="white",
                   linewidth=0.6)  # fmt: skip
    ax.legend(fontsize=SMALL, frameon=False, loc="upper right")
    ax.set_title(scene.title or scene.note, color=INK, loc="left")
    if scene.flat:
        ax.set_aspect("equal", "datalim")
    return ax


def write_film(path: Path | str, scene: Scene, *, seconds: float = 8.0, fps: int = 20) -> Path:
    """Write a film of the sample: spikes leave, travel along their axons with the true delays, and arrive.

    Args:
        path: The file: `.gif`, or `.mp4`, which needs ffmpeg on the machine.
        scene: What is seen.
        seconds: How long it runs.
        fps: Frames per second.

    Returns:
        The path.

    Raises:
        ValueError: the name has another ending, or ffmpeg is not there for an `.mp4`.

    Example:
        >>> import jax, jax.numpy as jnp, tempfile, ranvier as rv
        >>> from ranvier.viewer import scene, write_film
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> seen = scene(net, {"input": rv.Spikes(jnp.array([1.0]), jnp.array([0]))}, t_end=5.0)
        >>> write_film(f"{tempfile.mkdtemp()}/view.gif", seen, seconds=0.2, fps=10).suffix
        '.gif'
    """
    place = Path(path)
    writers = {".gif": animation.PillowWriter, ".mp4": animation.FFMpegWriter}
    if place.suffix not in writers:
        msg = f"write_film: `path` must end in .gif or .mp4; got {place.name}."
        raise ValueError(msg)
    writer = writers[place.suffix]
    if not writer.isAvailable():
        msg = f"write_film: an {place.suffix} needs ffmpeg, which is not on this machine; install it, or write a .gif."
        raise ValueError(msg)
    ax = draw_network(scene)
    page = ax.figure
    assert isinstance(page, Figure)
    update = _moving(scene, ax)
    frames = max(2, round(seconds * fps))
    made = writer(fps=fps)
    with made.saving(page, str(place), dpi=90):
        for now in np.linspace(0.0, scene.t_end, frames):
            update(float(now))
            made.grab_frame()
    return place


def _axons(scene: Scene, ax: Axes) -> None:
    heaviest = max(float(np.max(np.abs(scene.weight), initial=0.0)), 1e-12)
    strength = np.abs(scene.weight) / heaviest
    colour = [(*to_rgba(SIGN[weight > 0])[:3], 0.08 + 0.5 * share**2)
              for weight, share in zip(scene.weight, strength, strict=True)]  # fmt: skip
    ends = np.stack([scene.place[scene.pre], scene.place[scene.post]], axis=1)
    kind: Any = LineCollection if scene.flat else Line3DCollection
    lines = kind(ends[..., : 2 if scene.flat else 3], colors=colour, linewidths=0.3 + 1.2 * strength)
    add: Any = ax.add_collection if scene.flat else ax.add_collection3d  # type: ignore[attr-defined]
    add(lines)


def _moving(scene: Scene, ax: Axes) -> Any:
    """A function that draws what moves, at a time (ms)."""
    ways = [np.flatnonzero(scene.pre == one) for one in range(len(scene.place))]
    axon = np.concatenate([np.zeros(0, int), *(ways[one] for one in scene.neuron)])
    start = np.repeat(scene.time, [len(ways[one]) for one in scene.neuron])
    end = start + scene.delay[axon]
    events = {sign: ax.plot(*[[]] * (2 if scene.flat else 3), ".", color=SIGN[sign], markersize=5)[0] for sign in SIGN}
    glow = ax.plot(*[[]] * (2 if scene.flat else 3), "o", color="#F2B705", markersize=11, alpha=0.7)[0]
    clock = ax.figure.text(0.02, 0.02, "", color=FAINT, fontsize=SMALL)

    def put(line: Any, points: Float[np.ndarray, "n 3"]) -> None:
        columns = _columns(scene, points)
        (line.set_data if scene.flat else line.set_data_3d)(*columns)

    def update(now: float) -> None:
        for sign, line in events.items():
            there = (start <= now) & (now < end) & ((scene.weight[axon] > 0) == sign)
            share = ((now - start[there]) / (end[there] - start[there]))[:, None]
            one, other = scene.place[scene.pre[axon[there]]], scene.place[scene.post[axon[there]]]
            put(line, one + share * (other - one))
        recent = (scene.time <= now) & (scene.time > now - TRAIL * scene.t_end)
        put(glow, scene.place[scene.neuron[recent]])
        clock.set_text(f"{now:.2f} ms{_decision(scene, now)}")

    return update


def _decision(scene: Scene, now: float) -> str:
    """The answer, once it is known."""
    if scene.answer is None or now < scene.answer[1]:
        return ""
    unit, when = scene.answer
    right = (
        "" if scene.label is None else " (right)" if scene.label == unit else f" ({scene.units[scene.label]} is right)"
    )
    return f", at {when:.3g} ms: {scene.units[unit]}{right}"


def _columns(scene: Scene, points: Float[np.ndarray, "n 3"]) -> list[Float[np.ndarray, " n"]]:
    return list(points.T[: 2 if scene.flat else 3])
