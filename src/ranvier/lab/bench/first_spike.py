"""Yin-Yang training with `FirstSpike`: one seed, and several at once in one program, next to `EventDriven` with one.

Training samples of all seeds over wall time, compilation and validation apart. What differs between the seeds is
mapped, what they share (time constants, thresholds) is not.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from ranvier.lab.catalogue import experiment
from ranvier.lab.composition import Experiment
from ranvier.lab.parts import in_memory
from ranvier.selection import partition
from ranvier.train.programs import programs
from ranvier.train.step import State, initial_state


def measure(delay: str = "synaptic", hidden: int = 30, seeds: int = 10, repeats: int = 5) -> list[dict[str, Any]]:
    """Rows of the table.

    Args:
        delay: Kind of delay.
        hidden: Hidden neurons.
        seeds: Seeds that are trained at once in the last row.
        repeats: Epochs that are timed, taking turns; the table has medians.
    """
    cases = {("event-driven", 1): [], ("first-spike", 1): [], ("first-spike", seeds): []}
    programs = {
        case: _program(experiment("yin-yang", delay=delay, hidden=hidden, method=case[0]), case[1]) for case in cases
    }
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


def _program(made: Experiment, seeds: int) -> Callable[[int], int]:
    """What trains so many seeds for one epoch, given its number, and says how many samples that took."""
    data = in_memory(made.data().train)
    recipe = made.recipe(data.size)
    one = lambda state, key, number: programs(recipe).train(recipe, state, data, key, number)
    each = [dataclasses.replace(made, seed=seed) for seed in range(seeds)]
    states, order = [initial_state(it.network(), recipe) for it in each], [it.keys[1] for it in each]
    step, state, key = (one, states[0], order[0]) if seeds == 1 else (*_together(one, states), jnp.stack(order))

    def run(number: int) -> int:
        nonlocal state
        state, totals = jax.block_until_ready(step(state, key, jnp.asarray(number, jnp.int32)))
        if jnp.any(totals.status > 0) or jnp.any(totals.broken):
            msg = f"bench first-spike: status {totals.status}, gradients not finite: {totals.broken}."
            raise RuntimeError(msg)
        return data.size * seeds

    return run


def _together(one: Callable, states: Sequence[State]) -> tuple[Callable, State]:
    """An epoch of all seeds in one program, and their state; what does not learn is the same for all."""
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    learn, fixed = partition(stacked.network)
    network = eqx.combine(learn, jax.tree.map(lambda leaf: leaf[0], fixed))
    axes: Any = State(jax.tree.map(lambda _: 0, learn), 0, 0)
    return jax.jit(jax.vmap(one, (axes, 0, None), (axes, 0))), State(network, stacked.optimiser, stacked.recovery)
