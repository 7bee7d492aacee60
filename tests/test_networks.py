"""Building networks: builders, tables, what learns, bounds of delays, and the examples in the documentation."""

import doctest
import importlib
import math
import pkgutil
from collections.abc import Callable
from types import ModuleType

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

KEY = jax.random.key(0)
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rv.__path__, "ranvier.")
    if not module.name.startswith(("ranvier.lab.cli", "ranvier.event_driven.libengine"))
)


def names(network: rv.Network) -> list[str]:
    """Connections by name."""
    return [link.name for link in network.connections]


EXTRAS = {
    "ranvier.interop.jaxley": "jaxley",
    "ranvier.interop.nir": "nir",
    "ranvier.interop.recordings.arrays": "nir",
    "ranvier.interop.recordings.laboratory": "neo",
    "ranvier.topology": "networkx",
}
"""What the examples of some modules need beyond a plain installation."""


@pytest.mark.parametrize("module", ["ranvier", *MODULES])
def test_examples_in_docstrings(module: str):
    for start, extra in EXTRAS.items():
        if module.startswith(start):
            pytest.importorskip(extra)
    found = doctest.testmod(importlib.import_module(module), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_every_public_class_and_function_has_an_example():
    public = {name: getattr(rv, name) for name in rv.__all__}
    public = {name: value for name, value in public.items() if not isinstance(value, ModuleType) and name != "combine"}
    assert {"simulate", "LIF", "EventDriven", "Network", "partition", "Spikes"} <= set(public)
    without = {name for name, value in public.items() if ">>>" not in value.__doc__}
    assert without - {"Solution", "Stats", "fit"} == set()  # the example of fit is that of ranvier.train


def test_feedforward_names_its_layers():
    assert names(rv.feedforward([2, 3], neuron=rv.LIF(), key=KEY)) == ["input->output"]
    assert names(rv.feedforward([2, 4, 3], neuron=rv.LIF(), key=KEY)) == ["input->hidden", "hidden->output"]
    deep = rv.feedforward([2, 5, 4, 3], neuron=rv.LIF(), key=KEY)
    assert names(deep) == ["input->hidden1", "hidden1->hidden2", "hidden2->output"]
    assert [deep.size(name) for name in ("input", "hidden1", "hidden2", "output")] == [2, 5, 4, 3]


def test_builders_take_one_value_or_one_for_each_connection():
    kinds = [rv.synaptic(0.5, 3.0), rv.axonal(1.0, 4.0), rv.dendritic(0.0, 2.0)]
    network = rv.recurrent(
        [4, 3, 2], neuron=rv.LIF(7.0, 3.0, v_leak=0.1), delay=kinds, weight=rv.initializers.constant(0.5), key=KEY
    )
    assert names(network) == ["input->hidden", "hidden->hidden", "hidden->output"]
    assert [network.delay(link).shape for link in network.connections] == [(4, 3), (3, 1), (1, 2)]
    assert all(bool((link.weight == 0.5).all()) for link in network.connections)
    readout = network.neurons["output"]
    assert (type(readout), float(readout.tau_mem), float(readout.v_leak)) == (rv.LI, 7.0, pytest.approx(0.1))
    other = rv.recurrent([4, 3, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), readout=rv.LIF(9.0), key=KEY)
    assert float(other.neurons["output"].tau_mem) == 9.0
    weights = [rv.initializers.constant(1.0), rv.initializers.uniform(2.0, 3.0)]
    one = rv.feedforward([2, 3, 1], neuron=rv.LIF(), weight=weights, readout=rv.LI(), key=KEY)
    assert float(one.connections[0].weight.max()) == 1.0
    assert 2.0 <= float(one.connections[1].weight.min()) <= float(one.connections[1].weight.max()) <= 3.0
    assert isinstance(one.neurons["output"], rv.LI)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_builders_keep_their_dtype(dtype: type):
    network = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), dtype=dtype, key=KEY)
    assert network.dtype == dtype
    assert network.delay(network.connections[0]).dtype == dtype
    solution = rv.simulate(network, rv.Spikes([1.0], [0]), rv.EventDriven(), t_end=5.0)
    assert solution.spikes["output"].time.dtype == dtype


def test_builders_are_random_and_repeatable():
    make = lambda seed: rv.feedforward([30, 20], neuron=rv.LIF(), delay=rv.synaptic(1.0, 3.0), key=jax.random.key(seed))
    one, same, other = make(0), make(0), make(1)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(same), strict=True))
    assert not np.array_equal(one.connections[0].weight, other.connections[0].weight)
    assert abs(float(one.connections[0].weight.mean()) - 8 / 30) < 0.05
    delay = np.asarray(one.delay(one.connections[0]))
    assert 1.0 < delay.min() < 1.1
    assert 2.9 < delay.max() < 3.0


def test_the_default_weights_make_neurons_fire():
    """Every sender firing once within tau_syn lifts most neurons past threshold."""
    for tau_mem, tau_syn in ((20.0, 5.0), (10.0, 10.0), (2.0, 1.0)):
        network = rv.feedforward([50, 40], neuron=rv.LIF(tau_mem, tau_syn), key=KEY)
        spikes = rv.Spikes(jnp.linspace(0.0, tau_syn, 50), jnp.arange(50))
        stats = rv.simulate(network, spikes, rv.EventDriven(), t_end=100.0).stats
        assert int(stats.silent["output"]) <= 10


def test_the_summary_counts_parameters():
    network = rv.recurrent([20, 10, 3], neuron=rv.LIF(), key=KEY,
                           delay=[rv.synaptic(0.0, 5.0), rv.axonal(1.0, 20.0), rv.fixed(2.0)])  # fmt: skip
    lines = network.summary().splitlines()
    table = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert table["input"] == ["20", "input"]
    assert table["hidden"] == ["10", "LIF"]
    assert table["output"] == ["3", "LI"]
    assert table["input->hidden"] == ["200", "200", "SynapticDelay", "[0,", "5]", "ms"]
    assert table["hidden->hidden"] == ["100", "10", "AxonalDelay", "[1,", "20]", "ms"]
    assert table["hidden->output"] == ["30", "0", "FixedDelay", "[2,", "2]", "ms"]
    assert table["total"] == ["330", "210", "540", "learnable", "parameters"]
    assert repr(network) == f"Network(\n{network.summary()}\n)"
    learn, _ = rv.partition(network)
    assert sum(leaf.size for leaf in jax.tree.leaves(learn)) == 540


def test_partitions_can_be_printed():
    """`repr` of a network with holes: what a user sees in a notebook."""
    learn, fixed = rv.partition(rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=KEY))
    assert "input->output" in repr(learn)
    assert "input->output" in repr(fixed)


def test_all_leaves_are_arrays_of_numbers():
    network = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=KEY)
    assert all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in jax.tree.leaves(network))


@pytest.mark.parametrize(
    ("chosen", "count"),
    [((), 4), (("weight",), 2), (("delay",), 2), (("weight", "v_threshold"), 4), (("tau_mem", "refractory"), 4)],
)
def test_partition_and_combine(chosen: tuple[str, ...], count: int):
    network = rv.feedforward([4, 3, 2], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=KEY)
    learn, fixed = rv.partition(network, *chosen)
    assert len(jax.tree.leaves(learn)) == count
    assert len(jax.tree.leaves(learn)) + len(jax.tree.leaves(fixed)) == len(jax.tree.leaves(network))
    assert eqx.tree_equal(rv.combine(learn, fixed), network)


def test_fixed_delays_never_learn():
    network = rv.feedforward([4, 3, 2], neuron=rv.LIF(), delay=rv.fixed(1.0), key=KEY)
    assert len(jax.tree.leaves(rv.partition(network)[0])) == 2
    assert jax.tree.leaves(rv.partition(network, "delay")[0]) == []
    assert rv.project(network).delay("input->hidden") == 1.0


def test_leaky_integrators_have_no_threshold_to_learn():
    network = rv.feedforward([4, 3, 2], neuron=rv.LIF(), readout=rv.LI(), key=KEY)
    assert len(jax.tree.leaves(rv.partition(network, "v_threshold")[0])) == 1
    assert len(jax.tree.leaves(rv.partition(network, "v_leak")[0])) == 2


NORMAL = st.floats(0.0, 20.0, allow_subnormal=False)  # XLA takes subnormal numbers for zero


@hypothesis.given(low=NORMAL, width=st.floats(1e-3, 50.0), share=st.floats(0.0, 1.0), raw=st.floats(-1e3, 1e3))
def test_a_sigmoid_keeps_delays_in_their_box(low: float, width: float, share: float, raw: float):
    bound, high = rv.delays.Sigmoid(), low + width
    delay = jnp.asarray(low + share * width).reshape(1, 1)
    back = float(bound.delay(bound.raw(delay, low, high), low, high)[0, 0])
    inside = min(max(float(delay[0, 0]), low + 1e-3 * width), high - 1e-3 * width)
    assert back == pytest.approx(inside, abs=1e-9 * (1 + high))
    anywhere = float(bound.delay(jnp.full((1, 1), raw), low, high)[0, 0])
    assert low <= anywhere <= high * (1 + 1e-15)
    assert float(bound.project(jnp.full((1, 1), raw), low, high)[0, 0]) == raw


@hypothesis.given(low=NORMAL, excess=st.floats(1e-3, 1e3), raw=st.floats(-1e3, 1e3))
def test_without_an_upper_bound_it_is_a_softplus(low: float, excess: float, raw: float):
    bound = rv.delays.Sigmoid()
    delay = jnp.full((1, 1), low + excess)
    back = float(bound.delay(bound.raw(delay, low, math.inf), low, math.inf)[0, 0])
    assert back == pytest.approx(float(delay[0, 0]), rel=1e-9, abs=1e-9)
    assert low <= float(bound.delay(jnp.full((1, 1), raw), low, math.inf)[0, 0]) < math.inf


@hypothesis.given(raw=st.lists(st.floats(-100.0, 100.0), min_size=6, max_size=6))
def test_a_projection_clips(raw: list[float]):
    delay = rv.SynapticDelay(jnp.ones((2, 3)), 0.5, 4.0, rv.delays.Clip())
    moved = eqx.tree_at(lambda delay: delay.raw, delay, jnp.asarray(raw).reshape(2, 3))
    ends = rv.Population(2), rv.Population(3)
    np.testing.assert_array_equal(moved(*ends), np.reshape(raw, (2, 3)))
    np.testing.assert_array_equal(moved.project()(*ends), np.clip(np.reshape(raw, (2, 3)), 0.5, 4.0))


ENDS = rv.Population(4), rv.Population(3)


@pytest.mark.parametrize("bound", [rv.delays.Sigmoid(), rv.delays.Clip(), None])
@pytest.mark.parametrize("high", [2.0, math.inf])
def test_factories(bound: rv.delays.Sigmoid | rv.delays.Clip | None, high: float):
    cases = [(rv.synaptic, rv.SynapticDelay, (4, 3)), (rv.axonal, rv.AxonalDelay, (4, 1)),
             (rv.dendritic, rv.DendriticDelay, (1, 3))]  # fmt: skip
    for factory, kind, shape in cases:
        for init in (1.5, rv.initializers.uniform(1.0, 1.9), rv.initializers.constant(1.0)):
            delay = factory(0.5, high, init, bound)(*ENDS, rv.AllToAll(), jnp.float64, key=KEY)
            assert isinstance(delay, kind)
            assert delay(*ENDS).shape == shape
            assert (delay.low, delay.high) == (0.5, high)
            assert 0.5 <= float(delay(*ENDS).min()) <= float(delay(*ENDS).max()) <= 2.0
        delay = factory(0.5, high, 1.5, bound)(*ENDS, rv.AllToAll(), jnp.float64, key=KEY)
        assert float(delay(*ENDS).max()) == pytest.approx(1.5)


def test_fixed_delays():
    assert rv.fixed(2.0)(*ENDS, rv.AllToAll(), jnp.float32, key=KEY)(*ENDS).dtype == jnp.float32
    each = rv.FixedDelay(jnp.array([[1.0, 4.0], [2.0, 3.0]]))
    assert (each.low, each.high, each(*ENDS).shape) == (1.0, 4.0, (2, 2))
    assert rv.FixedDelay(3)(*ENDS).shape == (1, 1)
    assert rv.Connection("a", "b", jnp.ones((4, 3))).delay(*ENDS) == 0.0


def test_neurons_take_integers_and_arrays():
    neuron = rv.LIF(10, 5, v_threshold=jnp.array([1.0, 2.0]), refractory=math.inf)
    assert neuron.tau_mem.dtype == jnp.float64
    assert neuron.v_threshold.shape == (2,)
    assert (rv.LI().v_threshold, rv.LI().refractory) == (math.inf, 0.0)


@pytest.mark.parametrize("method", [rv.simulate, rv.feedforward, rv.recurrent, rv.synaptic])
def test_public_functions_say_what_they_raise_and_return(method: Callable):
    assert "Args:" in method.__doc__
    assert "Example:" in method.__doc__
