"""Spoken words: ours and a surrogate network of spyx after the same processor time, on the same spikes.

    ranvier encode gsc/ gsc.h5 --channels 140
    python benchmarks/spyx_words.py gsc.h5 [--hidden 64] [--epochs 10] [--seeds 0,1,2] [--json FILE]

Needs spyx (`pip install -e ".[peers]"`). For each seed `ranvier train FILE` runs, with the defaults of the task; then
networks of spyx with as many hidden neurons have as much processor time, compiling included, on spikes in bins of 1 ms.
`lif` is the recipe of spyx's manual: one layer of LIF neurons with a triangular surrogate, a leaky readout, smoothed
cross-entropy of integrated potentials, Lion at 3e-4. `recurrent` is the same with its recurrent neuron with a synaptic
current, at time constants of ours. Each network is that of the epoch that validated best; the test samples are used
once, there.
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import spyx
import spyx.nn as snn
from flax import nnx

from ranvier.datasets import SpikeFile, read_spike_file

BATCH, TAU_MEM, TAU_SYN = 64, 20.0, 5.0
TRAINING, VALIDATION, TEST = 0, 1, 2


def ours(file: Path, hidden: int, epochs: int, seed: int) -> tuple[float, float]:
    """Test accuracy, and seconds of processor time up to the end of the last epoch."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "ranvier.lab.cli", "train", str(file), "--hidden", str(hidden), "--quiet"]
        command += ["--epochs", str(epochs), "--seed", str(seed), "--out", f"{folder}/run"]
        known = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false"}
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=known)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found = json.loads(Path(folder, "run", "metrics.json").read_text("utf-8"))
    return found["test_accuracy"], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def network(kind: str, channels: int, hidden: int, classes: int, seed: int) -> Any:
    """A network of spyx."""
    rngs = nnx.Rngs(seed)
    first = nnx.Linear(channels, hidden, use_bias=False, rngs=rngs)
    last = nnx.Linear(hidden, classes, use_bias=False, rngs=rngs)
    shape, surrogate = (hidden,), spyx.axn.triangular()
    if kind == "lif":
        layer = snn.LIF(shape, activation=surrogate, rngs=rngs)
    else:
        decay = {"alpha": float(np.exp(-1.0 / TAU_SYN)), "beta": float(np.exp(-1.0 / TAU_MEM))}
        layer = snn.RCuBaLIF(shape, **decay, activation=surrogate, rngs=rngs)
    return snn.Sequential(first, layer, last, snn.LI((classes,), rngs=rngs))


def batches(file: SpikeFile, part: int, steps: int, rng: Any = None) -> Iterator[tuple[Any, Any, int]]:
    """Binned spikes (steps, batch, channels), labels, and how many samples of the batch count."""
    rows = np.flatnonzero(np.asarray(file.split) == part)
    rows = rows if rng is None else rng.permutation(rows)
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        found, bins = file.read(some), np.zeros((steps, BATCH, file.channels), np.uint8)
        sample = np.repeat(np.arange(len(some)), np.diff(found.start))
        bins[np.minimum(found.time.astype(int), steps - 1), sample, found.unit] = 1
        yield bins, np.resize(np.asarray(file.label)[some], BATCH), len(some)


def theirs(file: SpikeFile, kind: str, hidden: int, seed: int, seconds: float) -> dict[str, float]:
    """Train for so many seconds of processor time; the test accuracy of the epoch that validated best."""
    start, steps = time.process_time(), int(np.ceil(file.end)) + 1
    model = network(kind, file.channels, hidden, len(file.classes), seed)
    optimiser = nnx.Optimizer(model, optax.lion(3e-4), wrt=nnx.Param)
    loss_of = spyx.fn.integral_crossentropy()

    def traces(model: Any, bins: Any) -> jax.Array:
        return jnp.transpose(snn.run(model, bins.astype(jnp.float32))[0], (1, 0, 2))

    @nnx.jit
    def train(model: Any, optimiser: Any, bins: Any, label: Any) -> jax.Array:
        loss, slopes = nnx.value_and_grad(lambda model: loss_of(traces(model, bins), label))(model)
        optimiser.update(model, slopes)
        return loss

    @nnx.jit
    def answers(model: Any, bins: Any) -> jax.Array:
        return traces(model, bins).sum(1).argmax(-1)

    rng, best, kept, epochs = np.random.default_rng(seed), -1.0, nnx.state(model), 0
    while time.process_time() - start < seconds:
        for bins, label, _ in batches(file, TRAINING, steps, rng):
            loss = train(model, optimiser, bins, label)
            if not bool(jnp.isfinite(loss)) or time.process_time() - start > seconds:
                break
        epochs += 1
        accuracy = judge(lambda bins: answers(model, bins), file, VALIDATION, steps)
        if accuracy > best:
            best, kept = accuracy, jax.tree.map(jnp.copy, nnx.state(model))
    nnx.update(model, kept)
    test = judge(lambda bins: answers(model, bins), file, TEST, steps)
    return {"test_accuracy": test, "validation_accuracy": best, "epochs": epochs}


def judge(answers: Callable[[Any], Any], file: SpikeFile, part: int, steps: int) -> float:
    """Accuracy on a part of the data."""
    right = total = 0
    for bins, label, count in batches(file, part, steps):
        right += int((np.asarray(answers(bins))[:count] == label[:count]).sum())
        total += count
    return right / total


def main() -> None:
    """Compare, print a table, and write it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    file, rows = read_spike_file(asked.file), []
    for seed in map(int, asked.seeds.split(",")):
        accuracy, seconds = ours(asked.file, asked.hidden, asked.epochs, seed)
        rows.append({"network": "ranvier", "seed": seed, "seconds": seconds, "test_accuracy": accuracy,
                     "epochs": asked.epochs})  # fmt: skip
        print(rows[-1], flush=True)
        for kind in ("lif", "recurrent"):
            found = theirs(file, kind, asked.hidden, seed, seconds)
            rows.append({"network": f"spyx {kind}", "seed": seed, "seconds": seconds, **found})
            print(rows[-1], flush=True)
    for name, group in itertools.groupby(sorted(rows, key=lambda row: row["network"]), lambda row: row["network"]):
        found = [100.0 * row["test_accuracy"] for row in group]
        print(f"{name}: test {statistics.median(found):.1f} % ({min(found):.1f} to {max(found):.1f})")
    if asked.json is not None:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
