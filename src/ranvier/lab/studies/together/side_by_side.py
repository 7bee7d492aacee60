"""Tasks in threads: several programs of JAX at once keep all cores busy where one of them does not."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Stopped(Exception):
    """A task was asked to stop because another one failed or the user interrupted."""


def side_by_side(tasks: Sequence[Callable[[Callable[[], None]], Result]], threads: int | None = None) -> list[Result]:
    """Run tasks, some of them at a time; if one fails or the user interrupts, the others stop too.

    Args:
        tasks: Functions of one argument, `go_on`, to be called now and then: it raises `Stopped` once all shall stop.
        threads: How many run at a time; default one for each core.

    Returns:
        The results, in the order of the tasks.

    Raises:
        BaseException: what the first task to fail raised, in the order of the tasks; or `KeyboardInterrupt`.

    Example:
        >>> from ranvier.lab.studies.together.side_by_side import side_by_side
        >>> side_by_side([lambda go_on, n=n: n * n for n in range(4)], threads=2)
        [0, 1, 4, 9]
    """
    stop = threading.Event()

    def go_on() -> None:
        if stop.is_set():
            raise Stopped

    def run(task: Callable[[Callable[[], None]], Result]) -> Result:
        try:
            go_on()
            return task(go_on)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(threads or os.cpu_count() or 1) as pool:
        futures = [pool.submit(run, task) for task in tasks]
        try:
            causes = [future.exception() for future in futures]
        except KeyboardInterrupt:
            stop.set()
            raise
    for cause in causes:
        if cause is not None and not isinstance(cause, Stopped):
            raise cause
    return [future.result() for future in futures]
