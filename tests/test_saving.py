"""Saving and loading: the same network in another process, or one clear sentence."""

import functools
import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

KEY = jax.random.key(0)
BOUNDS = (rv.delays.Sigmoid(), rv.delays.Clip())
DELAYS = (
    lambda bound: rv.synaptic(1.0, 9.0, bound=bound),
    lambda bound: rv.axonal(1.0, jnp.inf, init=3.0, bound=bound),
    lambda bound: rv.dendritic(0.5, 4.0, bound=bound),
    lambda bound: rv.fixed(1.25),
)
NEURONS = (
    rv.LIF(20.0, 5.0, refractory=jnp.inf),
    rv.LIF(jnp.asarray([10.0, 11.0, 12.0, 13.0, 14.0]), 5.0, v_leak=0.2),
    rv.AdaptiveLIF(),
    rv.QIF(),
    rv.Izhikevich(synapse=rv.synapses.AlphaCurrent(3.0)),
    rv.AdEx(synapse=rv.synapses.ConductanceExponential(5.0, 0.0)),
    rv.HodgkinHuxley(synapse=rv.synapses.DoubleExponentialCurrent(1.0, 4.0)),
)
PATTERNS = (None, rv.patterns.density(0.5), rv.patterns.in_degree(2))


@functools.cache
def networks() -> list[rv.Network]:
    """Networks for three of five ways to put the kinds together, any two kinds among them."""
    every = [ways for place, ways in enumerate(itertools.product(DELAYS, BOUNDS, NEURONS, PATTERNS)) if place % 5 < 3]
    return [
        rv.recurrent([4, 5, 2], neuron=neuron, delay=delay(bound), pattern=pattern, readout=rv.LI(), weight=rv.initializers.constant(0.3),
                     key=jax.random.fold_in(KEY, place))
        for place, (delay, bound, neuron, pattern) in enumerate(every)
    ]  # fmt: skip


def test_every_kind_of_network_comes_back(tmp_path: Path):
    """All leaves to the last bit, all static parts: a hundred networks."""
    nets = networks()
    assert len(nets) >= 100
    for place, net in enumerate(nets):
        path = tmp_path / f"{place}.npz"
        rv.save(str(path) if place % 2 else path, net)
        back = rv.load(str(path) if place % 3 else path)
        assert eqx.tree_equal(net, back)
        assert [one.dtype for one in jax.tree.leaves(net)] == [one.dtype for one in jax.tree.leaves(back)]
        assert list(back.populations) == ["input", "hidden", "output"]
        assert jax.tree.structure(net) == jax.tree.structure(back)


def test_a_simulation_of_what_came_back_is_the_same(tmp_path: Path):
    spikes = rv.Spikes(jnp.linspace(0.5, 30.0, 20), jnp.arange(20, dtype=jnp.int32) % 4)
    nets = [net for net in networks() if isinstance(net["hidden"].neuron, rv.LIF)][:6]
    assert len(nets) == 6
    for place, net in enumerate(nets):
        strong = jax.tree.map(lambda leaf: leaf, net)
        rv.save(tmp_path / "net.npz", strong)
        one, other = (rv.simulate(each, spikes, rv.EventDriven(), t_end=40.0, record={"output": [20.0]})
                      for each in (strong, rv.load(tmp_path / "net.npz")))  # fmt: skip
        assert eqx.tree_equal(one, other), place


def test_positions_names_and_float32_come_back(tmp_path: Path):
    populations = {
        "zulu": rv.Population(2, position=jnp.ones((2, 3), jnp.float32)),
        "alpha": rv.Population(3, rv.LIF()),
    }
    links = [rv.Connection("zulu", "alpha", jnp.ones((2, 3), jnp.float32), name=name) for name in ("fast", "slow")]
    rv.save(tmp_path / "net", rv.Network(populations, links))
    assert [path.name for path in tmp_path.iterdir()] == ["net"]
    back = rv.load(tmp_path / "net")
    assert list(back.populations) == ["zulu", "alpha"]
    assert [link.name for link in back.connections] == ["fast", "slow"]
    assert back.dtype == jnp.float32
    assert np.array_equal(back["zulu"].position, np.ones((2, 3)))


LOAD = """
import sys, ranvier as rv
print(rv.load(sys.argv[1]).summary())
"""


def test_another_process_reads_it(tmp_path: Path):
    net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), dtype=jnp.float32, key=KEY)
    narrow = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net)
    rv.save(tmp_path / "net.npz", narrow)
    command = [sys.executable, "-c", LOAD, tmp_path / "net.npz"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == net.summary()
    rv.save(tmp_path / "net.npz", net)  # its time constants are in float64
    failed = subprocess.run(command, check=False, capture_output=True, text=True)
    assert 'holds float64 numbers; call jax.config.update("jax_enable_x64", True) first' in failed.stderr


def own() -> rv.Network:
    """A network with functions of the user's own."""
    neuron = rv.ODENeuron(
        lambda t, state, current, parameters: [(current - state[0]) / parameters["tau"]],
        condition=lambda state, parameters: state[0] - 1.0,
        reset=lambda state, parameters: [0.0],
        initial=[0.0],
        parameters={"tau": 10.0},
    )
    return rv.feedforward([2, 3], neuron=neuron, delay=rv.synaptic(0.0, 2.0), key=KEY)


def test_functions_come_from_a_network_that_has_them(tmp_path: Path):
    net = own()
    rv.save(tmp_path / "net.npz", net)
    with pytest.raises(ValueError, match=r"needs the function .*<lambda>.*load\(path, like=network\)"):
        rv.load(tmp_path / "net.npz")
    moved = jax.tree.map(lambda leaf: leaf + 1.0, net)
    assert eqx.tree_equal(rv.load(tmp_path / "net.npz", like=moved), net)


def test_another_structure_is_refused(tmp_path: Path):
    net = rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 20.0), key=KEY)
    rv.save(tmp_path / "net.npz", net)
    for other, words in {
        "bounds": (rv.synaptic(0.0, 6.0), r"connections.*delay.high is 20.0 there, 6.0 in `like`"),
        "kind": (rv.axonal(0.0, 20.0), r'delay.kind is "SynapticDelay" there, "AxonalDelay" in `like`'),
    }.values():
        like = rv.feedforward([4, 3], neuron=rv.LIF(), delay=other, key=KEY)
        with pytest.raises(ValueError, match=words):
            rv.load(tmp_path / "net.npz", like=like)


def rewritten(path: Path, change: dict) -> Path:
    """The file with another header."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    facts = json.loads(str(arrays["header"])) | change
    with path.open("wb") as file:
        np.savez(file, **(arrays | {"header": np.asarray(json.dumps(facts))}))
    return path


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: rewritten(path, {"version": 99, "ranvier": "7.0"}), "written by ranvier 7.0 in version 99.*newer"),
        (lambda path: rewritten(path, {"format": "recording"}), "does not hold a network of ranvier"),
        (lambda path: rewritten(path, {"network": {"kind": "Mystery", "fields": {}}}), "Mystery, which is not known here"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: path.write_text("hello"), "is damaged"),
        (lambda path: np.savez(path, a=np.zeros(3)), "has no header"),
    ],
)  # fmt: skip
def test_files_that_are_no_networks(tmp_path: Path, spoil: object, message: str):
    path = tmp_path / "net.npz"
    rv.save(path, rv.feedforward([4, 3], neuron=rv.LIF(), key=KEY))
    spoil(path)
    with pytest.raises(ValueError, match=message):
        rv.load(path)


WEIGHT, TAU, RAW = "connections[0].weight", "members[1].neuron.tau_mem", "connections[0].delay.raw"


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (WEIGHT, lambda old: old * np.nan, "weights of input->output must be finite.*got nan"),
        (WEIGHT, lambda old: old.T, r"needs weights of shape \(4, 3\); got \(3, 4\)"),
        (WEIGHT, lambda old: old.astype(int), "weight of a Connection is int64, which it cannot be"),
        (WEIGHT, lambda old: old.astype(complex), "holds complex128, which is no kind of number here"),
        (WEIGHT, lambda old: old.astype(str), "holds <U32, which is no kind of number here"),
        (TAU, lambda old: -old, "'output': `tau_mem` must be a time above 0"),
        (TAU, lambda old: np.full(5, old), r"of the LIF neurons must be scalars or of shape \(3,\).*got shape \(5,\)"),
        (TAU, lambda old: old > 0, "tau_mem of a LIF is bool, which it cannot be"),
        (RAW, lambda old: old[:, :2], r"shape \(4, 3\); got \(4, 2\)"),
        (RAW, lambda old: old * np.nan, r"delays of input->output must be in \[0, 1\] ms.*got nan"),
    ],
)
def test_nonsense_with_valid_checksums_is_refused(tmp_path: Path, place: str, change: Callable, message: str):
    """By `load` where a type or a shape is wrong, by `simulate` where a number is."""
    path = tmp_path / "net.npz"
    rv.save(path, rv.feedforward([4, 3], neuron=rv.LIF(refractory=jnp.inf), delay=rv.synaptic(0.0, 1.0), key=KEY))
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    np.savez(path, **(arrays | {place: change(arrays[place])}))
    with pytest.raises(ValueError, match=message):
        rv.simulate(rv.load(path), rv.Spikes(np.ones(1), np.zeros(1, int)), rv.FirstSpike(), t_end=5.0)


@pytest.mark.parametrize("value", [None, True, "a", [], {}, 1e308])
def test_a_header_with_a_value_of_another_type_is_refused(tmp_path: Path, value: object):
    path = tmp_path / "net.npz"
    rv.save(path, rv.feedforward([4, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=KEY))
    with np.load(path) as file:
        network = json.loads(str(file["header"]))["network"]
    network["fields"]["connections"]["tuple"][0]["fields"]["delay"]["fields"]["bound"] = value
    rewritten(path, {"network": network})
    with pytest.raises(ValueError, match=r"bound of a SynapticDelay is|does not describe a network"):
        rv.load(path)


def test_what_a_damaged_file_says_is_told_in_few_letters(tmp_path: Path):
    path = tmp_path / "net.npz"
    rv.save(path, rv.feedforward([4, 3], neuron=rv.LIF(), key=KEY))
    for network in (
        {"kind": "M" * 5000, "fields": {}},
        {"kind": "Network", "fields": {"f" * 5000: 1}},
        {"array": "a" * 5000},
        {"k" * 5000: 1},
    ):
        rewritten(path, {"network": network})
        with pytest.raises(ValueError, match="load: ") as told:
            rv.load(path)
        assert len(str(told.value)) < 600


def test_no_file_and_no_folder(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        rv.load(tmp_path / "nothing.npz")
    with pytest.raises(FileNotFoundError):
        rv.save(tmp_path / "no" / "folder.npz", rv.feedforward([4, 3], neuron=rv.LIF(), key=KEY))


def test_a_traced_network_is_not_saved(tmp_path: Path):
    net = rv.feedforward([4, 3], neuron=rv.LIF(), key=KEY)
    with pytest.raises(ValueError, match="is traced.*outside of jit"):
        jax.jit(lambda net: rv.save(tmp_path / "net.npz", net))(net)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_refused_or_reads_the_same(tmp_path: Path):
    """A byte flipped anywhere, or the end missing: never another network, never another kind of error."""
    path = tmp_path / "net.npz"
    net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.synaptic(0.0, 5.0), key=jax.random.key(0))
    rv.save(path, net)
    good, rng, refused, same = path.read_bytes(), np.random.default_rng(0), 0, 0
    for turn in range(1000):
        at, bit = int(rng.integers(len(good))), int(rng.integers(8))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :] if turn % 20 else good[:at])
        try:
            found = rv.load(path)
        except ValueError as error:
            refused += str(path) in str(error)
        else:
            same += bool(eqx.tree_equal(found, net))
    assert refused + same == 1000
    assert refused > 500
