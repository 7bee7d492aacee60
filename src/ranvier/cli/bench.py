"""`ranvier bench`: speed and memory, each next to a named alternative of the same run."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from ranvier.cli.output import output, say

HELP = """Measure speed and memory, each next to a named alternative of the same run.

\b
cochlea   one second of cochlea-like input, exact kernel over a plain grid loop
training  Yin-Yang training samples per second
memory    peak memory against spikes, duration and delay
queues    queues of events, next to adseq where it can be imported
drops     events lost by small queues, against the load
queue-table  what recommend_queue looks up
first-spike  training with FirstSpike, one seed and ten at once, next to EventDriven
clock     ClockDriven on the same input, next to EventDriven, and to adseq where it is installed
import    what `import ranvier` costs over jax, equinox and optax

\b
Examples:
  ranvier bench
  ranvier bench cochlea --hidden 128 --hidden 256 --delay axonal --json cochlea.json
"""

NAMES = ("cochlea", "training", "memory", "queues", "drops", "queue-table", "first-spike", "clock", "import")


def bench(
    name: Annotated[
        str,
        typer.Argument(
            help="cochlea, training, memory, queues, drops, queue-table, first-spike, clock or import; default all.",
            show_default=False,
        ),
    ] = "all",
    hidden: Annotated[
        list[int] | None, typer.Option(min=1, help="Hidden neurons (cochlea) [default: 128, 256].")
    ] = None,
    delay: Annotated[list[str] | None, typer.Option(help="Kinds of delays (cochlea) [default: all].")] = None,
    samples: Annotated[Path | None, typer.Option(help="HDF5 file in the layout of SHD, as input (cochlea).")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="How often each is measured; the table shows medians.")] = 5,
    json: Annotated[Path | None, typer.Option(help="Write the rows here as well.")] = None,
) -> None:
    """Run benchmarks; `HELP` is what the user reads."""
    from ranvier.bench import cochlea, queue_plot, queues
    from ranvier.bench.table import format_table, write_rows

    kinds = delay or list(cochlea.DELAYS)
    if name not in (*NAMES, "all") or any(kind not in cochlea.DELAYS for kind in kinds):
        message = f"bench: choose among {', '.join(NAMES)} and delays among {', '.join(cochlea.DELAYS)}."
        raise typer.BadParameter(message)
    makers = _makers(hidden, kinds, samples, repeats)
    console, told = output(), []
    for chosen in NAMES if name == "all" else (name,):
        rows = makers[chosen]()
        say(console, f"{chosen}\n{format_table(rows)}\n")
        told += [{"benchmark": chosen, **row} for row in rows]
        if chosen == "queues":
            say(console, queues.summary(rows) + "\n")
            if json is not None:
                queue_plot.draw(rows, json.with_suffix(".png"))
    if json is not None:
        write_rows(json, told)


def _makers(
    hidden: list[int] | None, kinds: list[str], samples: Path | None, repeats: int
) -> dict[str, Callable[[], list[dict[str, Any]]]]:
    """What makes the rows of each benchmark."""
    from ranvier.bench import clock, cochlea, first_spike, import_time, memory, queue_table, queues, training

    return {
        "cochlea": lambda: [
            cochlea.measure(cochlea.Workload(size, kind, samples=samples), repeats)
            for size in hidden or [128, 256]
            for kind in kinds
        ],
        "training": lambda: [training.measure(kind) for kind in ("none", "axonal", "dendritic", "synaptic")],
        "memory": lambda: [memory.measure(row) for row in memory.ROWS],
        "queues": lambda: queues.measure(repeats),
        "drops": queues.drops,
        "queue-table": lambda: queue_table.measure(repeats),
        "first-spike": lambda: first_spike.measure(repeats=repeats),
        "clock": lambda: [row for size in hidden or [128] for row in clock.measure(clock.Workload(size), repeats)],
        "import": lambda: import_time.measure(repeats),
    }
