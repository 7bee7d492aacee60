"""Are the gradients of a trained network the derivatives of its simulation? Asked of any run folder."""

from pathlib import Path

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from ranvier.checks import GradientReport, check_gradients
from ranvier.network import Network
from ranvier.saving import load
from ranvier.train.run_folder import RunError, RunFolder
from ranvier.train.samples import read_samples


def check_fit(
    folder: Path | str, network: Network | None = None, *, samples: int = 4, key: PRNGKeyArray
) -> GradientReport:
    """Compare the gradients of the network of a finished `fit` with central differences, on its validation samples.

    As `ranvier.checks.check_gradients`, with what `fit(out=folder)` has kept: the network, its simulator, input spikes,
    and what learns.

    Args:
        folder: The folder.
        network: A network like the one that was trained, where its neurons have functions of your own.
        samples: Largest number of samples.
        key: Random key.

    Returns:
        The report; `str` of it explains the outcome.

    Raises:
        RunError: it is not a run folder, the run is not finished, or its simulator is not one of ranvier's own.
        ValueError: float64 is not enabled, the network cannot be read, or the simulator has no derivative to check.
    """
    files = RunFolder(folder)
    files.config()  # says what is wrong with the folder
    if not files.samples.exists():
        msg = f"{files.path} is not finished; go on with fit(..., out={str(folder)!r}, resume=True) first."
        raise RunError(msg)
    kept = read_samples(files)
    if kept.simulator is None:
        msg = (
            f"{files.path}: the simulator cannot be read: {kept.trouble}; call ranvier.checks.check_gradients with it."
        )
        raise RunError(msg)
    return check_gradients(
        load(files.network, network),
        jax.tree.map(np.asarray, kept.spikes),
        kept.simulator,
        t_end=kept.t_end,
        names=kept.learn or ("weight", "delay"),
        record=kept.record,
        samples=samples,
        key=key,
    )
