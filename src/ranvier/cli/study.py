"""`ranvier study`: experiments of many runs that answer a question."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli.output import errors, output, say
from ranvier.cli.seeds import parse_seeds

app = typer.Typer(
    help="Run an experiment of many runs that answers a question; each is a folder, and goes on with --resume."
)

Out = Annotated[Path | None, typer.Option(help="Folder of the study [default: runs/NAME].")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the study in OUT, if there is one.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="What learns: weights, axonal, dendritic, synaptic, delays-only [default: all]."),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Cases at a time [default: one for each core].")]
Hidden = Annotated[list[int] | None, typer.Option(min=1, help="Hidden neurons.")]


DELAYS = """Yin-Yang with weights alone, with axonal, dendritic and synaptic delays, and with delays alone.

Ten seeds at six sizes of the hidden layer; a table and a plot of the test error against the number of parameters.

\b
Examples:
  ranvier study delays-yin-yang
  ranvier study delays-yin-yang --resume
  ranvier study delays-yin-yang --kind axonal --kind weights --hidden 10 --seeds 0..4 --epochs 100 --out runs/small
"""


@app.command("delays-yin-yang", help=DELAYS)
def delays_yin_yang(
    kind: Kinds = None,
    hidden: Hidden = None,
    seeds: Annotated[str, typer.Option(help="Seeds: 0..9 or 0,3,5.")] = "0..9",
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 300,
    numbers: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File of the search, delay_numbers.json [default: the one that comes with ranvier].",
        ),
    ] = None,
    out: Out = None,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Run the study; `DELAYS` is what the user reads."""
    from ranvier.bench.table import format_table
    from ranvier.studies import delays_yin_yang as study

    usual, folder = study.Study(), out or Path("runs/delays-yin-yang")
    asked = lambda: study.Study(
        tuple(kind or usual.kinds), tuple(hidden or usual.hidden), tuple(parse_seeds(None, seeds)), epochs, numbers
    )
    rows = _run(asked, partial(study.run_study, threads=threads), folder, resume, quiet)
    say(output(), format_table(study.table_rows(rows)))
    say(output(), f"results: {folder / 'results.json'}, picture: {folder / 'error.png'}")


SEARCH = """Choose learning rates and initial values for each case of delays-yin-yang, on validation data.

\b
Examples:
  ranvier study delays-yin-yang-search
  ranvier study delays-yin-yang-search --kind axonal --hidden 10 --out runs/axonal
  ranvier study delays-yin-yang --kind axonal --hidden 10 --numbers runs/axonal/delay_numbers.json --out runs/study
"""


@app.command("delays-yin-yang-search", help=SEARCH)
def delays_yin_yang_search(
    kind: Kinds = None,
    hidden: Hidden = None,
    out: Out = None,
    resume: Resume = False,
    threads: Threads = None,
    quiet: Quiet = False,
) -> None:
    """Run the search; `SEARCH` is what the user reads."""
    from ranvier.studies import delays_search as search

    usual, folder = search.Search(), out or Path("runs/delays-yin-yang-search")
    asked = lambda: search.Search(tuple(kind or usual.kinds), tuple(hidden or usual.hidden))
    _run(asked, partial(search.run_search, threads=threads), folder, resume, quiet)
    say(output(), f"chosen: {folder / search.CHOSEN}")


BRAINSCALES = """Yin-Yang on emulated BrainScaleS-2 chips: weights alone, and with axonal delays.

Each trained in the ideal model of the chip, in the loop of one chip, and in the loop of another chip for every batch;
tested on its own chip, on chips it has not seen, in the ideal model, and under one disturbance at a time.

\b
Examples:
  ranvier study brainscales
  ranvier study brainscales --chips 3 --epochs 20 --out runs/quick
  ranvier study brainscales --stressed --out runs/stressed
"""


@app.command("brainscales", help=BRAINSCALES)
def brainscales(
    chips: Annotated[int, typer.Option(min=1, help="Chips, each with a network of its own.")] = 10,
    others: Annotated[int, typer.Option(min=1, help="Chips that no network has seen.")] = 10,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each training.")] = 100,
    stressed: Annotated[bool, typer.Option("--stressed", help="With the effects that are assumptions.")] = False,
    out: Out = None,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Run the study; `BRAINSCALES` is what the user reads."""
    from ranvier.bench.table import format_table
    from ranvier.studies import brainscales as study

    folder = out or Path("runs/brainscales")
    asked = lambda: study.Study(chips, others, epochs, stressed=stressed)
    results = _run(asked, study.run_study, folder, resume, quiet)
    say(output(), format_table(study.table_rows(results)))
    say(output(), f"results: {folder / 'results.json'}, pictures beside it: robustness.png, delay_elements.png")


def _run(asked: Callable[[], Any], run: Callable[..., Any], folder: Path, resume: bool, quiet: bool) -> Any:
    """Run what was asked for; what makes no sense is an error of usage, an interruption says how to go on."""
    try:
        what = asked()
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    console = errors()
    try:
        return run(what, folder, resume=resume, say=(lambda text: None) if quiet else lambda text: say(console, text))
    except KeyboardInterrupt:
        say(console, f"ranvier: interrupted; the same command with --resume goes on in {folder}.")
        raise typer.Exit(130) from None
