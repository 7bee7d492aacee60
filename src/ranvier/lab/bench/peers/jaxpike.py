"""jaxpike: a graph of layers with a feedback edge, on a grid of 1 ms, a surrogate, no delays."""

import importlib
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

from ranvier.lab.bench.peers.problem import TAU_MEM, TAU_SYN, Load, Outcome, Peer, binned, labels, weights


def prepare(load: Load) -> Callable[[], Outcome]:
    """Cross-entropy of mean potentials; its neuron, which has no synaptic current, its leaky integrator.

    Args:
        load: The problem.
    """
    jp, key = importlib.import_module("jaxpike"), jax.random.key(0)
    given, label = jnp.asarray(binned(load)), jnp.asarray(labels(load))

    def dense(table: np.ndarray) -> eqx.Module:
        layer = jp.Dense(*table.shape, key=key, use_bias=False)
        return eqx.tree_at(lambda one: one.weight, layer, jnp.asarray(TAU_SYN * table.T))  # the current's integral

    first, own, last = (dense(table) for table in weights(load))
    hidden = jp.Graph(
        {"in": first, "own": own, "hidden": jp.LIF(TAU_MEM, reset="zero")},
        [("input", "in"), ("in", "hidden"), ("hidden", "own"), ("own", "hidden")],
        "hidden",
    )
    model = (hidden, jp.Sequential(last, jp.LeakyIntegrator(TAU_MEM)))

    def loss(model: tuple[eqx.Module, eqx.Module]) -> tuple[jax.Array, jax.Array]:
        spikes, _ = jp.unroll(model[0], given)
        traces, _ = jp.unroll(model[1], spikes)
        value = optax.softmax_cross_entropy_with_integer_labels(traces.mean(0), label).mean()
        return value, spikes.sum() / load.batch / load.hidden

    gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))

    def run() -> Outcome:
        (value, fired), slopes = jax.block_until_ready(gradient(model))
        return Outcome(float(value), float(abs(slopes[0].nodes["in"].weight).max()), float(fired))

    return run


PEER = Peer("jaxpike", "jaxpike", "none", "1 ms grid, surrogate, no synaptic current", prepare)
