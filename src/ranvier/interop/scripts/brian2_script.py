"""The text of a script for Brian2."""

SCRIPT = '''"""A network of ranvier in Brian2. Run it: it writes the spikes of all populations into a file beside it.

Each sample of the input has its own copy of the network. A spike of Brian2 comes at the end of the step in which the
potential crosses its threshold, and delays are rounded to steps, so every spike is late by up to a step or two.
"""

import json
from pathlib import Path

import brian2 as b
import numpy as np

HERE = Path(__file__)
data = np.load(HERE.with_name(HERE.stem + "_numbers.npz"))
facts = json.loads(str(data["facts"]))
samples, dt = facts["samples"], facts["dt"]
b.prefs.codegen.target = "numpy"  # without this line Brian2 compiles to C++: faster for long runs
b.defaultclock.dt = dt * b.ms

EQUATIONS = """
dv/dt = (v_leak - v + bias + I) / tau_mem : 1 (unless refractory)
dI/dt = -I / tau_syn : 1
tau_mem : second (constant)
tau_syn : second (constant)
wait : second (constant)
v_leak : 1 (constant)
bias : 1 (constant)
v_reset : 1 (constant)
v_threshold : 1 (constant)
"""

network, groups, monitors = b.Network(), {}, {}
for at, population in enumerate(facts["populations"]):
    name, size = population["name"], population["size"]
    if population["input"]:
        # A spike that is sent at the end of one step acts at the start of the next.
        sent = np.maximum(data[f"p{at}_time"] - dt, 0.0)
        groups[name] = b.SpikeGeneratorGroup(size * samples, data[f"p{at}_index"], sent * b.ms)
    else:
        group = b.NeuronGroup(
            size * samples, EQUATIONS, threshold="v > v_threshold", reset="v = v_reset", refractory="wait", method="rk4"
        )
        for field in ("tau_mem", "tau_syn", "wait"):
            setattr(group, field, np.tile(data[f"p{at}_{field}"], samples) * b.ms)
        for field in ("v_leak", "bias", "v_reset", "v_threshold"):
            setattr(group, field, np.tile(data[f"p{at}_{field}"], samples))
        group.v = group.v_leak
        groups[name], monitors[name] = group, b.SpikeMonitor(group)
    network.add(groups[name])

sizes = {population["name"]: population["size"] for population in facts["populations"]}
for at, link in enumerate(facts["connections"]):
    synapses = b.Synapses(groups[link["pre"]], groups[link["post"]], "w : 1", on_pre="I_post += w")
    copies = np.arange(samples)[:, None]
    pre = (copies * sizes[link["pre"]] + data[f"c{at}_pre"]).reshape(-1)
    post = (copies * sizes[link["post"]] + data[f"c{at}_post"]).reshape(-1)
    synapses.connect(i=pre, j=post)
    synapses.w = np.tile(data[f"c{at}_weight"], samples)
    synapses.delay = np.tile(data[f"c{at}_delay"], samples) * b.ms
    network.add(synapses)

network.add(*monitors.values())
network.run(facts["t_end"] * b.ms, namespace={})
found = {}
for at, population in enumerate(facts["populations"]):
    if population["name"] in monitors:
        monitor = monitors[population["name"]]
        found[f"p{at}_index"], found[f"p{at}_time"] = np.array(monitor.i), np.array(monitor.t / b.ms) + dt
np.savez(HERE.with_name(HERE.stem + "_spikes.npz"), facts=data["facts"], **found)
'''
