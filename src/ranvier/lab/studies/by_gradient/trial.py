"""One training of the study `gradients`, and how the gradients of all methods lie to each other on its network."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from equinox import combine
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from ranvier.builders import feedforward, recurrent
from ranvier.checks.agreement import compare
from ranvier.delays import DelayFactory, axonal, fixed, synaptic
from ranvier.initializers import uniform
from ranvier.lab.studies.by_gradient.methods import METHODS
from ranvier.lab.studies.by_gradient.problems import PROBLEMS, Problem, samples
from ranvier.network import Network
from ranvier.readouts import as_readout
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, simulate
from ranvier.train import Dataset, Recipe, TrainingError, adam, by_path, evaluate, fit

SHAPES = ("feedforward", "recurrent")
DELAYS: dict[str, Callable[[float, float], DelayFactory]] = {
    "none": lambda low, high: fixed(low),
    "fixed": lambda low, high: synaptic(low, high, init=uniform(low, high)),
    "axonal": lambda low, high: axonal(low, high, init=uniform(low, high)),
    "synaptic": lambda low, high: synaptic(low, high, init=uniform(low, high)),
}
"""Delays by name; `fixed` are random, one for each synapse, and do not learn."""
COMPARED = 64
"""Samples on which gradients are compared."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A task, a network and a gradient: what the seeds of a row have in common.

    Args:
        task: Name of the task.
        shape: `feedforward` or `recurrent`.
        delay: Name of the delays.
        method: Name of the gradient.
        factor: Of the task's learning rates.
        hidden: Hidden neurons.
        epochs: How long.
        longest: Longest delay from the inputs (ms).
        count: Samples that are used of each part of the data; 0 for all.
        words: File of words.
    """

    task: str
    shape: str
    delay: str
    method: str
    factor: float
    hidden: int
    epochs: int
    longest: float
    count: int
    words: str

    @property
    def name(self) -> str:
        """What its folders are called."""
        return f"{self.task}-{self.shape}-{self.delay}-{self.method}-{self.factor:g}"

    @property
    def problem(self) -> Problem:
        """The task."""
        return PROBLEMS[self.task]

    @property
    def data(self) -> tuple[Dataset, Dataset, Dataset]:
        """Samples to train on, to choose with, and to report."""
        train, validation, test = (_first(part, self.count) for part in samples(self.task, self.words))
        return train, validation, test

    @property
    def learn(self) -> tuple[str, ...]:
        """What learns."""
        return ("weight", "delay") if self.delay in ("axonal", "synaptic") else ("weight",)

    def network(self, seed: int) -> Network:
        """The network before training.

        Args:
            seed: Decides it.
        """
        problem, train = self.problem, self.data[0]
        kind, low, inner, among, out = DELAYS[self.delay], problem.low, *problem.weights
        given: dict[str, Any] = {
            "neuron": problem.neuron, "readout": problem.output, "key": jax.random.key(seed), "dtype": "float32",
        }  # fmt: skip
        sizes = [_inputs(train), self.hidden, train.classes or 1]
        first, last = kind(0.5 * low, self.longest), fixed(0.0)
        if self.shape == "feedforward":
            return feedforward(sizes, delay=[first, last], weight=[inner, out], **given)
        return recurrent(sizes, delay=[first, kind(low, 0.5 * self.longest), last], weight=[inner, among, out], **given)

    def recipe(self) -> Recipe:
        """How it is trained; all seeds share it, and with it a compiled program."""
        return _recipe(self)


def _first(part: Dataset, count: int) -> Dataset:
    if count == 0 or count >= part.size:
        return part
    return Dataset(jax.tree.map(lambda leaf: leaf[:count], part.spikes), part.target[:count], classes=part.classes)


def _inputs(data: Dataset) -> int:
    spikes: Any = data.spikes
    return spikes.size


@lru_cache(maxsize=4)
def _recipe(case: Case) -> Recipe:
    problem, method = case.problem, METHODS[case.method]
    rates = {"weight": problem.rate, "delay": problem.delay_rate}
    courses = {name: adam(_course(case.factor * rates[name], case)) for name in case.learn}
    return Recipe(
        method.simulator(problem),
        t_end=problem.t_end,
        readout=problem.readout,
        loss=problem.loss,
        optimiser=optax.chain(optax.clip_by_global_norm(5.0), by_path(courses)),
        epochs=case.epochs,
        batch=problem.batch,
        learn=case.learn,
        augment=problem.augment,
        recovery=method.wake(),
    )


def _course(rate: float, case: Case) -> optax.Schedule:
    """A short rise and a cosine."""
    steps = case.epochs * -(-case.data[0].size // case.problem.batch)
    rise = min(60, steps // 4)
    parts = optax.linear_schedule(0.02 * rate, rate, rise), optax.cosine_decay_schedule(rate, steps - rise, 0.02)
    return optax.join_schedules(list(parts), [rise])


def run_trial(case: Case, seed: int, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Train, choose the epoch on validation data, test there. Goes on with a training that is in the folder.

    Args:
        case: What is trained.
        seed: Of the network and the order of the samples.
        folder: Where the training is kept.
        say: Called with a line after each epoch.

    Returns:
        The case and the seed; `course`, what `fit` says of each epoch; `best`, the number of the epoch that validated
        best, from 1, with its accuracies `validation` and `test`. Where training could not go on, `stopped` says why,
        and there is no more than the case and the seed.
    """
    train, validation, test = case.data

    def tell(epoch: Any, network: Network) -> None:
        fired, silent = epoch["spikes_per_neuron"]["hidden"], epoch["silent"]["hidden"]
        say(f"epoch {epoch['epoch']}/{case.epochs}: loss {epoch['loss']:.3f}, validation "
            f"{epoch['validation_accuracy']:.1%}, {fired:.1f} spikes per neuron, {silent:.0%} silent, "
            f"{epoch['seconds']:.0f} s")  # fmt: skip

    row = {**dataclasses.asdict(case), "case": case.name, "seed": seed}
    try:
        fitted = fit(case.network(seed), train, validation, case.recipe(), out=folder, resume=True, on_epoch_end=tell,
                     key=jax.random.key(seed + 1))  # fmt: skip
        tested = evaluate(fitted.network, test, case.recipe())
    except TrainingError as error:
        return {**row, "stopped": str(error)}
    best = fitted.epochs[fitted.best_epoch - 1]
    return {**row, "course": fitted.epochs, "best": fitted.best_epoch, "validation": best["validation_accuracy"],
            "test": tested["accuracy"]}  # fmt: skip


def lie(case: Case, networks: Mapping[str, Network], methods: Sequence[str]) -> list[dict[str, Any]]:
    """How the gradients of several methods lie to each other on networks, for the first training samples.

    Args:
        case: The task.
        networks: Networks of it by name.
        methods: Names of the methods.

    Returns:
        For each network, `when`, and each pair of methods, `one` and `other`: the `cosine` between the gradients of all
        weights onto hidden neurons, and the `ratio` of the norm of the second to that of the first.
    """
    found = {name: _gradients(case, networks, METHODS[name].simulator(case.problem)) for name in methods}
    return [
        {"when": when, "one": one, "other": other, **compare(found[one][when], found[other][when])._asdict()}
        for when in networks for at, one in enumerate(methods) for other in methods[at + 1 :]
    ]  # fmt: skip


def _gradients(
    case: Case, networks: Mapping[str, Network], simulator: AbstractSimulator
) -> dict[str, Float[np.ndarray, " weights"]]:
    problem, data = case.problem, _first(case.data[0], COMPARED)
    readout = as_readout(problem.readout)

    @jax.jit
    def gradient(network: Network) -> Network:
        learn, rest = partition(network, "weight")

        def loss(learn: Network) -> Float[Array, ""]:
            whole, t_end = combine(learn, rest), problem.t_end
            solution = simulate(whole, data.spikes, simulator, t_end=t_end, record=readout.record, throw=False)
            return problem.loss(readout(solution), data.target)

        return jax.grad(loss)(learn)

    def onto_hidden(network: Network) -> Float[np.ndarray, " weights"]:
        links = [link.weight for link in gradient(network).connections if link.post == "hidden"]
        return np.asarray(ravel_pytree(links)[0], float)

    return {when: onto_hidden(network) for when, network in networks.items()}
