"""Neuron models and the step that advances them: against textbook equations, differences and closed forms."""

import functools
from collections.abc import Callable

import equinox as eqx
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import ranvier as rv
from populations import CASES, run, scanned, textbook
from ranvier.clock_driven.cubic import Cubic, first_crossing
from ranvier.clock_driven.ode_step import Step, initial_state, ode_step
from ranvier.integrators import AbstractIntegrator

STEP = {"HodgkinHuxley": 0.025}
WIDTHS = (2e-5, 1e-4)
"""Relative steps of the differences: the first leaves too much rounding where a derivative is small."""
LATER = 3
"""How many of each neuron's spikes are looked at."""


class Simulated:
    """Spike times and last potentials of one case as a function of all its numbers, compiled once for every dt.

    As many runs as there are numbers are made side by side: they take little longer than one.
    """

    def __init__(self, name: str, integrator: AbstractIntegrator):
        self.name, self.case = name, CASES[name]
        self.dt = STEP.get(name, 0.05)
        parameters = (self.case.neuron, jnp.array(self.case.times), jnp.array(self.case.weights))
        self.numbers, unravel = ravel_pytree(parameters)

        def forward(numbers: jax.Array, dt: float, steps: int, loop: Callable) -> jax.Array:
            neuron, times, weights = unravel(numbers)
            spikes, v, lost = run(neuron, times, weights, dt, steps, integrator, loop)
            spikes = spikes[:LATER].ravel()
            # Potentials are in mV or in thresholds: on this scale both matter.
            found = jnp.concatenate([jnp.where(jnp.isfinite(spikes), spikes, 0.0), v / (1.0 + jnp.abs(v))])
            return jnp.where(lost.sum() == 0, found, jnp.nan)

        along = lambda numbers, tangent, dt, steps: jax.jvp(
            lambda numbers: forward(numbers, dt, steps, jax.lax.fori_loop), (numbers,), (tangent,)
        )
        self.run = jax.jit(jax.vmap(along, in_axes=(0, 0, None, None)))
        back = lambda numbers: forward(numbers, self.dt, round(self.case.t_end / self.dt), scanned)
        self.pull = jax.jit(lambda numbers, weights: jax.vjp(back, numbers)[1](weights)[0])

    def along(self, dt: float, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values (runs, values), and their Jacobian's rows (numbers, values), where run n has its numbers moved by row n."""
        numbers, rows = np.asarray(self.numbers) + moved, np.eye(len(self.numbers))
        value, slope = self.run(numbers, rows, dt, round(self.case.t_end / dt))
        return np.asarray(value), np.asarray(slope)

    def values(self, dt: float) -> np.ndarray:
        return self.along(dt, np.zeros((len(self.numbers), 1)))[0][0]

    def slopes(self, dt: float) -> np.ndarray:
        """Jacobian, (values, numbers)."""
        return self.along(dt, np.zeros((len(self.numbers), 1)))[1].T


@functools.cache
def of_model(name: str) -> Simulated:
    return Simulated(name, rv.integrators.RK4())


@pytest.fixture(params=CASES)
def simulated(request: pytest.FixtureRequest) -> Simulated:
    return of_model(request.param)


def test_every_neuron_model_has_a_case():
    models = {name for name, value in vars(rv).items() if isinstance(value, type) and hasattr(value, "dynamics")}
    assert models == {*CASES, "LIF", "LI"}


def test_trajectories_are_those_of_the_textbook_equations(simulated: Simulated):
    wanted = [textbook(simulated.case, unit) for unit in (0, 1)]
    assert all(len(spikes) > 1 for spikes, _ in wanted)
    times = np.array([(spikes + [0.0] * LATER)[:LATER] for spikes, _ in wanted]).T.ravel()
    potentials = np.array([v / (1.0 + abs(v)) for _, v in wanted])
    errors = [
        np.abs(simulated.values(dt) - np.concatenate([times, potentials])).max()
        for dt in (2 * simulated.dt, simulated.dt, simulated.dt / 2)
    ]
    assert errors[1] < 1e-5
    assert np.log2(errors[0] / errors[2]) > 2 * 3.0


def test_gradients_converge_as_spike_times_do(simulated: Simulated):
    """Of spike times and last potentials, with respect to every number of the case."""
    fine = simulated.slopes(simulated.dt / 8)
    scale = np.abs(fine).max(axis=0) + 1e-9
    coarse, finer = (np.abs((simulated.slopes(dt) - fine) / scale).max() for dt in (2 * simulated.dt, simulated.dt / 2))
    assert coarse < 2e-3
    assert np.log2(coarse / finer) > 2 * 2.0


def test_gradients_are_those_of_the_simulation(simulated: Simulated):
    """Richardson's central differences of the same simulation."""
    found = simulated.slopes(simulated.dt)
    scale = np.maximum(np.abs(simulated.numbers), 0.5)

    def richardson(width: float) -> np.ndarray:
        at = lambda side: simulated.along(simulated.dt, np.diag(side * scale))[0]
        wide, narrow = ((at(side) - at(-side)) / (2.0 * side * scale[:, None]) for side in (width, width / 2))
        return (4.0 * narrow - wide).T / 3.0

    errors = np.min([np.abs(found - richardson(width)).max(axis=0) for width in WIDTHS], axis=0)
    wrong = np.flatnonzero(errors >= 1e-6 * np.abs(found).max(axis=0) + 1e-9)
    assert not wrong.size, f"numbers {wrong}: {errors[wrong]}"


def test_forward_mode_is_reverse_mode(simulated: Simulated):
    slopes = simulated.slopes(simulated.dt)
    weights = np.random.default_rng(0).normal(size=len(slopes))
    found = simulated.pull(simulated.numbers, jnp.asarray(weights))
    np.testing.assert_allclose(found, weights @ slopes, rtol=1e-10, atol=1e-10)


def test_exponential_euler_is_second_order():
    simulated = Simulated("HodgkinHuxley", rv.integrators.ExponentialEuler())
    one, end = simulated.numbers[None], simulated.case.t_end
    fine, finer, coarse = (simulated.run(one, one, dt, round(end / dt)) for dt in (0.0015625, 0.00625, 0.025))
    for best, better, good in zip(fine, finer, coarse, strict=True):
        assert np.log2(np.abs(good - best).max() / np.abs(better - best).max()) > 2 * 1.8


def step(neuron: rv.ODENeuron, h: float, arrivals: list, weights: list, max_spikes: int = 1) -> Step:
    """One step of one neuron whose events are given as a list."""
    at, weight = jnp.array(arrivals).reshape(-1, 1), jnp.array(weights).reshape(-1, 1)
    return compiled_step(neuron, h, at, weight, max_spikes)


@eqx.filter_jit
def compiled_step(neuron: rv.ODENeuron, h: float, arrivals: jax.Array, weights: jax.Array, max_spikes: int) -> Step:
    return ode_step(
        neuron, rv.integrators.RK4(), initial_state(neuron, 1, jnp.float64), 0.0, h, arrivals, weights, max_spikes
    )


def clock(slope: Callable, threshold: float, reset: Callable | None = None) -> rv.ODENeuron:
    """A neuron whose potential has a slope that is a given function of time, and of the current."""
    return rv.ODENeuron(
        lambda t, state, current, parameters: [slope(t) + current],
        lambda state, parameters: state[0] - parameters["v_threshold"],
        reset,
        initial=[0.0],
        parameters={"v_threshold": threshold},
        synapse=rv.synapses.ExponentialCurrent(9e8),
    )


def test_a_crossing_between_two_steps_below_threshold_is_found():
    """`v = t (1 - t)` reaches 0.16 at t = 0.2, is highest at 0.5, and is 0 again at the step's end."""
    neuron = clock(lambda t: 1.0 - 2.0 * t, 0.16)
    crossing = lambda neuron: step(neuron, 1.0, [jnp.inf], [0.0]).spikes[0, 0]
    assert float(crossing(neuron)) == pytest.approx(0.2, abs=1e-14)
    slope = jax.grad(crossing)(neuron).parameters["v_threshold"]
    assert float(slope) == pytest.approx(1.0 / (1.0 - 0.4), rel=1e-13)


def test_several_spikes_and_arrivals_of_one_step_come_in_order():
    """`v' = 1` until 0.5, then 3; threshold 0.4, reset to 0: spikes at 0.4, then 0.1 + 3 s = 0.4, and every 2/15 ms."""
    neuron = clock(lambda t: 1.0, 0.4, lambda state, parameters: [0.0])
    found = step(neuron, 1.05, [0.5, 0.5, jnp.inf], [0.5, 1.5, 9.0], max_spikes=6)
    wanted = [0.4, 0.6, *(0.6 + np.arange(1, 4) * 2.0 / 15.0), np.inf]
    np.testing.assert_allclose(found.spikes[:, 0], wanted, atol=1e-8)
    assert int(found.lost[0]) == 0
    assert float(found.state.neuron[0, 0]) == pytest.approx(0.15, abs=1e-8)
    few = step(neuron, 1.05, [0.5, 0.5, jnp.inf], [0.5, 1.5, 9.0], max_spikes=2)
    np.testing.assert_allclose(few.spikes[:, 0], wanted[:2], atol=1e-8)
    assert int(few.lost[0]) > 0


def test_events_at_the_ends_of_a_step_and_of_weight_0():
    neuron = clock(lambda t: 0.0 * t, 9.0)
    for at, v in ((0.0, 2.0), (0.5, 1.0), (1.0, 0.0)):
        found = step(neuron, 1.0, [at, jnp.inf], [2.0, 0.0])
        assert float(found.state.neuron[0, 0]) == pytest.approx(v, abs=1e-8)
        assert float(found.state.synapse[0, 0]) == pytest.approx(2.0, abs=1e-8)
    assert float(step(neuron, 1.0, [0.3, jnp.inf], [0.0, 0.0]).state.neuron[0, 0]) == 0.0


def test_without_a_reset_a_neuron_spikes_once_until_it_is_below_again():
    """`v = sin(t)` through 0.5: once per turn, although the condition stays at 0 after the crossing."""
    neuron = clock(jnp.cos, 0.5)
    spikes, _, lost = run(neuron, jnp.array([99.0]), jnp.zeros((1, 1)), 0.1, 150, rv.integrators.RK4())
    found = spikes[np.isfinite(spikes)]
    np.testing.assert_allclose(found, np.arcsin(0.5) + 2 * np.pi * np.arange(3), atol=1e-5)
    assert not lost.any()


CROSSING = jax.jit(lambda ends: first_crossing(Cubic(*ends[:, None]), jnp.array([True])))


@hypothesis.given(st.lists(st.floats(-3.0, 3.0), min_size=4, max_size=4))
@hypothesis.settings(max_examples=200)
def test_the_first_zero_of_a_cubic(ends: list[float]):
    start, start_slope, end, end_slope = -abs(ends[0]) - 1e-3, *ends[1:]
    crosses, at = (np.asarray(found)[0] for found in CROSSING(jnp.array([start, start_slope, end, end_slope])))
    rise = end - start
    bend, twist = 3 * rise - 2 * start_slope - end_slope, start_slope + end_slope - 2 * rise
    value = lambda s: start + s * (start_slope + s * (bend + s * twist))
    highest = lambda until: value(np.linspace(0.0, until, 2001)).max()
    if crosses:
        slope = start_slope + at * (2 * bend + at * 3 * twist)
        hypothesis.assume(abs(slope) > 1e-6)
        assert abs(value(at)) < 1e-12
        assert highest(at - 1e-6) < 1e-12
    else:
        assert highest(1.0) < 1e-12


def test_neurons_do_not_mix_and_may_have_their_own_parameters():
    """A population is its neurons one by one, in any order."""
    times, weights = jnp.array([3.3, 7.1]), jnp.array([[20.0, 5.0, -9.0], [7.0, 30.0, 12.0]])
    bias = jnp.array([8.0, 11.0, 14.0])
    simulate = eqx.filter_jit(
        lambda bias, weights: run(rv.Izhikevich(bias=bias), times, weights, 0.2, 200, rv.integrators.RK4())
    )
    together, v, _ = simulate(bias, weights)
    for unit in range(3):
        alone, own, _ = simulate(bias[unit], weights[:, [unit]])
        assert np.isfinite(alone).any()
        np.testing.assert_allclose(together[:, unit], alone[:, 0], rtol=1e-12)
        np.testing.assert_allclose(v[unit], own[0], rtol=1e-10)


@pytest.mark.parametrize("name", ["AdEx", "Izhikevich"])
def test_float32(name: str):
    case = CASES[name]
    half = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree)
    neuron, times, weights = half((case.neuron, jnp.array(case.times), jnp.array(case.weights)))
    steps = round(case.t_end / 0.125)
    spikes, v, _ = eqx.filter_jit(run)(neuron, times, weights, 0.125, steps, rv.integrators.RK4())
    assert spikes.dtype == v.dtype == jnp.float32
    for unit in (0, 1):
        wanted, _ = textbook(case, unit)
        np.testing.assert_allclose(spikes[: len(wanted), unit], wanted, atol=3e-3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.AdaptiveLIF(0.0), "AdaptiveLIF: `tau_mem` must be a time above 0.*; got 0.0"),
        (lambda: rv.AdaptiveLIF(v_reset=1.0), "AdaptiveLIF: `v_reset` must be below `v_threshold`"),
        (lambda: rv.QIF(v_leak=2.0), "QIF: `v_leak` must be below `v_threshold`; got v_leak = 2.0"),
        (lambda: rv.QIF(v_peak=0.5), "QIF: `v_threshold` must be below `v_peak`"),
        (lambda: rv.Izhikevich(c=30.0), "Izhikevich: `c` must be below `v_peak`; got c = 30.0 and v_peak = 30.0"),
        (lambda: rv.Izhikevich(a=-0.1), "Izhikevich: `a` must be a rate per ms above 0; got -0.1"),
        (lambda: rv.AdEx(c_mem=0.0), "AdEx: `c_mem` must be a capacitance in pF above 0"),
        (lambda: rv.AdEx(v_peak=-60.0), "AdEx: `v_threshold` must be below `v_peak`"),
        (lambda: rv.HodgkinHuxley(g_na=-1.0), "HodgkinHuxley: `g_na` must be a conductance in mS/cm2 above 0"),
        (lambda: rv.HodgkinHuxley(v_initial=5.0), "HodgkinHuxley: `v_initial` must be below `v_threshold`"),
        (lambda: rv.HodgkinHuxley(bias=np.nan), "HodgkinHuxley: `bias` must be finite; got nan"),
        (lambda: rv.ODENeuron(len, len, initial=[]), "ODENeuron: `initial` must hold one value per variable"),
        (lambda: rv.ODENeuron(len, len, initial=[np.inf]), r"ODENeuron: `initial\[0\]` must be finite"),
        (
            lambda: two_variables(dynamics=lambda *_: [1.0]),
            "`dynamics` must give one value for each of the 2 variables",
        ),
        (lambda: two_variables(reset=lambda *_: 3.0), "`reset` must give one value for each of the 2.*; got float"),
    ],
)
def test_wrong_input(make: Callable, message: str):
    with pytest.raises(ValueError, match=message):
        make()


def two_variables(dynamics: Callable = lambda t, state, *_: state, reset: Callable | None = None) -> Step:
    neuron = rv.ODENeuron(dynamics, lambda state, parameters: state[0], reset, initial=[-1.0, 2.0])
    return step(neuron, 0.1, [jnp.inf], [0.0])


def test_event_driven_refuses_a_neuron_without_closed_form():
    network = rv.feedforward([1, 1], neuron=rv.Izhikevich(), key=jax.random.key(0))
    with pytest.raises(ValueError, match="'output'.*linear between events.*got Izhikevich. Use ClockDriven"):
        rv.simulate(network, rv.Spikes([1.0], [0]), rv.EventDriven(), t_end=5.0)
