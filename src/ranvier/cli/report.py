"""`ranvier report`: what came out of a run, or of several seeds."""

from pathlib import Path
from typing import Annotated

import typer

from ranvier.cli.output import output, say, show_result, show_seeds

HELP = """Print the result of a run and draw its report again.

For a folder of several seeds: the result of each, median and spread.

\b
Examples:
  ranvier report runs/yin-yang-synaptic
  ranvier report runs/five
"""


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A run folder, or one of several seeds.")],
) -> None:
    """Print the result of a run; `HELP` is what the user reads."""
    from ranvier.experiments import draw_report
    from ranvier.train import RunError, RunFolder

    runs = sorted(path for path in folder.glob("seed-*") if (path / "config.json").exists())
    if not runs:
        RunFolder(folder).config()  # says what is wrong with it
        runs = [folder]
    unfinished = [path for path in runs if not RunFolder(path).finished]
    if unfinished:
        done = len(RunFolder(unfinished[0]).epochs())
        msg = f"{unfinished[0]} is not finished, {done} epochs are done; train it with --resume first."
        raise RunError(msg)
    results = [RunFolder(path).result() for path in runs]
    for path in runs:
        draw_report(path)
    if runs == [folder]:
        show_result(folder, results[0])
        return
    show_seeds(folder, sorted(results, key=lambda result: result["seed"]))
    for path in runs:
        say(output(), f"report: {path / 'report.png'}")
