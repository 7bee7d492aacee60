"""Ways to call the engine: every one gives the numbers of a plain call."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

KEY = jax.random.key(0)
NEURON = rv.LIF(10.0, 5.0, refractory=1.0)
NETWORK = rv.feedforward([5, 8, 3], neuron=NEURON, weight=rv.initializers.constant(1.2), delay=rv.synaptic(0.5, 5.0),
                         key=KEY)  # fmt: skip
LEARN, FIXED = rv.partition(NETWORK, "weight", "delay")
TIMES = jnp.sort(jax.random.uniform(KEY, (4, 20), jnp.float64, maxval=20.0), axis=1)
UNITS = jax.random.randint(KEY, (4, 20), 0, 5)


def loss(learn: rv.Network, times: jnp.ndarray, units: jnp.ndarray) -> jnp.ndarray:
    """Of spikes and potentials."""
    solution = rv.simulate(rv.combine(learn, FIXED), rv.Spikes(times, units), rv.EventDriven(), t_end=30.0,
                           record={"output": jnp.array([5.0, 10.0])}, throw=False)  # fmt: skip
    time = solution.spikes["output"].time
    return jnp.sum(jnp.where(jnp.isfinite(time), time, 0.0)) + jnp.sum(solution.voltages["output"])


both = jax.value_and_grad(loss)
NETWORKS = jax.tree.map(lambda leaf: jnp.stack([leaf, 1.01 * leaf]), LEARN)


@pytest.fixture(scope="module")
def plain() -> Any:
    found = jax.jit(both)(LEARN, TIMES, UNITS)
    assert np.isfinite(found[0])
    return found


def assert_same(found: Any, wanted: Any) -> None:
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("order", ["samples in networks", "networks in samples"])
def test_samples_and_networks_are_mapped(plain: Any, order: str):
    axes = [((None, 0, 0), 0), ((0, None, None), 1)] if order == "samples in networks" else [
        ((0, None, None), 0), ((None, 0, 0), 1)]  # fmt: skip
    run = both
    for given, _ in axes:
        run = jax.vmap(run, in_axes=given)
    value, gradient = jax.jit(run)(NETWORKS, TIMES, UNITS)
    samples = 1 if order == "samples in networks" else 0
    of_first = lambda leaf: jnp.take(jnp.sum(leaf, axis=samples), 0, axis=0)
    assert_same((of_first(value), jax.tree.map(of_first, gradient)), plain)


def test_scan_and_remat(plain: Any):
    def step(total: jnp.ndarray, sample: Any, learn: rv.Network) -> tuple[jnp.ndarray, None]:
        return total + jax.checkpoint(loss)(learn, *(part[None] for part in sample)), None

    total = lambda learn: jax.lax.scan(lambda *given: step(*given, learn), 0.0, (TIMES, UNITS))[0]
    assert_same(jax.jit(jax.value_and_grad(total))(LEARN), plain)


def test_several_threads_of_python(plain: Any):
    run, found = jax.jit(both), []
    threads = [threading.Thread(target=lambda: found.append(run(LEARN, TIMES, UNITS))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    for one in found:
        assert_same(one, plain)


def test_a_program_on_another_device_calls_the_same_library(plain: Any, monkeypatch: pytest.MonkeyPatch):
    """The branch that any other platform takes, here on the CPU."""
    taken = []

    def other(*arrays: Any, cpu: Callable, default: Callable) -> Any:
        taken.append(default)
        return default(*arrays)

    monkeypatch.setattr(jax.lax, "platform_dependent", other)
    jax.clear_caches()
    assert_same(jax.jit(lambda *given: both(*given))(LEARN, TIMES, UNITS), plain)
    mapped = jax.vmap(jax.vmap(both, in_axes=(None, 0, 0)), in_axes=(0, None, None))
    value, gradient = jax.jit(mapped)(NETWORKS, TIMES, UNITS)
    of_first = lambda leaf: jnp.sum(leaf[0], axis=0)
    assert_same((of_first(value), jax.tree.map(of_first, gradient)), plain)
    assert len(taken) >= 4
    jax.clear_caches()


ELSEWHERE = """
import json, os, sys, warnings
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
sys.path.insert(0, sys.argv[1])
import test_engine_calls as calls
learn, times, units = calls.LEARN, calls.TIMES, calls.UNITS
value, gradient = jax.jit(calls.both)(learn, times, units)
"""

SHARDED = (
    ELSEWHERE
    + """
from jax.sharding import PartitionSpec as P
mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
part = lambda *given: jax.lax.psum(calls.both(*given), "batch")
run = jax.shard_map(part, mesh=mesh, in_specs=(P(), P("batch"), P("batch")), out_specs=P(), check_vma=False)
found, grads = jax.jit(run)(learn, times, units)
pairs = zip(jax.tree.leaves((found, grads)), jax.tree.leaves((value, gradient)))
print(json.dumps([len(jax.devices()), max(float(np.max(np.abs(a - b))) for a, b in pairs)]))
"""
)

FORKED = (
    ELSEWHERE
    + """
import ctypes
from ranvier.event_driven import library
warnings.simplefilter("ignore")
shapes, arrays, run = [], [], library.run
def host(plan, shapes, given, *, backward):
    return library._run_on_host(plan.integers(), plan.numbers(), shapes, [np.asarray(array) for array in given], backward)
def note(plan, shapes, given, *, backward):
    found = run(plan, shapes, given, backward=backward)
    if not backward and not arrays:
        arrays.append((plan, shapes, given))
    return found
library.run = note
with jax.disable_jit():
    calls.loss(learn, times, units)
before = host(*arrays[0], backward=False)
if os.fork() == 0:
    after = host(*arrays[0], backward=False)
    print(json.dumps(all(np.array_equal(*pair) for pair in zip(before, after))), flush=True)
    os._exit(0)
os.wait()
"""
)


def told(program: str, **environment: str) -> Any:
    command = [sys.executable, "-c", program, os.path.dirname(__file__)]
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env=os.environ | environment
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_a_batch_shared_out_over_devices():
    devices, error = told(SHARDED, XLA_FLAGS="--xla_force_host_platform_device_count=2")
    assert devices == 2
    assert error < 1e-12


def test_a_child_after_fork_calls_the_engine():
    """JAX itself has lost its threads there; the engine starts its own, and does not wait for others."""
    assert told(FORKED) is True
