"""What a chain of linear nodes does to the spikes of a population, as a list of terms."""

from typing import Any, NamedTuple

import nir
import numpy as np
from jaxtyping import Bool, Float, Int

MOST_TERMS = 20_000_000


class Terms(NamedTuple):
    """On line `line` there is, for each spike of neuron `source`, an impulse of size `gain`, `delay` later.

    Args:
        line: The lines.
        source: The senders.
        gain: Sizes.
        delay: Delays, in the unit of time of the graph.
        dense: Whether there is one term for each sender and line, sender by sender.
    """

    line: Int[np.ndarray, " terms"]
    source: Int[np.ndarray, " terms"]
    gain: Float[np.ndarray, " terms"]
    delay: Float[np.ndarray, " terms"]
    dense: bool = False


def passed(name: str, node: Any, terms: Terms, width: int) -> tuple[Terms, int]:
    """The terms behind a linear node, and the number of its lines.

    Args:
        name: Name of the node, for messages.
        node: A Linear, Affine, Scale or Delay of nir.
        terms: The terms before it.
        width: Lines before it.

    Raises:
        ValueError: a number of the node is not valid, it has a bias, or there are too many terms.

    Example:
        >>> import nir, numpy as np
        >>> from ranvier.interop.nir.terms import Terms, passed
        >>> one = Terms(np.array([0]), np.array([0]), np.ones(1), np.zeros(1))
        >>> passed("d", nir.Delay(np.array([3.0])), one, 1)[0].delay.tolist()
        [3.0]
    """
    if isinstance(node, nir.Linear | nir.Affine):
        weight = _array(name, "weight", node.weight, (None, width))
        if isinstance(node, nir.Affine) and np.any(_array(name, "bias", node.bias, (weight.shape[0],)) != 0):
            msg = f"from_nir: node {name!r} has a bias, a constant current, which LIF and LI of ranvier do not have."
            raise ValueError(msg)
        return _weighted(name, weight, terms, width), weight.shape[0]
    if isinstance(node, nir.Scale):
        scale = _array(name, "scale", node.scale, (width,))
        return terms._replace(gain=terms.gain * scale[terms.line]), width
    delay = _array(name, "delay", node.delay, (width,))
    if (delay < 0).any():
        msg = f"from_nir: `delay` of node {name!r} must be >= 0; got {delay.min()} on line {int(delay.argmin())}."
        raise ValueError(msg)
    return terms._replace(delay=terms.delay + delay[terms.line]), width


def _array(name: str, field: str, value: Any, shape: tuple[int | None, ...]) -> Float[np.ndarray, "..."]:
    """A parameter as finite numbers of a shape, in which None stands for any size."""
    array = np.asarray(value)
    fits = array.ndim == len(shape) and all(want in (None, got) for want, got in zip(shape, array.shape, strict=True))
    if array.dtype.kind not in "fiu" or not fits or array.size == 0:
        wanted = tuple("any" if size is None else size for size in shape)
        msg = (
            f"from_nir: `{field}` of node {name!r} must be numbers of shape {wanted}; got {array.dtype} {array.shape}."
        )
        raise ValueError(msg)
    if not np.isfinite(array).all():
        msg = f"from_nir: `{field}` of node {name!r} must be finite; got {array[~np.isfinite(array)][0]}."
        raise ValueError(msg)
    return array if array.dtype.kind == "f" else array.astype(float)


def _weighted(name: str, weight: Float[np.ndarray, "out into"], terms: Terms, width: int) -> Terms:
    """Every term on every line that it reaches; those of the same sender and delay are added up."""
    plain = len(terms.line) == width and (terms.line == np.arange(width)).all() and not terms.dense
    if plain and (terms.source == terms.line).all():  # one matrix, and no more: it stays as it is, zeros included
        source, line = np.divmod(np.arange(width * len(weight)), len(weight))
        gain = (weight.T * terms.gain.astype(weight.dtype)[:, None]).reshape(-1)
        return Terms(line, source, gain, terms.delay.astype(weight.dtype)[source], dense=True)
    there = terms.gain != 0
    terms = _chosen(terms, there)
    line, into = np.nonzero(weight)
    order = np.argsort(terms.line, kind="stable")
    start, end = (np.searchsorted(terms.line[order], into, side) for side in ("left", "right"))
    count = end - start
    if count.sum() > MOST_TERMS:
        msg = f"from_nir: at node {name!r} there are {count.sum()} synapses and delays, more than {MOST_TERMS}."
        raise ValueError(msg)
    edge = np.repeat(np.arange(len(into)), count)
    term = order[np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + start[edge]]
    gain = terms.gain[term].astype(weight.dtype) * weight[line[edge], into[edge]]
    return _added(Terms(line[edge], terms.source[term], gain, terms.delay[term]))


def _chosen(terms: Terms, there: Bool[np.ndarray, " terms"]) -> Terms:
    """Some of the terms."""
    return Terms(terms.line[there], terms.source[there], terms.gain[there], terms.delay[there])


def _added(terms: Terms) -> Terms:
    """Terms of one line, sender and delay as one."""
    order = np.lexsort((terms.delay, terms.line, terms.source))
    line, source, gain, delay = (values[order] for values in terms[:4])
    new = np.ones(len(line), bool)
    new[1:] = (line[1:] != line[:-1]) | (source[1:] != source[:-1]) | (delay[1:] != delay[:-1])
    first = np.flatnonzero(new)
    summed = np.add.reduceat(gain, first) if len(gain) else gain
    return Terms(line[first], source[first], summed, delay[first])


def joined(terms: Terms, sizes: tuple[int, int]) -> list[Terms]:
    """Lists of terms with at most one for each sender and line: the synapses of a connection each.

    Args:
        terms: The terms at the end of a chain.
        sizes: Number of senders and of lines.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.nir.terms import Terms, joined
        >>> two = Terms(np.array([0, 0]), np.array([0, 0]), np.ones(2), np.array([1.0, 2.0]))
        >>> [part.delay.tolist() for part in joined(two, (1, 1))]
        [[1.0], [2.0]]
    """
    if terms.dense:
        return [terms]
    order = np.lexsort((terms.delay, terms.line, terms.source))
    line, source, gain, delay = (values[order] for values in terms[:4])
    same = np.zeros(len(line), bool)
    same[1:] = (line[1:] == line[:-1]) & (source[1:] == source[:-1])
    start = np.maximum.accumulate(np.where(same, 0, np.arange(len(line)))) if len(line) else np.zeros(0, int)
    number = np.arange(len(line)) - start
    parts = [_chosen(Terms(line, source, gain, delay), number == k) for k in range(number.max(initial=-1) + 1)]
    return [part._replace(dense=len(part.line) == sizes[0] * sizes[1]) for part in parts]
