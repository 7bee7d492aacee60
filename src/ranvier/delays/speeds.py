"""Speeds: how fast spikes travel along axons, in units of length of the positions per ms.

A speed is fixed or learned, and one for a connection or one for each of its senders. The speed of a `ranvier.Network`
is common to all connections that have none of their own.
"""

import abc
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ranvier._concrete import concrete


class AbstractSpeed(eqx.Module):
    """A speed (length per ms); `learns` says whether it does."""

    learns: eqx.AbstractClassVar[bool]

    @abc.abstractmethod
    def __call__(self) -> Float[Array, "..."]:
        """The speed, of shape () or (pre, 1)."""

    @property
    @abc.abstractmethod
    def shape(self) -> tuple[int, ...]:
        """`()` for one speed, (pre, 1) for one per sender."""


class FixedSpeed(AbstractSpeed):
    """A speed that never learns.

    Args:
        speed: Speed (length per ms), > 0, shape () or (pre, 1).

    Raises:
        ValueError: a speed is not finite and above 0, or of another shape.

    Example:
        >>> from ranvier.delays import FixedSpeed
        >>> float(FixedSpeed(2.0)())
        2.0
    """

    value: Float[Array, "..."]
    learns: ClassVar[bool] = False

    def __init__(self, speed: ArrayLike):
        self.value = _checked("FixedSpeed", speed)

    def __call__(self) -> Float[Array, "..."]:
        """The speed."""
        return self.value

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array."""
        return self.value.shape


class LearnedSpeed(AbstractSpeed):
    """A speed that learns: one, or one for each sender. The learned number is its logarithm, so it stays above 0.

    Args:
        speed: Speed at the start (length per ms), > 0, shape () or (pre, 1).

    Raises:
        ValueError: a speed is not finite and above 0, or of another shape.

    Example:
        >>> from ranvier.delays import LearnedSpeed
        >>> float(LearnedSpeed(2.0)())
        2.0
    """

    raw: Float[Array, "..."]
    learns: ClassVar[bool] = True

    def __init__(self, speed: ArrayLike):
        self.raw = jnp.log(_checked("LearnedSpeed", speed))

    def __call__(self) -> Float[Array, "..."]:
        """`exp(raw)`."""
        return jnp.exp(self.raw)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array."""
        return self.raw.shape


def as_speed(speed: "AbstractSpeed | ArrayLike | None") -> AbstractSpeed | None:
    """A speed as one of the classes: a number is a fixed one.

    Args:
        speed: A speed, a number, or None for that of the network.

    Example:
        >>> from ranvier.delays.speeds import as_speed
        >>> as_speed(2.0).learns
        False
    """
    return speed if speed is None or isinstance(speed, AbstractSpeed) else FixedSpeed(speed)


def _checked(owner: str, speed: ArrayLike) -> Float[Array, "..."]:
    known = concrete(speed)
    array = jnp.asarray(speed)
    array = array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(jnp.result_type(float))
    if array.shape != () and (array.ndim != 2 or array.shape[1] != 1):
        msg = f"{owner}: `speed` must have shape (), or (pre, 1) for one per sender; got {array.shape}."
        raise ValueError(msg)
    if known is not None and not np.all((known > 0) & np.isfinite(known)):
        got = f"values from {known.min()} to {known.max()}"
        msg = f"{owner}: `speed` must be finite and above 0 (length per ms); got {got}."
        raise ValueError(msg)
    return array
