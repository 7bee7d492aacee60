"""`ranvier bench`: speed and memory, each next to a named alternative of the same run."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from ranvier.lab.cli.options import SettingsCommand, given_settings
from ranvier.lab.cli.output import output, say
from ranvier.lab.listing import nearest
from ranvier.lab.ranges import Count
from ranvier.lab.settings import change

Rows = list[dict[str, Any]]

HELP = """Measure speed and memory, each next to a named alternative of the same run.

NAME is one of these; default all of them, one after the other:

\b
{names}

\b
Examples:
  ranvier bench
  ranvier bench cochlea --hidden 128,256 --delay axonal --json cochlea.json
  ranvier bench scaling --by EventDriven,DCLS --json scaling.json
"""


@dataclasses.dataclass(frozen=True)
class Numbers:
    """What can be asked of benchmarks.

    Args:
        hidden: Numbers of hidden neurons (cochlea, clock); empty for the usual ones, 128,256 and 128.
        delay: Kinds of delays (cochlea); empty for all.
        samples: HDF5 file in the layout of SHD to use as input (cochlea).
        repeats: Repeats; the tables have medians.
        by: Libraries (scaling); empty for ours and those that are installed.
    """

    hidden: tuple[int, ...] = ()
    delay: tuple[str, ...] = ()
    samples: Path | None = None
    repeats: Count = 5
    by: tuple[str, ...] = ()


def cochlea(numbers: Numbers) -> Rows:
    """One second of cochlea-like input, exact kernel over a plain grid loop."""
    from ranvier.lab.bench import cochlea as bench

    kinds = numbers.delay or tuple(bench.DELAYS)
    unknown = [kind for kind in kinds if kind not in bench.DELAYS]
    if unknown:
        msg = f"--delay must be one or more of {', '.join(bench.DELAYS)}; got {unknown[0]!r}"
        raise click.UsageError(msg)
    sizes = numbers.hidden or (128, 256)
    works = [bench.Workload(size, kind, samples=numbers.samples) for size in sizes for kind in kinds]
    return [bench.measure(work, numbers.repeats) for work in works]


def training(numbers: Numbers) -> Rows:
    """Yin-Yang training samples per second."""
    from ranvier.lab.bench import training as bench

    return [bench.measure(kind) for kind in ("none", "axonal", "dendritic", "synaptic")]


def memory(numbers: Numbers) -> Rows:
    """Peak memory against spikes, duration and delay."""
    from ranvier.lab.bench import memory as bench

    return [bench.measure(row) for row in bench.ROWS]


def queues(numbers: Numbers) -> Rows:
    """Queues of events, next to adseq where it can be imported."""
    from ranvier.lab.bench import queues as bench

    return bench.measure(numbers.repeats)


def drops(numbers: Numbers) -> Rows:
    """Events lost by small queues, against the load."""
    from ranvier.lab.bench import queues as bench

    return bench.drops()


def queue_table(numbers: Numbers) -> Rows:
    """What recommend_queue looks up."""
    from ranvier.lab.bench import queue_table as bench

    return bench.measure(numbers.repeats)


def first_spike(numbers: Numbers) -> Rows:
    """Training with FirstSpike, one seed and ten at once, next to EventDriven."""
    from ranvier.lab.bench import first_spike as bench

    return bench.measure(repeats=numbers.repeats)


def clock(numbers: Numbers) -> Rows:
    """ClockDriven on the same input, next to EventDriven, and to adseq where it is installed."""
    from ranvier.lab.bench import clock as bench

    return [row for size in numbers.hidden or (128,) for row in bench.measure(bench.Workload(size), numbers.repeats)]


def scaling(numbers: Numbers) -> Rows:
    """Time and memory against delay, size, rate, batch and cores, next to other libraries that are installed."""
    from ranvier.lab.bench import scaling as bench

    try:
        return bench.measure(numbers.repeats, numbers.by)
    except ValueError as error:
        msg = f"--by: {error}"
        raise click.UsageError(msg) from error


def import_time(numbers: Numbers) -> Rows:
    """What `import ranvier` costs over jax, equinox and optax."""
    from ranvier.lab.bench import import_time as bench

    return bench.measure(numbers.repeats)


ALL = (cochlea, training, memory, queues, drops, queue_table, first_spike, clock, scaling, import_time)
BENCHMARKS = {benchmark.__name__.replace("_", "-"): benchmark for benchmark in ALL}
"""What makes the rows of each benchmark, by name."""


def _words(about: Any) -> str:
    wide = max(map(len, BENCHMARKS))
    lines = [f"  {name.ljust(wide)}  {benchmark.__doc__}" for name, benchmark in BENCHMARKS.items()]
    return HELP.replace("{names}", "\n".join(lines))


@click.pass_context
def _bench(ctx: click.Context, name: str | None, json: Path | None, **others: Any) -> None:
    """Run benchmarks; `HELP` is what the user reads."""
    if name is not None and name not in BENCHMARKS:
        known = list(BENCHMARKS)
        msg = f"there is no benchmark {name}{nearest(name, known).rstrip('?')}. There are {', '.join(known)}"
        raise click.UsageError(msg, ctx)
    from ranvier.lab.bench.table import format_table, write_rows

    numbers, console, rows_of_all = change(Numbers(), given_settings(ctx)), output(), []
    for chosen in BENCHMARKS if name is None else (name,):
        rows = BENCHMARKS[chosen](numbers)
        say(console, f"{chosen}\n{format_table(rows)}\n")
        rows_of_all += [{"benchmark": chosen, **row} for row in rows]
        if chosen == "queues":
            _show_queues(rows, json)
        if chosen == "scaling":
            _show_scaling(rows, json)
    if json is not None:
        write_rows(json, rows_of_all)


def _show_queues(rows: Rows, json: Path | None) -> None:
    """What the table of queues says in a sentence, and its picture beside the JSON file."""
    from ranvier.lab.bench import queue_plot
    from ranvier.lab.bench import queues as bench

    say(output(), bench.summary(rows) + "\n")
    if json is not None:
        queue_plot.draw(rows, json.with_suffix(".png"))


def _show_scaling(rows: Rows, json: Path | None) -> None:
    """What the rows of scaling say in sentences, and their picture beside the JSON file."""
    from ranvier.lab.bench import scaling as bench
    from ranvier.lab.bench import scaling_plot

    say(output(), bench.summary(rows) + "\n")
    if json is not None:
        scaling_plot.draw(rows, json.with_suffix(".png"))


command = SettingsCommand(
    lambda ctx, arguments: Numbers(),
    _words,
    name="bench",
    short_help="Measure speed and memory.",
    callback=_bench,
    params=[
        click.Argument(["name"], required=False, metavar="[NAME]"),
        click.Option(
            ["--json"], type=click.Path(path_type=Path), metavar="FILE", help="Write the rows into this file, too."
        ),
    ],
)
