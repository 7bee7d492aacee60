"""The compiled side of a gradient check: a loss, and its gradient, as functions of one flat vector.

Both are compiled once for all networks, samples and vectors of one shape; whatever may differ is an argument.
"""

from collections.abc import Callable
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier.checks.coordinates import place
from ranvier.checks.structure import LINEAR
from ranvier.dense import dense
from ranvier.events import Spikes
from ranvier.network import Network
from ranvier.neurons import linear
from ranvier.simulation import AbstractSimulator, Solution, simulate
from ranvier.summaries import Summaries

Loss = Callable[[Solution], Float[Array, ""]]
Records = dict[str, Float[Array, "..."] | Summaries]
Factors = dict[str, dict[str, Float[Array, "..."]]]


class Setup(NamedTuple):
    """What is fixed in a check: simulator, end (ms), fields, and the loss, None for a random one."""

    simulator: AbstractSimulator
    t_end: float
    names: tuple[str, ...]
    loss: Loss | None


class Sample(NamedTuple):
    """Input spikes by population, and what to record of its potentials, at times (ms) or summed up."""

    trains: dict[str, Spikes]
    record: Records


class Trace(NamedTuple):
    """What a simulation leaves behind, as far as its discrete structure goes."""

    spikes: dict[str, Spikes]
    delays: tuple[Float[Array, "_ _"], ...]
    refractory: dict[str, Float[Array, "..."]]
    status: Int[Array, ""]


def random_factors(setup: Setup, network: Network, sample: Sample, key: PRNGKeyArray) -> Factors:
    """What the random loss multiplies spike times and recorded potentials with, from a normal distribution.

    Args:
        setup: The check.
        network: The network.
        sample: Any sample; only shapes matter.
        key: Random key.
    """
    shapes = eqx.filter_eval_shape(_simulate, setup, network, sample)
    spikes = {name: train.time.shape for name, train in shapes.spikes.items()}
    voltages = {name: part.shape for name, part in shapes.voltages.items()}
    keys = list(jax.random.split(key, len(spikes) + len(voltages)))
    return {
        kind: {name: jax.random.normal(keys.pop(), shape) for name, shape in group.items()}
        for kind, group in {"spikes": spikes, "voltages": voltages}.items()
    }


@eqx.filter_jit
def loss_terms(
    vector: Float[Array, " size"], setup: Setup, network: Network, sample: Sample, factors: Factors
) -> tuple[Float[Array, " terms"], Trace]:
    """The loss, in terms that are still to be added up, and what else the simulation left behind.

    Args:
        vector: The numbers under test.
        setup: The check.
        network: The network; its numbers under test are not read.
        sample: The sample; likewise.
        factors: Those of the random loss.
    """
    net, trains = place(network, sample.trains, setup.names, vector)
    solution = _simulate(setup, net, Sample(trains, sample.record))
    terms = _combine(solution, factors) if setup.loss is None else setup.loss(solution)[None]
    delays = tuple(link.delay for link in dense(net))
    refractory = {name: linear(neuron, *LINEAR).refractory for name, neuron in net.neurons.items()}
    return terms, Trace({**trains, **solution.spikes}, delays, refractory, solution.stats.status)


@eqx.filter_jit
def loss_gradient(
    vector: Float[Array, " size"], setup: Setup, network: Network, sample: Sample, factors: Factors
) -> Float[Array, " size"]:
    """Gradient of the loss; arguments as for `loss_terms`."""
    return jax.grad(lambda at: loss_terms(at, setup, network, sample, factors)[0].sum())(vector)


def _simulate(setup: Setup, network: Network, sample: Sample) -> Solution:
    return simulate(network, sample.trains, setup.simulator, t_end=setup.t_end, record=sample.record, throw=False)


def _combine(solution: Solution, factors: Factors) -> Float[Array, " terms"]:
    """All spike times and recorded potentials, each times its factor.

    Factors belong to a neuron's n-th spike, so that the order in which neurons fire does not matter.
    """
    parts = []
    for name, train in solution.spikes.items():
        spike = jnp.isfinite(train.time)
        order = jnp.argsort(jnp.where(spike, train.unit, jnp.iinfo(jnp.int32).max), stable=True)
        parts.append(factors["spikes"][name] * jnp.where(spike, train.time, 0.0)[order])
    parts += [(factors["voltages"][name] * part).ravel() for name, part in solution.voltages.items()]
    return jnp.concatenate(parts)
