"""The gradient of a spiking network by hand: the independent reference of `ranvier.gradients`.

No adjoint: every spike, in order of time, carries the derivatives of its time and of its presence with respect to all
parameters at once, a sum over all events that came before. With K(a, t) what an event of weight 1 at a leaves of the
potential at t, r the restart after the neuron's last spike and R its refractory time,

    u(t) = rho e^{-(t - r)/tau_mem} + sum over events of w K(a, t)      (start e^{-t/tau_mem} before the first spike)
    K(a, t) = kappa(t - a) if a >= r, else e^{-(r - a)/tau_syn} kappa(t - r)
    du = the derivative of this + sum over events of w K dpresence [+ what the reset and the refractory time do]
    dpresence = scale/height (du - dtheta)        dt = -min(1/V', cap) (du - dtheta)

A loss meets dt of a spike; other neurons, and the restart, meet `timing` dt.

A neuron without a spike has a near miss where its potential is highest, unless that is at 0: dpresence is as for a spike,
times n = e^{(u - theta)/(near height)}, and reaches other neurons as that of a spike does, but there is no event: nothing
of it moves, no weight or delay meets it, and its neuron is not reset.
"""

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from oracle import NEVER, OracleNetwork, OracleResult, SpikeList, response

Name = tuple[str, int]


class Parts(NamedTuple):
    """See `ranvier.gradients.Parts`; written down again, so that this file knows nothing of ranvier."""

    timing: float = 1.0
    scale: float = 0.0
    cap: float = math.inf
    reset: float = 0.0
    refractory: float = 0.0
    near: float = 0.0


class Fired(NamedTuple):
    """A spike: when, and the derivatives of the time that others meet and of its presence."""

    time: float
    moves: np.ndarray
    appears: np.ndarray


@dataclass
class Cell:
    """Constants of one neuron, relative to v_leak + bias, and where its parameters stand in the vector."""

    tau_mem: float
    tau_syn: float
    theta: float
    rho: float
    hold: float
    height: float  # v_threshold - v_leak
    at: dict[str, int]

    def slope(self, s: float) -> float:
        """The derivative of `response`."""
        return (math.exp(-s / self.tau_syn) - response(s, self.tau_mem, self.tau_syn)) / self.tau_mem


def each(value: object, size: int) -> list[float]:
    """One number per neuron."""
    return [float(x) for x in np.broadcast_to(np.asarray(value, float), (size,))]


class Reference:
    """All derivatives of one run of the oracle."""

    def __init__(
        self, network: OracleNetwork, inputs: dict[str, SpikeList], result: OracleResult, parts: Parts, t_end: float
    ):
        self.network, self.parts, self.length = network, parts, 0
        self.fields: dict[str, list[np.ndarray]] = {}
        self.weight = [self._take("weights", np.shape(link.weight)) for link in network.connections]
        self.delay = [self._take("delays", np.shape(link.delay)) for link in network.connections]
        self.cells = self._cells()
        self.fired: dict[Name, list[Fired]] = {}
        self.missed: dict[Name, list[Fired]] = {}
        self.spikes = inputs | result.spikes
        self.times: dict[str, list[np.ndarray]] = {name: [] for name in network.populations}
        self.presence: dict[str, list[np.ndarray]] = {name: [] for name in network.populations}
        train = [(time, name, unit, NEVER) for name, spikes in inputs.items() for time, unit in spikes]
        for name, spikes in result.spikes.items():
            pairs = zip(spikes, result.slopes[name], strict=True)
            train += [(time, name, unit, slope) for (time, unit), slope in pairs]
        rows = {name: iter(self._take("times", (len(spikes),))) for name, spikes in inputs.items()}
        silent = [neuron for neuron in self.cells if parts.near > 0.0 and self._is_silent(neuron)]
        misses = {neuron: self.highest(neuron, t_end) for neuron in silent}
        train += [(time, *neuron, math.nan) for neuron, (time, _) in misses.items() if time > 0.0]
        for time, name, unit, slope in sorted(train, key=lambda one: one[:3]):
            if math.isnan(slope):
                self._miss(time, (name, unit), misses[name, unit][1])
            else:
                self._fire(time, (name, unit), slope, next(rows[name]) if name in rows else -1)

    def _take(self, field: str, shape: tuple[int, ...]) -> np.ndarray:
        start, self.length = self.length, self.length + math.prod(shape)
        self.fields.setdefault(field, []).append(np.arange(start, self.length).reshape(shape))
        return self.fields[field][-1]

    def _cells(self) -> dict[Name, Cell]:
        cells = {}
        for name, population in self.network.populations.items():
            size = population.size
            places = {field: self._take(field, (size,)) for field in ("theta", "rho", "refractory", "start")}
            names = ("tau_mem", "tau_syn", "v_threshold", "v_reset", "refractory", "v_leak", "bias")
            given = [NEVER if getattr(population, field) is None else getattr(population, field) for field in names]
            for unit, (mem, syn, high, low, hold, leak, bias) in enumerate(
                zip(*(each(one, size) for one in given), strict=True)
            ):
                at = {field: int(place[unit]) for field, place in places.items()}
                rest = leak + bias
                cells[name, unit] = Cell(mem, syn, high - rest, low - rest, hold, high - leak, at)
        return cells

    def _fire(self, time: float, neuron: Name, slope: float, row: int) -> None:
        zero = np.zeros(self.length)
        if row >= 0:
            moves = zero.copy()
            moves[row] = 1.0
            self.fired.setdefault(neuron, []).append(Fired(time, moves, zero))
            return
        cell = self.cells[neuron]
        excess = self.potential(neuron, time)
        excess[cell.at["theta"]] -= 1.0
        moves, appears = -min(1.0 / slope, self.parts.cap) * excess, self.parts.scale / cell.height * excess
        self.times[neuron[0]].append(moves)
        self.presence[neuron[0]].append(appears)
        self.fired.setdefault(neuron, []).append(Fired(time, self.parts.timing * moves, appears))

    def _is_silent(self, neuron: Name) -> bool:
        return self.cells[neuron].theta < NEVER and neuron[1] not in {unit for _, unit in self.spikes[neuron[0]]}

    def _miss(self, time: float, neuron: Name, highest: float) -> None:
        cell, excess = self.cells[neuron], self.potential(neuron, time)
        excess[cell.at["theta"]] -= 1.0
        counts = math.exp((highest - cell.theta) / (self.parts.near * cell.height))
        appears = counts * self.parts.scale / cell.height * excess
        self.missed.setdefault(neuron, []).append(Fired(time, np.zeros(self.length), appears))

    def highest(self, neuron: Name, t_end: float) -> tuple[float, float]:
        """When the potential of a neuron without spikes is highest, and what it is above rest."""
        cell, events = self.cells[neuron], []
        for link in self.network.connections:
            if link.post == neuron[0]:
                for time, sender in self.spikes[link.pre]:
                    events.append((time + float(link.delay[sender][neuron[1]]), float(link.weight[sender][neuron[1]])))
        events = sorted(event for event in events if event[0] < t_end)

        def u(t: float) -> float:
            return sum(w * response(t - a, cell.tau_mem, cell.tau_syn) for a, w in events if a < t)

        def rises(t: float) -> bool:
            return sum(w * cell.slope(t - a) for a, w in events if a < t) > 0.0

        best = (0.0, 0.0)
        for low, high in itertools.pairwise([0.0, *(time for time, _ in events), t_end]):
            inside = math.nextafter(low, math.inf)
            if inside < high and rises(inside):
                end = high
                if not rises(high):
                    for _ in range(200):
                        middle = 0.5 * (low + high)
                        low, high = (middle, high) if rises(middle) else (low, middle)
                    end = low
                best = max(best, (end, u(end)), key=lambda one: one[1])
        return best

    def potential(self, neuron: Name, time: float) -> np.ndarray:
        """Derivative of a potential at a given time."""
        cell, total = self.cells[neuron], np.zeros(self.length)
        past = [one for one in self.fired.get(neuron, []) if one.time < time]
        restart, later = -NEVER, np.zeros(self.length)
        if past:
            restart = past[-1].time + cell.hold
            if time <= restart:
                total[cell.at["rho"]] = 1.0
                return total
            later += past[-1].moves
            later[cell.at["refractory"]] += 1.0
            gone = math.exp(-(time - restart) / cell.tau_mem)
            total[cell.at["rho"]] += gone
            total += cell.rho / cell.tau_mem * gone * later
            total += gone * self._interruption(neuron, past[-1].time) * past[-1].appears
        else:
            total[cell.at["start"]] += math.exp(-time / cell.tau_mem)
        for c, link in enumerate(self.network.connections):
            if link.post == neuron[0]:
                self._add_events(total, c, neuron[1], time, restart, later)
        return total

    def _add_events(self, total: np.ndarray, c: int, unit: int, time: float, restart: float, later: np.ndarray) -> None:
        """Add what the events of one connection do."""
        link = self.network.connections[c]
        cell = self.cells[link.post, unit]
        for sender, (weights, delays) in enumerate(zip(link.weight, link.delay, strict=True)):
            weight, delay = float(weights[unit]), float(delays[unit])
            for miss in self.missed.get((link.pre, sender), []):
                if restart <= miss.time + delay < time:
                    kernel = response(time - miss.time - delay, cell.tau_mem, cell.tau_syn)
                    total += weight * kernel * miss.appears
                elif miss.time + delay < time:
                    kept = math.exp(-(restart - miss.time - delay) / cell.tau_syn)
                    total += weight * kept * response(time - restart, cell.tau_mem, cell.tau_syn) * miss.appears
            for spike in self.fired.get((link.pre, sender), []):
                arrival = spike.time + delay
                if arrival >= time:
                    continue
                if arrival >= restart:
                    left, kept = time - arrival, 1.0
                    by_arrival, by_restart = -cell.slope(left), 0.0
                else:
                    left, kept = time - restart, math.exp(-(restart - arrival) / cell.tau_syn)
                    by_arrival = kept / cell.tau_syn * response(left, cell.tau_mem, cell.tau_syn)
                    by_restart = -by_arrival - kept * cell.slope(left)
                kernel = kept * response(left, cell.tau_mem, cell.tau_syn)
                total += weight * (kernel * spike.appears + by_arrival * spike.moves)
                if by_restart != 0.0:
                    total += weight * by_restart * later
                total[self.weight[c][sender, unit]] += kernel
                total[self.delay[c][sender, unit]] += weight * by_arrival

    def _interruption(self, neuron: Name, time: float) -> float:
        """What a spike at `time` does to its neuron's potential at the restart, as far as it counts."""
        cell, current = self.cells[neuron], 0.0
        for link in self.network.connections:
            if link.post == neuron[0]:
                for sender, (weights, delays) in enumerate(zip(link.weight, link.delay, strict=True)):
                    for spike in self.fired.get((link.pre, sender), []):
                        since = time - spike.time - float(delays[neuron[1]])
                        if since > 0.0:
                            current += float(weights[neuron[1]]) * math.exp(-since / cell.tau_syn)
        gone = math.exp(-cell.hold / cell.tau_mem)
        hold = cell.rho * (1.0 - gone) - current * response(cell.hold, cell.tau_mem, cell.tau_syn)
        return self.parts.reset * (cell.rho - cell.theta) * gone + self.parts.refractory * hold
