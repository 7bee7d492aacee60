"""Populations: neurons of one kind, how many there are, and where they stand.

What belongs to a neuron (time constants, threshold, position) is one array here, however many connections use it.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ranvier.neurons import AbstractNeuron
from ranvier.rules import Rule, check, finite


class Population(eqx.Module):
    """Some neurons of one kind; without a neuron model an input, whose spikes are given.

    Args:
        size: Number of neurons, at least 1.
        neuron: Their model, for example `ranvier.LIF()`; None for an input.
        position: Where they stand, shape (size, dimensions), in any unit of length; None if nothing depends on it.

    Raises:
        ValueError: `size` is below 1, a parameter of the neuron is neither a scalar nor one value per neuron, or
            `position` is not finite or has another shape.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> rv.Population(30, rv.LIF(20.0, 5.0), position=jnp.zeros((30, 3))).size
        30
    """

    neuron: AbstractNeuron | None
    position: Float[Array, "size dimensions"] | None
    size: int = eqx.field(static=True)

    def __init__(
        self, size: int, neuron: AbstractNeuron | None = None, position: ArrayLike | Sequence[Any] | None = None
    ):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            msg = f"Population: `size` must be a whole number of neurons, at least 1; got {size!r}."
            raise ValueError(msg)
        if neuron is not None and not isinstance(neuron, AbstractNeuron):
            hint = " Call the class: LIF() instead of LIF." if isinstance(neuron, type) else ""
            msg = f"Population: `neuron` must be a neuron such as ranvier.LIF(), or None; got {neuron!r}.{hint}"
            raise ValueError(msg)
        self.size, self.neuron = size, neuron
        self.position = None if position is None else _position(size, position)
        for leaf in jax.tree.leaves(neuron):
            if leaf.shape not in ((), (size,)):
                msg = (
                    f"Population: parameters of the {type(neuron).__name__} neurons must be scalars or of shape "
                    f"({size},), one value per neuron; got shape {leaf.shape}."
                )
                raise ValueError(msg)
        check("Population", [] if self.position is None else [finite("position", self.position)])

    def rules(self) -> tuple[Rule, ...]:
        """What its numbers must be."""
        of_neuron = () if self.neuron is None else self.neuron.rules()
        return of_neuron if self.position is None else (*of_neuron, finite("position", self.position))


def _position(size: int, position: ArrayLike | Sequence[Any]) -> Float[Array, "size dimensions"]:
    array = jnp.asarray(position)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    if array.ndim != 2 or array.shape[0] != size or array.shape[1] == 0:
        msg = f"Population: `position` must have shape ({size}, dimensions); got {array.shape}."
        raise ValueError(msg)
    return array
