"""The gradient check: is `jax.grad` of a simulation the derivative of that simulation?

`check_gradients` compares the gradient of a loss with extrapolated central differences of the same loss, for
single numbers and in random directions, on any network. It leaves out, and counts, what has no derivative:
steps within which the order of spikes and arrivals changes, and runs with spikes that graze the threshold.

The value of a spike (`ranvier.SpikeValue`) is no derivative of the simulated loss: it answers for spikes that appear
and vanish, where the loss jumps and differences have no limit. Of a simulator with such a gradient the exact derivative
is checked, which shares all but one line of its backward pass, and the report says how the other lies to it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Float, PRNGKeyArray

from ranvier.checks.modes import gradient_of, is_derivative, with_derivative
from ranvier.checks.report import FieldReport, GradientReport, Reason
from ranvier.checks.runs import Probes, Problem, Run
from ranvier.checks.simulated import Loss, Sample, Setup, random_factors
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.simulation import AbstractSimulator
from ranvier.summaries import AbstractSummary, as_summaries


def check_gradients(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    simulator: AbstractSimulator,
    *,
    t_end: float,
    loss: Loss | None = None,
    names: Sequence[str] = ("weight", "delay"),
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary] | None = None,
    samples: int = 4,
    probes: Probes | None = None,
    tolerance: float = 1e-6,
    key: PRNGKeyArray,
) -> GradientReport:
    """Compare the gradient of a simulation with central differences of the same simulation, in float64.

    Args:
        network: Any network; it is cast to float64, which must be enabled.
        spikes: Input spikes as for `ranvier.simulate`. Each sample of a batch is a run of its own.
        simulator: The simulator under test. If its gradient is no derivative, see the module.
        t_end: End of the simulation (ms).
        loss: Function of one sample's `Solution`; default a random sum of spike times and potentials. Spike counts
            have no derivative and cannot be in it.
        names: Fields to check: those of `ranvier.partition`, and `"time"` for the input spike times.
        record: Times at which to record potentials, or summaries, as for `simulate`.
        samples: Largest number of samples taken from a batch, at random.
        probes: How many numbers and directions, and what counts; default `Probes()`.
        tolerance: Largest relative error of the gradient vector accepted.
        key: Random key.

    Example:
        >>> import jax, jax.numpy as jnp, ranvier as rv
        >>> from ranvier.checks import check_gradients
        >>> jax.config.update("jax_enable_x64", True)
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), weight=rv.initializers.constant(3.0), key=jax.random.key(0))
        >>> spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
        >>> check_gradients(net, spikes, rv.EventDriven(), t_end=20.0, key=jax.random.key(1)).passed
        True
    """
    _require_float64()
    given = _samples(network, spikes, record or {})
    setup = Setup(with_derivative(simulator), float(t_end), tuple(dict.fromkeys(names)), loss)
    other = None if is_derivative(simulator) else setup._replace(simulator=simulator)
    problem, runs = _run((setup, other), network, given, samples, probes or Probes(), key)
    left_out = {reason: count for reason in Reason if (count := sum(run.reason is reason for run in runs))}
    reports = tuple(_field(name, runs, tolerance) for name in setup.names)
    return GradientReport(reports, tolerance, _told(runs, problem), len(runs), left_out, _beside(runs, problem))


def _run(
    setups: tuple[Setup, Setup | None],
    network: Network,
    given: list[Sample],
    samples: int,
    effort: Probes,
    key: PRNGKeyArray,
) -> tuple[Problem, list[Run]]:
    """Check some of the samples, drawn at random."""
    wide = lambda leaf: leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    net = jax.tree.map(wide, network)
    pick, weigh, turn = jax.random.split(key, 3)
    setup, other = setups
    problem = Problem(setup, other, net, random_factors(setup, net, given[0], weigh), effort)
    chosen = np.asarray(jax.random.permutation(pick, len(given)))[: max(samples, 1)].tolist()
    keys = jax.random.split(turn, len(chosen))
    return problem, [problem.run(given[n], one) for n, one in zip(chosen, keys, strict=True)]


def _require_float64() -> None:
    if not jax.config.read("jax_enable_x64"):
        msg = (
            "check_gradients: float64 is off, and differences of float32 numbers check nothing. Start with "
            "JAX_ENABLE_X64=1, or call jax.config.update('jax_enable_x64', True) first."
        )
        raise RuntimeError(msg)


def _samples(
    network: Network,
    spikes: Spikes | Mapping[str, Spikes],
    record: Mapping[str, ArrayLike | Sequence[Any] | AbstractSummary],
) -> list[Sample]:
    """Input and record times of each sample."""
    trains = {network.inputs[0]: spikes} if isinstance(spikes, Spikes) else dict(spikes)
    wide = {name: Spikes(train.time.astype(jnp.float64), train.unit, train.size) for name, train in trains.items()}
    wide64 = lambda times: jnp.asarray(times).astype(jnp.float64)
    at = {name: as_summaries(wanted) or wide64(wanted) for name, wanted in record.items()}
    shape = next(iter(wide.values())).time.shape
    if len(shape) == 1:
        return [Sample(wide, at)]
    rows = range(shape[0])
    split = [jax.tree.map(lambda leaf, n=n: leaf[n], wide) for n in rows]
    own = lambda one, n: one[n] if not isinstance(one, tuple) and one.ndim == 2 else one
    times = [{name: own(one, n) for name, one in at.items()} for n in rows]
    return [Sample(*pair) for pair in zip(split, times, strict=True)]


def _field(name: str, runs: list[Run], tolerance: float) -> FieldReport:
    """Put one field's quotients of all runs together."""
    errors, noise, counted = [], [], 0
    excluded: dict[Reason, int] = {}
    for run in runs:
        value = np.array([one.value for one in run.quotients[name]])
        doubt = np.array([one.error for one in run.quotients[name]])
        known = np.isfinite(value)
        reason = run.reason or Reason.STRUCTURE
        if missing := int((~known).sum()):
            excluded[reason] = excluded.get(reason, 0) + missing
        counted += int(known.sum())
        if known.any():
            off = run.components[name] - value
            errors.append(_relative(off[known], value[known]))
            noise.append(_relative(doubt[known], value[known]))
    size = max(run.free[name] for run in runs)
    return FieldReport(name, size, counted, excluded, tuple(errors), tuple(noise), tolerance)


def _relative(part: Float[np.ndarray, " probes"], whole: Float[np.ndarray, " probes"]) -> float:
    """`|part| / |whole|`, where 0 / 0 is 0: a gradient that is zero and should be."""
    above, below = float(np.linalg.norm(part)), float(np.linalg.norm(whole))
    if below == 0:
        return 0.0 if above == 0 else math.inf
    return above / below


def _beside(runs: list[Run], problem: Problem) -> str:
    """How a gradient that is no derivative lies to the exact one, in words; nothing if there is none."""
    if problem.other is None:
        return ""
    found = []
    for name in problem.setup.names:
        pairs = np.array([run.agreement[name] for run in runs])
        cosine, ratio = np.nanmedian(pairs, axis=0) if np.isfinite(pairs).any() else (np.nan, np.nan)
        found.append(f"`{name}` cosine {cosine:.2f}, norm times {ratio:.2g}")
    return (
        f"The simulator's own gradient, {gradient_of(problem.other.simulator)}, is not a derivative of the loss: it "
        "also counts spikes that appear and vanish, where the loss jumps, so differences cannot check it. Checked "
        f"above is the exact derivative of the same simulator. Beside it (median of the runs): {'; '.join(found)}."
    )


def _told(runs: list[Run], problem: Problem) -> str:
    """What was done, in words."""
    setup, effort = problem.setup, problem.effort
    spikes = {name: [run.spikes[name] for run in runs] for name in runs[0].spikes}
    counts = ", ".join(f"{np.mean(values):.3g} in {name!r}" for name, values in spikes.items())
    what = "a random linear combination of all spike times and recorded potentials"
    number = "1 run" if len(runs) == 1 else f"{len(runs)} runs"
    return (
        f"Gradient check: jax.grad of {what if setup.loss is None else 'your loss'} against central "
        f"differences extrapolated to step zero, float64, {type(setup.simulator).__name__}, {number} of "
        f"{setup.t_end:g} ms (spikes per run: {counts or 'none'}). In each run and field up to "
        f"{effort.coordinates} single numbers, and all numbers at once in {effort.directions} random "
        "directions, are moved."
    )
