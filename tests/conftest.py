"""Set-up that all tests share: strict JAX, plots without a screen, reproducible properties, real data."""

import os
import subprocess
import sys
from pathlib import Path

os.environ["MPLBACKEND"] = "agg"

import hypothesis
import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile("ranvier", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
hypothesis.settings.load_profile("ranvier")

ROOT = Path(__file__).parents[1]

COMPILE = """
import jax, jax.numpy as jnp, ranvier as rv
jax.config.update("jax_enable_x64", "{}" == "float64")
net = rv.feedforward([1, 2], neuron=rv.LIF(), delay=rv.synaptic(0.0, 1.0), key=jax.random.key(0))
spikes = rv.Spikes(jnp.ones(1), jnp.zeros(1, jnp.int32))

def loss(learn):
    solution = rv.simulate(rv.combine(learn, fixed), spikes, rv.EventDriven(), t_end=9.0)
    time = solution.spikes["output"].time
    return jnp.where(jnp.isfinite(time), time, 0).sum()

learn, fixed = rv.partition(net, "weight")
jax.block_until_ready(jax.grad(loss)(learn))
"""


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels once, for both dtypes at a time, before the test processes would each do it."""
    if not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        command = [sys.executable, "-c"]
        started = [subprocess.Popen([*command, COMPILE.format(dtype)]) for dtype in ("float32", "float64")]
        assert all(process.wait() == 0 for process in started), "the kernels do not compile"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data: `RANVIER_DATA`, else `../shared/data` beside the checkout.

    Where there is none the test is skipped, or fails if `RANVIER_REQUIRE_DATA` is set.
    """
    folder = Path(os.environ.get("RANVIER_DATA") or ROOT.parent / "shared" / "data")
    if folder.is_dir():
        return folder.resolve()
    message = f"no real data: {folder} is not a folder; set RANVIER_DATA to the folder that holds it"
    if os.environ.get("RANVIER_REQUIRE_DATA"):
        pytest.fail(message)
    pytest.skip(message)
