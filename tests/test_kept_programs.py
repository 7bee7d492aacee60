"""What commands compile is kept: where, how much of it, and that nothing in a program forbids it."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import ranvier as rv
from ranvier.lab.cli import programs
from ranvier.lab.cli.programs import clear_old, keep_programs

VARIABLES = ("JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "XDG_CACHE_HOME")


def told(tmp_path: Path, **variables: str) -> str:
    """What `ranvier info` says of it, with a home of its own."""
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES} | {"HOME": str(tmp_path)}
    start = "from ranvier.lab.cli import main; main()"
    ran = subprocess.run([sys.executable, "-c", start, "info"], env=plain | variables, capture_output=True, check=True)
    return next(line for line in ran.stdout.decode().splitlines() if line.startswith("programs")).split(maxsplit=1)[1]


@pytest.mark.slow
def test_each_processor_has_a_folder_in_the_cache_unless_another_is_named(tmp_path: Path):
    kept = Path(told(tmp_path))
    assert kept.is_dir()
    assert kept.parent == tmp_path / ".cache" / "ranvier" / "programs"
    assert told(tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "mine")) == str(tmp_path / "mine")
    (tmp_path / "file").touch()
    assert told(tmp_path, XDG_CACHE_HOME=str(tmp_path / "file")) == "not kept"


def test_a_folder_that_is_named_stays(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/somewhere")
    monkeypatch.setattr(programs, "user_cache", None)
    assert keep_programs() is None


def test_the_oldest_go_when_there_are_too_many(tmp_path: Path):
    for age in range(4):
        path = tmp_path / str(age)
        path.write_bytes(bytes(100))
        os.utime(path, (1000.0 - age, 1000.0 - age))
    clear_old(tmp_path, 400)
    assert len(list(tmp_path.iterdir())) == 4
    clear_old(tmp_path, 399)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0"]


@pytest.mark.parametrize("simulator", [rv.EventDriven(), rv.ClockDriven(dt=0.5), rv.FirstSpike()], ids=type)
def test_no_program_of_a_simulation_calls_back(simulator: object):
    """JAX keeps none that does."""
    net = rv.feedforward([1, 1], neuron=rv.LIF(refractory=jnp.inf), key=jax.random.key(0))
    spikes = rv.Spikes(jnp.array([1.0]), jnp.array([0]))

    def total(net: rv.Network) -> jax.Array:
        return jnp.sum(rv.simulate(net, spikes, simulator, t_end=3.0).spikes["output"].time)

    assert "callback" not in jax.jit(jax.grad(total)).lower(net).as_text()
