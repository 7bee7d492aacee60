"""Many arrays as two, one of real numbers and one of whole ones: JAX calls back to the host at a price per array."""

from typing import Any

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


def unpack(like: Any, real: np.ndarray, whole: np.ndarray) -> Any:
    """Views of both arrays in the shapes of `like`, whose leaves were packed in their order.

    Args:
        like: A tree of anything with a shape and a dtype.
        real: The real numbers.
        whole: The whole numbers.
    """
    leaves, structure = jax.tree.flatten(like)
    taken, views = [0, 0], []
    for leaf in leaves:
        kind = int(leaf.dtype == WHOLE)
        start, taken[kind] = taken[kind], taken[kind] + leaf.size
        views.append((real, whole)[kind][start : taken[kind]].reshape(leaf.shape))
    return jax.tree.unflatten(structure, views)


def shapes(tree: Any) -> Any:
    """What `unpack` needs to know about a tree."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tree)


def sizes(like: Any) -> tuple[int, int]:
    """Lengths of the two arrays that a tree packs into."""
    leaves = jax.tree.leaves(like)
    whole = sum(leaf.size for leaf in leaves if leaf.dtype == WHOLE)
    return sum(leaf.size for leaf in leaves) - whole, whole
