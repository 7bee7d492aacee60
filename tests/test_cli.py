"""The command line, and the experiments behind it."""

import json
import math
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from conftest import COMPILE_FAST
from ranvier.lab import experiment, load_run, models, run
from ranvier.lab.cli import execute
from ranvier.lab.cli import train as train_command
from ranvier.lab.cli.bench import BENCHMARKS
from ranvier.lab.cli.output import quartiles
from ranvier.lab.cli.seeds import PARENT, parse_seeds
from ranvier.lab.listing import listing
from ranvier.selection import partition
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
    logs = ["--tensorboard", str(folder.parent / "logs")]
    assert execute(["train", "yin-yang", *SMALL, "--quiet", "--out", str(folder), *logs]) == 0
    return folder


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "ranvier.lab.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env=os.environ | environment, check=False
    )


def test_a_run_on_a_read_only_disk_is_told_of_and_has_its_page_elsewhere(
    ranvier: Any, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: Any) -> Path:
        raise OSError(30, "Read-only file system", f"{finished}/report.png")

    monkeypatch.setattr("ranvier.lab.runs.draw_report", refuse)
    monkeypatch.setattr(
        "ranvier.lab.pages.write_run_page", lambda folder, page: refuse() if page is None else Path(page)
    )
    said = ranvier("report", finished, "--html", tmp_path / "page.html")
    assert said.status == 0
    assert "report.png is not drawn: Read-only file system. For a page elsewhere: --html FILE" in said.out
    assert f"page: {tmp_path / 'page.html'}" in said.out
    said = ranvier("report", finished, "--html")
    refused = (
        f"{finished}/report.png cannot be written or read: Read-only file system. Name another place, or give access."
    )
    assert (said.status, said.err) == (1, f"ranvier: {refused}\n")


def facts_of(said: Said) -> dict[str, str]:
    """The last line, which is for programs."""
    head, *pairs = shlex.split(said.out.splitlines()[-1])
    assert head == "result:"
    return dict(pair.split("=", 1) for pair in pairs)


# Training and its folder ---------------------------------------------------------------------------------------------


def test_a_run_leaves_everything_a_person_wants(finished: Path):
    files = {path.name for path in finished.iterdir()}
    assert files == {
        "config.json",
        "config.toml",
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
    assert {"python", "jax", "ranvier"} <= set(config["versions"])
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
    rates = {name: rate * left for name, rate in experiment("yin-yang").model.rates.items()}
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
    assert said.out.splitlines()[-2] == f"report: {finished / 'report.png'}"
    facts = facts_of(said)
    assert (facts["task"], facts["seed"], facts["folder"]) == ("yin-yang", "0", str(finished))
    assert float(facts["test_accuracy"]) == pytest.approx(accuracy)
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_a_folder_that_holds_a_run_is_not_overwritten(finished: Path, ranvier: Any):
    said = ranvier("train", "yin-yang", *SMALL, "--out", finished)
    assert said.status == 1
    assert said.err == f"ranvier: {finished} already holds a run; go on with it by --resume (resume=True), or choose " \
                       "another folder.\n"  # fmt: skip


def test_resuming_with_other_options_names_them(finished: Path, ranvier: Any):
    said = ranvier("train", "yin-yang", *SMALL, "--out", finished, "--resume", "--hidden", 5, "--delay", "axonal")
    assert said.status == 1
    assert "hidden was 4, now 5" in said.err
    assert "delay was 'synaptic', now 'axonal'" in said.err
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


def test_training_is_told_to_tensorboard(finished: Path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    (place,) = (finished.parent / "logs").iterdir()
    found = accumulator.EventAccumulator(str(place), size_guidance={"tensors": 0})
    found.Reload()
    course = [event.tensor_proto.float_val[0] for event in found.Tensors("validation_loss")]
    assert course == pytest.approx([line["validation_loss"] for line in RunFolder(finished).epochs()], rel=1e-6)


def test_a_dry_run_says_what_training_would_take_and_writes_nothing(tmp_path: Path, ranvier: Any):
    said = ranvier("train", "temporal-order", "--epochs", 7, "--dry-run", "--seeds", "0..4", "--out", tmp_path / "run")
    assert said.status == 0, said.err
    assert not (tmp_path / "run").exists()
    facts, made = facts_of(said), experiment("temporal-order", epochs=7)
    assert int(facts["parameters"]) == int(facts["synapses"]) == 4
    assert float(facts["events"]) == 4.0  # two input spikes to two outputs
    assert f"{made.data().train.size:,} to train on" in said.out
    assert "for 7 epochs" in said.out
    assert 0 < float(facts["step"]) < float(facts["epoch"]) < float(facts["seconds"])
    assert int(facts["peak_bytes"]) > 1e8  # JAX alone takes more


def test_report_prints_the_result_and_draws_again(finished: Path, ranvier: Any):
    (finished / "report.png").unlink()
    said = ranvier("report", finished)
    assert said.status == 0
    assert said.out.startswith("test accuracy ")
    assert (finished / "report.png").exists()


def test_report_writes_a_page(finished: Path, tmp_path: Path, ranvier: Any):
    said = ranvier("report", finished, "--html", tmp_path / "page.html")
    assert said.status == 0
    assert f"page: {tmp_path / 'page.html'}" in said.out.splitlines()
    page = (tmp_path / "page.html").read_text()
    accuracy = json.loads((finished / "metrics.json").read_text())["test_accuracy"]
    assert f'"value":"{100 * accuracy:.2f} %","note":"once, at the end"' in page
    assert '"kind":"Plane"' in page
    assert "of 1,000 test samples, of 8 ms each" in page


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
    assert (
        f"TARGET must be a run folder, a Python file with a task, or one of {', '.join(listing('tasks'))}; got"
        in said.err
    )


def test_info_says_what_a_bug_report_should(ranvier: Any):
    said = ranvier("info")
    assert said.status == 0
    assert all(part in said.out for part in (f"jax        {jax.__version__}", "engine     ", "device     cpu", "cores"))


STUDIES = tuple(listing("studies"))


PAGES = [
    [],
    ["train"],
    ["encode"],
    ["report"],
    ["check-gradients"],
    ["info"],
    ["bench"],
    ["completion"],
    ["study"],
    ["export"],
    ["compare"],
    ["diagnose"],
    ["view"],
]
PAGES += [["study", name] for name in STUDIES] + [["train", name] for name in listing("tasks")]


@pytest.mark.parametrize("command", PAGES)
def test_help_is_there_and_has_examples(command: Sequence[str], ranvier: Any):
    said = ranvier(*command, "--help")
    assert said.status == 0
    assert f"Usage: {' '.join(['ranvier', *command[: 2 if command[:1] == ['study'] else 1]])}" in said.out
    assert "Examples:" in said.out
    assert said.err == ""


def test_help_says_every_number_with_meaning_unit_and_default(ranvier: Any):
    """Those of the task and of the choices that the command makes, and no others."""
    said = " ".join(ranvier("train", "mnist", "--delay", "axonal", "--help").out.split())
    assert "--folder TEXT Folder of the four published files" in said
    assert "--hidden N Hidden neurons. [>= 1; default: 350]" in said
    assert "--delay-high X Largest delay (ms). [> 0; default: 1.0]" in said
    assert "--batch N Samples per step. [>= 1; default: 80]" in said
    assert "--delay none|random|axonal|dendritic|synaptic|spatial" in said
    assert "--dt " not in said
    said = " ".join(ranvier("train", "yin-yang", "--method=surrogate", "--help").out.split())
    assert "--dt X Length of a step (ms). [> 0; default: 0.1]" in said
    assert "--batch N Samples per step. [>= 1; default: 25]" in said
    assert "--detach-time / --no-detach-time" in said
    assert "--max-inverse-slope" not in said


def test_help_lists_what_there_is(ranvier: Any):
    tasks, studies, benchmarks = (ranvier(name, "--help").out for name in ("train", "study", "bench"))
    assert all(name in tasks for name in ("mnist", "temporal-order", "yin-yang"))
    assert all(name in studies for name in ("brainscales", "delays-yin-yang", "delays-yin-yang-search"))
    assert all(name in benchmarks for name in BENCHMARKS)


def test_help_is_quick():
    """What a person asks for most often imports no JAX beyond what `import ranvier` does, and starts no backend."""
    words = "import sys; from ranvier.lab.cli import execute; execute(['train', '--help'])"
    probe = f"{words}; print(sorted({{'ranvier.train', 'ranvier.lab.tasks', 'matplotlib'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def asked(*words: str) -> dict[str, str]:
    """How a shell asks what it may offer for the last word."""
    line = " ".join(["ranvier", *words])
    return {"_RANVIER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["tr"], "train"),
        (["train", "some/fi"], "some/fi"),  # a file, which the shell completes
        (["train", "te"], "temporal-order"),
        (["train", "mnist", "--fol"], "--folder"),
        (["train", "yin-yang", "--method", "surrogate", "--be"], "--beta"),
        (["train", "yin-yang", "--delay", "ax"], "axonal"),
    ],
)
def test_a_shell_completes_commands_tasks_options_and_values(
    words: list[str], offered: str, ranvier: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name, value in asked(*words).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as done:
        ranvier()
    assert done.value.code == 0
    assert [line.partition(",")[2] for line in capsys.readouterr().out.splitlines()] == [offered]


def test_a_shell_asks_the_command_itself(ranvier: Any):
    """In a process of its own."""
    assert process(**asked("train", "te")).stdout.splitlines() == ["plain,temporal-order"]
    assert "_RANVIER_COMPLETE=bash_complete" in ranvier("completion", "bash").out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_by_one_command(
    shell: str, tmp_path: Path, ranvier: Any, monkeypatch: pytest.MonkeyPatch
):
    for name, value in {"HOME": str(tmp_path), "SHELL": f"/usr/bin/{shell}"}.items():
        monkeypatch.setenv(name, value)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    start_up = tmp_path / {"bash": ".bashrc", "zsh": ".zshrc", "fish": "none"}[shell]
    start_up.write_text("alias ll=ls\n")
    for _ in range(2):  # the second time changes nothing
        said = ranvier("completion", "--install")
        assert said.status == 0, said.err
    script = Path(said.out.splitlines()[0].removeprefix("written: "))
    assert f"_RANVIER_COMPLETE={shell}_complete" in script.read_text()
    lines = start_up.read_text().splitlines()
    assert lines[0] == "alias ll=ls"
    assert len(lines) == (1 if shell == "fish" else 2)
    if shell == "bash" and shutil.which("bash"):
        done = subprocess.run(
            ["bash", "-c", f". {start_up}; complete -p ranvier"], capture_output=True, text=True, check=True
        )
        assert "_ranvier_completion" in done.stdout


def test_a_shell_that_is_not_known_is_asked_for(ranvier: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    said = ranvier("completion", "--install")
    assert (said.status, "name the shell, one of bash, zsh, fish; yours is tcsh" in said.err) == (2, True)
    assert ranvier("completion").status == 2


def test_exit_codes_are_told_and_kept(ranvier: Any):
    said = ranvier("--help").out
    assert all(f"{status}  " in said for status in (0, 1, 2, 130))
    command = f"{sys.executable} -m ranvier.lab.cli train --help | true; echo ${{PIPESTATUS[0]}}"
    if shutil.which("bash"):
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        assert done.stdout.strip() in ("0", "1")
        assert "Traceback" not in done.stderr
        assert "Broken pipe" not in done.stderr


def test_a_missing_package_is_one_sentence(tmp_path: Path, ranvier: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    said = ranvier("train", "temporal-order", "--epochs", 1, "--quiet", "--out", tmp_path / "run", "--wandb", "delays")
    assert said.status == 1
    needs = "WeightsAndBiases needs the package wandb, which is not installed"
    assert said.err == f"ranvier: {needs}: pip install 'ranvier[wandb]'.\n"


def test_without_a_command_there_is_help(ranvier: Any):
    said = ranvier()
    assert said.status == 0
    assert all(name in said.out for name in ("train", "report", "check-gradients", "info"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], f"TASK is missing; name one of {', '.join(listing('tasks'))}, a Python file"),
        (["train", "cifar"], f"cifar: no such task. There are {', '.join(listing('tasks'))}"),
        (["train", "yin-yan"], "no such task; did you mean yin-yang"),
        (["train", "none.py"], "none.py: no such file"),
        (["train", "yin-yang", "mnist"], "unexpected extra argument"),
        (
            ["train", "yin-yang", "--delay", "long"],
            "--delay must be one of none, random, axonal, dendritic, synaptic, spatial; got 'long'",
        ),
        (["train", "yin-yang", "--dtype", "int8"], "--dtype must be one of float32, float64; got 'int8'"),
        (["train", "yin-yang", "--hiden", "3"], "--hiden is not an option; did you mean --hidden?"),
        (["train", "yin-yang", "--hidden", "0"], "--hidden must be at least 1; got 0"),
        (["train", "yin-yang", "--hidden", "many"], "--hidden must be a whole number; got 'many'"),
        (["train", "yin-yang", "--weight-lr", "nan"], "--weight-lr must be finite and above 0; got nan"),
        (["train", "yin-yang", "--delay-lr", "-1"], "--delay-lr must be finite and above 0; got -1.0"),
        (["train", "yin-yang", "--seed", "4294967296"], "--seed must be between 0 and 4294967295; got 4294967296"),
        (["train", "yin-yang", "--seed", "1", "--seeds", "0..3"], "give --seed or --seeds, not both"),
        (["train", "yin-yang", "--seeds", "3..1"], "--seeds must be a range such as 0..4"),
        (["train", "yin-yang", "--seeds", "0..9999999999"], "10000000000 runs; at most 1000 are done at once"),
        (["train", "yin-yang", "--dt", "0.5"], "--dt is a number of method clock-driven or surrogate, but method is"),
        (["train", "temporal-order", "--hidden", "3"], "--hidden is not an option"),
        (["train", "yin-yang", "--weight", "fixed", "--delay", "none"], "nothing would learn"),
        (["train", "--config", "none.toml"], "none.toml: there is no such file"),
        (["trian"], "there is no command trian; did you mean train? There are bench, check-gradients"),
        (["study"], f"name a command; there are {', '.join(STUDIES)}"),
        (["study", "delays"], f"There are {', '.join(STUDIES)}"),
        (["study", "delays-yin-yang", "--kinds", "radial"], "kind must be one of weights, axonal, dendritic, synaptic"),
        (["study", "delays-yin-yang", "--hidden", "0"], "hidden must be at least 1; got 0"),
        (["study", "delays-yin-yang", "--seeds", "3..1"], "--seeds must be a whole number, or several with commas"),
        (["study", "delays-yin-yang", "--numbers", "none.json"], "--numbers must be a file; there is no none.json"),
        (["study", "brainscales", "--chips", "0"], "--chips must be at least 1; got 0"),
        (["bench", "cochle"], "there is no benchmark cochle; did you mean cochlea"),
        (["bench", "cochlea", "--delay", "radial"], "--delay must be one or more of synaptic, axonal"),
        (["report"], "Missing argument"),
    ],
)
def test_a_command_that_makes_no_sense_is_told_in_a_sentence(arguments: list[str], message: str, ranvier: Any):
    said = ranvier(*arguments)
    assert said.status == 2
    assert message in said.err
    assert said.err.startswith("ranvier: ")
    assert said.err.count("\n") == 1


FILES = [
    ('task = "yin-yang"\nhiden = 3\n', "hiden is not a setting; did you mean hidden?"),
    ('task = "yin-yang"\nhidden = "many"\n', "hidden must be a whole number; got 'many'"),
    ('task = "yin-yang"\nhidden = 2.5\n', "hidden must be a whole number; got 2.5"),
    ('task = "yin-yang"\nbeta = 2.5\n', "beta is a number of method surrogate, but method is event-driven"),
    ("hidden = 3\n", 'names no task; write task = "yin-yang" into it, or name one: ranvier train TASK'),
    ('task = "yin-yang"\n[model]\nhidden = 3\n', "[model] is a table; write settings without tables"),
    ("task = yin-yang\n", "is not a TOML file"),
    ('task = "mnist"\n', ""),
]


@pytest.mark.parametrize(("content", "message"), FILES)
def test_a_configuration_file_that_makes_no_sense_is_told_in_a_sentence(
    tmp_path: Path, content: str, message: str, ranvier: Any
):
    path = tmp_path / "c.toml"
    path.write_text(content)
    named = ["yin-yang"] if "mnist" in content else []
    said = ranvier("train", *named, "--config", path, "--out", tmp_path / "run")
    assert said.status == 2
    assert said.err.startswith(f"ranvier: {path}")
    assert (message or "is a configuration of mnist, not of yin-yang; name the same task, or none") in said.err
    assert said.err.count("\n") == 1


def test_the_configuration_of_a_run_gives_the_same_run(finished: Path, tmp_path: Path, ranvier: Any):
    said = ranvier("train", "--config", finished / "config.toml", "--out", tmp_path / "again", "--quiet")
    assert said.status == 0, said.err
    one, other = (RunFolder(folder) for folder in (finished, tmp_path / "again"))
    assert one.config()["options"] == other.config()["options"]
    losses = [[line["validation_loss"] for line in folder.epochs()] for folder in (one, other)]
    assert losses[0] == losses[1]


def test_the_command_line_goes_before_the_file_and_the_file_before_the_task(tmp_path: Path):
    path = tmp_path / "c.toml"
    path.write_text('task = "yin-yang"\ndelay = "axonal"\nepochs = 7\nbatch = 9\nseed = 4\n')
    made = train_command.asked_for(["--config", str(path)], {"epochs": 5})
    assert (made.training.epochs, made.training.batch, made.seed) == (5, 9, 4)
    assert made.model.delay == models.AxonalDelays(lr=0.0541, std=0.0545)


def test_a_traceback_is_there_for_those_who_ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RANVIER_TRACEBACK", "1")
    with pytest.raises(RunError):
        execute(["report", str(tmp_path)])


# Seeds ---------------------------------------------------------------------------------------------------------------


def test_seeds_are_ranges_or_lists():
    assert parse_seeds(7, None) is None
    assert parse_seeds(None, "2..4") == [2, 3, 4]
    assert parse_seeds(None, "5,0") == [5, 0]
    assert quartiles([0.9]) == (0.9, 0.9, 0.9)


@pytest.mark.slow
def test_seeds_side_by_side_have_the_results_that_they_have_alone(tmp_path: Path, ranvier: Any):
    wide = [*SMALL, "--dtype", "float64", "--delay", "none"]
    options = [*wide, "--seeds", "0,3", "--workers", "2", "--out", str(tmp_path)]
    done = process("train", "yin-yang", *options, XLA_FLAGS=COMPILE_FAST)  # as this process compiles: equal to the bit
    assert done.returncode == 0, done.stderr
    assert "test accuracy: median" in done.stdout
    assert "seed 3  epoch 2/2" in done.stdout
    made = experiment("yin-yang", delay="none", hidden=4, epochs=2, batch=500, dtype="float64", seed=3)
    alone = run(made, tmp_path / "alone", threads=1)
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
    made = experiment("yin-yang", delay=delay)
    network = made.network()
    learn, _ = partition(network)
    assert sum(leaf.size for leaf in jax.tree.leaves(learn)) == count
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(network))
    assert made.recipe(5000).learn == (("weight",) if delay == "none" else ("weight", "delay"))


def test_the_published_protocol():
    """Weights N(1, 1) and rates of the publication, in our units twice that; delays 0.50 +- 0.06 in [0, 1]."""
    model = models.OneHidden(hidden=2000)
    network = model.network(4, 3, spiking=True, dtype="float32", key=jax.random.key(0))
    weight = np.asarray(network.connections[0].weight)
    assert weight.mean() == pytest.approx(2.0, abs=0.1)
    assert weight.std() == pytest.approx(2.0, abs=0.1)
    delay = np.asarray(network.delay(network.connections[1]))
    assert delay.mean() == pytest.approx(0.5, abs=0.01)
    assert delay.std() == pytest.approx(0.06, abs=0.01)
    neuron = network.neurons["hidden"]
    assert (float(neuron.tau_mem), float(neuron.tau_syn), float(neuron.refractory)) == (2.0, 1.0, math.inf)
    data = experiment("yin-yang", dtype="float64").data()
    assert [part.size for part in data] == [5000, 1000, 1000]
    for part in data:
        assert 0.15 <= float(part.spikes.time.min()) < 0.18
        assert 1.97 < float(part.spikes.time.max()) <= 2.0
        assert part.spikes.time.shape == (part.size, 4)


def test_the_seed_decides_the_network_and_nothing_else_is_compiled_for_it():
    one, same, other = (experiment("yin-yang", seed=seed).network() for seed in (1, 1, 2))
    assert np.array_equal(one.connections[0].weight, same.connections[0].weight)
    assert not np.array_equal(one.connections[0].weight, other.connections[0].weight)
    assert experiment("yin-yang", seed=1).recipe(5000) is experiment("yin-yang", seed=2).recipe(5000)


def test_delays_may_learn_alone():
    made = experiment("yin-yang", weight="fixed")
    assert made.recipe(5000).learn == ("delay",)
    assert made.recipe(5000).recovery is None


def test_a_run_that_cannot_be_read_is_refused(finished: Path, tmp_path: Path):
    """Of another version, changed by hand, not finished, or not started by name."""
    for name in ("config.json", "network.npz"):
        (tmp_path / name).write_bytes((finished / name).read_bytes())
    settings = (finished / "config.toml").read_text()
    (tmp_path / "config.toml").write_text(settings + "flux = 1\n")
    with pytest.raises(RunError, match="cannot read: flux is not a setting"):
        load_run(tmp_path)
    (tmp_path / "config.toml").write_text(settings.replace("margin = 0.2 ", "margin = 0.3 "))
    with pytest.raises(RunError, match="margin was 0.2, now 0.3"):
        load_run(tmp_path)
    (tmp_path / "network.npz").unlink()
    with pytest.raises(RunError, match="not finished"):
        load_run(tmp_path)
    made, network = load_run(finished)
    assert made.model.hidden == 4
    assert rv.load(RunFolder(finished).network).connections[0].weight.shape == network.connections[0].weight.shape
