"""`ranvier completion`: what a shell needs to complete commands, tasks, options and their values."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from ranvier.lab.cli.output import output, say

HELP = """Print the script by which a shell completes ranvier's commands, tasks, options and values, or install it.

SHELL is bash, zsh or fish; with --install it need not be named. --install writes the script into a file of its own and
one line into the shell's start-up file (fish needs none); doing it again changes nothing.

\b
Examples:
  ranvier completion --install                                         for every new shell
  ranvier completion zsh --install
  eval "$(ranvier completion bash)"                                    for this shell only
"""

SHELLS = ("bash", "zsh", "fish")
MARK = "# ranvier: completion"
"""What the line in a start-up file ends with."""


@click.pass_context
def _completion(ctx: click.Context, shell: str | None, install: bool) -> None:
    """Print the script, or install it; `HELP` is what the user reads."""
    shell = shell or _usual(ctx, install)
    kind = get_completion_class(shell)
    assert kind is not None
    script = kind(ctx.find_root().command, {}, "ranvier", "_RANVIER_COMPLETE").source()
    if not install:
        click.echo(script)
        return
    file = _place(shell)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(script, "utf-8")
    say(output(), f"written: {file}")
    if shell != "fish":
        _add(_start_up(shell), shell, file)
    say(output(), "It works in every new shell.")


def _usual(ctx: click.Context, install: bool) -> str:
    """The shell that the user has, by the environment."""
    name = Path(os.environ.get("SHELL", "")).name
    if install and name in SHELLS:
        return name
    found = f"; yours is {name}" if install and name else ""
    msg = f"name the shell, one of {', '.join(SHELLS)}{found}"
    raise click.UsageError(msg, ctx)


def _place(shell: str) -> Path:
    """The file of the script."""
    home = Path.home()
    if shell == "fish":
        return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "fish" / "completions" / "ranvier.fish"
    return Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share") / "ranvier" / f"completion.{shell}"


def _start_up(shell: str) -> Path:
    """The file that a shell reads when it starts."""
    home = Path.home()
    return home / ".bashrc" if shell == "bash" else Path(os.environ.get("ZDOTDIR") or home) / ".zshrc"


def _add(start_up: Path, shell: str, file: Path) -> None:
    """Have the script read whenever a shell starts; a line that is there already stays alone."""
    ready = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }; " if shell == "zsh" else ""
    line = f'{ready}[ -r "{file}" ] && . "{file}"  {MARK}'
    before = start_up.read_text("utf-8") if start_up.exists() else ""
    kept = [one for one in before.splitlines() if not one.endswith(MARK)]
    after = "\n".join([*kept, line]) + "\n"
    if after != before:
        start_up.write_text(after, "utf-8")
    say(output(), f"read by: {start_up}")


command = click.Command(
    "completion",
    short_help="Let the shell complete commands and options.",
    help=HELP,
    callback=_completion,
    params=[
        click.Argument(["shell"], type=click.Choice(SHELLS), required=False),
        click.Option(["--install"], is_flag=True, help="Install the script for every new shell."),
    ],
)
