"""Tasks of spike times alone, N-TIDIGITS and Fashion-MNIST from the command line, and the study `rapid`."""

import json
from pathlib import Path
from typing import get_args

import jax
import numpy as np
import pytest

import ranvier as rv
from ranvier import datasets
from ranvier.datasets import mnist
from ranvier.lab import experiment, models
from ranvier.lab.cli import execute
from ranvier.lab.studies.rapid import STUDY, Study, run_study, table_rows
from ranvier.lab.studies.timing import cases
from ranvier.lab.studies.timing.trial import measure
from ranvier.train import RunError, evaluate
from test_loaders import image_folder, tidigits_file

TIMED = ("intervals", "polychrony", "coincidence", "delayed-xor")


@pytest.mark.parametrize("name", TIMED)
def test_every_channel_fires_equally_often_and_parts_differ(name: str):
    made = experiment(name, samples=40, channels=6, distractors=1)
    data = made.data()
    for part, size in zip(data, (40, 10, 20), strict=True):
        assert part.size == size
        counts = np.asarray(rv.spike_count(part.spikes))
        assert (counts == counts[0, 0]).all()
        assert float(part.spikes.time.max()) <= made.task.duration < made.task.t_end
    assert not np.array_equal(data.train.spikes.time[:10], data.validation.spikes.time)
    again = experiment(name, samples=40, channels=6, distractors=1, seed=1).data()
    np.testing.assert_array_equal(data.train.spikes.time, again.train.spikes.time)


def test_random_manifolds_are_those_of_the_data_set():
    made = experiment("random-manifolds", samples=32, manifolds=3, units=6, smoothness=3.0, spikes=2, spectrum="numpy")
    surfaces, points = jax.random.split(jax.random.key(0))
    found = datasets.draw_manifolds(
        classes=3, units=6, smoothness=3.0, spikes=2, spectrum=datasets.numpy_spectrum, key=surfaces
    )
    wanted = datasets.random_manifolds(32, 4, 4, manifolds=found, key=points)
    np.testing.assert_array_equal(made.task.splits().train.feature, wanted.train.feature)
    time = np.asarray(made.data().train.spikes.time)
    np.testing.assert_allclose(time, np.sort(100 * wanted.train.feature, axis=1), rtol=1e-6)
    assert made.network()["hidden"].size == 128


def test_a_temporal_task_is_learned_from_the_command_line(tmp_path: Path):
    """Two patterns of a few channels: a delay for each synapse tells them apart."""
    small = [
        "--patterns",
        "2",
        "--samples",
        "100",
        "--channels",
        "6",
        "--hidden",
        "12",
        "--epochs",
        "12",
        "--tau-out",
        "20",
    ]
    more = ["--batch", "10", "--weight-lr", "0.05", "--weight-mean", "4", "--blur", "0", "--duration", "60", "--quiet"]
    assert execute(["train", "polychrony", *small, *more, "--out", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.filterwarnings("ignore:N-TIDIGITS")
def test_digits_of_the_silicon_cochlea_are_a_task(tmp_path: Path):
    path = tidigits_file(tmp_path / "digits.h5")
    made = experiment("ntidigits", file=str(path), t_end=500.0, hidden=8)
    train, validation, test = made.data()
    assert (train.size + validation.size, test.size) == (4, 4)
    time, unit = np.asarray(test.spikes.time), np.asarray(test.spikes.unit)
    raw = datasets.ntidigits(path).test
    kept = raw.time[2] < 500
    np.testing.assert_allclose(time[2][np.isfinite(time[2])], raw.time[2][kept], rtol=1e-6)
    np.testing.assert_array_equal(unit[2][np.isfinite(time[2])], raw.unit[2][kept])
    assert 0 <= evaluate(made.network(), test, made.recipe(2))["accuracy"] <= 1


def test_clothes_are_a_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(mnist, "VALIDATION", 10)
    data = experiment("fashion-mnist", folder=str(image_folder(tmp_path))).data()
    assert [part.size for part in data] == [20, 10, 20]
    monkeypatch.delenv("RANVIER_DATA", raising=False)
    assert execute(["train", "fashion-mnist", "--out", str(tmp_path / "run")]) == 1
    assert "fashion-mnist: the folder of the data is not set" in capsys.readouterr().err


# The study -----------------------------------------------------------------------------------------------------------


def test_networks_with_and_without_delays_have_as_many_parameters():
    for name in TIMED:
        made = experiment(name)
        without = experiment(name, delay="none", hidden=cases.equal_hidden(made))
        size = lambda one: sum(leaf.size for leaf in jax.tree.leaves(rv.partition(one.network())[0]))
        assert size(without) == pytest.approx(size(made), rel=0.02)


def test_every_question_has_cases_that_can_be_made():
    study = Study()
    assert len({case.folder for case in study.cases}) == len(study.cases)
    for case in study.cases:
        case.experiment(0, {"epochs": 1, "samples": 8})
    with pytest.raises(ValueError, match="questions must be some of smoothness"):
        Study(questions=("all",))


def test_the_study_is_a_folder_that_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    small = (("manifolds", 2), ("units", 5), ("hidden", 6), ("smoothness", 3.0), ("batch", 10))
    few = [cases.Case("cost", str(cost), "random-manifolds", small, cost) for cost in (0.0, 10.0)]
    monkeypatch.setitem(cases.QUESTIONS, "cost", lambda: few)
    study = Study(questions=("cost",), epochs=2, samples=40, seeds=(0,))
    said: list[str] = []
    rows = run_study(study, tmp_path, say=said.append)
    assert len(rows) == len(said) == 2
    assert rows[1]["spikes"] <= rows[0]["spikes"]
    for row in rows:
        assert len(row["times"]) == len(row["over_time"])
        assert row["over_time"][-1] == pytest.approx(row["test"], abs=1e-6)
        assert row["flat"] == row["test"], "one spike of each unit: nothing is taken away"
    assert (tmp_path / "rapid.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RunError):
        run_study(study, tmp_path)
    (tmp_path / "cost-10.0-0.json").unlink()
    assert run_study(study, tmp_path, resume=True)[0] == rows[0]
    assert {line["case"] for line in table_rows(rows)} == {"0.0", "10.0"}
    assert "results:" in STUDY.summary(rows, tmp_path)


def test_time_reversed_data_are_the_same_spikes_backwards():
    made = experiment("random-manifolds", samples=16, manifolds=2, units=5, smoothness=3.0, hidden=6)
    data = made.data()
    found = measure(made, made.network(), data.test, made.recipe(16))
    latest = float(data.test.spikes.time.max())
    turned = rv.Dataset(datasets.time_reversed(data.test.spikes, t_end=latest), data.test.target, classes=2)
    assert found["backwards"] == evaluate(made.network(), turned, made.recipe(16))["accuracy"]


@pytest.mark.parametrize("delay", get_args(models.Delays)[1].parts.values(), ids=lambda one: one.name)
def test_layers_take_delays_of_every_kind(delay: models.AbstractDelays):
    net = models.Layers(hidden=4, layers=2, delay=delay).network(
        3, 2, spiking=False, dtype="float32", key=jax.random.key(0)
    )
    assert all(np.isfinite(net.delay(link)).all() for link in net.connections)
    assert ("position" in delay.rates) == (net["hidden1"].position is not None)
    assert net["output"].position is None
