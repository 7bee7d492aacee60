"""Outside `jit` a gradient is made of compiled programs, as inside: nothing is compiled or interpreted anew."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

COMPILED = "/jax/core/compile/backend_compile_duration"


def readme(key: int = 0) -> tuple[rv.Network, rv.Spikes, jnp.ndarray]:
    """The README's network and data, with fewer samples."""
    net = rv.feedforward(
        [4, 30, 3], neuron=rv.LIF(2.0, 1.0, refractory=jnp.inf), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(key)
    )
    value = jax.random.uniform(jax.random.key(1), (6, 4))
    return net, rv.encoders.latency(value, t_early=0.15, t_late=2.0), jnp.argmax(value[:, :3], axis=1)


@pytest.mark.parametrize("simulator", [rv.EventDriven(max_spikes=1), rv.EventDriven()])
def test_the_second_gradient_compiles_nothing(simulator: rv.EventDriven):
    net, spikes, label = readme()
    learn, fixed = rv.partition(net, "weight", "delay")
    compiled = []

    def loss(learn: rv.Network) -> jnp.ndarray:
        solution = rv.simulate(rv.combine(learn, fixed), spikes, simulator, t_end=8.0)
        first = rv.first_spike(solution.spikes["output"])
        return rv.losses.relative_time_mse(first, label, margin=0.2)

    def note(event: str, seconds: float, **facts: object) -> None:
        compiled.extend([seconds] if event == COMPILED else [])

    gradient, other = jax.grad(loss)(learn), jax.tree.map(lambda leaf: leaf + 0.0, learn)
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        again = jax.grad(loss)(other)
        count = len(compiled)
        jax.jit(jax.grad(loss))(learn)  # a new program: the listener does hear
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert count == 0
    assert len(compiled) > 0
    for one, two in zip(jax.tree.leaves(gradient), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_second_simulation_on_a_grid_compiles_nothing():
    """What is compiled again at every call takes a second each time, and its memory never comes back."""
    (net, spikes, _), simulator = readme(), rv.Surrogate(dt=0.5)
    other = jax.tree.map(lambda leaf: leaf + 0.0, net)
    compiled = []

    def note(event: str, seconds: float, **facts: object) -> None:
        compiled.extend([seconds] if event == COMPILED else [])

    once = lambda net: rv.simulate(net, spikes, simulator, t_end=8.0, throw=False).stats.spikes["output"]
    once(net)
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        once(other)
        count = len(compiled)
        rv.simulate(net, spikes, simulator, t_end=9.0, throw=False)
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert count == 0
    assert len(compiled) > 0
