"""What `import ranvier` costs over its numerical packages, jax, equinox and optax: in fresh processes, taking turns.

Each process imports those three first, then ranvier, then what a first simulation and a first training need, and tells
how long each took and how much processor time. On a machine that has other things to do, compare the processor time.
"""

import json
import statistics
import subprocess
import sys
from typing import Any

STEPS = {
    "jax, equinox, optax": "import equinox, jax, optax",
    "ranvier": "import ranvier",
    "ranvier.EventDriven": "ranvier.EventDriven",
    "ranvier.ClockDriven": "ranvier.ClockDriven",
    "ranvier.fit": "ranvier.fit",
    "ranvier.plots": "ranvier.plots",
}
"""What is imported, in this order, each on top of what is above it."""

PROGRAM = """
import json, sys, time
told = []
for name, step in json.loads(sys.argv[1]).items():
    wall, cpu, before = time.perf_counter(), time.process_time(), len(sys.modules)
    exec(step)
    told.append([time.perf_counter() - wall, time.process_time() - cpu, len(sys.modules) - before])
print(json.dumps(told))
"""


def measure(repeats: int = 5) -> list[dict[str, Any]]:
    """Rows of the table: seconds that each import adds to those above it.

    Args:
        repeats: Fresh processes after one that is not counted; their medians are given.
    """
    runs = [_one_process() for _ in range(repeats + 1)][1:]
    rows = []
    for at, name in enumerate(STEPS):
        wall, cpu, modules = (statistics.median(run[at][part] for run in runs) for part in range(3))
        rows.append({"import": name, "seconds": wall, "cpu_seconds": cpu, "modules": int(modules)})
    return rows


def _one_process() -> list[list[Any]]:
    command = [sys.executable, "-c", PROGRAM, json.dumps(STEPS)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
