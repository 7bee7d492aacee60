"""What values an encoder takes."""

import math
from collections.abc import Callable
from typing import Any

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
    check_values(owner, "value", value, lambda x: (x >= 0) & (x <= 1), "in [0, 1]", "Scale the data to [0, 1] first.")


def check_values(
    owner: str, name: str, value: ArrayLike, right: Callable[[Any], Any], expected: str, advice: str = "Check the data."
) -> None:
    """Refuse values that are no channels, or out of range where they are known.

    Args:
        owner: Who asks, for the message.
        name: The argument.
        value: Values, shape (n,) or (batch, n).
        right: Says of an array which values may be.
        expected: The same in words, as in "must be in [0, 1]".
        advice: What to do.

    Raises:
        ValueError: `value` is not floating-point with a channel axis, or a value may not be.
    """
    if jnp.ndim(value) == 0 or not jnp.issubdtype(jnp.result_type(value), jnp.floating):
        msg = (
            f"{owner}: `{name}` must be floating-point of shape (n,) or (batch, n); "
            f"got {jnp.result_type(value)} of shape {jnp.shape(value)}. Scale integers to [0, 1] first."
        )
        raise ValueError(msg)
    known = concrete(value)
    if known is None:
        return
    wrong = ~right(known)
    if wrong.any():
        at = tuple(int(index) for index in np.argwhere(wrong)[0])
        msg = (
            f"{owner}: `{name}` must be {expected}; got {known[at]} at {at}, and {wrong.sum()} such values in "
            f"all. {advice}"
        )
        raise ValueError(msg)


def check_positive(owner: str, **numbers: float) -> None:
    """Refuse numbers that are not finite and above 0.

    Args:
        owner: Who asks, for the message.
        **numbers: Numbers by the name of the argument.

    Raises:
        ValueError: one of them is not.
    """
    for name, number in numbers.items():
        if not 0 < number < math.inf:
            msg = f"{owner}: `{name}` must be a finite number above 0; got {number}."
            raise ValueError(msg)


def known_values(owner: str, value: ArrayLike) -> np.ndarray:
    """Values that an encoder needs to know, because they decide how many spikes there are.

    Args:
        owner: Who asks, for the message.
        value: The values.

    Raises:
        ValueError: they are traced.
    """
    known = concrete(value)
    if known is None:
        msg = f"{owner}: the values decide how many spikes there are, so they cannot be traced; call it outside of jit."
        raise ValueError(msg)
    return np.asarray(known)
