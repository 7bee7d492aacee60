"""The text of a script for Brian2."""

SCRIPT = '''"""A network of ranvier in Brian2. Run it: it writes the spikes of all populations into a file beside it.

Each sample of the input has its own copy of the network. Brian2 works in steps, but nothing here is rounded to them:
a neuron keeps how long before the end of the step it crossed its threshold (`lag`), and an event that comes at the end
of a step acts as if it had come when it was due, `s` earlier. For neurons that are linear that is exact; what is left
is what happens twice to one neuron within a step.
"""

import json
from pathlib import Path

import brian2 as b
import numpy as np

HERE = Path(__file__)
PLACES = 4  # spikes of a neuron that can be on their way at a time; more are noticed, and raise
data = np.load(HERE.with_name(HERE.stem + "_numbers.npz"))
facts = json.loads(str(data["facts"]))
samples, dt = facts["samples"], facts["dt"]
b.prefs.codegen.target = "numpy"  # without this line Brian2 compiles to C++: faster for long runs
b.defaultclock.dt = dt * b.ms

EQUATIONS = """
dv/dt = (v_leak - v + bias + I) / tau_mem * int(free_at <= t) : 1
dI/dt = -I / tau_syn : 1
v0 : 1
I0 : 1
before : integer
crossed : boolean
lag : second
last : second
free_at : second
fired : integer
tau_mem : second (constant)
tau_syn : second (constant)
wait : second (constant)
v_leak : 1 (constant)
bias : 1 (constant)
v_reset : 1 (constant)
v_threshold : 1 (constant)
""" + "".join(f"lag{place} : second\\n" for place in range(PLACES))
# The potential r after it was set free, and v0 and I0, what they are before the events of the step.
FREED = """
drive = v_leak + bias
freed = drive + (v_reset - drive) * exp(-r / tau_mem)
freed += I_then * exp(r / tau_syn - r / tau_mem) * r / tau_mem * exprel(r / tau_mem - r / tau_syn)
"""
RELEASE = "r = clip(t + dt - free_at, 0 * ms, dt)\\nI_then = I\\n" + FREED + """
v += (freed - v) * int(free_at > t and free_at <= t + dt)
v0 = v
I0 = I
"""
# The crossing, by a parabola backwards from the end of the step: of v0 if it was above threshold s before the end,
# when the events of the step were due (from what they added to v and I), else of v.
CROSSING = """
s = clip(tau_mem * (v - v0) / (I - I0 + int(I == I0)), 0 * ms, 2 * dt)
slope = (v_leak - v0 + bias + I0) / tau_mem
before = int(v0 - slope * s - (I0 / tau_syn + slope) / tau_mem * s**2 / 2 > v_threshold)
above = v + before * (v0 - v) - v_threshold
I_then = I + before * (I0 - I)
slope = (v_leak - above - v_threshold + bias + I_then) / tau_mem
bend = -(I_then / tau_syn + slope) / tau_mem
crossed = above > 0
lag = 2 * above / (slope + sqrt(clip(slope**2 - 2 * bend * above, 0 / ms**2, inf / ms**2)) + int(above <= 0) / ms)
"""
RESET = """
last = t + dt - lag
free_at = last + wait
r = clip(lag - wait, 0 * ms, lag)
I_then = I + before * (I0 - I)
""" + FREED + "v = freed + before * (v - v0) * int(r > 0 * ms)\\n" + "".join(
    f"lag{place} += (lag - lag{place}) * int(fired % {PLACES} == {place})\\n" for place in range(PLACES)
) + "fired += 1\\n"
# An event, s after it was due; the potential has been free for the part x of that time.
EVENT = """
x = clip(t + dt - free_at_post, 0 * ms, s)
I_post += w * exp(-s / tau_syn_post)
x_mem = x / tau_mem_post
v_post += w * exp(-(s - x) / tau_syn_post - x_mem) * x_mem * exprel(x_mem - x / tau_syn_post)
"""
FROM_INPUT = "s = gap\\n" + EVENT
FROM_NEURON = "s = gap" + "".join(f" + lag{place}_pre * int(seen % {PLACES} == {place})" for place in range(PLACES)) + (
    EVENT + f"lost += int(fired_pre - seen > {PLACES})\\nseen += 1"
)

network, groups, monitors, sent, events = b.Network(), {}, {}, {}, []
network.schedule = ["start", "groups", "synapses", "thresholds", "resets", "end"]
for at, population in enumerate(facts["populations"]):
    name, size = population["name"], population["size"]
    if population["input"]:  # a neuron for each spike, which comes at the end of its step
        time = data[f"p{at}_time"]
        step = np.maximum(np.ceil(time / dt) - 1, 0)
        sent[name] = np.divmod(data[f"p{at}_index"], size), (step + 1) * dt - time
        groups[name] = b.SpikeGeneratorGroup(max(len(time), 1), np.arange(len(time)), step * dt * b.ms)
    else:
        group = b.NeuronGroup(size * samples, EQUATIONS, threshold="crossed", reset=RESET, method="rk4")
        group.run_regularly(RELEASE, when="after_groups")
        group.run_regularly(CROSSING, when="after_synapses")
        for field in ("tau_mem", "tau_syn", "wait"):
            setattr(group, field, np.tile(data[f"p{at}_{field}"], samples) * b.ms)
        for field in ("v_leak", "bias", "v_reset", "v_threshold"):
            setattr(group, field, np.tile(data[f"p{at}_{field}"], samples))
        group.v, group.free_at = group.v_leak, -1e6 * b.ms
        groups[name] = group
        monitors[name] = b.SpikeMonitor(group, variables="last", when="after_resets")
    network.add(groups[name])

sizes = {population["name"]: population["size"] for population in facts["populations"]}
for at, link in enumerate(facts["connections"]):
    pre, post, weight, delay = (data[f"c{at}_{field}"] for field in ("pre", "post", "weight", "delay"))
    steps = np.maximum(np.ceil(delay / dt), 1)
    from_input = link["pre"] in sent
    if from_input:  # synapses for each spike
        (sample, unit), lag = sent[link["pre"]]
        order = np.argsort(pre, kind="stable")
        first, after = (np.searchsorted(pre[order], unit, side) for side in ("left", "right"))
        source = np.repeat(np.arange(len(unit)), after - first)
        chosen = order[np.arange(len(source)) - np.repeat(np.cumsum(after - first) - after, after - first)]
        target, gap = sample[source] * sizes[link["post"]] + post[chosen], (steps * dt - delay)[chosen] + lag[source]
    else:
        copy, chosen = np.divmod(np.arange(len(pre) * samples), len(pre))
        source, target = copy * sizes[link["pre"]] + pre[chosen], copy * sizes[link["post"]] + post[chosen]
        gap = (steps * dt - delay)[chosen]
    if not len(source):
        continue
    model, code = "w : 1 (constant)\\ngap : second (constant)", FROM_INPUT
    if not from_input:
        model, code = model + "\\nseen : integer\\nlost : integer", FROM_NEURON
    synapses = b.Synapses(groups[link["pre"]], groups[link["post"]], model, on_pre=code)
    synapses.connect(i=source, j=target)
    synapses.w, synapses.gap = weight[chosen], gap * b.ms
    synapses.delay = (steps[chosen] - 1) * dt * b.ms  # a spike is seen one step later
    network.add(synapses)
    events += [] if from_input else [synapses]

network.add(*monitors.values())
network.run(facts["t_end"] * b.ms, namespace={})
if any(np.any(synapses.lost[:] > 0) for synapses in events):
    raise RuntimeError(f"more than PLACES = {PLACES} spikes of a neuron were on their way; raise it in this script.")
found = {}
for at, population in enumerate(facts["populations"]):
    if population["name"] in monitors:
        monitor = monitors[population["name"]]
        found[f"p{at}_index"], found[f"p{at}_time"] = np.array(monitor.i), np.array(monitor.last / b.ms)
np.savez(HERE.with_name(HERE.stem + "_spikes.npz"), facts=data["facts"], **found)
'''
