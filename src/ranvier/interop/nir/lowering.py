"""The delays of a connection as NIR has them: one per line, never one per synapse.

Delays per sender stand on the lines before the weights, delays per receiver on those behind them. Delays that differ
from synapse to synapse need a line for each synapse: each sender is copied to the lines of its synapses, every line has
its delay, and the receivers add up their lines. All three are exact.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ranvier.connections import Connection
from ranvier.network import Network


class Lowered(NamedTuple):
    """A connection as a chain of nodes: weights of shape (out, in), and delays (ms) of lines.

    Args:
        nodes: What each node is called within the connection, and its weights or its delays.
        lines: Lines that it needs, one for each synapse; 0 where delays are per sender or receiver.
        error: Largest change of a delay (ms); 0 where the chain is exact.
    """

    nodes: tuple[tuple[str, Float[np.ndarray, "..."]], ...]
    lines: int
    error: float


def synapses(
    network: Network, link: Connection
) -> tuple[Float[np.ndarray, "pre post"], Float[np.ndarray, "pre post"], Bool[np.ndarray, "pre post"]]:
    """Weights, delays (ms), and where there is a synapse.

    Args:
        network: The network, of known values.
        link: One of its connections.

    Example:
        >>> import jax.numpy as jnp, ranvier as rv
        >>> from ranvier.interop.nir.lowering import synapses
        >>> populations = {"input": rv.Population(1), "output": rv.Population(2, rv.LIF())}
        >>> net = rv.Network(populations, [rv.Connection("input", "output", jnp.ones((1, 2)), rv.FixedDelay(3.0))])
        >>> synapses(net, net.connections[0])[1].tolist()
        [[3.0, 3.0]]
    """
    pre, post = network.size(link.pre), network.size(link.post)
    there = link.pattern.exists(pre, post)
    weight, delay = np.asarray(link.pattern.dense(link.weight, pre, post, 0.0)), network.delay(link)
    if delay.ndim == 1:
        delay = link.pattern.dense(delay, pre, post, 0.0)
    there = np.ones((pre, post), bool) if there is None else np.asarray(there)
    return weight, np.broadcast_to(np.asarray(delay), (pre, post)), there


def lower(
    weight: Float[np.ndarray, "pre post"],
    delay: Float[np.ndarray, "pre post"],
    there: Bool[np.ndarray, "pre post"],
    max_lines: int,
) -> Lowered:
    """Say a connection with delays per line.

    Args:
        weight: Weights, 0 where there is no synapse.
        delay: Delays (ms).
        there: Where there is a synapse.
        max_lines: Most lines; a connection that needs more gets the mean delay of each sender, weighted by |weight|.

    Returns:
        The chain.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.nir.lowering import lower
        >>> weight, there = np.ones((2, 2)), np.ones((2, 2), bool)
        >>> [name for name, _ in lower(weight, np.array([[1.0, 1.0], [2.0, 2.0]]), there, 100).nodes]
        ['delay', '']
        >>> [name for name, _ in lower(weight, np.array([[1.0, 2.0], [3.0, 4.0]]), there, 100).nodes]
        ['lines', 'delay', '']
    """
    if not delay[there].any():
        return Lowered((("", weight.T),), 0, 0.0)
    for axis in (1, 0):
        line = np.max(delay, axis=axis, where=there, initial=0.0)
        if (delay == np.expand_dims(line, axis))[there].all():
            chain = (("delay", line), ("", weight.T))
            return Lowered(chain if axis == 1 else chain[::-1], 0, 0.0)
    pre, post = np.nonzero(there)
    if len(pre) > max_lines:
        share = np.abs(weight) * there + np.finfo(weight.dtype).tiny * there
        mean = (np.sum(share * delay, axis=1) / np.maximum(np.sum(share, axis=1), np.finfo(weight.dtype).tiny)).astype(
            delay.dtype
        )
        error = float(np.max(np.abs(delay - mean[:, None]), where=there, initial=0.0))
        return Lowered((("delay", mean), ("", weight.T)), len(pre), error)
    lines = np.arange(len(pre))
    fan_out, add_up = (
        np.zeros((len(pre), len(weight)), weight.dtype),
        np.zeros((weight.shape[1], len(pre)), weight.dtype),
    )
    fan_out[lines, pre], add_up[post, lines] = 1.0, weight[pre, post]
    return Lowered((("lines", fan_out), ("delay", delay[pre, post]), ("", add_up)), len(pre), 0.0)
