"""Parameters of neurons and synapses: a scalar or one value per neuron, checked where its value is known."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete


def parameter(owner: str, name: str, value: ArrayLike) -> Float[Array, "*#size"]:
    """`value` as a floating-point array, a scalar or one value per neuron."""
    array = jnp.asarray(value)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    if array.ndim > 1:
        msg = f"{owner}: `{name}` must be a scalar or one value per neuron, shape (size,); got shape {array.shape}."
        raise ValueError(msg)
    return array


def finite(owner: str, name: str, value: ArrayLike) -> Float[Array, "*#size"]:
    """A parameter that must be finite."""
    array = parameter(owner, name, value)
    known = concrete(array)
    if known is not None and not np.all(np.isfinite(known)):
        msg = f"{owner}: `{name}` must be finite; got {value}."
        raise ValueError(msg)
    return array


def positive(owner: str, name: str, value: ArrayLike, what: str = "a time in ms") -> Float[Array, "*#size"]:
    """A finite parameter that must be above 0; `what` says what it is."""
    array = finite(owner, name, value)
    known = concrete(array)
    if known is not None and not np.all(known > 0):
        msg = f"{owner}: `{name}` must be {what} above 0; got {value}."
        raise ValueError(msg)
    return array


def check_below(owner: str, low: str, lower: Float[Array, "*#size"], high: str, upper: Float[Array, "*#size"]) -> None:
    """Refuse a parameter `low` that is not below the parameter `high`, where both are known."""
    below, above = concrete(lower), concrete(upper)
    if below is not None and above is not None and not np.all(below < above):
        msg = f"{owner}: `{low}` must be below `{high}`; got {low} = {below} and {high} = {above}."
        raise ValueError(msg)
