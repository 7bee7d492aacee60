"""One run of a gradient check: a sample, its gradient, and its difference quotients along some probes."""

import dataclasses
import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from ranvier.checks.agreement import Agreement, compare
from ranvier.checks.coordinates import Coordinates, flatten, probes
from ranvier.checks.differences import UNKNOWN, Difference, directional_derivatives
from ranvier.checks.report import Reason
from ranvier.checks.simulated import Factors, Sample, Setup, Trace, loss_gradient, loss_terms
from ranvier.checks.structure import Train, Wiring, by_unit, order, signature, slopes, wiring
from ranvier.network import Network
from ranvier.simulation import Solution, simulate, times_of

EPSILON = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True)
class Probes:
    """How thoroughly each field is tested in each run, and what counts.

    Args:
        coordinates: Numbers moved alone, drawn at random.
        directions: Random directions in which all numbers of the field move at once.
        step: First step tried, in units of the field's typical size (of 1 where that is larger). It is shrunk
            until the order of spikes and arrivals stays the same within it.
        smallest: Smallest such step; a probe that would need a smaller one does not count.
        min_slope: Runs with a spike of smaller dV/dt (threshold units per ms) do not count.

    Example:
        >>> from ranvier.checks import Probes
        >>> Probes(coordinates=2).directions
        2
    """

    coordinates: int = 8
    directions: int = 2
    step: float = 2.0**-7
    smallest: float = 1e-7
    min_slope: float = 1e-3


class Run(NamedTuple):
    """Result of one run: by field the quotients and the gradient's components; spikes by population; by field how a
    gradient that is no derivative lies to it."""

    reason: Reason | None
    quotients: dict[str, list[Difference]]
    components: dict[str, Float[np.ndarray, "..."]]
    free: dict[str, int]
    spikes: dict[str, int]
    agreement: dict[str, Agreement]


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What is checked.

    Args:
        setup: Simulator, fields and loss.
        other: The same with a gradient that is no derivative, if there is one.
        network: The network, in float64.
        factors: Those of the random loss.
        effort: How thoroughly.
    """

    setup: Setup
    other: Setup | None
    network: Network
    factors: Factors
    effort: Probes

    @functools.cached_property
    def _wired(self) -> Wiring:
        return wiring(self.network)

    def run(self, sample: Sample, key: PRNGKeyArray) -> Run:
        """Check one sample.

        Args:
            sample: The sample.
            key: Random key of the probes.
        """
        setup, effort = self.setup, self.effort
        solution = simulate(self.network, sample.trains, setup.simulator, t_end=setup.t_end, record=sample.record)
        here = flatten(self.network, sample.trains, setup.names)
        terms, trace = self._terms(here.at, sample)
        gradient = np.asarray(loss_gradient(jnp.asarray(here.at), setup, self.network, sample, self.factors))
        reason = self._reason(solution, trace)
        function = self._within(self._mark(trace, sample), sample)
        rounding = EPSILON * float(np.linalg.norm(terms))
        quotients, components, free = {}, {}, {}
        for field, now in zip(here.fields, jax.random.split(key, len(here.fields)), strict=True):
            rows = probes(here, field.part, effort.coordinates, effort.directions, now)
            found = [UNKNOWN] * len(rows)
            if reason is None:
                found = directional_derivatives(
                    function, here.at, rows, effort.step, rounding=rounding, smallest=effort.smallest
                )
            quotients[field.name], components[field.name] = found, _along(gradient, rows)
            free[field.name] = int(here.free[field.part].sum())
        counts = {name: int(np.isfinite(train.time).sum()) for name, train in solution.spikes.items()}
        return Run(reason, quotients, components, free, counts, self._agreement(gradient, here, sample))

    def _agreement(
        self, gradient: Float[np.ndarray, " size"], here: Coordinates, sample: Sample
    ) -> dict[str, Agreement]:
        """How the other gradient lies to this one, field by field."""
        if self.other is None:
            return {}
        other = np.asarray(loss_gradient(jnp.asarray(here.at), self.other, self.network, sample, self.factors))
        known = np.isfinite(gradient) & np.isfinite(other)
        gradient, other = np.where(known, gradient, 0.0), np.where(known, other, 0.0)
        return {field.name: compare(gradient[field.part], other[field.part]) for field in here.fields}

    def _terms(self, vector: Float[np.ndarray, " size"], sample: Sample) -> tuple[Float[np.ndarray, " terms"], Trace]:
        terms, trace = loss_terms(jnp.asarray(vector), self.setup, self.network, sample, self.factors)
        return np.asarray(terms), trace

    def _reason(self, solution: Solution, trace: Trace) -> Reason | None:
        """Why a run does not count at all, if so."""
        if any(int(count) > 0 for count in solution.stats.guarded.values()):
            return Reason.GUARDED
        found = slopes(self.network, _trains(trace), tuple(np.asarray(delay) for delay in trace.delays))
        grazes = any(np.any(slope < self.effort.min_slope) for slope in found.values())
        return Reason.GRAZING if grazes else None

    def _mark(self, trace: Trace, sample: Sample) -> bytes:
        """The run's discrete structure; for a loss of the user's own, the order of spikes belongs to it."""
        trains = _trains(trace)
        at = {name: np.asarray(times) for name, times in times_of(sample.record).items()}
        rest = {name: np.asarray(value) for name, value in trace.refractory.items()}
        delays = tuple(np.asarray(delay) for delay in trace.delays)
        mark = signature(self._wired, trains, delays, rest, at)
        return mark if self.setup.loss is None else mark + order(trains)

    def _within(self, mark: bytes, sample: Sample) -> Callable[[Float[np.ndarray, " size"]], float]:
        """The loss, its terms added up exactly, where the discrete structure is `mark`; elsewhere NaN."""

        def function(vector: Float[np.ndarray, " size"]) -> float:
            terms, trace = self._terms(vector, sample)
            same = int(trace.status) == 0 and self._mark(trace, sample) == mark
            return math.fsum(terms.tolist()) if same else math.nan

        return function


def _trains(trace: Trace) -> dict[str, Train]:
    return {name: by_unit(np.asarray(one.time), np.asarray(one.unit)) for name, one in trace.spikes.items()}


def _along(
    gradient: Float[np.ndarray, " size"], rows: Float[np.ndarray, "probes size"]
) -> Float[np.ndarray, " probes"]:
    """The gradient's component along each row; entries that do not move may be anything."""
    return np.array([row[row != 0] @ gradient[row != 0] for row in rows])
