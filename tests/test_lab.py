"""Experiments by composition: settings by name, layers of them, configuration files, and tasks that are one file."""

import contextlib
import dataclasses
import functools
import json
import math
import re
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import ranvier as rv
from conftest import ROOT
from ranvier.lab import Experiment, Preset, experiment, load_run, methods, models, readouts, run, training
from ranvier.lab.catalogue import find, label, resolve
from ranvier.lab.cli import execute
from ranvier.lab.config_file import read_config, write_config
from ranvier.lab.listing import listing
from ranvier.lab.ranges import SettingError
from ranvier.lab.settings import change, everywhere, settings, values
from ranvier.selection import partition
from ranvier.train import Dataset, RunError, RunFolder, evaluate

TASKS = tuple(listing("tasks"))


@functools.cache
def every_choice(name: str) -> list[Experiment]:
    """A task with every choice that there is and that makes sense."""
    found = []
    for choice, one in settings(experiment(name)).items():
        for value in one.choices:
            with contextlib.suppress(ValueError):  # with nothing that learns, or with fixed weights that are raised
                found.append(experiment(name, **{choice: value}))
    return found


# Settings ------------------------------------------------------------------------------------------------------------


def test_there_are_tasks_with_choices():
    assert {
        "coincidence",
        "delayed-xor",
        "fashion-mnist",
        "gsc",
        "intervals",
        "mnist",
        "ntidigits",
        "polychrony",
        "random-manifolds",
        "shd",
        "spoken-digits",
        "ssc",
        "temporal-order",
        "yin-yang",
    } <= set(TASKS)
    assert all(len(every_choice(name)) > 12 for name in TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_every_setting_has_a_meaning_and_a_name_of_its_own(name: str):
    """Whatever is chosen: `settings` refuses two of one name."""
    for one in every_choice(name):
        for setting in settings(one).values():
            assert setting.meaning.endswith("."), setting
            assert setting.name.isidentifier()
    assert all(setting.meaning for found in everywhere(experiment(name)).values() for setting, _ in found)


@pytest.mark.parametrize("name", TASKS)
def test_settings_say_everything(name: str, tmp_path: Path):
    """An experiment made anew from its settings, as they are written into results and into files, is the same one."""
    words = lambda given: {setting: str(value).lower() for setting, value in given.items()}
    for number, one in enumerate(every_choice(name)):
        told = json.loads(json.dumps(one.describe()))
        result = {key: value for key, value in told.items() if key not in ("name", "task", "model")}
        write_config(one, tmp_path / "config.toml")
        file = read_config(tmp_path / "config.toml")
        assert told["name"] == file.pop("task") == name
        assert words(file) == words(result)
        assert experiment(name, **(file if number % 2 else result)) == one


def test_a_setting_is_read_from_text_as_from_a_value():
    made = experiment("yin-yang", hidden="7", delay_low="0.25", patience="none", dtype="float64", schedule="step")
    assert (made.model.hidden, made.model.delay.low, made.training.patience) == (7, 0.25, None)
    assert made.training.schedule == training.Step()
    assert experiment("yin-yang", delay_low=0, patience=3).training.patience == 3
    assert experiment("yin-yang", max_inverse_slope="inf").method.max_inverse_slope == math.inf
    assert experiment("yin-yang", method="surrogate", detach_time="true").method.detach_time is True


def test_a_choice_keeps_the_numbers_of_a_part_that_is_there():
    made = change(experiment("yin-yang", delay_low=0.25), {"delay": "synaptic"})
    assert made.model.delay.low == 0.25
    assert change(made, {"delay": "axonal"}).model.delay == models.AxonalDelays()


WRONG = [
    ({"hiden": 3}, "hiden is not a setting; did you mean hidden?"),
    ({"hidden": 0}, "hidden must be at least 1; got 0"),
    ({"hidden": 2.5}, "hidden must be a whole number; got 2.5"),
    ({"hidden": True}, "hidden must be a whole number; got True"),
    ({"hidden": "many"}, "hidden must be a whole number; got 'many'"),
    ({"delay_low": -1.0}, "delay_low must be finite and at least 0; got -1.0"),
    ({"weight_lr": math.nan}, "weight_lr must be finite and above 0; got nan"),
    ({"delay": "long"}, "delay must be one of none, random, axonal, dendritic, synaptic, spatial; got 'long'"),
    ({"dtype": "int8"}, "dtype must be one of float32, float64; got 'int8'"),
    ({"patience": 0}, "patience must be at least 1, or none; got 0"),
    ({"seed": 2**32}, "seed must be between 0 and 4294967295; got 4294967296"),
    ({"method": "surrogate", "detach_time": 1}, "detach_time must be true or false; got 1"),
    ({"recovery_step": "x"}, "recovery_step must be a number; got 'x'"),
    ({"dt": 0.5}, "dt is a number of method clock-driven or surrogate, but method is event-driven"),
    ({"beta": 5.0, "method": "clock-driven"}, "beta is a number of method surrogate, but method is clock-driven"),
    (
        {"delay_lr": 0.1, "delay": "none"},
        "delay_lr is a number of delay axonal or dendritic or synaptic or spatial, but delay",
    ),
    ({"margin": 0.1, "readout": "potential"}, "margin is a number of readout relative, but readout is potential"),
    ({"gradient_scale": 2.0}, "gradient_scale is a number of gradient value, but gradient is exact"),
    (
        {"gradient": "value", "method": "surrogate"},
        "gradient is a number of method event-driven or first-spike or clock-driven",
    ),
    ({"weight": "fixed", "delay": "none"}, "nothing would learn: the weights are fixed and there are no delays"),
    ({"weight": "fixed", "recovery": "bump"}, "recovery bump changes every weight, but the weights are fixed"),
]


@pytest.mark.parametrize(("given", "message"), WRONG)
def test_what_makes_no_sense_is_told_in_a_sentence(given: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        experiment("yin-yang", **given)


def test_a_choice_may_have_choices_of_its_own():
    made = experiment("yin-yang", gradient="value", gradient_scale=2.0)
    assert made.recipe(10).simulator.gradient == rv.SpikeValue(2.0)
    assert experiment("yin-yang", method="clock-driven", gradient="value").method.gradient == methods.Value()


def test_parts_check_themselves():
    with pytest.raises(SettingError, match="dt must be finite and above 0; got 0"):
        methods.ClockDriven(dt=0.0)
    with pytest.raises(SettingError, match="patience must be at least 1, or none; got 0"):
        training.Training(patience=0)


BEFORE = {
    ("yin-yang", "none"): 0.043088169991970064,
    ("yin-yang", "axonal"): 0.03986708521842956,
    ("yin-yang", "dendritic"): 0.06496888672052592,
    ("yin-yang", "synaptic"): 0.04638890825212002,
    ("temporal-order", ""): 1.902583658695221,
}
"""Losses of untrained networks, seed 3, from the code before experiments were put together from parts. That of temporal
order is by the exact maximum: 1.90249 where potentials were compared every 0.25 ms."""


@pytest.mark.parametrize(("name", "delay"), BEFORE)
def test_networks_start_as_they_did_before_there_were_parts(name: str, delay: str):
    made = experiment(name, seed=3, **({"delay": delay} if delay else {}))
    data = made.data().validation
    if name == "yin-yang":
        feature = np.random.default_rng(0).random((50, 4))
        data = Dataset(made.encode(feature), np.arange(50) % 3, classes=3)
    loss = evaluate(made.network(), data, made.recipe(50))["loss"]
    assert loss == pytest.approx(BEFORE[name, delay], rel=1e-5)


# Layers --------------------------------------------------------------------------------------------------------------


def test_the_numbers_that_suit_a_choice_give_way_to_what_is_asked_for():
    surrogate = experiment("yin-yang", delay="none", method="surrogate")
    asked = experiment("yin-yang", delay="none", method="surrogate", readout="relative", batch=7)
    assert (surrogate.readout, surrogate.training.batch) == (readouts.Potential(), 25)
    assert surrogate.model.weight == models.LearnedWeights(mean=1.0, std=2.0, lr=0.04)  # not those of the delays
    assert (asked.readout, asked.training.batch, asked.task.t_end) == (readouts.RelativeTime(), 7, 6.0)
    assert not surrogate.network().neurons["output"].spiking
    assert asked.network().neurons["output"].spiking


def test_what_suits_a_choice_may_be_a_choice_that_numbers_suit():
    tuned = (({"method": "surrogate"}, {"delay": "none"}), ({"delay": "none"}, {"hidden": 7}))
    made = resolve(Preset(experiment("yin-yang"), tuned), [{"method": "surrogate"}])
    assert (made.model.delay, made.model.hidden) == (models.NoDelays(), 7)


def test_defaults_give_way_to_the_task_these_to_the_file_and_that_to_the_command_line():
    preset = find("yin-yang")
    of = lambda *layers: resolve(preset, layers).model.delay.std
    assert models.SynapticDelays().std == 0.06
    assert of() == 0.039
    assert of({"delay_std": 0.2}) == 0.2
    assert of({"delay_std": 0.2}, {"delay_std": 0.3}) == 0.3
    assert of({"delay_std": 0.2}, {"delay": "axonal"}) == 0.2
    assert of({}, {"delay": "axonal"}) == 0.0545


def test_numbers_of_a_choice_that_the_command_line_changes_are_left_out():
    file = values(experiment("yin-yang", method="surrogate", dt=0.5))
    made = resolve(find("yin-yang"), [file, {"method": "event-driven"}])
    assert made.method == methods.EventDriven()
    assert made.training.batch == 25  # of the file
    with pytest.raises(SettingError, match="dt is a number of method"):
        resolve(find("yin-yang"), [{"dt": 0.5}])


def test_a_run_folder_is_called_after_what_was_chosen():
    assert label(experiment("yin-yang")) == "yin-yang"
    assert label(experiment("yin-yang", delay="none", hidden=5)) == "yin-yang-none"
    assert label(experiment("temporal-order", method="surrogate")) == "temporal-order-surrogate"


# Configuration files -------------------------------------------------------------------------------------------------


def test_a_configuration_file_is_explained(tmp_path: Path):
    write_config(experiment("yin-yang", delay="axonal"), tmp_path / "c.toml")
    lines = [" ".join(line.split()) for line in (tmp_path / "c.toml").read_text().splitlines()]
    assert "delay_high = 1.0 # Largest delay (ms)." in lines
    assert lines.index("# Model") < lines.index("hidden = 30 # Hidden neurons.") < lines.index("# Training")


# One file is a task --------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "guides" / "experiments.md").read_text("utf-8")
TASK = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
"""The example of the page on experiments."""


@pytest.fixture
def which(tmp_path: Path) -> Path:
    path = tmp_path / "which.py"
    path.write_text(TASK)
    return path


def test_a_task_in_a_file_is_trained_from_the_command_line_and_from_python(
    which: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = ["--samples", "100", "--delay", "none", "--dtype", "float64", "--out", str(tmp_path / "a"), "--quiet"]
    assert execute(["train", str(which), *asked]) == 0
    result = RunFolder(tmp_path / "a").result()
    assert result["test_accuracy"] > 0.8
    assert (result["name"], result["delay"], result["parameters"]) == ("which", "none", 24)
    assert (tmp_path / "a" / "report.png").read_bytes().startswith(b"\x89PNG")
    made = experiment(str(which), samples=100, delay="none", dtype="float64")
    assert made.model.weight.lr == 0.1
    again = run(made, tmp_path / "b")
    same = {"test_loss", "test_accuracy", "best_epoch", "validation_accuracy"}
    assert {name: result[name] for name in same} == {name: again[name] for name in same}
    loaded, network = load_run(tmp_path / "a")
    assert loaded == made
    assert len(jax.tree.leaves(partition(network, "weight")[0])) == 2
    assert execute(["train", str(which), "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Samples to train on. [>= 1; default: 200]" in said
    assert "Two values, drawn at random" in said


def test_the_page_on_experiments_is_true(tmp_path: Path):
    first = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    exec(compile(first, "experiments.md", "exec"), {})
    (tmp_path / "run.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    given = read_config(tmp_path / "run.toml")
    made = experiment(given.pop("task"), **given)
    assert (made.model.delay.high, made.training.patience) == (2.0, None)


def test_an_experiment_is_put_together_by_hand(which: Path, tmp_path: Path):
    """Parts of several tasks; what a name cannot give back is refused, not read as something else."""
    task = dataclasses.replace(find(str(which)).experiment.task, samples=60)
    made = Experiment(
        task=task,
        model=models.OneHidden(hidden=3, delay=models.NoDelays()),
        readout=readouts.CrossEntropy(),
        method=methods.FirstSpike(),
        training=training.Training(epochs=1, batch=30),
        dtype="float64",
    )
    result = run(made, tmp_path / "run")
    assert (result["method"], result["readout"], result["epochs"]) == ("first-spike", "cross-entropy", 1)
    with pytest.raises(RunError, match="experiment was put together in Python; only that program can make it"):
        load_run(tmp_path / "run")
    with pytest.raises(RunError, match="was started with other settings: hidden was 3, now 4"):
        run(made.change(hidden=4), tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n", r"expected PRESET, a ranvier.lab.Preset, in this file; got None"),
        ("import nothing_there\n", "nothing_there"),
    ],
)
def test_a_file_that_is_no_task_is_refused(tmp_path: Path, content: str, message: str):
    path = tmp_path / "broken.py"
    path.write_text(content)
    with pytest.raises((ValueError, ModuleNotFoundError), match=message):
        find(str(path))
    with pytest.raises(ValueError, match="no such file"):
        find(str(tmp_path / "none.py"))
    with pytest.raises(ValueError, match="no such task; did you mean yin-yang. There are .*mnist, .*temporal-order"):
        find("yinyang")
