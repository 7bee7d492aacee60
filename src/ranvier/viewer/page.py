"""One HTML file: the scene as numbers, and a script that draws it. It needs no network, no server and no library."""

import html
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.viewer.scene import Scene


def write_page(path: Path | str, scene: Scene) -> Path:
    """Write a scene as one HTML file that works offline.

    Args:
        path: The file; by custom it ends in `.html`.
        scene: What is seen.

    Returns:
        The path.

    Raises:
        OSError: the file cannot be written.

    Example:
        >>> import jax, jax.numpy as jnp, tempfile, ranvier as rv
        >>> from ranvier.viewer import scene, write_page
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
        >>> seen = scene(net, {"input": rv.Spikes(jnp.array([1.0]), jnp.array([0]))}, t_end=5.0)
        >>> write_page(f"{tempfile.mkdtemp()}/view.html", seen).stat().st_size < 3e6
        True
    """
    place = Path(path)
    page = (files("ranvier.viewer") / "page.html").read_text("utf-8")
    data = json.dumps(_plain(scene), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {"__TITLE__": html.escape(scene.title or "ranvier"), "__DATA__": data}
    place.write_text(re.sub("__TITLE__|__DATA__", lambda found: parts[found[0]], page), "utf-8")
    return place


def _plain(scene: Scene) -> dict[str, Any]:
    """The scene as JSON knows it, five digits of each number."""
    short = lambda values: [float(f"{value:.5g}") for value in np.ravel(values).tolist()]
    return {
        "title": scene.title, "names": scene.names, "starts": scene.starts, "place": short(scene.place),
        "flat": scene.flat, "pre": scene.pre.tolist(), "post": scene.post.tolist(), "weight": short(scene.weight),
        "delay": short(scene.delay), "note": scene.note, "time": short(scene.time), "neuron": scene.neuron.tolist(),
        "tEnd": scene.t_end, "units": scene.units, "answer": scene.answer, "label": scene.label,
    }  # fmt: skip
