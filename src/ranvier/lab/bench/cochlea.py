"""One second of cochlea-like input through a recurrent layer: events per second, exact against a plain grid.

700 inputs, about 8,000 input spikes in 1 s, 128 or 256 recurrent LIF neurons (20 and 5 ms), delays from 1 to 60 ms,
batch 32, float32. Rates are per sample and for both passes (value and gradient of weights and delays). Every row has
the plain grid loop (`plain.py`) and a 2000 x 2000 float32 product timed in the same run.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier.connections import Connection
from ranvier.delays import axonal, dendritic, fixed, synaptic
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.lab.bench.plain import time_plain
from ranvier.network import Network
from ranvier.neurons import LIF
from ranvier.patterns import AllToAll
from ranvier.populations import Population
from ranvier.selection import partition
from ranvier.simulation import Stats, simulate
from ranvier.train.provenance import cores

INPUTS, SPIKES, DURATION, LONGEST = 700, 8000, 1000.0, 60.0
DELAYS = {
    "synaptic": synaptic(1.0, LONGEST),
    "axonal": axonal(1.0, LONGEST),
    "dendritic": dendritic(1.0, LONGEST),
    "none": fixed(1.0),
}


@dataclasses.dataclass(frozen=True)
class Workload:
    """One row: size of the layer, kind of delays, wanted activity, batch, and where the input comes from."""

    hidden: int = 256
    delay: str = "synaptic"
    spikes_per_neuron: float = 14.0
    batch: int = 32
    threads: int = dataclasses.field(default_factory=cores)
    samples: Path | None = None


def build(work: Workload, mean: float) -> Network:
    """The recurrent layer, its input weights around `mean`."""
    key, rows, columns = jax.random.key(0), INPUTS, work.hidden
    draw = jax.random.normal(key, (rows + columns, columns), jnp.float32) * 0.02
    kind, dtype = DELAYS[work.delay], jnp.float32
    populations = {"input": Population(rows), "hidden": Population(columns, LIF(20.0, 5.0))}
    wait = lambda pre: kind(populations[pre], populations["hidden"], AllToAll(), dtype, key=key)
    links = [
        Connection("input", "hidden", draw[:rows] + jnp.float32(mean), wait("input")),
        Connection("hidden", "hidden", draw[rows:], wait("hidden")),
    ]
    return Network(populations, links)


def inputs(work: Workload) -> Spikes:
    """Uniform random spikes, or real samples (an HDF5 file in the layout of SHD), repeated to fill the batch."""
    if work.samples is None:
        rng = np.random.default_rng(1)
        times = np.sort(rng.uniform(0, DURATION, (work.batch, SPIKES)), axis=1).astype(np.float32)
        return Spikes(jnp.asarray(times), jnp.asarray(rng.integers(0, INPUTS, times.shape, np.int32)))
    with h5py.File(work.samples, "r") as file:
        trains = [1000.0 * np.asarray(train, np.float64) for train in cast(h5py.Dataset, file["spikes/times"])]
        units = [np.asarray(unit, np.int32) for unit in cast(h5py.Dataset, file["spikes/units"])]
    keep = [train < DURATION for train in trains]
    chosen = [b % len(trains) for b in range(work.batch)]
    spikes = Spikes.from_ragged([trains[b][keep[b]] for b in chosen], [units[b][keep[b]] for b in chosen])
    return Spikes(spikes.time.astype(jnp.float32), spikes.unit)


def passes(work: Workload, spikes: Spikes) -> tuple[Callable, Callable]:
    """The forward pass, and value and gradient, as compiled functions of the network."""
    simulator = EventDriven(max_spikes=64, threads=work.threads)

    def value(learn: Network, rest: Network) -> tuple[Float[Array, ""], Stats]:
        solution = simulate(eqx.combine(learn, rest), spikes, simulator, t_end=DURATION, throw=False)
        times = solution.spikes["hidden"].time
        return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0)), solution.stats

    return eqx.filter_jit(value), eqx.filter_jit(eqx.filter_value_and_grad(value, has_aux=True))


def tune(work: Workload, spikes: Spikes, forward: Callable) -> float:
    """Mean input weight at which a neuron fires as often as wanted (bisection)."""
    low, high = 0.0, 0.2
    for _ in range(9):
        middle = 0.5 * (low + high)
        count = forward(*partition(build(work, middle)))[1].spikes["hidden"].mean() / work.hidden
        low, high = (middle, high) if float(count) < work.spikes_per_neuron else (low, middle)
    return 0.5 * (low + high)


def measure(work: Workload, repeats: int = 7) -> dict[str, float | int | str]:
    """One row of the table: medians over `repeats`, exact and plain taking turns."""
    spikes = inputs(work)
    forward, both = passes(work, spikes)
    parts = partition(build(work, tune(work, spikes, forward)))
    network = eqx.combine(*parts)
    stats = jax.block_until_ready(forward(*parts)[1])
    if int(stats.status):
        msg = f"bench: the simulation ended with status {int(stats.status)}; lower spikes_per_neuron."
        raise RuntimeError(msg)
    jax.block_until_ready(both(*parts))
    steps, units, weight, delay = _as_grid(network, spikes, work)
    rows = []
    for _ in range(repeats):
        ahead, whole = _time(lambda: forward(*parts)), _time(lambda: both(*parts))
        plain = [min(walls) for walls in time_plain(steps, units, weight, delay, work.threads, 1)]
        rows.append((ahead, whole, sum(plain)))
    ahead, whole, plain = (statistics.median(column) for column in zip(*rows, strict=True))
    product = statistics.median(_product() for _ in range(repeats))  # by itself: its threads wait busily for more
    ratio = statistics.median(row[1] / row[2] for row in rows)
    events = float(stats.events.sum())
    return {
        "hidden": work.hidden, "delay": work.delay, "input": work.samples.name if work.samples else "uniform",
        "spikes_per_neuron": float(stats.spikes["hidden"].mean()) / work.hidden,
        "exact_share": float(stats.exact.mean()) / work.hidden / DURATION,
        "samples_per_second": work.batch / whole, "forward_ns_per_event": 1e9 * ahead / events,
        "both_ns_per_event": 1e9 * whole / events, "plain_ns_per_event": 1e9 * plain / events,
        "exact_over_plain": ratio, "product_ms": 1e3 * product, "threads": work.threads,
    }  # fmt: skip


def _as_grid(
    network: Network, spikes: Spikes, work: Workload
) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """The same spikes (inputs and hidden), weights and delays for the plain loop."""
    solution = simulate(network, spikes, EventDriven(max_spikes=64), t_end=DURATION)
    hidden = solution.spikes["hidden"]
    times = np.concatenate([np.asarray(spikes.time), np.asarray(hidden.time)], axis=1)
    units = np.concatenate([np.asarray(spikes.unit), np.asarray(hidden.unit) + INPUTS], axis=1)
    order = [np.argsort(row, kind="stable")[: np.isfinite(row).sum()] for row in times]
    steps = [times[b][at].astype(np.int64) for b, at in enumerate(order)]
    rows = [units[b][at].astype(np.int64) for b, at in enumerate(order)]
    shape = [(INPUTS, work.hidden), (work.hidden, work.hidden)]
    delays = [np.broadcast_to(network.delay(link), size) for link, size in zip(network.connections, shape, strict=True)]
    weight = np.concatenate([np.asarray(link.weight) for link in network.connections])
    return steps, rows, weight, np.ascontiguousarray(np.rint(np.concatenate(delays)).astype(np.int32))


def _time(work: Callable[[], object]) -> float:
    """Wall time (s) of a call that follows another one of its kind, as in training, and as `time_plain` does it."""
    jax.block_until_ready(work())
    start = time.perf_counter()
    jax.block_until_ready(work())
    return time.perf_counter() - start


def _product() -> float:
    matrix = np.ones((2000, 2000), np.float32)
    return _time(lambda: matrix @ matrix)
