"""Hours of work in one process, with flat memory: `make soak`, `make soak MINUTES=60`. Linux.

Two kinds, half of the time each: `train` is one training that does not end, with a run folder; `calls` is what a study or a
notebook does: networks are made, trained, simulated by every simulator, saved and loaded, over and over. A line tells
resident memory every half minute. At the end the memory of the last quarter is compared with that of the second: more than
`ALLOWED` MB, and the exit status is 1.
"""

import dataclasses
import itertools
import math
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

import ranvier as rv

ALLOWED = 10.0
"""MB by which memory may differ; the allocator of the C library alone moves by some."""
EVERY = 30.0
"""Seconds between lines."""


def resident() -> float:
    """Memory of this process (MB)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1000.0


class Enough(Exception):
    """The time is over."""


class Watch:
    """Tells memory now and then, and says when the time is over."""

    def __init__(self, kind: str, minutes: float):
        self.kind, self.start, self.seconds, self.rounds = kind, 0.0, 60.0 * minutes, 0
        self.seen: list[tuple[float, float]] = []

    def round(self, *_: Any) -> None:
        """One more round is done."""
        self.start = self.start or time.monotonic()  # all is compiled
        self.rounds += 1
        now = time.monotonic() - self.start
        if not self.seen or now - self.seen[-1][0] >= min(EVERY, self.seconds / 40):
            self.seen.append((now, resident()))
            sys.stdout.write(f"{self.kind}: {now / 60:5.1f} min, {self.rounds:7} rounds, {self.seen[-1][1]:7.1f} MB\n")
            sys.stdout.flush()
        if now >= self.seconds:
            raise Enough

    def grown(self) -> float:
        """Median memory of the last quarter less that of the second (MB)."""
        part = lambda low, high: statistics.median(mb for at, mb in self.seen if low <= at / self.seconds <= high)
        return part(0.75, 2.0) - part(0.25, 0.5)


def samples(count: int, seed: int) -> rv.Dataset:
    """Yin-Yang as spikes."""
    found = rv.datasets.yin_yang_samples(count, seed)
    return rv.Dataset(rv.encoders.latency(found.feature, t_early=0.15, t_late=2.0), found.label)


def network(seed: int) -> rv.Network:
    """A small network with learnable delays."""
    neuron, delay = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=math.inf), rv.synaptic(0.0, 1.0)
    return rv.feedforward([4, 30, 3], neuron=neuron, delay=delay, key=jax.random.key(seed))


RECIPE = rv.Recipe(
    rv.EventDriven(max_spikes=1),
    t_end=8.0,
    readout=rv.readouts.FirstSpike("output"),
    loss=lambda value, label: rv.losses.relative_time_mse(value, label, margin=0.2),
    optimiser=rv.train.adam(0.002),
    epochs=1_000_000_000,
    batch=150,
)
SIMULATORS = (
    rv.EventDriven(max_spikes=4), rv.FirstSpike(), rv.ClockDriven(dt=0.1, max_spikes=4), rv.Surrogate(dt=0.1, max_spikes=4)
)  # fmt: skip


def train(watch: Watch) -> None:
    """One training that goes on."""
    with tempfile.TemporaryDirectory() as folder:
        rv.fit(network(0), samples(1500, 0), samples(300, 1), RECIPE, out=folder, stuck=None,
               on_epoch_end=watch.round, key=jax.random.key(0))  # fmt: skip


def calls(watch: Watch) -> None:
    """Everything anew, over and over."""
    short = dataclasses.replace(RECIPE, epochs=2)
    for seed in itertools.count():
        with tempfile.TemporaryDirectory() as folder:
            given = samples(300, seed), samples(150, seed + 1)
            fitted = rv.fit(network(seed), *given, short, out=f"{folder}/run", stuck=None, key=jax.random.key(seed))
            rv.save(f"{folder}/net.npz", fitted.network)
            again = rv.load(f"{folder}/net.npz")
        spikes = jax.tree.map(lambda leaf: leaf[:20], samples(20, seed).spikes)
        for simulator in SIMULATORS:
            jnp.sum(rv.simulate(again, spikes, simulator, t_end=8.0, throw=False).stats.events).block_until_ready()
        watch.round()


def main(minutes: float) -> int:
    """Both kinds; 0 if memory is flat."""
    status = 0
    for name, work in (("train", train), ("calls", calls)):
        watch = Watch(name, minutes / 2)
        try:
            work(watch)
        except Enough:
            grown = watch.grown()
            sys.stdout.write(f"{name}: {watch.rounds} rounds, {grown:+.1f} MB from the second quarter to the last\n")
            status |= grown > ALLOWED
    return status


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if sys.argv[1:] else 20.0))
