"""One training over several devices and processes: `ranvier train --devices N --processes N`.

On one machine the command starts its processes itself and watches them. On several machines it is started once for each
process, by hand with `--process` and `--coordinator`, or by SLURM or Open MPI with `--processes auto`.
"""

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from ranvier.lab.cli.seeds import PARENT, cores

if TYPE_CHECKING:
    from ranvier.lab import Experiment
    from ranvier.train import Devices

GRACE = 90.0
"""Seconds that processes have to notice by themselves that one of them is gone."""

OPTIONS = [
    click.Option(
        ["--devices"], type=click.IntRange(1), metavar="N",
        help="Spread each batch over N devices of each process, such as GPUs [default: one].",
    ),
    click.Option(
        ["--processes"], metavar="N|auto",
        help="Spread it over N processes. They are started here, unless --process says otherwise; auto: by what SLURM "
        "or Open MPI say.",
    ),
    click.Option(["--process"], type=click.IntRange(0), metavar="I", help="This is process I of N, from 0."),
    click.Option(["--coordinator"], metavar="HOST:PORT", help="Where process 0 can be reached, with --process."),
]  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Spread:
    """What the command line says about devices and processes.

    Args:
        devices: Devices of each process; None for one.
        processes: Number of processes, or "auto"; None for one.
        process: Number of this process, if it is one of several.
        coordinator: Where process 0 can be reached.

    Raises:
        click.UsageError: it makes no sense.
    """

    devices: int | None = None
    processes: str | None = None
    process: int | None = None
    coordinator: str | None = None

    def __post_init__(self):
        number = self.processes is not None and self.processes.isdecimal() and int(self.processes) > 0
        if self.processes not in (None, "auto") and not number:
            msg = f"--processes must be a number or auto; got {self.processes!r}"
            raise click.UsageError(msg)
        if (self.process is None) != (self.coordinator is None) or (self.process is not None and not number):
            msg = "--process, --coordinator and the number of --processes go together"
            raise click.UsageError(msg)
        if self.process is not None and self.process >= int(self.processes or 1):
            msg = f"--process must be below --processes, {self.processes}; got {self.process}"
            raise click.UsageError(msg)

    @property
    def alone(self) -> bool:
        """Whether all runs on the usual device."""
        return self.devices is None and self.processes is None

    @property
    def to_start(self) -> int:
        """Number of processes that are to be started here; 0 if this is one of them."""
        return int(self.processes) if self.processes not in (None, "auto") and self.process is None else 0

    def join(self) -> "Devices | None":
        """Join the other processes; over which devices to train.

        Raises:
            RuntimeError: they cannot be reached.
        """
        if self.alone:
            return None
        import jax

        from ranvier.train import Devices

        count = self.devices or 1
        jax.config.update("jax_num_cpu_devices", count)
        if self.processes == "auto":
            jax.distributed.initialize()
        elif self.process is not None:
            jax.distributed.initialize(self.coordinator, int(self.processes or 1), self.process)
        return Devices(count)


def run_processes(
    experiment: "Experiment",
    spread: Spread,
    folder: Path,
    threads: int | None,
    resume: bool,
    quiet: bool,
    also: Sequence[str] = (),
) -> None:
    """Start all processes of a training on this machine, and wait for them.

    Args:
        experiment: What to run.
        spread: Over what.
        folder: Run folder.
        threads: Threads of each device.
        resume: Go on with the run that is there.
        quiet: Show no progress.
        also: More options of each process.

    Raises:
        RuntimeError: one of them failed or was killed; the message says which, and how to go on.
    """
    from ranvier.lab.config_file import write_config

    number = spread.to_start
    each = threads or max(1, cores() // (number * (spread.devices or 1)))
    with tempfile.TemporaryDirectory() as place, tempfile.TemporaryFile("w+") as complaints:
        config = Path(place) / "config.toml"
        write_config(experiment, config)
        command = [sys.executable, "-m", "ranvier.lab.cli", "train", "--config", str(config), "--out", str(folder)]
        command += ["--threads", str(each), "--devices", str(spread.devices or 1), "--processes", str(number)]
        command += ["--coordinator", f"127.0.0.1:{_free_port()}", *also, *["--resume"] * resume, *["--quiet"] * quiet]
        started = [_start([*command, "--process", str(one)], one, complaints) for one in range(number)]
        try:
            codes = _wait(started)
        except BaseException:
            _stop(started, signal.SIGINT)
            raise
        complaints.seek(0)
        said = [line.removeprefix("ranvier: ").strip() for line in complaints if line.startswith("ranvier: ")]
    if any(codes):
        raise RuntimeError(_told(codes, said, folder))


def _start(command: Sequence[str], number: int, complaints: IO[str]) -> subprocess.Popen[bytes]:
    """Start one process, in a session of its own: Ctrl-C reaches it through this one. The first one shows progress."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=None if number == 0 else subprocess.DEVNULL,
        stderr=complaints,
        env=os.environ | {PARENT: str(os.getpid())},
        start_new_session=True,
    )


def _wait(started: Sequence[subprocess.Popen[bytes]]) -> list[int | None]:
    """Wait until all are done; once one has failed the others have a while to end by themselves.

    Returns:
        How each ended; where some failed, how things stood when the first one had.
    """
    first, failed = None, 0.0
    while None in (codes := [process.poll() for process in started]):
        if first is None and any(codes):
            first, failed = codes, time.monotonic()
        if first is not None and time.monotonic() - failed > GRACE:
            _stop(started, signal.SIGKILL)
        time.sleep(0.1)
    return first or codes


def _stop(started: Sequence[subprocess.Popen[Any]], how: signal.Signals) -> None:
    for process in started:
        if process.poll() is None:
            process.send_signal(how)
    for process in started:
        process.wait()


def _told(codes: Sequence[int | None], said: Sequence[str], folder: Path) -> str:
    """What happened, and how to go on."""
    killed = [f"process {number} was killed by {signal.Signals(-code).name}" for number, code in enumerate(codes)
              if code is not None and code < 0 and code != -signal.SIGABRT]  # fmt: skip
    failed = [f"process {number} ended with status {code}" for number, code in enumerate(codes) if code]
    what = killed[0] if killed else said[0].rstrip(".") if said else failed[0]
    return f"{what}. The same command with --resume goes on from the last epoch in {folder}."


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
