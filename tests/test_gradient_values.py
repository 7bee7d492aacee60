"""The value of a spike: against sums by hand, against the loss without the spike, and what may be asked of it."""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import clocked
import networks
import ranvier as rv
from ranvier.event_driven.primitive import event_driven
from ranvier.event_driven.rows import rows as rows_of
from ranvier.event_driven.simulator import _call
from value_reference import Parts, Reference

FIELDS = ("weights", "delays", "theta", "rho", "refractory", "start", "times")  # time constants: test_gradients
GRADIENTS = {
    "exact": (rv.ExactDerivative(), Parts()),
    "value": (rv.SpikeValue(0.7), Parts(0.0, 0.7)),
    "timing": (rv.SpikeValue(1.3, 0.4, 2.0), Parts(0.4, 1.3, 2.0)),
    "reset": (rv.SpikeValue(reset=True), Parts(0.0, 1.0, reset=1.0)),
    "everything": (rv.SpikeValue(0.5, 1.0, reset=True, refractory=True), Parts(1.0, 0.5, math.inf, 1.0, 1.0)),
}


def seeds(case: networks.Case, gradient: rv.ExactDerivative | rv.SpikeValue) -> tuple:
    """A random linear loss: factors of spike times, of presences (none if exact) and of potentials, by population."""
    found = networks.ask(case)
    rng = np.random.default_rng([case.seed, 5])
    times = {name: rng.normal(size=len(train)) for name, train in found.spikes.items()}
    presence = {name: rng.normal(size=len(train)) for name, train in found.spikes.items()}
    if isinstance(gradient, rv.ExactDerivative):
        presence = {}
    potentials = {name: rng.normal(size=np.shape(rows)) for name, rows in found.voltages.items()}
    return found, times, presence, potentials


def by_hand(case: networks.Case, gradient: object, parts: Parts) -> dict[str, list[np.ndarray]]:
    """Gradient of the random loss by sums over events and spikes."""
    found, times, presence, potentials = seeds(case, gradient)
    inputs = {name: networks.listed(train) for name, train in case.spikes.items()}
    reference = Reference(networks.translate(case.network), inputs, found, parts, case.t_end)
    total = np.zeros(reference.length)
    for factors, rows in ((times, reference.times), (presence, reference.presence)):
        for name, factor in factors.items():
            total += sum((one * row for one, row in zip(factor, rows[name], strict=True)), np.zeros(reference.length))
    for name, factor in potentials.items():
        for time, row in zip(case.record[name], factor, strict=True):
            for unit, one in enumerate(row):
                total += one * reference.potential((name, unit), float(time))
    return {field: [total[part] for part in places] for field, places in reference.fields.items()}


def prepared(case: networks.Case, simulator: rv.EventDriven) -> tuple:
    """The plan and the numbers of a call."""
    batch = lambda leaf: jnp.asarray(leaf)[None]
    spikes = jax.tree.map(batch, case.spikes)
    record = {name: batch(at) for name, at in case.record.items()}
    links = rows_of(case.network)
    plan = simulator.plan(case.network, links, spikes, case.t_end, record)
    return plan, _call(plan, case.network, links, spikes, record, jnp.zeros((), jnp.int32))


def by_library(case: networks.Case, gradient: object, window: float | None = None) -> dict[str, list[np.ndarray]]:
    """The same by `EventDriven`."""
    _, times, presence, potentials = seeds(case, gradient)
    plan, whole = prepared(case, rv.EventDriven(window=window, gradient=gradient))
    order = plan.populations[plan.inputs :]

    def loss(part: dict) -> jnp.ndarray:
        result = event_driven(plan, whole._replace(**part))
        total = jnp.zeros(())
        for factors, rows in ((times, result.times), (presence, result.presence)):
            for name, row in zip(order, rows or (None,) * len(order), strict=True):
                if name in factors and len(factors[name]):
                    total += jnp.sum(row[0, : len(factors[name])] * factors[name])
        recorded = [name for name in order if name in potentials]
        for name, row in zip(recorded, result.voltages, strict=True):
            total += jnp.sum(row[0] * potentials[name])
        return total

    return jax.jit(jax.grad(loss))({field: getattr(whole, field) for field in FIELDS})


SEEDS = (0, 1, 2, 3, 4, 8, 10, 13, "biased 1", "biased 6")
PARTS = [name for name in GRADIENTS if name != "everything"]
CASES = [(seed, "everything") for seed in SEEDS] + [(seed, PARTS[at % len(PARTS)]) for at, seed in enumerate(SEEDS)]


@pytest.mark.parametrize(("seed", "name"), CASES)
def test_the_gradient_is_that_of_sums_by_hand(seed: int | str, name: str):
    """Every kind of delay and of delivery, recurrent, many spikes; relative to the largest number of each field.

    Each network with all parts of a value, and with some of them in turn.
    """
    case = networks.draw(seed) if isinstance(seed, int) else networks.biased(int(seed.removeprefix("biased ")))
    agree(case, *GRADIENTS[name])


def agree(case: networks.Case, gradient: object, parts: Parts) -> None:
    """Hold the library to the sums by hand, relative to the largest number of each field."""
    wanted, found = by_hand(case, gradient, parts), by_library(case, gradient, case.window)
    assert any(np.any(part) for part in wanted["delays"])
    order = list(case.network.neurons)
    plan, _ = prepared(case, rv.EventDriven(window=case.window))
    for field in FIELDS:
        rows = wanted[field]
        if field in ("theta", "rho", "refractory", "start"):
            rows = [rows[order.index(one)] for one in plan.populations[plan.inputs :]]
        parts = found[field][: len(rows)] if field == "times" else found[field]  # no spikes from before t = 0
        for one, other in zip(parts, rows, strict=True):
            other = fitted(other, np.shape(one), field)
            keep = np.isfinite(one) & (np.abs(other) < math.inf)
            np.testing.assert_allclose(one[keep], other[keep], rtol=0, atol=1e-9 * (1e-3 + np.max(np.abs(other))),
                                       err_msg=f"{case.kind}: {field}")  # fmt: skip


def halves(case: networks.Case) -> networks.Case:
    """The same network with weaker weights onto every second neuron, most of which are then silent."""
    weaken = lambda weight: jnp.asarray(np.asarray(weight) * np.where(np.arange(weight.shape[1]) % 2 == 1, 0.25, 1.0))
    weights = lambda net: [link.weight for link in net.connections]
    network = eqx.tree_at(weights, case.network, [weaken(weight) for weight in weights(case.network)])
    return dataclasses.replace(case, network=network)


@pytest.mark.parametrize("seed", [1, 3, 4, 5, 6, 7, 8, 10, 13])
def test_near_misses_are_those_of_sums_by_hand(seed: int):
    """Highest potentials of silent neurons, found by bisection, and what their events would have been worth."""
    case = halves(networks.draw(seed))
    found = networks.ask(case)
    silent = [size - len({unit for _, unit in found.spikes[name]})
              for name, size in build.neuron_sizes(case.network).items() if case.network.neurons[name].spiking]  # fmt: skip
    assert sum(silent) >= 2
    agree(case, rv.SpikeValue(0.8, near=0.3), Parts(0.0, 0.8, near=0.3))
    rates = lambda near: by_library(case, rv.SpikeValue(0.8, near=near), case.window)["weights"]
    assert any(not np.allclose(one, other) for one, other in zip(rates(0.3), rates(0.0), strict=True))


def test_a_near_miss_is_worth_its_highest_potential():
    """The gradient of all that leads to it is that of the maximum of the same neuron without threshold; that of the
    threshold its opposite."""

    def network(neuron: rv.LIF | rv.LI) -> rv.Network:
        delay = rv.SynapticDelay(jnp.array([[1.5], [2.5]]), 0.5, 5.0)
        links = [rv.Connection("input", "hidden", jnp.full((2, 1), 0.5), delay)]
        if not neuron.spiking:
            return build.network({"input": 2}, {"hidden": neuron}, {"hidden": 1}, links)
        links.append(rv.Connection("hidden", "readout", jnp.full((1, 1), 1.3), rv.FixedDelay(1.0)))
        sizes = {"hidden": 1, "readout": 1}
        return build.network({"input": 2}, {"hidden": neuron, "readout": rv.LI(7.0, 3.0)}, sizes, links)

    spikes, fields = rv.Spikes([1.0, 2.0, 6.0], [0, 1, 0]), ("weight", "delay", "tau_mem", "tau_syn", "bias")
    constants = {"tau_mem": 9.0, "tau_syn": 4.0, "bias": 0.1}

    def gradient(neuron: rv.LIF | rv.LI, record: dict, simulator: rv.EventDriven, *names: str) -> rv.Network:
        learn, fixed = rv.partition(network(neuron), *(f"input->hidden.{name}" for name in fields[:2]), *names)
        worth = lambda learn: jnp.sum(
            *rv.simulate(rv.combine(learn, fixed), spikes, simulator, t_end=40.0, record=record).voltages.values()
        )
        return jax.grad(worth)(learn)

    names = [f"hidden.{name}" for name in fields[2:]]
    value, fine = rv.EventDriven(gradient=rv.SpikeValue(near=0.4)), np.linspace(0.0, 40.0, 2001)
    near = gradient(rv.LIF(**constants), {"readout": rv.summaries.Mean()}, value, *names, "hidden.v_threshold")
    grid = gradient(rv.LIF(**constants), {"readout": fine}, value, "hidden.v_threshold")
    top = gradient(rv.LI(**constants), {"hidden": rv.summaries.Maximum()}, rv.EventDriven(), *names)
    counts = -near["hidden"].neuron.v_threshold
    np.testing.assert_allclose(-grid["hidden"].neuron.v_threshold / 2000.0, counts, rtol=1e-3)
    assert counts > 1e-3
    link = "input->hidden"
    np.testing.assert_allclose(near[link].weight, counts * top[link].weight, rtol=1e-9)
    np.testing.assert_allclose(near[link].delay.raw, counts * top[link].delay.raw, rtol=1e-9)
    for name in fields[2:]:
        np.testing.assert_allclose(getattr(near["hidden"].neuron, name), counts * getattr(top["hidden"].neuron, name),
                                   rtol=1e-9)  # fmt: skip


@pytest.mark.parametrize("seed", [3, 6])
def test_near_misses_change_no_spike(seed: int):
    """Nor, where they count for nothing, the gradient; in one piece and in two."""
    case = halves(networks.biased(seed))
    plain, near = (rv.EventDriven(gradient=rv.SpikeValue(near=width)) for width in (0.0, 0.3))
    run = lambda simulator: rv.simulate(case.network, case.spikes, simulator, t_end=case.t_end, end=True)
    one, other = run(plain), run(near)
    none = {name: rv.Spikes(jnp.full_like(train.time, jnp.inf), train.unit) for name, train in case.spikes.items()}
    onward = [rv.simulate(case.network, none, simulator, t_end=60.0, start=found.end)
              for simulator, found in ((plain, one), (near, other))]  # fmt: skip
    for first, second in ((one, other), onward):
        for found, wanted in zip(jax.tree.leaves(first.spikes), jax.tree.leaves(second.spikes), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)
    here, there = (by_library(case, rv.SpikeValue(near=width))["weights"] for width in (0.0, 1e-3))
    for found, wanted in zip(here, there, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("simulator", [rv.ClockDriven, rv.FirstSpike])
def test_near_misses_are_for_event_driven(simulator: type):
    """The others say so."""
    room = {"dt": 0.1} if simulator is rv.ClockDriven else {}
    with pytest.raises(ValueError, match=rf"{simulator.__name__}: SpikeValue\(near=0.3\) is for EventDriven"):
        simulator(gradient=rv.SpikeValue(near=0.3), **room)


def fitted(value: np.ndarray, shape: tuple[int, ...], field: str) -> np.ndarray:
    """In the library's shape: shared delays are summed, input trains are padded by zeros and have a batch axis."""
    if field == "times":
        return np.pad(value, (0, shape[1] - len(value)))[None]
    if field == "delays":
        axes = tuple(axis for axis in (0, 1) if shape[axis] == 1 and value.shape[axis] > 1)
        return value.sum(axis=axes, keepdims=True)
    return value[None] if field == "start" else value


def one_spike_each(refractory: float = math.inf) -> tuple[rv.Network, rv.Spikes]:
    """Three inputs, four LIF neurons of their own time constants that fire once, a readout."""
    rng = np.random.default_rng(3)
    neuron = rv.LIF(tau_mem=8.0, tau_syn=5.0, v_reset=-0.2, refractory=refractory)
    weight = jnp.asarray(rng.uniform(1.5, 2.5, (3, 4)))
    delay = rv.SynapticDelay(jnp.asarray(rng.uniform(0.5, 4.0, (3, 4))), 0.0, 9.0, rv.delays.Clip())
    out = rv.AxonalDelay(jnp.asarray(rng.uniform(0.5, 4.0, (4, 1))), 0.0, 9.0, rv.delays.Clip())
    links = [
        rv.Connection("input", "hidden", weight, delay),
        rv.Connection("hidden", "readout", jnp.asarray(rng.normal(size=(4, 2))), out),
    ]
    models, sizes = {"hidden": neuron, "readout": rv.LI(9.0, 4.0)}, {"hidden": 4, "readout": 2}
    return build.network({"input": 3}, models, sizes, links), rv.Spikes([1.0, 2.0, 2.5], [0, 1, 2])


def test_a_value_is_the_loss_with_the_spike_less_that_without_it_to_first_order():
    """Half the weights, a quarter of the error; what a spike is worth is read from the gradient of its threshold."""
    network, spikes = one_spike_each()
    record = {"readout": [8.0, 13.0, 21.0]}

    def loss(weight: jnp.ndarray, theta: jnp.ndarray) -> jnp.ndarray:
        links = [network.connections[0], rv.Connection("hidden", "readout", weight, network.connections[1].delay)]
        model = rv.LIF(8.0, 5.0, v_threshold=theta, v_reset=-0.2, refractory=math.inf)
        net = build.network(
            {"input": 3}, {"hidden": model, "readout": rv.LI(9.0, 4.0)}, {"hidden": 4, "readout": 2}, links
        )
        simulator = rv.EventDriven(gradient=rv.SpikeValue(2.0))
        solution = rv.simulate(net, spikes, simulator, t_end=30.0, record=record)
        return jnp.sum(jnp.exp(solution.voltages["readout"]))

    errors = []
    for scale in (0.1, 0.05, 0.025):
        weight, theta = scale * network.connections[1].weight, jnp.ones(4)
        value = -np.asarray(jax.grad(loss, argnums=1)(weight, theta)) / 2.0
        without = [loss(weight.at[n].set(0.0), theta) for n in range(4)]
        change = np.asarray([loss(weight, theta) - one for one in without])
        assert np.all(np.abs(change) > 0.1 * scale)
        errors.append(np.max(np.abs(value - change)))
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.05)


@pytest.mark.parametrize("refractory", [0.0, 1.7])
def test_reset_and_refractory_time_are_worth_what_they_do_to_the_potential(refractory: float):
    """Exactly, for a loss that is linear in the potential: the neuron that cannot fire is the one without its spike."""
    network, _ = one_spike_each(refractory)

    def potential(theta: jnp.ndarray, gradient: rv.SpikeValue) -> jnp.ndarray:
        model = rv.LIF(8.0, 5.0, v_threshold=theta, v_reset=-0.2, refractory=refractory)
        net = build.network({"input": 3}, {"hidden": model}, {"hidden": 4}, [network.connections[0]])
        simulator, record = rv.EventDriven(gradient=gradient), {"hidden": [19.0]}
        solution = rv.simulate(net, rv.Spikes([1.0], [0]), simulator, t_end=20.0, record=record)
        return solution.voltages["hidden"][0]

    theta = jnp.asarray([0.42, 0.4, 0.55, 0.45])  # so that each fires once
    worth = lambda **parts: -theta * jax.grad(lambda theta: jnp.sum(potential(theta, rv.SpikeValue(**parts))))(theta)
    change = potential(theta, rv.SpikeValue()) - potential(theta + 9.0, rv.SpikeValue())
    assert np.all(np.abs(change) > 0.01)
    np.testing.assert_allclose(worth(reset=True, refractory=True), change, rtol=1e-11)
    np.testing.assert_array_equal(worth(), 0.0)
    np.testing.assert_allclose(worth(reset=True) + worth(refractory=True), change, rtol=1e-11)
    assert (refractory == 0.0) == np.all(np.asarray(worth(refractory=True)) == 0.0)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_loss_of_counts_has_the_gradient_of_its_definition(seed: int):
    """`(count - 3)^2`, through `spike_count`: each spike of neuron j is present with weight `2 (count_j - 3)`."""
    case, parts = networks.draw(seed), Parts(0.0, 0.8)
    inputs = {name: networks.listed(train) for name, train in case.spikes.items()}
    reference = Reference(networks.translate(case.network), inputs, networks.ask(case), parts, case.t_end)
    wanted, counts = np.zeros(reference.length), np.zeros(6)
    units = [unit for _, unit in networks.ask(case).spikes["hidden"]]
    np.add.at(counts, units, 1.0)
    for unit, row in zip(units, reference.presence["hidden"], strict=True):
        wanted += 2.0 * (counts[unit] - 3.0) * row
    learn, fixed = rv.partition(case.network, "weight")

    def loss(learn: rv.Network) -> jnp.ndarray:
        simulator = rv.EventDriven(gradient=rv.SpikeValue(0.8))
        solution = rv.simulate(rv.combine(learn, fixed), case.spikes, simulator, t_end=case.t_end)
        return jnp.sum((rv.spike_count(solution.spikes["hidden"]) - 3.0) ** 2)

    for link, place in zip(jax.grad(loss)(learn).connections, reference.fields["weights"], strict=True):
        np.testing.assert_allclose(link.weight, wanted[place], rtol=0, atol=1e-9 * np.max(np.abs(wanted)))


def test_counts_have_no_exact_derivative_and_say_so():
    case = networks.draw(1)
    learn, fixed = rv.partition(case.network, "weight")

    def run(learn: rv.Network) -> tuple[jnp.ndarray, jnp.ndarray]:
        solution = rv.simulate(rv.combine(learn, fixed), case.spikes, rv.EventDriven(), t_end=case.t_end)
        first = solution.spikes["hidden"].time[0]
        return first, jnp.sum(rv.spike_count(solution.spikes["hidden"]))

    counts = lambda learn: run(learn)[1]
    for take in (jax.grad(counts), jax.jit(jax.grad(counts)), jax.grad(jax.jit(counts))):
        with pytest.raises(ValueError, match=r"spike_count: .*SpikeValue\(\).*stop_gradient"):
            take(learn)
    _, count = jax.grad(run, has_aux=True)(learn)  # only looked at
    assert float(count) == len(networks.ask(case).spikes["hidden"])
    assert math.isnan(float(jax.jvp(lambda time: jnp.sum(rv.spike_count(rv.Spikes(time, jnp.array([0]), 1))),
                                    (jnp.ones(1),), (jnp.ones(1),))[1]))  # fmt: skip


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"scale": math.inf}, {"timing": -0.1}, {"max_inverse_slope": 0.0}])
def test_a_wrong_number_is_refused(wrong: dict[str, float]):
    ((name, _),) = wrong.items()
    with pytest.raises(ValueError, match=f"SpikeValue: `{name}` must be"):
        rv.SpikeValue(**wrong)


def agree_with_event_driven(network: rv.Network, spikes: rv.Spikes, clock: rv.ClockDriven, record: dict) -> None:
    """The gradients of a loss of potentials, times and counts, for weights, delays, neurons and input times."""
    learn, fixed = rv.partition(network, "weight", "delay", "v_threshold", "v_reset", "refractory", "bias")

    def loss(learn: rv.Network, time: jnp.ndarray, simulator: object) -> jnp.ndarray:
        inputs = rv.Spikes(time, spikes.unit)
        solution = rv.simulate(rv.combine(learn, fixed), inputs, simulator, t_end=clocked.T_END, record=record)
        train = solution.spikes["hidden"]
        times = jnp.where(jnp.isfinite(train.time), train.time, 0.0)
        potentials = [jnp.sum(jnp.sin(part)) for part in solution.voltages.values()]
        counts = rv.spike_count(train)
        return jnp.sum(jnp.sin(times)) + sum(potentials) + jnp.sum((counts - 1.5) ** 2)

    take = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
    found = take(learn, spikes.time, clock)
    wanted = take(learn, spikes.time, rv.EventDriven(gradient=clock.gradient))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        atol = 1e-9 * (1e-3 + float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


def test_clock_driven_has_the_same_gradient():
    """Every kind of delay, ratio of time constants and refractory time; recurrent, many spikes; all parts of a value.

    With a bias for each neuron, one of them above threshold.
    """
    value = rv.SpikeValue(0.5, 0.4, 2.0, reset=True, refractory=True)
    clock = rv.ClockDriven(dt=1.0, layout=rv.clock_driven.Exact(16, 32), gradient=value)
    bias = jnp.array([0.3, -0.2, 0.1, 0.0, 1.3, -0.1])
    network = eqx.tree_at(lambda net: net["hidden"].neuron.bias, clocked.network(1), bias)
    agree_with_event_driven(network, clocked.spikes(1, 16), clock, clocked.RECORD)


def test_clock_driven_has_the_same_gradient_with_merged_events():
    """In steps so short that no two events of one sign meet in one."""
    network, _ = one_spike_each()
    clock = rv.ClockDriven(dt=0.03125, layout=rv.clock_driven.Merged(), gradient=GRADIENTS["timing"][0])
    agree_with_event_driven(network, rv.Spikes([1.0, 2.0, 2.8], [0, 1, 2]), clock, {"readout": [8.0, 13.0, 21.0]})


def test_what_cannot_have_a_value_is_refused():
    spikes, value = rv.Spikes([1.0], [0]), rv.SpikeValue()
    linear, ode = (rv.feedforward([1, 1], neuron=neuron, key=jax.random.key(0)) for neuron in (rv.LIF(), rv.AdEx()))
    for network, message, more in (
        (ode, "the value of a spike is known for LIF and LI", {}),
        (linear, "cannot be `Queued`", {"layout": rv.clock_driven.Queued()}),
    ):
        with pytest.raises(ValueError, match=message):
            rv.simulate(network, spikes, rv.ClockDriven(gradient=value, **more), t_end=5.0)
