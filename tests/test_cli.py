"""The command line, and the experiments behind it."""

import dataclasses
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ranvier.experiments import (
    YinYang,
    load_run,
    run,
    yin_yang,
)

from conftest import COMPILE_FAST
from ranvier.lab.cli import execute
from ranvier.lab.cli import train as train_command
from ranvier.lab.cli.output import quartiles
from ranvier.lab.cli.seeds import PARENT, parse_seeds
from ranvier.network import partition
from ranvier.train import RunError, RunFolder

SMALL = ["--hidden", "4", "--epochs", "2", "--batch", "500"]


class Said:
    """Exit status and output of a command."""

    def __init__(self, status: int, capture: pytest.CaptureFixture[str]):
        self.status = status
        self.out, self.err = capture.readouterr()


@pytest.fixture
def ranvier(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process."""
    return lambda *arguments: Said(execute([str(argument) for argument in arguments]), capsys)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run, finished."""
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert execute(["train", "yin-yang", *SMALL, "--quiet", "--out", str(folder)]) == 0
    return folder


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "ranvier.lab.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=os.environ | environment, check=False
    )


# Training and its folder ---------------------------------------------------------------------------------------------


def test_a_run_leaves_everything_a_person_wants(finished: Path):
    files = {path.name for path in finished.iterdir()}
    assert files == {
        "config.json",
        "metrics.jsonl",
        "metrics.json",
        "checkpoint.npz",
        "initial.npz",
        "network.npz",
        "samples.npz",
        "report.png",
    }
    assert (finished / "report.png").read_bytes().startswith(b"\x89PNG")
    config = json.loads((finished / "config.json").read_text())
    assert config["options"]["hidden"] == 4
    assert config["options"]["seed"] == 0
    assert {"python", "jax", "numba", "ranvier"} <= set(config["versions"])
    lines = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    wanted = {
        "loss",
        "accuracy",
        "validation_loss",
        "validation_accuracy",
        "spikes_per_neuron",
        "silent",
        "bumped",
    }
    assert wanted | {"guarded", "samples_per_second", "learning_rate"} <= set(lines[0])
    left = 0.001 + 0.999 * 0.5 * (1.0 + math.cos(math.pi * 9 / 20))  # after 9 of 20 steps of the cosine
    rates = {"weight": yin_yang().weight_lr * left, "delay": yin_yang().delay_lr * left}
    assert lines[0]["learning_rate"] == pytest.approx(rates)
    result = json.loads((finished / "metrics.json").read_text())
    assert 0.0 < result["test_accuracy"] < 1.0
    best = lines[result["best_epoch"] - 1]
    assert result["validation_accuracy"] == best["validation_accuracy"] == max(x["validation_accuracy"] for x in lines)
    assert (result["parameters"], result["weights"], result["delays"]) == (56, 28, 28)
    assert result["samples_per_second"] == lines[1]["samples_per_second"] > 0
    assert result["seconds"] > 0
    assert result["seed"] == 0
    assert result["versions"] == config["versions"]


def test_a_run_says_how_well_it_did_and_where_the_report_is(finished: Path, ranvier: Any):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    said = ranvier("train", "yin-yang", *SMALL, "--out", finished, "--resume")
    accuracy = json.loads((finished / "metrics.json").read_text())["test_accuracy"]
    assert said.status == 0
    assert said.out.splitlines()[0] == f"test accuracy {100 * accuracy:.1f} %"
    assert said.out.splitlines()[-1] == f"report: {finished / 'report.png'}"
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path, ranvier: Any):
    said = ranvier("train", "yin-yang", *SMALL, "--out", finished)
    assert said.status == 1
    assert said.err == f"ranvier: {finished} already holds a run; go on with it by --resume (resume=True), or choose " \
                       "another folder.\n"  # fmt: skip


def test_resuming_with_other_options_names_them(finished: Path, ranvier: Any):
    said = ranvier("train", "yin-yang", *SMALL, "--out", finished, "--resume", "--hidden", 5, "--delay", "axonal")
    assert said.status == 1
    assert "delay was 'synaptic', now 'axonal', hidden was 4, now 5" in said.err
    assert said.err.count("\n") == 1


def test_a_folder_in_use_is_left_alone(finished: Path, tmp_path: Path, ranvier: Any):
    with RunFolder(tmp_path).locked():
        said = ranvier("train", "yin-yang", *SMALL, "--out", tmp_path)
    assert said.status == 1
    assert f"{tmp_path} is in use by process {os.getpid()}" in said.err


def test_a_broken_checkpoint_is_one_sentence(finished: Path, tmp_path: Path, ranvier: Any):
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    (tmp_path / "checkpoint.npz").write_bytes((finished / "checkpoint.npz").read_bytes()[:-100])
    said = ranvier("train", "yin-yang", *SMALL, "--out", tmp_path, "--resume", "--quiet")
    assert said.status == 1
    assert said.err.startswith(f"ranvier: {tmp_path / 'checkpoint.npz'} is broken")
    assert said.err.count("\n") == 1


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, ranvier: Any, monkeypatch: pytest.MonkeyPatch):
    def interrupted(job: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command.Job, "run", interrupted)
    said = ranvier("train", "yin-yang", "--out", tmp_path)
    assert said.status == 130
    assert (
        said.err == f"ranvier: interrupted; the same command with --resume goes on from the last epoch in {tmp_path}.\n"
    )


# Other commands ------------------------------------------------------------------------------------------------------


def test_report_prints_the_result_and_draws_again(finished: Path, ranvier: Any):
    (finished / "report.png").unlink()
    said = ranvier("report", finished)
    assert said.status == 0
    assert said.out.startswith("test accuracy ")
    assert (finished / "report.png").exists()


def test_report_says_what_is_wrong_with_a_folder(finished: Path, tmp_path: Path, ranvier: Any):
    said = ranvier("report", tmp_path)
    assert (said.status, said.err) == (
        1,
        f"ranvier: {tmp_path} is not a run folder: it has no config.json.\n",
    )
    for name in ("config.json", "metrics.jsonl"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    said = ranvier("report", tmp_path)
    assert said.status == 1
    assert "is not finished, 2 epochs are done; train it with --resume first." in said.err


def test_check_gradients_of_a_run(finished: Path, ranvier: Any):
    said = ranvier("check-gradients", finished, "--samples", 1)
    assert said.status == 0, said.out
    assert "weight" in said.out
    assert "delay" in said.out


def test_check_gradients_of_nothing(ranvier: Any):
    said = ranvier("check-gradients", "no-such-thing")
    assert said.status == 2
    assert "TARGET must be one of yin-yang, mnist, temporal-order or a run folder; got 'no-such-thing'" in said.err


def test_info_says_what_a_bug_report_should(ranvier: Any):
    said = ranvier("info")
    assert said.status == 0
    assert all(
        part in said.out for part in (f"jax        {jax.__version__}", "kernels    cpu", "device     cpu", "cores")
    )


STUDIES = ("delays-yin-yang", "delays-yin-yang-search", "brainscales")


@pytest.mark.parametrize(
    "command", [[], ["train"], ["report"], ["check-gradients"], ["info"], *(["study", name] for name in STUDIES)]
)
def test_help_is_there_and_has_examples(command: Sequence[str], ranvier: Any):
    said = ranvier(*command, "--help")
    assert said.status == 0
    assert f"Usage: {' '.join(['ranvier', *command])}" in said.out
    assert "Examples:" in said.out or command in ([], ["info"])
    assert said.err == ""


def test_without_a_command_there_is_help(ranvier: Any):
    said = ranvier()
    assert said.status == 0
    assert all(name in said.out for name in ("train", "report", "check-gradients", "info"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "cifar"], "'cifar' is not one of 'yin-yang', 'mnist', 'temporal-order'"),
        (
            ["train", "yin-yang", "--delay", "long"],
            "'long' is not one of 'none', 'axonal', 'dendritic', 'synaptic'",
        ),
        (["train", "yin-yang", "--dtype", "int8"], "'int8' is not one of 'float32', 'float64'"),
        (["train", "yin-yang", "--hiden", "3"], "No such option: --hiden"),
        (["train", "yin-yang", "--hiden", "3"], "There are --method, --delay, --hidden, --epochs"),
        (["train", "yin-yang", "--hidden", "0"], "Invalid value for '--hidden'"),
        (["train", "yin-yang", "--weight-lr", "nan"], "weight_lr must be above 0; got nan"),
        (["train", "yin-yang", "--delay-lr", "-1"], "delay_lr must be above 0; got -1.0"),
        (["train", "yin-yang", "--seed", "4294967296"], "seed must be in 0..2**32 - 1; got 4294967296"),
        (["train", "yin-yang", "--seed", "1", "--seeds", "0..3"], "--seed and --seeds exclude each other"),
        (["train", "yin-yang", "--seeds", "3..1"], "--seeds must be a range such as 0..4"),
        (
            ["train", "yin-yang", "--set", "margin"],
            "--set margin: expected NAME=VALUE with NAME one of method, dt, beta",
        ),
        (["train", "yin-yang", "--set", "magrin=1"], "--set magrin=1: expected NAME=VALUE"),
        (["train", "yin-yang", "--set", "hidden=many"], "--set hidden=many: expected a value of type int"),
        (
            ["train", "yin-yang", "--set", "loss=none"],
            "loss must be one of relative, cross-entropy, potential; got 'none'",
        ),
        (["train", "yin-yang", "--set", "patience=0"], "patience must be above 0, or None; got 0"),
        (["train", "yin-yang", "--set", "detach_time=1"], "--set detach_time=1: expected a value of type bool"),
        (
            ["train", "temporal-order", "--hidden", "3"],
            "--hidden is nothing that temporal-order has; it has method, dt",
        ),
        (["trian"], "There are train, report, check-gradients, bench, info, study."),
        (["study"], "Missing command"),
        (["study", "delays"], f"There are {', '.join(STUDIES)}"),
        (["study", "delays-yin-yang", "--kind", "radial"], "kind must be one of weights, axonal, dendritic, synaptic"),
        (["study", "delays-yin-yang", "--hidden", "0"], "Invalid value for '--hidden'"),
        (["study", "delays-yin-yang", "--seeds", "3..1"], "--seeds must be a range such as 0..4"),
        (["study", "delays-yin-yang", "--numbers", "none.json"], "file 'none.json' does not exist"),
        (["study", "brainscales", "--chips", "0"], "Invalid value for '--chips'"),
        (["report"], "Missing argument"),
    ],
)
def test_a_command_that_makes_no_sense_is_told_in_a_sentence(arguments: list[str], message: str, ranvier: Any):
    said = ranvier(*arguments)
    assert said.status == 2
    assert message in said.err
    assert said.err.startswith("ranvier: ")
    assert said.err.count("\n") == 1


def test_a_traceback_is_there_for_those_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANVIER_TRACEBACK", "1")
    with pytest.raises(RunError):
        execute(["report", str(tmp_path)])


# Seeds ---------------------------------------------------------------------------------------------------------------


def test_seeds_are_ranges_or_lists():
    assert parse_seeds(None, None) == [0]
    assert parse_seeds(7, None) == [7]
    assert parse_seeds(None, "2..4") == [2, 3, 4]
    assert parse_seeds(None, "5,0") == [5, 0]
    assert quartiles([0.9]) == (0.9, 0.9, 0.9)


@pytest.mark.slow
def test_seeds_side_by_side_end_with_the_numbers_they_have_alone(tmp_path: Path, ranvier: Any):
    wide = [*SMALL, "--dtype", "float64", "--delay", "none"]
    options = [*wide, "--seeds", "0,3", "--workers", "2", "--out", str(tmp_path)]
    done = process("train", "yin-yang", *options, XLA_FLAGS=COMPILE_FAST)  # as this process compiles: equal to the bit
    assert done.returncode == 0, done.stderr
    assert "test accuracy: median" in done.stdout
    assert "seed 3  epoch 2/2" in done.stdout
    experiment = yin_yang("none", hidden=4, epochs=2, batch=500, dtype="float64", seed=3)
    alone = run(experiment, tmp_path / "alone", threads=1)
    beside = RunFolder(tmp_path / "seed-3").result()
    assert {**alone, "seconds": 0, "samples_per_second": 0} == {
        **beside,
        "seconds": 0,
        "samples_per_second": 0,
    }
    networks = [load_run(tmp_path / name)[1] for name in ("seed-3", "alone", "seed-0")]
    one, two, other = ([np.asarray(leaf) for leaf in jax.tree.leaves(net)] for net in networks)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    said = ranvier("train", "yin-yang", *wide, "--seeds", "3,4", "--out", tmp_path)
    assert said.status == 1
    assert f"{tmp_path / 'seed-3'} already holds a run" in said.err
    said = ranvier("report", tmp_path)
    assert said.status == 0
    assert said.out.count("report.png") == 2


@pytest.mark.slow
def test_a_worker_whose_parent_is_gone_stops(tmp_path: Path):
    done = process("train", "yin-yang", "--epochs", "100000", "--out", str(tmp_path), **{PARENT: "1"})
    assert done.returncode == 130


# Experiments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("delay", "count"), [("none", 210), ("axonal", 244), ("dendritic", 243), ("synaptic", 420)])
def test_the_published_networks_have_their_numbers_of_parameters(delay: str, count: int):
    experiment = yin_yang(delay)
    network = experiment.network()
    learn, _ = partition(network)
    assert sum(leaf.size for leaf in jax.tree.leaves(learn)) == count
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(network))
    assert experiment.recipe(5000).learn == (("weight",) if delay == "none" else ("weight", "delay"))


def test_the_published_protocol():
    """Weights N(1, 1) and rates of the publication, in our units twice that; delays 0.50 +- 0.06 in [0, 1]."""
    network = YinYang(hidden=2000).network()
    weight = np.asarray(network.connections[0].weight)
    assert weight.mean() == pytest.approx(2.0, abs=0.1)
    assert weight.std() == pytest.approx(2.0, abs=0.1)
    delay = np.asarray(network.delay(network.connections[1]))
    assert delay.mean() == pytest.approx(0.5, abs=0.01)
    assert delay.std() == pytest.approx(0.06, abs=0.01)
    neuron = network.neurons["hidden"]
    assert (float(neuron.tau_mem), float(neuron.tau_syn), float(neuron.refractory)) == (2.0, 1.0, math.inf)
    data = yin_yang(dtype="float64").data()
    assert [part.size for part in data] == [5000, 1000, 1000]
    for part in data:
        assert 0.15 <= float(part.spikes.time.min()) < 0.18
        assert 1.97 < float(part.spikes.time.max()) <= 2.0
        assert part.spikes.time.shape == (part.size, 4)


def test_the_seed_decides_the_network_and_nothing_else_is_compiled_for_it():
    one, same, other = (yin_yang(seed=seed).network() for seed in (1, 1, 2))
    assert np.array_equal(one.connections[0].weight, same.connections[0].weight)
    assert not np.array_equal(one.connections[0].weight, other.connections[0].weight)
    assert yin_yang(seed=1).recipe(5000) is yin_yang(seed=2).recipe(5000)


def test_delays_may_learn_alone():
    assert yin_yang(weights_learn=False).recipe(5000).learn == ("delay",)
    assert yin_yang(weights_learn=False).recipe(5000).recovery is None
    with pytest.raises(ValueError, match="nothing would learn"):
        yin_yang("none", weights_learn=False)


@pytest.mark.parametrize("changes", [{"loss": "mse"}, {"delay": "both"}, {"epochs": 0}])
def test_an_experiment_that_makes_no_sense_is_refused(changes: dict[str, Any]):
    with pytest.raises(ValueError, match=f"^{next(iter(changes))} must be"):
        dataclasses.replace(YinYang(), **changes)


def test_a_run_of_another_version_is_refused(finished: Path, tmp_path: Path):
    config = json.loads((finished / "config.json").read_text())
    config["options"]["flux"] = 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"cannot read: .*flux"):
        load_run(tmp_path)
    del config["options"]["flux"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match="not finished"):
        load_run(tmp_path)
    experiment, network = load_run(finished)
    assert experiment.hidden == 4
    assert rv.load(RunFolder(finished).network).connections[0].weight.shape == network.connections[0].weight.shape
