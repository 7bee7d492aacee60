"""Some validation samples and all answers, kept in the run folder: what a picture or a check needs of the data.

`samples.npz` holds input spikes and targets of a few samples, the class of every validation sample and the answer of
the best network, and how to simulate them: simulator, end, what is recorded, and what learns.
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Int, Shaped

from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.readouts import Record, as_readout
from ranvier.simulation import AbstractSimulator
from ranvier.train.checkpoint import BrokenFileError, read_named, save_arrays
from ranvier.train.dataset import Dataset
from ranvier.train.portable import from_json, to_json
from ranvier.train.recipe import Recipe
from ranvier.train.run_folder import RunFolder
from ranvier.train.stream import Stream

KEPT = 10
"""Samples that are kept: the first of each class, or the first ones."""


class Kept(NamedTuple):
    """What `samples.npz` holds.

    Args:
        spikes: Input spikes of the samples, by population.
        target: Their targets, if those are one array.
        label: Classes of all validation samples, if targets are one class per sample.
        answer: What the best network answered to each, -1 for nothing.
        simulator: How they are simulated; None where it is not one of ranvier's own.
        trouble: Why it is None.
        t_end: End of a simulation (ms).
        record: What is recorded of each population, for the readout: times (ms) or summaries.
        learn: What learns; empty for weights and delays.
    """

    spikes: dict[str, Spikes]
    target: Shaped[np.ndarray, "samples ..."] | None
    label: Int[np.ndarray, " all"] | None
    answer: Int[np.ndarray, " all"] | None
    simulator: AbstractSimulator | None
    trouble: str
    t_end: float
    record: Record
    learn: tuple[str, ...]


def keep_samples(
    folder: RunFolder, network: Network, data: Dataset | Stream, recipe: Recipe, answer: Int[np.ndarray, "..."] | None
) -> None:
    """Write `samples.npz`.

    Args:
        folder: The run folder.
        network: The network, for the names of its inputs.
        data: Validation samples.
        recipe: How the network is trained.
        answer: What the best network answers to each of them, if they have classes.
    """
    label = np.asarray(data.target) if data.classes is not None and np.ndim(data.target) == 1 else None
    chosen = np.arange(data.size) if label is None else np.unique(label, return_index=True)[1]
    few = data.take(chosen[:KEPT])
    trains = {network.inputs[0]: few.spikes} if isinstance(few.spikes, Spikes) else few.spikes
    some = jax.tree.map(np.asarray, (dict(trains), few.target))
    arrays = {f"spikes.{name}.{part}": getattr(some[0][name], part) for name in trains for part in ("time", "unit")}
    if isinstance(some[1], np.ndarray):
        arrays["target"] = some[1]
    if label is not None and answer is not None:
        arrays |= {"label": label, "answer": np.asarray(answer)}
    try:
        how, trouble = to_json(recipe.simulator), ""
    except ValueError as error:
        how, trouble = None, str(error)
    record = {name: to_json(wanted) for name, wanted in as_readout(recipe.readout).record.items()}
    facts = {"simulator": how, "trouble": trouble, "t_end": recipe.t_end, "record": record, "learn": list(recipe.learn)}
    save_arrays(folder.samples, arrays, **facts)


def read_samples(folder: RunFolder) -> Kept:
    """Read `samples.npz`.

    Args:
        folder: The run folder.

    Raises:
        FileNotFoundError: it is not there.
        BrokenFileError: it is truncated or changed.
    """
    arrays, facts = read_named(folder.samples)
    try:
        return _kept(arrays, facts)
    except (KeyError, TypeError) as error:  # a header that says something else
        msg = f"{folder.samples} is broken: {str(error)[:200]} is missing or wrong; train again."
        raise BrokenFileError(msg) from error


def _kept(arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> Kept:
    """What the arrays and the facts of a file say."""
    names = [key.split(".", 1)[1].removesuffix(".time") for key in arrays if key.endswith(".time")]
    trains = {name: Spikes(arrays[f"spikes.{name}.time"], arrays[f"spikes.{name}.unit"]) for name in names}
    simulator: Any = None
    trouble = facts["trouble"]
    try:
        simulator = from_json(facts["simulator"])
    except ValueError as error:
        trouble = str(error)
    return Kept(
        spikes=trains,
        target=arrays.get("target"),
        label=arrays.get("label"),
        answer=arrays.get("answer"),
        simulator=simulator,
        trouble=trouble,
        t_end=float(facts["t_end"]),
        record={name: from_json(wanted) for name, wanted in facts["record"].items()},
        learn=tuple(facts["learn"]),
    )
