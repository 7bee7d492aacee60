"""Networks to NIR and back: the same simulation or a named refusal, and clear errors for files that are wrong."""

import importlib.util
import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import nir
import numpy as np
import pytest

import ranvier as rv
from ranvier.interop.nir import from_nir, losses, read, to_nir, write
from ranvier.interop.nir.lowering import synapses


def random_delay(rng: np.random.Generator, shape: tuple[int, ...], pre: int, post: int) -> Any:
    """A delay of any kind."""
    draw = lambda shape: rng.uniform(0.5, 5.0, shape)
    kinds = [
        lambda: rv.FixedDelay(1.5), lambda: rv.FixedDelay(draw(shape)), lambda: rv.AxonalDelay(draw((pre, 1)), 0.0, 9.0),
        lambda: rv.DendriticDelay(draw((1, post)), 0.0, 9.0), lambda: rv.SynapticDelay(draw(shape), 0.5, 5.0),
        lambda: rv.SynapticDelay(draw(shape), 0.5, 5.0, rv.delays.Clip()),
    ]  # fmt: skip
    return kinds[rng.integers(len(kinds))]()


def random_network(seed: int) -> rv.Network:
    """Layers, recurrence, every kind of delay, patterns, time constants per neuron or for all, thresholds, leaks."""
    rng = np.random.default_rng(seed)
    sizes = {
        f"p{at}": int(n) for at, n in enumerate(rng.choice([1, 2, 4], rng.integers(2, 5)))
    }  # few shapes to compile
    each = lambda low, high, size: rng.uniform(low, high, size if rng.random() < 0.5 else ())
    populations, names = {"p0": rv.Population(sizes["p0"])}, list(sizes)
    for name in names[1:]:
        size = sizes[name]
        if name == names[-1] and rng.random() < 0.3:
            neuron: Any = rv.LI(each(5, 20, size), each(1, 10, size), v_leak=each(-0.3, 0.2, size))
        else:
            neuron = rv.LIF(
                each(5, 20, size), each(1, 10, size), v_threshold=each(0.5, 1.5, size), v_leak=each(-0.3, 0.2, size),
                v_reset=each(-0.5, 0.3, size), refractory=3.0 if rng.random() < 0.05 else 0.0,
            )  # fmt: skip
        populations[name] = rv.Population(size, neuron)
    pairs = list(itertools.pairwise(names)) + [(name, name) for name in names[1:-1] if rng.random() < 0.5]
    links = []
    for pre, post in pairs:
        shape: tuple[int, ...] = (sizes[pre], sizes[post])
        count = shape[0] * shape[1]
        mask = rng.permutation(np.arange(count) < max(1, count // 2)).reshape(shape)
        pattern = rv.Pairs.from_mask(mask) if rng.random() < 0.3 else None
        shape = shape if pattern is None else (int(mask.sum()),)
        links.append(
            rv.Connection(pre, post, rng.normal(0.0, 3.0, shape), random_delay(rng, shape, *mask.shape), pattern)
        )
    return rv.Network(populations, links)


def same_synapses(one: rv.Network, other: rv.Network) -> bool:
    """Whether two networks have the same events: where a weight is not 0 it is the same, and so is its delay."""
    for link in one.connections:
        (weight, delay, _), (again, later, _) = synapses(one, link), synapses(other, other[link.name])
        if not (np.array_equal(weight, again) and np.array_equal(delay[weight != 0], later[weight != 0])):
            return False
    return [link.name for link in one.connections] == [link.name for link in other.connections]


def same_neurons(one: rv.Network, other: rv.Network) -> bool:
    """Whether all parameters of all neurons are the same, and populations stand in the same order."""
    assert one.names == other.names
    for name, neuron in one.neurons.items():
        assert type(neuron) is type(other[name].neuron)
        for field in ("tau_mem", "tau_syn", "v_leak", "v_threshold", "v_reset", "refractory"):
            if not np.all(np.asarray(getattr(neuron, field)) == np.asarray(getattr(other[name].neuron, field))):
                return False
    return True


def test_round_trips_of_200_networks_are_identities_or_refusals(tmp_path: Path):
    refused = 0
    for seed in range(200):
        net = random_network(seed)
        if any(loss.changes for loss in losses(net)):
            refused += 1
            with pytest.raises(ValueError, match="NIR cannot say 1 thing|NIR cannot say . thing.*refractory"):
                to_nir(net)
            continue
        back = from_nir(to_nir(net))
        assert same_synapses(net, back), seed
        assert same_neurons(net, back), seed
        if seed % 5 == 0:
            write(tmp_path / "net.nir", net)
            again = read(tmp_path / "net.nir")
            assert same_synapses(net, again), seed
            assert same_neurons(net, again), seed
    assert 2 <= refused <= 40


def test_delays_of_a_graph_can_learn_between_bounds(tmp_path: Path):
    """Each kind as what it is; the same delays, which gradients and bounds reach."""
    shape, rng = (3, 2), np.random.default_rng(1)
    kinds = {
        "axonal": rv.AxonalDelay(rng.uniform(1, 4, (3, 1)), 0.0, 9.0), "dendritic": rv.DendriticDelay(rng.uniform(1, 4, (1, 2)), 0.0, 9.0),
        "synaptic": rv.SynapticDelay(rng.uniform(1, 4, shape), 0.0, 9.0), "none": rv.FixedDelay(0.0),
    }  # fmt: skip
    populations = {"in": rv.Population(3)} | {name: rv.Population(2, rv.LIF()) for name in kinds}
    net = rv.Network(populations, [rv.Connection("in", name, np.ones(shape), kind) for name, kind in kinds.items()])
    write(tmp_path / "net.nir", net)
    again = read(tmp_path / "net.nir", learn=(0.5, 6.0))
    for name, kind in kinds.items():
        assert type(again[f"in->{name}"].delay) is type(kind)
        np.testing.assert_allclose(again.delay(f"in->{name}"), net.delay(f"in->{name}"), rtol=1e-12)
    learned, _ = rv.partition(again, "delay")
    assert sum(leaf.size for leaf in jax.tree.leaves(learned)) == 3 + 2 + 6
    assert {(link.delay.low, link.delay.high) for link in again.connections if link.delay.learns} == {(0.5, 6.0)}
    alike = rv.Connection("in", "axonal", np.ones(shape), rv.FixedDelay(2.0))
    (same,) = from_nir(to_nir(rv.Network({"in": rv.Population(3), "axonal": rv.Population(2, rv.LIF())}, [alike])),
                       learn=(0.5, 6.0)).connections  # fmt: skip
    assert type(same.delay) is rv.SynapticDelay  # of delays that are all the same each may learn on its own
    assert all(not link.delay.learns for link in from_nir(to_nir(net)).connections)
    with pytest.raises(ValueError, match=r"from_nir: connection 'in->axonal': AxonalDelay: .*between"):
        from_nir(to_nir(net), learn=(0.0, 1.0))


def test_a_bias_goes_into_the_leak_potential_and_where_neurons_start_is_lost():
    net = rv.feedforward([2, 3], neuron=rv.LIF(v_leak=0.1, bias=np.array([0.2, -0.3, 0.0])), key=jax.random.key(0))
    assert [(loss.place, loss.changes) for loss in losses(net) if loss.changes] == [("output", True)]
    with pytest.raises(ValueError, match="NIR cannot say 1 thing.*where it starts.*approximate"):
        to_nir(net)
    graph = to_nir(net, approximate=True)
    np.testing.assert_allclose(graph.nodes["output"].v_leak, [0.3, -0.2, 0.1], rtol=1e-6)
    graph.nodes["output"].v_leak[0] = 1.5  # fires by itself
    neuron = from_nir(graph)["output"].neuron
    np.testing.assert_allclose(neuron.v_leak, [0.0, -0.2, 0.1], rtol=1e-6)
    np.testing.assert_allclose(neuron.bias, [1.5, 0.0, 0.0], rtol=1e-6)


def test_float32_stays_float32():
    with jax.enable_x64(False):
        net = rv.feedforward([2, 3], neuron=rv.LIF(), delay=rv.synaptic(0.5, 5.0), key=jax.random.key(0))
        graph = to_nir(net)
    assert graph.nodes["input->output"].weight.dtype == np.float32
    again = from_nir(graph)
    assert again.dtype == again["output"].neuron.tau_mem.dtype == again.delay("input->output").dtype == jnp.float32
    assert same_synapses(net, again)


def test_seconds_and_steps_change_numbers_by_rounding_only():
    net = random_network(3)
    for options in ({"unit": 1000.0}, {"dt": 0.1}, {"unit": 1000.0, "dt": 0.1}):
        again = from_nir(to_nir(net, **options))
        for link in net.connections:
            np.testing.assert_allclose(synapses(net, link)[0], synapses(again, again[link.name])[0], rtol=1e-14)
    second = to_nir(net, unit=1000.0)
    second.metadata.clear()
    with pytest.raises(ValueError, match=r"NIR does not say its unit of time; say it: unit=1.0"):
        from_nir(second)
    from_nir(second, unit=1000.0)


def test_the_graph_simulates_as_the_network_does():
    """By the equations of NIR, integrated in fine steps from the numbers of the graph alone."""
    net = rv.feedforward(
        [3, 4], neuron=rv.LIF(12.0, 4.0, v_leak=0.1, v_reset=-0.2), delay=rv.axonal(0.5, 5.0), key=jax.random.key(1)
    )
    spikes = rv.Spikes(jnp.array([1.0, 2.0, 4.0, 9.0]), jnp.array([0, 1, 2, 0]), size=3)
    graph, dt = to_nir(net), 1e-3
    delay, weight, node = (
        graph.nodes["input->output:delay"].delay,
        graph.nodes["input->output"].weight,
        graph.nodes["output"],
    )
    arrivals = sorted((float(t) + delay[u], int(u)) for t, u in zip(spikes.time, spikes.unit, strict=True))
    v, i, found = node.v_leak.copy(), np.zeros(4), []
    for step in range(30_000):
        while arrivals and arrivals[0][0] <= step * dt:
            i = i + node.w_in * weight[:, arrivals.pop(0)[1]] / node.tau_syn
        v, i = v + dt * (node.v_leak - v + node.r * i) / node.tau_mem, i - dt * i / node.tau_syn
        for unit in np.flatnonzero(v > node.v_threshold):
            found.append((step * dt, unit))
            v[unit] = node.v_reset[unit]
    solution = rv.simulate(net, spikes, rv.ClockDriven(dt=0.5), t_end=30.0)
    train = solution.spikes["output"]
    wanted = [(float(t), int(u)) for t, u in zip(train.time, train.unit, strict=True) if np.isfinite(t)]
    assert len(wanted) == len(found) >= 1
    assert sorted(u for _, u in wanted) == sorted(u for _, u in found)
    np.testing.assert_allclose(sorted(t for t, _ in wanted), sorted(t for t, _ in found), atol=0.02)


def test_per_synapse_delays_are_exact_on_lines_or_refused_or_approximated():
    net = rv.feedforward([6, 5], neuron=rv.LIF(), delay=rv.synaptic(0.5, 5.0), key=jax.random.key(0))
    assert to_nir(net).nodes["input->output:delay"].delay.shape == (30,)
    with pytest.raises(ValueError, match=r"30 synapses, more than `max_lines` = 20 lines; .* by up to .* ms. `approx"):
        to_nir(net, max_lines=20)
    again = from_nir(to_nir(net, max_lines=20, approximate=True))
    error = np.abs(np.asarray(net.delay("input->output")) - np.asarray(again.delay("input->output"))).max()
    (loss,) = [one for one in losses(net, max_lines=20) if one.changes]
    assert f"{error:.4g} ms" in loss.what


def test_what_nir_cannot_say_is_named():
    adaptive = rv.Network(
        {"in": rv.Population(1), "out": rv.Population(1, rv.AdaptiveLIF())},
        [rv.Connection("in", "out", jnp.ones((1, 1)))],
    )
    with pytest.raises(ValueError, match=r"out: its neurons are AdaptiveLIF; NIR knows LIF and LI\.$"):
        to_nir(adaptive, approximate=True)
    waiting = rv.feedforward([1, 1], neuron=rv.LIF(refractory=jnp.inf), key=jax.random.key(0))
    with pytest.raises(ValueError, match=r"refractory time, up to inf ms.* `approximate=True` leaves it out"):
        to_nir(waiting)
    assert from_nir(to_nir(waiting, approximate=True))["output"].neuron.refractory == 0
    named = rv.Network(
        {"a/b": rv.Population(1), "out": rv.Population(1, rv.LIF())}, [rv.Connection("a/b", "out", jnp.ones((1, 1)))]
    )
    with pytest.raises(ValueError, match="without '/' and ':'"):
        to_nir(named)
    with pytest.raises(ValueError, match="`dt` must be a time above 0"):
        to_nir(waiting, dt=-1.0)
    with pytest.raises(ValueError, match="it is traced"):
        jax.jit(lambda net: to_nir(net))(waiting)


def chain(*nodes: Any, size: int = 2, **more: Any) -> nir.NIRGraph:
    """Input, some nodes, a CubaLIF, Output."""
    each = np.full(size, 1.0)
    last = nir.CubaLIF(
        **{
            "tau_mem": each * 20,
            "tau_syn": each * 5,
            "r": each,
            "v_leak": each * 0,
            "v_threshold": each,
            "w_in": each * 5,
        }
        | more
    )
    named = {"input": nir.Input({"input": np.array([size])})} | {f"n{at}": node for at, node in enumerate(nodes)}
    named |= {"cell": last, "out": nir.Output({"output": np.array([size])})}
    names = list(named)
    return nir.NIRGraph(named, list(itertools.pairwise(names)), type_check=False)


def test_chains_scales_resistances_and_graphs_of_others_are_read():
    first, second = np.array([[1.0, 2.0], [0.0, 3.0]]), np.array([[1.0, 0.0], [4.0, 1.0]])
    graph = chain(
        nir.Scale(np.array([2.0, 1.0])), nir.Linear(first), nir.Delay(np.array([1.0, 2.0])),
        nir.Affine(second, np.zeros(2)), nir.Delay(np.array([0.5, 0.5])), r=np.array([3.0, 1.0]),
    )  # fmt: skip
    net = from_nir(graph, unit=1000.0)
    weights, delays = np.zeros((2, 2, 2)), [1500.0, 2500.0]
    for link in net.connections:
        weight, delay, _ = synapses(net, link)
        for at, value in enumerate(delays):
            weights[at] += np.where(delay == value, weight, 0.0)
    # Output line k gets second[k, m] first[m, i] scale[i] from input i, delayed by line m; r and w_in / tau_syn scale it.
    wanted = [np.outer(second[:, m], first[m] * [2.0, 1.0]).T * [3.0, 1.0] for m in (0, 1)]
    np.testing.assert_allclose(weights, wanted, rtol=1e-14)
    plain = nir.LIF(tau=np.full(2, 20.0), r=np.ones(2), v_leak=np.zeros(2), v_threshold=np.ones(2))
    graph = nir.NIRGraph.from_list(nir.Linear(np.eye(2)), plain)
    with pytest.raises(ValueError, match=r"'lif' is a LIF without a synaptic current.* tau_syn=... .* as a CubaLIF"):
        from_nir(graph, unit=1.0)
    net = from_nir(graph, unit=1.0, tau_syn=0.01)
    solution = rv.simulate(
        net, rv.Spikes([1.0], [0], size=2), rv.ClockDriven(dt=0.05), t_end=3.0, record={net.names[-1]: [2.0]}
    )
    assert solution.voltages[net.names[-1]][0, 0] == pytest.approx(np.exp(-1 / 20) / 20, rel=2e-3)


WRONG = {
    "a bias": (lambda: chain(nir.Affine(np.eye(2), np.ones(2))), "node 'n0' has a bias"),
    "a shape": (lambda: chain(nir.Linear(np.ones((2, 3)))), r"`weight` of node 'n0' must be numbers of shape \('any', 2\)"),
    "NaN": (lambda: chain(nir.Linear(np.full((2, 2), np.nan))), "`weight` of node 'n0' must be finite; got nan"),
    "a negative delay": (lambda: chain(nir.Delay(np.array([1.0, -2.0]))), r"`delay` of node 'n0' must be >= 0; got -2.0 on line 1"),
    "an endless delay": (lambda: chain(nir.Delay(np.array([1.0, np.inf]))), "`delay` of node 'n0' must be finite"),
    "a time constant": (lambda: chain(tau_mem=np.array([0.0, 1.0])), "node 'cell' is not valid: LIF: `tau_mem`"),
    "a threshold": (lambda: chain(v_threshold=np.array([-1.0, 1.0])), "node 'cell' is not valid"),
    "two axes": (lambda: chain(**{k: np.ones((2, 2)) for k in ("tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "w_in")}), r"`tau_mem` of node 'cell' must be numbers of shape \(size,\)"),
    "a convolution": (lambda: chain(nir.Flatten({"input": np.array([2])}, 0, 0)), "node 'n0' is of the type Flatten; ranvier knows"),
    "a subgraph": (lambda: chain(chain()), "is of the type NIRGraph.*Write its nodes into the outer graph"),
    "lines": (lambda: chain(nir.Linear(np.ones((3, 2)))), "more lines than the 2 neurons"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_graph_that_is_wrong_gets_a_clear_error(name: str):
    make, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        from_nir(make(), unit=1.0)


def test_edges_that_are_wrong_get_a_clear_error():
    graph = chain(nir.Linear(np.eye(2)))
    for edges, message in [
        ([("input", "ghost")], "needs a node 'ghost', which is not there"),
        ([*graph.edges, graph.edges[0]], "stands there twice"),
        ([*graph.edges, ("n0", "n0")], "n0 -> n0 are a loop without a neuron"),
        ([*graph.edges, ("cell", "input")], "ends at an Input"),
        ([], "makes no network: Network: needs at least one connection"),
    ]:
        wrong = nir.NIRGraph(graph.nodes, edges, type_check=False)
        with pytest.raises(ValueError, match=message):
            from_nir(wrong, unit=1.0)
    with pytest.raises(ValueError, match=r"expected a nir.NIRGraph; got str"):
        from_nir("net.nir")


def attempt(path: Path) -> tuple[rv.Network | None, str]:
    """A network, or why it cannot be read."""
    try:
        return read(path), ""
    except ValueError as error:
        return None, str(error)


def test_files_that_are_damaged_get_a_clear_error(tmp_path: Path):
    """One bit is another in each; `make fuzz` has thousands of files, and other damage."""
    net = rv.feedforward([1, 2], neuron=rv.LIF(), delay=rv.synaptic(0.5, 5.0), key=jax.random.key(0))
    path = tmp_path / "net.nir"
    write(path, net)
    good, rng = path.read_bytes(), np.random.default_rng(0)
    unharmed = 0
    for _ in range(300):
        at, bit = int(rng.integers(len(good))), int(rng.integers(8))
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << bit]) + good[at + 1 :])
        again, said = attempt(path)
        unharmed += again is not None
        assert again or str(path) in said
        assert not again or (same_synapses(net, again) and same_neurons(net, again))
        assert len(said) < 1000
    assert 0 < unharmed < 300  # a file has bytes that mean nothing
    for content in (b"", good[: len(good) // 2], b"junk"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no NIR file"):
            read(path)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read(tmp_path / "none.nir")
    nir.write(str(path), nir.Linear(np.eye(2)))
    with pytest.raises(ValueError, match=r"holds one node, a Linear|is no NIR file"):
        read(path)


def test_export_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    from ranvier.lab.cli import execute

    net = rv.feedforward([2, 3], neuron=rv.LIF(refractory=1.0), delay=rv.axonal(0.5, 5.0), key=jax.random.key(0))
    rv.save(tmp_path / "net.npz", net)
    file = tmp_path / "net.nir"
    assert execute(["export", str(tmp_path / "net.npz"), str(file)]) == 1
    assert "refractory time, up to 1 ms" in capsys.readouterr().err
    assert execute(["export", str(tmp_path / "net.npz"), str(file), "--approximate", "--unit", "1000"]) == 0
    said = capsys.readouterr().out
    assert "2 populations, 1 connections" in said
    assert "changed: output: its refractory time" in said
    np.testing.assert_allclose(read(file).delay("input->output"), net.delay("input->output"), rtol=1e-14)
    assert execute(["export", str(tmp_path / "net.npz"), str(tmp_path / "net.txt")]) == 1


@pytest.mark.skipif(not importlib.util.find_spec("norse"), reason="norse is in the extra `peers`")
@pytest.mark.filterwarnings("ignore")
def test_norse_finds_the_same_spikes_but_for_its_steps():
    """Norse takes Euler steps, with the graph's own resistances and input weights: a quarter of the step, about a quarter of the error."""
    import norse.torch
    import torch

    t_end, rng = 40.0, np.random.default_rng(0)
    populations = {
        "input": rv.Population(5),
        "hidden": rv.Population(6, rv.LIF(12.0, 4.0)),
        "output": rv.Population(4, rv.LIF(8.0, 3.0)),
    }
    links = [
        rv.Connection("input", "hidden", jnp.asarray(rng.uniform(0.5, 2.0, (5, 6)))),
        rv.Connection("hidden", "output", jnp.asarray(rng.uniform(0.2, 1.6, (6, 4)))),
    ]
    net = rv.Network(populations, links)
    time, unit = np.round(np.sort(rng.uniform(0.0, 25.0, 15)) / 0.04) * 0.04, np.arange(15) % 5
    output = rv.simulate(net, rv.Spikes(time, unit, size=5), rv.EventDriven(), t_end=t_end).spikes["output"]
    assert int(jnp.isfinite(output.time).sum()) > 20

    def furthest(dt: float) -> float:
        """The largest difference of two spike times (ms)."""
        raster = torch.zeros(round(t_end / dt), 1, 5)
        raster[np.round(time / dt).astype(int), 0, unit] = 1.0
        model, state, found = norse.torch.from_nir(to_nir(net, dt=dt), dt=dt), None, [[] for _ in range(4)]
        for step in range(len(raster)):
            out, state = model(raster[step], state)
            for neuron in np.flatnonzero(out.detach().numpy()[0] > 0.5):
                found[neuron].append(step * dt)
        wanted = [np.asarray(output.time[output.unit == neuron]) for neuron in range(4)]
        return max(float(np.max(np.abs(mine - theirs))) for mine, theirs in zip(found, wanted, strict=True))

    assert furthest(0.01) < 0.12
    assert furthest(0.01) < 0.4 * furthest(0.04)
