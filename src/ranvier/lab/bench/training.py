"""Yin-Yang training speed: samples over the wall time of the epochs after the first, validation and compilation apart.

Next to it, in the same run, the simulator's share: the engine's two passes alone over the same batches.
"""

import statistics
import time
from typing import cast

import jax
import jax.numpy as jnp

from ranvier.event_driven import EventDriven, primitive, simulator
from ranvier.event_driven.rows import rows
from ranvier.events import Spikes
from ranvier.lab.catalogue import experiment
from ranvier.network import Network
from ranvier.train import Dataset, fit


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
        cast(Spikes, cast(Dataset, data.train).spikes),
        made.task.t_end,
    )
    return {
        "delay": delay, "hidden": hidden, "batch": batch, "samples_per_second": rate,
        "step_ms": 1e3 * batch / rate, "forward_pass_ms": 1e3 * forward, "backward_pass_ms": 1e3 * backward,
    }  # fmt: skip


def _passes(
    batch: int, network: Network, event_driven: EventDriven, spikes: Spikes, t_end: float
) -> tuple[float, float]:
    """Median wall time (s) of the engine's two passes on one batch."""
    part = {"input": jax.tree.map(lambda leaf: leaf[:batch], spikes)}
    links, fine = rows(network), jnp.zeros((), jnp.int32)
    plan = event_driven.plan(network, links, part, t_end, {})
    call = simulator._call(plan, network, links, part, {}, fine)
    times = lambda weights: cast(primitive.Result, primitive.event_driven(plan, call._replace(weights=weights))).times
    forward, take, pull = jax.jit(times), jax.jit(lambda weights: jax.vjp(times, weights)), jax.jit(lambda f, x: f(x))
    walls: tuple[list[float], list[float]] = ([], [])
    found, back = jax.block_until_ready(take(call.weights))
    owed = jax.tree.map(lambda time: jnp.isfinite(time).astype(time.dtype), found)
    for repeat in range(31):
        for wall, run in zip(walls, (lambda: forward(call.weights), lambda: pull(back, owed)), strict=True):
            start = time.perf_counter()
            jax.block_until_ready(run())
            if repeat:
                wall.append(time.perf_counter() - start)
    return statistics.median(walls[0]), statistics.median(walls[1])
