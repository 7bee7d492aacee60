"""The study of gradients: its data file, its trials, and a run from end to end on words of two kinds."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ranvier.lab.ranges import SettingError
from ranvier.lab.studies.gradients import Study, run_study, table_rows
from ranvier.lab.studies.words.trial import gather, read_words

TINY = {"hidden": 5, "epochs": 2, "batch": 4, "seeds": (3,)}


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Twenty words; those of class 0 have spikes in the low channels only, those of class 1 in the high ones."""
    rng = np.random.default_rng(0)
    label, count = np.arange(20) % 2, 4000
    unit = rng.integers(0, 3, (20, count)) + 3 * label[:, None]
    time = np.sort(rng.uniform(100.0, 900.0, (20, count)), axis=1)
    part = np.array(["training"] * 12 + ["validation"] * 4 + ["testing"] * 4)
    path = tmp_path_factory.mktemp("words") / "words.npz"
    np.savez(path, off=count * np.arange(21), T=time.ravel(), U=unit.ravel(), lab=label, spl=part)
    return str(path)


def test_samples_are_padded_and_shifted_only_in_training(words: str):
    data, (trial,) = read_words(words), Study(words, ("value",), ("none",), **TINY).trials
    plain = gather(data, np.array([0, 1]), trial, None)
    assert plain.time.shape == (2, 4096)
    np.testing.assert_array_equal(plain.time[1, :4000], data.time[4000:8000])
    assert plain.unit[0, 4000:].tolist() == [-1] * 96
    moved = gather(data, np.array([1]), trial, np.random.default_rng(1))
    kept = np.isfinite(np.asarray(moved.time[0]))
    assert 0 < kept.sum() <= 4000
    assert np.all(np.diff(np.asarray(moved.time[0])[kept]) >= 0)
    assert np.asarray(moved.unit[0])[kept].max() < data.channels


def test_a_study_trains_tests_and_goes_on(words: str, tmp_path: Path):
    study, told = Study(words, ("value", "exact"), ("synaptic",), **TINY), []
    with jax.numpy_dtype_promotion("standard"):  # optax's schedules divide an integer by a float
        rows = run_study(study, tmp_path / "study", say=told.append)
    assert [row["trial"] for row in rows] == ["value-synaptic-3", "exact-synaptic-3"]
    assert len(told) == 4
    for row in rows:
        shares = [epoch["validation"] for epoch in row["course"]]
        assert row["validation"] == max(shares) == shares[row["best"]]
        assert row["test"] in (0.0, 0.25, 0.5, 0.75, 1.0)
        assert all(np.isfinite(epoch["loss"]) and epoch["norm"] > 0 for epoch in row["course"])
    assert rows[0]["course"][0]["loss"] == pytest.approx(rows[1]["course"][0]["loss"], rel=0.5)
    assert rows[0]["course"][0]["norm"] != rows[1]["course"][0]["norm"]
    again = run_study(study, tmp_path / "study", resume=True)
    assert again == json.loads((tmp_path / "study" / "results.json").read_text())["rows"]
    assert [row["gradient"] for row in table_rows(again)] == ["value", "exact"]


def test_wrong_numbers_and_files_are_refused(tmp_path: Path):
    with pytest.raises(SettingError, match="some of exact, value"):
        Study(methods=("best",))
    with pytest.raises(SettingError, match="one seed"):
        Study(seeds=())
    np.savez(tmp_path / "half.npz", off=np.arange(2), T=np.ones(1))
    with pytest.raises(FileNotFoundError, match="is not a file; give one"):
        read_words(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"it lacks U, lab, spl"):
        read_words(tmp_path / "half.npz")
