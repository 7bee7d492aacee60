"""What may happen to a run from outside: killed at any point of a write, a full disk, a folder that is read-only, a clock
that jumps, more memory wanted than there is. Nothing is lost, and a message says what to do.

`tests/kills.py` does the same with real processes and SIGKILL.
"""

import dataclasses
import os
import resource
import shutil
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import _memory, lab
from ranvier.datasets import SpikeWriter
from ranvier.datasets.downloads import fetch
from ranvier.interop import nir
from ranvier.interop import recordings as io
from ranvier.lab import runs
from ranvier.train import RunError, RunFolder, loop
from ranvier.train.samples import read_samples
from spike_sets import write_words
from test_checkpoint import equal, lines, often, same
from trained import RECIPE, dataset, network, run

__all__ = ["often"]


class Disk:
    """What a run folder holds whenever something is about to be on the disk: the states that a kill can leave."""

    def __init__(self, folder: Path, states: Path, patch: pytest.MonkeyPatch):
        self.folder, self.states, self.count, self.seen = folder, states, 0, set()
        sync, replace, unlink = os.fsync, Path.replace, Path.unlink

        def fsync(handle: int) -> None:
            self.keep()
            if stat.S_ISREG(os.fstat(handle).st_mode):  # a file of which only half came to the disk
                self.keep(Path(os.readlink(f"/proc/self/fd/{handle}")).relative_to(self.folder))
            sync(handle)

        def renamed(path: Path, target: Any) -> Path:
            found = replace(path, target)
            self.keep()
            return found

        def removed(path: Path, missing_ok: bool = False) -> None:
            unlink(path, missing_ok)
            self.keep()

        for place, name, value in ((os, "fsync", fsync), (Path, "replace", renamed), (Path, "unlink", removed)):
            patch.setattr(place, name, value)

    def keep(self, half: Path | None = None) -> None:
        """One more state."""
        if not self.folder.exists():
            return
        copy = self.states / str(self.count)
        shutil.copytree(self.folder, copy)
        if half is not None:
            whole = (copy / half).read_bytes()
            keep = (
                (len(whole) + whole.rstrip(b"\n").rfind(b"\n") + 1) // 2 if half.suffix == ".jsonl" else len(whole) // 2
            )
            (copy / half).write_bytes(whole[:keep])
        content = frozenset((path.name, path.read_bytes()) for path in copy.iterdir())
        if content in self.seen:
            shutil.rmtree(copy)
            return
        self.seen.add(content)
        self.count += 1


TWO = dataclasses.replace(RECIPE, epochs=2)


@pytest.mark.usefixtures("often")
def test_killed_at_every_point_of_every_write_a_run_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Also where a finished run goes on: the first epoch is a run of its own."""
    monkeypatch.setattr(loop, "provenance", dict)  # asks other programs, and takes its time
    given = {"network": network(), "train": dataset(30, 0), "validation": dataset(16, 1)}  # made once
    states, undisturbed = tmp_path / "states", run(None, recipe=TWO, **given)
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(tmp_path / "run", states, patch)
        run(tmp_path / "run", recipe=dataclasses.replace(RECIPE, epochs=1), **given)
        first = disk.count
        run(tmp_path / "run", resume=True, recipe=TWO, **given)
    assert first > 15
    assert disk.count > 30
    for number in sorted({*range(0, disk.count, 2), *range(disk.count - 8, disk.count)}):
        state = states / str(number)
        resumed = run(state, resume=True, recipe=TWO, **given)
        assert same(resumed, undisturbed), number
        assert lines(state) == resumed.epochs
        assert equal(rv.load(state / "network.npz"), undisturbed.network), number
        wanted, found = (read_samples(RunFolder(folder)).answer for folder in (tmp_path / "run", state))
        assert equal(wanted, found), number
        assert not list(state.glob(".*"))


def test_killed_after_its_result_a_run_draws_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one = lab.experiment("temporal-order", epochs=1)
    drawn: list[Path] = []
    monkeypatch.setattr(runs, "draw_report", lambda experiment, network, folder: drawn.append(folder.path))
    result = lab.run(one, tmp_path)
    assert drawn == [tmp_path]
    assert lab.run(one, tmp_path, resume=True) == result
    assert drawn == [tmp_path, tmp_path]
    (tmp_path / "report.png").write_bytes(b"drawn")
    lab.run(one, tmp_path, resume=True)
    assert len(drawn) == 2


FULL = (
    "cannot be written: No space left on device. All up to the last checkpoint in .* is kept: make room or give access"
)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("after", range(0, 14, 3))
def test_on_a_full_disk_a_run_stops_with_a_sentence_and_goes_on_later(
    tmp_path: Path, after: int, monkeypatch: pytest.MonkeyPatch
):
    sync, calls = os.fsync, iter(range(1000))

    def full(handle: int) -> None:
        if next(calls) >= after:
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=FULL):
        run(tmp_path / "run", recipe=TWO)
    monkeypatch.setattr(os, "fsync", sync)
    assert not list((tmp_path / "run").glob(".*"))
    assert same(run(tmp_path / "run", resume=True, recipe=TWO), run(None, recipe=TWO))


def test_a_folder_that_is_read_only_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any) -> int:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(RunError, match=r"cannot be used as a run folder: Read-only file system\. Choose another one"):
        run(tmp_path, recipe=TWO)


@pytest.mark.usefixtures("often")
def test_a_clock_that_jumps_back_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The time of day: what is measured is measured by a clock that cannot jump."""
    now = iter(range(10**9, 0, -1000))
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: float(next(now)))
        run(tmp_path, recipe=dataclasses.replace(RECIPE, epochs=1))
        for path in tmp_path.iterdir():
            os.utime(path, (2**33, 2**33))  # files of the future
        resumed = run(tmp_path, resume=True, recipe=TWO)
    assert same(resumed, run(None, recipe=TWO))
    assert all(line["seconds"] >= 0 for line in resumed.epochs)


@pytest.mark.parametrize("moment", ["flush", "close"])
def test_spikes_that_do_not_fit_on_the_disk_leave_nothing(tmp_path: Path, moment: str, monkeypatch: pytest.MonkeyPatch):
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    place = {"flush": (SpikeWriter, "_flush"), "close": (Path, "replace")}[moment]
    monkeypatch.setattr(*place, full)
    with pytest.raises(OSError, match="No space"), SpikeWriter(tmp_path / "a.h5", classes=("a",), channels=1) as out:
        out.add(np.array([1.0]), np.array([0]), label=0)
    assert list(tmp_path.iterdir()) == []


WRITERS: dict[str, Callable[[Path], Any]] = {
    "encode": lambda path: write_words(path, samples=600),
    "shd": lambda path: io.write_shd(path, rv.Spikes(np.sort(np.random.default_rng(0).random((40, 500)), axis=1),
                                                     np.zeros((40, 500), np.int32), 1), np.zeros(40, int)),
    "nwb": lambda path: io.write_nwb(path, rv.Spikes([1.0], [0], size=1)),
    "nir": lambda path: nir.write(path, rv.feedforward([40, 90], neuron=rv.LIF(), key=jax.random.key(0))),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.filterwarnings("ignore")
def test_a_disk_that_takes_no_more_ends_no_process_that_writes_hdf5(name: str, tmp_path: Path):
    """The system lets no file grow beyond some kB, which to HDF5 is the same as a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            WRITERS[name](tmp_path / "a.h5")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path):
    """A server that promises more than it sends, and closes; or says nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for _ in range(2):
                caller, _ = server.accept()
                with caller:
                    caller.recv(1000)
                    caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
                    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset

        threading.Thread(target=serve, daemon=True).start()
        for _ in range(2):
            with pytest.raises((OSError, ValueError), match=r"the connection broke off|what came has the md5"):
                fetch(f"http://127.0.0.1:{port}/a", tmp_path / "a", "0" * 32)
            assert list(tmp_path.iterdir()) == []


# Memory --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a megabyte."""
    monkeypatch.setattr(_memory, "ASKED", 0)
    monkeypatch.setattr(_memory, "free", lambda: 1_000_000)


def test_a_network_that_does_not_fit_into_memory_is_refused_before_it_is_drawn():
    make = lambda **more: rv.feedforward([10**7, 10**7], neuron=rv.LIF(), key=jax.random.key(0), **more)
    with pytest.raises(ValueError, match=r"feedforward: input->output: needs at least .* GB of memory, for its weights; "
                                         r".* GB are free\. Pass a sparse `pattern`"):  # fmt: skip
        make()
    with pytest.raises(ValueError, match=r"density: needs at least .* Use ranvier\.patterns\.in_degree"):
        make(pattern=rv.patterns.density(1e-7))


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("simulator", "message"),
    [
        (rv.EventDriven(max_spikes=10_000), r"for places for spikes; .* a smaller batch or a smaller `max_spikes`"),
        (rv.ClockDriven(0.1, max_spikes=10_000), r"for places for spikes"),
        (rv.Surrogate(1e-4), r"for .*spikes on a grid of steps.* a longer step `dt`"),
    ],
)
def test_a_simulation_that_does_not_fit_into_memory_is_refused_before_it_starts(simulator: Any, message: str):
    net = rv.feedforward([2, 3], neuron=rv.LIF(), key=jax.random.key(0))
    spikes = rv.Spikes(np.ones((4, 1)), np.zeros((4, 1), int))
    with pytest.raises(ValueError, match=rf"{type(simulator).__name__}: needs at least .* {message}"):
        rv.simulate(net, spikes, simulator, t_end=20.0)
    with pytest.raises(ValueError, match="needs at least"):
        jax.jit(lambda net: rv.simulate(net, spikes, simulator, t_end=20.0))(net)


@pytest.mark.usefixtures("small")
def test_records_and_matrices_of_sparse_connections_count():
    link = rv.Connection("i", "o", jnp.ones(1), pattern=rv.Pairs([0], [0]))
    net = rv.Network({"i": rv.Population(1000), "o": rv.Population(1000, rv.LIF())}, [link])
    spikes = rv.Spikes(np.ones(1), np.zeros(1, int))
    rv.simulate(net, spikes, rv.EventDriven(max_spikes=1), t_end=5.0)
    with pytest.raises(ValueError, match=r"for .*recorded potentials.*fewer record times"):
        rv.simulate(net, spikes, rv.EventDriven(max_spikes=1), t_end=5.0, record={"o": np.linspace(0.0, 5.0, 200)})
    with pytest.raises(ValueError, match=r"matrices of sparse connections.*EventDriven\(\), which keeps"):
        rv.simulate(net, spikes, rv.ClockDriven(0.1, max_spikes=1), t_end=5.0)


FAULTS = """
import resource, sys
import numpy as np
from ranvier._allocator import keep_freed
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def use():
    for _ in range(4):
        room = np.empty(100_000_000, np.uint8)  # more than is kept at the end of the heap in any case
        room[::4096] = 1
        del room
if sys.argv[1] == "keep" and not keep_freed():
    sys.exit("another C library")
use()
start = faults()
use()
print(faults() - start)
"""


def test_memory_that_is_freed_is_kept_where_the_user_has_not_said_otherwise():
    def faults(how: str, **more: str) -> int:
        known = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
        done = subprocess.run([sys.executable, "-c", FAULTS, how], env=known | more, capture_output=True, text=True)
        if how == "keep" and not more and "another C library" in done.stderr:
            pytest.skip("only glibc has settings of the kind")
        return int(done.stdout or -1)

    assert faults("keep") < 50  # pages: four times 100 MB are 100,000 of 4 KiB, or 190 huge ones
    assert faults("never") > 150
    assert faults("keep", MALLOC_TRIM_THRESHOLD_="131072") == -1


def test_free_memory_is_known_here():
    if not Path("/proc/meminfo").exists():
        pytest.skip("no Linux")
    found = _memory.free()
    assert found is not None
    assert 1e7 < found < 1e14
