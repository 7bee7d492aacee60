"""jaxsnn: one event after the other in closed form, EventProp; one delay for all synapses, which does not learn."""

import importlib
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.lab.bench.peers.problem import TAIL, TAU_MEM, TAU_SYN, Load, Outcome, Peer, inputs, weights

MOST_SPIKES = 32
"""Places for the spikes of a neuron."""


def prepare(load: Load) -> Callable[[], Outcome]:
    """The mean of all spike times. Its solver needs tau_mem = 2 tau_syn, so the synaptic time constant is 10 ms.

    Args:
        load: The problem.
    """
    modules, topology = (
        importlib.import_module("jaxsnn.event.modules"),
        importlib.import_module("jaxsnn.event.topology"),
    )
    kinds = importlib.import_module("jaxsnn.event.types")
    neurons = importlib.import_module("jaxsnn.event.modules.lif.lif")
    first, own, _ = weights(load)
    t_end, places = (load.duration + TAIL) * 1e-3, inputs(load)[0].shape[1] + MOST_SPIKES * load.hidden
    constants = neurons.LIFParameters(v_th=1.0, tau_mem=TAU_MEM * 1e-3, tau_syn=TAU_MEM * 0.5e-3)
    net = topology.Topology(t_max=t_end, backprop_method="eventprop")
    table = lambda given: jnp.asarray(given * TAU_SYN / (0.5 * TAU_MEM))  # the same integral of a current
    net.add({
        "inp": modules.Source(load.inputs), "lif": modules.LIF(load.hidden, places, constants),
        "syn": modules.Linear(pre_weights=table(first), min_delay=1e-3),
        "own": modules.Linear(pre_weights=table(own), min_delay=1e-3),
    })  # fmt: skip
    net.connect([("inp", "syn"), ("syn", "lif"), ("lif", "own"), ("own", "lif")])
    start, apply = net.done()
    times, units = inputs(load)
    given = {"inp": kinds.Spike(
        time=jnp.asarray(times * 1e-3), idx=jnp.asarray(units), current=jnp.zeros(times.shape),
        layer_idx=jnp.full(times.shape, net.node_index_mapping["inp"]), internal=jnp.ones(times.shape, bool),
    )}  # fmt: skip

    def loss(params: dict) -> tuple[jax.Array, jax.Array]:
        found = apply(given, params)["lif"]
        fired = found.internal & (found.time < t_end)
        return jnp.where(fired, found.time, 0.0).sum() / load.batch, fired.sum() / load.batch / load.hidden

    params = start(jax.random.PRNGKey(0))
    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def run() -> Outcome:
        (value, fired), slopes = jax.block_until_ready(gradient(params))
        return Outcome(float(value), float(np.abs(slopes["syn"]).max()), float(fired))

    return run


PEER = Peer("jaxsnn", "jaxsnn", "fixed", "event by event, EventProp, one fixed delay, tau_syn = tau_mem/2", prepare)
