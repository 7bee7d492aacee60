"""Compiled passes and steps: one program for each recipe, on one device or spread over several.

Over several devices a program runs on each with a part of every batch (`ranvier.train.shards`). The engine of
`EventDriven` then simulates the part of its device.
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float

from ranvier._compiling import options
from ranvier.network import Network
from ranvier.train.dataset import Dataset
from ranvier.train.epoch import evaluation_epoch, training_epoch
from ranvier.train.recipe import Recipe
from ranvier.train.shards import AXIS, Shards
from ranvier.train.step import SAME, State, Totals, evaluation_step, numbered_step, places

OF_ALL = PartitionSpec()
PARTED = PartitionSpec(AXIS)


class Programs(NamedTuple):
    """Compiled passes through data in memory, compiled steps of others, and what brings sums of steps together."""

    train: Callable[..., Any]
    judge: Callable[..., Any]
    train_step: Callable[..., Any]
    judge_step: Callable[..., Any]
    gather: Callable[[Totals], Totals]


def programs(recipe: Recipe, mesh: Mesh | None = None) -> Programs:
    """What a recipe is run by. Passes that learn reuse the state's memory: keep copies of what is needed later.

    Args:
        recipe: How to train.
        mesh: The devices; default the usual one.
    """
    chosen = tuple(options(recipe.simulator.compiler_options).items())
    return _alone(chosen) if mesh is None else _spread(chosen, mesh)


_Options = tuple[tuple[str, bool | int], ...]


@lru_cache
def _alone(chosen: _Options) -> Programs:
    """On one device."""
    compiled = partial(jax.jit, compiler_options=dict(chosen))
    return Programs(
        compiled(training_epoch, static_argnums=0, donate_argnums=1),
        compiled(evaluation_epoch, static_argnums=0),
        compiled(numbered_step, static_argnums=(0, 8), donate_argnums=1),
        compiled(evaluation_step, static_argnums=0),
        lambda totals: totals,
    )


@lru_cache
def _spread(chosen: _Options, mesh: Mesh) -> Programs:
    """On all devices of a mesh: state, keys and data in memory are the same on all, batches of others in parts."""
    compiled = partial(jax.jit, compiler_options=dict(chosen))
    shards = Shards(mesh.size)
    over = partial(jax.shard_map, mesh=mesh, check_vma=False)

    def train(recipe: Recipe, *given: Any) -> tuple[State, Totals]:
        def run(*given: Any) -> tuple[State, Totals]:
            state, totals = training_epoch(recipe, *given, shards=shards)
            return state, _whole(totals, shards)

        return over(run, in_specs=OF_ALL, out_specs=OF_ALL)(*given)

    def judge(recipe: Recipe, *given: Any) -> tuple[Totals, Array | None]:
        def run(*given: Any) -> tuple[Totals, Array | None]:
            totals, answer = evaluation_epoch(recipe, *given, shards=shards)
            return _whole(totals, shards), answer

        return over(run, in_specs=OF_ALL, out_specs=OF_ALL)(*given)

    def train_step(
        recipe: Recipe, state: State, totals: Totals, data: Dataset, weight: Float[Array, " batch"], *rest: Any
    ) -> tuple[State, Totals]:
        *counted, steps = rest
        run = lambda *given: numbered_step(recipe, *given, steps=steps, shards=shards)
        specs = (OF_ALL, places(totals), PARTED, PARTED, *[OF_ALL] * len(counted))
        return over(run, in_specs=specs, out_specs=specs[:2])(state, totals, data, weight, *counted)

    def judge_step(
        recipe: Recipe, network: Network, totals: Totals, data: Dataset, weight: Float[Array, " batch"], key: Any
    ) -> tuple[Totals, Array | None]:
        def run(*given: Any) -> tuple[Totals, Array | None]:
            totals, answer = evaluation_step(recipe, *given, shards=shards)
            return totals, shards.whole(answer)

        specs = (OF_ALL, places(totals), PARTED, PARTED, OF_ALL)
        return over(run, in_specs=specs, out_specs=(specs[1], OF_ALL))(network, totals, data, weight, key)

    gather = lambda totals: over(partial(_whole, shards=shards), in_specs=(places(totals),), out_specs=OF_ALL)(totals)
    return Programs(
        compiled(train, static_argnums=0, donate_argnums=1),
        compiled(judge, static_argnums=0),
        compiled(train_step, static_argnums=(0, 8), donate_argnums=1),
        compiled(judge_step, static_argnums=0),
        jax.jit(gather),
    )


def _whole(totals: Totals, shards: Shards) -> Totals:
    """The sums of all places of a batch, on each device."""
    names = [field.name for field in dataclasses.fields(totals) if field.name not in SAME]
    return dataclasses.replace(totals, **shards.whole({name: getattr(totals, name) for name in names}))
