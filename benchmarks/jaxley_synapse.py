"""Cost of `DelayedSynapse` next to Jaxley's own synapse: 30 Hodgkin-Huxley cells, 900 synapses, 800 steps.

    python benchmarks/jaxley_synapse.py [--out benchmarks/jaxley_synapse.json]

Needs Jaxley. Times are medians of several runs of compiled programs, in the same process.
"""

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jaxley as jx
import numpy as np
from jaxley.channels import HH
from jaxley.connect import fully_connect
from jaxley.synapses import IonotropicSynapse

from ranvier.interop.jaxley import DelayedSynapse
from ranvier.queues import FifoQueue

CELLS, STEPS, DT = 30, 800, 0.025


def network(synapse: Any) -> jx.Network:
    """All cells onto all cells, with a current into every third."""
    cell = jx.Cell(jx.Branch(jx.Compartment(), ncomp=1), parents=[-1])
    net = jx.Network([cell] * CELLS)
    net.insert(HH())
    fully_connect(net.cell("all"), net.cell("all"), synapse)
    current = jx.step_current(i_delay=1.0, i_dur=10.0, i_amp=0.02, delta_t=DT, t_max=DT * STEPS)
    for at in range(0, CELLS, 3):
        net.cell(at).branch(0).comp(0).stimulate(current, verbose=False)
    net.cell(1).branch(0).comp(0).record("v", verbose=False)
    key = next(name for name in synapse.synapse_params if name.endswith("_gS"))
    net.set(key, 1e-6)
    net.make_trainable(key, verbose=False)
    return net


def measure(synapse: Any, repeats: int) -> dict[str, float]:
    """Compile and run times."""
    net = network(synapse)
    params = net.get_parameters()
    loss = lambda params: jnp.mean(jx.integrate(net, params=params, delta_t=DT) ** 2)
    found = {}
    for name, function in {"forward": jax.jit(loss), "gradient": jax.jit(jax.value_and_grad(loss))}.items():
        start = time.perf_counter()
        compiled = function.lower(params).compile()
        found[f"{name} compile s"] = time.perf_counter() - start
        jax.block_until_ready(compiled(params))
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            jax.block_until_ready(compiled(params))
            times.append(time.perf_counter() - start)
        found[f"{name} ms"] = 1000 * float(np.median(times))
        found[f"{name} temporaries MiB"] = compiled.memory_analysis().temp_size_in_bytes / 2**20
    return found


def main() -> None:
    """Print and, if asked, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    given = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    warnings.simplefilter("ignore")  # Jaxley uses what pandas calls deprecated
    cases = {"IonotropicSynapse": IonotropicSynapse()}
    cases |= {f"DelayedSynapse, {size} places": DelayedSynapse(queue=FifoQueue(size)) for size in (4, 1, 16)}
    rows = {name: measure(synapse, given.repeats) for name, synapse in cases.items()}
    base = rows["IonotropicSynapse"]
    for name, row in rows.items():
        row["forward ratio"], row["gradient ratio"] = (row[k] / base[k] for k in ("forward ms", "gradient ms"))
        print(name, {key: round(value, 2) for key, value in row.items()})
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
