"""Spoken words through a recurrent layer: one training, by any simulator and gradient.

A trial is a few plain values: a simulator, a kind of delay, sizes and rates. `run_trial` trains it on `Words` and says
what came of it: the epoch is chosen on validation data, the test data are used there once. The loss is the
cross-entropy of the output neurons' mean potential, later times counting less, `z = gain sum_k e^{-t_k/T} V(t_k) / K`,
T = 1 s.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
from equinox import combine
from jaxtyping import Array, Float, Int

from ranvier.builders import recurrent
from ranvier.delays import axonal, fixed, synaptic
from ranvier.events import Spikes, spike_count
from ranvier.initializers import normal, uniform
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, Solution, simulate
from ranvier.train import by_path

T_END = 1150.0
PLACES = 512
"""Batches are padded to a multiple of this many spikes, so that few programs are compiled."""


class Words(NamedTuple):
    """Ragged samples: where each begins in `time` (ms) and `unit`, its class, and which belong to which part."""

    start: Int[np.ndarray, " more"]
    time: Float[np.ndarray, " spikes"]
    unit: Int[np.ndarray, " spikes"]
    label: Int[np.ndarray, " samples"]
    parts: dict[str, Int[np.ndarray, " _"]]

    @property
    def channels(self) -> int:
        """Number of input units."""
        return int(self.unit.max()) + 1

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.label.max()) + 1


def read_words(path: str | Path) -> Words:
    """Spikes of words from an `.npz` file.

    Args:
        path: A file with `off` (samples + 1), `T` (ms) and `U` (spikes), `lab` and `spl` (samples), where `spl` is
            `training`, `validation` or `testing`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it lacks one of these.
    """
    if not Path(path).is_file():
        msg = f"read_words: {path} is not a file; give one of spikes (.npz) that holds off, T, U, lab and spl."
        raise FileNotFoundError(msg)
    with np.load(path) as file:
        missing = {"off", "T", "U", "lab", "spl"} - set(file.files)
        if missing:
            msg = f"read_words: {path} must hold off, T, U, lab and spl; it lacks {', '.join(sorted(missing))}."
            raise ValueError(msg)
        parts = {name: np.flatnonzero(file["spl"] == name) for name in ("training", "validation", "testing")}
        return Words(file["off"], file["T"].astype(np.float32), file["U"].astype(np.int32), file["lab"], parts)


@dataclasses.dataclass(frozen=True)
class Trial:
    """One training. Times in ms, weights in units of the threshold.

    Args:
        name: What it is called.
        simulator: How the network runs, and with it the gradient.
        delay: `none`, `fixed` (random, do not learn), `axonal` or `synaptic`.
        longest: Longest delay from the input; recurrent ones are half as long at most.
        hidden: Neurons of the recurrent layer.
        epochs: How long.
        seed: Decides initial values and the order of samples.
        rate: Learning rate of the weights.
        delay_rate: Learning rate of the delays (ms).
        batch: Samples in a step.
        shift: Samples of training are shifted by up to this many channels,
        jitter: and by up to this long.
        gain: From potentials to logits.
        count_cost: Factor of `mean over neurons of (spikes - count_aim)^2`, 0 for none.
        count_aim: Spikes of each hidden neuron that are aimed at.
    """

    name: str
    simulator: AbstractSimulator
    delay: str = "none"
    longest: float = 60.0
    hidden: int = 64
    epochs: int = 8
    seed: int = 0
    rate: float = 2e-3
    delay_rate: float = 5e-2
    batch: int = 64
    shift: int = 4
    jitter: float = 60.0
    gain: float = 60.0
    count_cost: float = 0.0
    count_aim: float = 14.0


class Epoch(NamedTuple):
    """What one epoch came to: mean loss and accuracy, validation, spikes of a hidden neuron, share of silent ones."""

    epoch: int
    loss: float
    training: float
    validation: float
    spikes: float
    silent: float
    norm: float
    seconds: float


class Outcome(NamedTuple):
    """A trial's course, the epoch that validated best (0 is the first), and the accuracy there on test data."""

    trial: str
    course: tuple[Epoch, ...]
    best: int
    validation: float
    test: float


DELAYS: dict[str, Callable[[float, float], Any]] = {
    "none": lambda low, high: fixed(low),
    "fixed": lambda low, high: synaptic(low, high, init=uniform(low, high)),
    "axonal": lambda low, high: axonal(low, high, init=uniform(low, high)),
    "synaptic": lambda low, high: synaptic(low, high, init=uniform(low, high)),
}


def make_network(trial: Trial, channels: int, classes: int) -> Network:
    """The network before training.

    Args:
        trial: The trial.
        channels: Input units.
        classes: Output neurons.
    """
    kind = DELAYS[trial.delay]
    return recurrent(
        [channels, trial.hidden, classes],
        neuron=LIF(20.0, 5.0),
        readout=LI(20.0, 5.0),
        delay=[kind(0.5, trial.longest), kind(1.0, trial.longest / 2), fixed(0.0)],
        weight=[normal(0.05, 0.02), normal(0.0, 0.02), normal(0.0, 0.06)],
        key=jax.random.key(trial.seed),
    )


def gather(words: Words, samples: Int[np.ndarray, " n"], trial: Trial, rng: np.random.Generator | None) -> Spikes:
    """A batch of samples, padded; shifted in channel and time if there is a generator.

    Args:
        words: The data.
        samples: Which samples.
        trial: Says how far they are shifted.
        rng: Random numbers, or None.
    """
    most = max(int(words.start[n + 1] - words.start[n]) for n in samples)
    width = -(-most // PLACES) * PLACES
    times, units = np.full((len(samples), width), np.inf, np.float32), np.full((len(samples), width), -1, np.int32)
    for row, n in enumerate(samples):
        part = slice(words.start[n], words.start[n + 1])
        at, unit = words.time[part], words.unit[part]
        if rng is not None:
            unit = unit + rng.integers(-trial.shift, trial.shift + 1)
            at = at + np.float32(rng.uniform(-trial.jitter, trial.jitter))
            kept = (unit >= 0) & (unit < words.channels) & (at >= 0) & (at <= 1000.0)
            at, unit = at[kept], unit[kept]
        times[row, : len(at)], units[row, : len(at)] = at, unit
    return Spikes(jnp.asarray(times), jnp.asarray(units))


def logits(solution: Solution, gain: float) -> Float[Array, "batch classes"]:
    """Mean potentials, later times counting less.

    Args:
        solution: With the potentials at `record_times`.
        gain: Factor.
    """
    weight = jnp.exp(-record_times() / 1000.0)
    return gain * jnp.mean(solution.voltages["output"] * weight[None, :, None], axis=1)


def record_times() -> Float[Array, " times"]:
    """Every 10 ms."""
    return jnp.linspace(10.0, T_END, 115)


def run_trial(trial: Trial, words: Words, report: Callable[[Epoch], None] = lambda epoch: None) -> Outcome:
    """Train, choose the epoch on validation data, test there.

    Args:
        trial: The trial.
        words: The data.
        report: Called after each epoch.
    """
    learn, rest = partition(make_network(trial, words.channels, words.classes), *_names(trial))
    rng, steps = np.random.default_rng(trial.seed), len(words.parts["training"]) // trial.batch
    step, score, optimiser = _programs(trial, rest, steps)
    state, course, best = optimiser.init(cast(Any, learn)), [], (-1.0, 0.0, 0)
    for epoch in range(trial.epochs):
        begun, sums = time.perf_counter(), np.zeros(5)
        order = rng.permutation(words.parts["training"])[: steps * trial.batch]
        for samples in order.reshape(steps, trial.batch):
            spikes, label = gather(words, samples, trial, rng), jnp.asarray(words.label[samples])
            learn, state, found = step(learn, state, spikes, label)
            sums += np.asarray(found, float)
        loss, right, spikes, silent, norm = (sums / steps).tolist()
        passed = time.perf_counter() - begun
        share = _accuracy(trial, words, "validation", score, learn)
        course.append(Epoch(epoch, loss, right, share, spikes, silent, norm, passed))
        report(course[-1])
        if share > best[0]:
            best = (share, _accuracy(trial, words, "testing", score, learn), epoch)
    return Outcome(trial.name, tuple(course), best[2], best[0], best[1])


def _names(trial: Trial) -> tuple[str, ...]:
    return ("weight", "delay") if trial.delay in ("axonal", "synaptic") else ("weight",)


def _programs(trial: Trial, rest: Network, steps: int) -> tuple[Any, Any, optax.GradientTransformation]:
    """A step of training, the number of right answers, and the optimiser."""
    record = {"output": record_times()}

    def run(learn: Network, spikes: Spikes) -> Solution:
        return simulate(combine(learn, rest), spikes, trial.simulator, t_end=T_END, record=record, throw=False)

    def loss(learn: Network, spikes: Spikes, label: Int[Array, " batch"]) -> tuple[Array, tuple[Array, ...]]:
        solution = run(learn, spikes)
        scores = logits(solution, trial.gain)
        value = jnp.mean(optax.softmax_cross_entropy_with_integer_labels(scores, label))
        if trial.count_cost > 0:
            counts = spike_count(solution.spikes["hidden"])
            value += trial.count_cost * jnp.mean((counts - trial.count_aim) ** 2)
        right = jnp.mean((jnp.argmax(scores, axis=1) == label).astype(value.dtype))
        share = lambda counts: jnp.sum(counts["hidden"], dtype=value.dtype) / (trial.hidden * len(label))
        return value, (right, share(solution.stats.spikes), share(solution.stats.silent))

    optimiser = _optimiser(trial, steps)

    @jax.jit
    def step(learn: Network, state: Any, spikes: Spikes, label: Int[Array, " batch"]) -> tuple[Network, Any, Any]:
        (value, told), gradient = jax.value_and_grad(loss, has_aux=True)(learn, spikes, label)
        change, state = optimiser.update(gradient, state, cast(Any, learn))
        moved = cast(Network, optax.apply_updates(cast(Any, learn), change))
        return moved, state, (value, *told, optax.tree.norm(gradient))

    @jax.jit
    def score(learn: Network, spikes: Spikes, label: Int[Array, " batch"]) -> Int[Array, ""]:
        return jnp.sum(jnp.argmax(logits(run(learn, spikes), trial.gain), axis=1) == label)

    return step, score, optimiser


def _optimiser(trial: Trial, steps: int) -> optax.GradientTransformation:
    """Adam with a short warm-up and a cosine, the gradient clipped; delays have a rate of their own."""
    total, warm = trial.epochs * steps, min(60, trial.epochs * steps // 4)

    def adam(rate: float) -> optax.GradientTransformation:
        rise, fall = (
            optax.linear_schedule(0.02 * rate, rate, warm),
            optax.cosine_decay_schedule(rate, total - warm, 0.02),
        )
        return optax.adam(optax.join_schedules([rise, fall], [warm]))

    rates = {"weight": adam(trial.rate), "delay": adam(trial.delay_rate)}
    chosen = by_path({name: rates[name] for name in _names(trial)})
    return optax.chain(optax.clip_by_global_norm(5.0), chosen)


def _accuracy(trial: Trial, words: Words, part: str, score: Any, learn: Network) -> float:
    right = 0
    for samples in _chunks(words.parts[part], 2 * trial.batch):
        right += int(score(learn, gather(words, samples, trial, None), jnp.asarray(words.label[samples])))
    return right / len(words.parts[part])


def _chunks(samples: Int[np.ndarray, " n"], size: int) -> Iterator[Int[np.ndarray, " _"]]:
    for first in range(0, len(samples), size):
        yield samples[first : first + size]
