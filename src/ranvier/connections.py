"""Connections: from the spikes of one population to the events that another receives.

A spike of neuron i of `pre` at time t becomes, for every synapse from i to a neuron j of `post`, an event of the
synapse's weight at time t plus the synapse's delay.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ranvier.delays import AbstractDelay, FixedDelay
from ranvier.patterns import AbstractPattern, AllToAll


class Connection(eqx.Module):
    """The synapses from one population onto another.

    Args:
        pre: Name of the sending population.
        post: Name of the receiving population.
        weight: Weights in units of the threshold, shape (pre, post), or (synapses,) with `Pairs`. Weight w makes
            `I += w` at arrival.
        delay: Their delays; default none.
        pattern: Which synapses there are, `AllToAll()` (default) or `Pairs(...)`.
        name: What the connection is called; default `pre->post`. Two connections between the same populations need two
            names.

    Raises:
        ValueError: `weight` is not floating-point or does not have the shape of the pattern.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.Connection("input", "output", jnp.ones((2, 3)), rv.FixedDelay(1.0)).name
        'input->output'
    """

    weight: Float[Array, "*synapses"]
    delay: AbstractDelay
    pattern: AbstractPattern
    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    name: str = eqx.field(static=True)
    learns: ClassVar[tuple[str, ...]] = ("weight", "delay")

    def __init__(
        self,
        pre: str,
        post: str,
        weight: ArrayLike | Sequence[Any],
        delay: AbstractDelay | None = None,
        pattern: AbstractPattern | None = None,
        *,
        name: str | None = None,
    ):
        self.pre, self.post, self.name = pre, post, f"{pre}->{post}" if name is None else name
        self.weight = jnp.asarray(weight)
        self.pattern = AllToAll() if pattern is None else pattern
        if not jnp.issubdtype(self.weight.dtype, jnp.floating) or self.weight.ndim not in (1, 2):
            msg = (
                f"Connection {self.name}: `weight` must be floating-point of shape (pre, post), or (synapses,) with "
                f"ranvier.Pairs; got {self.weight.dtype} of shape {self.weight.shape}."
            )
            raise ValueError(msg)
        rows, columns = self.weight.shape if self.weight.ndim == 2 else (0, 0)
        wanted = self.pattern.shape(rows, columns)
        if self.weight.shape != wanted:
            msg = (
                f"Connection {self.name}: `weight` must have one value per synapse of its pattern, "
                f"{type(self.pattern).__name__}, shape {wanted if len(wanted) == 1 else '(pre, post)'}; "
                f"got {self.weight.shape}."
            )
            raise ValueError(msg)
        if delay is not None and not isinstance(delay, AbstractDelay):
            msg = (
                f"Connection {self.name}: `delay` must be a delay such as ranvier.FixedDelay(1.0); got {delay!r}. "
                "(ranvier.synaptic(...) and its like are for builders such as ranvier.feedforward.)"
            )
            raise ValueError(msg)
        self.delay = FixedDelay(jnp.zeros((), self.weight.dtype), 0.0, 0.0) if delay is None else delay
