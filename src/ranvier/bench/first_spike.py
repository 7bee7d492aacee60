"""Yin-Yang training with `FirstSpike`: one seed, and several at once in one program, next to `EventDriven` with one.

Training samples of all seeds over wall time, compilation and validation apart. What differs between the seeds is
mapped, what they share (time constants, thresholds) is not.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ranvier.experiments import YinYang, keys, yin_yang
from ranvier.network import partition
from ranvier.train.epoch import State, initial_state, train_epoch


def measure(delay: str = "synaptic", hidden: int = 30, seeds: int = 10, repeats: int = 5) -> list[dict[str, Any]]:
    """Rows of the table.

    Args:
        delay: Kind of delay.
        hidden: Hidden neurons.
        seeds: Seeds that are trained at once in the last row.
        repeats: Epochs that are timed, taking turns; medians are told.
    """
    cases = {("event-driven", 1): [], ("first-spike", 1): [], ("first-spike", seeds): []}
    programs = {case: _program(yin_yang(delay, hidden=hidden, method=case[0]), case[1]) for case in cases}
    for repeat in range(repeats + 1):
        for case, run in programs.items():
            start = time.perf_counter()
            samples = run(repeat + 1)
            if repeat:
                cases[case].append(samples / (time.perf_counter() - start))
    rates = {case: statistics.median(found) for case, found in cases.items()}
    return [
        {
            "delay": delay, "hidden": hidden, "method": method, "seeds": count, "samples_per_second": rate,
            "over_event_driven": rate / rates["event-driven", 1],
        }
        for (method, count), rate in rates.items()
    ]  # fmt: skip


def _program(experiment: YinYang, seeds: int) -> Callable[[int], int]:
    """What trains so many seeds for one epoch, and says how many samples that took."""
    data = experiment.data().train
    recipe = experiment.recipe(data.size)
    each = [dataclasses.replace(experiment, seed=seed) for seed in range(seeds)]
    networks = [one.network() for one in each]
    order = jnp.stack([keys(one)[1] for one in each])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(initial_state(net, recipe) for net in networks))
    learn, fixed = partition(stacked.network, *recipe.learn)
    network = eqx.combine(learn, jax.tree.map(lambda leaf: leaf[0], fixed))
    axes: Any = State(jax.tree.map(lambda _: 0, learn), 0, 0)
    epoch = jax.vmap(
        lambda state, key, number: train_epoch(recipe, state, data, key, number), (axes, 0, None), (axes, 0)
    )
    step, state = jax.jit(epoch), State(network, stacked.optimiser, stacked.recovery)
    if seeds == 1:  # as `fit` does
        state, order = initial_state(networks[0], recipe), order[0]
        step = lambda state, key, number: train_epoch(recipe, state, data, key, number)

    def run(number: int) -> int:
        nonlocal state
        state, totals = jax.block_until_ready(step(state, order, jnp.asarray(number, jnp.int32)))
        if jnp.any(totals.status > 0) or jnp.any(totals.broken):
            msg = f"bench first-spike: status {totals.status}, gradients not finite: {totals.broken}."
            raise RuntimeError(msg)
        return data.size * seeds

    return run
