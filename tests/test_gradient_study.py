"""The study of gradients: its tasks, how samples are moved, and small studies from end to end."""

import json
from pathlib import Path

import numpy as np
import pytest

from ranvier.lab.ranges import SettingError
from ranvier.lab.studies.by_gradient.methods import METHODS
from ranvier.lab.studies.by_gradient.problems import PROBLEMS, order_sample, patterns
from ranvier.lab.studies.by_gradient.trial import Case, lie
from ranvier.lab.studies.by_gradient.words import read_words
from ranvier.lab.studies.gradients import Study, chosen, conclusion, run_study, table_rows

SMALL = {"shapes": ("recurrent",), "hidden": 5, "epochs": 2, "count": 40, "seeds": (3,)}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty words; those of class 0 have spikes in the low channels only, those of class 1 in the high ones."""
    rng = np.random.default_rng(0)
    label, count = np.arange(20) % 2, 4000
    unit = rng.integers(0, 3, (20, count)) + 3 * label[:, None]
    time = np.sort(rng.uniform(100.0, 900.0, (20, count)), axis=1)
    part = np.array(["training"] * 12 + ["validation"] * 4 + ["testing"] * 4)
    path = tmp_path_factory.mktemp("words") / "words.npz"
    start = count * np.arange(21)
    start[-1] -= 3  # the last word is shorter
    np.savez(path, off=start, T=time.ravel()[:-3], U=unit.ravel()[:-3], lab=label, spl=part)
    return str(path)


def test_words_are_read_and_padded(words: str):
    train, validation, test = read_words(words)
    assert [part.size for part in (train, validation, test)] == [12, 4, 4]
    assert (train.classes, train.spikes.size, test.spikes.time.shape) == (2, 6, (4, 4000))
    assert test.spikes.unit[3, 3997:].tolist() == [-1] * 3
    with np.load(words) as file:
        np.testing.assert_array_equal(validation.spikes.time[1], file["T"][52000:56000].astype(np.float32))
        np.testing.assert_array_equal(validation.spikes.unit[1], file["U"][52000:56000])


def test_tasks_hide_their_classes_from_counts():
    """In `reversals` the two of a pair are mirror images, in `order` the same inputs fire as often."""
    found = patterns()
    for (time, unit), (back, again) in zip(found[::2], found[1::2], strict=True):
        np.testing.assert_array_equal(unit, again)
        np.testing.assert_allclose(np.sort(100.0 - time), np.sort(back))
    rng, counts = np.random.default_rng(0), np.bincount(found[0][1])
    assert all(np.array_equal(np.bincount(unit), counts) for _, unit in found)
    for label in (0, 1):
        time, unit = order_sample(rng, label)
        means = [np.mean(time[unit // 8 == half]) for half in (0, 1)]
        assert (means[1] > means[0]) == (label == 0)
    for name in ("order", "reversals"):
        train, validation, _ = PROBLEMS[name].data("")
        assert np.ptp(np.bincount(np.asarray(validation.target))) == 0
        assert not np.array_equal(train.spikes.time[0, :9], validation.spikes.time[0, :9])


def test_a_study_trains_compares_and_goes_on(tmp_path: Path):
    study, told = Study(("order",), delays=("synaptic",), methods=("value", "exact"), **SMALL), []
    found = run_study(study, tmp_path / "study", say=told.append)
    rows, cosines = found["rows"], found["cosines"]
    assert [row["case"] for row in rows] == ["order-recurrent-synaptic-value-1", "order-recurrent-synaptic-exact-1"]
    assert len(told) == 4
    for row in rows:
        shares = [epoch["validation_accuracy"] for epoch in row["course"]]
        assert row["validation"] == max(shares) == shares[row["best"] - 1]
        assert 0.0 <= row["test"] <= 1.0
        assert row["test"] * 40 == pytest.approx(round(row["test"] * 40))
    assert rows[0]["course"][0]["loss"] == pytest.approx(rows[1]["course"][0]["loss"], rel=0.5)
    assert [pair["when"] for pair in cosines] == ["before", "after"]
    assert all(-1.0 <= pair["cosine"] < 0.999 and pair["ratio"] > 0 for pair in cosines)
    assert (tmp_path / "study" / "accuracy.png").stat().st_size > 1000
    told.clear()
    again = run_study(study, tmp_path / "study", resume=True, say=told.append)
    assert told == []
    kept = json.loads((tmp_path / "study" / "results.json").read_text())
    assert (again["rows"], again["cosines"]) == (kept["rows"], kept["cosines"]) == (rows, cosines)


def test_a_study_of_words(words: str, tmp_path: Path):
    study = Study(("words",), delays=("none",), methods=("value",), words=words, **(SMALL | {"epochs": 1}))
    (row,) = run_study(study, tmp_path / "study")["rows"]
    assert row["test"] in (0.0, 0.25, 0.5, 0.75, 1.0)
    assert row["course"][0]["spikes_per_neuron"]["hidden"] > 1.0


def test_gradients_lie_to_each_other_as_the_methods_say():
    """Twice the scale is the same direction, and about twice as long, where spikes do not drive each other."""
    case = Case("order", "feedforward", "none", "value", 1.0, 5, 1, 30.0, 40, "")
    (one,) = lie(case, {"before": case.network(0)}, ("value", "value-double"))
    assert (one["one"], one["other"]) == ("value", "value-double")
    assert one["cosine"] == pytest.approx(1.0, abs=1e-5)
    assert one["ratio"] == pytest.approx(2.0, rel=1e-5)


def test_every_method_makes_a_simulator():
    for problem in PROBLEMS.values():
        made = {str(method.simulator(problem)) + str(method.wake()) for method in METHODS.values()}
        assert len(made) == len(METHODS)


def test_the_rate_is_chosen_on_validation_and_what_stopped_is_told():
    at = {"task": "order", "shape": "recurrent", "delay": "none", "seed": 0}
    epoch = {"epoch": 1, "validation_accuracy": 0.7, "spikes_per_neuron": {"hidden": 2.0}, "silent": {"hidden": 0.5}}
    course = [epoch | {"seconds": 3.0}, epoch | {"seconds": 1.0, "validation_accuracy": 0.9, "epoch": 2}]
    rows = [
        at | {"method": "value", "factor": 1.0, "validation": 0.7, "test": 0.99, "course": course},
        at | {"method": "value", "factor": 3.0, "validation": 0.8, "test": 0.75, "course": course},
        at | {"method": "exact", "factor": 1.0, "validation": 0.6, "test": 0.6, "course": course},
        at | {"method": "surrogate", "factor": 1.0, "stopped": "epoch 1: the loss is nan"},
    ]
    assert [row["factor"] for row in chosen(rows)["order", "recurrent", "none", "value"]] == [3.0]
    value, exact, surrogate = table_rows(rows)
    assert (value["test (%)"], value["rate"], value["half way"]) == ("75.0 (75.0 to 75.0)", "3", "2")
    assert (exact["s/epoch"], surrogate["test (%)"], surrogate["seeds"]) == ("2", "stopped", "0/1")
    assert conclusion([rows[2], rows[1]]) == [
        "value against exact: better in 1 of 1 cases, by 15.0 points in the middle (15.0 to 15.0)"
    ]


def test_wrong_numbers_and_files_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="some of exact, exact-recovery, value"):
        Study(methods=("best",))
    with pytest.raises(SettingError, match="one number at least"):
        Study(seeds=())
    with pytest.raises(SettingError, match="hidden must be above 0, or 0 for that of each task"):
        Study(hidden=-1)
    with pytest.raises(SettingError, match="words must be a file"):
        Study(tasks=("words",))
    np.savez(tmp_path / "half.npz", off=np.arange(2), T=np.ones(1))
    with pytest.raises(FileNotFoundError, match="is not a file; give one"):
        read_words(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"it lacks U, lab, spl"):
        read_words(tmp_path / "half.npz")
