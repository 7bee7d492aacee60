"""Seeds side by side: a process for each core, each training its share of the seeds.

A worker is an ordinary `ranvier train --config FILE --seeds ... --workers 1`, so that a seed has the same result as in
a run of its own, and one compiled program serves all seeds of a worker. Results do not depend on the number of threads
either. The progress shown is read from the run folders.
"""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ranvier.lab.cli.output import output

if TYPE_CHECKING:
    from ranvier.lab import Experiment
    from ranvier.train import AbstractProgress

PARENT = "RANVIER_PARENT"
"""Environment variable that tells a worker whose it is: it stops, resumable, when that process is gone."""
MOST_SEEDS = 1000
"""More are a slip of the finger."""


def parse_seeds(seed: int | None, seeds: str | None) -> list[int] | None:
    """Seeds of `--seeds 0..4` or of `--seeds 0,3,5`; None without.

    Args:
        seed: What `--seed` says.
        seeds: What `--seeds` says.

    Raises:
        click.UsageError: it makes no sense, or both are given.
    """
    if seeds is None:
        return None
    if seed is not None:
        msg = "give --seed or --seeds, not both"
        raise click.UsageError(msg)
    first, dots, last = seeds.partition("..")
    try:
        found = range(int(first), int(last) + 1) if dots else [int(part) for part in seeds.split(",")]
    except ValueError:
        found = []
    if found and found[-1] - found[0] >= MOST_SEEDS and dots:
        msg = (
            f"--seeds: {seeds} are {found[-1] - found[0] + 1} runs; at most {MOST_SEEDS} are done at once, such as 0..4"
        )
        raise click.UsageError(msg)
    if not found or min(found) < 0 or len(set(found)) < len(found):
        msg = f"--seeds must be a range such as 0..4 or a list such as 0,3,5 of different seeds >= 0; got {seeds!r}"
        raise click.UsageError(msg)
    return list(found)


def seed_folder(folder: Path, seed: int) -> Path:
    """Run folder of one of several seeds."""
    return folder / f"seed-{seed}"


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_workers(
    experiment: "Experiment",
    seeds: Sequence[int],
    folder: Path,
    workers: int,
    threads: int,
    resume: bool,
    quiet: bool,
    also: Sequence[str] = (),
) -> None:
    """Train several seeds side by side; raises `RuntimeError` with a worker's own words if one fails.

    Args:
        experiment: What to run, whatever its seed.
        seeds: The seeds.
        folder: Folder of the run folders.
        workers: Number of processes.
        threads: Threads of each.
        resume: Go on with runs that are there.
        quiet: Show no progress.
        also: More options of each worker.
    """
    from ranvier.lab.config_file import write_config

    shares = [seeds[first::workers] for first in range(workers)]
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile("w+") as complaints:
        config = Path(place) / "config.toml"
        write_config(experiment, config)
        started = [_start(config, share, folder, threads, resume, also, complaints) for share in shares]
        try:
            _watch(started, experiment.training.epochs, {seed: seed_folder(folder, seed) for seed in seeds}, quiet)
        except BaseException:
            for process in started:
                process.send_signal(signal.SIGINT)
            for process in started:
                process.wait()
            raise
        codes = [process.wait() for process in started]
        complaints.seek(0)
        said = [line.removeprefix("ranvier: ").strip() for line in complaints if line.startswith("ranvier: ")]
    if any(codes):
        raise RuntimeError(said[0] if said else f"a worker ended with status {next(filter(None, codes))}.")


def _start(
    config: Path, seeds: Sequence[int], folder: Path, threads: int, resume: bool, also: Sequence[str], complaints: Any
) -> subprocess.Popen[bytes]:
    """Start one worker, in a session of its own: Ctrl-C reaches it through this process."""
    command = [sys.executable, "-m", "ranvier.lab.cli", "train", "--config", str(config), "--out", str(folder)]
    command += ["--seeds", ",".join(map(str, seeds)), "--workers", "1", "--threads", str(threads), "--quiet", *also]
    return subprocess.Popen(
        [*command, "--resume"] if resume else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=complaints,
        env=os.environ | {PARENT: str(os.getpid())},
        start_new_session=True,
    )


def _watch(started: Sequence[subprocess.Popen[bytes]], epochs: int, folders: dict[int, Path], quiet: bool) -> None:
    """Show what the run folders say until no worker is left."""
    from ranvier.train import LiveProgress, NoProgress, PlainProgress, RunFolder, live_bar

    console = output()
    bar = live_bar(console)
    live = console.is_terminal and not quiet
    shown: dict[int, AbstractProgress] = {}
    for seed in folders:
        name = f"seed {seed}"
        shown[seed] = NoProgress() if quiet else LiveProgress(bar, name) if live else PlainProgress(console, name)
        shown[seed].start(epochs, 0)
    seen = dict.fromkeys(folders, 0)
    try:
        while True:
            left = any(process.poll() is None for process in started)
            for seed, folder in folders.items():
                lines = RunFolder(folder).epochs()
                if len(lines) > seen[seed]:
                    seen[seed] = len(lines)
                    shown[seed].epoch(lines[-1])
            if not left:
                return
            time.sleep(0.2)
    finally:
        if live:
            bar.stop()


def follow_parent() -> None:
    """If this process is a worker, interrupt it (as Ctrl-C does) when its parent is gone."""
    parent = os.environ.get(PARENT)
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == int(parent):
            time.sleep(1.0)
        while True:  # one interrupt may fall into an import, which may swallow it
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5.0)

    threading.Thread(target=watch, daemon=True).start()
