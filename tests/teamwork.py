"""One process of several that train together: `python teamwork.py PROCESS PORT FOLDER [EPOCH]`, for test_team.py.

With EPOCH process 1 is killed while it reads a batch of that epoch. Else process 0 trains alone at the end, and writes what
came of all runs to FOLDER/told.json.
"""

import dataclasses
import json
import os
import signal
import sys
from pathlib import Path

import jax
import numpy as np

import ranvier as rv
from ranvier.augmentations import Blend
from ranvier.datasets import read_spike_file
from ranvier.readouts import MeanPotential
from ranvier.regularizers import CountUpperBound, SilentRecovery
from ranvier.train import Devices, PeerError, Recipe, Stream, adam, by_path, evaluate, fit

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 2)
process, port, folder, epoch = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int((*sys.argv, 0)[4])
jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)

RECIPE = Recipe(
    rv.EventDriven(max_spikes=30, gradient=rv.SpikeValue(), threads=1),
    t_end=160.0,
    readout=MeanPotential("output"),
    loss=rv.losses.cross_entropy,
    optimiser=by_path({"weight": adam(0.01), "delay": adam(0.05)}),
    epochs=3,
    batch=25,  # not a multiple of four devices
    augment=Blend(0.5),
    regularizers=(CountUpperBound("hidden", 1.0, strength=0.01),),
    costs=(lambda network: 1e-3 * sum((link.weight**2).sum() for link in network.connections),),
    recovery=SilentRecovery(),
)
NETWORK = rv.load(folder / "network.npz")


class Deadly:
    """Spikes of a file; from some reading on whoever reads is killed."""

    def __init__(self, file: rv.datasets.SpikeFile, left: int):
        self.file, self.left = file, left
        self.channels, self.count, self.end, self.checksum = file.channels, file.count, file.end, file.checksum

    def read(self, rows: np.ndarray) -> rv.datasets.spike_files.Rows:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.file.read(rows)


file = read_spike_file(folder / "words.h5")
source = Deadly(file, 3 * epoch if process == 1 else 0)  # a check, and three batches in an epoch
stream = Stream(source, np.arange(60), file.label[:60], classes=3, dtype="float64")
kept = Stream(file, np.arange(60), file.label[:60], classes=3, dtype="float64").take(np.arange(60))
key = jax.random.wrap_key_data(np.array([0, 1], np.uint32))
try:
    fitted = fit(NETWORK, stream, kept, RECIPE, out=folder / "run", resume=True, devices=Devices(), key=key)
except PeerError as error:
    sys.exit(f"told: {error}")
again = dataclasses.replace(RECIPE, epochs=1)
turned = fit(NETWORK, kept, stream, again, devices=Devices(), key=key)
scores = evaluate(fitted.network, stream, RECIPE, devices=Devices())
told = {"together": [fitted.epochs, turned.epochs, [scores]]}
if process == 0:
    alone = fit(NETWORK, stream, kept, RECIPE, key=key)
    told["alone"] = [alone.epochs, fit(NETWORK, kept, stream, again, key=key).epochs]
    told["alone"].append([evaluate(alone.network, stream, RECIPE)])
    pairs = zip(*(jax.tree.leaves((each.network, each.last)) for each in (fitted, alone)), strict=True)
    told["apart"] = max(float(np.max(np.abs(np.subtract(*pair)), initial=0.0)) for pair in pairs)
    told["devices"] = Devices().mesh().size
(folder / f"told-{process}.json").write_text(json.dumps(told))
