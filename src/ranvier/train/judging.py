"""`evaluate`: how good a network is on data; and what is told of an epoch, or refused."""

from typing import Any

import jax
import numpy as np
from jaxtyping import ArrayLike, Int, PRNGKeyArray, Shaped

from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import STATUS
from ranvier.train.dataset import Dataset
from ranvier.train.optimisers import learning_paths
from ranvier.train.recipe import Recipe
from ranvier.train.step import Totals
from ranvier.train.stream import Stream
from ranvier.train.streaming import go_through
from ranvier.train.team import Devices, Team

Metrics = dict[str, Any]


class TrainingError(RuntimeError):
    """Training cannot go on: something did not fit or is not finite. The last checkpoint is whole."""


def evaluate(
    network: Network,
    data: Dataset | Stream,
    recipe: Recipe,
    *,
    devices: Devices | None = None,
    key: PRNGKeyArray | None = None,
) -> Metrics:
    """Loss, accuracy and other metrics of a network on a data set, and how much it fires.

    Args:
        network: The network.
        data: Samples.
        recipe: Simulator, readout, loss and metrics.
        devices: Over which devices batches are spread, as for `fit`; default one.
        key: Decides the noise of simulators that have any; default `jax.random.key(0)`.

    Returns:
        `loss`, `accuracy` where targets are classes, the recipe's own metrics, `spikes_per_neuron` and `silent` by
        population, and `guarded`, the number of spikes whose gradient would be limited.

    Raises:
        ValueError: the data do not fit the network.
        TrainingError: spikes did not fit, or the loss is not finite.
    """
    data.check(network, recipe.t_end)
    return metrics_of(_look(network, data, recipe, Team(devices), key)[0], network, data.size)


def answers(
    network: Network, data: Dataset | Stream, recipe: Recipe, *, key: PRNGKeyArray | None = None
) -> Int[np.ndarray, "samples ..."]:
    """The class that a network answers with to each sample of a data set, -1 for none.

    Args:
        network: The network.
        data: Samples with classes as targets.
        recipe: Simulator, readout and loss.
        key: As for `evaluate`, of which this is the same program.

    Returns:
        Classes, of the shape of `data.target`.

    Raises:
        ValueError: the data do not fit the network, or their targets are not classes.
        TrainingError: spikes did not fit, or the loss is not finite.
    """
    if data.classes is None:
        msg = "answers: the targets of `data` are not classes; apply recipe.readout to a simulation for its values."
        raise ValueError(msg)
    return _look(network, data, recipe, Team(), key)[1]


def _look(
    network: Network, data: Dataset | Stream, recipe: Recipe, team: Team, key: PRNGKeyArray | None
) -> tuple[Totals, Any]:
    """Go through data once, without learning."""
    data.check(network, recipe.t_end)
    key = jax.random.key(0) if key is None else key
    with team.watched(lambda: "Evaluation cannot go on; start all processes again."):
        placed, samples = team.placed(network), team.placed(data) if isinstance(data, Dataset) else data
        totals, answer = team.local(go_through(recipe, placed, samples, key, team))
    refuse(totals, network, recipe, "evaluation")
    return totals, answer


def metrics_of(totals: Totals, network: Network, samples: int) -> Metrics:
    """What is told of an epoch or an evaluation.

    Args:
        totals: Sums over all samples.
        network: The network.
        samples: Their number.
    """
    firing = {name: network.size(name) * samples for name, neuron in network.neurons.items() if neuron.spiking}
    return {
        "loss": _sum(totals.loss) / samples,
        **{name: _sum(values) / samples for name, values in totals.metrics.items()},
        "spikes_per_neuron": {name: _sum(totals.spikes[name]) / neurons for name, neurons in firing.items()},
        "silent": {name: _sum(totals.silent[name]) / neurons for name, neurons in firing.items()},
        "guarded": int(sum(map(_sum, totals.guarded.values()))),
    }


def _sum(values: Shaped[ArrayLike, " batch"]) -> float:
    return float(np.sum(values, dtype=np.float64))


def refuse(totals: Totals, network: Network, recipe: Recipe, when: str) -> None:
    """Raise what went wrong, with the numbers.

    Args:
        totals: Sums over all samples.
        network: The network.
        recipe: How it is trained.
        when: What was going on.

    Raises:
        TrainingError: spikes did not fit, or the loss or a gradient is not finite.
    """
    if totals.broken.any():
        learn, _ = partition(network, *recipe.learn)
        names = [path for path, bad in zip(learning_paths(learn), totals.broken, strict=True) if bad]
        msg = (
            f"{when}: the gradient of {', '.join(names)} is not finite; lower its learning rate, or limit the gradient "
            "of grazing spikes with `max_inverse_slope` of EventDriven or FirstSpike."
        )
        raise TrainingError(msg)
    if totals.status > 0:
        dropped = {name: int(_sum(counts)) for name, counts in totals.dropped.items() if counts.any()}
        told = f" Spikes dropped: {dropped}." if dropped else ""
        msg = f"{when}: {STATUS[int(totals.status)]}.{told}"
        raise TrainingError(msg)
    if not np.isfinite(totals.loss).all():
        msg = f"{when}: the loss is {_sum(totals.loss)}; is it finite for every sample, and every class an output?"
        raise TrainingError(msg)
