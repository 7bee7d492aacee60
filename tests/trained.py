"""A small training, and processes of their own that run it, for the tests that kill them.

    python trained.py    reads lines "FOLDER", trains there for EPOCHS epochs, answers "PROCESS" and then "EXIT-STATUS"

Each process is forked from one that has imported JAX and ranvier, which takes longer than the training and starts no thread
and no backend. What it writes to stderr is in FOLDER.err.
"""

import dataclasses
import math
import os
import sys
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

import ranvier as rv
from ranvier.losses import relative_time_mse
from ranvier.train import Dataset, Fitted, Recipe, adam, by_path, fit, loop

EPOCHS = 120
"""Epochs of the run that is killed; each takes a few ms."""

RECIPE = Recipe(
    rv.EventDriven(max_spikes=1),
    t_end=12.0,
    readout=rv.readouts.FirstSpike("output"),
    loss=partial(relative_time_mse, margin=0.3),
    optimiser=by_path({"weight": adam(0.01), "delay": adam(0.01)}),
    epochs=4,
    batch=16,
)


def dataset(samples: int, seed: int) -> Dataset:
    """Two spikes in each sample; which came first is its class."""
    times = np.random.RandomState(seed).rand(samples, 2) * 2
    order = np.argsort(times, axis=1)
    return Dataset(rv.Spikes(np.take_along_axis(times, order, axis=1), order.astype(np.int32)), order[:, 0])


def network(weight: float = 3.0, high: float = 1.0) -> rv.Network:
    """Two layers with delays that learn."""
    neuron, delay = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=math.inf), rv.synaptic(0.0, high)
    start = rv.initializers.normal(weight, 0.3)
    return rv.feedforward([2, 3, 2], neuron=neuron, delay=delay, weight=start, key=jax.random.key(0))


def run(out: Path | None, *, resume: bool = False, recipe: Recipe = RECIPE, **changes: Any) -> Fitted:
    """The training."""
    given = {"network": network(), "train": dataset(30, 0), "validation": dataset(16, 1), "key": jax.random.key(1)}
    return fit(recipe=recipe, out=out, resume=resume, **given | changes)


def _child(folder: str) -> int:
    """Train in this process, and give its exit status."""
    with open(f"{folder}.err", "w", buffering=1) as told:
        os.dup2(told.fileno(), 2)
        try:
            run(Path(folder), resume=True, recipe=dataclasses.replace(RECIPE, epochs=EPOCHS))
        except BaseException:
            traceback.print_exc()
            return 1
    return 0


def main() -> None:
    """Answer one line after the other."""
    jax.config.update("jax_enable_x64", True)
    loop.CHECKPOINT_SECONDS = 0.02
    for name in rv.__all__:
        getattr(rv, name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os._exit(_child(line.strip()))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
