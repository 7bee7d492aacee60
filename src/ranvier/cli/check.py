"""`ranvier check-gradients`: are the gradients of a network the derivatives of its simulation?"""

from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli.output import output, say

HELP = """Compare exact gradients with central differences, in float64, and explain the outcome.

TARGET is `yin-yang`, `mnist` or `temporal-order`, the network before training, or a run folder, the network that
training found. The exit status is 1 if the gradients are not what they should be. A run of surrogate gradients is
refused: they are no derivatives.

\b
Examples:
  ranvier check-gradients
  ranvier check-gradients runs/yin-yang-synaptic --samples 8
"""


def check_gradients(
    target: Annotated[str, typer.Argument(help="`yin-yang`, `mnist`, `temporal-order`, or a run folder.")] = "yin-yang",
    samples: Annotated[int, typer.Option(help="Number of input samples.", min=1)] = 4,
    seed: Annotated[int, typer.Option(help="Decides which samples and which directions.", min=0)] = 0,
) -> None:
    """Check the gradients of a network; `HELP` is what the user reads."""
    import jax
    import numpy as np

    from ranvier.checks import check_gradients as check
    from ranvier.experiments import EXACT, EXPERIMENTS, load_run
    from ranvier.readouts import as_readout

    jax.config.update("jax_enable_x64", True)
    if Path(target).is_dir():
        experiment, network = load_run(target)
    elif target in EXPERIMENTS:
        experiment = EXPERIMENTS[target].tuned()
        network = experiment.network()
    else:
        msg = f"TARGET must be one of {', '.join(EXPERIMENTS)} or a run folder; got {target!r}"
        raise typer.BadParameter(msg)
    if experiment.method not in EXACT:
        msg = (
            f"{target} was trained with {experiment.method} gradients, which are no derivatives of the simulation; "
            f"check a run of {', '.join(EXACT)}"
        )
        raise typer.BadParameter(msg)
    data = experiment.data()
    recipe = experiment.recipe(data.train.size)
    report = check(
        network,
        data.validation.spikes,
        recipe.simulator,
        t_end=recipe.t_end,
        names=recipe.learn,
        record={name: np.array(times) for name, times in as_readout(recipe.readout).record.items()},
        samples=samples,
        key=jax.random.key(seed),
    )
    say(output(), str(report))
    raise typer.Exit(0 if report.passed else 1)
