"""What the commands write: results on stdout, everything else on stderr.

The last line of a result is for programs: `result: name=value name=value ...`, quoted as a shell quotes.
"""

import shlex
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


def summary_line(**facts: Any) -> str:
    """The line for programs; `shlex.split` takes it apart.

    Example:
        >>> from ranvier.lab.cli.output import summary_line
        >>> summary_line(test_accuracy=0.975, folder="my runs/first", delay=None)
        "result: test_accuracy=0.975 folder='my runs/first' delay=none"
    """
    text = lambda value: "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(["result:", *(f"{name}={shlex.quote(text(value))}" for name, value in facts.items())])


def show_result(folder: Path, result: Mapping[str, Any], *, last: bool = True) -> None:
    """The result of one run.

    Args:
        folder: Its folder.
        result: What `metrics.json` says.
        last: Whether the line for programs follows.
    """
    console = output()
    say(console, f"test accuracy {percent(result['test_accuracy'])}")
    say(
        console,
        f"validation {percent(result['validation_accuracy'])} in epoch {result['best_epoch']} of {result['epochs']}, "
        f"{result['parameters']:,} parameters, {result['seconds']:.0f} s, "
        f"{result['samples_per_second']:,.0f} samples/s",
    )
    say(console, f"report: {folder / 'report.png'}")
    if last:
        say(console, result_line(folder, result))


def result_line(folder: Path, result: Mapping[str, Any]) -> str:
    """The line for programs of one run."""
    names = ("seed", "test_accuracy", "validation_accuracy", "best_epoch", "epochs", "parameters", "seconds")
    return summary_line(task=result["name"], **{name: result[name] for name in names}, folder=folder)


def seeds_line(folder: Path, results: Sequence[Mapping[str, Any]]) -> str:
    """The line for programs of several seeds."""
    low, middle, high = quartiles([result["test_accuracy"] for result in results])
    return summary_line(
        task=results[0]["name"], seeds=len(results), test_accuracy=middle, test_accuracy_low=low,
        test_accuracy_high=high, folder=folder,
    )  # fmt: skip


def show_seeds(folder: Path, results: Sequence[Mapping[str, Any]], *, last: bool = True) -> None:
    """The results of several seeds, their median and their spread.

    Args:
        folder: Their folder.
        results: What the `metrics.json` of each says.
        last: Whether the line for programs follows.
    """
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
    if last:
        say(console, seeds_line(folder, results))


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
