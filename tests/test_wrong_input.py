"""Wrong input: one clear sentence each, which names the argument and the values."""

import math
import re
import subprocess
import sys
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier.simulation import STATUS
from ranvier.simulation.validity import spike_problems

NET = build.network(
    {"input": 2},
    {"hidden": rv.LIF(10.0, 5.0), "output": rv.LIF(10.0, 5.0)},
    {"hidden": 3, "output": 2},
    [
        rv.Connection("input", "hidden", jnp.full((2, 3), 2.0),
                      rv.SynapticDelay(jnp.full((2, 3), 1.0), 0.5, 4.0, rv.delays.Clip())),
        rv.Connection("hidden", "output", jnp.full((3, 2), 2.0), rv.FixedDelay(1.5)),
    ],
)  # fmt: skip
TRAIN = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))


def run(network: rv.Network = NET, spikes: object = TRAIN, t_end: float = 20.0, **options: object) -> rv.Solution:
    """Simulate, by default something valid."""
    return rv.simulate(network, spikes, options.pop("simulator", rv.EventDriven()), t_end=t_end, **options)


def train(time: list, unit: list) -> rv.Spikes:
    """A train, valid or not."""
    return rv.Spikes(jnp.asarray(time, float), jnp.asarray(unit, jnp.int32))


def test_what_the_other_tests_spoil_is_valid():
    assert int(run().stats.status) == 0


@pytest.mark.parametrize(
    ("spikes", "message"),
    [
        (train([-0.5, 1.0], [0, 1]), r"`spikes` of 'input': times must be >= 0 ms; got time -0.5 ms, unit 0 at \(0,\)"),
        (train([1.0, math.nan], [0, 1]), r"`spikes` of 'input': time is NaN.*at \(1,\)"),
        (train([2.0, 1.0], [0, 1]), r"must be sorted \(Spikes.from_ragged sorts\); got time 1.0 ms, unit 1 at \(1,\)"),
        (train([math.inf, 1.0], [-1, 1]), r"must be sorted.*got time 1.0 ms"),
        (train([1.0, 20.5], [0, 1]), r"must not be after t_end = 20.0 ms.*got time 20.5 ms.*at \(1,\)"),
        (train([-math.inf, 1.0], [0, 1]), r"times must be >= 0 ms; got time -inf ms"),
        (train([1.0, 2.0], [0, 2]), r"units must be in 0\.\.1; got time 2.0 ms, unit 2 at \(1,\)"),
        (train([1.0, 2.0], [-1, 0]), r"units must be in 0\.\.1; got time 1.0 ms, unit -1 at \(0,\)"),
        (train([[1.0, 2.0], [3.0, 2.5]], [[0, 1], [0, 1]]), r"must be sorted.*got time 2.5 ms, unit 1 at \(1, 1\)"),
        (rv.Spikes(jnp.zeros((0, 3)), jnp.zeros((0, 3), jnp.int32)), r"`spikes` hold an empty batch"),
        (rv.Spikes(jnp.zeros((1, 2, 3)), jnp.zeros((1, 2, 3), jnp.int32)), r"\(n,\) or \(batch, n\).*\(1, 2\)"),
        ({"inputs": TRAIN}, r"must name the network's input populations \['input'\]; got \['inputs'\]"),
        ({}, r"must name the network's input populations \['input'\]; got \[\]"),
    ],
)  # fmt: skip
def test_spikes(spikes: object, message: str):
    with pytest.raises(ValueError, match=message):
        run(spikes=spikes)


def test_spikes_of_several_inputs():
    links = [rv.Connection(name, "output", jnp.ones((1, 1))) for name in ("left", "right")]
    network = build.network({"left": 1, "right": 1}, {"output": rv.LIF()}, {"output": 1}, links)
    with pytest.raises(ValueError, match=r"\['left', 'right'\]; got one Spikes"):
        run(network, TRAIN)
    wide = rv.Spikes(jnp.ones((3, 1)), jnp.zeros((3, 1), jnp.int32))
    with pytest.raises(ValueError, match=r"one shape.*'left': \(3,\), 'right': \(\)"):
        run(network, {"left": wide, "right": train([1.0], [0])})


@pytest.mark.parametrize("t_end", [0.0, -1.0, math.inf, math.nan])
def test_t_end(t_end: float):
    with pytest.raises(ValueError, match=f"`t_end` must be a finite time in ms above 0; got {t_end}"):
        run(t_end=t_end)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"outputs": [1.0]}, r"`record` names 'outputs', no population; this network has \['hidden', 'output'\]"),
        ({"input": [1.0]}, r"`record` names 'input', an input, which has no potential"),
        ({"output": []}, r"at least one time; got shape \(0,\)"),
        ({"output": 1.0}, r"got shape \(\)"),
        ({"output": [[1.0], [2.0], [3.0]]}, r"a batch of 1, and at least one time; got shape \(3, 1\)"),
        ({"output": [1.0, 20.5]}, r"ascending and in \[0, 20.0\] ms; got \[ *1. +20.5\]"),
        ({"output": [-1.0]}, r"in \[0, 20.0\] ms; got \[-1.\]"),
        ({"output": [2.0, 1.0]}, r"ascending"),
        ({"output": [math.nan]}, r"got \[nan\]"),
    ],
)
def test_record(record: dict, message: str):
    with pytest.raises(ValueError, match=message):
        run(record={name: jnp.asarray(times, float) for name, times in record.items()})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tau_mem": 0.0}, r"LIF: `tau_mem` must be a time above 0 and below 1e\+09 ms; got 0.0"),
        ({"tau_syn": -5.0}, "LIF: `tau_syn` must be a time above 0.*got -5.0"),
        ({"tau_mem": math.inf}, "LIF: `tau_mem` must be a time above 0 and below.*got inf"),
        ({"tau_mem": math.nan}, "LIF: `tau_mem` must be a time above 0.*got nan"),
        ({"refractory": -1.0}, "LIF: `refractory` must be >= 0 ms.*got -1.0"),
        ({"refractory": math.nan}, "LIF: `refractory` must be >= 0 ms.*got nan"),
        ({"v_reset": 1.0}, "`v_reset` must be below `v_threshold`; got v_reset = 1.0 and v_threshold = 1.0"),
        ({"v_reset": 2.0, "v_threshold": 1.5}, "v_reset = 2.0 and v_threshold = 1.5"),
        ({"v_leak": 1.5}, "`v_leak` must be below `v_threshold`; got v_leak = 1.5"),
        ({"v_threshold": math.nan}, "`v_threshold` must be finite; got nan"),
        ({"v_reset": -math.inf}, "`v_reset` must be finite; got -inf"),
        ({"tau_mem": jnp.ones((2, 2))}, r"scalar or one value per neuron.*got shape \(2, 2\)"),
        (
            {"v_reset": jnp.array([0.0, 1.2])},
            r"`v_reset` must be below `v_threshold`; got v_reset = 1.2 and v_threshold = 1.0 at 1",
        ),
    ],
)
def test_neurons(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        rv.LIF(**arguments)


def test_leaky_integrators():
    with pytest.raises(ValueError, match=r"LI: `tau_syn` must be a time above 0 and below 1e\+09 ms; got 0.0"):
        rv.LI(10.0, 0.0)
    with pytest.raises(ValueError, match="LI: `v_leak` must be finite"):
        rv.LI(v_leak=math.nan)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.SynapticDelay(jnp.full((2, 3), 0.2), 0.5, 2.0), "between 0.5 and 2 ms.*got values from 0.2 to 0.2"),
        (lambda: rv.SynapticDelay(jnp.full((2, 3), -1.0)), "SynapticDelay.*got values from -1.0"),
        (lambda: rv.SynapticDelay(jnp.full((2, 3), math.nan)), "at least 0 ms.*nan"),
        (lambda: rv.SynapticDelay(jnp.full((2, 3), 9.0), 0.0, 5.0), "between 0 and 5 ms.*got values from 9.0"),
        (lambda: rv.SynapticDelay(1.0), r"must have shape \(pre, post\), or \(synapses,\) with ranvier.Pairs; got \(\)"),
        (lambda: rv.AxonalDelay(jnp.ones((2, 3))), r"AxonalDelay: `delay` must have shape \(pre, 1\); got \(2, 3\)"),
        (lambda: rv.DendriticDelay(jnp.ones((2, 3))), r"must have shape \(1, post\); got \(2, 3\)"),
        (lambda: rv.FixedDelay(-1.0), "FixedDelay: `delay` must be at least 0 ms and below 1e.09 ms"),
        (lambda: rv.FixedDelay(math.inf), "FixedDelay: `delay` must be at least 0 ms.*got values from inf"),
        (lambda: rv.synaptic(2.0, 1.0), "0 <= low < high.*low = 2.0, high = 1.0"),
        (lambda: rv.axonal(-1.0, 1.0), "0 <= low < high.*low = -1.0"),
        (lambda: rv.dendritic(0.0), "without an upper bound `high` give the initial delays"),
        (lambda: rv.SynapticDelay(jnp.ones((2, 3)), math.nan, 2.0), "0 <= low < high.*low = nan"),
    ],
)  # fmt: skip
def test_delays(make: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.Connection("a", "b", jnp.ones(3)), r"Connection a->b: `weight` must have.*AllToAll, shape \(pre, post\); got \(3,\)"),
        (lambda: rv.Connection("a", "b", jnp.ones((2, 3), jnp.int32)), "Connection a->b: `weight`.*got int32"),
        (lambda: rv.Connection("a", "b", jnp.ones((2, 3)), pattern=rv.Pairs([0, 1], [0, 1])),
         r"one value per synapse of its pattern, Pairs, shape \(2,\); got \(2, 3\)"),
        (lambda: network(delay=rv.FixedDelay(jnp.ones((3, 2)))),
         r"input->output needs FixedDelay \(one value per synapse\) of shape \(2, 3\); got \(3, 2\)"),
        (lambda: network(delay=rv.AxonalDelay(jnp.ones((3, 1)))),
         r"needs AxonalDelay \(one value per sender\) of shape \(2, 1\); got \(3, 1\)"),
        (lambda: network(weight=jnp.ones(2), pattern=rv.Pairs([0, 2], [0, 1])),
         r"`pre` of the pairs of input->output must be in 0\.\.1; got 2.*at 1"),
        (lambda: network(weight=jnp.ones(2), pattern=rv.Pairs([0, 1], [0, 3])), r"`post` of the pairs.*in 0\.\.2; got 3"),
        (lambda: network(post="nowhere"), r"connection input->nowhere must lead from one of the populations \['input', 'output'\]"),
        (lambda: network(pre="output", post="input"), "output->input must lead from one of.*to one that is not an input"),
        (lambda: network(weight=jnp.ones((3, 2))), r"input->output needs weights of shape \(2, 3\); got \(3, 2\)"),
        (lambda: network(size=0), "`size` must be a whole number of neurons, at least 1; got 0"),
        (lambda: network(model=rv.LIF(jnp.ones(2))),
         r"parameters of the LIF neurons must be scalars or of shape \(3,\).*got shape \(2,\)"),
        (lambda: network(model=rv.LI(), pre="output", weight=jnp.ones((3, 3))),
         "starts at 'output', whose neurons never spike"),
        (lambda: build.network({}, {"output": rv.LIF()}, {"output": 1}, []), "needs a population without a neuron, as input.*got {'output': 'neurons'}"),
        (lambda: rv.Network({"a": rv.Population(1), "b.c": rv.Population(1, rv.LIF())}, []), "without '.'.*got 'b.c'"),
        (lambda: rv.Network({"a": rv.Population(1), "b": rv.Population(1, rv.LIF())}, [rv.Connection("a", "b", [[1.0]])] * 2),
         "a name of its own; 'a->b' is used twice.*name="),
        (lambda: rv.Population(2, position=jnp.ones((3, 2))), r"`position` must have shape \(2, dimensions\); got \(3, 2\)"),
        (lambda: rv.Population(1, position=[[math.nan]]), r"`position` must be finite; got nan at \(0, 0\)"),
        (lambda: rv.Pairs([0, 1], [0]), "`pre` and `post` must be of one length; got 2 and 1"),
        (lambda: rv.Pairs([0.0], [0]), "`pre` must hold integer neuron indices"),
        (lambda: rv.Pairs([0, -1], [0, 0]), "`pre` must be from 0 and below 2.31; got -1 at 1"),
        (lambda: rv.Pairs([0, 1, 0], [2, 0, 2]), r"each pair \(pre, post\) may stand once; got \(0, 2\) 2 times"),
        (lambda: rv.Pairs.from_mask([[0, 0]]), "not all zero; got shape"),
        (lambda: rv.patterns.density(1.5), "`share` must be above 0 and at most 1; got 1.5"),
        (lambda: rv.patterns.density(0.01)(2, 3, key=jax.random.key(0)), "0.01 of 6 synapses is less than one"),
        (lambda: rv.patterns.in_degree(4)(3, 3, key=jax.random.key(0)), "`senders` = 4, but there are only 3"),
        (lambda: build.network({"a": 1}, {"b": rv.LIF()}, {"b": 1}, []), "needs at least one connection; got none"),
        (lambda: rv.feedforward([3], neuron=rv.LIF(), key=jax.random.key(0)), r"an output layer at least; got \[3\]"),
        (lambda: rv.recurrent([3, 4], neuron=rv.LIF(), delay=rv.fixed(1.0), key=jax.random.key(0)), r"got \[3, 4\]"),
        (lambda: rv.feedforward([3, 4], neuron=rv.LIF(), weight=[rv.initializers.constant(1.0)] * 2, key=jax.random.key(0)),
         r"`weight` must be one such as .*, for all, or a list of 1, one for each connection; got 2 of them"),
    ],
)  # fmt: skip
def test_networks(make: Callable[[], object], message: str):
    with pytest.raises(ValueError, match=message):
        make()


WRONG_TYPES = """
import jax.numpy as jnp, ranvier as rv

def told(make):
    try:
        make()
    except ValueError as error:
        print(error)

told(lambda: rv.Connection("a", "b", jnp.ones((2, 3)), rv.synaptic(0.0, 1.0)))
told(lambda: rv.Network({"a": 1, "b": rv.Population(1, rv.LIF())}, []))
told(lambda: rv.Population(2, rv.LIF))
told(lambda: rv.save(rv.LIF(), "net.npz"))
"""


def test_wrong_types_as_a_user_meets_them():
    """Without the checks of shapes and types that the tests add."""
    lines = subprocess.run([sys.executable, "-c", WRONG_TYPES], check=True, capture_output=True, text=True).stdout
    delay, population, neuron, saved = lines.splitlines()
    assert delay.startswith("Connection a->b: `delay` must be a delay such as ranvier.FixedDelay(1.0); got <function")
    assert population == "Network: `populations` must map names to ranvier.Population(size, neuron); got 1 for 'a'."
    assert neuron.startswith("Population: `neuron` must be a neuron such as ranvier.LIF(), or None; got <class")
    assert neuron.endswith("Call the class: LIF() instead of LIF.")
    assert saved == "save: expected save(path, network) with a ranvier.Network; got str as `network`."


def network(
    pre: str = "input",
    post: str = "output",
    weight: jnp.ndarray | None = None,
    size: int = 3,
    model: rv.LIF | rv.LI | None = None,
    delay: object = None,
    pattern: object = None,
) -> rv.Network:
    """Two populations and a connection, of which one thing may be wrong."""
    link = rv.Connection(pre, post, jnp.ones((2, 3)) if weight is None else weight, delay, pattern)
    return build.network({"input": 2}, {"output": model or rv.LIF()}, {"output": size}, [link])


def test_a_cycle_without_a_smallest_delay_is_named():
    def link(pre: str, post: str, low: float) -> rv.Connection:
        return rv.Connection(pre, post, jnp.ones((2, 2)), rv.SynapticDelay(jnp.full((2, 2), 3.0), low, 9.0))

    links = [link("input", "a", 0.0), link("a", "b", 0.0), link("b", "c", 2.0), link("c", "a", 0.01)]
    models = {name: rv.LIF() for name in "abc"}
    wide = build.network({"input": 2}, models, dict.fromkeys("abc", 2), links)
    run(build.network({"input": 2}, models, dict.fromkeys("abc", 2), links[:3]))
    run(wide)  # 2 ms between b and c is enough
    links[2] = link("b", "c", 0.02)
    closed = build.network({"input": 2}, models, dict.fromkeys("abc", 2), links)
    with pytest.raises(
        ValueError, match=r"a->b.*b->c.*form a cycle.*0.02 ms.*min_delay = 0.05 ms.*rv.synaptic\(low=0.5"
    ):
        run(closed)
    run(closed, simulator=rv.EventDriven(min_delay=0.02), t_end=3.0)
    alone = build.network({"input": 2}, {"a": rv.LIF()}, {"a": 2}, [links[0], link("a", "a", 0.0)])
    with pytest.raises(ValueError, match=r"a->a form a cycle whose delays may be as small as 0.0 ms"):
        run(alone)


@pytest.mark.parametrize("argument", ["max_spikes", "min_delay", "window", "max_inverse_slope", "threads"])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_event_driven(argument: str, value: float):
    if argument in ("max_spikes", "threads") and math.isnan(value):
        return
    value = int(value) if argument in ("max_spikes", "threads") else float(value)
    with pytest.raises(ValueError, match=f"EventDriven: `{argument}` must be above 0; got {value}"):
        rv.EventDriven(**{argument: value})


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan])
def test_first_spike(value: float):
    with pytest.raises(ValueError, match=f"FirstSpike: `max_inverse_slope` must be above 0; got {value}"):
        rv.FirstSpike(max_inverse_slope=value)


def test_partition():
    with pytest.raises(
        ValueError,
        match=r"partition: nothing is called 'tau'; this network has the fields bias, delay, .*tau_mem.*weight",
    ):
        rv.partition(NET, "weight", "tau", "delays")


HIDDEN = {field: (lambda tree, field=field: getattr(tree.neurons["hidden"], field)) for field in vars(rv.LIF())}
SPOILED = {
    "weight": (4, lambda tree: tree.connections[1].weight, jnp.full((3, 2), 1.0).at[2, 1].set(jnp.nan),
               r"weights of hidden->output must be finite.*got nan at \(2, 1\)"),
    "infinite weight": (4, lambda tree: tree.connections[0].weight, jnp.full((2, 3), 1.0).at[0, 2].set(jnp.inf),
                        r"weights of input->hidden must be finite.*got inf at \(0, 2\)"),
    "delay": (5, lambda tree: tree.connections[0].delay.raw, jnp.full((2, 3), 1.0).at[1, 0].set(jnp.nan),
              r"delays of input->hidden must be in \[0.5, 4\] ms.*got nan at \(1, 0\)"),
    "short delay": (5, lambda tree: tree.connections[0].delay.raw, jnp.full((2, 3), 1.0).at[1, 2].set(0.25),
                    r"delays of input->hidden must be in \[0.5, 4\] ms.*ranvier.project.*got 0.25 at \(1, 2\)"),
    "long delay": (5, lambda tree: tree.connections[0].delay.raw, jnp.full((2, 3), 4.5), r"got 4.5 at \(0, 0\)"),
    "reset": (2, HIDDEN["v_reset"], jnp.array(1.0), "population 'hidden': `v_reset` must be below `v_threshold`; got v_reset = 1.0 and v_threshold = 1.0"),
    "leak": (3, HIDDEN["v_leak"], jnp.array(1.5), "population 'hidden': `v_leak` must be below `v_threshold`; got v_leak = 1.5 and v_threshold = 1.0"),
    "tau_mem": (6, HIDDEN["tau_mem"], jnp.array(-1.0), "population 'hidden': `tau_mem` must be a time above 0.*got -1.0"),
    "tau_syn": (6, HIDDEN["tau_syn"], jnp.array(jnp.nan), "population 'hidden': `tau_syn` must be.*got nan"),
    "refractory": (6, HIDDEN["refractory"], jnp.array(-2.0), "population 'hidden': `refractory` must be >= 0 ms.*got -2.0"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(SPOILED))
def test_numbers_that_training_has_spoiled(name: str):
    """Outside `jit` with the values, under it with the fixed sentence; `throw=False` gives the status."""
    status, where, value, message = SPOILED[name]
    spoiled = eqx.tree_at(where, NET, value)
    with pytest.raises(ValueError, match=message):
        run(spoiled)
    with pytest.raises(Exception, match=re.escape(STATUS[status].split(":")[0])):
        jax.block_until_ready(jax.jit(lambda network: run(network).stats.status)(spoiled))
    stats = run(spoiled, throw=False).stats
    assert int(stats.status) == status
    assert int(jax.jit(lambda network: run(network, throw=False).stats.status)(spoiled)) == status


@pytest.mark.parametrize(("status", "name"), [(4, "weight"), (2, "reset")])
def test_a_refused_simulation_has_no_spikes_and_no_gradient(status: int, name: str):
    _, where, value, _ = SPOILED[name]
    learn, fixed = rv.partition(eqx.tree_at(where, NET, value), "weight")

    def first(learn: rv.Network) -> tuple[jnp.ndarray, rv.Solution]:
        solution = run(rv.combine(learn, fixed), throw=False)
        return solution.spikes["output"].time[0], solution

    gradient, solution = jax.grad(first, has_aux=True)(learn)
    assert int(solution.stats.status) == status
    assert np.isinf(solution.spikes["output"].time).all()
    assert all(np.isnan(np.asarray(leaf)).all() for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize(
    ("spikes", "status"),
    [(train([-0.5, 1.0], [0, 1]), 7), (train([1.0, math.nan], [0, 1]), 7), (train([2.0, 1.0], [0, 1]), 7),
     (train([1.0, 20.5], [0, 1]), 7), (train([1.0, 2.0], [0, 2]), 7), (train([1.0, 2.0], [-1, 0]), 7)],
)  # fmt: skip
def test_spikes_under_jit(spikes: rv.Spikes, status: int):
    with pytest.raises(Exception, match="input spikes are not valid"):
        jax.block_until_ready(jax.jit(lambda spikes: run(spikes=spikes).stats.status)(spikes))
    assert int(jax.jit(lambda spikes: run(spikes=spikes, throw=False).stats.status)(spikes)) == status


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("times", "units", "valid"),
    [([0, 1, np.inf], [0, 2, -1], True), ([1, 1, 10], [2, 0, 1], True), ([np.inf] * 3, [-1] * 3, True), ([], [], True),
     ([2, 1, np.inf], [0, 1, -1], False), ([np.inf, 1, 2], [0, 0, 0], False), ([-1, 1, 2], [0, 1, 1], False),
     ([np.nan, 1, 2], [0, 0, 0], False), ([0, 1, np.nan], [0, 0, 0], False), ([0, 1, 10.5], [0, 0, 0], False),
     ([0, 1, 2], [0, 3, 0], False), ([0, 1, 2], [0, -1, 0], False)],
)  # fmt: skip
def test_input_spikes_are_checked(times: list[float], units: list[int], valid: bool, dtype: type):
    """Of three neurons, up to 10 ms; a valid sample before it makes no difference."""
    row, unit = np.array([times], dtype).reshape(1, -1), np.array([units], np.int32).reshape(1, -1)
    rows, all_units = np.concatenate([np.zeros_like(row), row]), np.concatenate([np.zeros_like(unit), unit])
    for time, who in ((row, unit), (rows, all_units)):
        for xp in (np, jnp):
            problems = spike_problems(xp.asarray(time), xp.asarray(who), 3, 10.0, xp)
            assert any(bool(mask.any()) for mask in problems.values()) != valid


def test_record_times_under_jit():
    ask = lambda at, throw: run(record={"output": at}, throw=throw).stats.status
    for at in (jnp.array([25.0]), jnp.array([-1.0]), jnp.array([math.nan])):
        assert int(jax.jit(lambda at: ask(at, False))(at)) == 8
    with pytest.raises(Exception, match="record time"):
        jax.block_until_ready(jax.jit(lambda at: ask(at, True))(jnp.array([25.0])))
    assert int(jax.jit(lambda at: ask(at, False))(jnp.array([2.0, 1.0]))) == 8


def test_potentials_that_overflow():
    huge = eqx.tree_at(lambda tree: tree.connections[0].weight, NET, jnp.full((2, 3), -1e308))
    with pytest.raises(RuntimeError, match="a potential or current is not finite"):
        run(huge, train([19.0] * 8, [0, 1] * 4))
