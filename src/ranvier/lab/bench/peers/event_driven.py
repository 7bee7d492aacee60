"""Ours: `EventDriven`, a delay for each synapse that learns, by the value of a spike."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp

from ranvier.event_driven import EventDriven
from ranvier.events import Spikes
from ranvier.gradients import SpikeValue
from ranvier.lab.bench.peers.problem import TAIL, Load, Outcome, Peer, inputs, labels, network
from ranvier.losses import cross_entropy
from ranvier.network import Network
from ranvier.readouts import MeanPotential
from ranvier.selection import partition
from ranvier.simulation import simulate

MOST_RATE = 64.0
"""Places for spikes, in Hz of a neuron: what is kept for the gradient grows with the duration."""


def prepare(load: Load) -> Callable[[], Outcome]:
    """Cross-entropy of mean potentials.

    Args:
        load: The problem.
    """
    learn, rest = partition(network(load), "weight", "delay")
    spikes, t_end, label = Spikes(*inputs(load), size=load.inputs), load.duration + TAIL, jnp.asarray(labels(load))
    readout, places = MeanPotential("output"), max(16, round(MOST_RATE * load.duration / 1000.0))
    simulator = EventDriven(max_spikes=places, gradient=SpikeValue(), threads=load.threads)

    def loss(learn: Network) -> tuple[jax.Array, jax.Array]:
        solution = simulate(eqx.combine(learn, rest), spikes, simulator, t_end=t_end, record=readout.record)
        return cross_entropy(readout(solution), label), solution.stats.spikes["hidden"].mean() / load.hidden

    gradient = eqx.filter_jit(eqx.filter_value_and_grad(loss, has_aux=True))

    def run() -> Outcome:
        (value, fired), slopes = jax.block_until_ready(gradient(learn))
        return Outcome(float(value), float(abs(slopes.connections[0].weight).max()), float(fired))

    return run


PEER = Peer("EventDriven", "ranvier", "learned", "exact times; the value of a spike", prepare)
