"""Limits: what becomes of a way that takes longer than the largest delay."""

import abc
import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float


class AbstractLimit(eqx.Module):
    """From the time that a way takes to what is added to the smallest delay."""

    @abc.abstractmethod
    def __call__(self, time: Float[Array, "*synapses"], room: float) -> Float[Array, "*synapses"]:
        """The delay above the smallest one (ms).

        Args:
            time: Length of the way over speed (ms), >= 0.
            room: Largest delay minus smallest (ms), or inf.
        """

    @abc.abstractmethod
    def problem(self, high: float) -> str:
        """What is wrong with a largest delay of `high` ms; empty if nothing is."""


class Refuse(AbstractLimit):
    """The delay is the time that the way takes, however long; one above the largest delay is refused.

    It is refused as any delay outside of its bounds: by an error where numbers are known, else by the status of the
    simulation. No event is dropped, moved or wrapped around.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Refuse
        >>> Refuse()(jnp.array([3.0]), 2.0).tolist()
        [3.0]
    """

    def __call__(self, time: Float[Array, "*synapses"], room: float) -> Float[Array, "*synapses"]:
        """`time` itself."""
        del room
        return time

    def problem(self, high: float) -> str:
        """None."""
        del high
        return ""


class Saturate(AbstractLimit):
    """The delay follows the time that the way takes, and bends smoothly towards the largest delay.

    `room x / (1 + x^4)^(1/4)` with `x = time / room`: 1.5 % below the time at half of the room, 16 % at all of it,
    never above it. Its derivative is `(1 + x^4)^(-5/4)`: a neuron that is far away still feels where it should go.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.delays import Saturate
        >>> [round(float(d), 3) for d in Saturate()(jnp.array([0.2, 1.0, 2.0, 50.0]), 2.0)]
        [0.2, 0.985, 1.682, 2.0]
    """

    def __call__(self, time: Float[Array, "*synapses"], room: float) -> Float[Array, "*synapses"]:
        """The bent time."""
        x = time / room
        near = x < 1.0
        small = jnp.where(near, x, 0.0)
        inverse = 1.0 / jnp.where(near, 1.0, x)
        bent = lambda power: (1.0 + power * power * power * power) ** -0.25
        return room * jnp.where(near, small * bent(small), bent(inverse))

    def problem(self, high: float) -> str:
        """Something to bend towards is needed."""
        return "Saturate needs a finite largest delay `high`" if math.isinf(high) else ""
