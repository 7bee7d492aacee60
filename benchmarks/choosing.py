"""What each choice costs: simulators, kinds of delay, gradients and readouts on two problems. Writes JSON.

`once`: 4-30-3 neurons that fire once, batch 150, as Yin-Yang. `many`: 64-64-10, 100 input spikes in 100 ms, neurons
that fire several times, a readout that integrates, batch 16. Measured is one value and gradient with respect to weights
and delays: the first call, which compiles, and the median of those that follow, taking turns. float32. The tables in
`choosing.md` are parts of docs/choose.md.
"""

import datetime
import json
import os
import platform
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ranvier as rv

REPEATS = 11
DELAYS = {
    "none": rv.fixed(0.0),
    "axonal": rv.axonal(0.0, 5.0),
    "dendritic": rv.dendritic(0.0, 5.0),
    "synaptic": rv.synaptic(0.0, 5.0),
    "spatial": rv.spatial(low=0.0, high=5.0, speed=0.5, limit=rv.delays.Saturate()),
}
READ = rv.readouts


def many(simulator: Any, delay: str = "synaptic", readout: Any = None) -> Any:
    """Value and gradient of the problem `many`, to be called with a factor of the weights."""
    rng = np.random.default_rng(0)
    net = rv.feedforward(
        [64, 64, 10], neuron=rv.LIF(20.0, 5.0), readout=rv.LI(20.0, 5.0), delay=DELAYS[delay], dtype="float32",
        position=rv.layouts.normal(1.0, dimensions=2) if delay == "spatial" else None,
        weight=[rv.initializers.normal(0.6, 0.6), rv.initializers.normal(0.1, 0.1)], key=jax.random.key(0),
    )  # fmt: skip
    spikes = rv.Spikes(
        np.sort(rng.uniform(0, 80, (16, 100))).astype("float32"), rng.integers(0, 64, (16, 100)), size=64
    )
    readout = readout or READ.MeanPotential("output")
    return _gradient(net, spikes, simulator, 100.0, readout, rv.losses.cross_entropy, rng.integers(0, 10, 16))


def once(simulator: Any, delay: str = "synaptic") -> Any:
    """Value and gradient of the problem `once`."""
    rng = np.random.default_rng(0)
    net = rv.feedforward(
        [4, 30, 3], neuron=rv.LIF(2.0, 1.0, refractory=np.inf), delay=rv.fixed(0.0) if delay == "none" else
        rv.synaptic(0.0, 1.0), dtype="float32", weight=rv.initializers.normal(1.5, 0.8), key=jax.random.key(0),
    )  # fmt: skip
    spikes = rv.encoders.latency(rng.random((150, 4)).astype("float32"), t_early=0.15, t_late=2.0)
    loss = partial(rv.losses.relative_time_mse, margin=0.2)
    return _gradient(net, spikes, simulator, 8.0, rv.readouts.FirstSpike("output"), loss, rng.integers(0, 3, 150))


def _gradient(
    net: rv.Network, spikes: rv.Spikes, simulator: Any, t_end: float, readout: Any, loss: Any, label: np.ndarray
) -> Any:
    learn, fixed = rv.partition(net)

    @jax.jit
    @jax.value_and_grad
    def value(learn: rv.Network, factor: jax.Array) -> jax.Array:
        scaled = jax.tree.map(lambda leaf: leaf * factor, learn)
        solution = rv.simulate(rv.combine(scaled, fixed), spikes, simulator, t_end=t_end, record=readout.record)
        return loss(readout(solution), label)

    return lambda factor: jax.block_until_ready(value(learn, jnp.float32(factor)))


CASES = {
    "simulators": {
        "`FirstSpike()`, one spike": lambda: once(rv.FirstSpike()),
        "`EventDriven(max_spikes=1)`, one spike": lambda: once(rv.EventDriven(max_spikes=1)),
        "`ClockDriven(dt=0.1)`, one spike": lambda: once(rv.ClockDriven(dt=0.1, max_spikes=1)),
        "`Surrogate(dt=0.1)`, one spike": lambda: once(rv.Surrogate(dt=0.1, max_spikes=1)),
        "`EventDriven()`, many spikes": lambda: many(rv.EventDriven()),
        "`EventDriven(gradient=SpikeValue())`, many spikes": lambda: many(rv.EventDriven(gradient=rv.SpikeValue())),
        "`ClockDriven(dt=1.0)`, many spikes": lambda: many(rv.ClockDriven(dt=1.0)),
        "`Surrogate(dt=1.0)`, many spikes": lambda: many(rv.Surrogate(dt=1.0)),
    },
    "delays": {kind: partial(many, rv.EventDriven(), kind) for kind in DELAYS if kind != "synaptic"},
    "readouts": {
        "potential at one time": lambda: many(rv.EventDriven(), readout=READ.Potential("output", 90.0)),
        "highest potential": lambda: many(rv.EventDriven(), readout=READ.MaxPotential("output")),
    },
}


def measured() -> list[dict[str, str | float]]:
    """A row for each case."""
    calls, first = {}, {}
    names = [(kind, name) for kind, cases in CASES.items() for name in cases]
    for kind, name in names:
        calls[kind, name] = CASES[kind][name]()
        start = time.perf_counter()
        calls[kind, name](1.0)
        first[kind, name] = time.perf_counter() - start
    walls: dict[tuple[str, str], list[float]] = {name: [] for name in names}
    for turn in range(REPEATS):
        for name in names:
            start = time.perf_counter()
            calls[name](1.0 + 1e-6 * turn)
            walls[name].append(time.perf_counter() - start)
    return [
        {"kind": name[0], "case": name[1], "first_call_s": first[name], "call_ms": 1e3 * statistics.median(walls[name])}
        for name in names
    ]


SAME = "`EventDriven()`, many spikes"
"""The case that stands in all three tables: synaptic delays, the mean potential."""


def table(rows: list[dict[str, str | float]]) -> str:
    """A table in Markdown."""
    lines = ["| | first call (s) | each call (ms) |", "|---|---|---|"]
    return "\n".join(
        [*lines, *(f"| {row['case']} | {row['first_call_s']:.1f} | {row['call_ms']:.1f} |" for row in rows)]
    )


def main() -> None:
    """Measure, print, write."""
    rows = measured()
    machine = {"date": str(datetime.date.today()), "cores": os.cpu_count(), "jax": jax.__version__,
               "python": platform.python_version()}  # fmt: skip
    parts = {kind: table([row for row in rows if row["kind"] == kind]) for kind in CASES}
    shared = next(row for row in rows if row["case"] == SAME)
    for kind, name in {"delays": "synaptic", "readouts": "mean potential"}.items():
        parts[kind] += "\n" + table([shared | {"case": name}]).splitlines()[-1]
    parts["machine"] = (
        f"Measured on {machine['date']}: {machine['cores']} cores of a CPU, Python {machine['python']}, "
        f"JAX {machine['jax']}, other work beside it; the cases took turns, so compare them with each other."
    )
    text = "".join(f"--8<-- [start:{name}]\n{part}\n--8<-- [end:{name}]\n\n" for name, part in parts.items())
    print(text)
    here = Path(__file__)
    here.with_suffix(".md").write_text(text.rstrip() + "\n", "utf-8")
    here.with_suffix(".json").write_text(json.dumps({"rows": rows, "machine": machine}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
