"""The command line: `ranvier`, one module for each command.

Each command is a thin layer over the library. What is slow to import is imported by the command that needs it. An
error that a person can do something about is one sentence on stderr: exit status 2 for a command that makes no sense,
1 for one that failed, 130 for one that was interrupted. `RANVIER_TRACEBACK=1` shows where an error came from.
"""

import errno
import os
import sys
from collections.abc import Sequence

import click
from click.exceptions import NoArgsIsHelpError

from ranvier._allocator import keep_freed
from ranvier.lab.cli import (
    bench,
    check,
    compare,
    completion,
    diagnose,
    encode,
    export,
    info,
    report,
    study,
    train,
    view,
)
from ranvier.lab.cli.programs import keep_programs
from ranvier.lab.cli.seeds import follow_parent
from ranvier.lab.listing import nearest

FORBIDDEN = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
"""What a system says of a file that it does not let be written."""
HELP = """Exact gradients for spiking neural networks with learnable delays.

\b
Examples:
  ranvier train yin-yang                       train a network and draw a report
  ranvier report runs/yin-yang --html          the report as a page for a browser
  ranvier diagnose runs/yin-yang               why a network may not learn
  ranvier completion --install                 let the shell complete commands and options
"""

EPILOG = """Results are written to stdout, and everything else to stderr. The last line of a result is for programs:
result: name=value name=value ...

\b
Exit status:
  0    all went well
  1    the command failed: one sentence on stderr says why; or nobody reads its output any more
  2    the command makes no sense: one sentence on stderr says what is wrong
  130  interrupted by Ctrl-C; what was done is kept, and --resume goes on

RANVIER_TRACEBACK=1 shows where an error came from.
"""


def _show_version(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from importlib.metadata import version

        click.echo(version("ranvier"))
        ctx.exit()


app = click.Group(
    "ranvier",
    help=HELP,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_version,
            help="Show the version and exit.",
        )
    ],
)
COMMANDS = (
    train,
    encode,
    report,
    compare,
    view,
    export,
    check,
    diagnose,
    study,
    bench,
    info,
    completion,
)
for module in COMMANDS:
    app.add_command(module.command)


def main() -> None:
    """The console script."""
    try:
        follow_parent()
        keep_programs()
        keep_freed()
        status = execute(sys.argv[1:])
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def execute(arguments: Sequence[str]) -> int:
    """Run one command; the exit status.

    Example:
        >>> from ranvier.lab.cli import execute
        >>> execute(["report", "/no/such/folder"])
        1
    """
    try:
        status = app.main(list(arguments) or ["--help"], prog_name="ranvier", standalone_mode=False)
    except click.ClickException as error:
        return _fail(_usage(error), error.exit_code)
    except click.Abort:
        return 130
    except (ValueError, RuntimeError, OSError, ImportError) as error:
        if os.environ.get("RANVIER_TRACEBACK"):
            raise
        return _fail(_told(error), 1)
    return status if isinstance(status, int) else 0


def _told(error: Exception) -> str:
    """The error in one sentence; what the system says of a file without its number, and with what to do."""
    if isinstance(error, OSError) and error.filename is not None and error.errno in FORBIDDEN:
        return f"{error.filename} cannot be written or read: {error.strerror}. Name another place, or give access."
    return str(error) or type(error).__name__


def _usage(error: click.ClickException) -> str:
    """The error in one sentence; for an unknown option or command with the nearest that exists."""
    text, context = error.format_message().rstrip("."), getattr(error, "ctx", None)
    if context is not None and isinstance(error, NoArgsIsHelpError):
        text = f"name a command; there are {', '.join(context.command.list_commands(context))}"
    if context is None:
        return f"{text}. Try 'ranvier --help'."
    if isinstance(error, click.NoSuchOption):
        known = [name for option in context.command.get_params(context) for name in option.opts]
        text = f"{error.option_name} is not an option{nearest(error.option_name, known)}"
    elif text.startswith("No such command") and isinstance(context.command, click.Group):
        known = context.command.list_commands(context)
        wrong = text.split("'")[1]
        text = f"there is no command {wrong}{nearest(wrong, known)} There are {', '.join(known)}"
    end = "" if text.endswith("?") else "."
    return f"{text}{end} Try '{context.command_path} --help'."


def _fail(message: str, status: int) -> int:
    click.echo(f"ranvier: {' '.join(message.split())}", err=True)
    return status
