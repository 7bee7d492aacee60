"""What trained networks are worth: on their own chip, on others, in the ideal model, under one disturbance."""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ranvier.hardware import BrainScaleS2, EmulatedChip
from ranvier.lab.studies.chips.protocol import Protocol, build_data
from ranvier.lab.studies.chips.training import accuracy_on
from ranvier.lab.studies.together.spread import spread
from ranvier.lab.studies.together.training import Trained, in_groups
from ranvier.network import Network

OTHERS = 1000
"""Seed of the first chip that no network was trained on."""

MakeChip = Callable[[Int[Array, ""]], BrainScaleS2]


class Disturbance(NamedTuple):
    """One effect, alone, at several sizes.

    Args:
        name: What it is.
        label: What the sizes are.
        sizes: For each size what to call it, and how it changes a chip.
    """

    name: str
    label: str
    sizes: tuple[tuple[float | str, dict[str, Any]], ...]


TAU = 6.0
DISTURBANCES = (
    Disturbance(
        "Jitter of spikes",
        "standard deviation (tau)",
        tuple((size, {"spike_jitter": size * TAU}) for size in (0.0, 0.01, 0.02, 0.05, 0.1)),
    ),
    Disturbance(
        "Threshold mismatch",
        "standard deviation",
        tuple((size, {"threshold_spread": size}) for size in (0.0, 0.01, 0.03, 0.05, 0.08)),
    ),
    Disturbance(
        "Weight resolution", "bits besides the sign", tuple((bits, {"weight_bits": bits}) for bits in (6, 5, 4))
    ),
    Disturbance(
        "Delay resolution",
        "step (tau)",
        tuple((round(step / TAU, 3), {"delay_step": step}) for step in (0.125, 0.3, 0.6, 1.2)),
    ),
)
"""What `robustness` looks at; sizes are those of the reference experiments on the published networks."""


def nominal(seed: Int[Array, ""] | int = 0) -> BrainScaleS2:
    """The ideal model of a chip: its settings, no pattern, no noise."""
    return dataclasses.replace(BrainScaleS2(seed).scaled(frozen=0.0, temporal=0.0), latency=0.0, timestamp=0.0)


def transfer(
    protocol: Protocol, trained: Trained, seeds: Int[np.ndarray, " chips"], make: MakeChip, others: int = 10
) -> dict[str, Float[np.ndarray, "..."]]:
    """Test accuracy on the chip of each network, on chips that none has seen, and in the ideal model.

    Args:
        protocol: How they were trained.
        trained: The networks.
        seeds: Their chips.
        make: A chip from its seed.
        others: Number of other chips.

    Returns:
        `same` and `ideal`, one accuracy per network, and `others` of shape (chips, others).
    """
    on_chip = _tester(protocol, trained, make)
    strange = OTHERS + np.arange(others)
    return {
        "same": on_chip(seeds),
        "others": np.stack([on_chip(np.full(len(seeds), seed)) for seed in strange], axis=1),
        "ideal": _tester(protocol, trained, nominal)(seeds),
    }


def robustness(protocol: Protocol, trained: dict[str, Trained], chips: int) -> Iterator[dict[str, Any]]:
    """Rows of test accuracy under each disturbance, on an otherwise ideal chip that no network was trained on.

    Args:
        protocol: How the networks were trained.
        trained: Networks by the way they were trained.
        chips: Number of networks of each.
    """
    for disturbance in DISTURBANCES:
        if disturbance.name == "Delay resolution" and protocol.kind != "axonal":
            continue
        for size, changes in disturbance.sizes:
            make = lambda seed, changes=changes: dataclasses.replace(nominal(seed), **changes)
            tester = None
            for name, networks in trained.items():
                tester = _tester(protocol, networks, make) if tester is None else tester
                accuracy = tester(OTHERS + np.arange(chips), networks)
                yield {
                    "group": protocol.kind,
                    "panel": disturbance.name,
                    "label": disturbance.label,
                    "value": size,
                    "line": name,
                    **spread(accuracy),
                }


def _tester(protocol: Protocol, trained: Trained, make: MakeChip) -> Callable[..., Float[np.ndarray, " chips"]]:
    """Test accuracy of each network on a chip each, as a function of the chips' seeds (and other networks)."""
    test = build_data(protocol.rows)[2]

    @jax.jit
    def run(own: Network, seeds: Int[Array, " chips"]) -> Float[Array, " chips"]:
        def one(own: Network, seed: Int[Array, ""]) -> Float[Array, ""]:
            network, key = eqx.combine(own, trained.fixed), jax.random.fold_in(jax.random.key(seed), 2)
            return accuracy_on(protocol, network, EmulatedChip(make(seed)), test, key)

        return in_groups(one, own, seeds)

    def tester(seeds: Int[np.ndarray, " chips"], networks: Trained = trained) -> Float[np.ndarray, " chips"]:
        return np.asarray(run(networks.own, jnp.asarray(seeds, jnp.int32)))

    return tester
