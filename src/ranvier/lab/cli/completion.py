"""`ranvier completion`: what a shell needs to complete commands, tasks, options and their values."""

import click
from click.shell_completion import get_completion_class

HELP = """Print the script by which a shell completes ranvier's commands, tasks, options and values.

\b
Examples:
  eval "$(ranvier completion bash)"                                    for this shell
  ranvier completion zsh >> ~/.zshrc                                   for every new one
  ranvier completion fish > ~/.config/fish/completions/ranvier.fish
"""

SHELLS = ("bash", "zsh", "fish")


@click.pass_context
def _completion(ctx: click.Context, shell: str) -> None:
    """Print the script; `HELP` is what the user reads."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(ctx.find_root().command, {}, "ranvier", "_RANVIER_COMPLETE").source())


command = click.Command(
    "completion",
    short_help="Print the script for completion in a shell.",
    help=HELP,
    callback=_completion,
    params=[click.Argument(["shell"], type=click.Choice(SHELLS))],
)
