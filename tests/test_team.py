"""Training over several devices and processes: the numbers of one device, and an end with words if a process is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import jax
import numpy as np
import pytest

import ranvier as rv
from conftest import COMPILE_FAST
from ranvier.lab.cli import together
from ranvier.lab.cli.together import Spread, run_processes
from ranvier.train import Devices, watchdog
from ranvier.train.shards import Shards
from ranvier.train.watchdog import PeerError, Watchdog
from spike_sets import CHANNELS, write_words

HERE = Path(__file__).parent


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., tuple[Watchdog, Watchdog]]]:
    """Two watchdogs that are connected."""
    monkeypatch.setattr(watchdog, "EVERY", 0.02)
    monkeypatch.setattr(watchdog, "PAUSE", 0.0)
    made: list[Watchdog] = []

    def make(silence: float = 30.0, patience: float = 30.0) -> tuple[Watchdog, Watchdog]:
        first = Watchdog.open(silence=silence, patience=patience)
        second = Watchdog.join(1, ["127.0.0.1", socket.gethostname()], first.port, first.token,
                               silence=silence, patience=patience)  # fmt: skip
        made.extend([first, second])
        assert waited(lambda: 1 in first.peers)
        return first, second

    yield make
    for one in made:
        one.leave()


def waited(condition: Callable[[], object]) -> bool:
    """Whether it comes true within two seconds."""
    until = time.monotonic() + 2.0
    while time.monotonic() < until and not condition():
        time.sleep(0.005)
    return bool(condition())


@pytest.mark.parametrize("lost", [0, 1])
def test_who_goes_without_a_word_is_missed(pair: Callable[..., tuple[Watchdog, Watchdog]], lost: int):
    dogs = pair()
    for peer in list(dogs[lost].peers.values()):
        peer.link.shutdown(socket.SHUT_RDWR)  # as the system does for a process that is killed
    assert waited(dogs[1 - lost].notice)
    assert f"process {lost}" in dogs[1 - lost].trouble
    assert "has gone without a word: it was killed" in dogs[1 - lost].trouble


def test_who_says_goodbye_is_not(pair: Callable[..., tuple[Watchdog, Watchdog]]):
    first, second = pair()
    second.leave()
    assert waited(lambda: first.peers[1].done)
    assert not waited_a_little(lambda: first.trouble)
    first, second = pair()
    first.leave()
    assert waited(lambda: second.peers[0].done)
    assert not waited_a_little(lambda: second.trouble)


def waited_a_little(condition: Callable[[], object]) -> bool:
    time.sleep(0.1)
    return bool(condition())


def test_a_failure_is_told_to_all_in_its_own_words(pair: Callable[..., tuple[Watchdog, Watchdog]]):
    first, second = pair()
    third = Watchdog.join(2, ["127.0.0.1", socket.gethostname()], first.port, first.token, silence=30.0, patience=30.0)
    assert waited(lambda: 2 in first.peers)
    second.leave("OSError: no space left")
    assert waited(lambda: first.trouble and third.trouble)
    assert first.trouble == third.trouble == f"process 1 on {socket.gethostname()} failed: OSError: no space left"
    third.leave()


def test_silence_is_noticed(pair: Callable[..., tuple[Watchdog, Watchdog]]):
    first, second = pair(silence=0.3)
    assert not waited_a_little(lambda: first.trouble)
    second.left.set()  # its thread says nothing more, and the connection stays
    assert waited(lambda: first.trouble)
    assert f"nothing was heard of process 1 on {socket.gethostname()} for 0.3 s" in first.trouble


@pytest.mark.parametrize("late", [0, 1])
def test_who_holds_up_the_others_is_named(pair: Callable[..., tuple[Watchdog, Watchdog]], late: int):
    dogs = pair(patience=0.3)
    for _ in range(3):
        for dog in dogs:
            dog.arrive()
        time.sleep(0.15)
    assert first_trouble(dogs) is None
    dogs[1 - late].arrive()
    assert waited(lambda: all(dog.trouble for dog in dogs))
    assert f"process {late}" in dogs[0].trouble
    assert "hangs: the others have waited for it for 0.3 s" in dogs[0].trouble


def first_trouble(dogs: tuple[Watchdog, Watchdog]) -> str | None:
    return dogs[0].trouble


def test_strangers_are_not_let_in(pair: Callable[..., tuple[Watchdog, Watchdog]]):
    first, _ = pair()
    for said in (b"GET / HTTP/1.1\r\n\r\n", b'{"hello": 1, "host": "x", "token": "wrong"}\n', b"\n"):
        with socket.create_connection(("127.0.0.1", first.port), 2.0) as stranger:
            stranger.sendall(said)
            assert stranger.recv(10) == b""
    assert list(first.peers) == [1]
    assert first.trouble is None


def test_who_is_not_there_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(PeerError, match="process 0 does not answer at port"):
        Watchdog.join(1, ["127.0.0.1", socket.gethostname()], port, "", silence=1.0, patience=1.0)


def test_one_that_cannot_ask_is_ended_with_the_same_words():
    """Its main thread hangs, as in native code."""
    program = """
import time
from ranvier.train import watchdog
watchdog.EVERY = watchdog.GRACE = 0.05
dog = watchdog.Watchdog.open(silence=1.0, patience=1.0, advice=lambda: "Go on with --resume.")
dog._alarm("process 1 was killed")
time.sleep(60)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == "ranvier: process 1 was killed. Go on with --resume.\n"


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="expected 3 devices in process 0; it has 1; a CPU is one device, unless"):
        Devices(count=3).mesh()


def test_parts_make_a_whole():
    """`vmap` stands for the devices."""
    over = lambda function, *given: jax.tree.map(np.asarray, jax.vmap(function, axis_name="batch", axis_size=4)(*given))
    parts = np.arange(24.0).reshape(4, 3, 2)
    shards = Shards(4)
    whole = over(lambda part: shards.whole({"a": part, "b": part[:, 0].astype(int)}), parts)
    assert (whole["a"] == parts.reshape(12, 2)).all()
    assert whole["b"].shape == (4, 12)
    assert (over(lambda _: shards.own(jax.numpy.asarray(parts.reshape(12, 2))), parts) == parts).all()
    assert (over(lambda part: shards.total(part), parts) == parts.sum(axis=0)).all()
    assert (over(lambda part: shards.most(part.max()), parts) == 23.0).all()


def processes(folder: Path, *also: str) -> list[tuple[int, str]]:
    """Two processes that train together: their exit status, and what they write to stderr."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    kept = {"JAX_COMPILATION_CACHE_DIR": str(folder / "programs"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
    started = [
        subprocess.Popen(
            [sys.executable, str(HERE / "teamwork.py"), number, port, str(folder), *also],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            env=os.environ | kept | {"XLA_FLAGS": COMPILE_FAST},
        )
        for number in "01"
    ]
    said = [process.communicate(timeout=300)[1] for process in started]
    return [(process.returncode, words) for process, words in zip(started, said, strict=True)]


@pytest.mark.slow
def test_two_processes_of_two_devices_train_as_one_does_also_when_one_was_killed(tmp_path: Path):
    """Process 1 is killed in epoch 2; process 0 says so and ends; together they go on, and end where one device ends."""
    write_words(tmp_path / "words.h5")
    delay = [rv.synaptic(0.5, 10.0), rv.synaptic(1.0, 10.0), rv.fixed(0.0)]
    weight = [rv.initializers.normal(mean, std) for mean, std in ((1.0, 0.3), (0.0, 0.1), (0.0, 0.3))]
    network = rv.recurrent(
        [CHANNELS, 6, 3], neuron=rv.LIF(20.0, 5.0), readout=rv.LI(20.0, 5.0), delay=delay, weight=weight,
        key=jax.random.key(0),
    )  # fmt: skip
    rv.save(tmp_path / "network.npz", network)

    (first, words), (second, _) = processes(tmp_path, "2")
    assert (first, second) == (1, -signal.SIGKILL)
    (told,) = [line for line in words.splitlines() if line.startswith("told: ")]
    assert f"process 1 on {socket.gethostname()} has gone without a word: it was killed" in told
    assert "Training stopped after epoch 1 of 3; to go on, call fit again" in told
    assert "resume=True, in all processes (commands: --resume)." in told

    done = processes(tmp_path)
    assert [status for status, _ in done] == [0, 0], done
    told = [json.loads((tmp_path / f"told-{number}.json").read_text("utf-8")) for number in (0, 1)]
    assert told[0]["devices"] == 4
    assert told[0]["apart"] < 1e-12  # of weights and delays
    numbers = ("loss", "accuracy", "validation_loss", "regularization", "spikes_per_neuron", "silent", "bumped")
    for other in (told[0]["alone"], told[1]["together"]):
        for ours, theirs in zip(told[0]["together"], other, strict=True):
            assert len(ours) == len(theirs)
            for line, against in zip(ours, theirs, strict=True):
                for name in set(numbers) & set(line):
                    assert line[name] == pytest.approx(against[name], rel=1e-12, abs=1e-15), name


def test_devices_and_processes_of_the_command_line():
    wrong = {
        "must be a number or auto; got '0'": {"processes": "0"},
        "go together": {"processes": "2", "process": 1},
        "number of --processes go together": {"processes": "auto", "process": 1, "coordinator": "here:1"},
        "--process must be below --processes, 2; got 2": {"processes": "2", "process": 2, "coordinator": "here:1"},
    }
    for words, given in wrong.items():
        with pytest.raises(click.UsageError, match=words):
            Spread(**given)
    assert Spread().alone
    assert Spread().join() is None
    assert Spread(processes="2").to_start == 2
    assert Spread(processes="2", process=0, coordinator="here:1").to_start == 0


def test_of_processes_that_are_started_one_that_is_killed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The others are ended, if they do not end by themselves."""
    made = rv.lab.experiment("temporal-order")
    ends = ["import time; time.sleep(60)", "import os; os.kill(os.getpid(), 9)"]
    start = together._start
    monkeypatch.setattr(together, "GRACE", 0.2)
    monkeypatch.setattr(
        together, "_start", lambda command, number, file: start([sys.executable, "-c", ends[number]], number, file)
    )
    with pytest.raises(RuntimeError, match=r"process 1 was killed by SIGKILL\. The same command with --resume goes on"):
        run_processes(made, Spread(processes="2"), tmp_path, None, resume=False, quiet=True)
    ends[:] = ["import sys; sys.exit('ranvier: the disk is full.')", "pass"]
    with pytest.raises(RuntimeError, match=r"^the disk is full\. The same command"):
        run_processes(made, Spread(processes="2"), tmp_path, None, resume=False, quiet=True)
    assert threading.active_count() < 20
