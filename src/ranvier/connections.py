"""Connections: from the spikes of one population to the events that another receives.

A spike of neuron i of `pre` at time t becomes, for every neuron j of `post`, an event of weight `weight[i, j]` at
time `t + delay[i, j]`.
"""

from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ranvier.delays import AbstractDelay, FixedDelay


class Connection(eqx.Module):
    """All synapses from one population onto another.

    Args:
        pre: Name of the sending population.
        post: Name of the receiving population.
        weight: Weights in units of the threshold, shape (pre, post). Weight w makes `I += w` at arrival.
        delay: Delay module, whose value broadcasts to (pre, post); default no delay.

    Raises:
        ValueError: `weight` has not two axes, or the delays do not broadcast to it.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.Connection("input", "output", jnp.ones((2, 3)), rv.FixedDelay(1.0)).name
        'input->output'
    """

    weight: Float[Array, "pre post"]
    delay: AbstractDelay
    pre: str = eqx.field(static=True)
    post: str = eqx.field(static=True)
    learns: ClassVar[tuple[str, ...]] = ("weight", "delay")

    def __init__(self, pre: str, post: str, weight: ArrayLike, delay: AbstractDelay | None = None):
        self.pre, self.post = pre, post
        self.weight = jnp.asarray(weight)
        if self.weight.ndim != 2 or not jnp.issubdtype(self.weight.dtype, jnp.floating):
            msg = (
                f"Connection {self.name}: `weight` must be floating-point of shape (pre, post); "
                f"got {self.weight.dtype} of shape {self.weight.shape}."
            )
            raise ValueError(msg)
        self.delay = FixedDelay(jnp.zeros((), self.weight.dtype)) if delay is None else delay
        shape = self.delay().shape
        if len(shape) != 2 or any(have not in (1, want) for have, want in zip(shape, self.weight.shape, strict=True)):
            msg = (
                f"Connection {self.name}: `delay` must broadcast to the weight's shape {self.weight.shape}; "
                f"got {shape}."
            )
            raise ValueError(msg)

    @property
    def name(self) -> str:
        """`pre->post`."""
        return f"{self.pre}->{self.post}"
