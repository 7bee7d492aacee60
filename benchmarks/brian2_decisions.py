"""Do trained networks decide the same in Brian2? Test samples of finished runs, simulated here and there.

    ranvier train yin-yang --epochs 100 --out runs/yin-yang
    ranvier train mnist --delay axonal --epochs 4 --out runs/mnist
    python benchmarks/brian2_decisions.py runs/yin-yang runs/mnist [--out benchmarks/brian2_decisions.json]

Needs Brian2 (Python 3.12 or newer), here or where `--python` says: scripts need no ranvier. For each run it writes
scripts (`ranvier.interop.scripts`), runs them, reads the spikes, and lets the run's own readout decide. A tie is no
answer, and counts as another decision.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import ranvier as rv
from ranvier.interop.scripts import read_spikes, write_brian2
from ranvier.lab import load_run
from ranvier.lab.parts import in_memory
from ranvier.readouts import earliest

AT_ONCE = 50_000_000
"""Synapses of one script, all copies together: 4 GB in Brian2."""


def first_spikes(network: rv.Network, spikes: rv.Spikes, t_end: float, dt: float, python: str) -> jax.Array:
    """First spikes of the outputs in Brian2, in parts that fit into memory."""
    synapses = sum(int(np.asarray(link.weight).size) for link in network.connections)
    samples = spikes.time.shape[0]
    part, found = max(1, min(samples, AT_ONCE // synapses)), []
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, samples, part):
            some = jax.tree.map(lambda leaf, at=start: leaf[at : at + part], spikes)
            written = write_brian2(Path(folder) / "net.py", network, some, t_end=t_end, dt=dt)
            subprocess.run([python, "-W", "ignore", str(written.script)], check=True, stdout=subprocess.DEVNULL)
            found.append(rv.first_spike(read_spikes(written)["output"]).reshape(some.time.shape[0], -1))
            print(f"  {min(start + part, samples)} of {samples}", file=sys.stderr)
    return jnp.concatenate(found)


def compare(folder: Path, samples: int, dt: float, python: str) -> dict[str, Any]:
    """What a run decides here and in Brian2."""
    experiment, network = load_run(folder)
    test = in_memory(experiment.data().test)
    known = test.take(np.arange(min(samples, test.size)))
    t_end = experiment.task.t_end
    ours = rv.first_spike(
        rv.simulate(network, known.spikes, rv.EventDriven(max_spikes=1), t_end=t_end).spikes["output"]
    )
    start = time.perf_counter()
    theirs = first_spikes(network, known.spikes, t_end, dt, python)
    here, there, target = np.asarray(earliest(ours)), np.asarray(earliest(theirs)), np.asarray(known.target)
    both = jnp.isfinite(ours) & jnp.isfinite(theirs)
    late = np.asarray(jnp.where(both, theirs - ours, 0.0))[np.asarray(both)]
    ahead = np.sort(np.asarray(ours), axis=1)
    other = np.flatnonzero(here != there)
    return {
        "run": experiment.describe()["task"], "dt ms": dt, "samples": len(here), "same": int((here == there).sum()),
        "same %": 100 * float((here == there).mean()), "ties there": int((there == -1).sum()),
        "accuracy here %": 100 * float((here == target).mean()),
        "accuracy there %": 100 * float((there == target).mean()),
        "outputs silent in one only": int((jnp.isfinite(ours) != jnp.isfinite(theirs)).sum()),
        "late ms, median": float(np.median(late)), "late ms, 99 %": float(np.quantile(np.abs(late), 0.99)),
        "other decisions: lead here ms": [round(float(ahead[at, 1] - ahead[at, 0]), 5) for at in other],
        "seconds in Brian2": time.perf_counter() - start,
    }  # fmt: skip


def main() -> None:
    """Print and, if asked, write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--samples", type=int, default=1000, help="the first so many test samples of each run")
    parser.add_argument("--dt", type=float, default=0.01, help="step of Brian2 (ms)")
    parser.add_argument("--python", default=sys.executable, help="a Python that has Brian2")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = [compare(folder, given.samples, given.dt, given.python) for folder in given.runs]
    for row in rows:
        print(row)
    if given.out:
        given.out.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
