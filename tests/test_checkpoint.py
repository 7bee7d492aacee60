"""Runs on disk: nothing torn, nothing doubled, the same end whatever happened on the way."""

import dataclasses
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
import trained
from conftest import COMPILE_FAST
from ranvier import losses
from ranvier.losses import relative_time_mse
from ranvier.regularizers import CountTarget
from ranvier.train import (
    BrokenFileError,
    Fitted,
    Recipe,
    RunError,
    RunFolder,
    TrainingInterrupted,
    adam,
    by_path,
    cosine,
    loop,
    read_arrays,
    read_facts,
    save_arrays,
)
from trained import EPOCHS, RECIPE, dataset, network, run

TIMES = ("samples_per_second", "seconds")
"""What differs between two runs of the same thing."""


def changed(**changes: Any) -> Recipe:
    return dataclasses.replace(RECIPE, **changes)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Epochs of a run, every line of its file whole."""
    text = (folder / "metrics.jsonl").read_text()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def timeless(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name not in TIMES} for line in metrics]


def equal(one: Any, other: Any) -> bool:
    leaves = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in leaves)


def same(one: Fitted, other: Fitted) -> bool:
    """Whether two runs ended with the same numbers, to the last bit."""
    return (
        equal((one.network, one.last), (other.network, other.last))
        and one.best_epoch == other.best_epoch
        and timeless(one.epochs) == timeless(other.epochs)
    )


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint after every epoch."""
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)


# Arrays on disk ------------------------------------------------------------------------------------------------------

TREE = {"a": jnp.arange(6.0).reshape(2, 3), "b": [jnp.array(7, jnp.int32), jnp.zeros((0, 2))]}


def test_arrays_come_back_as_they_were(tmp_path: Path):
    save_arrays(tmp_path / "x.npz", TREE, epoch=3, note="ü")
    tree, facts = read_arrays(tmp_path / "x.npz", jax.tree.map(jnp.zeros_like, TREE))
    assert equal(tree, TREE)
    assert [leaf.dtype for leaf in jax.tree.leaves(tree)] == [leaf.dtype for leaf in jax.tree.leaves(TREE)]
    assert facts == read_facts(tmp_path / "x.npz") == {"epoch": 3, "note": "ü"}
    assert read_facts(str(tmp_path / "x.npz")) == facts
    save_arrays(str(tmp_path / "x.npz"), TREE, epoch=3)
    assert equal(read_arrays(str(tmp_path / "x.npz"), TREE)[0], TREE)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_numpy_opens_the_file_without_pickle(tmp_path: Path):
    save_arrays(tmp_path / "x.npz", TREE)
    with np.load(tmp_path / "x.npz", allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        assert header["arrays"][0] == {"name": "['a']", "shape": [2, 3], "dtype": "float64"}
        assert np.array_equal(archive["0"], TREE["a"])


def test_a_file_cut_anywhere_or_with_a_byte_changed_is_refused(tmp_path: Path):
    path = tmp_path / "x.npz"
    save_arrays(path, TREE, epoch=3)
    whole = path.read_bytes()
    picks = random.Random(0)
    for cut in {0, 1, len(whole) - 1, *picks.sample(range(len(whole)), 40)}:
        path.write_bytes(whole[:cut])
        with pytest.raises(BrokenFileError, match=r"x\.npz is broken"):
            read_arrays(path, TREE)
    place = whole.index(np.asarray(TREE["a"]).tobytes())
    for at in range(place, place + 48):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(BrokenFileError, match=r"x\.npz is broken"):
            read_arrays(path, TREE)


def test_numbers_that_are_not_those_of_the_header_are_refused(tmp_path: Path):
    save_arrays(tmp_path / "x.npz", TREE)
    with np.load(tmp_path / "x.npz") as archive:
        members = dict(archive)
    np.savez(tmp_path / "x.npz", **members)
    read_arrays(tmp_path / "x.npz", TREE)
    np.savez(tmp_path / "x.npz", **members | {"0": members["0"] + 1})
    with pytest.raises(BrokenFileError, match="do not match its digest"):
        read_arrays(tmp_path / "x.npz", TREE)


def test_files_that_are_something_else_are_refused(tmp_path: Path):
    np.savez(tmp_path / "other.npz", numbers=np.zeros(3))
    (tmp_path / "text.npz").write_text("hello")
    for name in ("other.npz", "text.npz"):
        with pytest.raises(BrokenFileError, match=f"{name} is broken or was not written by ranvier"):
            read_facts(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_facts(tmp_path / "missing.npz")


@pytest.mark.parametrize(
    ("like", "message"),
    [
        (
            {"a": jnp.zeros((2, 2)), "b": TREE["b"]},
            r"\['a'\] \[2, 3\] float64 instead of \['a'\] \[2, 2\] float64",
        ),
        ({"a": TREE["a"].astype("float32"), "b": TREE["b"]}, "float64 instead of .* float32"),
        ({"a": TREE["a"]}, r"\['b'\]\[0\] \[\] int32 instead of nothing"),
        ({**TREE, "c": jnp.zeros(1)}, r"nothing instead of \['c'\]"),
    ],
)
def test_arrays_of_another_structure_are_refused(tmp_path: Path, like: Any, message: str):
    save_arrays(tmp_path / "x.npz", TREE)
    with pytest.raises(BrokenFileError, match=message):
        read_arrays(tmp_path / "x.npz", like)


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "x.npz"
    save_arrays(path, TREE, epoch=1)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_arrays(path, TREE, epoch=2)
    assert read_facts(path) == {"epoch": 1}
    assert [found.name for found in tmp_path.iterdir()] == ["x.npz"]


# A run folder --------------------------------------------------------------------------------------------------------


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path):
    folder = RunFolder(tmp_path / "run")
    with folder.locked():
        in_use = rf"run is in use by process {os.getpid()}; wait for it, or choose another folder"
        with pytest.raises(RunError, match=in_use), RunFolder(tmp_path / "run").locked():
            pass
        with pytest.raises(RunError, match=in_use):
            run(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_lock_that_a_dead_process_left_is_no_obstacle(tmp_path: Path):
    hold = "import sys; from ranvier.train import RunFolder; c = RunFolder(sys.argv[1]).locked(); c.__enter__()"
    script = f"{hold}; print('locked', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(RunError, match=f"in use by process {process.pid}"), RunFolder(tmp_path).locked():
            pass
        process.kill()
    assert (tmp_path / ".lock").read_text() == f"{process.pid}\n"
    with RunFolder(tmp_path).locked():
        assert (tmp_path / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be used as a run folder"):
        run(tmp_path / "file")


def test_a_finished_run_is_not_overwritten_and_resuming_it_changes_nothing(tmp_path: Path):
    done = run(tmp_path / "run")
    with pytest.raises(RunError, match=r"run already holds a run; go on with it by --resume"):
        run(tmp_path / "run")
    files = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    wanted = ["checkpoint.npz", "config.json", "initial.npz", "metrics.jsonl", "network.npz", "samples.npz"]
    assert sorted(files) == wanted
    again = run(tmp_path / "run", resume=True)
    assert same(again, done)
    assert again.epochs == done.epochs
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == files
    assert equal(rv.load(RunFolder(tmp_path / "run").network), done.network)
    assert equal(rv.load(RunFolder(tmp_path / "run").initial), network())


def test_resuming_nothing_starts(tmp_path: Path):
    assert same(run(tmp_path / "run", resume=True), run(None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"recipe": changed(loss=partial(relative_time_mse, margin=0.4))}, r"loss\.margin was 0\.3, now 0\.4\. Resume"),
        (
            {"recipe": changed(loss=lambda value, label: losses.relative_time_mse(value, label, margin=0.3))},
            "loss was ",
        ),
        (
            {"recipe": changed(optimiser=by_path({"weight": adam(0.02), "delay": adam(0.01)}))},
            r"other settings: optimiser\.weight\.learning_rate was 0\.01, now 0\.02\. Resume",
        ),
        (
            {"recipe": changed(optimiser=by_path({"weight": adam(0.01, b1=0.8), "delay": adam(0.01)}))},
            r"optimiser\.weight\.b1 was 0\.9, now 0\.8",
        ),
        ({"recipe": changed(learn=("weight", "delay"))}, r"learn was '\[\]', now \\?\"\['weight', 'delay'\]"),
        (
            {"recipe": changed(readout=rv.readouts.SpikeCount("output"))},
            "readout was 'ranvier.readouts.FirstSpike', now",
        ),
        ({"recipe": changed(regularizers=(CountTarget("hidden", 2.0, 0.1),))}, "regularizers was '.*now '1 parts'"),
        ({"network": network(high=2.0)}, r"network\.connections\.0\.delay\.high was 1\.0, now 2\.0"),
        ({"network": network(weight=2.0)}, r"network\.connections\.0\.weight was .*, now "),
        (
            {"recipe": dataclasses.replace(RECIPE, batch=8, t_end=9.0)},
            r"t_end was 12\.0, now 9\.0, batch was 16, now 8",
        ),
        (
            {"recipe": dataclasses.replace(RECIPE, simulator=rv.EventDriven(max_spikes=2))},
            r"simulator\.max_spikes was 1, now 2\.",
        ),
        ({"train": dataset(30, 5)}, "training data was "),
        ({"validation": dataset(16, 5)}, "validation data was "),
        ({"key": jax.random.key(2)}, r"key was \[0, 1\], now \[0, 2\]"),
        ({"options": {"rate": 0.2, "extra": True}}, r"rate was 0\.1, now 0\.2, extra was None, now True"),
    ],
)
def test_resuming_with_other_options_names_them(tmp_path: Path, changes: dict[str, Any], message: str):
    run(tmp_path, options={"rate": 0.1})
    with pytest.raises(RunError, match=message) as caught:
        run(tmp_path, resume=True, **({"options": {"rate": 0.1}} | changes))
    assert "\n" not in str(caught.value)


def test_the_number_of_threads_is_no_such_option(tmp_path: Path):
    done = run(tmp_path, recipe=dataclasses.replace(RECIPE, simulator=rv.EventDriven(max_spikes=1, threads=1)))
    assert same(run(tmp_path, resume=True), done)


def test_a_broken_checkpoint_or_config_is_refused(tmp_path: Path):
    run(tmp_path)
    whole = (tmp_path / "checkpoint.npz").read_bytes()
    (tmp_path / "checkpoint.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BrokenFileError, match=r"checkpoint\.npz is broken .* delete it or use another folder"):
        run(tmp_path, resume=True)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json is broken"):
        run(tmp_path, resume=True)
    (tmp_path / "config.json").write_text('{"mine": 1}')
    with pytest.raises(RunError, match=r"config\.json was not written by ranvier"):
        run(tmp_path, resume=True)
    (tmp_path / "config.json").unlink()
    with pytest.raises(RunError, match=r"has metrics\.jsonl but no config\.json"):
        run(tmp_path, resume=True)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("tail", [b"", b'{"epoch": 3, "lo', b'{"epoch": 3}\n{"epoch": 4}\n', b"\0\0\0\0"])
def test_lines_newer_than_the_checkpoint_are_dropped(tmp_path: Path, tail: bytes):
    """A run that stops after two epochs, and whose file says more, or half of more."""

    class Stop(Exception):
        pass

    def stop(metrics: dict[str, Any], network: rv.Network) -> None:
        if metrics["epoch"] == 2:
            raise Stop

    with pytest.raises(Stop):
        run(tmp_path, on_epoch_end=stop)
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(tail)
    (tmp_path / ".checkpoint.npz.123.partial").write_bytes(b"half a file")
    resumed = run(tmp_path, resume=True)
    assert same(resumed, run(None))
    assert lines(tmp_path) == resumed.epochs
    assert [line["epoch"] for line in resumed.epochs] == [1, 2, 3, 4]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("often")
def test_lines_older_than_the_checkpoint_are_missed(tmp_path: Path):
    run(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match=r"metrics\.jsonl does not hold the 4 epochs of the checkpoint"):
        run(tmp_path, resume=True)


def test_config_says_what_was_asked_for(tmp_path: Path):
    run(tmp_path, options={"rate": 0.1}, facts={"host": "here"})
    config = RunFolder(tmp_path).config()
    assert config["options"] == {"rate": 0.1}
    assert config["host"] == "here"
    assert config["implied"]["batch"] == 16


# Killed --------------------------------------------------------------------------------------------------------------


class Training:
    """A process that trains in a folder."""

    def __init__(self, server: subprocess.Popen[str], folder: Path):
        self.server, self.folder = server, folder
        server.stdin.write(f"{folder}\n")
        server.stdin.flush()
        self.process = int(server.stdout.readline())

    def runs(self) -> bool:
        return Path(f"/proc/{self.process}").exists()

    def wait_for_lines(self, count: int) -> None:
        """Until `metrics.jsonl` has so many lines, whole or not; or the process has ended."""
        path = self.folder / "metrics.jsonl"
        while self.runs() and (not path.exists() or path.read_bytes().count(b"\n") < count):
            time.sleep(0.001)

    def send(self, number: int) -> None:
        os.kill(self.process, number)

    def end(self) -> tuple[int, str]:
        """Its exit status, and what it wrote to stderr."""
        return int(self.server.stdout.readline()), Path(f"{self.folder}.err").read_text("utf-8")


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[Path], Training]]:
    """Starts a training, compiled as this process compiles, so that the two agree to the last bit."""
    command, pipe = [sys.executable, trained.__file__], subprocess.PIPE
    environment = os.environ | {"XLA_FLAGS": COMPILE_FAST}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as server:
        yield partial(Training, server)


@pytest.mark.slow
def test_killed_at_random_moments_and_resumed_a_run_ends_with_the_same_numbers(
    start: Callable[[Path], Training], tmp_path: Path
):
    """SIGKILL, five times; then the run is finished, and compared with one that nothing disturbed."""
    chance, folder, done = random.Random(), tmp_path / "run", 0
    for _ in range(5):
        training = start(folder)
        training.wait_for_lines(done + chance.randint(1, EPOCHS // 6))
        time.sleep(chance.uniform(0, 0.01))
        training.send(signal.SIGKILL)
        assert training.end()[0] == -signal.SIGKILL
        done = len(RunFolder(folder).epochs())
    assert 5 <= done < EPOCHS
    status, complaint = start(folder).end()
    assert status == 0, complaint
    undisturbed = run(None, recipe=dataclasses.replace(RECIPE, epochs=EPOCHS))
    assert timeless(lines(folder)) == timeless(undisturbed.epochs)
    assert equal(rv.load(folder / "network.npz"), undisturbed.network)
    resumed = run(folder, resume=True, recipe=dataclasses.replace(RECIPE, epochs=EPOCHS))
    assert same(resumed, undisturbed)


@pytest.mark.slow
def test_interrupted_a_run_stops_after_its_epoch_and_can_go_on(start: Callable[[Path], Training], tmp_path: Path):
    training = start(tmp_path / "run")
    training.wait_for_lines(3)
    training.send(signal.SIGINT)
    _, complaint = training.end()
    assert re.search(r"TrainingInterrupted: stopped after epoch \d+ of \d+; to go on, call fit", complaint)
    assert "callback" not in complaint
    done = lines(tmp_path / "run")
    assert 3 <= len(done) < EPOCHS
    assert read_facts(tmp_path / "run" / "checkpoint.npz")["epoch"] == len(done)


def test_more_epochs_go_on_where_fewer_ended(tmp_path: Path):
    short = run(tmp_path / "run", recipe=changed(epochs=2))
    assert len(short.epochs) == 2
    assert same(run(tmp_path / "run", resume=True), run(None))
    assert len(lines(tmp_path / "run")) == 4
    assert len(run(tmp_path / "run", resume=True, recipe=changed(epochs=3)).epochs) == 4  # what is done is done


def test_a_schedule_over_other_epochs_is_another_one(tmp_path: Path):
    """More epochs would have had other learning rates from the start."""
    course = lambda epochs: changed(epochs=epochs, optimiser=adam(cosine(0.01, epochs, steps_per_epoch=2)))
    run(tmp_path, recipe=course(2))
    with pytest.raises(RunError, match=r"optimiser\.learning_rate\.decay_steps was 4\.0, now 8\.0"):
        run(tmp_path, resume=True, recipe=course(4))


MARGIN = 0.3


def test_what_a_loss_of_ones_own_refers_to_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A number outside the function, which it only mentions."""
    mine = lambda value, label: losses.relative_time_mse(value, label, margin=MARGIN)
    run(tmp_path, recipe=changed(loss=mine))
    run(tmp_path, resume=True, recipe=changed(loss=mine))
    monkeypatch.setitem(globals(), "MARGIN", 0.4)
    with pytest.raises(RunError, match=r"loss\.MARGIN was 0\.3, now 0\.4"):
        run(tmp_path, resume=True, recipe=changed(loss=mine))


def test_what_is_compared_is_the_same_in_another_process(tmp_path: Path):
    """No address, no order of a set: else nothing could be resumed."""
    script = "import json, trained; print(json.dumps(trained.RECIPE.describe()))"
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    environment = os.environ | {"PYTHONHASHSEED": seed, "JAX_ENABLE_X64": "1"}
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads(json.dumps(RECIPE.describe()))
    assert found["loss.margin"] == 0.3


def test_ctrl_c_says_how_to_go_on_and_is_a_keyboard_interrupt(tmp_path: Path):
    def interrupt(metrics: dict[str, Any], network: rv.Network) -> None:
        if metrics["epoch"] == 2:
            signal.raise_signal(signal.SIGINT)

    way = rf"stopped after epoch 2 of 4; to go on, call fit again with the same .* out='{tmp_path}/run', resume=True\."
    with pytest.raises(KeyboardInterrupt, match=way):
        run(tmp_path / "run", on_epoch_end=interrupt)
    assert same(run(tmp_path / "run", resume=True), run(None))
    with pytest.raises(TrainingInterrupted, match="after epoch 2 of 4; nothing was written: pass `out`") as caught:
        run(None, on_epoch_end=interrupt)
    assert caught.value.fitted is not None
    assert len(caught.value.fitted.epochs) == 2
    shorter = run(None, recipe=changed(epochs=2))
    assert same(caught.value.fitted, shorter)


def test_a_second_ctrl_c_stops_at_once_and_says_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the middle of an epoch, whose program has the memory of the network already."""

    def interrupted_epoch(*_: Any) -> Any:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    run(tmp_path, recipe=changed(epochs=2))
    monkeypatch.setattr(loop, "train_through", interrupted_epoch)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    try:
        with pytest.raises(TrainingInterrupted, match="stopped after epoch 2 of 4; to go on"):
            run(tmp_path, resume=True)
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("moment", [1, 2])
def test_interrupted_after_its_line_is_written_an_epoch_is_kept(tmp_path: Path, moment: int):
    """Between line and checkpoint, whether or not the checkpoint was due."""

    def interrupt(metrics: dict[str, Any], network: rv.Network) -> None:
        if metrics["epoch"] == moment:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, on_epoch_end=interrupt)
    assert len(lines(tmp_path)) == read_facts(tmp_path / "checkpoint.npz")["epoch"] == moment
    assert same(run(tmp_path, resume=True), run(None))
