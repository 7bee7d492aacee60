"""Set-up that all tests share: strict JAX, plots without a screen, reproducible properties, real data."""

import gc
import os
import tempfile
from pathlib import Path
from typing import Any

os.environ["MPLBACKEND"] = "agg"

import hypothesis
import jax
import pytest

import quick_jax
from ranvier import _compiling

COMPILE_FAST = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
"""The tests spend their time in compiling programs that run for a moment: this halves it."""

if jax.__version_info__ < (0, 12):  # later releases have no such flag, and end the process for one they do not know
    COMPILE_FAST += " --xla_cpu_use_fusion_emitters=false"

with pytest.MonkeyPatch.context() as patch:  # the commands that tests start are compiled as they are for a user
    patch.setenv("XLA_FLAGS", f"{os.environ.get('XLA_FLAGS', '')} {COMPILE_FAST}")
    jax.devices()

_compiling.QUICKLY.clear()  # the same, more quickly still
quick_jax.hurry()
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

hypothesis.settings.register_profile("ranvier", deadline=None, derandomize=bool(os.environ.get("CI")), print_blob=True)
hypothesis.settings.load_profile("ranvier")

ROOT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """A test process keeps what JAX compiles in a folder that all of them share: much is asked for again and again, and
    to read even a small program takes less than half the time of compiling it.

    So do the commands that tests start, in another one: those that are killed may leave half a file.
    """
    if hasattr(config, "workerinput"):
        jax.config.update("jax_compilation_cache_dir", config.workerinput["programs"])
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(config.workerinput["programs"]) / "commands")
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"


def pytest_collection_finish() -> None:
    """Tracing makes so many objects that Python would look for garbage all the time, each time among all modules."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a test process where that folder is: one that the environment names, or one that goes with the last of them."""
    config = node.config
    if not hasattr(config, "programs"):
        folder = tempfile.TemporaryDirectory(prefix="ranvier-programs-")
        config.add_cleanup(folder.cleanup)
        config.programs = os.environ.get("RANVIER_TEST_PROGRAMS") or folder.name
    node.workerinput["programs"] = config.programs


FAST = (
    "augmentations",
    "compiling",
    "encoders",
    "face",
    "integrators",
    "lab",
    "limits",
    "losses",
    "mnist",
    "networks",
    "project",
    "readouts",
    "saving",
    "selection",
    "spikes",
    "synapses",
    "wrong_input",
    "wrong_kinds",
    "yin_yang",
)
"""Files of tests that compile little: `make test-fast` runs them, without those marked slow."""


APART = (
    "event_driven",
    "gradients",
    "jaxley",
    "patterns",
    "second_derivatives",
    "spatial",
    "spatial_study",
)
"""Files of few tests that take long: each is run where there is room, with those of the same case. Those of any other
file run in one process, where they share what takes long to prepare and the programs that JAX compiled."""


def together(nodeid: str) -> str:
    """What a test is called that runs in one process with all others of that name."""
    path, _, test = nodeid.partition("::")
    if Path(path).stem.removeprefix("test_") not in APART:
        return path
    _, _, case = test.partition("[")
    return f"{path}::{case or test}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give whole files to the test processes. The groups of pytest-xdist 3.8 are none to pytest 9.2, which has names of
    tests of its own: each test went to whoever was free, and both processes prepared and compiled everything."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of these files as fast."""
    for item in items:
        name = item.path.stem.removeprefix("test_")
        if name in FAST and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.fast)


MAPS = 25_000
"""Memory maps of a test process at which it forgets its compiled programs; Linux allows 65,530, then XLA crashes."""


def pytest_runtest_teardown() -> None:
    """Forget compiled programs while there is room: each holds some tens of memory maps."""
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MAPS:
        jax.clear_caches()
        gc.collect()


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
