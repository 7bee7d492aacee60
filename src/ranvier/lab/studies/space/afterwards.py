"""What is done to trained networks: numbers rounded, synapses pruned, input spikes moved. Nothing is trained again."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ranvier.connections import Connection
from ranvier.delays import FixedDelay
from ranvier.events import Spikes
from ranvier.lab.parts import in_memory
from ranvier.lab.studies.together.case import data
from ranvier.lab.studies.together.spread import spread
from ranvier.lab.studies.together.training import Trained, in_groups, shares
from ranvier.network import Network
from ranvier.train import Dataset, Recipe
from ranvier.train.epoch import EVALUATION_BATCH, evaluation_epoch
from ranvier.wiring import at_random, by_length, by_weight, each_delay

Change = Callable[[Network], Network]


def rounded(bits: int, step: float) -> Change:
    """Weights of so many bits and a sign, delays in steps.

    `w -> m / (2^bits - 1) round((2^bits - 1) w / m)`, m the largest |w| of the connection; `d -> step round(d / step)`.

    Args:
        bits: Bits of a weight, without its sign.
        step: Step of the delays (ms).
    """
    codes = 2.0**bits - 1

    def change(network: Network) -> Network:
        links = []
        for link in network.connections:
            most = jnp.max(jnp.abs(link.weight))
            weight = most / codes * jnp.round(codes * link.weight / most)
            links.append(_fixed(link, weight, step * jnp.round(each_delay(network, link) / step)))
        return Network(network.populations, links)

    return change


WORTH = {"weight": by_weight, "length": by_length, "random": at_random}
"""What a synapse is worth, by name."""


def pruned(share: float, by: str) -> Change:
    """The network without a share of the synapses of each connection: their weights are 0.

    Args:
        share: Share that goes, in [0, 1).
        by: What goes first: small `weight`, long `length` (the delay), or any, at `random`: the same of all networks.
    """

    def change(network: Network) -> Network:
        links = []
        for place, link in enumerate(network.connections):
            worth = WORTH[by](network, link, jax.random.key(place))
            rank = jnp.argsort(jnp.argsort(worth.ravel())).reshape(worth.shape)
            weight = jnp.where(rank < round(share * rank.size), 0.0, link.weight)
            links.append(_fixed(link, weight, each_delay(network, link)))
        return Network(network.populations, links)

    return change


def moved_spikes(samples: Dataset, std: float) -> Dataset:
    """Samples whose input spikes are moved at random, by `N(0, std^2)` ms, and not before 0."""
    train = samples.spikes
    if not isinstance(train, Spikes):
        msg = f"moved_spikes: samples of one input population are all that is known here; got {list(train)}."
        raise ValueError(msg)
    noise = std * np.random.default_rng(0).normal(size=train.time.shape)
    time = np.maximum(np.asarray(train.time) + noise.astype(train.time.dtype), 0.0)
    order = np.argsort(time, axis=1, kind="stable")
    unit = np.take_along_axis(np.asarray(train.unit), order, axis=1)
    moved = Spikes(np.take_along_axis(time, order, axis=1), unit, train.size)
    return Dataset(moved, samples.target, classes=samples.classes)


def afterwards(trained: Trained, recipe: Recipe) -> dict[str, dict[str, float]]:
    """Test accuracy under each change, median and quartiles.

    Args:
        trained: The networks.
        recipe: Simulator and prediction.
    """
    test, same = in_memory(data().test), lambda network: network
    cases: dict[str, tuple[Change, Dataset]] = {
        **{f"{bits} bits, delays in {step:g} ms": (rounded(bits, step), test) for bits, step in
           ((6, 0.05), (4, 0.1), (3, 0.2))},
        **{f"jitter {std:g} ms": (same, moved_spikes(test, std)) for std in (0.02, 0.05, 0.1)},
        **{f"{share:.0%} pruned by {by}": (pruned(share, by), test) for by in ("weight", "length", "random")
           for share in (0.1, 0.3, 0.5)},
    }  # fmt: skip
    evaluate = _evaluation(trained, recipe)
    return {name: spread(evaluate(_numbers(trained, change), samples)) for name, (change, samples) in cases.items()}


_Numbers = list[tuple[Array, Array]]
"""Weight and delay of each connection, an axis of runs in front."""


def _numbers(trained: Trained, change: Change) -> _Numbers:
    """The numbers of each network after a change."""

    def one(own: Network) -> _Numbers:
        network = change(eqx.combine(own, trained.fixed))
        return [(link.weight, each_delay(network, link)) for link in network.connections]

    return jax.vmap(one)(trained.own)


def _evaluation(trained: Trained, recipe: Recipe) -> Callable[[_Numbers, Dataset], Float[np.ndarray, " runs"]]:
    """What gives the accuracy of each network with other numbers: one program for all changes."""

    def one(own: Network, numbers: _Numbers, samples: Dataset) -> tuple[Array, Array]:
        network = eqx.combine(own, trained.fixed)
        links = [_fixed(link, *new) for link, new in zip(network.connections, numbers, strict=True)]
        changed = Network(network.populations, links)
        totals, _ = evaluation_epoch(recipe, changed, samples, jax.random.key(0), EVALUATION_BATCH)
        return shares(totals, samples)

    @jax.jit
    def each(numbers: _Numbers, samples: Dataset) -> Array:
        return in_groups(lambda own, numbers: one(own, numbers, samples), trained.own, numbers)[0]

    return lambda numbers, samples: np.asarray(each(numbers, samples))


def _fixed(link: Connection, weight: Array, delay: Array) -> Any:
    """A connection with these numbers; the delays stay between the bounds that they had."""
    kept = FixedDelay(jnp.clip(delay, link.delay.low, link.delay.high), link.delay.low, link.delay.high)
    return Connection(link.pre, link.post, weight, kept, link.pattern, name=link.name)
