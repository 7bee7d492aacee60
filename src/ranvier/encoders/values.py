"""What values an encoder takes."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike

from ranvier._concrete import concrete


def check_unit_values(owner: str, value: ArrayLike) -> None:
    """Refuse values that are no channels, or not in [0, 1] where they are known.

    Args:
        owner: Who asks, for the message.
        value: Values, shape (n,) or (batch, n).

    Raises:
        ValueError: `value` is not floating-point with a channel axis, or a value is NaN or outside [0, 1].
    """
    if jnp.ndim(value) == 0 or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        msg = (
            f"{owner}: `value` must be floating-point of shape (n,) or (batch, n); "
            f"got {jnp.result_type(value)} of shape {jnp.shape(value)}. Scale integers to [0, 1] first."
        )
        raise ValueError(msg)
    known = concrete(value)
    if known is None:
        return
    wrong = ~((known >= 0) & (known <= 1))
    if wrong.any():
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        msg = (
            f"{owner}: `value` must be in [0, 1]; got {known[at]} at {at}, and {wrong.sum()} such values in "
            "all. Scale the data to [0, 1] first."
        )
        raise ValueError(msg)
