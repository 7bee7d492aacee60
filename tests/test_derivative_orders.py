"""Which derivatives of `EventDriven` there are, and that the others are refused by a sentence that names it."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.event_driven.derivatives import FORWARD, SECOND, reverse_mode

POPULATIONS = {"input": rv.Population(2), "output": rv.Population(1, rv.LIF(10.0, 5.0))}
START = jnp.array([4.0, 5.0])


def time(weight: jnp.ndarray) -> jnp.ndarray:
    """Time of the only spike of a neuron with two inputs."""
    network = rv.Network(POPULATIONS, [rv.Connection("input", "output", weight[:, None], rv.FixedDelay(0.5))])
    train = rv.Spikes(jnp.array([0.0, 1.0]), jnp.array([0, 1]))
    solution = rv.simulate(network, train, rv.EventDriven(), t_end=9.0)
    return rv.first_spike(solution.spikes["output"])[0]


def linearized(f: Callable) -> Callable:
    """The derivative along one direction, by `jax.linearize`."""
    return lambda at: jax.linearize(f, at)[1](jnp.ones_like(at))


def pushed(f: Callable) -> Callable:
    """The derivative along one direction, by `jax.jvp`."""
    return lambda at: jax.jvp(f, (at,), (jnp.ones_like(at),))[1]


def over(outer: Callable, inner: Callable) -> Callable:
    """One derivative of another."""
    return lambda f: outer(inner(f))


def summed(f: Callable) -> Callable:
    """A scalar of a vector."""
    return lambda at: jnp.sum(f(at))


@pytest.mark.parametrize("around", [lambda f: f, jax.jit], ids=["plain", "jit"])
@pytest.mark.parametrize("derivative", [pushed, jax.jacfwd, linearized])
def test_forward_mode_is_refused(derivative: Callable, around: Callable):
    with pytest.raises(ValueError, match=re.escape(FORWARD)):
        around(derivative(time))(START)


@pytest.mark.parametrize("around", [lambda f: f, jax.jit], ids=["plain", "jit"])
@pytest.mark.parametrize(
    "derivative",
    [
        jax.hessian,
        over(jax.jacrev, jax.jacrev),
        over(jax.grad, lambda f: summed(jax.grad(f))),
        over(pushed, jax.grad),
        lambda f: lambda at: jax.vmap(jax.hessian(f))(jnp.stack([at, at])),
    ],
    ids=["hessian", "jacrev-jacrev", "grad-grad", "jvp-grad", "vmap-hessian"],
)
def test_second_derivatives_are_refused(derivative: Callable, around: Callable):
    with pytest.raises(ValueError, match=re.escape(SECOND)):
        around(derivative(time))(START)


def test_first_derivatives_go_through():
    """In reverse mode, under `vmap`, `scan`, `checkpoint` and `jit`, and beside what is not differentiated."""
    wanted = jax.grad(time)(START)
    step = 1e-6
    numeric = [(time(START.at[n].add(step)) - time(START.at[n].add(-step))) / (2 * step) for n in range(2)]
    np.testing.assert_allclose(wanted, numeric, rtol=1e-6)

    def scanned(at: jnp.ndarray) -> jnp.ndarray:
        return jax.lax.scan(lambda total, _: (total + time(at), None), jnp.zeros(()), None, length=3)[0]

    several = jax.vmap(jax.grad(time))(jnp.stack([START, START]))
    for found in (*several, jax.grad(scanned)(START) / 3, jax.jit(jax.grad(jax.checkpoint(time)))(START)):
        np.testing.assert_allclose(found, wanted, rtol=1e-14)
    forward = jax.jvp(lambda a, b: a * time(jax.lax.stop_gradient(b)), (jnp.ones(()), START), (jnp.ones(()), START))
    np.testing.assert_allclose(forward[1], time(START))


def test_reverse_mode_is_the_identity():
    assert float(reverse_mode(jnp.asarray(2.0))) == 2.0
