"""How far `ClockDriven` is from `EventDriven` against dt: prints the table, writes docs/figures/clock_convergence.png.

A recurrent network of 12 LIF neurons with per-synapse delays and 40 input spikes, which spikes 139 times, in float64.
Error of spike times: the largest difference. Error of the gradient of their sum with respect to weights and delays:
norm of the difference over the norm.
"""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import ranvier as rv

STEPS = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]
T_END = 40.0


def problem() -> tuple[rv.Network, rv.Spikes]:
    """Network and input."""
    rng = np.random.default_rng(3)
    links = [
        rv.Connection("input", "hidden", jnp.asarray(rng.normal(1.6, 0.8, (8, 12))),
                      rv.SynapticDelay(jnp.asarray(rng.uniform(0.5, 8.0, (8, 12))), 0.0, 9.0)),
        rv.Connection("hidden", "hidden", jnp.asarray(rng.normal(-0.2, 0.4, (12, 12))),
                      rv.SynapticDelay(jnp.asarray(rng.uniform(1.5, 8.0, (12, 12))), 1.0, 9.0)),
    ]  # fmt: skip
    time = jnp.asarray(np.sort(rng.uniform(0.0, 30.0, 40)))
    spikes = rv.Spikes(time, jnp.asarray(rng.integers(0, 8, 40), jnp.int32))
    return rv.Network({"input": rv.Population(8), "hidden": rv.Population(12, rv.LIF(10.0, 4.0))}, links), spikes


def results(simulator: object, network: rv.Network, spikes: rv.Spikes) -> tuple[rv.Spikes, np.ndarray]:
    """Spikes, and the gradient of the sum of their times."""
    learn, fixed = rv.partition(network)

    def total(learn: rv.Network) -> tuple[jax.Array, rv.Spikes]:
        both = eqx.combine(learn, fixed)
        found = rv.simulate(both, spikes, simulator, t_end=T_END, throw=False).spikes["hidden"]
        return jnp.sum(jnp.where(jnp.isfinite(found.time), found.time, 0.0)), found

    (_, found), change = jax.jit(jax.value_and_grad(total, has_aux=True))(learn)
    return found, np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(change)])


def errors(found: tuple[rv.Spikes, np.ndarray], exact: tuple[rv.Spikes, np.ndarray]) -> tuple[float, float]:
    """Of spike times and gradient; NaN where the number of spikes differs."""
    times = []
    for unit in range(12):
        mine, true = (np.asarray(one.time)[np.asarray(one.unit) == unit] for one in (found[0], exact[0]))
        times.append(np.max(np.abs(mine - true), initial=0.0) if len(mine) == len(true) else np.nan)
    return float(np.max(times)), float(np.linalg.norm(found[1] - exact[1]) / np.linalg.norm(exact[1]))


def main() -> None:
    """Table and plot."""
    jax.config.update("jax_enable_x64", True)
    network, spikes = problem()
    exact = results(rv.EventDriven(), network, spikes)
    rows = {"Exact": [], "Merged": []}
    for name, layout, steps in (
        ("Exact", rv.clock_driven.Exact(), STEPS[:4]),
        ("Merged", rv.clock_driven.Merged(), STEPS),
    ):
        for dt in steps:
            row = errors(results(rv.ClockDriven(dt=dt, layout=layout), network, spikes), exact)
            print(f"{name:>7} dt {dt:<8g} spike times {row[0]:.2e} ms  gradient {row[1]:.2e}", flush=True)
            rows[name].append(row)
    plot(rows)


def plot(rows: dict[str, list[tuple[float, float]]]) -> None:
    """Errors of spike times and gradients against dt."""
    figure, axes = plt.subplots(1, 2, figsize=(8.0, 3.4), sharex=True, layout="constrained")
    for (name, found), mark in zip(rows.items(), "so", strict=True):
        for axis, error in zip(axes, zip(*found, strict=True), strict=True):
            axis.loglog(STEPS[: len(found)], error, mark + "-", label=f"{name} layout")
    for axis, title in zip(axes, ("largest error of spike times (ms)", "relative error of the gradient"), strict=True):
        axis.loglog(STEPS, 0.1 * np.square(STEPS), "--", color="0.6", label="dt$^2$")
        axis.set_xlabel("dt (ms)")
        axis.set_title(title, size=10)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].legend(frameon=False)
    figure.savefig(Path(__file__).parents[1] / "docs" / "figures" / "clock_convergence.png", dpi=150)


if __name__ == "__main__":
    main()
