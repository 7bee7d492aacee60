"""Summaries of potentials in plain NumPy and SciPy: every arrival of a finished simulation, and V as a sum over them."""

import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import build
import ranvier as rv


class Course(NamedTuple):
    """What arrives at one neuron, in order of time, and the neuron's constants."""

    time: np.ndarray
    weight: np.ndarray
    tau_mem: float
    tau_syn: float
    leak: float
    bias: float

    def __call__(self, t: float | np.ndarray) -> np.ndarray:
        """V at times: each arrival adds `w kappa(t - a)`."""
        s = np.maximum(np.asarray(t)[..., None] - self.time, 0.0)
        if self.tau_mem == self.tau_syn:
            kernel = s / self.tau_mem * np.exp(-s / self.tau_mem)
        else:
            gain = self.tau_syn / (self.tau_syn - self.tau_mem)
            kernel = gain * (np.exp(-s / self.tau_syn) - np.exp(-s / self.tau_mem))
        return self.leak + self.bias * -np.expm1(-np.asarray(t) / self.tau_mem) + kernel @ self.weight


def courses(network: rv.Network, trains: dict[str, rv.Spikes], name: str) -> list[Course]:
    """Of every neuron of a population, from the spikes of all others; without a batch axis."""
    size, model = network.size(name), network.neurons[name]
    into: list[list[tuple[float, float]]] = [[] for _ in range(size)]
    for link in network.connections:
        if link.post != name:
            continue
        time, unit = np.asarray(trains[link.pre].time), np.asarray(trains[link.pre].unit)
        for i, j, weight, delay in zip(*build.synapses(network, link), strict=True):
            into[j] += [(sent + delay, weight) for sent in time[(unit == i) & np.isfinite(time)]]
    each = lambda field: np.broadcast_to(np.asarray(getattr(model, field), float), (size,))
    constants = zip(*(each(field) for field in ("tau_mem", "tau_syn", "v_leak", "bias")), strict=True)
    return [
        Course(*np.array(sorted(events)).reshape(-1, 2).T, *(float(value) for value in values))
        for events, values in zip(into, constants, strict=True)
    ]


def highest(course: Course, t_end: float) -> float:
    """The largest V: on a fine grid between neighbouring arrivals, then by golden section around the best point."""
    ends = np.unique(np.concatenate([[0.0, t_end], course.time[course.time < t_end]]))
    grid = np.unique(np.concatenate([np.linspace(a, b, 60) for a, b in itertools.pairwise(ends)]))
    value = course(grid)
    best = float(value.max())
    for at in np.argsort(value)[-4:]:
        low, high = grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)]
        found = minimize_scalar(lambda t: -float(course(t)), bounds=(low, high), method="bounded",
                                options={"xatol": 1e-12})  # fmt: skip
        best = max(best, -float(found.fun))
    return best


def integral(course: Course, t_end: float, tau: float) -> float:
    """The weighted integral of V, by quadrature from arrival to arrival."""
    ends = np.unique(np.concatenate([[0.0, t_end], course.time[course.time < t_end]]))
    weighed = lambda t: math.exp(-t / tau) * float(course(t))
    return math.fsum(quad(weighed, a, b, epsabs=1e-13, epsrel=1e-12)[0] for a, b in itertools.pairwise(ends))
