"""Whether delays could be distances, clusters against chance, and how neurons moved."""

import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest

import ranvier as rv
from ranvier.topology import Against, clustering, displacement, embed, embedding_residual, modularity

KEY = jax.random.key(0)


def plain(weight: np.ndarray, delay: np.ndarray | None = None) -> rv.Network:
    """One recurrent population with these weights, driven by an input without weight."""
    size = len(weight)
    wait = rv.FixedDelay(1.0 if delay is None else delay)
    links = [
        rv.Connection("input", "hidden", jnp.zeros((1, size))),
        rv.Connection("hidden", "hidden", jnp.asarray(weight), wait),
    ]
    return rv.Network({"input": rv.Population(1), "hidden": rv.Population(size, rv.LIF())}, links)


def test_delays_that_are_distances_embed_and_shuffled_ones_do_not():
    net = rv.feedforward([8, 9, 3], neuron=rv.LIF(), delay=rv.spatial(0.5, 20.0), position=rv.layouts.normal(1.0, 2),
                         key=KEY)  # fmt: skip
    found = embed(net, 2, steps=1000)
    assert found.residual < 2e-3
    for link in net.connections:  # the same distances, whatever turned or mirrored them
        one, other = found.position[link.pre], found.position[link.post]
        apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
        np.testing.assert_allclose(apart + 0.5, net.delay(link), atol=0.02)
    against = embedding_residual(net, 2, shuffles=4)
    assert against.value < 0.02 < 0.2 < against.chance.min()
    assert against.score < -5


def test_pairs_without_a_synapse_do_not_count():
    net = rv.feedforward(
        [6, 6], neuron=rv.LIF(), delay=rv.synaptic(0.0, 9.0), pattern=rv.patterns.in_degree(1), key=KEY
    )
    assert embed(net, 1).residual < 1e-3  # a star or a pair embeds on a line, whatever its delays


def test_two_ways_of_different_delays_are_no_distance():
    """1 ms there, 3 ms back: 2 ms are the best distance, and 1 ms is missing each way."""
    delay = np.array([[5.0, 1.0], [3.0, 5.0]])  # a synapse of a neuron onto itself is left out
    net = rv.Network(
        {"input": rv.Population(1), "hidden": rv.Population(2, rv.LIF())},
        [rv.Connection("hidden", "hidden", jnp.ones((2, 2)), rv.FixedDelay(delay))],
    )
    assert embed(net, 2).residual == pytest.approx(1.0, rel=1e-6)


def test_clusters_are_found_where_there_are_some():
    rng = np.random.default_rng(0)
    block = np.kron(np.eye(3), np.ones((6, 6))) * rng.uniform(0.5, 1.0, (18, 18)) + 0.02 * rng.random((18, 18))
    found = modularity(plain(block), shuffles=5)
    assert found.value > 0.5
    assert found.score > 5
    strength = (block + block.T) / 2
    np.fill_diagonal(strength, 0.0)
    graph = networkx.from_numpy_array(strength)
    clusters = clustering(plain(block), shuffles=5)
    assert len(clusters.chance) == 5
    padded = networkx.average_clustering(graph, weight="weight") * 18 / 19  # the input has no neighbours
    assert clusters.value == pytest.approx(padded, rel=1e-9)
    assert abs(modularity(plain(rng.random((18, 18))), shuffles=20).score) < 4


def test_displacement():
    net = rv.feedforward([2, 3], neuron=rv.LIF(), position=[rv.layouts.line(1.0, 2), None], key=KEY)
    learn, fixed = rv.partition(net, "position")
    after = rv.combine(jax.tree.map(lambda leaf: leaf + jnp.array([[3.0, 4.0]]), learn), fixed)
    found = displacement(net, after)
    assert list(found) == ["input"]
    np.testing.assert_allclose(found["input"], 5.0)
    assert np.isnan(Against(1.0, np.ones(3)).score)
