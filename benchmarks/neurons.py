"""Error of spike times and gradients against dt, per neuron model: prints numbers, writes docs/figures/neurons.png.

Each neuron gets two events and the bias that makes it spike; the reference is the same simulation with dt / 8 of the
smallest step shown. Gradients are with respect to every parameter, weight and event time.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

import ranvier as rv
from ranvier.clock_driven.ode_step import initial_state, ode_step
from ranvier.integrators import AbstractIntegrator
from ranvier.neurons import AbstractODENeuron
from ranvier.plots.style import CLASSES, FAINT, SMALL, figure, tidy

STEPS = 2.0 ** -np.arange(0, 7)
jax.config.update("jax_enable_x64", True)
CONDUCTANCE = rv.synapses.ConductanceExponential(5.0)
RUNS = {
    "adaptive LIF": (rv.AdaptiveLIF(tau_mem=10.0, a=0.1, b=0.4, bias=1.5), 0.4, rv.integrators.RK4()),
    "QIF": (rv.QIF(tau_mem=5.0, bias=0.7), 0.4, rv.integrators.RK4()),
    "Izhikevich": (rv.Izhikevich(bias=12.0), 3.0, rv.integrators.RK4()),
    "AdEx": (rv.AdEx(bias=900.0, synapse=CONDUCTANCE), 2.0, rv.integrators.RK4()),
    "AdEx, v_peak = 20 mV": (rv.AdEx(bias=900.0, v_peak=20.0, synapse=CONDUCTANCE), 2.0, rv.integrators.RK4()),
    "Hodgkin-Huxley": (rv.HodgkinHuxley(bias=12.0, synapse=CONDUCTANCE), 0.05, rv.integrators.RK4()),
    "Hodgkin-Huxley, exp. Euler": (
        rv.HodgkinHuxley(bias=12.0, synapse=CONDUCTANCE),
        0.05,
        rv.integrators.ExponentialEuler(),
    ),
}
T_END, SPIKES = 64.0, 2


def spike_times(
    neuron: AbstractODENeuron,
    times: Float[Array, " events"],
    weight: Float[Array, ""],
    integrator: AbstractIntegrator,
    dt: float,
    steps: int,
) -> Float[Array, " spikes"]:
    """The first spikes of one neuron."""

    def body(index: Array, carry: tuple) -> tuple:
        state, spikes, count = carry
        t = index * dt
        at = jnp.sort(jnp.where((times >= t) & (times < t + dt), times - t, jnp.inf))[:, None]
        step = ode_step(neuron, integrator, state, t, dt, at, jnp.where(at < jnp.inf, weight, 0.0))
        fired = jnp.isfinite(step.spikes[0, 0])
        spikes = spikes.at[jnp.where(fired, count, SPIKES)].set(t + step.spikes[0, 0], mode="drop")
        return step.state, spikes, count + fired

    start = (initial_state(neuron, 1, jnp.float64), jnp.zeros(SPIKES), jnp.zeros((), int))
    return jax.lax.fori_loop(0, steps, body, start)[1]


def errors(neuron: AbstractODENeuron, weight: float, integrator: AbstractIntegrator) -> np.ndarray:
    """For each dt the error of the last spike time (ms) and that of its gradient (relative), NaN where it is lost."""
    numbers, unravel = ravel_pytree((neuron, jnp.array([5.3217, 14.7777]), jnp.array(weight)))

    def last(numbers: Float[Array, " numbers"], dt: float, steps: int) -> Float[Array, ""]:
        return spike_times(*unravel(numbers), integrator, dt, steps)[-1]

    def along(numbers: Array, direction: Array, dt: float, steps: int) -> tuple[Array, Array]:
        return jax.jvp(lambda at: last(at, dt, steps), (numbers,), (direction,))

    compiled = jax.jit(along)

    def at(dt: float) -> tuple[float, np.ndarray]:
        found = [compiled(numbers, row, dt, round(T_END / dt)) for row in jnp.eye(len(numbers))]
        return float(found[0][0]), np.array([float(slope) for _, slope in found])

    time, gradient = at(STEPS[-1] / 8)
    rows = []
    for dt in STEPS:
        near, slopes = at(dt)
        lost = not abs(near - time) < 1.0
        rows.append([np.nan if lost else abs(near - time), np.abs(slopes - gradient).max() / np.abs(gradient).max()])
        rows[-1][1] = np.nan if lost else rows[-1][1]
    return np.array(rows)


def main() -> None:
    """Measure, print and draw."""
    picture = figure(11.5, 4.2)
    left, right = picture.subplots(1, 2)
    picture.subplots_adjust(left=0.06, right=0.79, bottom=0.13, top=0.9, wspace=0.22)
    for colour, (name, (neuron, weight, integrator)) in zip(CLASSES, RUNS.items(), strict=False):
        found = errors(neuron, weight, integrator)
        for dt, (time, gradient) in zip(STEPS, found, strict=True):
            print(f"{name:<28} dt {dt:<9} ms   spike time {time:.1e} ms   gradient {gradient:.1e}")
        style = "--" if "," in name else "-"
        for axes, column in ((left, 0), (right, 1)):
            axes.loglog(STEPS, found[:, column], style, color=colour, marker="o", markersize=3.5, label=name)
    for axes, title in ((left, "error of the second spike time (ms)"), (right, "error of its gradient (relative)")):
        for order, height in ((2, 1e-1), (4, 1e-2)):
            axes.loglog(STEPS, height * STEPS**order, ":", color=FAINT, linewidth=1)
            axes.annotate(f"$dt^{order}$", (1.08, height), fontsize=SMALL, color=FAINT, va="center")
        axes.set_ylim(1e-12, 3.0)
        axes.set_xlim(0.013, 1.6)
        tidy(axes, title=title, x="dt (ms)")
    right.legend(fontsize=SMALL, frameon=False, loc="center left", bbox_to_anchor=(1.02, 0.5))
    picture.savefig(Path(__file__).parents[1] / "docs" / "figures" / "neurons.png", dpi=140)


if __name__ == "__main__":
    main()
