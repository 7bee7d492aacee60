"""Gradients of random networks against extrapolated central differences of the same simulation, in float64.

Everything is differentiated at once: a random linear combination of all spike times and recorded potentials, with
respect to weights, delays, v_threshold, v_reset, v_leak, refractory, time constants and input times. A network does not count (and is
counted apart) if some spike only grazes the threshold, or if the number of spikes, or the order of a neuron's arrivals
and spikes, changes even within the smallest step: there is a kink, and no derivative.
"""

import functools
import itertools
import math
import sys
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import build
import networks
import ranvier as rv
from ranvier.checks.differences import central_difference
from ranvier.checks.structure import Wiring, by_unit, signature, wiring

CHUNKS, COUNTED = 8, 25  # 200 networks that count
FORMS = 5  # structures per chunk: 40 in a row meet every pair of topology and kind of delay
MOST_EXCLUDED = 2  # per chunk: below 10 %
MIN_SLOPE = 1e-3  # threshold units per ms
TOLERANCE = 1e-6
STEPS = [2.0**-9 / 4.0**stage for stage in range(6)]  # in units of a field's typical size; the last is 2e-6
LEVELS = 4
GROUP = 9  # directions simulated in one call
FIELDS = ("weight", "delay", "v_threshold", "v_reset", "v_leak", "refractory", "tau_mem", "tau_syn")
ROOM = 40


class Problem(NamedTuple):
    """One case as a function of one vector: its numbers end to end, by field, and the way back."""

    case: networks.Case
    wired: Wiring
    at: np.ndarray
    fields: dict[str, slice]
    parts: list[np.ndarray]
    structure: jax.tree_util.PyTreeDef
    run: "Run"
    weights: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]


class Run(NamedTuple):
    """What is not differentiated, as arrays, and what JAX compiles a program for."""

    fixed: rv.Network
    units: dict[str, Array]
    record: dict[str, Array]
    window: float | None
    t_end: float


class Outcome(NamedTuple):
    """A stack of simulations: all spikes, potentials, delays and refractory times; without a stack, one of them."""

    trains: dict[str, tuple[np.ndarray, np.ndarray]]
    voltages: dict[str, np.ndarray]
    delays: tuple[np.ndarray, ...]
    rest: dict[str, np.ndarray]
    status: np.ndarray


def pose(case: networks.Case) -> Problem:
    """Lay all numbers of a case end to end."""
    names = list(FIELDS)
    names += ["bias"] * any(bool(np.any(neuron.bias)) for neuron in case.network.neurons.values())
    chosen = {name: rv.partition(case.network, name)[0] for name in names}
    chosen["time"] = {name: train.time[: fired(train)] for name, train in case.spikes.items()}
    parts, structure = jax.tree.flatten(chosen)
    sizes = {name: sum(leaf.size for leaf in jax.tree.leaves(chosen[name])) for name in sorted(chosen)}
    ends = np.cumsum([0, *sizes.values()])
    fields = {name: slice(ends[n], ends[n + 1]) for n, name in enumerate(sizes)}
    at = np.concatenate([np.ravel(part) for part in parts])
    units = {name: train.unit[: fired(train)] for name, train in case.spikes.items()}
    record = {name: jnp.asarray(times) for name, times in case.record.items()}
    run = Run(rv.partition(case.network, *names)[1], units, record, case.window, case.t_end)
    return Problem(
        case, wiring(case.network), at, fields, [np.asarray(part) for part in parts], structure, run, weigh(case)
    )


def fired(train: rv.Spikes) -> int:
    """Number of spikes of one train."""
    return int(np.isfinite(train.time).sum())


def unflatten(problem: Problem, vectors: np.ndarray) -> dict:
    """Vectors (..., size) as parameters with the same leading axes."""
    cuts = np.split(vectors, np.cumsum([part.size for part in problem.parts])[:-1], axis=-1)
    leaves = [cut.reshape((*vectors.shape[:-1], *part.shape)) for cut, part in zip(cuts, problem.parts, strict=True)]
    return jax.tree.unflatten(problem.structure, leaves)


def outcome(run: Run, chosen: dict) -> Outcome:
    """Simulate one set of parameters."""
    moved = chosen["time"]
    network = rv.combine(*(chosen[name] for name in chosen if name != "time"), run.fixed)
    inputs = {name: rv.Spikes(moved[name], unit) for name, unit in run.units.items()}
    simulator = rv.EventDriven(max_spikes=ROOM, window=run.window)
    solution = rv.simulate(network, inputs, simulator, t_end=run.t_end, record=run.record, throw=False)
    trains = {name: (train.time, train.unit) for name, train in (inputs | solution.spikes).items()}
    rest = {name: neuron.refractory for name, neuron in network.neurons.items()}
    delays = tuple(map(network.delay, network.connections))
    return Outcome(trains, solution.voltages, delays, rest, solution.stats.status)


@eqx.filter_jit
def simulate(run: Run, chosen: dict) -> Outcome:
    """A stack of parameters."""
    return jax.vmap(functools.partial(outcome, run))(chosen)


@eqx.filter_jit
def pull(run: Run, chosen: dict, seed: Outcome) -> dict:
    """The adjoint of one set of parameters."""
    return jax.vjp(functools.partial(outcome, run), chosen)[1](seed)[0]


def outcomes(problem: Problem, vectors: np.ndarray) -> list[Outcome]:
    """Simulate many vectors in one call, always of one number of them, so that JAX compiles one program."""
    room = np.resize(vectors, (GROUP * 2 * LEVELS, len(problem.at)))
    many = jax.tree.map(np.asarray, simulate(problem.run, unflatten(problem, room)))
    return [jax.tree.map(lambda leaf, n=n: np.asarray(leaf[n]), many) for n in range(len(vectors))]


def weigh(case: networks.Case) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The random linear combination: a number for each neuron's n-th spike, and for each potential."""
    rng, sizes = np.random.default_rng([case.seed, 1]), build.neuron_sizes(case.network)
    spikes = {name: rng.normal(size=(size, 10 * ROOM)) for name, size in sizes.items()}
    return spikes, {name: rng.normal(size=(len(at), sizes[name])) for name, at in case.record.items()}


def numbered(time: np.ndarray, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each spike of a train, without padding, its neuron and how many that neuron fired before."""
    unit = unit[np.isfinite(time)]
    earlier = unit[:, None] == unit[None, :]
    return unit, np.sum(np.tril(earlier, -1), axis=1)


def loss(problem: Problem, here: Outcome, base: Outcome) -> float:
    """The linear combination, less its value at `base`."""
    spikes, potentials = problem.weights
    terms = [(potentials[name] * (here.voltages[name] - base.voltages[name])).ravel() for name in potentials]
    for name in spikes.keys() & here.trains.keys():
        for one, sign in ((here, 1.0), (base, -1.0)):
            time, unit = one.trains[name]
            terms.append(sign * spikes[name][numbered(time, unit)] * time[np.isfinite(time)])
    return math.fsum(np.concatenate(terms).tolist())


def gradient(problem: Problem) -> np.ndarray:
    """The gradient of the linear combination, by the library."""
    spikes, potentials = problem.weights
    (base,) = outcomes(problem, problem.at[None])
    zero = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype if leaf.dtype == float else jax.dtypes.float0),
                        base)  # fmt: skip
    trains = dict(zero.trains)
    for name in spikes.keys() & trains.keys():
        time, unit = (np.asarray(part) for part in base.trains[name])
        trains[name][0][np.isfinite(time)] = spikes[name][numbered(time, unit)]
    found = pull(problem.run, unflatten(problem, problem.at), zero._replace(trains=trains, voltages=potentials))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


def mark(problem: Problem, one: Outcome) -> bytes:
    """The discrete structure of a run: equal marks lie on one smooth piece."""
    ordered = {name: by_unit(*train) for name, train in one.trains.items()}
    return signature(problem.wired, ordered, one.delays, one.rest, problem.case.record) + bytes([one.status])


def probes(problem: Problem) -> dict[str, np.ndarray]:
    """One random direction for each field that moves, as long as its typical number."""
    rng = np.random.default_rng([problem.case.seed, 2])
    rows = {}
    for name, part in problem.fields.items():
        if name == "refractory" and not 0 < np.max(problem.at[part]) < math.inf:
            continue  # below 0 there is no time, and inf does not move
        values = problem.at[part]
        rows[name] = np.zeros((min(1, len(values)), len(problem.at)))
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
            points = problem.at + np.asarray(steps)[None, :, None] * rows[group, None, :]
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


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks_agree_with_central_differences(chunk: int, record_property: Callable[[str, object], None]):
    """25 networks that count, of five structures; the share of those that do not count is at most 2 in 27."""
    found: list[Verdict] = []
    for seed in range(100 * chunk, 100 * chunk + COUNTED + MOST_EXCLUDED):
        if sum(verdict.reason == "counted" for verdict in found) == COUNTED:
            break
        verdict = check(networks.draw(seed, FORMS * chunk + seed % FORMS))
        found.append(verdict)
        assert verdict.error < TOLERANCE, f"seed {seed}: {verdict}"
        assert max(verdict.fields.values(), default=0.0) < 10 * TOLERANCE, f"seed {seed}: {verdict}"
    reasons = Counter(verdict.reason for verdict in found)
    worst, noise = max(verdict.error for verdict in found), max(verdict.noise for verdict in found)
    share = 1 - reasons["counted"] / len(found)
    record_property("gradients", dict(reasons) | {"worst": worst, "noise": noise})
    sys.__stderr__.write(
        f"\ngradients, networks from {100 * chunk}: {dict(reasons)}, {share:.1%} excluded (grazing: dV/dt below "
        f"{MIN_SLOPE}); worst error {worst:.1e}, of the quotient {noise:.1e}\n"
    )
    assert reasons["counted"] == COUNTED, reasons


def test_networks_that_fire_by_themselves_agree_with_central_differences(
    record_property: Callable[[str, object], None],
):
    """A bias for each neuron, a third of them above threshold; two structures, tonic and driven spikes mixed."""
    found = [check(networks.biased(seed, structure)) for structure in (1, 6) for seed in range(structure, 60, 7)]
    counted = [verdict for verdict in found if verdict.reason == "counted"]
    worst = max(verdict.error for verdict in counted)
    record_property("gradients", {"worst": worst, "counted": len(counted)})
    assert len(counted) >= len(found) - MOST_EXCLUDED, found
    assert worst < TOLERANCE
    assert max(verdict.fields["bias"] for verdict in counted) < TOLERANCE


def learnable(case: networks.Case) -> tuple[rv.Network, Callable]:
    """What learns in a case, and a loss of it and of one sample or a batch (summed)."""
    learn, fixed = rv.partition(case.network)

    def total(learn: rv.Network, spikes: dict[str, rv.Spikes]) -> jnp.ndarray:
        network = rv.combine(learn, fixed)
        simulator = rv.EventDriven(window=1.0)
        solution = rv.simulate(network, spikes, simulator, t_end=case.t_end, record=case.record, throw=False)
        times = [jnp.where(jnp.isfinite(train.time), train.time, 0.0) for train in solution.spikes.values()]
        return sum(jnp.sum(jnp.sin(part)) for part in [*times, *solution.voltages.values()])

    return learn, total


def assert_close(found: object, wanted: object, tolerance: float = 1e-11) -> None:
    """All leaves agree, relative to the largest number of each."""
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance * (1e-300 + np.max(np.abs(other), initial=0)))


@pytest.mark.parametrize("seed", [1, 6])
def test_ways_to_take_a_gradient_agree(seed: int):
    case = networks.draw(seed)
    spikes = networks.repeat(case, 3)
    learn, total = learnable(case)
    plain = jax.grad(total)(learn, spikes)
    assert_close(jax.jit(jax.grad(total))(learn, spikes), plain)
    mapped = lambda learn, spikes: jnp.sum(jax.vmap(total, in_axes=(None, 0))(learn, spikes))
    assert_close(jax.grad(mapped)(learn, spikes), plain)
    assert_close(jax.jit(jax.grad(mapped))(learn, spikes), plain)
    each = jax.vmap(jax.grad(total), in_axes=(None, 0))(learn, spikes)
    assert_close(jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), each), plain)


def test_networks_can_be_stacked():
    """`vmap` over networks too: seeds trained side by side."""
    case = networks.draw(1)
    learn, total = learnable(case)
    stack = jax.tree.map(lambda leaf: jnp.stack([leaf, 0.9 * leaf]), learn)
    found = jax.vmap(jax.grad(total), in_axes=(0, None))(stack, case.spikes)
    for n in range(2):
        one = jax.grad(total)(jax.tree.map(lambda leaf, n=n: leaf[n], stack), case.spikes)
        assert_close(jax.tree.map(lambda leaf, n=n: leaf[n], found), one)


def shapes(jaxpr: object) -> set[tuple[int, ...]]:
    """Shapes of all values in a jaxpr and in those inside it."""
    found = set()
    for equation in jaxpr.eqns:
        found |= {getattr(value.aval, "shape", ()) for value in (*equation.invars, *equation.outvars)}
        for parameter in jax.tree.leaves(equation.params, is_leaf=lambda x: hasattr(x, "eqns") or hasattr(x, "jaxpr")):
            inner = getattr(parameter, "jaxpr", parameter)
            found |= shapes(inner) if hasattr(inner, "eqns") else set()
    return found


def test_a_training_step_holds_no_copy_of_the_weights_per_sample():
    delay = rv.synaptic(1.0, 5.0)
    network = rv.recurrent([7, 11, 3], neuron=rv.LIF(), delay=delay, key=jax.random.key(0))
    learn, fixed = rv.partition(network)
    spikes = rv.Spikes(jnp.ones((13, 4)), jnp.zeros((13, 4), jnp.int32))

    def loss(learn: rv.Network) -> jnp.ndarray:
        solution = rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(), t_end=9.0, throw=False)
        return jnp.sum(rv.first_spike(solution.spikes["hidden"]))

    held = shapes(jax.make_jaxpr(jax.jit(jax.value_and_grad(loss)))(learn).jaxpr)
    assert (7, 11) in held
    assert (11, 11) in held
    for pre, post in ((7, 11), (11, 11), (11, 3)):
        assert not held & set(itertools.permutations((13, pre, post)))
        assert not held & {(13, pre * post), (13 * pre * post,), (13 * pre, post), (pre, 13 * post)}


def test_record_times_have_no_derivative():
    case = networks.draw(0)

    def loss(times: jnp.ndarray) -> jnp.ndarray:
        record = {"readout": times}
        solution = rv.simulate(case.network, case.spikes, rv.EventDriven(), t_end=case.t_end, record=record)
        return jnp.sum(solution.voltages["readout"])

    with pytest.raises(ValueError, match=r"`record` times.*stop_gradient"):
        jax.grad(loss)(jnp.array([1.0, 20.0]))


def test_a_loss_of_nothing_has_a_gradient_of_zero():
    case = networks.draw(1)
    learn, fixed = rv.partition(case.network)

    def loss(learn: rv.Network, kind: str) -> jnp.ndarray:
        network = rv.combine(learn, fixed)
        solution = rv.simulate(network, case.spikes, rv.EventDriven(), t_end=case.t_end, record=case.record)
        values = {
            "times": 0.0 * solution.spikes["output"].time[0],
            "potentials": 0.0 * jnp.sum(solution.voltages["readout"]),
            "counts": jnp.sum(rv.spike_count(jax.lax.stop_gradient(solution.spikes["hidden"]))),
            "stats": solution.stats.spikes["hidden"].astype(float),
        }
        return values[kind]

    for kind in ("times", "potentials", "counts", "stats"):
        found = jax.grad(loss)(learn, kind)
        assert all(np.all(np.asarray(leaf) == 0.0) for leaf in jax.tree.leaves(found)), kind


@pytest.mark.parametrize("kind", [rv.EventDriven, rv.FirstSpike])
def test_the_guard_scales_all_gradients_of_a_grazing_spike_alike(kind: Any):
    delay = rv.SynapticDelay(jnp.ones((1, 1)), 0.0, 9.0, rv.delays.Clip())
    link = rv.Connection("input", "output", jnp.full((1, 1), 4.02), delay)
    network = build.network({"input": 1}, {"output": rv.LIF(10.0, 5.0, refractory=jnp.inf)}, {"output": 1}, [link])
    learn, fixed = rv.partition(network)

    def first(learn: rv.Network, time: jnp.ndarray, cap: float) -> tuple[jnp.ndarray, rv.Stats]:
        inputs, simulator = rv.Spikes(time, jnp.array([0])), kind(max_inverse_slope=cap)
        solution = rv.simulate(rv.combine(learn, fixed), inputs, simulator, t_end=50.0)
        return solution.spikes["output"].time[0], solution.stats

    take = jax.grad(first, argnums=(0, 1), has_aux=True)
    exact, stats = take(learn, jnp.ones(1), math.inf)
    assert int(stats.guarded["output"]) == 0
    np.testing.assert_allclose([exact[0].connections[0].delay.raw[0, 0], exact[1][0]], 1.0, rtol=1e-9)
    inverse = 1 / networks.ask(networks.Case(0, "", network, {"input": rv.Spikes([1.0], [0])}, {}, None, 50.0)
                               ).slopes["output"][0]  # fmt: skip
    for cap, guarded in ((2 * inverse, 0), (0.9 * inverse, 1), (inverse / 4, 1), (inverse / 100, 1)):
        found, stats = take(learn, jnp.ones(1), cap)
        assert int(stats.guarded["output"]) == guarded
        shares = jax.tree.map(lambda one, other: one / other, found, exact)
        np.testing.assert_allclose(np.concatenate([np.ravel(x) for x in jax.tree.leaves(shares)]),
                                   min(1.0, cap / inverse), rtol=1e-6)  # fmt: skip


def test_shifting_all_input_shifts_all_output():
    """The sum over input spikes of d t_out / d t_in is 1 for each output spike."""
    case = networks.draw(3)

    def total(times: dict[str, jnp.ndarray]) -> tuple[jnp.ndarray, jnp.ndarray]:
        inputs = {name: rv.Spikes(times[name], train.unit) for name, train in case.spikes.items()}
        solution = rv.simulate(case.network, inputs, rv.EventDriven(), t_end=case.t_end)
        weight = jnp.cos(jnp.arange(solution.spikes["output"].time.shape[0], dtype=float))
        weight = jnp.where(jnp.isfinite(solution.spikes["output"].time), weight, 0.0)
        time = jnp.where(jnp.isfinite(solution.spikes["output"].time), solution.spikes["output"].time, 0.0)
        return jnp.sum(weight * time), jnp.sum(weight)

    found, wanted = jax.grad(total, has_aux=True)({name: train.time for name, train in case.spikes.items()})
    assert abs(float(sum(jnp.sum(part) for part in found.values())) - float(wanted)) < 1e-9
