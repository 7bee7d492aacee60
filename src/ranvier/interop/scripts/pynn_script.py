"""The text of a script for PyNN."""

SCRIPT = '''"""A network of ranvier in PyNN. Run it with the name of a simulator, for example: python {name} nest

It writes the spikes of all populations into a file beside it. Each sample of the input has its own copy of the network.
One unit of potential is 1 mV. The capacitance (nF) of a cell is its membrane time constant (ms), so that a weight (nA)
is that of ranvier.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
from pyNN.parameters import Sequence

HERE = Path(__file__)
data = np.load(HERE.with_name(HERE.stem + "_numbers.npz"))
facts = json.loads(str(data["facts"]))
samples, dt = facts["samples"], facts["dt"]
sim = importlib.import_module("pyNN." + (sys.argv[1] if len(sys.argv) > 1 else "nest"))
sim.setup(timestep=dt, min_delay=dt, max_delay=max(facts["longest"], dt))

populations = {}
for at, population in enumerate(facts["populations"]):
    name, count = population["name"], population["size"] * samples
    if population["input"]:
        index, time = data[f"p{at}_index"], data[f"p{at}_time"]
        trains = [Sequence(np.sort(time[index == one])) for one in range(count)]
        populations[name] = sim.Population(count, sim.SpikeSourceArray(spike_times=trains), label=name)
        continue
    each = {field: np.tile(data[f"p{at}_{field}"], samples) for field in
            ("tau_mem", "tau_syn", "wait", "v_leak", "bias", "v_reset", "v_threshold")}
    cell = sim.IF_curr_exp(
        tau_m=each["tau_mem"], cm=each["tau_mem"], tau_syn_E=each["tau_syn"], tau_syn_I=each["tau_syn"],
        tau_refrac=np.maximum(each["wait"], dt), v_rest=each["v_leak"], v_reset=each["v_reset"],
        v_thresh=each["v_threshold"], i_offset=each["bias"],
    )
    populations[name] = sim.Population(count, cell, initial_values={"v": each["v_leak"]}, label=name)
    populations[name].record("spikes")

sizes = {population["name"]: population["size"] for population in facts["populations"]}
for at, link in enumerate(facts["connections"]):
    copies = np.arange(samples)[:, None]
    pre = (copies * sizes[link["pre"]] + data[f"c{at}_pre"]).reshape(-1)
    post = (copies * sizes[link["post"]] + data[f"c{at}_post"]).reshape(-1)
    weight, delay = np.tile(data[f"c{at}_weight"], samples), np.tile(data[f"c{at}_delay"], samples)
    for receptor, there in (("excitatory", weight > 0), ("inhibitory", weight < 0)):
        rows = np.stack([pre, post, weight, delay], axis=1)[there]
        if len(rows):
            sim.Projection(
                populations[link["pre"]], populations[link["post"]],
                sim.FromListConnector([(int(i), int(j), float(w), float(d)) for i, j, w, d in rows]),
                sim.StaticSynapse(), receptor_type=receptor,
            )

sim.run(facts["t_end"])
found = {}
for at, population in enumerate(facts["populations"]):
    if not population["input"]:
        trains = populations[population["name"]].get_data("spikes").segments[0].spiketrains
        times = [np.asarray(train.rescale("ms").magnitude, float) for train in trains]
        found[f"p{at}_index"] = np.repeat(np.arange(len(times)), [len(one) for one in times])
        found[f"p{at}_time"] = np.concatenate([*times, np.zeros(0)])
sim.end()
np.savez(HERE.with_name(HERE.stem + "_spikes.npz"), facts=data["facts"], **found)
'''
