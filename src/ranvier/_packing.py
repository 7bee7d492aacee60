"""Many small arrays as one of each type, and back: a compiled loop costs by the arrays that it carries.

XLA makes some ten pieces of code of its own for every array that a scan carries, gives out or keeps for the backward
pass. A step of a network has dozens of them, most of a few numbers.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

LARGEST = 2**16
"""Numbers in an array beyond which copying it would cost more than it saves."""


class Packing(NamedTuple):
    """How a pytree is packed.

    Args:
        structure: Of the pytree.
        leaves: Shape and type of each leaf.
        groups: Which leaves share an array, by type; the others stay as they are.
    """

    structure: Any
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    groups: tuple[tuple[int, ...], ...]

    @classmethod
    def like(cls, tree: Any) -> "Packing":
        """For pytrees of the shapes and types of this one.

        Args:
            tree: Arrays, or their shapes and types.

        Example:
            >>> import jax.numpy as jnp
            >>> pair = {"a": jnp.zeros((2, 3)), "b": jnp.ones(4)}
            >>> [leaf.shape for leaf in Packing.like(pair).pack(pair)]
            [(10,)]
        """
        leaves, structure = jax.tree.flatten(tree)
        shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
        small = [at for at, leaf in enumerate(shapes) if 0 < math.prod(leaf.shape) <= LARGEST]
        types = dict.fromkeys(_packed_type(shapes[at]) for at in small)
        groups = (tuple(at for at in small if _packed_type(shapes[at]) == dtype) for dtype in types)
        return cls(structure, shapes, tuple(group for group in groups if len(group) > 1))

    def pack(self, tree: Any) -> list[Any]:
        """One array for each group, and then the leaves that are in none."""
        leaves = jax.tree.leaves(tree)
        flat = lambda at: leaves[at].astype(_packed_type(self.leaves[at])).reshape(-1)
        joined = [jnp.concatenate([flat(at) for at in group]) for group in self.groups]
        return joined + [leaves[at] for at in self._alone()]

    def unpack(self, packed: list[Any]) -> Any:
        """The pytree again; arrays may have further axes in front."""
        leaves: list[Any] = [None] * len(self.leaves)
        for group, joined in zip(self.groups, packed, strict=False):
            sizes = [math.prod(self.leaves[at].shape) for at in group]
            for at, part in zip(group, lax.split(joined, sizes, axis=joined.ndim - 1), strict=True):
                leaves[at] = part.reshape(*joined.shape[:-1], *self.leaves[at].shape).astype(self.leaves[at].dtype)
        for at, leaf in zip(self._alone(), packed[len(self.groups) :], strict=True):
            leaves[at] = leaf
        return jax.tree.unflatten(self.structure, leaves)

    def _alone(self) -> list[int]:
        grouped = {at for group in self.groups for at in group}
        return [at for at in range(len(self.leaves)) if at not in grouped]


def _packed_type(leaf: jax.ShapeDtypeStruct) -> Any:
    """The type in which a leaf is packed: truth values go with the integers."""
    return jnp.dtype(jnp.int32) if leaf.dtype == bool else leaf.dtype
