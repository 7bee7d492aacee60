"""Small populations of ODE neurons for the tests: how to run one, and the same equations as a textbook has them.

`CASES` has one `Case` for each model. `run` goes through `ode_step` with a plain loop; `textbook` integrates the model's
equations in their own variables with SciPy's DOP853 at a tolerance of 1e-11, spike by spike.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike
from scipy.integrate import solve_ivp

import ranvier as rv
from ranvier.clock_driven.ode_step import initial_state, ode_step
from ranvier.integrators import AbstractIntegrator
from ranvier.neurons import AbstractODENeuron

ROOM = 8


@dataclasses.dataclass(frozen=True)
class Case:
    """Two neurons of one model, their events, and the equations: slopes(x, g), with g the synapse's sum of shapes(s)."""

    neuron: AbstractODENeuron
    times: tuple[float, ...]
    weights: tuple[tuple[float, float], ...]
    t_end: float
    slopes: Callable
    condition: Callable
    reset: Callable | None
    start: tuple[float, ...]
    shape: Callable


def run(
    neuron: AbstractODENeuron,
    times: jax.Array,
    weights: jax.Array,
    dt: float | jax.Array,
    steps: int | jax.Array,
    integrator: AbstractIntegrator,
    loop: Callable = jax.lax.fori_loop,
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Spike times (ROOM, size), potentials at the end (size,), and what each lost, after `steps` steps of dt."""
    size, dtype = weights.shape[1], weights.dtype

    def body(index: jax.Array, carry: tuple) -> tuple:
        state, spikes, count, lost = carry
        t = jnp.asarray(index, dtype) * dt
        mine = (times >= t) & (times < t + dt)
        at = jnp.where(mine, times - t, jnp.inf)
        order = jnp.argsort(at)
        arrivals = jnp.broadcast_to(at[order][:, None], weights.shape)
        step = ode_step(neuron, integrator, state, t, dt, arrivals, jnp.where(mine[:, None], weights, 0.0)[order])
        fired = jnp.isfinite(step.spikes[0])
        place = jnp.where(fired, count, ROOM)
        spikes = spikes.at[place, jnp.arange(size)].set(t + step.spikes[0], mode="drop")
        return step.state, spikes, count + fired.astype(jnp.int32), lost + step.lost

    start = initial_state(neuron, size, dtype)
    zero = jnp.zeros(size, jnp.int32)
    state, spikes, _, lost = loop(0, steps, body, (start, jnp.full((ROOM, size), jnp.inf, dtype), zero, zero))
    return spikes, neuron.voltage(state.neuron), lost


def scanned(start: int, stop: int, body: Callable, carry: tuple) -> tuple:
    """A `fori_loop` that reverse mode can differentiate."""
    return jax.lax.scan(lambda carry, index: (body(index, carry), None), carry, jnp.arange(start, stop))[0]


def textbook(case: Case, unit: int) -> tuple[list[float], float]:
    """Spike times and the last potential of one neuron."""
    weights = [row[unit] for row in case.weights]

    def total(t: float, events: int) -> float:
        pairs = zip(case.times[:events], weights[:events], strict=True)
        return sum(weight * case.shape(t - time) for time, weight in pairs)

    now, state, spikes, events = 0.0, np.array(case.start), [], 0
    spike = lambda t, x: case.condition(x)
    spike.terminal, spike.direction = case.reset is not None, 1.0
    while now < case.t_end:
        stop = case.times[events] if events < len(case.times) else case.t_end
        field = lambda t, x, events=events: case.slopes(x, total(t, events))
        found = solve_ivp(field, (now, stop), state, "DOP853", rtol=1e-11, atol=1e-12, events=spike)
        now, state = found.t[-1], found.y[:, -1]
        spikes += found.t_events[0].tolist()
        if found.status == 1:
            state = np.array(case.reset(state))
        else:
            events += events < len(case.times)
    return spikes, float(state[0])


def fitzhugh_nagumo(t: ArrayLike, state: tuple, current: jax.Array, parameters: dict) -> list[jax.Array]:
    v, w = state
    return [v - v**3 / 3.0 - w + current, parameters["rate"] * (v + parameters["offset"] - 0.8 * w)]


def rates(v: float) -> tuple[tuple[float, float], ...]:
    """Of m, h and n, as in Dayan & Abbott (2001), equation 5.22 and 5.24."""
    return (
        (0.1 * (v + 40) / (1 - np.exp(-0.1 * (v + 40))), 4 * np.exp(-(v + 65) / 18)),
        (0.07 * np.exp(-0.05 * (v + 65)), 1 / (1 + np.exp(-0.1 * (v + 35)))),
        (0.01 * (v + 55) / (1 - np.exp(-0.1 * (v + 55))), 0.125 * np.exp(-0.0125 * (v + 65))),
    )


def hodgkin_huxley(x: np.ndarray, g: float) -> list[float]:
    v, *gates = x
    m, h, n = gates
    current = 12.0 + g * (0.0 - v)
    ionic = 120 * m**3 * h * (v - 50) + 36 * n**4 * (v + 77) + 0.3 * (v + 54.387)
    return [current - ionic, *(a * (1 - gate) - b * gate for gate, (a, b) in zip(gates, rates(v), strict=True))]


def adex(x: np.ndarray, g: float) -> list[float]:
    v, w = x
    drive = 900.0 + g * (0.0 - v)
    return [
        (-30.0 * (v + 70.6) + 60.0 * np.exp((v + 50.4) / 2.0) - w + drive) / 281.0,
        (4.0 * (v + 70.6) - w) / 144.0,
    ]


def izhikevich(x: np.ndarray, g: float) -> list[float]:
    v, u = x
    return [0.04 * v**2 + 5 * v + 140 - u + 12.0 + g, 0.02 * (0.2 * v - u)]


def double(s: float) -> float:
    peak = 1.0 * 4.0 / 3.0 * np.log(4.0)
    return (np.exp(-s / 4.0) - np.exp(-s)) / (np.exp(-peak / 4.0) - np.exp(-peak))


exponential = lambda s: np.exp(-s / 5.0)
alpha = lambda s: s / 2.0 * np.exp(1.0 - s / 2.0)
TIMES = (5.3217, 5.3471, 14.7777)
CASES = {
    "AdaptiveLIF": Case(
        rv.AdaptiveLIF(
            tau_mem=10.0, tau_adapt=50.0, a=0.1, b=0.4, v_reset=-0.1, bias=1.5, synapse=rv.synapses.DoubleExponentialCurrent(1.0, 4.0)
        ),
        TIMES, ((0.5, -0.3), (0.7, 0.4), (-0.4, 0.6)), 65.0,
        lambda x, g: [(1.5 + g - x[0] - x[1]) / 10.0, (0.1 * x[0] - x[1]) / 50.0],
        lambda x: x[0] - 1.0, lambda x: [-0.1, x[1] + 0.4], (0.0, 0.0), double,
    ),
    "QIF": Case(
        rv.QIF(tau_mem=5.0, v_reset=-0.2, bias=0.7, synapse=rv.synapses.ExponentialCurrent(5.0)),
        TIMES, ((0.5, -0.3), (0.7, 0.4), (-0.4, 0.6)), 75.0,
        lambda x, g: [(x[0] * (x[0] - 1.0) + 0.7 + g) / 5.0],
        lambda x: x[0] - 10.0, lambda x: [-0.2], (0.0,), exponential,
    ),
    "Izhikevich": Case(
        rv.Izhikevich(bias=12.0, synapse=rv.synapses.AlphaCurrent(2.0)),
        TIMES, ((4.0, -2.0), (3.0, 1.0), (-2.0, 3.0)), 90.0,
        izhikevich, lambda x: x[0] - 30.0, lambda x: [-65.0, x[1] + 8.0], (-65.0, -13.0), alpha,
    ),
    "AdEx": Case(
        rv.AdEx(bias=900.0, synapse=rv.synapses.ConductanceExponential(5.0, e_rev=0.0)),
        TIMES, ((3.0, 1.0), (2.0, 4.0), (1.0, 2.0)), 60.0,
        adex, lambda x: x[0] + 40.0, lambda x: [-70.6, x[1] + 80.5], (-70.6, 0.0), exponential,
    ),
    "HodgkinHuxley": Case(
        rv.HodgkinHuxley(bias=12.0, synapse=rv.synapses.ConductanceExponential(5.0, e_rev=0.0)),
        TIMES, ((0.05, 0.02), (0.03, 0.1), (0.1, 0.05)), 40.0,
        hodgkin_huxley, lambda x: x[0], None, (-65.0, *(a / (a + b) for a, b in rates(-65.0))), exponential,
    ),
    "ODENeuron": Case(
        rv.ODENeuron(
            fitzhugh_nagumo, lambda state, parameters: state[0] - parameters["v_threshold"], initial=[-1.2, -0.6],
            parameters={"rate": 0.08, "offset": 0.7, "v_threshold": 0.5},
        ),
        (5.3217, 5.3471, 51.7777), ((1.0, 0.8), (0.3, 0.6), (0.9, 1.4)), 75.0,
        lambda x, g: [x[0] - x[0] ** 3 / 3 - x[1] + g, 0.08 * (x[0] + 0.7 - 0.8 * x[1])],
        lambda x: x[0] - 0.5, None, (-1.2, -0.6), exponential,
    ),
}  # fmt: skip
