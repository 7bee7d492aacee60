"""What the commands write: results on stdout, everything else on stderr."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def output() -> "Console":
    """The console on stdout."""
    from rich.console import Console

    return Console()


def errors() -> "Console":
    """The console on stderr."""
    from rich.console import Console

    return Console(stderr=True)


def say(console: "Console", text: str) -> None:
    """Write a line as it is: paths are not broken, nor numbers coloured."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)


def show_result(folder: Path, result: Mapping[str, Any]) -> None:
    """The result of one run."""
    console = output()
    say(console, f"test accuracy {percent(result['test_accuracy'])}")
    say(
        console,
        f"validation {percent(result['validation_accuracy'])} in epoch {result['best_epoch']} of {result['epochs']}, "
        f"{result['parameters']:,} parameters, {result['seconds']:.0f} s, "
        f"{result['samples_per_second']:,.0f} samples/s",
    )
    say(console, f"report: {folder / 'report.png'}")


def show_seeds(folder: Path, results: Sequence[Mapping[str, Any]]) -> None:
    """The results of several seeds, their median and their spread."""
    from rich.table import Table

    console = output()
    table = Table("seed", "test", "validation", "best epoch", "parameters", "seconds", "samples/s", title=str(folder))
    for column in table.columns:
        column.justify = "right"
    for result in results:
        table.add_row(*_row(result))
    console.print(table, soft_wrap=True)
    tests = [result["test_accuracy"] for result in results]
    low, middle, high = quartiles(tests)
    say(
        console,
        f"test accuracy: median {percent(middle)}, quartiles {percent(low)} to {percent(high)}, "
        f"range {percent(min(tests))} to {percent(max(tests))}, {len(tests)} seeds",
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile (inclusive: of these values, not of what they were drawn from).

    Example:
        >>> from ranvier.lab.cli.output import quartiles
        >>> quartiles([1.0, 2.0, 3.0, 4.0, 5.0])
        (2.0, 3.0, 4.0)
    """
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def percent(share: float) -> str:
    """A share in percent.

    Example:
        >>> from ranvier.lab.cli.output import percent
        >>> percent(0.9834)
        '98.3 %'
    """
    return f"{100 * share:.1f} %"


def _row(result: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        str(result["seed"]),
        percent(result["test_accuracy"]),
        percent(result["validation_accuracy"]),
        f"{result['best_epoch']}/{result['epochs']}",
        f"{result['parameters']:,}",
        f"{result['seconds']:.0f}",
        f"{result['samples_per_second']:,.0f}",
    )
