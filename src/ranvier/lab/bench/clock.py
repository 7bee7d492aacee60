"""`ClockDriven` on one second of cochlea-like input through a recurrent layer with per-synapse delays.

The network and input of `cochlea`: 700 inputs, 8,000 input spikes, 128 LIF neurons, delays from 1 to 60 ms, float32,
batch 1, value and gradient of weights and delays. Rows: `ClockDriven` with merged events; `EventDriven`;
and adseq's lossless FIFO with one queue per synapse, at the same dt, where adseq is importable. Memory is what XLA
reserves for the compiled program beyond its arguments and results; `EventDriven` works outside XLA.
"""

import dataclasses
import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier.clock_driven import ClockDriven, Merged
from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.lab.bench import cochlea
from ranvier.lab.bench.adseq_recurrent import adseq_loss
from ranvier.network import Network
from ranvier.selection import partition
from ranvier.simulation import AbstractSimulator, Stats, simulate

Row = dict[str, Any]
PEER = "adseq FIFORing[4]"


@dataclasses.dataclass(frozen=True)
class Workload:
    """Size of the layer, and step (ms)."""

    hidden: int = 128
    dt: float = 1.0


def measure(work: Workload, repeats: int = 5) -> list[Row]:
    """All rows: medians over `repeats`; adseq, which takes seconds, over two."""
    network, spikes, forward = _setting(work)
    clock = ClockDriven(dt=work.dt, layout=Merged())
    simulators = {"EventDriven": EventDriven(), "ClockDriven": clock}
    rows = [_ours(name, simulator, network, spikes, repeats) for name, simulator in simulators.items()]
    if importlib.util.find_spec("adseq") is not None:
        function = adseq_loss(network, spikes, work.dt, cochlea.DURATION, cochlea.LONGEST)
        weights = [link.weight for link in network.connections]
        wall, memory, _ = _timed(function, (*weights, *map(network.delay, network.connections)), 2)
        rows.append(_row(PEER, wall, memory))
    base = rows[-1]["samples_per_second"] if rows[-1]["simulator"] == PEER else None
    spikes_per_neuron = float(forward(*partition(network))[1].spikes["hidden"].mean()) / work.hidden
    shared = {"hidden": work.hidden, "dt": work.dt, "spikes_per_neuron": spikes_per_neuron}
    return [{**shared, **row, "over_adseq": row["samples_per_second"] / base if base else None} for row in rows]


def _setting(work: Workload) -> tuple[Network, Spikes, Callable]:
    """The network, tuned to the usual activity, its input, and its forward pass."""
    load = cochlea.Workload(work.hidden, "synaptic", batch=1)
    spikes = cochlea.inputs(load)
    forward, _ = cochlea.passes(load, spikes)
    return cochlea.build(load, cochlea.tune(load, spikes, forward)), spikes, forward


def _ours(name: str, simulator: AbstractSimulator, network: Network, spikes: Spikes, repeats: int) -> Row:
    def value(learn: Network, rest: Network, spikes: Spikes) -> tuple[Float[Array, ""], Stats]:
        solution = simulate(eqx.combine(learn, rest), spikes, simulator, t_end=cochlea.DURATION, throw=False)
        times = solution.spikes["hidden"].time
        return jnp.sum(jnp.where(jnp.isfinite(times), times, 0.0)), solution.stats

    both = jax.value_and_grad(value, has_aux=True)
    learn, rest = partition(network)
    wall, memory, ((_, stats), _) = _timed(both, (learn, rest, spikes), repeats)
    if int(stats.status):
        msg = f"bench: {name} ended with status {int(stats.status)}: see ranvier.simulation.STATUS."
        raise RuntimeError(msg)
    return _row(name, wall, memory if name == "ClockDriven" else None)


def _timed(function: Callable, arguments: tuple, repeats: int) -> tuple[float, int, tuple]:
    """Median wall time (s) of the compiled function, the bytes it works in, and its result."""
    compiled = jax.jit(function).lower(*arguments).compile()
    result = jax.block_until_ready(compiled(*arguments))
    walls = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*arguments))
        walls.append(time.perf_counter() - start)
    analysis = compiled.memory_analysis()
    return statistics.median(walls), analysis.temp_size_in_bytes if analysis else 0, result


def _row(name: str, wall: float, memory: int | None) -> Row:
    return {"simulator": name, "samples_per_second": 1.0 / wall, "memory_mb": memory and memory / 1e6}
