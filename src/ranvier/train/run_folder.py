"""A run folder: one training run on disk, owned by one process at a time.

    config.json       what was asked for, where it runs, and with which versions
    metrics.jsonl     one line per epoch
    checkpoint.npz    everything needed to go on exactly where it stands
    initial.npz       the network before training, as ranvier.load reads it
    network.npz       the network that did best on the validation data, as ranvier.load reads it
    samples.npz       some validation samples, and the answers to all; see ranvier.train.samples
    metrics.json      the result, when the run is finished
    .lock             held (flock) by the process that is at work; a dead process holds nothing

Every file is replaced as a whole or appended to by whole lines, and is on the disk before the next step counts on it.
A crash can leave lines in `metrics.jsonl` that are newer than the checkpoint; `keep_epochs` drops them on resuming.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ranvier.train.checkpoint import plain, write_atomically

FILES = ("config.json", "metrics.jsonl", "checkpoint.npz", "initial.npz", "network.npz", "samples.npz", "metrics.json")


TOLD = 4
"""Differences from the run that is there that an error spells out."""


class RunError(RuntimeError):
    """A run cannot start, go on or be read; the message says why and what to do."""


class RunFolder:
    """The files of one run.

    Args:
        path: The folder. It need not exist.

    Example:
        >>> import tempfile
        >>> from ranvier.train import RunFolder
        >>> folder = RunFolder(tempfile.mkdtemp())
        >>> with folder.locked():
        ...     folder.start({"seed": 0}, {}, {"host": "here"}, resume=False)
        >>> folder.config()["options"]
        {'seed': 0}
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
        self.checkpoint = self.path / "checkpoint.npz"
        self.initial = self.path / "initial.npz"
        self.network = self.path / "network.npz"
        self.samples = self.path / "samples.npz"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Own the folder; made if need be. Raises `RunError` where another process does."""
        handle = self._lock()
        try:
            yield
        finally:
            with contextlib.suppress(FileNotFoundError):
                (self.path / ".lock").unlink()
            os.close(handle)

    def _lock(self) -> int:
        lock = self.path / ".lock"
        while True:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
            except OSError as error:
                msg = f"{self.path} cannot be used as a run folder: {error.strerror}. Choose another one."
                raise RunError(msg) from error
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                owner = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
                os.close(handle)
                msg = f"{self.path} is in use by process {owner}; wait for it, or choose another folder."
                raise RunError(msg) from error
            if _is_file_at(handle, lock):  # else its owner deleted it in between
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
                return handle
            os.close(handle)

    def start(
        self,
        options: Mapping[str, Any],
        implied: Mapping[str, Any],
        facts: Mapping[str, Any],
        *,
        resume: bool,
    ) -> None:
        """Begin a run in this folder, or make sure that it is the same run.

        Args:
            options: What was asked for. A run can only be resumed with the same.
            implied: What else decides the result; compared like `options`, if those agree.
            facts: What else is worth keeping: versions, device, commit.
            resume: Go on with a run if one is there.

        Raises:
            RunError: a run is there and `resume` is not set, or it was started with other options.
        """
        with self.writing():
            for partial in self.path.glob(".*.partial"):  # of a process that was killed while it wrote
                partial.unlink(missing_ok=True)
        if not resume:
            self.refuse_run()
        there = [name for name in FILES if (self.path / name).exists()]
        if (self.path / "config.json").exists():
            self.compare(options)
            _compare(self.path, plain(implied), self.config()["implied"])
        elif there:
            msg = f"{self.path} has {there[0]} but no config.json, so it cannot be resumed; choose another folder."
            raise RunError(msg)
        else:
            self._write_json("config.json", {"options": options, "implied": implied, **facts})

    def refuse_run(self) -> None:
        """Raise `RunError` if a run is there."""
        if any((self.path / name).exists() for name in FILES):
            msg = f"{self.path} already holds a run; go on with it by --resume (resume=True), or choose another folder."
            raise RunError(msg)

    def compare(self, options: Mapping[str, Any]) -> None:
        """Raise `RunError`, naming each option that differs, if the run in this folder was started with others."""
        _compare(self.path, plain(options), self.config()["options"])

    def config(self) -> dict[str, Any]:
        """What `config.json` says; raises `RunError` where it is missing or broken."""
        return self._read_json("config.json", needs=("options", "implied"))

    def result(self) -> dict[str, Any]:
        """What `metrics.json` says; raises `RunError` where the run is not finished or the file is broken."""
        return self._read_json("metrics.json", needs=("test_accuracy",))

    @property
    def finished(self) -> bool:
        """Whether the run has come to its end."""
        return (self.path / "metrics.json").exists()

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write `metrics.json`."""
        self._write_json("metrics.json", result)

    def reopen(self) -> None:
        """The run goes on: what says that it is finished goes, before the first new checkpoint is written."""
        for name in ("metrics.json", "samples.npz"):
            (self.path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Within this block a file that cannot be written, as on a full disk, is a `RunError` with advice."""
        try:
            yield
        except OSError as error:
            where = error.filename or self.path
            msg = (
                f"{where} cannot be written: {error.strerror or error}. All up to the last checkpoint in {self.path} "
                "is kept: make room or give access, then go on by --resume (resume=True)."
            )
            raise RunError(msg) from error

    def forget(self) -> None:
        """Take back a run that was refused in its first epoch: the corrected one may have the folder."""
        if not self.checkpoint.exists() and not self.epochs():
            for name in ("metrics.jsonl", "initial.npz", "config.json"):
                (self.path / name).unlink(missing_ok=True)

    def append_epoch(self, metrics: Mapping[str, Any]) -> None:
        """Append one line to `metrics.jsonl`."""
        with (self.path / "metrics.jsonl").open("ab") as file:
            file.write(json.dumps(metrics).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def epochs(self) -> list[dict[str, Any]]:
        """The whole lines of `metrics.jsonl`; a last one that was torn by a crash is left out."""
        path = self.path / "metrics.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        try:
            found = [json.loads(line) for line in lines]
        except ValueError as error:
            msg = f"{path} is broken ({error}); choose another folder."
            raise RunError(msg) from error
        wrong = next((at for at, line in enumerate(found, start=1) if not isinstance(line, dict)), None)
        if wrong is not None:
            msg = f"{path} is broken: line {wrong} is not the metrics of an epoch; choose another folder."
            raise RunError(msg)
        return found

    def keep_epochs(self, count: int) -> list[dict[str, Any]]:
        """Cut `metrics.jsonl` back to the first `count` epochs, and give them."""
        kept = self.epochs()[:count]
        if [line.get("epoch") for line in kept] != list(range(1, count + 1)):
            msg = (
                f"{self.path}/metrics.jsonl does not hold the {count} epochs of the checkpoint; choose another folder."
            )
            raise RunError(msg)
        content = b"".join(json.dumps(line).encode() + b"\n" for line in kept)
        write_atomically(self.path / "metrics.jsonl", content)
        return kept

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        write_atomically(self.path / name, (json.dumps(content, indent=2) + "\n").encode())

    def _read_json(self, name: str, needs: tuple[str, ...]) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            msg = f"{self.path} is not a run folder: it has no {name}."
            raise RunError(msg) from error
        except (OSError, ValueError) as error:
            msg = f"{path} is broken or cannot be read ({error})."
            raise RunError(msg) from error
        if not isinstance(content, dict) or any(need not in content for need in needs):
            msg = f"{path} was not written by ranvier: it does not hold {' and '.join(map(repr, needs))}."
            raise RunError(msg)
        return content


def _is_file_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _compare(path: Path, asked: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
    names = [name for name in {**stored, **asked} if asked.get(name) != stored.get(name)]
    if names:
        told = ", ".join(f"{name} was {stored.get(name)!r}, now {asked.get(name)!r}" for name in names[:TOLD])
        more = f", and {len(names) - TOLD} more" if len(names) > TOLD else ""
        msg = f"{path} was started with other settings: {told}{more}. Resume with the same, or choose another folder."
        raise RunError(msg)
