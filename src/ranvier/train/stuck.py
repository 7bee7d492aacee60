"""The doctor on call: when training makes no progress, say why that may be."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from ranvier.checks import Diagnosis, diagnose
from ranvier.checks.diagnosis import SAMPLES
from ranvier.network import Network
from ranvier.saving import load
from ranvier.train.dataset import Dataset
from ranvier.train.optimisers import learning_rates
from ranvier.train.recipe import Recipe
from ranvier.train.run_folder import RunError, RunFolder
from ranvier.train.samples import read_samples
from ranvier.train.stream import Stream

AFTER = 3
"""Epochs after which training should have got somewhere."""
LEAST = 1e-3
"""Share by which the loss must have fallen until then."""
SWITCH = "To do without this advice: fit(..., stuck=None), or ranvier train --quiet."

Stuck = Callable[[str, Diagnosis], None]


def tell(story: str, found: Diagnosis) -> None:
    """Write the diagnosis to the log of `ranvier.train`, which goes to stderr unless logging is set up otherwise.

    Args:
        story: What happened.
        found: What was found.
    """
    logging.getLogger(__name__).warning("%s\n%s\n%s", story, found, SWITCH)


def no_progress(epochs: Sequence[Mapping[str, Any]]) -> str | None:
    """What says that training makes no progress, a sentence; None if it does, or if it is too early to say.

    Args:
        epochs: Metrics of the epochs so far.

    Example:
        >>> from ranvier.train.stuck import no_progress
        >>> no_progress([{"loss": 1.1}] * 3)
        'Training makes no progress: the loss was 1.1 in epoch 1 and is 1.1 after 3 epochs.'
        >>> no_progress([{"loss": 1.1}, {"loss": 0.9}, {"loss": 0.8}]) is None
        True
    """
    if len(epochs) < AFTER:
        return None
    first, least = epochs[0]["loss"], min(line["loss"] for line in epochs[1:])
    if least < first - LEAST * abs(first):
        return None
    return (
        f"Training makes no progress: the loss was {first:.4g} in epoch 1 and is {epochs[-1]['loss']:.4g} after "
        f"{len(epochs)} epochs."
    )


def examine(
    network: Network,
    data: Dataset | Stream,
    recipe: Recipe,
    *,
    optimiser: PyTree = None,
    history: Sequence[Mapping] = (),
) -> Diagnosis:
    """`ranvier.checks.diagnose` for what `fit` takes.

    Args:
        network: The network as it is now.
        data: Samples; some of them are used, evenly spaced.
        recipe: How it is trained.
        optimiser: The optimiser's state, for its learning rates; default that at the start.
        history: Metrics of the epochs so far.

    Example:
        >>> import jax
        >>> from ranvier.lab import experiment
        >>> from ranvier.train import examine
        >>> made = experiment("temporal-order")
        >>> found = examine(made.network(), made.data().train, made.recipe(2))
        >>> found.vitals.t_end
        60.0
    """
    from ranvier.train.step import initial_state

    few = data.take(np.linspace(0, data.size - 1, min(data.size, SAMPLES)).astype(int))  # of all classes
    state = initial_state(network, recipe).optimiser if optimiser is None else optimiser
    return diagnose(
        network,
        few.spikes,
        recipe.simulator,
        t_end=recipe.t_end,
        readout=recipe.readout,
        loss=recipe.loss,
        target=few.target,
        learn=recipe.learn,
        rates=learning_rates(state),
        history=history,
    )


def diagnose_fit(folder: Path | str, network: Network | None = None) -> Diagnosis:
    """Examine the network of a finished `fit`, by the few samples that it has kept; it does not know the loss.

    Args:
        folder: The folder, `fit(out=...)`.
        network: A network like the one that was trained, where its neurons have functions of your own.

    Raises:
        RunError: it is no run folder, the run is not finished, or its simulator is not one of ranvier's own.
    """
    files = RunFolder(folder)
    files.config()  # says what is wrong with the folder
    if not files.samples.exists():
        msg = f"{files.path} is not finished; go on with fit(..., out={str(folder)!r}, resume=True) first."
        raise RunError(msg)
    kept = read_samples(files)
    if kept.simulator is None:
        msg = f"{files.path}: the simulator cannot be read: {kept.trouble}; call ranvier.checks.diagnose with it."
        raise RunError(msg)
    return diagnose(
        load(files.network, network),
        jax.tree.map(np.asarray, kept.spikes),
        kept.simulator,
        t_end=kept.t_end,
        target=kept.target,
        learn=kept.learn,
        history=files.epochs(),
    )
