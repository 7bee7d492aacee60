"""Parameters of neurons and synapses: a scalar or one value per neuron. What they must be is said by `rules`."""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float


def parameter(owner: str, name: str, value: ArrayLike) -> Float[Array, "*#size"]:
    """`value` as a floating-point array, a scalar or one value per neuron.

    Args:
        owner: Whose parameter it is, for the message.
        name: Its name.
        value: The number or numbers.

    Raises:
        ValueError: it has more than one axis.

    Example:
        >>> from ranvier._parameters import parameter
        >>> parameter("LIF", "tau_mem", 20).shape
        ()
    """
    array = jnp.asarray(value)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    if array.ndim > 1:
        msg = f"{owner}: `{name}` must be a scalar or one value per neuron, shape (size,); got shape {array.shape}."
        raise ValueError(msg)
    return array
