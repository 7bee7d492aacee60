"""Time and memory of a gradient against the longest delay, the duration, the hidden size and the rate of the input.

A recurrent layer with a delay for each synapse, 140 inputs, float32, batch 16, value and gradient of weights and delays
of a loss of mean potentials, by the value of a spike. One number is varied at a time around 128 neurons, 250 ms, 1 s
and 2,500 input spikes a sample; input weights are such that neurons fire some times a second. Each row runs in a
process of its own; memory is its peak resident size less that of the same process after a gradient of few spikes.
Beside it, where torch and dcls are installed, dilated convolutions of the same size (DCLS, feed-forward, steps of
1 ms): their time and memory grow with the longest delay, for each step of it is a tap.
"""

import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ranvier.builders import recurrent
from ranvier.delays import fixed, synaptic
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.gradients import SpikeValue
from ranvier.initializers import normal
from ranvier.losses import cross_entropy
from ranvier.network import Network
from ranvier.neurons import LI, LIF
from ranvier.readouts import MeanPotential
from ranvier.selection import partition
from ranvier.simulation import simulate

Row = dict[str, Any]
INPUTS, CLASSES, BATCH = 140, 20, 16
USUAL: Row = {"longest": 250.0, "duration": 1000.0, "hidden": 128, "spikes": 2500}
VARIED: dict[str, tuple[float, ...]] = {
    "longest": (64.0, 128.0, 256.0, 512.0, 1024.0),
    "duration": (500.0, 2000.0, 4000.0),
    "hidden": (64, 256, 512),
    "spikes": (1250, 5000, 10000),
}
"""What is varied, one number at a time. Spikes are those of a second."""
PEER_LONGEST = (64.0, 256.0)
"""Longest delays at which the peer is measured: it takes seconds per sample beyond."""


def measure(repeats: int = 5, varied: dict[str, tuple[float, ...]] | None = None) -> list[Row]:
    """All rows.

    Args:
        repeats: Gradients of a row; the table has their median.
        varied: What is varied, in place of `VARIED`.
    """
    works = [{**USUAL, name: value} for name, values in (varied or VARIED).items() for value in values]
    rows = [_in_process({**work, "by": "EventDriven", "repeats": repeats}) for work in works]
    if importlib.util.find_spec("torch") and importlib.util.find_spec("DCLS"):
        rows += [
            _in_process({**USUAL, "longest": longest, "by": "DCLS", "repeats": 1})
            for longest in (PEER_LONGEST if varied is None else ())
        ]
    return rows


def _in_process(work: Row) -> Row:
    """One row, in a fresh process."""
    command = [sys.executable, "-m", "ranvier.lab.bench.scaling", json.dumps(work)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(answer.stdout.splitlines()[-1])


def inputs(work: Row) -> tuple[np.ndarray, np.ndarray]:
    """Times (ms) and units of a batch, uniformly at random.

    Args:
        work: The row.
    """
    rng, count = np.random.default_rng(1), round(work["spikes"] * work["duration"] / 1000.0)
    times = np.sort(rng.uniform(0, work["duration"], (BATCH, count)), axis=1).astype(np.float32)
    return times, rng.integers(0, INPUTS, times.shape, np.int32)


def ours(work: Row) -> tuple[Callable[[], Any], Callable[[], float]]:
    """A gradient by `EventDriven`, and the spikes of a neuron in a second.

    Args:
        work: The row.
    """
    drive = 1.0 / (work["spikes"] / 1000.0 * 5.0)  # at this weight the mean potential is at the threshold
    net = recurrent(
        [INPUTS, work["hidden"], CLASSES],
        neuron=LIF(20.0, 5.0),
        readout=LI(20.0, 5.0),
        delay=[synaptic(1.0, work["longest"]), synaptic(1.0, work["longest"]), fixed(0.0)],
        weight=[normal(0.9 * drive, 0.9 * drive), normal(0.0, 0.02), normal(0.0, 0.06)],
        dtype="float32",
        key=jax.random.key(0),
    )
    learn, rest = partition(net, "weight", "delay")
    spikes, t_end = Spikes(*inputs(work), size=INPUTS), work["duration"] + 50.0
    readout, label = MeanPotential("output"), jnp.arange(BATCH) % CLASSES
    simulator = EventDriven(max_spikes=256, gradient=SpikeValue())

    def loss(learn: Network) -> tuple[jax.Array, jax.Array]:
        solution = simulate(eqx.combine(learn, rest), spikes, simulator, t_end=t_end, record=readout.record)
        return cross_entropy(readout(solution), label), solution.stats.spikes["hidden"]

    gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))
    run = lambda: jax.block_until_ready(gradient(learn))
    rate = lambda: float(run()[0][1].mean()) / work["hidden"] / work["duration"] * 1000.0
    return run, rate


def theirs(work: Row) -> tuple[Callable[[], Any], Callable[[], float]]:
    """A gradient by a dilated convolution with learnable spacings, then leaky integrate-and-fire with a surrogate.

    Args:
        work: The row; of it hidden, longest and the spikes count.
    """
    import torch  # type: ignore[import-not-found]
    from DCLS.construct.modules import Dcls1d  # type: ignore[import-not-found]

    taps, steps = int(work["longest"]), int(work["duration"]) + 50
    torch.manual_seed(0)
    layer = Dcls1d(INPUTS, work["hidden"], kernel_count=1, dilated_kernel_size=taps, version="gauss", bias=False)
    out = torch.nn.Linear(work["hidden"], CLASSES, bias=False)
    times, units = inputs(work)
    dense = torch.zeros(BATCH, INPUTS, steps + taps - 1)
    rows = np.repeat(np.arange(BATCH), times.shape[1])
    dense[rows, units.ravel(), times.ravel().astype(int) + taps - 1] = 1.0
    label, decay = torch.arange(BATCH) % CLASSES, float(np.exp(-1.0 / 20.0))

    def run() -> Any:
        current, u, spikes = layer(dense), torch.zeros(BATCH, work["hidden"]), []
        for step in range(steps):
            u = decay * u + current[..., step]
            soft = torch.sigmoid(10.0 * (u - 1.0))
            fired = (u > 1.0).float() + soft - soft.detach()
            u, spikes = u * (1.0 - fired.detach()), [*spikes, fired]
        loss = torch.nn.functional.cross_entropy(out(torch.stack(spikes).mean(dim=0)), label)
        for one in (layer, out):
            one.zero_grad()
        loss.backward()
        return spikes

    return run, lambda: float(torch.stack(run()).sum()) / BATCH / work["hidden"]


def row(work: Row) -> Row:
    """What a row costs, in this process.

    Args:
        work: Its numbers.
    """
    make = theirs if work["by"] == "DCLS" else ours
    make({**work, "spikes": 20, "duration": 50.0, "longest": 20.0})[0]()
    before = _peak()
    run, rate = make(work)
    found, walls = rate(), []
    for _ in range(work["repeats"]):
        start = time.perf_counter()
        run()
        walls.append(time.perf_counter() - start)
    told = {name: work[name] for name in ("by", *USUAL)}
    wall = statistics.median(walls) / BATCH
    return {**told, "rate_hz": found, "ms_per_sample": 1e3 * wall, "mb": _peak() - before}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def draw(rows: Sequence[Row], path: Any) -> None:
    """Time and memory against each number that is varied.

    Args:
        rows: What `measure` gave.
        path: The picture.
    """
    from ranvier.plots.style import CLASSES as COLOURS  # draws with matplotlib, which is slow to import
    from ranvier.plots.style import figure, tidy

    page = figure(14.0, 6.5, layout="constrained")
    grid = page.subplots(2, len(USUAL), squeeze=False)
    labels = ("longest delay (ms)", "duration (ms)", "hidden neurons", "input spikes per s")
    names = dict(zip(USUAL, labels, strict=True))
    for column, (name, words) in enumerate(names.items()):
        fixed_ones = [other for other in USUAL if other != name]
        for at, by in enumerate(dict.fromkeys(one["by"] for one in rows)):
            mine = sorted((one for one in rows if one["by"] == by and all(one[f] == USUAL[f] for f in fixed_ones)),
                          key=lambda one: one[name])  # fmt: skip
            for axes, field in zip(grid[:, column], ("ms_per_sample", "mb"), strict=True):
                axes.plot([m[name] for m in mine], [m[field] for m in mine], "o-", color=COLOURS[at], label=by)
        for axes, words_of in zip(grid[:, column], ("ms per sample", "MB"), strict=True):
            tidy(axes, x=words, y=words_of)
            axes.set_xscale("log", base=2)
            axes.set_ylim(bottom=0.0)
    grid[0, 0].legend(frameon=False)
    page.savefig(path, dpi=150)


def main(arguments: Sequence[str]) -> None:
    """What the fresh process runs."""
    sys.stdout.write(json.dumps(row(json.loads(arguments[0]))) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
