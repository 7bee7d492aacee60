"""A batch in equal parts, one for each device: what the parts must tell each other within a step.

A step that runs on a part of a batch sums gradients and counts over all parts, so that each device takes the same step
as one device would with the whole batch. With one part there is nothing to tell.

All exchange is by all-reduce (`psum`, `pmax`): the other collectives of a CPU give up when processes arrive at
different times.
"""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, PyTree, Shaped

Tree = TypeVar("Tree", bound=PyTree)

AXIS = "batch"
"""Name of the axis of devices."""


@dataclasses.dataclass(frozen=True)
class Shards:
    """Into how many equal parts a batch is cut.

    Args:
        count: Number of parts. With more than one, the methods work within `jax.shard_map` over an axis named `AXIS`.

    Example:
        >>> from ranvier.train.shards import Shards
        >>> Shards().total({"loss": 2.0}), Shards(4).filled(150)
        ({'loss': 2.0}, 152)
    """

    count: int = 1

    def filled(self, batch: int) -> int:
        """The number of samples, rounded up to equal parts."""
        return -(-batch // self.count) * self.count

    def total(self, tree: Tree) -> Tree:
        """Sums over all parts, in one exchange for each kind of number."""
        if self.count == 1:
            return tree
        leaves, form = jax.tree.flatten(tree)
        kinds = sorted({leaf.dtype.name for leaf in leaves})
        sums: dict[int, Array] = {}
        for kind in kinds:
            places = [place for place, leaf in enumerate(leaves) if leaf.dtype.name == kind]
            flat = jax.lax.psum(jnp.concatenate([leaves[place].reshape(-1) for place in places]), AXIS)
            start = 0
            for place in places:
                leaf = leaves[place]
                sums[place] = flat[start : start + leaf.size].reshape(leaf.shape)
                start += leaf.size
        return jax.tree.unflatten(form, [sums[place] for place in range(len(leaves))])

    def most(self, value: Shaped[Array, ""]) -> Shaped[Array, ""]:
        """The largest value of all parts."""
        return value if self.count == 1 else jax.lax.pmax(value, AXIS)

    def own(self, tree: Tree) -> Tree:
        """Of arrays of whole batches the part of this device."""
        return tree if self.count == 1 else jax.tree.map(self._own, tree)

    def _own(self, leaf: Shaped[Array, "batch ..."]) -> Shaped[Array, "part ..."]:
        part = leaf.shape[0] // self.count
        return jax.lax.dynamic_slice_in_dim(leaf, jax.lax.axis_index(AXIS) * part, part)

    def whole(self, tree: Tree) -> Tree:
        """Of the parts of all devices the whole batch, on each of them."""
        if self.count == 1:
            return tree
        bits = self.total(jax.tree.map(lambda leaf: self._placed(_bits(leaf)), tree))  # nothing is added to them but 0
        return jax.tree.map(lambda leaf, found: jax.lax.bitcast_convert_type(found, leaf.dtype), tree, bits)

    def _placed(self, leaf: Shaped[Array, "part ..."]) -> Shaped[Array, "batch ..."]:
        """The part in its place, and zeros around it."""
        room = jnp.zeros((leaf.shape[0] * self.count, *leaf.shape[1:]), leaf.dtype)
        return jax.lax.dynamic_update_slice_in_dim(room, leaf, jax.lax.axis_index(AXIS) * leaf.shape[0], 0)

    def folded(self, key: Any) -> Any:
        """A random key of this part."""
        return key if self.count == 1 else jax.random.fold_in(key, jax.lax.axis_index(AXIS))


def _bits(leaf: Shaped[Array, "part ..."]) -> Shaped[Array, "part ..."]:
    """The bits of floats as integers, so that they go with integers in one exchange."""
    floats = jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.lax.bitcast_convert_type(leaf, jnp.dtype(f"int{8 * leaf.dtype.itemsize}")) if floats else leaf
