"""Two cells joined by a delayed synapse in NEURON, run as a script of its own: prints voltages and derivatives as JSON.

NEURON integrates with CVODE, which finds threshold crossings between its steps; derivatives are central differences. With
a fixed step NEURON is no reference: it puts crossings and deliveries on the grid. `tests/data/neuron.json` holds what it
printed (NEURON 9.0.2):

    python tests/neuron_reference.py > tests/data/neuron.json
"""

import itertools
import json
import sys
from collections.abc import Sequence

import numpy as np

T_END = 40.0
EVERY = 0.003125
"""Potentials (ms) apart, fine enough for the integrals below."""
POINT = {"delay": 5.0, "gS": 2e-5, "tau": 2.0, "gNa": 0.12}
DELAYS, SODIUM = (5.0, 5.0066, 5.0133, 5.02), (0.12, 0.1207, 0.1213, 0.122)
"""They move the arrival and the crossing through a step of 0.025 ms: 16 phases."""
RELATIVE = 3e-3


def phases() -> list[dict[str, float]]:
    """The 16 points."""
    return [POINT | {"delay": delay, "gNa": sodium} for delay, sodium in itertools.product(DELAYS, SODIUM)]


def simulate(point: dict[str, float], tolerance: float = 1e-11, pulses: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Times and voltages of the receiving cell."""
    from neuron import h

    h.load_file("stdrun.hoc")
    h.usetable_hh = 0  # its tables of rates are too coarse
    cells = [h.Section(name=name) for name in ("sender", "receiver")]
    for cell in cells:
        cell.L, cell.diam, cell.cm, cell.nseg = 10.0, 2.0, 1.0, 1
        cell.insert("hh")
    cells[0](0.5).hh.gnabar = point["gNa"]
    clamps = [h.IClamp(cells[0](0.5)) for _ in range(pulses)]
    for at, clamp in enumerate(clamps):
        clamp.delay, clamp.dur, clamp.amp = 2.0 + 12.0 * at, 1.0, 0.02
    receptor = h.ExpSyn(cells[1](0.5))
    receptor.tau, receptor.e = point["tau"], 0.0
    wire = h.NetCon(cells[0](0.5)._ref_v, receptor, sec=cells[0])
    wire.threshold, wire.delay, wire.weight[0] = -20.0, point["delay"], point["gS"]
    grid = h.Vector(np.arange(0.0, T_END + EVERY / 2, EVERY))
    voltage = h.Vector().record(cells[1](0.5)._ref_v, grid)
    solver = h.CVode()
    solver.active(1)
    solver.condition_order(2)
    solver.atol(tolerance)
    h.finitialize(-65.0)
    h.continuerun(T_END + 1.0)
    solver.active(0)
    return np.array(grid), np.array(voltage)


def centre(time: np.ndarray, voltage: np.ndarray) -> float:
    """When the answer of the receiving cell comes: `sum(w t) / sum(w)`, `w = (v - v(0))^2`."""
    weight = (voltage - voltage[0]) ** 2
    return float(np.sum(weight * time) / np.sum(weight))


def derivatives(point: dict[str, float]) -> dict[str, float]:
    """Of that time, by central differences."""
    found = {}
    for name, value in point.items():
        tolerance = 1e-9 if name == "gNa" else 1e-11
        ends = [centre(*simulate(point | {name: value * (1 + sign * RELATIVE)}, tolerance)) for sign in (-1.0, 1.0)]
        found[name] = (ends[1] - ends[0]) / (2 * RELATIVE * value)
    return found


def main(points: Sequence[dict[str, float]]) -> None:
    """Print what the tests need."""
    traces = [simulate(point) for point in points]
    print(  # noqa: T201
        json.dumps(
            {
                "every": 0.1,
                "points": list(points),
                "centre": [centre(*trace) for trace in traces],
                "voltage": [[round(v, 5) for v in voltage[:: round(0.1 / EVERY)]] for _, voltage in traces],
                "derivatives": [derivatives(point) for point in points],
            }
        )
    )


if __name__ == "__main__":
    main(phases()[: int(sys.argv[1])] if len(sys.argv) > 1 else phases())
