"""Training one network for each of several chips, in the loop of each."""

from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ranvier.hardware import AbstractSubstrate, InTheLoop
from ranvier.lab.studies.chips.protocol import Protocol, build_data, build_network, build_recipe
from ranvier.lab.studies.together.training import Told, Trained, shares, train_together
from ranvier.network import Network
from ranvier.train import Dataset, Recipe
from ranvier.train.epoch import evaluation_epoch

MakeSubstrate = Callable[[Int[Array, ""]], AbstractSubstrate]
"""From the number of a chip, which may be traced, to what runs the network."""


def train_chips(
    protocol: Protocol,
    make: MakeSubstrate,
    seeds: Int[np.ndarray, " chips"],
    *,
    path: Path | None = None,
    tell: Callable[[Told], None] = lambda told: None,
) -> Trained:
    """Train one network for each seed, in the loop of the substrate of that seed.

    Args:
        protocol: How.
        make: The substrate of a seed.
        seeds: They decide chip, initial network, order of samples and noise.
        path: File for the checkpoint, from which an interrupted training goes on; default none.
        tell: Called after each epoch.

    Example:
        >>> import numpy as np
        >>> from ranvier.hardware import BrainScaleS2, EmulatedChip
        >>> from ranvier.lab.studies.chips.protocol import Protocol
        >>> from ranvier.lab.studies.chips.training import train_chips
        >>> make = lambda seed: EmulatedChip(BrainScaleS2(seed))
        >>> train_chips(Protocol("weights", hidden=4, epochs=1, batch=1000), make, np.arange(2)).epoch.tolist()
        [1, 1]
    """
    train, validation, _ = build_data(protocol.rows)
    chips = jnp.asarray(seeds, jnp.int32)
    return train_together(
        lambda seed: _recipe(protocol, make, seed),
        chips,
        [build_network(protocol, int(seed)) for seed in seeds],
        jax.vmap(lambda seed: jax.random.fold_in(jax.random.key(seed), 1))(chips),
        train,
        validation,
        evaluation_batch=protocol.batch,
        path=path,
        tell=tell,
    )


def accuracy_on(
    protocol: Protocol, network: Network, substrate: AbstractSubstrate, data: Dataset, key: PRNGKeyArray
) -> Float[Array, ""]:
    """Share of right answers of one network, in runs of the protocol's batch; to be mapped."""
    recipe = build_recipe(protocol, InTheLoop(substrate))
    return shares(evaluation_epoch(recipe, network, data, key, protocol.batch)[0], data)[0]


def _recipe(protocol: Protocol, make: MakeSubstrate, seed: Int[Array, ""]) -> Recipe:
    return build_recipe(protocol, InTheLoop(make(seed), max_inverse_slope=protocol.max_inverse_slope))
