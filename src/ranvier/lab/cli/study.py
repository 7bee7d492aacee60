"""`ranvier study`: experiments of many runs that answer a question."""

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ranvier.lab.cli.options import SettingsCommand, given_settings, told
from ranvier.lab.cli.output import errors, output, say, summary_line
from ranvier.lab.cli.seeds import cores
from ranvier.lab.executors import Dask, LocalProcesses
from ranvier.lab.listing import listing
from ranvier.lab.ranges import SettingError
from ranvier.lab.settings import change

if TYPE_CHECKING:
    from ranvier.lab.study import Entry

HELP = """Run an experiment of many runs that answers a question.

Each study is a folder; after an interruption the same command with --resume goes on. Its options: ranvier study NAME
--help.

\b
Examples:
  ranvier study delays-yin-yang
  ranvier study brainscales --chips 3 --epochs 20 --out runs/quick
  ranvier study rapid --scheduler tcp://login1:8786
"""


class Studies(click.Group):
    """A command for every file in `ranvier.lab.studies`; it is imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the studies."""
        return list(listing("studies"))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a study."""
        return _command(cmd_name) if cmd_name in listing("studies") else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Names and what they are, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(listing("studies").items()))


def _command(name: str) -> click.Command:
    """The command of a study, with an option for each of its numbers."""
    module = importlib.import_module(f"ranvier.lab.studies.{name.replace('-', '_')}")
    entry: Entry = module.STUDY
    lines = [f"  ranvier study {name} {example}".rstrip() for example in entry.examples]
    words = "\n\n".join([(module.__doc__ or "").strip(), "\b\nExamples:\n" + "\n".join(lines)])
    params: list[click.Parameter] = [
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            default=Path("runs") / name,
            metavar="DIR",
            help=f"Folder of the study [default: runs/{name}].",
        ),
        click.Option(["--resume"], is_flag=True, help="Go on with the study in DIR, if there is one."),
        click.Option(["--quiet"], is_flag=True, help="Show no progress."),
        click.Option(
            ["--workers"],
            type=click.IntRange(1),
            metavar="N",
            help=f"Runs at a time, each in a process [default: {entry.workers or 'one per core'}].",
        ),
        click.Option(["--scheduler"], metavar="ADDRESS", help="Dask scheduler whose workers do the runs."),
    ]
    return SettingsCommand(
        lambda ctx, arguments: entry.numbers,
        lambda about: words,
        name=name,
        callback=click.pass_context(lambda ctx, **others: _run(ctx, entry, **others)),
        params=params,
    )


def _run(
    ctx: click.Context, entry: "Entry", out: Path, resume: bool, quiet: bool, workers: int | None,
    scheduler: str | None, **others: Any,
) -> None:  # fmt: skip
    """Run a study; an interruption says how to go on."""
    try:
        numbers = change(entry.numbers, given_settings(ctx))
    except SettingError as error:
        raise click.UsageError(told(error), ctx) from error
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
    console = errors()
    if workers is not None and scheduler is not None:
        msg = "give --workers or --scheduler, not both: a cluster has as many workers as it has"
        raise click.UsageError(msg, ctx)
    executor = Dask(scheduler) if scheduler else LocalProcesses(workers or entry.workers or cores())
    tell = (lambda text: None) if quiet else (lambda text: say(console, text))
    try:
        results = entry.run(numbers, out, resume=resume, executor=executor, say=tell)
    except KeyboardInterrupt:
        say(console, f"ranvier: interrupted; the same command with --resume goes on in {out}.")
        raise click.exceptions.Exit(130) from None
    say(output(), entry.summary(results, out))
    say(output(), summary_line(study=ctx.info_name, folder=out))


command = Studies("study", help=HELP, short_help="Run a study: many runs that answer a question.")
