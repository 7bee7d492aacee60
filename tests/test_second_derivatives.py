"""Second derivatives: exact through `FirstSpike` and `ClockDriven`, refused where there is none."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

LIF = {"tau_mem": 10.0, "tau_syn": 5.0, "refractory": jnp.inf}
EXACT = {"first-spike": rv.FirstSpike(), "clock-driven": rv.ClockDriven(dt=0.25, step_spikes=1)}


def one_neuron(weight: jax.Array, simulator: rv.simulation.AbstractSimulator, neuron: rv.LIF) -> jax.Array:
    """Spike time of a neuron with one input each at 1, 2, ... ms."""
    count = len(weight)
    populations = {"input": rv.Population(count), "output": rv.Population(1, neuron)}
    network = rv.Network(populations, [rv.Connection("input", "output", weight[:, None])])
    spikes = rv.Spikes(jnp.arange(1.0, count + 1), jnp.arange(count, dtype=jnp.int32))
    return rv.simulate(network, spikes, simulator, t_end=20.0).spikes["output"].time[0]


@pytest.mark.parametrize("name", EXACT)
def test_hessians_of_a_spike_time_have_their_known_values(name: str):
    """Reverse mode twice and forward mode twice; forward mode of reverse mode is in the next test."""
    time = lambda weight: one_neuron(weight, EXACT[name], rv.LIF(**LIF))
    reverse, forward = (jax.jit(twice(twice(time))) for twice in (jax.jacrev, jax.jacfwd))
    both, single = jnp.array([4.0, 3.0]), jnp.array([7.0, 0.0])
    wanted = [[0.17532, 0.15760], [0.15760, 0.13250]]
    np.testing.assert_allclose(reverse(both), wanted, rtol=0, atol=6e-6)
    np.testing.assert_allclose(reverse(single)[0, 0], 0.157742386, rtol=0, atol=5e-10)
    for weight in (both, single):
        np.testing.assert_allclose(forward(weight), reverse(weight), rtol=1e-12)


def random_parameters(seed: int) -> dict[str, jax.Array]:
    """Those of a random network of two times three neurons, or of three that excite each other."""
    rng = np.random.default_rng(seed)
    number = lambda low, high, *shape: jnp.asarray(rng.uniform(low, high, shape))
    return {
        "first": number(1.0, 4.0, 3, 3),
        "second": number(0.5, 2.5, 3, 3),
        "delay": number(0.3, 2.0, 3, 3),
        "threshold": number(0.8, 1.2, 3),
        "tau": number(6.0, 14.0, 3),
        "time": jnp.sort(number(0.1, 4.0, 3)),
    }


def derivatives(name: str) -> Callable[[dict, dict], tuple[dict, dict]]:
    """Gradient, and its derivative along a line, of a sum of spike times and potentials of that network.

    Two layers of neurons that fire once, or, with `ClockDriven`, one that excites itself and fires often.
    """
    once = name == "first-spike"
    simulator = rv.FirstSpike() if once else rv.ClockDriven(dt=2.0, layout=rv.clock_driven.Exact())
    last = "output" if once else "hidden"

    def total(parameters: dict) -> jax.Array:
        neuron = lambda tau, threshold: rv.LIF(
            tau, 5.0, v_threshold=threshold, v_reset=-0.2, refractory=jnp.inf if once else 1.3
        )
        populations = {"input": rv.Population(3), last: rv.Population(3, neuron(10.0, 1.0))}
        populations["hidden"] = rv.Population(3, neuron(parameters["tau"], parameters["threshold"]))
        links = [
            rv.Connection("input", "hidden", parameters["first"], rv.SynapticDelay(parameters["delay"], 0.0, 10.0)),
            rv.Connection("hidden", last, parameters["second"], rv.FixedDelay(0.0 if once else 2.0)),
        ]
        spikes = rv.Spikes(parameters["time"], jnp.arange(3, dtype=jnp.int32))
        network = rv.Network(populations, links)
        solution = rv.simulate(network, spikes, simulator, t_end=12.0, record={last: [3.0, 11.3]}, throw=False)
        time = solution.spikes[last].time[:4] if once else solution.spikes[last].time
        return jnp.sum(jnp.where(jnp.isfinite(time), time, 0.0)) + jnp.sum(jnp.sin(solution.voltages[last]))

    return jax.jit(lambda x, way: jax.jvp(jax.grad(total), (x,), (way,)))


@pytest.mark.parametrize("name", EXACT)
def test_second_derivatives_are_the_differences_of_first_ones(name: str):
    """Three networks, which share a program."""
    both = derivatives(name)
    for seed in range(3):
        parameters, rng = random_parameters(seed), np.random.default_rng(100 + seed)
        for field in parameters:
            way = jax.tree.map(jnp.zeros_like, parameters)
            way[field] = jnp.asarray(rng.normal(size=parameters[field].shape))
            step = lambda h, way=way, at=parameters: both(jax.tree.map(lambda x, d: x + h * d, at, way), way)[0]
            near, wide = (jax.tree.map(lambda a, b, h=h: (a - b) / (2 * h), step(h), step(-h)) for h in (1e-4, 2e-4))
            wanted = jax.tree.map(lambda a, b: (4 * a - b) / 3, near, wide)
            got = both(parameters, way)[1]
            assert max(float(jnp.max(jnp.abs(leaf))) for leaf in got.values()) > 1e-3
            for other in parameters:
                np.testing.assert_allclose(
                    got[other], wanted[other], rtol=2e-6, atol=2e-6, err_msg=f"{seed}, {field}, {other}"
                )


def test_second_derivatives_of_a_neuron_without_a_closed_form():
    """A quadratic integrate-and-fire neuron, against differences of its first derivatives."""

    def time(weight: jax.Array) -> jax.Array:
        populations = {"input": rv.Population(1), "output": rv.Population(1, rv.QIF())}
        network = rv.Network(populations, [rv.Connection("input", "output", weight.reshape(1, 1))])
        solution = rv.simulate(network, rv.Spikes([1.0], [0]), rv.ClockDriven(dt=0.5), t_end=30.0)
        return solution.spikes["output"].time[0]

    orders = jax.jit(lambda weight: jax.jvp(jax.value_and_grad(time), (weight,), (jnp.ones(()),)))
    weight = jnp.array(40.0)
    (spike, _), (_, second) = orders(weight)
    assert jnp.isfinite(spike)
    first = lambda weight: orders(weight)[0][1]
    near, wide = ((first(weight + h) - first(weight - h)) / (2 * h) for h in (1e-3, 2e-3))
    np.testing.assert_allclose(second, (4 * near - wide) / 3, rtol=1e-6)


def test_a_guarded_spike_has_a_constant_slope_and_all_others_their_own():
    """The guard's 1/V' is a number: the second derivative is then that of the limited first one."""
    neuron, weight = rv.LIF(**LIF), jnp.array([7.0])
    time = lambda limit: lambda weight: one_neuron(weight, rv.FirstSpike(max_inverse_slope=limit), neuron)
    tight, loose, free = (jax.jit(jax.hessian(time(limit)))(weight) for limit in (0.01, 100.0, jnp.inf))
    assert loose == free
    assert jnp.isfinite(tight).all()
    assert jnp.abs(tight) < jnp.abs(loose)


def test_what_is_no_derivative_is_not_differentiated_twice():
    weight, neuron = jnp.array([4.0, 3.0]), rv.LIF(10.0, 5.0)
    surrogate = rv.Surrogate(dt=0.5)
    valued = rv.ClockDriven(dt=0.5, gradient=rv.SpikeValue())
    for simulator, message in (
        (surrogate, r"second derivative through a surrogate.*ClockDriven\(\)"),
        (valued, r"second derivative of a spike's value.*ExactDerivative"),
    ):
        time = lambda weight, simulator=simulator: one_neuron(weight, simulator, neuron)
        assert jnp.isfinite(jax.jit(jax.grad(time))(weight)).all()
        with pytest.raises(ValueError, match=message):
            jax.eval_shape(jax.hessian(time), weight)
    with pytest.raises(ValueError, match="second derivative through a surrogate"):
        jax.grad(jax.grad(rv.surrogates.superspike()))(0.3)
