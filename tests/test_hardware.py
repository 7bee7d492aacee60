"""The emulated chip, effect by effect, and learning in the loop: blind to the pattern, exact where the chip is."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import build
import oracle
import ranvier as rv
from networks import translate
from ranvier.hardware import (
    AbstractSubstrate,
    AnyChip,
    BrainScaleS2,
    EmulatedChip,
    InTheLoop,
    Measured,
    Recording,
    check_fits,
    delay_codes,
    emulate,
    in_the_loop,
    load_recording,
    save_recording,
    weight_codes,
    written,
)
from ranvier.simulation import AbstractSimulator

T_END = 30.0
NEURON = rv.LIF(1.0, 1.0, v_threshold=2.6, refractory=jnp.inf)
DELAY = rv.axonal(2.0, 3.5)


def network(kind: Any = DELAY, sizes: tuple[int, ...] = (8, 6, 3), neuron: Any = NEURON) -> rv.Network:
    weight = [rv.initializers.normal(mean, 0.7) for mean in (1.7, 3.0)[: len(sizes) - 1]] if len(sizes) < 4 else None
    return rv.feedforward(sizes, neuron=neuron, delay=kind, weight=weight, key=jax.random.key(1))


def one_link(weight: Any, **options: Any) -> rv.Network:
    """Weights onto output neurons with the published threshold."""
    weight = jnp.asarray(weight)
    pre, post = weight.shape
    link = rv.Connection("input", "output", weight, **options)
    return build.network({"input": pre}, {"output": NEURON}, {"output": post}, [link])


def trains(batch: int = 4, units: int = 8) -> rv.Spikes:
    value = np.random.default_rng(0).uniform(size=(batch, units))
    return rv.encoders.latency(jnp.asarray(value), t_early=0.15, t_late=2.0)


def only(**effects: Any) -> BrainScaleS2:
    """A chip with a few effects and no others."""
    return dataclasses.replace(BrainScaleS2.ideal(), **effects)


@eqx.filter_jit
def loss_and_gradient(
    net: rv.Network, spikes: rv.Spikes, simulator: AbstractSimulator
) -> tuple[tuple[Array, dict[str, Array]], tuple[rv.Network, Array]]:
    """A loss of all first spikes, and its derivative by what learns and by the input times."""
    learn, fixed = rv.partition(net, "weight", "delay", "v_threshold", "v_leak")

    def loss(learn: rv.Network, time: Array) -> tuple[Array, dict[str, Array]]:
        inputs = rv.Spikes(time, spikes.unit)
        solution = rv.simulate(rv.combine(learn, fixed), inputs, simulator, t_end=T_END, throw=False)
        first = {name: rv.first_spike(solution.spikes[name]) for name in ("hidden", "output")}
        total = sum(jnp.sum(jnp.where(jnp.isfinite(time), jnp.sin(3 * time), 0.0)) for time in first.values())
        return total, first

    return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(learn, spikes.time)


@eqx.filter_jit
def measure(chip: AbstractSubstrate, net: rv.Network, inputs: dict[str, Array], key: Array) -> Measured:
    return chip.measure(net, inputs, T_END, key=key)


def stressed(seed: int) -> EmulatedChip:
    """A chip with all effects, whose seed is no constant of compiled programs."""
    return EmulatedChip(BrainScaleS2.stressed(jnp.asarray(seed)))


def same(one: Any, other: Any, tolerance: float) -> None:
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------------------ settings


@pytest.mark.parametrize("bits", [6, 5, 4])
def test_every_weight_code_is_reached_and_no_other(bits: int):
    chip, largest = only(weight_bits=bits, weight_limit=63 / 78), 2**bits - 1
    step = 2.1 / largest
    wanted = np.arange(-largest - 3, largest + 4)
    net = one_link((wanted * step)[:, None] * np.ones((1, 1)))
    codes = weight_codes(net, dataclasses.replace(chip, rows=1000))[0][:, 0]
    assert codes.dtype == jnp.int32
    assert codes.tolist() == np.clip(wanted, -largest, largest).tolist()
    weight = written(net, dataclasses.replace(chip, rows=1000)).connections[0].weight[:, 0]
    np.testing.assert_allclose(weight, np.asarray(codes) * step, rtol=1e-12)


def test_a_weight_goes_to_the_nearest_step_of_its_receivers_threshold():
    """Against rounding by comparison with all steps, for thresholds that differ."""
    rng = np.random.default_rng(2)
    weight, threshold = rng.normal(0, 1.2, (20, 3)), np.array([2.6, 1.0, 1.7])
    neuron = rv.LIF(1.0, 1.0, v_threshold=jnp.asarray(threshold + 0.1), v_leak=0.1, refractory=jnp.inf)
    net = build.network({"input": 20}, {"output": neuron}, {"output": 3}, [rv.Connection("input", "output", weight)])
    steps = np.arange(-63, 64)[:, None] * threshold / 78
    nearest = np.take_along_axis(steps, np.abs(steps[:, None] - weight).argmin(axis=0), axis=0)
    np.testing.assert_allclose(written(net, BrainScaleS2()).connections[0].weight, nearest, rtol=1e-12)


def test_delays_are_on_the_grid_of_the_refractory_counter():
    delay = np.linspace(8.25, 33.25, 97)[:, None] / 6.0
    net = one_link(np.ones((97, 1)), delay=rv.AxonalDelay(delay, 8.25 / 6, 33.25 / 6, rv.delays.Clip()))
    codes = delay_codes(net, BrainScaleS2())[0]
    assert (int(codes.min()), int(codes.max())) == (50, 250)
    found = 6.0 * written(net, BrainScaleS2()).delay("input->output")[:, 0]
    np.testing.assert_allclose(found, codes / 8 + 2.0, rtol=1e-12)
    assert float(np.abs(found - 6.0 * delay[:, 0]).max()) <= 0.0625 + 1e-9


def test_rounding_has_the_derivative_of_what_is_rounded():
    net = one_link(
        np.array([[0.314], [-5.0]]), delay=rv.AxonalDelay(jnp.full((2, 1), 2.345), 2.0, 3.5, rv.delays.Clip())
    )
    numbers = lambda net: jnp.stack([written(net, BrainScaleS2()).connections[0].weight[:, 0],
                                     written(net, BrainScaleS2()).delay("input->output")[:, 0]])  # fmt: skip
    jacobian = jax.jacobian(numbers)(net).connections[0]
    np.testing.assert_array_equal(jacobian.weight[0, ..., 0], np.eye(2))
    np.testing.assert_array_equal(jacobian.delay.raw[1, ..., 0], np.eye(2))


def test_an_effect_that_is_off_changes_nothing():
    net = network()
    for changed in (written(net, BrainScaleS2.ideal(5)), emulate(net, BrainScaleS2.ideal(5))):
        for link, other in zip(net.connections, changed.connections, strict=True):
            assert np.array_equal(link.weight, other.weight)
            np.testing.assert_allclose(
                net.delay(link), changed.delay(other), rtol=1e-14
            )  # there and back in microseconds
        assert np.array_equal(changed.neurons["hidden"].v_threshold, np.full_like(2.6, 2.6))


# ------------------------------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    ("net", "told"),
    [
        (lambda: network(rv.synaptic(2.0, 3.5)), r"input->hidden has one delay per synapse.*rv.axonal"),
        (lambda: network(rv.axonal(0.0, 1.0)), r"may be 0 to 1 ms, but the elements reach 1.375 to 5.542 ms"),
        (lambda: network(sizes=(8, 6, 6, 3)), r"one hidden layer and an output.*hidden1, hidden2, output"),
        (lambda: network(None, (130, 6, 3)), r"needs 260 rows of synapses on one half.*the chip has 256"),
        (lambda: network(DELAY, (99, 30, 3)), r"needs 129 delay elements.*the chip has 128"),
        (lambda: network(None, (8, 300)), r"needs 300 neuron circuits on one half.*the chip has 256"),
        (lambda: network(neuron=rv.LIF(2.0, 1.0, refractory=jnp.inf)), r"one number for all neurons.*got 1, 2 ms"),
        (lambda: network(neuron=rv.LIF(1.0, 1.0)), r"'hidden' may spike again after 0.0 ms"),
    ],
)
def test_networks_that_do_not_fit_are_refused_with_the_numbers(net: Any, told: str):
    with pytest.raises(ValueError, match=told):
        check_fits(net(), BrainScaleS2())


def test_delays_of_unknown_size_are_refused():
    """A fixed delay made inside a traced function knows no bounds; to clip it would be to change it in silence."""
    make = lambda: check_fits(one_link(jnp.ones((1, 1)), delay=rv.FixedDelay(jnp.zeros(()))), BrainScaleS2()) and 0.0
    with pytest.raises(ValueError, match="may be 0 to inf ms.*give it low= and high="):
        jax.jit(make)()


def test_the_published_network_takes_what_it_took():
    assert check_fits(network(DELAY, (20, 30, 3)), BrainScaleS2()) == (33 + 100, 50, 100)


@pytest.mark.parametrize(
    ("name", "value"), [("spike_loss", 1.0), ("weight_bits", 0), ("delay_step", -1.0), ("tau", 0.0)]
)
def test_a_chip_that_cannot_be_is_refused(name: str, value: float):
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        dataclasses.replace(BrainScaleS2(), **{name: value})


# ---------------------------------------------------------------------------------------------- frozen pattern


def test_a_chip_is_the_same_whenever_it_is_asked_and_no_other_is():
    net = network()
    one, again, other = (emulate(net, BrainScaleS2.stressed(seed)) for seed in (1, 1, 2))
    for a, b, c in zip(*map(jax.tree.leaves, (one, again, other)), strict=True):
        assert np.array_equal(a, b)
        assert a.size == 1 or not np.array_equal(a, c)


def test_circuits_spread_as_they_should():
    """Mean and standard deviation over 600 neurons or synapses; three standard errors."""
    chip = dataclasses.replace(BrainScaleS2.stressed(3), rows=10**6, circuits=10**6, delay_elements=10**6)
    net = network(DELAY, (100, 600))
    found = emulate(net, chip)
    neuron, ideal = found.neurons["output"], written(net, chip).connections[0]
    ratio = np.asarray(found.connections[0].weight / jnp.where(ideal.weight == 0, jnp.nan, ideal.weight))
    near = lambda value, mean, std: (abs(np.nanmean(value) - mean) < 3 * std / np.sqrt(np.size(value)) and
                                     abs(np.nanstd(value) / std - 1) < 3 / np.sqrt(2 * np.size(value)))  # fmt: skip
    assert near(neuron.v_threshold / 2.6, 1.05, 0.031)
    assert near(neuron.tau_mem, 1.0, 0.05)
    assert near(neuron.tau_syn, 1.0, 0.05)
    assert near(np.nanmean(ratio, axis=0), 1.0, math.hypot(0.1, 0.05 / 10))
    assert near((ratio / np.nanmean(ratio, axis=0))[:, :60], 1.0, 0.05)
    assert near(found.delay("input->output") - written(net, chip).delay("input->output"), 0.0, 0.09)


def test_every_simulator_can_run_the_chips_network():
    """Without noise, `EventDriven` finds for it the spikes that the emulated chip has."""
    net, spikes = network(), trains()
    chip = dataclasses.replace(BrainScaleS2.stressed(4).scaled(temporal=0.0), latency=0.0, timestamp=0.0)
    solution = rv.simulate(emulate(net, chip), spikes, rv.EventDriven(max_spikes=1), t_end=T_END)
    found = measure(EmulatedChip(chip), net, {"input": rv.first_spike(spikes)}, jax.random.key(0))
    for name, first in found.first.items():
        assert int(jnp.isfinite(first).sum()) > 6
        np.testing.assert_allclose(first, rv.first_spike(solution.spikes[name]), atol=1e-9)


# ------------------------------------------------------------------------------------------------------ noise


def outputs(chip: BrainScaleS2, net: rv.Network, seed: int = 0) -> Measured:
    """Five hundred times the same input."""
    return measure(EmulatedChip(chip), net, {"input": jnp.ones((500, 8))}, jax.random.key(seed))


def test_noise_is_as_large_as_it_says_and_where_it_says():
    net = network(DELAY, (8, 3))
    found = outputs(only(delay_jitter=0.06, spike_loss=0.1), net)
    arrival = np.asarray(found.arrival[0])
    assert abs((arrival - arrival.mean(axis=0)).std() - 0.01) < 3e-4
    assert abs(np.corrcoef(arrival[:, 0], arrival[:, 1])[0, 1]) < 0.15
    assert abs(float(jnp.isinf(found.first["output"]).mean()) - 0.1) < 0.03
    jitter = np.asarray(outputs(only(spike_jitter=0.06), net).first["output"])
    assert abs((jitter - jitter.mean(axis=0)).std() - 0.01) < 1e-3


def test_thresholds_tremble_from_batch_to_batch_only():
    one, two = (
        np.asarray(outputs(only(threshold_noise=0.015), network(None, (8, 3)), seed).first["output"]) for seed in (0, 1)
    )
    assert np.array_equal(one, np.broadcast_to(one[:1], one.shape))
    assert np.isfinite(one).all()
    assert not np.isclose(one[0], two[0]).any()


def test_what_is_read_is_a_time_stamp_and_latency_is_not_read():
    net, spikes, grid = network(), trains(), 0.008 / 6
    calm = rv.simulate(net, spikes, rv.EventDriven(max_spikes=1), t_end=T_END)
    inputs = {"input": rv.first_spike(spikes)}
    late = measure(EmulatedChip(only(latency=0.6, timestamp=0.008)), net, inputs, jax.random.key(0))
    true = {name: rv.first_spike(calm.spikes[name]) for name in ("hidden", "output")}
    arrival = true["hidden"] + net.delay(net.connections[1])[None, :, 0]
    pairs = [
        (late.first["hidden"], true["hidden"]),
        (late.arrival[1], arrival),
        (late.first["output"] - 0.1, true["output"]),
    ]
    for read, wanted in pairs:
        some = np.isfinite(wanted)
        assert some.sum() > 6
        behind = np.asarray(wanted - read)[some]
        assert behind.min() >= -1e-9
        assert behind.max() < grid + 1e-9
    steps = np.asarray(late.first["hidden"])[np.isfinite(true["hidden"])] / grid
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-6)


def test_the_key_decides_the_noise(recording: Any):
    inputs = {"input": rv.first_spike(recording[1])}
    one, again, other = (measure(stressed(7), network(), inputs, jax.random.key(seed)) for seed in (0, 0, 1))
    same(one, again, 0.0)
    assert not np.array_equal(one.arrival[0], other.arrival[0])


def test_any_chip_is_another_each_time():
    found = [measure(AnyChip(only(threshold_spread=0.1)), network(None, (8, 3)), {"input": jnp.ones((500, 8))},
                     jax.random.key(seed)).first["output"] for seed in (0, 1)]  # fmt: skip
    assert np.array_equal(found[0], np.broadcast_to(found[0][:1], found[0].shape))
    assert not np.isclose(found[0][0], found[1][0]).any()


# ------------------------------------------------------------------------------------------------ in the loop


def test_in_the_loop_of_an_ideal_chip_gradients_are_exact():
    """Those of `EventDriven`, whose adjoint shares no code with them."""
    simulators = (InTheLoop(EmulatedChip(BrainScaleS2.ideal())), rv.EventDriven(max_spikes=1))
    results = [loss_and_gradient(network(), trains(), each) for each in simulators]
    assert int(jnp.isfinite(results[0][0][1]["output"]).sum()) > 6
    same(results[0], results[1], 1e-10)


def test_the_backward_pass_does_not_see_the_pattern():
    """Same measured times, other chips: the gradient is the same to the last bit. Other times: it is not."""
    net, spikes = network(), trains()
    inputs = {"input": rv.first_spike(spikes)}
    here = measure(stressed(1), net, inputs, jax.random.key(2))

    class Replaying(AbstractSubstrate):
        chip: EmulatedChip
        here: Measured

        def written(self, network: rv.Network) -> rv.Network:
            return self.chip.written(network)

        def measure(self, network: rv.Network, inputs: dict[str, Array], t_end: float, *, key: Array) -> Measured:
            return self.here

    gradients, own = [], []
    for seed in (1, 2):
        for found, substrate in ((gradients, Replaying(stressed(seed), here)), (own, stressed(seed))):
            found.append(loss_and_gradient(net, spikes, InTheLoop(substrate, key=jax.random.key(2))))
    for a, b in zip(*map(jax.tree.leaves, gradients), strict=True):
        assert np.array_equal(a, b)
    assert not np.array_equal(own[0][1][0].connections[0].weight, own[1][1][0].connections[0].weight)
    same(own[0], gradients[0], 1e-13)


def test_gradients_at_measured_times_are_those_of_the_implicit_function():
    """Written out by hand for one neuron whose measured times fit no model: weights, times, delay, threshold."""
    weight, arrival, at = np.array([3.0, 2.0, -1.0, 4.0]), np.array([1.0, 1.5, 1.25, 9.0]), 2.125
    since = at - arrival[:3]
    kernel, slope = since * np.exp(-since), np.exp(-since) * (1 - since)
    rise = weight[:3] @ slope
    net = one_link(weight[:, None], delay=rv.AxonalDelay(jnp.full((4, 1), 2.5), 2.0, 3.5, rv.delays.Clip()))
    measured = Measured({"output": jnp.array([[at]])}, (jnp.asarray(arrival)[None],))
    first = lambda net, time: in_the_loop(net, {"input": time}, measured, T_END).spikes["output"].time[0, 0]
    value, (gradient, times) = jax.value_and_grad(first, argnums=(0, 1))(net, jnp.array([[0.5, 0.3, 0.1, 0.2]]))
    assert float(value) == at
    link = gradient.connections[0]
    np.testing.assert_allclose(link.weight[:, 0], [*(-kernel / rise), 0.0], rtol=1e-12)
    np.testing.assert_allclose(times[0], [*(weight[:3] * slope / rise), 0.0], rtol=1e-12)
    np.testing.assert_allclose(link.delay.raw[:, 0], times[0], rtol=1e-12)
    np.testing.assert_allclose(gradient.neurons["output"].v_threshold, 1 / rise, rtol=1e-12)


@pytest.mark.parametrize(
    ("at", "arrival", "guarded"), [(4.0, 1.0, 1), (math.inf, 1.0, 0), (2.0, math.inf, 1), (40.0, 1.0, 0)]
)
def test_without_a_spike_or_a_rising_potential_there_is_no_gradient(at: float, arrival: float, guarded: int):
    net = one_link(np.full((1, 1), 9.0))
    measured = Measured({"output": jnp.array([[at]])}, (jnp.array([[arrival]]),))

    def total(net: rv.Network, time: Array) -> tuple[Array, Array]:
        solution = in_the_loop(net, {"input": time}, measured, T_END)
        time = solution.spikes["output"].time
        return jnp.where(jnp.isfinite(time), time, 0.0).sum(), solution.stats.guarded["output"]

    gradient, count = jax.grad(total, argnums=(0, 1), has_aux=True)(net, jnp.array([[arrival]]))
    assert int(count[0]) == guarded
    assert all(np.all(np.asarray(leaf) == 0.0) for leaf in jax.tree.leaves(gradient))


def test_the_slope_guard_limits_the_gradient():
    net = one_link(np.full((1, 1), 9.0))
    measured = Measured({"output": jnp.array([[1.9]])}, (jnp.array([[1.0]]),))
    run = lambda net, cap: in_the_loop(net, {"input": jnp.ones((1, 1))}, measured, T_END, cap)
    slope = lambda cap: jax.grad(lambda net: run(net, cap).spikes["output"].time[0, 0])(net).connections[0].weight
    rise = 9.0 * np.exp(-0.9) * 0.1
    np.testing.assert_allclose(slope(0.5) / slope(math.inf), 0.5 * rise, rtol=1e-9)
    assert [int(run(net, cap).stats.guarded["output"][0]) for cap in (0.5, math.inf)] == [1, 0]


def test_a_driver_outside_of_jax():
    """What a real chip would be: a function of plain numbers, here the oracle. The gradient is that of the model."""

    class Driver(AbstractSubstrate):
        def written(self, network: rv.Network) -> rv.Network:
            return network

        def measure(self, network: rv.Network, inputs: dict[str, Array], t_end: float, *, key: Array) -> Measured:
            batch, dtype = inputs["input"].shape[0], network.dtype
            shape = lambda size: jax.ShapeDtypeStruct((batch, size), dtype)
            sizes = {name: shape(size) for name, size in build.neuron_sizes(network).items()}
            first = jax.pure_callback(play, sizes, network, inputs["input"])
            delays = [network.delay(link)[None, :, 0] for link in network.connections]
            return Measured(first, (inputs["input"] + delays[0], first["hidden"] + delays[1]))

    def play(network: rv.Network, inputs: Array) -> dict[str, np.ndarray]:
        rows = {name: np.full((len(inputs), size), np.inf) for name, size in build.neuron_sizes(network).items()}
        for sample, times in enumerate(np.asarray(inputs)):
            order = np.argsort(times)
            result = oracle.simulate(
                translate(network), {"input": [(float(times[i]), int(i)) for i in order]}, T_END, {}
            )
            for name, found in result.spikes.items():
                for time, unit in found:
                    rows[name][sample, unit] = time
        return rows

    simulators = (InTheLoop(Driver()), rv.EventDriven(max_spikes=1))
    results = [loss_and_gradient(network(), trains(), each) for each in simulators]
    assert int(jnp.isfinite(results[0][0][1]["output"]).sum()) >= 3
    same(*results, 1e-9)


def test_two_spikes_of_one_input_are_not_lost_in_silence():
    spikes = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 0]))
    with pytest.raises(RuntimeError, match="an input unit spikes more than once"):
        rv.simulate(one_link(np.ones((1, 1))), spikes, InTheLoop(EmulatedChip(BrainScaleS2())), t_end=T_END)


def test_potentials_are_refused():
    with pytest.raises(ValueError, match="gives spikes, not potentials"):
        rv.simulate(network(), trains(), InTheLoop(EmulatedChip(BrainScaleS2())), t_end=T_END, record={"output": [1.0]})


# --------------------------------------------------------------------------------------------------- recordings


@pytest.fixture(scope="module")
def recording() -> tuple[rv.Network, rv.Spikes, Recording]:
    net, spikes, chip = network(), trains(), stressed(7)
    inputs = {"input": rv.first_spike(spikes)}
    settings = chip.written(net)
    return settings, spikes, Recording(settings, inputs, measure(chip, net, inputs, jax.random.key(3)), T_END)


def test_a_recording_gives_the_gradient_that_the_run_gave(recording: Any, tmp_path: Path):
    net, spikes, run = recording
    save_recording(tmp_path / "run.npz", run)
    again = load_recording(tmp_path / "run.npz", net)
    same(jax.tree.leaves(again.measured), jax.tree.leaves(run.measured), 0.0)
    own = network()
    results = [loss_and_gradient(own, spikes, InTheLoop(stressed(7), key=jax.random.key(3)))]
    settings = loss_and_gradient(net, spikes, InTheLoop(again))
    same(results[0][0], settings[0], 1e-12)
    for link, other in zip(results[0][1][0].connections, settings[1][0].connections, strict=True):
        same(link.weight, other.weight, 1e-12)
    with np.load(tmp_path / "run.npz", allow_pickle=False) as archive:
        assert {"format", "t_end", "input/input", "first/hidden", "arrival/1", "weight/0", "delay/1"} <= set(
            archive.files
        )


def test_a_recording_answers_for_itself_only(recording: Any, tmp_path: Path):
    net, spikes, run = recording
    simulator: AbstractSimulator = InTheLoop(run)
    with pytest.raises(ValueError, match=r"`t_end` was 30.0 ms when this was recorded; got 20.0"):
        rv.simulate(net, spikes, simulator, t_end=20.0)
    with pytest.raises(ValueError, match="input input is not what was recorded"):
        rv.simulate(net, rv.Spikes(spikes.time + 0.1, spikes.unit), simulator, t_end=T_END)
    with pytest.raises(ValueError, match=r"weight 0 \(input->hidden\) is not what was recorded"):
        rv.simulate(network(), spikes, simulator, t_end=T_END)
    save_recording(tmp_path / "run.npz", run)
    with pytest.raises(ValueError, match=r"not recorded with this network: expected weight/0 of shape \(8, 4\)"):
        load_recording(tmp_path / "run.npz", network(DELAY, (8, 4, 3)))
    whole = (tmp_path / "run.npz").read_bytes()
    (tmp_path / "torn.npz").write_bytes(whole[: len(whole) // 2])
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    for name, told in (("torn", "broken or not a recording"), ("other", "expected format")):
        with pytest.raises(ValueError, match=told):
            load_recording(tmp_path / f"{name}.npz", net)
