"""A scan whose reverse mode keeps one state per block of steps and recomputes the rest."""

import math
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jax import lax

from ranvier._packing import Packing

KEPT = "kept"
"""Name of what reverse mode keeps of every step rather than compute again."""


class Checkpoints(eqx.Module):
    """What reverse mode keeps: the state at every `every`-th step.

    The backward pass takes the blocks in turn, last first, runs each again and keeps what its steps need meanwhile. So
    memory is `steps / every` states and `every` steps' intermediate values, and time grows by one more forward pass.
    The default, about the square root of the number of steps, balances the two. What is small and dear to compute
    again, the spikes that were found and the sums of merged events, is kept for every step.

    Args:
        every: Steps in a block; default by the number of steps.

    Raises:
        ValueError: `every` is below 1.

    Example:
        >>> import ranvier as rv
        >>> rv.ClockDriven(checkpoint=rv.checkpoints.Checkpoints(every=100)).checkpoint.every
        100
    """

    every: int | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.every is not None and self.every < 1:
            msg = f"Checkpoints: `every` must be at least 1 step; got {self.every}."
            raise ValueError(msg)

    def blocks(self, steps: int) -> tuple[int, int]:
        """Number of blocks, and steps in each; together at least `steps`."""
        every = min(steps, math.ceil(math.sqrt(steps)) if self.every is None else self.every)
        return math.ceil(steps / every), every


def scan_in_blocks(
    step: Callable[[Any, Any], tuple[Any, Any]], carry: Any, xs: Any, blocks: int, *, twice: bool = False
) -> tuple[Any, Any]:
    """`lax.scan` over the leading axis of xs, cut into blocks that reverse mode recomputes.

    Args:
        step: `(carry, x) -> (carry, y)`; what it calls `KEPT` (`checkpoint_name`) is not computed again.
        carry: The state at the start.
        xs: Input of each step; their number is a multiple of `blocks`.
        blocks: Number of blocks.
        twice: Whether steps are computed once more, one at a time, as reverse mode goes through a block: a smaller
            program and less memory, for steps whose work is mostly in what is kept.

    Returns:
        The state at the end, and the output of each step.

    Example:
        >>> import jax.numpy as jnp
        >>> total, sums = scan_in_blocks(lambda c, x: (c + x, c + x), jnp.zeros(()), jnp.ones(6), blocks=2)
        >>> float(total), sums.shape
        (6.0, (6,))
    """
    cut = lambda leaf: leaf.reshape(blocks, leaf.shape[0] // blocks, *leaf.shape[1:])
    inner, outer = Packing.like(carry), []

    def packed(carry: list[Any], x: Any) -> tuple[list[Any], list[Any]]:
        carry, y = step(inner.unpack(carry), x)
        outer[:] = [Packing.like(y)]  # of what is being traced; to trace a step only for its shapes takes a second
        return inner.pack(carry), outer[0].pack(y)

    policy = jax.checkpoint_policies.save_only_these_names(KEPT)
    again = jax.checkpoint(packed, prevent_cse=False, policy=policy) if twice else packed
    block = jax.checkpoint(lambda carry, xs: lax.scan(again, carry, xs), prevent_cse=False, policy=policy)
    end, ys = lax.scan(block, inner.pack(carry), jax.tree.map(cut, xs))
    ys = jax.tree.map(lambda leaf: leaf.reshape(leaf.shape[0] * leaf.shape[1], *leaf.shape[2:]), ys)
    return inner.unpack(end), outer[0].unpack(ys)
