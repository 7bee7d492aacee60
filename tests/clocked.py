"""A recurrent network with every kind of delay, ratio of time constants and refractory time, for `ClockDriven`'s tests."""

import jax
import jax.numpy as jnp
import numpy as np

import build
import ranvier as rv

T_END = 40.0
RECORD = {"hidden": [0.3, 9.9, 10.0, 31.7], "readout": [12.34, 12.36, 40.0]}


def network(seed: int = 0) -> rv.Network:
    """Six recurrent LIF neurons, each different, and two readouts."""
    rng = np.random.default_rng(seed)
    tau_syn = jnp.asarray(rng.uniform(4.0, 6.0, 6))
    hidden = rv.LIF(
        tau_mem=tau_syn * jnp.asarray([0.5, 1.0, 2.0, 2.0, 1.0, 4.0]),
        tau_syn=tau_syn,
        v_threshold=jnp.asarray(rng.uniform(0.9, 1.1, 6)),
        v_reset=jnp.asarray(rng.uniform(-0.3, 0.2, 6)),
        v_leak=jnp.asarray(rng.uniform(-0.1, 0.2, 6)),
        refractory=jnp.asarray([0.0, 2.5, jnp.inf, 0.0, 0.13, 1.1]),
    )
    weight = lambda mean, spread, *shape: jnp.asarray(rng.normal(mean, spread, shape))
    delay = lambda low, *shape: jnp.asarray(rng.uniform(low, 9.0, shape))
    links = [
        rv.Connection("input", "hidden", weight(0.9, 0.6, 5, 6), rv.SynapticDelay(delay(0.1, 5, 6), 0.0, 10.0)),
        rv.Connection("hidden", "hidden", weight(-0.2, 0.5, 6, 6), rv.AxonalDelay(delay(1.1, 6, 1), 1.0, 10.0)),
        rv.Connection("hidden", "hidden", weight(0.1, 0.4, 6, 6), rv.DendriticDelay(delay(1.1, 1, 6), 1.0, 10.0)),
        rv.Connection("hidden", "readout", weight(0.3, 0.4, 6, 2), rv.FixedDelay(0.3)),
    ]
    models = {"hidden": hidden, "readout": rv.LI(jnp.asarray([5.0, 9.0]), 5.0, v_leak=0.1)}
    return build.network({"input": 5}, models, {"hidden": 6, "readout": 2}, links)


def spikes(seed: int = 0, count: int = 24) -> rv.Spikes:
    """Random input, some of it on the grid, some coincident."""
    rng = np.random.default_rng(seed)
    time = np.sort(np.concatenate([rng.uniform(0.0, 35.0, count - 4), [3.0, 3.0, 7.5, 20.0]]))
    unit = rng.integers(0, 5, count)
    return rv.Spikes(jnp.append(jnp.asarray(time), jnp.inf), jnp.append(jnp.asarray(unit, jnp.int32), -1))


def loss(net: rv.Network, time: jax.Array, train: rv.Spikes, simulator: rv.simulation.AbstractSimulator) -> tuple:
    """Every spike time and recorded potential, each with a weight of its own."""
    given = rv.Spikes(time, train.unit)
    solution = rv.simulate(net, given, simulator, t_end=T_END, record=RECORD, throw=False)
    fired = solution.spikes["hidden"].time
    fired = jnp.where(jnp.isfinite(fired), fired, 0.0)
    factor = jnp.sin(1.0 + jnp.arange(fired.size, dtype=fired.dtype))
    total = jnp.sum(fired * factor)
    for values in solution.voltages.values():
        total = total + jnp.sum(
            values * jnp.cos(1.0 + jnp.arange(values.size, dtype=fired.dtype)).reshape(values.shape)
        )
    return total, solution
