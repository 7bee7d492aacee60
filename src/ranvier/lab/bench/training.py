"""Yin-Yang training speed: samples over the wall time of the epochs after the first, validation and compilation apart.

Next to it, in the same run, the simulator's share: the two host passes alone over the same batches.
"""

import statistics
import time
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.dense import dense
from ranvier.event_driven import EventDriven, host, simulator, tables
from ranvier.events import Spikes
from ranvier.lab.catalogue import experiment
from ranvier.network import Network
from ranvier.train import fit


def measure(delay: str = "synaptic", hidden: int = 30, epochs: int = 6) -> dict[str, float | int | str]:
    """One row of the table.

    Args:
        delay: Kind of delay.
        hidden: Hidden neurons.
        epochs: Epochs; the first is not counted.
    """
    made = experiment("yin-yang", delay=delay, hidden=hidden, epochs=epochs)
    data, network, batch = made.data(), made.network(), made.training.batch
    recipe = made.recipe(data.train.size)
    fitted = fit(network, data.train, data.validation, recipe, key=made.keys[1])
    rate = statistics.median(epoch["samples_per_second"] for epoch in fitted.epochs[1:])
    forward, backward = _passes(
        batch,
        network,
        cast(EventDriven, recipe.simulator),
        cast(Spikes, data.train.spikes),
        made.task.t_end,
    )
    return {
        "delay": delay, "hidden": hidden, "batch": batch, "samples_per_second": rate,
        "step_ms": 1e3 * batch / rate, "forward_pass_ms": 1e3 * forward, "backward_pass_ms": 1e3 * backward,
    }  # fmt: skip


def _passes(
    batch: int, network: Network, event_driven: EventDriven, spikes: Spikes, t_end: float
) -> tuple[float, float]:
    """Median wall time (s) of the two host passes on one batch."""
    part = {"input": jax.tree.map(lambda leaf: leaf[:batch], spikes)}
    links, fine = dense(network), jnp.zeros((), jnp.int32)
    plan = event_driven.plan(network, links, part, t_end, {})
    call = jax.tree.map(np.asarray, simulator._call(plan, network, links, part, {}, fine))
    walls: tuple[list[float], list[float]] = ([], [])
    for _ in range(30):
        start = time.perf_counter()
        trains, _ = tables.empty_trains(plan, batch)
        output, _ = host.forward_call(plan, call, trains)
        middle = time.perf_counter()
        host.backward_call(plan, call, trains, np.isfinite(output.time).astype(plan.dtype), output.voltage,
                           output.time[:, :0], False)  # fmt: skip
        walls[0].append(middle - start)
        walls[1].append(time.perf_counter() - middle)
    return statistics.median(walls[0]), statistics.median(walls[1])
