"""Networks as scripts for Brian2 and PyNN: the same spikes, and clear errors."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.interop.scripts import read_spikes, write_brian2, write_pynn

HERE = Path(__file__).parent
FROZEN = {dt: HERE / "data" / f"brian_network_{dt:g}.npz" for dt in (0.04, 0.01)}
"""What Brian2 found with these steps (ms)."""
T_END = 40.0


EQUAL = rv.LIF(10.0, 10.0)


def example(output: rv.LIF = EQUAL) -> tuple[rv.Network, rv.Spikes]:
    """Recurrent, every kind of parameter per neuron, synaptic delays of whole steps, three samples."""
    size, rng = 6, np.random.default_rng(4)
    hidden = rv.LIF(np.linspace(8.0, 12.0, size), 4.0, refractory=1.0, v_reset=-0.1, v_leak=np.linspace(0.0, 0.1, size))
    delay = lambda pre, post: rv.FixedDelay(np.round(rng.uniform(1.0, 5.0, (pre, post)), 1))
    weight = lambda pre, post, mean: rng.normal(mean, 1.0, (pre, post))
    net = rv.Network(
        {
            "input": rv.Population(4),
            "hidden": rv.Population(size, hidden),
            "output": rv.Population(2, output),
        },
        [
            rv.Connection("input", "hidden", weight(4, size, 2.5), delay(4, size)),
            rv.Connection("hidden", "hidden", weight(size, size, 0.2) / 2, delay(size, size)),
            rv.Connection("hidden", "output", weight(size, 2, 0.8), delay(size, 2)),
        ],
    )
    time = np.sort(np.round(rng.uniform(0.5, 10.0, (3, 4)), 2), axis=1)
    return net, rv.Spikes(time, np.tile(np.arange(4), (3, 1)), 4)


def trains(spikes: rv.Spikes) -> list[list[float]]:
    """Times of each unit of each sample."""
    time, unit = np.asarray(spikes.time), np.asarray(spikes.unit)
    return [list(row[one == unit_]) for row, one in zip(time, unit, strict=True) for unit_ in range(spikes.size)]


@pytest.fixture(scope="module")
def ours() -> dict[str, rv.Spikes]:
    net, spikes = example()
    return rv.simulate(net, spikes, rv.EventDriven(), t_end=T_END).spikes


def errors(found: dict[str, rv.Spikes], ours: dict[str, rv.Spikes]) -> list[np.ndarray]:
    """Differences (ms) of the spike times of each neuron, of which there must be as many."""
    differences = []
    for name in ("hidden", "output"):
        theirs, wanted = trains(found[name]), trains(ours[name])
        wanted = [[time for time in train if np.isfinite(time) and time < T_END - 1.0] for train in wanted]
        theirs = [[time for time in train if np.isfinite(time)] for train in theirs]
        assert sum(map(len, wanted)) > 20
        for their, our in zip(theirs, wanted, strict=True):
            assert len(their) >= len(our)
            differences.append(np.abs(np.array(their[: len(our)]) - np.array(our)))
    return differences


def test_the_frozen_spikes_of_brian_are_ours(ours: dict[str, rv.Spikes]):
    """Nothing is rounded to its step, so errors fall faster than the step."""
    worst = [max(map(np.max, errors(read_spikes(path), ours))) for path in FROZEN.values()]
    assert worst[0] < 2e-5
    assert worst[1] < 5e-7


@pytest.mark.skipif(not importlib.util.find_spec("brian2"), reason="Brian2 needs Python 3.12 or newer")
@pytest.mark.parametrize("dt", FROZEN)
def test_brian_finds_the_frozen_spikes(dt: float, tmp_path: Path):
    net, spikes = example()
    written = write_brian2(tmp_path / "net.py", net, spikes, t_end=T_END, dt=dt)
    subprocess.run([sys.executable, "-W", "ignore", str(written.script)], check=True, timeout=300)
    for name, found in read_spikes(written).items():
        assert trains(found) == trains(read_spikes(FROZEN[dt])[name])


@pytest.mark.parametrize("simulator", ["nest", "brian2"])
def test_pynn_finds_the_spikes(simulator: str, tmp_path: Path):
    """NEST does not round spikes to steps, and is exact; PyNN's Brian2 is off by some steps, more with each spike."""
    if not (importlib.util.find_spec("pyNN") and importlib.util.find_spec(simulator)):
        pytest.skip(f"needs PyNN and {simulator}, which are not in `dev`: pip install pynn nest-simulator")
    net, spikes = example(
        rv.LIF(10.0, 6.0, refractory=1.0)
    )  # PyNN's Brian2 wants one refractory time, and no equal ones
    ours = rv.simulate(net, spikes, rv.EventDriven(), t_end=T_END).spikes
    written = write_pynn(tmp_path / "net.py", net, spikes, t_end=T_END, dt=0.05)
    subprocess.run([sys.executable, "-W", "ignore", str(written.script), simulator], check=True, timeout=300)
    for error in errors(read_spikes(written), ours):
        if simulator == "nest":
            assert error.max(initial=0.0) < 1e-9
        else:
            assert (error < 0.05 * (6 + 4 * np.arange(len(error)))).all()


@pytest.mark.parametrize("write", [write_brian2, write_pynn])
def test_a_script_needs_no_ranvier_and_its_numbers_are_those_of_the_network(write: type, tmp_path: Path):
    net, spikes = example()
    written = write(tmp_path / "net.py", net, spikes, t_end=T_END, dt=0.05)
    imports = {
        node.names[0].name.partition(".")[0]
        for node in ast.walk(ast.parse(written.script.read_text()))
        if isinstance(node, ast.Import)
    }
    assert imports <= {"json", "brian2", "numpy", "importlib", "sys"}
    assert written.rounding == pytest.approx(0.0, abs=1e-9)  # delays are whole tenths
    data = np.load(written.numbers)
    facts = json.loads(str(data["facts"]))
    assert (facts["samples"], facts["t_end"], facts["dt"]) == (3, T_END, 0.05)
    np.testing.assert_array_equal(data["c0_weight"].reshape(4, 6), net.connections[0].weight)
    np.testing.assert_array_equal(data["c0_delay"].reshape(4, 6), net.delay("input->hidden"))
    np.testing.assert_array_equal(data["p1_tau_mem"], np.linspace(8.0, 12.0, 6))
    assert data["p0_index"].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def test_pairs_axonal_delays_and_readouts_are_written(tmp_path: Path):
    net = rv.Network(
        {"input": rv.Population(3), "output": rv.Population(2, rv.LI(10.0, 5.0, bias=0.25))},
        [rv.Connection("input", "output", jnp.array([1.0, 2.0]), rv.AxonalDelay(jnp.array([[1.0], [2.0], [3.004]]), 0.0, 9.0),
                       rv.Pairs([2, 0], [1, 0]))],
    )  # fmt: skip
    path = tmp_path / "net.py"
    written = write_brian2(path, net, {"input": rv.Spikes([1.0, jnp.inf], [0, -1])}, t_end=5.0)
    data = np.load(written.numbers)
    assert (data["c0_pre"].tolist(), data["c0_post"].tolist()) == ([2, 0], [1, 0])
    np.testing.assert_allclose(data["c0_delay"], [3.004, 1.0], atol=1e-12)
    assert written.rounding == 0.0
    assert write_pynn(tmp_path / "pynn.py", net, {"input": rv.Spikes([1.0], [0])}, t_end=5.0).rounding == pytest.approx(
        0.004
    )
    assert data["p1_v_threshold"].tolist() == [1e9, 1e9]
    assert data["p1_bias"].tolist() == [0.25, 0.25]
    assert data["p0_time"].tolist() == [1.0]


def test_what_cannot_be_written_is_named(tmp_path: Path):
    net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.fixed(0.02), key=jax.random.key(0))
    spikes, path = rv.Spikes([1.0], [0]), tmp_path / "net.py"
    with pytest.raises(ValueError, match=r"input->output has a delay of 0.02 ms; PyNN needs at least one step, 0.1 ms"):
        write_pynn(path, net, spikes, t_end=5.0)
    with pytest.raises(ValueError, match=r"`path` must end in .py"):
        write_brian2(tmp_path / "net.txt", net, spikes, t_end=5.0)
    with pytest.raises(ValueError, match="`dt` must be a time above 0"):
        write_brian2(path, net, spikes, t_end=5.0, dt=0.0)
    with pytest.raises(ValueError, match=r"`spikes` must be given for each input, \['input'\]; got \['in'\]"):
        write_brian2(path, net, {"in": spikes}, t_end=5.0)
    with pytest.raises(ValueError, match=r"times >= 0 \(ms\) and units in 0..1"):
        write_brian2(path, net, rv.Spikes([1.0], [5]), t_end=5.0)
    adex = rv.Network(
        {"in": rv.Population(1), "out": rv.Population(1, rv.AdEx())}, [rv.Connection("in", "out", jnp.ones((1, 1)))]
    )
    with pytest.raises(ValueError, match="'out' has AdEx neurons; only LIF and LI"):
        write_brian2(path, adex, spikes, t_end=5.0)
    with pytest.raises(ValueError, match="it is traced"):
        jax.jit(lambda net: write_brian2(path, net, spikes, t_end=5.0))(net)
    assert not path.exists()


def test_results_that_are_damaged_get_a_clear_error(tmp_path: Path):
    good, path, rng = FROZEN[0.01].read_bytes(), tmp_path / "a.npz", np.random.default_rng(0)
    with pytest.raises(FileNotFoundError, match="run the script first"):
        read_spikes(path)
    for _ in range(1000):
        at, bit = int(rng.integers(len(good))), int(rng.integers(8))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :])
        try:
            found = read_spikes(path)
        except ValueError as error:
            said = str(error)
            if str(path) not in said:
                raise
        else:
            assert set(found) == {"hidden", "output"}


@pytest.mark.parametrize("times", [[1.0, 1.004], [0.001, 0.006]])
def test_two_spikes_of_one_unit_in_a_step_are_refused_where_they_would_be_one(times: list[float], tmp_path: Path):
    net = rv.feedforward([1, 1], neuron=rv.LIF(), delay=rv.fixed(1.0), key=jax.random.key(0))
    spikes = rv.Spikes(times, [0, 0])
    with pytest.raises(
        ValueError, match="two spikes of one unit of 'input' are in one step of 0.01 ms; take a smaller"
    ):
        write_pynn(tmp_path / "net.py", net, spikes, t_end=5.0, dt=0.01)
    assert np.load(write_brian2(tmp_path / "net.py", net, spikes, t_end=5.0).numbers)["p0_time"].tolist() == times
