"""`ranvier view`: a network in space, and one sample on its way through it."""

from pathlib import Path

import click

from ranvier.lab.cli.output import output, say

HELP = """Show the network of a run in space, and the spikes of a sample on their way through it.

DIR is a run folder, of `ranvier train` or of a `fit` of your own. The page works offline, in any browser: spikes leave,
travel along their axons with the true delays, and arrive. Play, pause, choose the speed, turn the network with the
mouse, and point at a neuron for its name and numbers.

\b
Examples:
  ranvier view runs/first
  ranvier view runs/first --sample 2 --place delays
  ranvier view runs/first --out first.gif
"""


def _view(folder: Path, out: Path | None, sample: int, place: str) -> None:
    """Write the file; `HELP` is what the user reads."""
    import jax

    from ranvier.lab.view import view

    jax.config.update("jax_enable_x64", True)  # the network may be in float64
    say(output(), f"view: {view(folder, out, sample=sample, place=place)}")


command = click.Command(
    "view",
    help=HELP,
    short_help="Show a network in space, and a sample on its way through it.",
    callback=_view,
    params=[
        click.Argument(["folder"], type=click.Path(path_type=Path), metavar="DIR"),
        click.Option(
            ["--out"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A page (.html), a film (.gif, or .mp4 with ffmpeg) or a picture (.png) [default: DIR/view.html].",
        ),
        click.Option(["--sample"], type=int, default=0, show_default=True, help="Which of the samples that were kept."),
        click.Option(
            ["--place"],
            type=click.Choice(["positions", "layers", "delays"]),
            default="positions",
            show_default=True,
            help="Where neurons are drawn: at their positions if they have some, by layers, or by their delays.",
        ),
    ],
)
