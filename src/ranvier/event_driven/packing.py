"""Many arrays as two, one of real numbers and one of whole ones: JAX calls back to the host at a price per array."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

WHOLE = np.dtype(np.int32)


def pack(tree: Any, dtype: Any) -> tuple[jax.Array, jax.Array]:
    """All real leaves (of one dtype) end to end, and all whole ones (int32).

    Args:
        tree: Arrays of these two dtypes.
        dtype: The dtype of the real ones.
    """
    leaves = jax.tree.leaves(tree)
    groups = ([leaf.reshape(-1) for leaf in leaves if (leaf.dtype == WHOLE) == whole] for whole in (False, True))
    first, second = (
        jnp.concatenate([jnp.zeros(0, kind), *group]) for group, kind in zip(groups, (dtype, WHOLE), strict=True)
    )
    return first, second


class Layout(NamedTuple):
    """Where every leaf of a tree lies in the two arrays that it is packed into, and how long these are."""

    structure: Any
    places: tuple[tuple[int, slice, tuple[int, ...]], ...]
    real: int
    whole: int


def layout(tree: Any) -> Layout:
    """Layout of a tree of anything with a shape and a dtype."""
    leaves, structure = jax.tree.flatten(tree)
    taken, places = [0, 0], []
    for leaf in leaves:
        kind = int(leaf.dtype == WHOLE)
        start, taken[kind] = taken[kind], taken[kind] + math.prod(leaf.shape)
        places.append((kind, slice(start, taken[kind]), tuple(leaf.shape)))
    return Layout(structure, tuple(places), *taken)


def unpack(layout: Layout, real: np.ndarray, whole: np.ndarray) -> Any:
    """Views of both arrays in the shapes of the tree that was packed.

    Args:
        layout: Its layout.
        real: The real numbers.
        whole: The whole numbers.
    """
    both = real, whole
    return layout.structure.unflatten([both[kind][part].reshape(shape) for kind, part, shape in layout.places])
