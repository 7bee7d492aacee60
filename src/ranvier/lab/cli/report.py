"""`ranvier report`: what came out of a run, or of several seeds."""

from pathlib import Path

import click

from ranvier.lab.cli.output import output, say, show_result, show_seeds

HELP = """Print the result of a run and draw its report again.

DIR is a run folder, or a folder of several seeds: then the result of each, median and spread.

\b
Examples:
  ranvier report runs/yin-yang
  ranvier report runs/five
"""


def _report(folder: Path) -> None:
    """Print the result of a run; `HELP` is what the user reads."""
    from ranvier.lab import draw_report, load_run
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
        draw_report(*load_run(path), RunFolder(path))
    if runs == [folder]:
        show_result(folder, results[0])
        return
    show_seeds(folder, sorted(results, key=lambda result: result["seed"]))
    for path in runs:
        say(output(), f"report: {path / 'report.png'}")


command = click.Command(
    "report",
    help=HELP,
    short_help="Print the result of a run and draw its report again.",
    callback=_report,
    params=[click.Argument(["folder"], type=click.Path(path_type=Path), metavar="DIR")],
)
