"""What went wrong with a simulation is one sentence, and the first that a user reads, also inside `jit`."""

import re
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.status import STATUS, WEIGHT

POPULATIONS = {"input": rv.Population(1), "output": rv.Population(1, rv.LIF(10.0, 5.0, refractory=jnp.inf))}
NET = rv.Network(POPULATIONS, [rv.Connection("input", "output", jnp.full((1, 1), 9.0))])
TRAIN = rv.Spikes(jnp.array([1.0]), jnp.array([0]))
SENTENCE = f"simulate: {STATUS[WEIGHT]}."
SIMULATORS = [rv.EventDriven(), rv.ClockDriven(dt=0.5), rv.FirstSpike()]
NAMES = ["event-driven", "clock-driven", "first-spike"]


def total(weight: jnp.ndarray, simulator: object) -> jnp.ndarray:
    """A number that depends on the spikes."""
    network = eqx.tree_at(lambda net: net.connections[0].weight, NET, weight[None, None])
    time = rv.simulate(network, TRAIN, simulator, t_end=9.0).spikes["output"].time
    return jnp.sum(jnp.where(jnp.isfinite(time), time, 0.0))


def scanned(f: Callable) -> Callable:
    """The same inside a loop."""
    return lambda weight: jax.lax.scan(lambda sum_, _: (sum_ + f(weight), None), jnp.zeros(()), None, length=2)[0]


def mapped(f: Callable) -> Callable:
    """The same beside one with which all is well."""
    return lambda weight: jax.vmap(f)(jnp.stack([jnp.asarray(9.0), weight]))


@pytest.mark.parametrize("simulator", SIMULATORS, ids=NAMES)
@pytest.mark.parametrize("around", [lambda f: f, jax.grad, scanned, mapped], ids=["plain", "grad", "scan", "vmap"])
def test_the_sentence_under_jit(around: Callable, simulator: object):
    run = jax.jit(around(lambda weight: total(weight, simulator)))
    right, wrong = jax.block_until_ready((jnp.asarray(8.0), jnp.asarray(jnp.nan)))
    before = run(right)
    with pytest.raises((RuntimeError, ValueError), match="^FAILED_PRECONDITION: " + re.escape(SENTENCE) + "$"):
        jax.block_until_ready(run(wrong))
    np.testing.assert_array_equal(run(right), before)


def test_the_sentence_on_another_device(monkeypatch: pytest.MonkeyPatch):
    """The branch that any other platform takes, here on the CPU."""
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda *given, cpu, default: default(*given))
    jax.clear_caches()
    run = jax.jit(lambda weight: total(weight, rv.FirstSpike()))
    with pytest.raises(RuntimeError, match=re.escape(SENTENCE)):
        jax.block_until_ready(run(jnp.asarray(jnp.nan)))
    jax.clear_caches()


def test_known_numbers_are_one_sentence():
    """Outside of traced functions nothing stands before or after it."""
    silent = eqx.tree_at(lambda net: net.connections[0].weight, NET, jnp.full((1, 1), jnp.nan))
    with pytest.raises(
        ValueError, match=r"^simulate: the weights of input->output must be finite .*; got nan at \(0, 0\)\.$"
    ):
        rv.simulate(silent, TRAIN, rv.ClockDriven(dt=0.5), t_end=2.0)


def test_what_does_not_fit_names_the_weights_first_and_the_rate():
    lively = eqx.tree_at(lambda net: net.members[1].neuron.refractory, NET, jnp.asarray(0.5))
    lively = eqx.tree_at(lambda net: net.connections[0].weight, lively, jnp.full((1, 1), 40.0))
    wanted = r"more spikes than fit.*weights are too large.*or else raise max_spikes.*Measured, in the busiest sample: "
    with pytest.raises(RuntimeError, match=wanted + r"\d+ spikes per neuron of 'output' \(\d+ spikes lost\)"):
        rv.simulate(lively, TRAIN, rv.EventDriven(max_spikes=2), t_end=30.0)
