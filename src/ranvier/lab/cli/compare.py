"""`ranvier compare`: runs and studies side by side, seeds together, and is a difference more than chance?"""

import statistics
from pathlib import Path

import click

from ranvier.lab.cli.output import output, say, summary_line

HELP = """Put runs side by side. Those that differ in their seed only are one group, with median, spread and number.

DIR is a run folder, of `ranvier train` or of a `fit` of your own; a folder of several seeds; or that of a study. What
the configurations differ in is shown, and each two groups are tested by permutations, in pairs where seeds are the
same. Runs of other tasks, or of other data, are refused.

\b
Examples:
  ranvier compare runs/synaptic runs/axonal
  ranvier compare runs/five --html
  ranvier compare runs/synaptic runs/axonal --html delays.html
"""

NAME = "compare.html"
"""The page, where no file is named."""


def _compare(folders: tuple[Path, ...], html: str | None) -> None:
    """Compare; `HELP` is what the user reads."""
    from ranvier.lab.comparison import compare_runs
    from ranvier.lab.comparison.showing import as_text, comparison_page

    found, console = compare_runs(*folders), output()
    say(console, as_text(found))
    if html is not None:
        from ranvier.pages import write_page

        say(console, f"page: {write_page(html or NAME, comparison_page(found))}")
    middles = {
        f"median_{group.name}": statistics.median(group.values(found.measure).values()) for group in found.groups
    }
    tests = {f"p_{one}_{other}": test.p for one, other, test in found.tests}
    say(console, summary_line(measure=found.measure, groups=len(found.groups), **middles, **tests))


command = click.Command(
    "compare",
    help=HELP,
    short_help="Put runs side by side, and test their difference.",
    callback=_compare,
    params=[
        click.Argument(["folders"], nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DIR..."),
        click.Option(
            ["--html"], is_flag=False, flag_value="", metavar="[FILE]",
            help="Write a page for a browser, too [default: compare.html here].",
        ),
    ],
)  # fmt: skip
