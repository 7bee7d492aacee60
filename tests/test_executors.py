"""Parts of a study: in this process, in several, and on a Dask cluster one worker of which is killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chores import dies, fails, interrupted, squared, waits
from ranvier.lab import executors
from ranvier.lab.cli import execute
from ranvier.lab.executors import Dask, ExecutorError, LocalProcesses, Task
from ranvier.lab.studies.speech_delays import Study, run_study, table_rows
from spike_sets import write_words

TASKS = [Task(f"{number}/4", squared, (number,)) for number in (3, 1, 2, 0)]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_are_in_the_order_of_the_tasks(workers: int):
    said: list[str] = []
    assert LocalProcesses(workers).run(TASKS, said.append) == [9, 1, 4, 0]
    assert sorted(said) == ["0/4: squares 0", "1/4: squares 1", "2/4: squares 2", "3/4: squares 3"]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """What a terminal gives a program; one that a shell started in the background ignores interrupts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(
    ("work", "error", "words"),
    [(fails, LookupError, "no"), (dies, ExecutorError, "was killed.*--resume"), (interrupted, KeyboardInterrupt, "^$")],
)
def test_if_one_cannot_end_the_others_stop(work: Any, error: type[BaseException], words: str):
    tasks = [Task("waits", waits), Task("ends", work), *(Task(f"{number}", waits) for number in range(3))]
    start = time.monotonic()
    with pytest.raises(error, match=words):
        LocalProcesses(2).run(tasks, lambda text: None)
    assert time.monotonic() - start < 100.0  # nobody waited to the end


def test_what_cannot_run_says_what_to_do(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="`workers` must be at least 1; got 0"):
        LocalProcesses(0)
    both = ["study", "rapid", "--out", str(tmp_path), "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"]
    assert execute(both) == 2
    assert "give --workers or --scheduler, not both" in capsys.readouterr().err
    pytest.importorskip("distributed")
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    with pytest.raises(
        ExecutorError, match="no Dask scheduler answers at tcp://127.0.0.1:1: .*Start one with `dask sch"
    ):
        Dask("tcp://127.0.0.1:1").run(TASKS, print)


@contextlib.contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """A scheduler and its workers, each a process; its address, and the workers."""
    distributed = pytest.importorskip("distributed")
    told, common = folder / "scheduler.json", ["--scheduler-file", str(folder / "scheduler.json"), "--no-dashboard"]
    tests = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    begin = lambda name, *more: subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.dask_{name}", *common, *more], cwd=folder, env=os.environ | tests,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    started = [begin("scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        one = ("--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
        started += [begin("worker", *one) for _ in range(workers)]
        while not told.exists():
            time.sleep(0.05)
        address = json.loads(told.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, started[1:]
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_a_cluster_does_what_processes_do():
    distributed = pytest.importorskip("distributed")
    said: list[str] = []
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as workers:
        cluster = Dask(workers.scheduler_address)
        assert cluster.run(TASKS, said.append) == [9, 1, 4, 0]
        assert cluster.run(TASKS, said.append) == [9, 1, 4, 0]
        with pytest.raises(LookupError, match="no"):
            cluster.run([Task("fails", fails), *TASKS], said.append)
    assert set(said) == {"0/4: squares 0", "1/4: squares 1", "2/4: squares 2", "3/4: squares 3"}
    assert len(said) > 4  # a study that runs again is another one


@pytest.mark.slow
def test_a_cluster_loses_no_run_when_a_worker_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "programs"))  # each is compiled once, not four times
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    words = write_words(tmp_path / "words.h5")
    study = Study(str(words), ("none",), hidden=(4,), epochs=3, seeds=(0, 1, 2))
    killed: list[int] = []

    def kill_one() -> None:
        """In the middle of its run, of which an epoch is done."""
        while not killed:
            for line in (tmp_path / "cluster").glob("*/metrics.jsonl"):
                with contextlib.suppress(FileNotFoundError):
                    killed.append(int((line.parent / ".lock").read_text()))
                    os.kill(killed[0], signal.SIGKILL)
                    return
            time.sleep(0.02)

    with cluster(tmp_path, 2) as (address, workers):
        threading.Thread(target=kill_one, daemon=True).start()
        found = run_study(study, tmp_path / "cluster", executor=Dask(address))
        assert sorted(process.poll() is None for process in workers) == [False, True]
    assert killed[0] in [process.pid for process in workers]
    local = run_study(study, tmp_path / "local", executor=LocalProcesses(2))
    assert [row["seed"] for row in found] == [0, 1, 2]
    assert without(found, "seconds") == without(local, "seconds")
    assert without(table_rows(found), "s/epoch") == without(table_rows(local), "s/epoch")


def without(rows: list[dict], name: str) -> list[dict]:
    return [{key: value for key, value in row.items() if key != name} for row in rows]
