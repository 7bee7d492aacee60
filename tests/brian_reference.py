"""The same neurons in Brian2, run as a script of its own: prints spike times and potentials as JSON.

Brian2 finds spikes at the ends of its steps and resets there, so each spike comes late by at most a step, and so does
what follows it. `tests/data/brian.json` holds what it printed (Brian2 2.10.1, Python 3.12, NumPy 2.4.6):

    python tests/brian_reference.py > tests/data/brian.json
"""

import json
import sys
import warnings

DT = 0.005
EVENTS = (4.0, 4.0 + DT, 9.0)
T_END = 50.0
EVERY = 100
"""Potentials are printed once in so many steps."""

EXPONENTIAL = "dg/dt = -g / tau_syn : 1"
MODELS = {
    "AdaptiveLIF": {
        "equations": "dv/dt = (1.4 + g - v - w) / (10*ms) : 1\ndw/dt = (0.1 * v - w) / (50*ms) : 1",
        "threshold": "v > 1", "reset": "v = -0.1; w += 0.4", "start": {"v": 0.0, "w": 0.0}, "weight": 0.3,
    },
    "QIF": {
        "equations": "dv/dt = (v * (v - 1) + 0.7 + g) / (5*ms) : 1",
        "threshold": "v > 10", "reset": "v = -0.2", "start": {"v": 0.0}, "weight": 0.3,
    },
    "Izhikevich": {
        "equations": "dv/dt = (0.04 * v**2 + 5 * v + 140 - u + 12 + g) / ms : 1\ndu/dt = 0.02 * (0.2 * v - u) / ms : 1",
        "threshold": "v > 30", "reset": "v = -65; u += 8", "start": {"v": -65.0, "u": -13.0}, "weight": 2.0,
    },
    "AdEx": {
        "equations": "dv/dt = (-30 * (v + 70.6) + 60 * exp((v + 50.4) / 2) - w + 900 - g * v) / (281*ms) : 1\n"
                     "dw/dt = (4 * (v + 70.6) - w) / (144*ms) : 1",
        "threshold": "v > -40", "reset": "v = -70.6; w += 80.5", "start": {"v": -70.6, "w": 0.0}, "weight": 2.0,
    },
    "HodgkinHuxley": {
        "equations": "dv/dt = (12 - g * v - 120 * m**3 * h * (v - 50) - 36 * n**4 * (v + 77)"
                     " - 0.3 * (v + 54.387)) / ms : 1\n"
                     "dm/dt = (1 / exprel(-(v + 40) / 10) * (1 - m) - 4 * exp(-(v + 65) / 18) * m) / ms : 1\n"
                     "dh/dt = (0.07 * exp(-(v + 65) / 20) * (1 - h) - h / (1 + exp(-(v + 35) / 10))) / ms : 1\n"
                     "dn/dt = (0.1 / exprel(-(v + 55) / 10) * (1 - n) - 0.125 * exp(-(v + 65) / 80) * n) / ms : 1",
        "threshold": "v > 0", "refractory": "v > 0", "weight": 0.05,
        "start": {"v": -65.0, "m": 0.0529324853, "h": 0.5961207535, "n": 0.3176769141},
    },
}  # fmt: skip


def simulate() -> dict[str, dict[str, list[float]]]:
    """Every model with three events of the same weight: spike times (start of their steps), and potentials."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its dependencies deprecate is not ours
        import brian2 as b
    b.prefs.codegen.target = "numpy"
    b.defaultclock.dt = DT * b.ms
    network, monitors = b.Network(), {}
    # An event sent at t acts after the step from t to t + DT.
    source = b.SpikeGeneratorGroup(1, [0] * len(EVENTS), [time - DT for time in EVENTS] * b.ms)
    network.add(source)
    for name, model in MODELS.items():
        group = b.NeuronGroup(
            1, model["equations"] + "\n" + EXPONENTIAL, threshold=model["threshold"], reset=model.get("reset"),
            refractory=model.get("refractory", False), method="rk4", namespace={"tau_syn": 5 * b.ms},
        )  # fmt: skip
        for variable, value in model["start"].items():
            setattr(group, variable, value)
        synapses = b.Synapses(source, group, on_pre="g_post += weight", namespace={"weight": model["weight"]})
        synapses.connect()
        monitors[name] = b.SpikeMonitor(group), b.StateMonitor(group, "v", record=True, when="start")
        network.add(group, synapses, *monitors[name])
    network.run(T_END * b.ms, namespace={})
    return {
        name: {"spikes": [round(t, 6) for t in spikes.t / b.ms], "v": list(trace.v[0][::EVERY])}
        for name, (spikes, trace) in monitors.items()
    }


if __name__ == "__main__":
    json.dump(simulate(), sys.stdout)
