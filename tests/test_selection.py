"""Selection by path: the same words for a field everywhere, of a connection, or of a population."""

import jax
import jax.numpy as jnp
import pytest

import ranvier as rv
from ranvier.selection import labels, path_of_each

KEY = jax.random.key(0)
NET = rv.recurrent(
    [4, 5, 3], neuron=rv.LIF(), delay=[rv.synaptic(0.0, 9.0), rv.axonal(1.0, 9.0), rv.fixed(2.0)], key=KEY
)


def chosen(net: rv.Network, *paths: str) -> set[str]:
    """Paths of the arrays that learn."""
    return set(jax.tree.leaves(path_of_each(rv.partition(net, *paths)[0])))


WEIGHTS = {"input->hidden.weight", "hidden->hidden.weight", "hidden->output.weight"}


@pytest.mark.parametrize(
    ("paths", "wanted"),
    [
        ((), WEIGHTS | {"input->hidden.delay.raw", "hidden->hidden.delay.raw"}),
        (("weight",), WEIGHTS),
        (("delay",), {"input->hidden.delay.raw", "hidden->hidden.delay.raw"}),
        (("hidden->hidden.delay",), {"hidden->hidden.delay.raw"}),
        (("hidden->output.weight", "hidden.tau_mem"), {"hidden->output.weight", "hidden.tau_mem"}),
        (("tau_mem",), {"hidden.tau_mem", "output.tau_mem"}),
        (("v_threshold", "v_leak"), {"hidden.v_threshold", "hidden.v_leak", "output.v_leak"}),
    ],
)  # fmt: skip
def test_paths(paths: tuple[str, ...], wanted: set[str]):
    learn, fixed = rv.partition(NET, *paths)
    assert chosen(NET, *paths) == wanted
    assert len(jax.tree.leaves(learn)) + len(jax.tree.leaves(fixed)) == len(jax.tree.leaves(NET))
    assert repr(rv.combine(learn, fixed)) == repr(NET)


def test_what_lies_deeper_has_a_path_too():
    neuron = rv.ODENeuron(
        lambda t, state, current, parameters: [(current - state[0]) / parameters["tau"]],
        condition=lambda state, parameters: state[0] - 1.0,
        initial=[0.0],
        parameters={"tau": 10.0, "gain": 1.0},
        synapse=rv.synapses.AlphaCurrent(3.0),
    )
    net = rv.feedforward([2, 3], neuron=neuron, key=KEY)
    assert chosen(net, "output.parameters.gain") == {"output.parameters.gain"}
    assert chosen(net, "parameters") == {"output.parameters.gain", "output.parameters.tau"}
    assert chosen(net, "synapse.tau_syn") == chosen(net, "output.synapse.tau_syn") == {"output.synapse.tau_syn"}


def test_positions_are_one_array_however_many_connections_use_them():
    position = jnp.zeros((3, 2))
    populations = {"input": rv.Population(2), "hidden": rv.Population(3, rv.LIF(), position)}
    links = [rv.Connection("input", "hidden", jnp.ones((2, 3)), name=f"link {n}") for n in range(3)]
    links.append(rv.Connection("hidden", "hidden", jnp.ones((3, 3)), rv.FixedDelay(1.0)))
    net = rv.Network(populations, links)
    assert chosen(net, "position") == chosen(net, "hidden.position") == {"hidden.position"}
    learn, fixed = rv.partition(net, "position")
    moved = rv.combine(jax.tree.map(lambda leaf: leaf + 1.0, learn), fixed)
    assert bool((moved["hidden"].position == 1.0).all())
    assert "2 dimensions" in net.summary()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("tau", r"nothing is called 'tau'; this network has the fields bias, delay, refractory, tau_mem, tau_syn, .*weight, "
         r"everywhere or of input, hidden, output, input->hidden, .* alone, as in 'hidden.refractory'|'hidden.tau_mem'"),
        ("hidden.weight", "nothing is called 'hidden.weight'"),
        ("hidden", "nothing is called 'hidden'"),
        ("input.tau_mem", "nothing is called 'input.tau_mem'"),
        ("hidden->output.delay", "'hidden->output.delay' never learns, it is a FixedDelay; make it a SynapticDelay"),
        ("hidden->output.delay.value", "nothing is called 'hidden->output.delay.value'"),
    ],
)  # fmt: skip
def test_paths_that_lead_nowhere(path: str, message: str):
    with pytest.raises(ValueError, match=f"partition: {message}"):
        rv.partition(NET, "weight", path)


def test_indices_of_pairs_never_learn():
    net = rv.feedforward([4, 3], neuron=rv.LIF(), pattern=rv.patterns.density(0.5), key=KEY)
    assert chosen(net, "weight") == {"input->output.weight"}
    with pytest.raises(ValueError, match="nothing is called 'pattern'"):
        rv.partition(net, "pattern")


def test_the_closest_path_labels_an_array():
    found = labels(NET, ["weight", "hidden->hidden.weight", "hidden->hidden.delay.raw", "delay", "hidden.tau_mem"])
    assert [link.weight for link in found.connections] == ["weight", "hidden->hidden.weight", "weight"]
    assert [link.delay.raw for link in found.connections[:2]] == ["delay", "hidden->hidden.delay.raw"]
    assert found["hidden"].neuron.tau_mem == "hidden.tau_mem"
    assert found["output"].neuron.tau_mem is None


def test_populations_keep_their_order_through_jax():
    net = jax.jit(lambda net: jax.tree.map(lambda leaf: leaf, net))(NET)
    assert list(net.populations) == ["input", "hidden", "output"]
    assert list(net.neurons) == ["hidden", "output"]
    assert net.inputs == ("input",)
    assert net["hidden->hidden"].name == "hidden->hidden"
    with pytest.raises(KeyError, match="nothing is called 'nowhere'; this network has 'input', 'hidden'"):
        net["nowhere"]


def test_builders_take_one_neuron_or_one_per_layer():
    neurons = [rv.LIF(10.0), rv.LIF(20.0), rv.LI(30.0)]
    net = rv.recurrent([4, 5, 6, 2], neuron=neurons, delay=rv.synaptic(1.0, 5.0), key=KEY)
    assert [float(neuron.tau_mem) for neuron in net.neurons.values()] == [10.0, 20.0, 30.0]
    wanted = ["input->hidden1", "hidden1->hidden1", "hidden1->hidden2", "hidden2->hidden2", "hidden2->output"]
    assert [link.name for link in net.connections] == wanted
    one = rv.recurrent([4, 5, 6, 2], neuron=rv.LIF(10.0), delay=[rv.synaptic(1.0, 5.0 + n) for n in range(5)], key=KEY)
    assert [link.delay.high for link in one.connections] == [5.0, 6.0, 7.0, 8.0, 9.0]
    assert isinstance(one["output"].neuron, rv.LI)
    with pytest.raises(
        ValueError,
        match=r"recurrent: `neuron` must be one such as ranvier.LIF\(\), for all, or a list of 3, one for each layer after",
    ):
        rv.recurrent([4, 5, 6, 2], neuron=neurons[:2], delay=rv.fixed(1.0), key=KEY)
    with pytest.raises(ValueError, match="the output included; leave out `readout`"):
        rv.feedforward([4, 5, 2], neuron=[rv.LIF(), rv.LIF()], readout=rv.LI(), key=KEY)


def test_a_fixed_delay_has_its_bounds_inside_jit_too():
    """Bounds are read before JAX makes tracers of constants; a traced delay takes `low`."""

    @jax.jit
    def build(delay: jax.Array) -> tuple[float, ...]:
        known, unknown, bounded = rv.FixedDelay(0.5), rv.FixedDelay(delay), rv.FixedDelay(delay, low=0.25, high=2.0)
        found.append((known.low, known.high, unknown.low, unknown.high, bounded.low, bounded.high))
        net = rv.recurrent([1, 1, 1], neuron=rv.LIF(), delay=rv.fixed(0.5), key=jax.random.key(0))
        assert [link.delay.low for link in net.connections] == [0.5] * 3
        return delay

    found: list[tuple[float, ...]] = []
    build(jnp.asarray(1.0))
    assert found == [(0.5, 0.5, 0.0, float("inf"), 0.25, 2.0)]


def test_two_neurons_on_a_cycle_of_fixed_delays_built_inside_jit():
    neuron = rv.LIF(10.0, 5.0, refractory=0.3)

    def second(time: jax.Array) -> jax.Array:
        links = [
            rv.Connection("i", "s", jnp.array([[10.0]])),
            rv.Connection("s", "s", jnp.array([[3.0]]), rv.FixedDelay(0.5)),
        ]
        net = rv.Network({"i": rv.Population(1), "s": rv.Population(1, neuron)}, links)
        spikes = rv.Spikes(time, jnp.zeros(2, jnp.int32))
        return rv.simulate(net, spikes, rv.EventDriven(), t_end=10.0).spikes["s"].time[1]

    time = jnp.array([0.0, 0.4])
    assert float(second(time)) == pytest.approx(1.6250322, abs=1e-7)
    assert float(jax.jit(second)(time)) == float(second(time))
    assert float(jax.vmap(second)(time[None])[0]) == float(second(time))
