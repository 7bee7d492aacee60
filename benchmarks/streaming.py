"""Training on a file that is larger than memory: `python benchmarks/streaming.py [GIGABYTES] [FOLDER]`.

Writes a file of spikes in the layout of SHD, trains on a hundredth of it for two epochs, is killed in the second one,
goes on, and says how much memory each process took at most. The file is deleted at the end. Opening it reads all of it.
In two parts: `python benchmarks/streaming.py write GIGABYTES FOLDER`, `python benchmarks/streaming.py run FOLDER`.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import jax
import numpy as np

SAMPLE = 31_250
"""Spikes of a sample, of 16 bytes each."""
CHANNELS, CLASSES = 100, 4


def write(path: Path, gigabytes: float) -> int:
    """A file of long samples; the number of them."""
    rng, samples = np.random.default_rng(0), int(gigabytes * 1e9 / (16 * SAMPLE))
    kinds = []
    for label in range(CLASSES):
        unit = rng.integers(label * 20, 40 + label * 20, SAMPLE)  # of each class other channels
        kinds.append((np.sort(rng.uniform(0.0, 10.0, SAMPLE)), unit))
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (samples,), h5py.vlen_dtype(np.float64), chunks=(256,))
        units = file.create_dataset("spikes/units", (samples,), h5py.vlen_dtype(np.int64), chunks=(256,))
        for at in range(samples):
            times[at], units[at] = kinds[at % CLASSES][0] + 1e-6 * at, kinds[at % CLASSES][1]
        file["labels"] = np.arange(samples, dtype=np.uint16) % CLASSES
        split = np.full(samples, -1, np.int8)
        split[::101], split[5::401] = 0, 1  # of all classes
        file["extra/split"] = split
    return samples


def train(path: Path, out: Path) -> None:
    """Two epochs on the samples of split 0, in this process."""
    import ranvier as rv
    from ranvier.datasets import read_spike_file
    from ranvier.readouts import MeanPotential
    from ranvier.train import Recipe, Stream, adam, by_path

    start = time.perf_counter()
    file = read_spike_file(path, channels=CHANNELS)
    told(opened=time.perf_counter() - start, samples=file.size, spikes=int(file.count.sum()))
    streams = []
    for part in (0, 1):
        rows = np.flatnonzero(file.split == part)
        streams.append(Stream(file, rows, file.label[rows], classes=CLASSES))
    network = rv.recurrent(
        [CHANNELS, 8, CLASSES],
        neuron=rv.LIF(20.0, 5.0),
        readout=rv.LI(20.0, 5.0),
        delay=[rv.synaptic(0.5, 10.0), rv.synaptic(1.0, 10.0), rv.fixed(0.0)],
        weight=[rv.initializers.normal(mean, std) for mean, std in ((0.05, 0.1), (0.0, 0.1), (0.0, 0.3))],
        dtype="float32",
        key=jax.random.key(0),
    )
    recipe = Recipe(
        rv.EventDriven(max_spikes=2000, gradient=rv.SpikeValue()),
        t_end=11_000.0,
        readout=MeanPotential("output"),
        loss=rv.losses.cross_entropy,
        optimiser=by_path({"weight": adam(0.003), "delay": adam(0.05)}),
        epochs=2,
        batch=32,
    )
    rv.fit(
        network, *streams, recipe, out=out, resume=True, key=jax.random.key(1), stuck=None,
        on_epoch_end=lambda line, _: told(
            epoch=line["epoch"], loss=line["loss"], accuracy=line["validation_accuracy"], seconds=line["seconds"]
        ),
    )  # fmt: skip


def told(**facts: float) -> None:
    """A line of facts, with the most memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(json.dumps({**facts, "peak_gigabytes": round(peak, 3)}), flush=True)


def prepare(folder: Path, gigabytes: float) -> None:
    """Write the file."""
    start, path = time.perf_counter(), folder / "large.h5"
    samples = write(path, gigabytes)
    size = path.stat().st_size / 1e9
    print(f"wrote {samples} samples, {size:.1f} GB, in {time.perf_counter() - start:.0f} s", flush=True)


def run(folder: Path) -> None:
    """Train, be killed, go on."""
    command = [sys.executable, __file__, "train", str(folder / "large.h5"), str(folder / "run")]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout or ():
                print(line, end="", flush=True)
                if json.loads(line).get("epoch") == 1:
                    time.sleep(2.0)  # it is in epoch 2 by now
                    os.kill(process.pid, signal.SIGKILL)
        print(f"killed in epoch 2: {process.returncode}; resuming", flush=True)
        subprocess.run(command, check=True)
    finally:
        (folder / "large.h5").unlink(missing_ok=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["train", path, out]:
            train(Path(path), Path(out))
        case ["write", gigabytes, folder]:
            prepare(Path(folder), float(gigabytes))
        case ["run", folder]:
            run(Path(folder))
        case rest:
            where = Path(rest[1] if len(rest) > 1 else "/tmp")
            prepare(where, float(rest[0]) if rest else 20.0)
            run(where)
