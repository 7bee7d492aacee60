"""eventax: event by event with an ODE solver and a root finder, EventProp, a delay for each synapse that learns."""

import importlib
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ranvier.lab.bench.peers.problem import TAIL, TAU_MEM, TAU_SYN, Load, Outcome, Peer, delays, inputs, weights

STEP, MOST_SPIKES = 0.1, 32
"""Step of the solver (ms), and places for the spikes of a neuron."""


def prepare(load: Load) -> Callable[[], Outcome]:
    """The mean of all spike times; a batch by `vmap`.

    Args:
        load: The problem.
    """
    evnn, adjoint = importlib.import_module("eventax.evnn"), importlib.import_module("eventax.adjoint")
    neurons = importlib.import_module("eventax.neuron_models")
    diffrax = importlib.import_module("diffrax")
    first, own, _ = weights(load)
    times, t_end = _by_unit(load), load.duration + TAIL
    events = load.hidden * (round(load.spikes * load.duration / 1000.0) + MOST_SPIKES * load.hidden)
    given, before = (jnp.asarray(np.concatenate([b, a])) for a, b in ((first, own), delays(load)))
    model = evnn.EvNN(
        neurons.LIF, load.hidden, t_end, load.inputs, key=jax.random.key(0), wmask=jnp.ones(given.shape),
        init_delays=before, init_weights=given, init_bias=0.0, thresh=1.0, tmem=TAU_MEM, tsyn=TAU_SYN,
        solver_stepsize=STEP, solver=diffrax.Heun(), buffer_capacity=events, max_event_steps=events,
        adjoint=adjoint.EventPropAdjoint(),
    )  # fmt: skip
    learn, rest = eqx.partition(model, eqx.is_inexact_array)

    def loss(learn: Any) -> tuple[jax.Array, jax.Array]:
        whole: Any = eqx.combine(learn, rest)
        found = jax.vmap(lambda given: whole.spikes_until_t(given, t_end, MOST_SPIKES))(times)
        fired = jnp.isfinite(found)
        return jnp.where(fired, found, 0.0).sum() / load.batch, fired.sum() / load.batch / load.hidden

    gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))

    def run() -> Outcome:
        (value, fired), slopes = jax.block_until_ready(gradient(learn))
        return Outcome(float(value), float(abs(slopes.neuron_model.weights).max()), float(fired))

    return run


def _by_unit(load: Load) -> Float[jax.Array, "batch inputs spikes"]:
    """Times of each input unit, filled with inf."""
    times, units = inputs(load)
    most = max(int(np.bincount(row, minlength=load.inputs).max()) for row in units)
    table = np.full((load.batch, load.inputs, most), np.inf, np.float32)
    for sample in range(load.batch):
        for unit in range(load.inputs):
            mine = times[sample][units[sample] == unit]
            table[sample, unit, : len(mine)] = mine
    return jnp.asarray(table)


PEER = Peer("eventax", "eventax", "learned", "event by event, ODE solver with steps of 0.1 ms, EventProp", prepare)
