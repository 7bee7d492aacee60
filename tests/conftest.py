"""Set-up that all tests share: strict JAX, plots without a screen, reproducible properties, real data."""

import os
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
