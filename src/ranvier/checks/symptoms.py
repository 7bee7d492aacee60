"""From what was measured to what may be wrong. Each function looks for one kind of thing.

Likelihoods are ranks: what comes first in the chain from the input to the answer goes before what may follow from it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ranvier.checks.findings import Finding, Symptom
from ranvier.checks.vitals import Layer, Vitals
from ranvier.status import DELAY, NOT_FINITE, STATUS, WEIGHT

MOST_NEIGHBOURS = 500
"""Samples that are compared with each other at most."""


def numbers(vitals: Vitals) -> Iterator[Finding]:
    """Weights, delays or gradients that are not finite."""
    broken = [name for name, weight in vitals.weights.items() if not np.isfinite(weight).all()]
    if broken or vitals.status in (WEIGHT, DELAY, NOT_FINITE):
        where = ", ".join(broken) or "network"
        share = float(np.mean([~np.isfinite(vitals.weights[name]).all() for name in vitals.weights]))
        yield Finding(
            Symptom.NOT_FINITE, where, share, "share of connections with such weights",
            f"{STATUS[vitals.status] if vitals.status else 'weights are not finite'}.".capitalize(),
            "Start again with a lower learning rate.", 1.0,
        )  # fmt: skip


def inputs(vitals: Vitals) -> Iterator[Finding]:
    """Too few input spikes, or at times in another unit."""
    for name, one in vitals.inputs.items():
        firing = float(np.mean(one.count.sum(axis=0) > 0))
        empty = float(np.mean(one.count.sum(axis=1) == 0))
        if one.late > 0.2:
            unit = one.latest > 50 * vitals.t_end
            yield Finding(
                Symptom.TIME_UNIT if unit else Symptom.LATE_INPUT, name, one.latest,
                f"latest spike (ms); {one.late:.0%} are after the end, {vitals.t_end:g} ms",
                "Times seem to be in microseconds." if unit else "The simulation ends before the data.",
                "Divide them by 1000." if unit else f"Raise t_end to {one.latest * 1.2:.3g} ms.", 0.98,
            )  # fmt: skip
        elif empty > 0.5 or firing < 0.15:
            yield Finding(
                Symptom.NO_INPUT, name, firing, f"share of units that ever fire; {empty:.0%} of samples are empty",
                "The encoder gives hardly any spikes, or units are numbered wrongly.",
                "Look at the spikes with ranvier.plots.raster, and at the range of values that are encoded.", 0.97,
            )  # fmt: skip
        elif 0 < one.latest < 0.02 * vitals.t_end and one.latest < 0.2 * _shortest(vitals):
            yield Finding(
                Symptom.TIME_UNIT, name, one.latest, f"latest spike (ms); the simulation ends at {vitals.t_end:g} ms",
                "Times seem to be in seconds: everything happens at once.", "Multiply them by 1000.", 0.96,
            )  # fmt: skip


def time_constants(vitals: Vitals) -> Iterator[Finding]:
    """Membranes that forget before the next spike comes, or never."""
    span = max((one.latest - one.earliest for one in vitals.inputs.values()), default=0.0)
    for name, layer in vitals.layers.items():
        for kind, tau in zip(("tau_mem", "tau_syn"), layer.tau, strict=True):
            if 0 < tau < 2e-3 * span:
                yield Finding(
                    Symptom.TIME_CONSTANT, name, tau, f"{kind} (ms); the input lasts {span:.3g} ms",
                    "Time constants seem to be in seconds: spikes are forgotten before the next one comes.",
                    "Multiply tau_mem and tau_syn by 1000.", 0.95,
                )  # fmt: skip
                break
            if tau > 500 * vitals.t_end:
                yield Finding(
                    Symptom.TIME_CONSTANT, name, tau, f"{kind} (ms); the simulation ends at {vitals.t_end:g} ms",
                    "Time constants seem to be in microseconds: nothing has an effect before the end.",
                    "Divide tau_mem and tau_syn by 1000.", 0.95,
                )  # fmt: skip
                break


def arrivals(vitals: Vitals) -> Iterator[Finding]:
    """Events that arrive after the end."""
    for rank, (name, layer) in enumerate(vitals.layers.items()):
        if layer.in_flight > 0.4:
            yield Finding(
                Symptom.LATE_ARRIVAL, name, layer.in_flight, "share of events onto it that are due after the end",
                f"Delays onto {name} are long beside t_end, {vitals.t_end:g} ms.",
                "Start from shorter delays, or raise t_end.", 0.93 - 0.002 * rank,
            )  # fmt: skip


def activity(vitals: Vitals) -> Iterator[Finding]:
    """Neurons that never fire, or all the time; of several populations the first is the likely cause."""
    for rank, (name, layer) in enumerate(vitals.layers.items()):
        if not layer.spiking:
            continue
        share = float(layer.silent.mean())
        busy = _busy(vitals, layer)
        if busy:
            meaning, number = busy
            cause = f"The weights onto {name} are too large."
            advice = "Make them smaller: ranvier.initializers.fluctuation_driven, or CountUpperBound."
            if layer.alone > 0.5:
                cause, advice = f"The bias of {name} alone takes its neurons to threshold.", "Make the bias smaller."
            yield Finding(Symptom.SATURATED, name, number, meaning, cause, advice, 0.9 - 0.02 * rank)
        elif share > 0.5:
            yield _silent(name, layer, share, 0.9 - 0.02 * rank)


def _silent(name: str, layer: Layer, share: float, likelihood: float) -> Finding:
    peak = float(np.median(layer.peak[layer.silent]))
    more = f"Multiply them by {1.5 / max(peak, 1e-3):.2g}." if np.isfinite(peak) else "Make them several times larger."
    cause, advice = f"The weights onto {name} are too small.", more
    if layer.distance > 5:
        cause = f"The threshold, {layer.distance:.3g} above rest, is far from what weights of that size reach."
        advice = "Set v_threshold to 1, the unit of weights."
    elif layer.bias < -0.5:
        cause, advice = f"The bias of {name} holds its neurons back.", "Make the bias larger."
    elif np.mean(layer.fan_in[layer.silent] <= 0) > 0.5 and peak < 0.3:
        cause, advice = f"The weights onto {name} add up to nothing, or inhibit.", "Start with larger positive weights."
    elif peak == 0:
        cause, advice = f"No event reaches {name}.", "First wake the populations that send to it."
    return Finding(
        Symptom.SILENT, name, peak, f"largest potential, in thresholds, of the {share:.0%} that never fire",
        cause, advice, likelihood * (0.5 + 0.5 * share),
    )  # fmt: skip


def _busy(vitals: Vitals, layer: Layer) -> tuple[str, float] | None:
    """What says that a population fires all the time."""
    if layer.dropped > 0:
        return "spikes that did not fit (max_spikes)", float(layer.dropped)
    mean = float(layer.count.mean())
    limit = max(10.0, 2.5 * vitals.t_end / layer.tau[0]) if layer.tau[0] > 0 else 50.0
    if mean > limit:
        return "spikes of a neuron in a sample", mean
    if layer.once and mean > 0.3 and layer.lag < 0.03 * max(layer.tau):
        return "median time (ms) from the first input spike to that of a neuron", layer.lag
    return None


def readout(vitals: Vitals) -> Iterator[Finding]:
    """Outputs that are the same for all samples, or never fire."""
    values = vitals.values
    if values is None:
        return
    silent = float(np.mean(~np.isfinite(values)))
    if silent > 0.8:
        yield Finding(
            Symptom.READOUT, "output", silent, "share of outputs and samples without a spike",
            "The outputs do not fire.", "Raise the weights onto them, or read potentials: readouts.MaxPotential.", 0.85,
        )  # fmt: skip
        return
    filled = np.where(np.isfinite(values), values, np.nanmax(np.where(np.isfinite(values), values, np.nan)))
    spread = float(np.mean(np.std(filled, axis=0)))
    size = float(np.mean(np.abs(filled)))
    if len(values) > 1 and (spread < 1e-5 * max(size, 1e-30) or size < 1e-6):
        yield Finding(
            Symptom.READOUT, "output", spread, "standard deviation of an output over the samples",
            "Every sample has the same output: nothing reaches it, or its weights are next to 0.",
            "Start with larger weights onto the output.", 0.8,
        )  # fmt: skip


def labels(vitals: Vitals, history: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """One class only, one answer only, or labels that neighbours do not share."""
    target = vitals.target
    if target is None or len(target) < 10:
        return
    counts = np.bincount(target)
    most = float(counts.max() / counts.sum())
    if most > 0.9:
        yield Finding(
            Symptom.ONE_LABEL, "labels", most, "share of the most frequent class",
            "The samples are of one class.", "Mix the samples before they are split.", 0.88,
        )  # fmt: skip
        return
    yield from _collapse(vitals, most)
    if len(target) < 5 * np.count_nonzero(counts):
        return  # too few to have neighbours of their class
    learned = max((line.get("accuracy", 0.0) for line in history), default=0.0) > most + 0.15
    found, chance = _neighbours(vitals), float(np.sum((counts / counts.sum()) ** 2))
    if found < chance + 3 * np.sqrt(chance * (1 - chance) / min(len(target), MOST_NEIGHBOURS)) and not learned:
        yield Finding(
            Symptom.LABELS, "labels", found, f"accuracy of the nearest neighbour in the input; chance is {chance:.3g}",
            "Labels may belong to other samples, or the task needs relations of times that neighbours do not share.",
            "Check that samples and labels were shuffled together.", 0.3,
        )  # fmt: skip


def _collapse(vitals: Vitals, most: float) -> Iterator[Finding]:
    answer = vitals.answers if vitals.answers is None else vitals.answers[vitals.answers >= 0]
    if answer is None or not len(answer):
        return
    counts = np.bincount(answer)
    share = float(counts.max() / len(answer))
    if share > 0.95 and most < 0.8:
        yield Finding(
            Symptom.COLLAPSE, f"output {counts.argmax()}", share, "share of samples with this answer",
            "One output wins whatever comes in.", "Draw the weights onto the outputs around the same mean.", 0.4,
        )  # fmt: skip


def _neighbours(vitals: Vitals) -> float:
    """Share of samples whose nearest neighbour has their class."""
    rows, target = vitals.features[:MOST_NEIGHBOURS], vitals.target
    assert target is not None
    squares = np.sum(rows**2, axis=1)
    distance = squares[:, None] + squares[None, :] - 2 * rows @ rows.T
    np.fill_diagonal(distance, np.inf)
    label = target[:MOST_NEIGHBOURS]
    return float(np.mean(label[np.argmin(distance, axis=1)] == label))


def steps(vitals: Vitals, rates: Mapping[str, float], history: list[Mapping[str, Any]]) -> Iterator[Finding]:
    """Learning rates beside what they move."""
    losses = [line["loss"] for line in history if "loss" in line]
    rises = len(losses) >= 2 and not losses[-1] < 1.5 * losses[0]
    mute = any(layer.spiking and layer.silent.all() for layer in vitals.layers.values())
    for path, rate in rates.items():
        size = _size(vitals, path)
        if size is None:
            continue
        if rate > 0.5 * size or (rises and rate > 0.05 * size):
            yield Finding(
                Symptom.STEP_TOO_LARGE, path, rate, f"learning rate; a {path.rpartition('.')[2]} is {size:.2g} in size",
                "A step of Adam is about as long as its rate, so each one overturns what was there.",
                f"Lower it to {0.02 * size:.1g}.", 0.92 if rate > size and not mute else 0.7,
            )  # fmt: skip
        elif rate < 1e-5 * size:
            yield Finding(
                Symptom.STEP_TOO_SMALL, path, rate, f"learning rate; a {path.rpartition('.')[2]} is {size:.2g} in size",
                "Nothing moves by as much as a hundredth in a thousand steps.", f"Raise it to {0.02 * size:.1g}.", 0.7,
            )  # fmt: skip


def _size(vitals: Vitals, path: str) -> float | None:
    """Root mean square of what a path names; of delays the distance over which they differ."""
    owner, _, field = path.rpartition(".")
    if field in ("weight", "all"):
        names = [owner] if owner in vitals.weights else list(vitals.weights)
        found = np.concatenate([vitals.weights[name].ravel() for name in names])
        return float(np.sqrt(np.mean(found**2))) or None
    return None


def gradients(vitals: Vitals) -> Iterator[Finding]:
    """Gradients without bound, or next to nothing."""
    weights = {path: array for path, array in vitals.gradients.items() if path.endswith(".weight")}
    norms = {path: float(np.linalg.norm(array)) for path, array in weights.items()}
    for path, norm in norms.items():
        ratio = norm * float(np.sqrt(np.mean(vitals.weights[path.removesuffix(".weight")] ** 2) + 1e-30))
        if not np.isfinite(norm) or ratio > 1e4 * max(abs(vitals.loss), 1e-3):
            yield Finding(
                Symptom.EXPLODING, path, norm, "norm of the gradient",
                "A spike only just reaches its threshold, and its time changes without bound.",
                "Set max_inverse_slope of the simulator, to 20 ms for example.", 0.75,
            )  # fmt: skip
    finite = [norm for norm in norms.values() if np.isfinite(norm)]
    largest = max(finite, default=0.0)
    for path, norm in norms.items():
        if norm < 1e-5 * largest or (largest < 1e-9 and np.isfinite(vitals.loss)):
            yield Finding(
                Symptom.VANISHING, path, norm, f"norm of the gradient; the largest of all connections is {largest:.2g}",
                "What this connection does hardly reaches the loss.",
                "Look at the weights behind it, and at the scale of the loss.", 0.6,
            )  # fmt: skip


def bounds(vitals: Vitals) -> Iterator[Finding]:
    """Delays that cannot move any further."""
    for name, share in vitals.at_bound.items():
        if share > 0.5:
            yield Finding(
                Symptom.DELAY_AT_BOUND, name, share, "share of its delays at a bound",
                "Delays start at a bound, or want to go beyond it.",
                "Widen the bounds, or start in the middle of them.", 0.5,
            )  # fmt: skip


def _shortest(vitals: Vitals) -> float:
    taus = [tau for layer in vitals.layers.values() for tau in layer.tau if tau > 0]
    return min(taus, default=np.inf)
