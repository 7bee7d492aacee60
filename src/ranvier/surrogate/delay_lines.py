"""Delay lines: the events of a connection on a grid of steps, each shared out over the steps around its arrival.

What waits is a stack of instants, the next one first. One delay per sender: the senders' spikes wait, and the weights
come after. One per receiver: what the weights make of the spikes waits. One per synapse: each synapse has taps of its
own, and one product with the weights of all taps fills the line, O(pre x post x steps of the longest delay).
"""

import abc
import math

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ranvier._concrete import concrete
from ranvier.delays import Per
from ranvier.dense import Link
from ranvier.taps import AbstractTaps, Linear

Waiting = Float[Array, "taps batch waiting"]


class AbstractLine(eqx.Module):
    """A connection as what it does in each step."""

    @abc.abstractmethod
    def empty(self, batch: int) -> Waiting:
        """Nothing on its way."""

    @abc.abstractmethod
    def send(self, waiting: Waiting, spikes: Float[Array, "batch pre"]) -> Waiting:
        """Add the spikes of this instant to what waits."""

    @abc.abstractmethod
    def due(self, waiting: Waiting) -> Float[Array, "batch post"]:
        """What arrives at this instant."""


class SenderLine(AbstractLine):
    """One delay per sender, or one for all."""

    taps: Float[Array, "taps pre 1"]
    weight: Float[Array, "pre post"]

    def empty(self, batch: int) -> Waiting:
        """Nothing on its way."""
        return jnp.zeros((self.taps.shape[0], batch, self.weight.shape[0]), self.weight.dtype)

    def send(self, waiting: Waiting, spikes: Float[Array, "batch pre"]) -> Waiting:
        """Spikes wait."""
        return waiting + self.taps[:, :, 0][:, None, :] * spikes[None]

    def due(self, waiting: Waiting) -> Float[Array, "batch post"]:
        """Those of now, through the weights."""
        return waiting[0] @ self.weight


class ReceiverLine(AbstractLine):
    """One delay per receiver."""

    taps: Float[Array, "taps 1 post"]
    weight: Float[Array, "pre post"]

    def empty(self, batch: int) -> Waiting:
        """Nothing on its way."""
        return jnp.zeros((self.taps.shape[0], batch, self.weight.shape[1]), self.weight.dtype)

    def send(self, waiting: Waiting, spikes: Float[Array, "batch pre"]) -> Waiting:
        """Sums of weights wait."""
        return waiting + self.taps * (spikes @ self.weight)[None]

    def due(self, waiting: Waiting) -> Float[Array, "batch post"]:
        """The sums of now."""
        return waiting[0]


class SynapseLine(AbstractLine):
    """One delay per synapse: a dilated convolution."""

    spread: Float[Array, "pre spread"]
    count: int = eqx.field(static=True)

    def empty(self, batch: int) -> Waiting:
        """Nothing on its way."""
        return jnp.zeros((self.count, batch, self.spread.shape[1] // self.count), self.spread.dtype)

    def send(self, waiting: Waiting, spikes: Float[Array, "batch pre"]) -> Waiting:
        """Sums of weights wait, of every tap its own."""
        return waiting + (spikes @ self.spread).reshape(spikes.shape[0], self.count, -1).transpose(1, 0, 2)

    def due(self, waiting: Waiting) -> Float[Array, "batch post"]:
        """The sums of now."""
        return waiting[0]


def longest_delay(link: Link) -> float:
    """The longest delay (ms) that a connection can have: its bound, or where it has none the longest there is.

    Args:
        link: The connection.

    Raises:
        ValueError: its delays have no upper bound, and are not known either.
    """
    if math.isfinite(link.high):
        return link.high
    known = concrete(link.delay)
    if known is None:
        msg = (
            f"Surrogate: the delays of {link.name} need an upper bound, which says how many steps are kept; give "
            "one, for example rv.synaptic(high=20.0)."
        )
        raise ValueError(msg)
    return float(known.max())


def delay_line(link: Link, longest: float, dt: float, taps: AbstractTaps) -> AbstractLine:
    """How a connection is delivered on the grid.

    Args:
        link: The connection. Delays that do not learn are interpolated linearly, whatever `taps` are.
        longest: Its longest delay (ms).
        dt: Step (ms).
        taps: How a delay is spread over steps.
    """
    count = max(math.ceil(longest / dt - 1e-6), 1) + 1  # a delay of 0 too has a neighbour, for its derivative
    spread = taps if link.learns else Linear()
    position = link.delay.astype(link.weight.dtype) / dt
    weights = spread(position, count)
    if link.per in (Per.SENDER, Per.COMMON):
        return SenderLine(jnp.broadcast_to(weights, (count, link.weight.shape[0], 1)), link.weight)
    if link.per is Per.RECEIVER:
        return ReceiverLine(weights, link.weight)
    rows, columns = link.weight.shape
    return SynapseLine((weights * link.weight[None]).transpose(1, 0, 2).reshape(rows, count * columns), count)
