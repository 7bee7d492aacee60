"""`ranvier report`: what came out of a run, or of several seeds."""

from collections.abc import Callable
from pathlib import Path

import click

from ranvier.lab.cli.output import (
    output,
    percent,
    result_line,
    say,
    seeds_line,
    show_result,
    show_seeds,
    summary_line,
)

HELP = """Print the result of a run and draw its report again.

DIR is a run folder, of `ranvier train` or of a `fit` of your own, or a folder of several seeds: then the result of
each, median and spread.

With --html the report is also written as a page for a browser, one file that works offline: learning curves, spikes,
decisions or confusions, weights and delays over time, operations, what the doctor finds, and the configuration.

\b
Examples:
  ranvier report runs/yin-yang
  ranvier report runs/yin-yang --html
  ranvier report runs/yin-yang --html yin-yang.html
  ranvier report runs/five
"""

BESIDE = ""
"""The value of --html without a file: the page goes into the run folder."""


def _report(folder: Path, html: str | None) -> None:
    """Print the result of a run; `HELP` is what the user reads."""
    from ranvier.lab.runs import draw_report, is_experiment, load_run
    from ranvier.train import RunError, RunFolder

    runs = sorted(path for path in folder.glob("seed-*") if (path / "config.json").exists())
    if html and len(runs) > 1:
        msg = f"--html FILE is one page, and {folder} holds {len(runs)} runs; give --html alone, or use ranvier compare"
        raise click.UsageError(msg)
    if not runs and not is_experiment(folder):
        _fitted(folder, html)
        return
    runs = runs or [folder]
    unfinished = [path for path in runs if not RunFolder(path).finished]
    if unfinished:
        done = len(RunFolder(unfinished[0]).epochs())
        msg = f"{unfinished[0]} is not finished, {done} epochs are done; train it with --resume first."
        raise RunError(msg)
    results = [RunFolder(path).result() for path in runs]
    for path in runs:
        _draw(lambda path=path: draw_report(*load_run(path), RunFolder(path)))
    if runs == [folder]:
        show_result(folder, results[0], last=False)
    else:
        show_seeds(folder, sorted(results, key=lambda result: result["seed"]), last=False)
        for path in runs:
            say(output(), f"report: {path / 'report.png'}")
    for path in runs if html is not None else ():
        _page(path, html)
    say(output(), result_line(folder, results[0]) if runs == [folder] else seeds_line(folder, results))


def _draw(draw: Callable[[], Path | None]) -> Path | None:
    """Draw the picture; a folder that cannot be written, such as one of an archive, leaves the numbers and the page."""
    try:
        return draw()
    except OSError as error:
        say(output(), f"report.png is not drawn: {error.strerror or error}. For a page elsewhere: --html FILE")
        return None


def _page(path: Path, html: str | None) -> None:
    """Write the page of an experiment."""
    from ranvier.lab.pages import write_run_page

    say(output(), f"page: {write_run_page(path, html or None)}")


def _fitted(folder: Path, html: str | None) -> None:
    """The same for the folder of a `fit` of one's own, with what is known of it."""
    import jax

    from ranvier.train import RunFolder, best_epoch, draw_fit, write_fit_page

    jax.config.update("jax_enable_x64", True)  # the network may be in float64
    picture, lines = _draw(lambda: draw_fit(folder)), RunFolder(folder).epochs()
    best = best_epoch(lines)
    known = lines[best - 1]
    told = f", accuracy {percent(known['validation_accuracy'])}" if "validation_accuracy" in known else ""
    say(output(), f"validation loss {known['validation_loss']:.4g}{told} in epoch {best} of {len(lines)}")
    if picture is not None:
        say(output(), f"report: {picture}")
    if html is not None:
        say(output(), f"page: {write_fit_page(folder, html or None)}")
    names = ("validation_loss", "validation_accuracy")
    numbers = {name: known[name] for name in names if name in known}
    say(output(), summary_line(**numbers, best_epoch=best, epochs=len(lines), folder=folder))


command = click.Command(
    "report",
    help=HELP,
    short_help="Print the result of a run and draw its report again.",
    callback=_report,
    params=[
        click.Argument(["folder"], type=click.Path(path_type=Path), metavar="DIR"),
        click.Option(
            ["--html"],
            is_flag=False,
            flag_value=BESIDE,
            metavar="[FILE]",
            help="Write a page for a browser, too [default: DIR/report.html].",
        ),
    ],
)
