"""Gradients of random networks against extrapolated central differences of the same simulation, in float64.

Everything is differentiated at once: a random linear combination of all spike times and recorded potentials, with
respect to weights, delays, v_threshold, v_reset, v_leak, refractory and input times. A network does not count (and is
counted apart) if some spike only grazes the threshold, or if the number of spikes, or the order of a neuron's arrivals
and spikes, changes even within the smallest step: there is a kink, and no derivative.
"""

import math
import sys
from collections import Counter
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import networks
import ranvier as rv
from ranvier.checks.differences import central_difference
from ranvier.checks.structure import by_unit, signature

CHUNKS, COUNTED = 8, 25  # 200 networks that count
MOST_EXCLUDED = 2  # per chunk: below 10 %
MIN_SLOPE = 1e-3  # threshold units per ms
TOLERANCE = 1e-6
STEPS = [2.0**-8 / 4.0**stage for stage in range(7)]  # in units of a field's typical size; the last is 1e-6
LEVELS = 5
DIRECTIONS = 2
GROUP = 7  # directions simulated in one call: always as many, so that JAX compiles its operations once
FIELDS = ("weight", "delay", "v_threshold", "v_reset", "v_leak", "refractory")
ROOM = 40


class Problem(NamedTuple):
    """One case as a function of one vector: its numbers end to end, by field, and the way back."""

    case: networks.Case
    at: np.ndarray
    fields: dict[str, slice]
    parts: list[np.ndarray]
    structure: jax.tree_util.PyTreeDef
    fixed: rv.Network


class Outcome(NamedTuple):
    """A stack of simulations: all spikes, potentials, delays and refractory times; without a stack, one of them."""

    trains: dict[str, tuple[np.ndarray, np.ndarray]]
    voltages: dict[str, np.ndarray]
    delays: tuple[np.ndarray, ...]
    rest: dict[str, np.ndarray]
    status: np.ndarray


def pose(case: networks.Case) -> Problem:
    """Lay all numbers of a case end to end."""
    longest = float(jnp.max(case.network.neurons["hidden"].refractory))
    names = [name for name in FIELDS if name != "refractory" or 0 < longest < math.inf]
    chosen = {name: rv.partition(case.network, name)[0] for name in names}
    chosen["time"] = {name: train.time[: fired(train)] for name, train in case.spikes.items()}
    parts, structure = jax.tree.flatten(chosen)
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(chosen[name])) for name in sorted(chosen)}
    ends = np.cumsum([0, *sizes.values()])
    fields = {name: slice(ends[n], ends[n + 1]) for n, name in enumerate(sizes)}
    at = np.concatenate([np.ravel(part) for part in parts])
    return Problem(case, at, fields, [np.asarray(part) for part in parts], structure,
                   rv.partition(case.network, *names)[1])  # fmt: skip


def fired(train: rv.Spikes) -> int:
    """Number of spikes of one train."""
    return int(np.isfinite(train.time).sum())


def unflatten(problem: Problem, vectors: np.ndarray) -> dict:
    """Vectors (..., size) as parameters with the same leading axes."""
    cuts = np.split(vectors, np.cumsum([part.size for part in problem.parts])[:-1], axis=-1)
    leaves = [jnp.asarray(cut.reshape((*vectors.shape[:-1], *part.shape))) for cut, part in zip(cuts, problem.parts, strict=True)]
    return jax.tree.unflatten(problem.structure, leaves)


def outcome(problem: Problem, chosen: dict) -> Outcome:
    """Simulate one set of parameters."""
    case, moved = problem.case, chosen["time"]
    network = rv.combine(*(chosen[name] for name in chosen if name != "time"), problem.fixed)
    inputs = {name: rv.Spikes(moved[name], train.unit[: fired(train)]) for name, train in case.spikes.items()}
    simulator = rv.EventDriven(max_spikes=ROOM, window=case.window)
    solution = rv.simulate(network, inputs, simulator, t_end=case.t_end, record=case.record, throw=False)
    trains = {name: (train.time, train.unit) for name, train in (inputs | solution.spikes).items()}
    rest = {name: neuron.refractory for name, neuron in network.neurons.items()}
    delays = tuple(link.delay() for link in network.connections)
    return Outcome(trains, solution.voltages, delays, rest, solution.stats.status)


def outcomes(problem: Problem, vectors: np.ndarray) -> list[Outcome]:
    """Simulate many vectors in one call."""
    many = jax.vmap(lambda chosen: outcome(problem, chosen))(unflatten(problem, vectors))
    many = jax.tree.map(np.asarray, many)
    return [jax.tree.map(lambda leaf, n=n: leaf[n], many) for n in range(len(vectors))]


def weigh(problem: Problem) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The random linear combination: a number for each neuron's n-th spike, and for each potential."""
    rng = np.random.default_rng([problem.case.seed, 1])
    spikes = {name: rng.normal(size=(size, 10 * ROOM)) for name, size in problem.case.network.neuron_sizes}
    sizes = dict(problem.case.network.neuron_sizes)
    return spikes, {name: rng.normal(size=(len(at), sizes[name])) for name, at in problem.case.record.items()}


def numbered(time: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each spike of a train, without padding, its neuron and how many that neuron fired before."""
    unit = unit[np.isfinite(time)]
    earlier = unit[:, None] == unit[None, :]
    return unit, np.sum(np.tril(earlier, -1), axis=1)


def loss(problem: Problem, here: Outcome, base: Outcome) -> float:
    """The linear combination, less its value at `base`."""
    spikes, potentials = weigh(problem)
    terms = [(potentials[name] * (here.voltages[name] - base.voltages[name])).ravel() for name in potentials]
    for name in spikes.keys() & here.trains.keys():
        for one, sign in ((here, 1.0), (base, -1.0)):
            time, unit = one.trains[name]
            terms.append(sign * spikes[name][numbered(time, unit)] * time[np.isfinite(time)])
    return math.fsum(np.concatenate(terms).tolist())


def gradient(problem: Problem) -> np.ndarray:
    """The gradient of the linear combination, by the library."""
    spikes, potentials = weigh(problem)
    base, pull = jax.vjp(lambda chosen: outcome(problem, chosen), unflatten(problem, problem.at))
    zero = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype if leaf.dtype == float else jax.dtypes.float0),
                        base)  # fmt: skip
    trains = dict(zero.trains)
    for name in spikes.keys() & trains.keys():
        time, unit = (np.asarray(part) for part in base.trains[name])
        trains[name][0][np.isfinite(time)] = spikes[name][numbered(time, unit)]
    (found,) = pull(zero._replace(trains=trains, voltages=potentials))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


def mark(problem: Problem, one: Outcome) -> bytes:
    """The discrete structure of a run: equal marks lie on one smooth piece."""
    ordered = {name: by_unit(*train) for name, train in one.trains.items()}
    return signature(problem.case.network, ordered, one.delays, one.rest, problem.case.record) + bytes([one.status])


def probes(problem: Problem) -> dict[str, np.ndarray]:
    """Random directions for each field, as long as its typical number."""
    rng = np.random.default_rng([problem.case.seed, 2])
    rows = {}
    for name, part in problem.fields.items():
        values = problem.at[part]
        rows[name] = np.zeros((DIRECTIONS if len(values) else 0, len(problem.at)))
        drawn = rng.normal(size=(len(rows[name]), len(values)))
        scale = min(1.0, norm(values) / math.sqrt(len(values))) if len(values) else 1.0
        rows[name][:, part] = max(scale, 1e-3) * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return rows


def quotients(problem: Problem, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives along the rows, and their estimated errors; NaN where every step changes the structure."""
    (base,) = outcomes(problem, problem.at[None])
    here = mark(problem, base)
    value, error = np.full(len(rows), np.nan), np.full(len(rows), np.inf)
    for first in STEPS:
        left = np.flatnonzero(np.isnan(value) | ((error > 1e-8 * np.abs(value)) & (first >= STEPS[2])))
        steps = [sign * first / 2.0**level for level in range(LEVELS) for sign in (1, -1)]
        for group in (left[n : n + GROUP] for n in range(0, len(left), GROUP)):
            padded = np.resize(group, GROUP)
            points = problem.at + np.asarray(steps)[None, :, None] * rows[padded, None, :]
            found = outcomes(problem, points.reshape(-1, len(problem.at)))
            for n, row in enumerate(group):
                table = dict(zip(steps, found[n * len(steps) : (n + 1) * len(steps)], strict=True))

                def line(step: float, table: dict[float, Outcome] = table) -> float:
                    same = mark(problem, table[step]) == here
                    return loss(problem, table[step], base) if same else math.nan

                guess = central_difference(line, first, smallest=first, levels=LEVELS)
                if guess.error < error[row]:
                    value[row], error[row] = guess.value, guess.error
    return value, error


class Verdict(NamedTuple):
    """Whether a case counts, the relative errors of its gradient and of the quotient, and that of each field."""

    reason: str
    error: float
    noise: float
    fields: dict[str, float]


def check(case: networks.Case) -> Verdict:
    """Compare the gradient of one case with difference quotients."""
    problem = pose(case)
    slopes = [slope for found in networks.ask(case).slopes.values() for slope in found]
    if slopes and min(slopes) < MIN_SLOPE:
        return Verdict("grazing", 0.0, 0.0, {})
    directions = probes(problem)
    rows = np.concatenate(list(directions.values()))
    value, error = quotients(problem, rows)
    if np.isnan(value).any():
        return Verdict("structure", 0.0, 0.0, {})
    owner = np.concatenate([np.full(len(some), name) for name, some in directions.items()])
    wrong = rows @ gradient(problem) - value
    fields = {name: norm(wrong[owner == name]) / norm(value[owner == name]) for name in np.unique(owner).tolist()}
    return Verdict("counted", norm(wrong) / norm(value), norm(error) / norm(value), fields)


def norm(values: np.ndarray) -> float:
    """Euclidean norm, never exactly zero."""
    return float(np.linalg.norm(values)) + 1e-300
