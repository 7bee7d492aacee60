"""adseq: a queue of four places for each synapse, on a grid of 1 ms, derivatives by arrival times."""

import importlib
from collections.abc import Callable

import jax
import jax.numpy as jnp

from ranvier.events import Spikes
from ranvier.lab.bench.adseq_recurrent import adseq_loss
from ranvier.lab.bench.peers.problem import TAIL, Load, Outcome, Peer, delays, inputs, network, weights


def prepare(load: Load) -> Callable[[], Outcome]:
    """The summed potential of one sample: the network of `ranvier bench clock`.

    Args:
        load: The problem; its batch is 1.
    """
    importlib.import_module("adseq")
    if load.batch != 1:
        msg = f"adseq is run with a batch of 1 here; got {load.batch}"
        raise ValueError(msg)
    gradient = jax.jit(adseq_loss(network(load), Spikes(*inputs(load)), 1.0, load.duration + TAIL, load.longest))
    given = (*map(jnp.asarray, weights(load)[:2]), *map(jnp.asarray, delays(load)))

    def run() -> Outcome:
        value, slopes = jax.block_until_ready(gradient(*given))
        return Outcome(float(value), float(abs(slopes[0]).max()), float("nan"))

    return run


PEER = Peer("adseq", "adseq", "learned", "1 ms grid, a queue of four places for each synapse", prepare)
