"""spyx: a recurrent layer on a grid of 1 ms, a surrogate, no delays."""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from ranvier.lab.bench.peers.problem import TAU_MEM, TAU_SYN, Load, Outcome, Peer, binned, labels, weights


def prepare(load: Load) -> Callable[[], Outcome]:
    """Cross-entropy of mean potentials; its recurrent neuron with a synaptic current, its leaky integrator.

    Args:
        load: The problem.
    """
    nnx, nn = importlib.import_module("flax.nnx"), importlib.import_module("spyx.nn")
    rngs, (first, own, last), given = nnx.Rngs(0), weights(load), jnp.asarray(binned(load))
    label, decay, part = jnp.asarray(labels(load)), float(np.exp(-1.0 / TAU_SYN)), float(np.exp(-1.0 / TAU_MEM))
    linear = lambda table: nnx.Linear(*table.shape, use_bias=False, rngs=rngs)
    one = nn.RCuBaLIF((load.hidden,), alpha=decay, beta=part, rngs=rngs)
    model = nn.Sequential(linear(first), one, linear(last), nn.LI((last.shape[1],), beta=part, rngs=rngs))
    scale = 1.0 - part  # its current is added to the potential as it is
    for place, table in ((model.layers[0].kernel, first), (one.recurrent_w, own), (model.layers[2].kernel, last)):
        place[...] = jnp.asarray(scale * table)

    def loss(model: Any) -> tuple[jax.Array, jax.Array]:
        hidden, _ = nn.run(nn.Sequential(*model.layers[:2]), given)
        traces, _ = nn.run(nn.Sequential(*model.layers[2:]), hidden)
        value = optax.softmax_cross_entropy_with_integer_labels(traces.mean(0), label).mean()
        return value, hidden.sum() / load.batch / load.hidden

    gradient = nnx.jit(nnx.value_and_grad(loss, has_aux=True))

    def run() -> Outcome:
        (value, fired), slopes = jax.block_until_ready(gradient(model))
        steepest = max(float(abs(leaf).max()) for leaf in jax.tree.leaves(slopes))
        return Outcome(float(value), steepest, float(fired))

    return run


PEER = Peer("spyx", "spyx", "none", "1 ms grid, surrogate", prepare)
