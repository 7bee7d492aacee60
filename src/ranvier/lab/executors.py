"""Where the runs of a study run: in processes of this machine, or on the workers of a Dask cluster.

A study hands over tasks. Each keeps what it has found in the folder of the study, and gives what its row needs; one
that was interrupted goes on from there. So the rows are the same wherever the tasks run, and in whatever order.
"""

import abc
import contextlib
import dataclasses
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import ModuleType
from typing import Any

from ranvier.interop._require import require

Say = Callable[[str], None]
TOPIC = "ranvier"
"""Where the workers of a Dask cluster say how it goes."""
PATIENCE = 10.0
"""Seconds within which a scheduler has to answer."""
AGAIN = 10.0
"""Seconds that an interrupted process has to save its work, before it is interrupted again."""


class ExecutorError(RuntimeError):
    """Tasks cannot run, or a process that ran them is gone; the message says what to do."""


@dataclasses.dataclass(frozen=True)
class Task:
    """A part of a study that any process can do.

    Args:
        name: What its progress is told under; no two of a study share one.
        work: A function of a module, `work(*arguments, say)`, which gives what can be pickled.
        arguments: What it is given, all of which can be pickled.
    """

    name: str
    work: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def __call__(self, say: Say) -> Any:
        """Do it, in this process.

        Args:
            say: Called with a line of text now and then.
        """
        return self.work(*self.arguments, lambda text: say(f"{self.name}: {text}"))


class AbstractExecutor(abc.ABC):
    """What runs tasks."""

    @abc.abstractmethod
    def run(self, tasks: Sequence[Task], say: Say) -> list[Any]:
        """Run all tasks; the results, in their order.

        Args:
            tasks: The tasks.
            say: Called with a line of text now and then, in this process.

        Raises:
            ExecutorError: a process that ran a task is gone, or none can be had.
            BaseException: what the first task to fail raised, or `KeyboardInterrupt`.
        """


@dataclasses.dataclass(frozen=True)
class LocalProcesses(AbstractExecutor):
    """Processes of this machine; a single one is this process itself.

    Several share out the cores, if there are enough. If a task fails, or the user interrupts, the others stop, too.

    Args:
        workers: How many run at a time.

    Raises:
        ValueError: there is none.

    Example:
        >>> from ranvier.lab.executors import LocalProcesses, Task
        >>> LocalProcesses().run([Task("one", lambda number, say: number + 1, (1,))], print)
        [2]
    """

    workers: int = 1

    def __post_init__(self):
        if self.workers < 1:
            msg = f"LocalProcesses: `workers` must be at least 1; got {self.workers}."
            raise ValueError(msg)

    def run(self, tasks: Sequence[Task], say: Say) -> list[Any]:
        """See `AbstractExecutor.run`."""
        workers = min(self.workers, len(tasks))
        if workers <= 1:
            return [task(say) for task in tasks]
        context = multiprocessing.get_context("spawn")
        said, number, stop = context.SimpleQueue(), context.Value("i", 0), context.Event()
        with _heard(said, say) as processes:
            pool = ProcessPoolExecutor(workers, context, _begin, (said, stop, number, workers))
            futures: list[Future[Any]] = []
            try:
                futures.extend(pool.submit(_here, task) for task in tasks)
                return _results(futures)
            except BrokenProcessPool as error:
                msg = (
                    "a process that ran a part of the study was killed, often for want of memory; take fewer with "
                    "--workers, and go on with --resume."
                )
                raise ExecutorError(msg) from error
            finally:
                stop.set()  # what the pool has handed out ahead does not begin
                _end(futures, processes)
                pool.shutdown(cancel_futures=True)


HERE = LocalProcesses()
"""This process, one task after the other."""


def _results(futures: Sequence[Future[Any]]) -> list[Any]:
    """The results, or what the first to fail raised as soon as it did."""
    done, _ = wait(futures, return_when=FIRST_EXCEPTION)
    for future in futures:
        if future in done and future.exception() is not None:
            future.result()
    return [future.result() for future in futures]


def _end(futures: Sequence[Future[Any]], processes: Sequence[int]) -> None:
    """Interrupt all that still run, and again where that was lost: a process may not have listened yet."""
    for future in futures:
        future.cancel()
    while wait(futures, timeout=0.0).not_done:
        for process in tuple(processes):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGINT)
        wait(futures, timeout=AGAIN)


@contextlib.contextmanager
def _heard(said: Any, say: Say) -> Iterator[list[int]]:
    """Say what processes say, in a thread; the list has the numbers of the processes."""
    processes: list[int] = []

    def listen() -> None:
        while (told := said.get()) is not None:
            processes.append(told) if isinstance(told, int) else say(told)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield processes
    finally:
        threading.Thread(target=said.put, args=(None,), daemon=True).start()  # waits forever if a process died in `put`
        thread.join(5.0)


_OWN: list[Any] = []
"""Of one of `LocalProcesses`: where it says how it goes, and whether all shall stop."""


def _begin(said: Any, stop: Any, number: Any, workers: int) -> None:
    """What a new process does first: it takes its share of the cores, and interrupts only from its parent."""
    os.setsid()  # Ctrl-C reaches the parent, which tells the others
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with number.get_lock():
        mine, number.value = number.value, number.value + 1
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[mine % len(cores) :: workers])
    _OWN[:] = said, stop
    said.put(os.getpid())
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    """End this process when its parent is gone: first as Ctrl-C does."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    parent.join()
    _OWN[1].set()
    signal.raise_signal(signal.SIGINT)
    time.sleep(60.0)
    os._exit(1)


def _here(task: Task) -> Any:
    """A task in one of several processes."""
    said, stop = _OWN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        if stop.is_set():
            raise KeyboardInterrupt
        return task(said.put)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclasses.dataclass(frozen=True)
class Dask(AbstractExecutor):
    """The workers of a Dask cluster (`pip install "ranvier[dask]"`).

    They need ranvier, and the folder of the study under the same path. A task of a worker that dies is done by another
    one, from what it left in the folder.

    Args:
        address: Of the scheduler: `tcp://host:8786`.
    """

    address: str

    def run(self, tasks: Sequence[Task], say: Say) -> list[Any]:
        """See `AbstractExecutor.run`."""
        distributed = _distributed()
        with self._client(distributed) as client:
            client.subscribe_topic(TOPIC, lambda event: say(event[1]))
            mark = uuid.uuid4().hex  # a task of an earlier study is another task
            futures = [client.submit(_there, task, key=f"{task.name}-{mark}", pure=False) for task in tasks]
            try:
                return client.gather(futures)
            except distributed.scheduler.KilledWorker as error:
                msg = (
                    f"{str(error.task).removesuffix(f'-{mark}')} has ended several workers, often for want of memory; "
                    "look at what they print, then go on with --resume."
                )
                raise ExecutorError(msg) from error
            finally:
                client.cancel(futures)

    def _client(self, distributed: ModuleType) -> Any:
        """A connection to the scheduler, which has workers."""
        try:
            client = distributed.Client(self.address, timeout=PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            msg = (
                f"no Dask scheduler answers at {self.address}: {error}. Start one with `dask scheduler`, and give the "
                "address that it prints, for example --scheduler tcp://host:8786."
            )
            raise ExecutorError(msg) from error
        if not client.scheduler_info()["workers"]:
            client.close()
            msg = f"the scheduler at {self.address} has no worker; start some with `dask worker {self.address}`."
            raise ExecutorError(msg)
        return client


def _distributed() -> ModuleType:
    """The package, or what to install."""
    return require("distributed", "a Dask cluster", "dask")


def _there(task: Task) -> Any:
    """A task on a worker of a cluster."""
    worker = _distributed().get_worker()
    return task(lambda text: worker.log_event(TOPIC, text))
