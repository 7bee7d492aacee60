"""Surrogates against their formulas, and the simulation on a grid against EventDriven and differences."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import build
import ranvier as rv
from ranvier import surrogates
from ranvier.taps import AbstractTaps, Gaussian, Linear, Tent

X = np.linspace(-2.0, 2.0, 401)


def normal(x, mean, sigma):
    return np.exp(-((x - mean) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma**2)


FORMULAS = {
    "superspike": (surrogates.superspike(7.0), (1 + 7 * np.abs(X)) ** -2.0),
    "sigmoid": (surrogates.sigmoid(5.0), 5 * np.exp(-5 * X) / (1 + np.exp(-5 * X)) ** 2),
    "arctan": (surrogates.arctan(3.0), 1.5 / (1 + (1.5 * np.pi * X) ** 2)),
    "triangle": (surrogates.triangle(1.25, 0.4), 0.4 * np.interp(np.abs(X), [0, 0.8], [1, 0])),
    "rectangle": (surrogates.rectangle(0.5), np.where(np.abs(X) < 0.25, 2.0, 0.0)),
    "gaussian": (surrogates.gaussian(0.3), normal(X, 0, 0.3)),
    "multi_gaussian": (
        surrogates.multi_gaussian(0.3, 0.2, 5.0),
        1.2 * normal(X, 0, 0.3) - 0.2 * (normal(X, 0.3, 1.5) + normal(X, -0.3, 1.5)),
    ),
}


def test_every_surrogate_has_a_formula():
    public = {
        name for name, value in vars(surrogates).items() if getattr(value, "__module__", "") == surrogates.__name__
    }
    assert {name for name in public if not name.startswith("_")} == {*FORMULAS, "SurrogateSpike"}


@pytest.mark.parametrize("name", FORMULAS)
def test_a_spike_is_a_step_whose_derivative_is_the_formula(name: str):
    surrogate, expected = FORMULAS[name]
    spikes, slope = jax.jvp(surrogate, (jnp.asarray(X),), (jnp.ones(X.shape),))
    assert (np.asarray(spikes) == (X >= 0)).all()
    assert np.allclose(slope, expected, rtol=1e-12, atol=1e-15)
    assert np.allclose(jax.grad(lambda x: surrogate(x).sum())(jnp.asarray(X)), expected, rtol=1e-12, atol=1e-15)
    assert surrogate(jnp.zeros(3, jnp.float32)).dtype == jnp.float32


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan])
def test_a_scale_that_makes_no_sense_is_refused(value: float):
    with pytest.raises(ValueError, match=r"superspike: `beta` must be finite and above 0; got"):
        surrogates.superspike(value)


def test_experiments_are_told_apart_by_what_a_surrogate_says():
    assert repr(surrogates.triangle(2.0)) == "triangle(beta=2.0, gamma=0.3)"


def network(refractory: float = 1.0) -> rv.Network:
    """Recurrent, with all three kinds of delay, several spikes per neuron."""
    key = jax.random.key(0)
    net = rv.recurrent(
        [5, 8, 3],
        neuron=rv.LIF(20.0, 5.0, refractory=refractory),
        delay=[rv.synaptic(0.0, 6.0), rv.axonal(1.0, 4.0), rv.dendritic(0.0, 3.0)],
        weight=[rv.initializers.normal(2.0, 1.0), rv.initializers.normal(0.0, 0.5), rv.initializers.normal(1.0, 1.0)],
        key=key,
    )
    return eqx.tree_at(lambda net: net.neurons["hidden"].v_reset, net, jnp.asarray(-0.3))


def train() -> rv.Spikes:
    random = np.random.RandomState(1)
    return rv.Spikes(np.sort(random.rand(2, 20) * 25, axis=1), random.randint(0, 5, (2, 20)))


TIMES = np.linspace(0.3, 29.9, 12)


def simulate(
    net: rv.Network, simulator: rv.EventDriven | rv.ClockDriven, spikes: rv.Spikes | None = None
) -> rv.Solution:
    record = {"hidden": TIMES, "output": TIMES}
    return rv.simulate(net, spikes or train(), simulator, t_end=30.0, record=record)


@pytest.fixture(scope="module")
def solutions():
    """EventDriven, and the grid at two steps."""
    run = jax.jit(lambda net, dt: simulate(net, rv.Surrogate(dt=dt)), static_argnums=1)
    return simulate(network(), rv.EventDriven()), run(network(), 0.1), run(network(), 0.025)


def test_the_grid_converges_to_event_driven(solutions):
    exact, coarse, fine = solutions
    count = exact.stats.spikes["hidden"]
    assert (count > 16).all()
    for solution in (coarse, fine):
        assert (solution.stats.spikes["hidden"] == count).all()
        assert (solution.spikes["hidden"].unit == exact.spikes["hidden"].unit).all()
        assert (solution.stats.events == exact.stats.events).all()
        assert (solution.stats.silent["hidden"] == exact.stats.silent["hidden"]).all()
        for name in ("hidden", "output"):
            assert (solution.stats.in_flight[name] == exact.stats.in_flight[name]).all()
    some = np.isfinite(exact.spikes["hidden"].time)
    late = [np.abs(one.spikes["hidden"].time - exact.spikes["hidden"].time)[some].max() for one in (coarse, fine)]
    assert late[0] < 0.02
    assert late[1] < late[0] / 3
    off = [np.abs(one.voltages["output"] - exact.voltages["output"]).max() for one in (coarse, fine)]
    assert off[0] < 0.05
    assert off[1] < off[0] / 3


def difference(loss, args: tuple, place: int, direction) -> float:
    """Central difference with Richardson's extrapolation along one direction."""

    def quotient(h: float) -> float:
        ends = [
            loss(*(arg + sign * h * direction if n == place else arg for n, arg in enumerate(args))) for sign in (1, -1)
        ]
        return float(ends[0] - ends[1]) / (2 * h)

    return (4 * quotient(5e-5) - quotient(1e-4)) / 3


def test_without_spikes_every_gradient_is_exact():
    """Leaky integrators behind synaptic, axonal and dendritic delays: nothing is replaced."""
    spikes = train()
    nets = {
        kind: rv.feedforward([5, 3], neuron=rv.LI(20.0, 5.0), delay=make(0.0, 6.0), weight=rv.initializers.normal(1.0, 1.0), key=jax.random.key(3))
        for kind, make in {"synaptic": rv.synaptic, "axonal": rv.axonal, "dendritic": rv.dendritic}.items()
    }  # fmt: skip
    simulator = rv.Surrogate(dt=0.5)
    for kind, net in nets.items():
        link = net.connections[0]

        @jax.jit
        def loss(weight, raw, time, tau, net=net):
            where = lambda net: (net.connections[0].weight, net.connections[0].delay.raw, net.neurons["output"].tau_mem)
            changed = eqx.tree_at(where, net, (weight, raw, tau))
            solution = rv.simulate(
                changed, rv.Spikes(time, spikes.unit), simulator, t_end=30.0, record={"output": TIMES}, throw=False
            )
            return jnp.sum(jnp.sin(3 * solution.voltages["output"]))

        args = (link.weight, link.delay.raw, spikes.time, jnp.asarray(20.0))
        gradient = jax.jit(jax.grad(loss, argnums=(0, 1, 2, 3)))(*args)
        for place, one in enumerate(gradient):
            direction = np.random.RandomState(place).randn(*one.shape)
            expected = difference(loss, args, place, direction)
            assert abs(float((one * direction).sum()) - expected) < 1e-6 * abs(expected), (kind, place)


@pytest.mark.parametrize("taps", [Linear(), Tent(0.0), Tent(0.7), Gaussian(0.5)], ids=repr)
@pytest.mark.parametrize("position", [0.0, 2.0, 2.4, 5.0])
def test_a_delay_of_whole_steps_has_a_derivative(taps: AbstractTaps, position: float):
    """That of what interpolates around it: from above, from both sides, or, at the longest delay, from below."""
    value = jnp.sin(jnp.arange(6.0))
    arrived = lambda at: jnp.dot(taps(at, 6), value)
    found = float(jax.grad(arrived)(jnp.asarray(position)))
    sides = [float(arrived(jnp.asarray(position + h)) - arrived(jnp.asarray(position))) / h for h in (1e-7, -1e-7)]
    if isinstance(taps, Linear):
        sides = [sides[position == 5.0]]
    assert found == pytest.approx(np.mean(sides), abs=1e-6)


def hand_written(weight: np.ndarray, spikes: np.ndarray, detach: bool) -> tuple[float, float]:
    """One LIF without delay, V at the end and its derivative by the weight, step by step in Python; tau 4 and 2, dt 1."""
    decay, decay_syn = math.exp(-1 / 4), math.exp(-1 / 2)
    kappa = (decay - decay_syn) / (4 / 2 - 1)
    u = i = du = di = 0.0
    for x in spikes:
        i, di = i + weight * x, di + x
        before, onwards = u, kappa * i
        u, du = decay * u + kappa * i, decay * du + kappa * di
        onwards_slope = kappa * di
        i, di = decay_syn * i, decay_syn * di
        slope = 1 / (1 + 10 * abs(u - 1)) ** 2 * du
        if u >= 1:
            rest = (u - 1) / (u - before)
            u, du = rest * onwards, rest * onwards_slope - (0.0 if detach else slope * (u - rest * onwards))
        elif not detach:
            du -= slope * u
    return u, du


@pytest.mark.parametrize("detach", [True, False])
def test_the_reset_is_detached_or_not(detach: bool):
    x = np.array([1, 1, 0, 1, 1, 1, 0, 1, 0, 0], float)
    spikes = rv.Spikes(jnp.asarray(np.flatnonzero(x), float), jnp.zeros(int(x.sum()), jnp.int32))
    neuron = rv.LIF(4.0, 2.0)

    def voltage(weight):
        net = build.network(
            {"input": 1}, {"output": neuron}, {"output": 1}, [rv.Connection("input", "output", weight[None, None])]
        )
        solution = rv.simulate(
            net, spikes, rv.Surrogate(dt=1.0, detach_reset=detach), t_end=10.0, record={"output": [9.0]}, throw=False
        )
        return solution.voltages["output"][0, 0]

    value, slope = jax.value_and_grad(voltage)(jnp.asarray(1.7))
    expected = hand_written(1.7, x[:9], detach)
    assert np.allclose((value, slope), expected, rtol=1e-12), (value, slope, expected)


def test_every_learnable_number_has_a_gradient_and_memory_is_a_choice():
    """Through spikes too; the same with any number of checkpoints, in both precisions."""

    def loss(net, every):
        simulator = rv.Surrogate(dt=0.5, checkpoint=rv.checkpoints.Checkpoints(every))
        return jnp.sum(simulate(net, simulator).voltages["output"] ** 2)

    few, many = (jax.jit(jax.grad(loss), static_argnums=1)(network(), every) for every in (7, 60))
    for one, other in zip(jax.tree.leaves(few), jax.tree.leaves(many), strict=True):
        assert np.allclose(one, other, rtol=1e-9, atol=1e-12)
    hidden = few.neurons["hidden"]
    moved = [few.connections[n].weight for n in range(3)] + [few.connections[n].delay.raw for n in range(3)]
    moved += [hidden.tau_mem, hidden.tau_syn, hidden.v_threshold, hidden.v_reset, hidden.refractory]
    assert all(np.isfinite(leaf).all() and np.any(leaf != 0) for leaf in moved)


def test_what_cannot_be_done_is_refused():
    spikes, simulator = train(), rv.Surrogate(max_spikes=1)
    with pytest.raises(ValueError, match="population 'output'.*linear between events.*Use ClockDriven"):
        rv.simulate(rv.feedforward([5, 2], neuron=rv.QIF(), key=jax.random.key(0)), spikes, simulator, t_end=30.0)
    with pytest.raises(RuntimeError, match="more spikes than fit"):
        rv.simulate(network(), spikes, simulator, t_end=30.0)
    endless = rv.feedforward([5, 2], neuron=rv.LIF(), delay=rv.synaptic(init=1.0), key=jax.random.key(0))
    with pytest.raises(ValueError, match="the delays of input->output need an upper bound"):
        jax.jit(lambda net: rv.simulate(net, spikes, simulator, t_end=30.0, throw=False))(endless)


@pytest.mark.parametrize(
    ("argument", "value", "match"),
    [
        ("dt", 0.0, "`dt` must be a time in ms above 0; got 0.0"),
        ("dt", math.inf, "`dt` must be a time in ms above 0; got inf"),
        ("max_spikes", 0, "`max_spikes` must be at least 1; got 0"),
    ],
)
def test_a_wrong_argument_is_refused(argument: str, value: object, match: str):
    with pytest.raises(ValueError, match=f"Surrogate: {match}"):
        rv.Surrogate(**{argument: value})


def test_a_surrogate_that_was_not_called_is_refused():
    """Without the type checks of the tests, which would be first."""
    wrong = eqx.tree_at(lambda simulator: simulator.surrogate, rv.Surrogate(), surrogates.superspike)
    with pytest.raises(ValueError, match="`surrogate` must be the derivative of a spike, such as .*got <function"):
        wrong.__check_init__()
