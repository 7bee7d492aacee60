"""`ranvier check-gradients`: are the gradients of a network the derivatives of its simulation?"""

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ranvier.lab.cli.output import output, say, summary_line
from ranvier.lab.listing import listing

if TYPE_CHECKING:
    from ranvier.checks import GradientReport

HELP = """Compare exact gradients with central differences, in float64, and explain the outcome.

TARGET is a run folder, of `ranvier train` or of a `fit` of your own, for the network that training found; or a task,
for its network before training. The exit status is 1 if the gradients differ. Runs of --method surrogate are refused:
surrogate gradients are not the derivatives of the simulation.

\b
Examples:
  ranvier check-gradients
  ranvier check-gradients runs/yin-yang --samples 8
"""


def _check(target: str, samples: int, seed: int) -> None:
    """Check the gradients of a network; `HELP` is what the user reads."""
    import jax
    import numpy as np

    from ranvier.checks import check_gradients as check
    from ranvier.lab import experiment as make
    from ranvier.lab import load_run
    from ranvier.lab.runs import is_experiment
    from ranvier.readouts import as_readout
    from ranvier.train import check_fit

    jax.config.update("jax_enable_x64", True)
    known = listing("tasks")
    if Path(target).is_dir() and not is_experiment(target):
        _tell(check_fit(target, samples=samples, key=jax.random.key(seed)))
    if Path(target).is_dir():
        experiment, network = load_run(target)
    elif target in known or Path(target).is_file():
        experiment = make(target)
        network = experiment.network()
    else:
        msg = f"TARGET must be a run folder, a Python file with a task, or one of {', '.join(known)}; got {target!r}"
        raise click.UsageError(msg)
    if not experiment.method.exact:
        msg = (
            f"{target} was trained with {experiment.method.name} gradients, which are not the derivatives of the "
            "simulation and cannot be checked against differences; check a run of another method"
        )
        raise click.UsageError(msg)
    data = experiment.data()
    few = data.validation.take(np.arange(min(samples, data.validation.size)))
    recipe = experiment.recipe(data.train.size)
    report = check(
        network,
        few.spikes,
        recipe.simulator,
        t_end=recipe.t_end,
        names=recipe.learn,
        record=as_readout(recipe.readout).record,
        samples=samples,
        key=jax.random.key(seed),
    )
    _tell(report)


def _tell(report: "GradientReport") -> NoReturn:
    """Print the outcome, and end with it as exit status."""
    say(output(), str(report))
    say(output(), summary_line(passed=report.passed))
    raise click.exceptions.Exit(0 if report.passed else 1)


command = click.Command(
    "check-gradients",
    help=HELP,
    short_help="Compare gradients with central differences.",
    callback=_check,
    params=[
        click.Argument(["target"], default="yin-yang", metavar="[TARGET]"),
        click.Option(["--samples"], type=click.IntRange(1), default=4, metavar="N", help="Input samples [default: 4]."),
        click.Option(
            ["--seed"],
            type=click.IntRange(0),
            default=0,
            metavar="N",
            help="Decides which samples and which directions [default: 0].",
        ),
    ],
)
