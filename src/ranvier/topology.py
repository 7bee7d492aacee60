"""Topology: whether delays could be distances, how a network clusters, and how far its neurons have moved.

Everything here looks at networks of known values, in NumPy. A result is given beside what chance gives: delays, or
weights, shuffled among the synapses of each connection.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Bool, Float

from ranvier.dense import dense
from ranvier.network import Network

Measure = Callable[[Float[np.ndarray, "n n"]], float]


class Embedding(NamedTuple):
    """Neurons as points whose distances are as close to the delays as was found.

    Args:
        position: Positions of each population (ms), shape (size, dimensions).
        residual: Root mean square of distance minus delay, over all synapses (ms).
    """

    position: dict[str, Float[np.ndarray, "size dimensions"]]
    residual: float


class Against(NamedTuple):
    """A number of a network, and what chance gives.

    Args:
        value: Of the network.
        chance: Of shuffled ones.
    """

    value: float
    chance: Float[np.ndarray, " shuffles"]

    @property
    def score(self) -> float:
        """By how many standard deviations of chance the value lies above its mean; NaN if chance does not vary."""
        spread = float(np.std(self.chance))
        return (self.value - float(np.mean(self.chance))) / spread if spread > 0 else float("nan")


def embed(network: Network, dimensions: int, *, starts: int = 4, steps: int = 300, seed: int = 0) -> Embedding:
    """Find positions whose distances are the delays of a network, as far as there are any.

    Minimises `sum_s (d_s - low_s - |x_i - x_j|)^2` over all synapses s from i to j by majorisation (SMACOF), from
    several random starts; pairs without a synapse do not count. low is the lower bound of the connection.

    Args:
        network: The network.
        dimensions: Of the space.
        starts: Random starts, of which the best is taken.
        steps: Steps from each.
        seed: Of the starts.

    References:
        de Leeuw & Mair, J. Stat. Softw. 31 (2009), multidimensional scaling using majorization.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.topology import embed
        >>> net = rv.feedforward([6, 5], neuron=rv.LIF(), delay=rv.spatial(), position=rv.layouts.normal(1.0, 2),
        ...                      key=jax.random.key(0))
        >>> embed(net, 2).residual < 1e-3 < embed(net, 1).residual
        True
    """
    known = _delays(network, [np.asarray(link.delay) for link in dense(network)])
    position, residual = _smacof(*known, dimensions, starts, steps, np.random.default_rng(seed))
    return Embedding(_parts(network, position), residual)


def embedding_residual(network: Network, dimensions: int, *, shuffles: int = 10, seed: int = 0) -> Against:
    """How far the delays of a network are from being distances, against shuffled delays.

    A residual well below chance says that delays have learned something that space could hold.

    Args:
        network: The network.
        dimensions: Of the space.
        shuffles: How many times delays are shuffled among the synapses of each connection.
        seed: Of starts and shuffles.

    Returns:
        Root mean square of distance minus delay (ms), as `embed` finds it.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.topology import embedding_residual
        >>> net = rv.feedforward([6, 5], neuron=rv.LIF(), delay=rv.spatial(), position=rv.layouts.normal(1.0, 2),
        ...                      key=jax.random.key(0))
        >>> embedding_residual(net, 2, shuffles=3).score < -2
        True
    """
    rng = np.random.default_rng(seed)

    def residual(shuffled: bool) -> float:
        matrices = []
        for link in dense(network):
            matrix = np.array(np.broadcast_to(link.delay, link.weight.shape))
            there = _there(link.exists, matrix.shape)
            matrix[there] = rng.permutation(matrix[there]) if shuffled else matrix[there]
            matrices.append(matrix)
        return _smacof(*_delays(network, matrices), dimensions, 4, 300, np.random.default_rng(seed))[1]

    return Against(residual(False), np.array([residual(True) for _ in range(shuffles)]))


def clustering(network: Network, *, shuffles: int = 20, seed: int = 0) -> Against:
    """Weighted clustering of the network, against weights shuffled among the synapses of each connection.

    The mean over neurons of `sum_jk (w_ij w_jk w_ki)^(1/3) / (k_i (k_i - 1))`, with `w_ij = (|w_ij| + |w_ji|) / 2` as a
    share of the largest and k_i the neighbours of neuron i (Onnela et al., Phys. Rev. E 71, 2005).

    Args:
        network: The network; without a recurrent or skipping connection it has no triangles.
        shuffles: How many times weights are shuffled.
        seed: Of the shuffles.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.topology import clustering
        >>> net = rv.recurrent([3, 6, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), key=jax.random.key(0))
        >>> 0 < clustering(net, shuffles=2).value < 1
        True
    """
    return _against(network, _clustering, shuffles, seed)


def modularity(network: Network, *, shuffles: int = 20, seed: int = 0) -> Against:
    """Modularity of the best communities found (Louvain), against weights shuffled in each connection.

    Needs networkx: `pip install 'ranvier[analysis]'`.

    Args:
        network: The network.
        shuffles: How many times weights are shuffled.
        seed: Of the shuffles and of the search for communities.

    Raises:
        ImportError: networkx is not installed.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.topology import modularity
        >>> net = rv.recurrent([3, 6, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), key=jax.random.key(0))
        >>> 0 < modularity(net, shuffles=2).value < 1
        True
    """
    try:
        import networkx
    except ImportError as error:
        msg = "modularity: needs networkx, which is not installed; pip install 'ranvier[analysis]'."
        raise ImportError(msg) from error

    def best(matrix: Float[np.ndarray, "n n"]) -> float:
        graph = networkx.from_numpy_array(matrix)
        communities = networkx.community.louvain_communities(graph, seed=seed)
        return float(networkx.community.modularity(graph, communities))

    return _against(network, best, shuffles, seed)


def displacement(before: Network, after: Network) -> dict[str, Float[np.ndarray, " size"]]:
    """How far each neuron has moved, by population, in the unit of the positions.

    Args:
        before: A network.
        after: The same later.

    Example:
        >>> import jax, ranvier as rv
        >>> from ranvier.topology import displacement
        >>> net = rv.feedforward([2, 3], neuron=rv.LIF(), position=rv.layouts.line(1.0), key=jax.random.key(0))
        >>> displacement(net, net)["input"].tolist()
        [0.0, 0.0]
    """
    pairs = {name: (before[name].position, after[name].position) for name in after.names}
    known = {name: pair for name, pair in pairs.items() if pair[0] is not None and pair[1] is not None}
    return {name: np.linalg.norm(np.asarray(now) - np.asarray(then), axis=1) for name, (then, now) in known.items()}


def _there(exists: Bool[Array, "pre post"] | None, shape: tuple[int, ...]) -> Bool[np.ndarray, "pre post"]:
    return np.ones(shape, bool) if exists is None else np.asarray(exists)


def _starts(network: Network) -> dict[str, int]:
    """Number of the first neuron of each population."""
    ends = np.cumsum([0, *(one.size for one in network.members)]).tolist()
    return dict(zip(network.names, ends[:-1], strict=True))


def _parts(network: Network, every: Float[np.ndarray, "n d"]) -> dict[str, Float[np.ndarray, "size d"]]:
    return {name: every[start : start + network.size(name)] for name, start in _starts(network).items()}


def _delays(
    network: Network, matrices: list[Float[np.ndarray, "_ _"]]
) -> tuple[Float[np.ndarray, "n n"], Float[np.ndarray, "n n"], float]:
    """Delay above the lower bound for each two neurons, the mean of those there are; how many there are; and the sum of
    their squared deviations from it, which no distance can follow. Synapses of a neuron onto itself are left out.
    """
    size, at = sum(one.size for one in network.members), _starts(network)
    total, square, count = (np.zeros((size, size)) for _ in range(3))
    for link, matrix in zip(dense(network), matrices, strict=True):
        there = _there(link.exists, link.weight.shape)
        pre, post = np.nonzero(there)
        place = pre + at[link.pre], post + at[link.post]
        above = np.maximum(np.broadcast_to(matrix, there.shape)[there] - link.low, 0.0)
        for one, other in (place, place[::-1]):
            np.add.at(total, (one, other), above / 2)
            np.add.at(square, (one, other), above**2 / 2)
            np.add.at(count, (one, other), 0.5)
    for matrix in (total, square, count):
        np.fill_diagonal(matrix, 0.0)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    return mean, count, max(float(np.sum(square - count * mean**2)), 0.0)  # a rounding may be below 0


def _smacof(
    delay: Float[np.ndarray, "n n"],
    count: Float[np.ndarray, "n n"],
    spread: float,
    dimensions: int,
    starts: int,
    steps: int,
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n d"], float]:
    """Positions of least weighted stress, and its root mean square."""
    inverse = np.linalg.pinv(np.diag(count.sum(axis=1)) - count)
    scale = float(delay[count > 0].mean()) if (count > 0).any() else 1.0
    best, least = np.zeros((len(delay), dimensions)), np.inf

    def apart(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n n"]:
        square = np.sum(x**2, axis=1)
        return np.sqrt(np.maximum(square[:, None] + square[None] - 2 * x @ x.T, 0.0))

    for _ in range(starts):
        x = rng.normal(0.0, scale / np.sqrt(dimensions), (len(delay), dimensions))
        for _ in range(steps):
            far = apart(x)
            pull = -count * np.divide(delay, far, out=np.zeros_like(delay), where=far > 0)
            np.fill_diagonal(pull, 0.0)
            np.fill_diagonal(pull, -pull.sum(axis=1))
            x = inverse @ (pull @ x)
        stress = float(np.sqrt((np.sum(count * (delay - apart(x)) ** 2) + spread) / np.sum(count)))
        if stress < least:
            best, least = x, stress
    return best, least


def _against(network: Network, measure: Measure, shuffles: int, seed: int) -> Against:
    rng = np.random.default_rng(seed)
    found = [measure(_strength(network, rng if shuffled else None)) for shuffled in [False] + [True] * shuffles]
    return Against(found[0], np.array(found[1:]))


def _strength(network: Network, rng: np.random.Generator | None) -> Float[np.ndarray, "n n"]:
    """|w| between each two neurons, both ways together; shuffled among the synapses of each connection if asked."""
    size, at = sum(one.size for one in network.members), _starts(network)
    total = np.zeros((size, size))
    for link in dense(network):
        there = _there(link.exists, link.weight.shape)
        weight = np.abs(np.asarray(link.weight)[there])
        pre, post = np.nonzero(there)
        np.add.at(total, (pre + at[link.pre], post + at[link.post]), weight if rng is None else rng.permutation(weight))
    np.fill_diagonal(total, 0.0)
    return (total + total.T) / 2


def _clustering(matrix: Float[np.ndarray, "n n"]) -> float:
    root = np.cbrt(matrix / matrix.max())
    degree = np.count_nonzero(matrix, axis=1)
    pairs = degree * (degree - 1)
    triangles = np.einsum("ij,jk,ki->i", root, root, root, optimize=True)
    return float(np.mean(np.divide(triangles, pairs, out=np.zeros(len(matrix)), where=pairs > 0)))
