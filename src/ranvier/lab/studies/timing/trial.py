"""One training of the study `rapid`, and what is measured of it: accuracy, how early, with how many spikes, on what."""

import dataclasses
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from ranvier.datasets import equal_counts, time_reversed
from ranvier.events import Spikes, spike_count
from ranvier.lab.composition import Experiment
from ranvier.lab.studies.timing.cases import Case, Settings
from ranvier.network import Network
from ranvier.readouts import as_readout, highest
from ranvier.regularizers import CountUpperBound
from ranvier.simulation import simulate
from ranvier.train import Dataset, NoProgress, Recipe, evaluate, fit

SHARE = 0.95
"""A decision counts as early when so much of the final accuracy is reached."""
MOMENTS = 100
"""At so many times it is asked what the answer is so far."""


def run_trial(case: Case, seed: int, common: Settings, folder: Path) -> dict[str, Any]:
    """Train in a run folder, going on with what is there, and measure the network that validated best.

    Args:
        case: The case.
        seed: The seed.
        common: Settings of all cases.
        folder: The run folder.

    Returns:
        `test`, `validation`, `spikes` (of all hidden neurons, per sample), `seconds`, `backwards` and `flat` (accuracy
        on the test data with time reversed, and without rates), `times` and `over_time` (accuracy of the answer so
        far), and `decided` (median time in ms from a sample's first spike to a decision that stays right).
    """
    made = case.experiment(seed, common)
    data = made.data()
    assert isinstance(data.train, Dataset)
    recipe = made.recipe(data.train.size, threads=1)
    if case.cost > 0:
        bounds = [CountUpperBound(name, 0.0, case.cost) for name in _hidden(made.network())]
        recipe = dataclasses.replace(recipe, regularizers=tuple(bounds))
    fitted = fit(
        made.network(), data.train, data.validation, recipe, out=folder, resume=True, options=made.describe(),
        progress=NoProgress(), stuck=None, key=made.keys[1],
    )  # fmt: skip
    best = fitted.epochs[fitted.best_epoch - 1]
    return {
        "question": case.question,
        "case": case.name,
        "seed": seed,
        "validation": best["validation_accuracy"],
        "seconds": sum(line["seconds"] for line in fitted.epochs) / len(fitted.epochs),
        **measure(made, fitted.network, data.test, recipe),
    }


def measure(made: Experiment, network: Network, test: Any, recipe: Recipe) -> dict[str, Any]:
    """What is measured of a trained network on test data.

    Args:
        made: The experiment.
        network: The network.
        test: The test data.
        recipe: How it was trained.
    """
    spikes: Spikes = test.spikes
    latest = float(np.max(np.asarray(spikes.time), where=np.isfinite(spikes.time), initial=0.0))
    on = lambda changed: evaluate(network, Dataset(changed, test.target, classes=test.classes), recipe)["accuracy"]
    count = max(int(np.median(np.asarray(spike_count(spikes)))), 1)
    plain = evaluate(network, test, recipe)
    flat = equal_counts(spikes, count, t_end=latest, key=jax.random.key(0))
    flat = dataclasses.replace(flat, time=flat.time.astype(spikes.time.dtype))
    sizes = {name: network.size(name) for name in _hidden(network)}
    return {
        "test": plain["accuracy"],
        "spikes": sum(plain["spikes_per_neuron"][name] * size for name, size in sizes.items()),
        "backwards": on(time_reversed(spikes, t_end=latest)),
        "flat": on(flat),
        **_early(network, test, recipe),
    }


def _early(network: Network, test: Any, recipe: Recipe) -> dict[str, Any]:
    """Accuracy of the answer so far, and when decisions are made that stay right: outputs that integrate."""
    if "output" not in as_readout(recipe.readout).record:
        return {"times": [], "over_time": [], "decided": None}
    times = np.linspace(0.0, recipe.t_end, MOMENTS + 1)[1:].astype(network.dtype)
    record = {"output": times}
    solution = simulate(network, test.spikes, recipe.simulator, t_end=recipe.t_end, record=record, throw=False)
    so_far = np.maximum.accumulate(np.asarray(solution.voltages["output"]), axis=1)
    right = np.asarray(highest(jnp.asarray(so_far))) == np.asarray(test.target)[:, None]
    first = np.asarray(jnp.min(test.spikes.time, axis=1))
    lag = decision_lag(right, times, first)
    return {
        "times": times.tolist(),
        "over_time": right.mean(axis=0).tolist(),
        "decided": float(np.median(lag[np.isfinite(lag)])) if np.isfinite(lag).any() else None,
    }


def decision_lag(
    right: Bool[np.ndarray, "samples times"], times: Float[np.ndarray, " times"], first: Float[np.ndarray, " samples"]
) -> Float[np.ndarray, " samples"]:
    """Time from the first input spike of a sample to the decision that stays right; inf where the last one is wrong.

    Args:
        right: Whether the answer so far is right.
        times: At which times (ms).
        first: Time of each sample's first input spike (ms).

    Example:
        >>> import numpy as np
        >>> from ranvier.lab.studies.timing.trial import decision_lag
        >>> right = np.array([[True, False, True, True], [True, True, True, False]])
        >>> decision_lag(right, np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.5, 0.5])).tolist()
        [2.5, inf]
    """
    stays = np.flip(np.logical_and.accumulate(np.flip(right, axis=1), axis=1), axis=1)
    start = np.argmax(stays, axis=1)
    return np.where(stays.any(axis=1), np.maximum(times[start] - first, 0.0), np.inf)


def _hidden(network: Network) -> list[str]:
    senders = {link.pre for link in network.connections}
    return [name for name, neuron in network.neurons.items() if neuron.spiking and name in senders]
