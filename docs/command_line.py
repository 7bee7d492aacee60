"""Writes `docs/reference/command-line.md` from the commands themselves: `python docs/command_line.py`.

`tests/test_release.py` fails where the page is not what this would write.
"""

import re
from pathlib import Path

import click

from ranvier.lab.catalogue import experiment
from ranvier.lab.cli import app
from ranvier.lab.cli.options import SUBJECT, SettingsCommand
from ranvier.lab.listing import listing

PAGE = Path(__file__).parent / "reference" / "command-line.md"
HEAD = """# Command line

<!-- Written by docs/command_line.py; change the help of a command instead. -->

`ranvier COMMAND --help` says the same, and `ranvier train TASK --help` every number of a task. To learn by doing, begin
with [a first network](../tutorials/first-network.md); reports and comparisons have [a guide](../guides/reports.md).

"""
WIDTH = 110


def plain(text: str) -> str:
    """Help as Markdown: paragraphs that click is told not to wrap are blocks of code."""
    paragraphs = []
    for part in re.split(r"\n\s*\n", text.strip()):
        if part.startswith("\b\n"):
            lines = part[2:].splitlines()
            title = lines[0] if lines[0].endswith(":") else None
            body = "\n".join(line.removeprefix("  ") for line in (lines[1:] if title else lines))
            block = f"```{'sh' if title == 'Examples:' else 'text'}\n{body}\n```"
            paragraphs.append(f"{title}\n\n{block}" if title else block)
        else:
            paragraphs.append(re.sub(r"\s*\n\s*", " ", part))
    return "\n\n".join(paragraphs)


def options(command: click.Command, context: click.Context) -> str:
    """A table of what a command takes."""
    rows = []
    for one in command.get_params(context):
        record = one.get_help_record(context)
        if record is None or isinstance(one, click.Argument) or "--help" in one.opts:  # explained elsewhere
            continue
        flag, words = record
        rows.append(f"| `{flag.replace('|', chr(92) + '|')}` | {words.replace('|', chr(92) + '|')} |")
    return "\n".join(["| option | what it does |", "|---|---|", *rows])


def section(name: str, command: click.Command) -> str:
    """A command: what it is for, how it is called, what it takes."""
    context = click.Context(command, info_name=f"ranvier {name}", terminal_width=WIDTH, max_content_width=WIDTH)
    words = command.help or ""
    if isinstance(command, SettingsCommand):
        context.meta[SUBJECT] = None
        words = command.words(None)
    usage = " ".join(command.collect_usage_pieces(context))
    return (
        f"## ranvier {name}\n\n```text\nranvier {name} {usage}\n```\n\n{plain(words)}\n\n{options(command, context)}\n"
    )


def tasks() -> str:
    """The tasks, and how many numbers each has."""
    rows = [f"| `{name}` | {words} | {len(experiment(name).offered())} |" for name, words in listing("tasks").items()]
    told = "Tasks of `ranvier train`, with the number of settings that their default choices have:"
    return "\n".join(["## Tasks", "", told, "", "| task | what it is | settings |", "|---|---|---|", *rows]) + "\n"


def page() -> str:
    """The whole page."""
    parts = [section(name, command) for name, command in app.commands.items()]
    epilog = (app.epilog or "").replace(
        "The last line of a result is for programs:\n", "The last line of a result is for programs: "
    )
    return HEAD + "\n".join([*parts, tasks(), f"## Output and exit status\n\n{plain(epilog)}\n"])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
