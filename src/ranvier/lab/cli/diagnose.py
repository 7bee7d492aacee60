"""`ranvier diagnose`: why does a network not learn?"""

from pathlib import Path

import click

from ranvier.lab.cli.output import output, say, summary_line
from ranvier.lab.listing import listing

HELP = """Examine a network that does not learn, and say what is most likely wrong, with one thing to do.

TARGET is a run folder, of `ranvier train` or of a `fit` of your own, for the network that training found
(before the end of a run the one before training); or a task, for its network before training.

\b
Examples:
  ranvier diagnose runs/yin-yang
  ranvier diagnose my_task.py --picture health.png
"""


def _diagnose(target: str, picture: Path | None) -> None:
    """Examine a network; `HELP` is what the user reads."""
    import jax

    from ranvier.lab import experiment as make
    from ranvier.lab.runs import diagnose_run, is_experiment
    from ranvier.train import diagnose_fit, examine

    known = listing("tasks")
    if Path(target).is_dir() and not is_experiment(target):
        jax.config.update("jax_enable_x64", True)  # the network may be in float64
        found = diagnose_fit(target)
    elif Path(target).is_dir():
        found = diagnose_run(target)
    elif target in known or Path(target).is_file():
        experiment = make(target)
        data = experiment.data().train
        found = examine(experiment.network(), data, experiment.recipe(data.size))
    else:
        msg = f"TARGET must be a run folder, a Python file with a task, or one of {', '.join(known)}; got {target!r}"
        raise click.UsageError(msg)
    say(output(), str(found))
    if picture is not None:
        found.draw().savefig(picture, dpi=100)
        say(output(), f"picture: {picture}")
    first = found.findings[0].symptom.name.lower() if found.findings else None
    say(output(), summary_line(findings=len(found.findings), likeliest=first))


command = click.Command(
    "diagnose",
    help=HELP,
    short_help="Say why a network may not learn.",
    callback=_diagnose,
    params=[
        click.Argument(["target"], metavar="TARGET"),
        click.Option(["--picture"], type=click.Path(path_type=Path), metavar="FILE", help="Draw a picture, too."),
    ],
)
