"""The command line: `ranvier train`, `report`, `study`, `check-gradients`, `bench`, `info`.

Each command is a thin layer over the library. What is slow to import is imported by the command that needs it. An
error that a person can do something about is one sentence on stderr: exit status 2 for a command that makes no sense,
1 for one that failed, 130 for one that was interrupted. `RANVIER_TRACEBACK=1` shows where an error came from.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ranvier.cli import bench, check, info, report, study, train
from ranvier.cli.seeds import follow_parent

ClickException: Any = typer.BadParameter.__mro__[2]  # typer brings a click of its own along, or uses the installed one

app = typer.Typer(
    help="Exact gradients for spiking neural networks with learnable delays.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(help=train.HELP)(train.train)
app.command(help=report.HELP)(report.report)
app.add_typer(study.app, name="study")
app.command(name="check-gradients", help=check.HELP)(check.check_gradients)
app.command(help=bench.HELP)(bench.bench)
app.command(help=info.HELP)(info.info)


def _show_version(wanted: bool) -> bool:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("ranvier"))
        raise typer.Exit
    return wanted


@app.callback()
def ranvier(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Exact gradients for spiking neural networks with learnable delays.

    Train a network on Yin-Yang and look at the report: ranvier train yin-yang
    """


def main() -> None:
    """The console script."""
    try:
        follow_parent()
        status = execute(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def execute(arguments: Sequence[str]) -> int:
    """Run one command; the exit status.

    Example:
        >>> from ranvier.cli import execute
        >>> execute(["report", "/no/such/folder"])
        1
    """
    try:
        status = app(list(arguments) or ["--help"], prog_name="ranvier", standalone_mode=False)
    except ClickException as error:
        return _fail(_usage(error), error.exit_code)
    except typer.Abort:
        return 130
    except (ValueError, RuntimeError, OSError) as error:
        if os.environ.get("RANVIER_TRACEBACK"):
            raise
        return _fail(str(error) or type(error).__name__, 1)
    return status if isinstance(status, int) else 0


def _usage(error: Any) -> str:
    """The error in one sentence; for an unknown option or command with those that exist."""
    text, context = (
        error.format_message().replace("Value error, ", "").rstrip(".?"),
        getattr(error, "ctx", None),
    )
    if context is None:
        return f"{text}. Try 'ranvier --help'."
    known = []
    if text.startswith("No such option"):
        known = [name for option in context.command.params for name in option.opts if name.startswith("--")]
    if text.startswith("No such command"):
        known = context.command.list_commands(context)
    there = f" There are {', '.join(known)}." if known else ""
    return f"{text}.{there} Try '{context.command_path} --help'."


def _fail(message: str, status: int) -> int:
    typer.echo(f"ranvier: {' '.join(message.split())}", err=True)
    return status
