"""Two processes with one thread each against one process with one thread: `python benchmarks/processes.py [SAMPLES]`.

Trains the same network (256 hidden, recurrent, synaptic delays) on the same synthetic words, by the command line, and
compares samples per second of the epochs after the first, and the losses.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from ranvier.datasets import SpikeWriter

CHANNELS, CLASSES, SPIKES, EPOCHS = 140, 8, 2476, 3


def write(path: Path, samples: int) -> None:
    """Words of a second, as many spikes as a cochlea of 140 channels gives."""
    known = np.random.default_rng(0)
    patterns = [(known.uniform(0, 950, SPIKES), known.integers(0, CHANNELS, SPIKES)) for _ in range(CLASSES)]
    with SpikeWriter(path, classes=[f"word{n}" for n in range(CLASSES)], channels=CHANNELS) as out:
        for sample in range(samples):
            rng = np.random.default_rng(sample)
            time, unit = patterns[sample % CLASSES]
            time = np.abs(time + rng.normal(0.0, 5.0, SPIKES))
            order = np.argsort(time)[: int(rng.uniform(0.7, 1.0) * SPIKES)]
            part = 0 if sample % 10 < 8 else 1 + sample % 2
            out.add(time[order], unit[order], label=sample % CLASSES, split=part)


def train(path: Path, out: Path, *also: str) -> list[dict]:
    """The metrics of all epochs."""
    command = [sys.executable, "-m", "ranvier.lab.cli", "train", str(path), "--epochs", str(EPOCHS), "--hidden", "256"]
    command += ["--batch", "64", "--threads", "1", "--quiet", "--out", str(out), *also]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "words.h5"
        write(file, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
        one = train(file, Path(place) / "one")
        two = train(file, Path(place) / "two", "--processes", "2")
        speeds = [float(np.median([line["samples_per_second"] for line in run[1:]])) for run in (one, two)]
        apart = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(one, two, strict=True))
        print(f"one process {speeds[0]:.1f} samples/s, two {speeds[1]:.1f}: {speeds[1] / speeds[0]:.2f} times")
        print(f"losses of {EPOCHS} epochs differ by {apart:.1e} at most (float32)")
