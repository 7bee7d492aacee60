"""A program as a user writes it, for pyright's strict mode: `tests/test_release.py` checks its types and does not run it.

Nothing of ranvier's public interface may be unknown to a type checker, or of a type that a user has to correct.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ranvier as rv

neuron = rv.LIF(tau_mem=2.0, tau_syn=1.0, refractory=jnp.inf)
net: rv.Network = rv.feedforward([4, 30, 3], neuron=neuron, delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
again: rv.Network = rv.recurrent(
    [4, 30, 3], neuron=[rv.LIF(), rv.LI()], delay=rv.axonal(0.5, 3.0), key=jax.random.key(0)
)
own = rv.Network(
    {"input": rv.Population(4), "output": rv.Population(3, rv.AdEx())},
    [rv.Connection("input", "output", np.ones((4, 3)), rv.FixedDelay(1.0))],
)
spikes = rv.Spikes(np.array([1.0, 2.0]), np.array([0, 1]))
many, few = rv.partition(net, "weight", "delay")

simulators: list[rv.simulation.AbstractSimulator] = [
    rv.EventDriven(max_spikes=1),
    rv.EventDriven(gradient=rv.SpikeValue()),
    rv.ClockDriven(dt=0.1),
    rv.Surrogate(dt=0.1),
    rv.FirstSpike(),
]


def loss(learn: rv.Network) -> jax.Array:
    solution: rv.Solution = rv.simulate(
        rv.combine(learn, few), spikes, rv.EventDriven(), t_end=8.0, record={"output": [1.0, 2.0]}
    )
    first: jax.Array = rv.first_spike(solution.spikes["output"])
    count: jax.Array = rv.spike_count(solution.spikes["output"])
    return first.sum() + count.sum() + solution.voltages["output"].sum()


optimiser = optax.adam(0.01)
stats: rv.Stats = rv.simulate(net, {"input": spikes}, simulators[0], t_end=8.0).stats
lost: dict[str, jax.Array] = stats.dropped
delay: jax.Array = net.delay("input->hidden")
where: jax.Array = net.connections[0].weight

data = rv.Dataset(spikes, np.array([0]))
recipe = rv.Recipe(
    rv.EventDriven(),
    t_end=8.0,
    readout=rv.readouts.FirstSpike("output"),
    loss=lambda value, target: rv.losses.relative_time_mse(value, target, margin=0.2),
    optimiser=rv.train.by_path({"weight": rv.train.adam(0.01), "delay": rv.train.adam(0.01)}),
    epochs=3,
    batch=1,
)
fitted: rv.train.Fitted = rv.fit(net, data, data, recipe, out="runs/mine", resume=True, key=jax.random.key(1))
best: int = fitted.best_epoch
accuracy: float = rv.train.evaluate(fitted.network, data, recipe)["accuracy"]
rv.save("net.npz", fitted.network)
loaded: rv.Network = rv.load("net.npz")
encoded: rv.Spikes = rv.encoders.latency(np.ones((3, 4)), t_early=0.15, t_late=2.0)
report: rv.checks.Diagnosis = rv.checks.diagnose(net, spikes, rv.EventDriven(), t_end=8.0)
text: str = str(report)
