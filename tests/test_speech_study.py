"""The study of delays on spoken words, and the benchmark of scaling, small."""

import json
from pathlib import Path

import jax
import pytest

from ranvier.lab import experiment
from ranvier.lab.bench import scaling
from ranvier.lab.ranges import SettingError
from ranvier.lab.studies.speech_delays import Study, learned, run_study, table_rows
from ranvier.selection import partition
from spike_sets import write_words


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_words(tmp_path_factory.mktemp("words") / "words.h5"))


def test_a_study_trains_every_case_and_goes_on(words: str, tmp_path: Path):
    study = Study(words, ("none", "synaptic"), hidden=(5,), epochs=1, longest=10.0, seeds=(3,), matched=True)
    rows = run_study(study, tmp_path / "study")
    assert [row["kind"] for row in rows] == ["none", "synaptic"]
    assert all(row["events"] > 0 and 0.0 <= row["test"] <= 1.0 for row in rows)
    assert 0 <= rows[1]["learned"] - rows[0]["learned"] < 40  # as many as fit; one neuron more has some 30
    kept = (tmp_path / "study" / "none-value-1x5-recurrent-3" / "metrics.json").stat().st_mtime_ns
    assert run_study(study, tmp_path / "study", resume=True) == rows
    assert (tmp_path / "study" / "none-value-1x5-recurrent-3" / "metrics.json").stat().st_mtime_ns == kept
    assert json.loads((tmp_path / "study" / "results.json").read_text())["rows"] == rows
    table = table_rows(rows)
    assert [row["kind"] for row in table] == ["none", "synaptic"]
    assert table[0]["hidden"] > table[1]["hidden"] == 5


@pytest.mark.parametrize("kind", ["none", "random", "axonal", "dendritic", "synaptic"])
@pytest.mark.parametrize(("layers", "recurrent"), [(1, True), (2, True), (2, False)])
def test_what_learns_is_counted(words: str, kind: str, layers: int, recurrent: bool):
    made = experiment(words, delay=kind, hidden=4, layers=layers, recurrent=recurrent)
    leaves = jax.tree.leaves(partition(made.network(), *made.model.rates)[0])
    assert learned(made) == sum(leaf.size for leaf in leaves)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"kinds": ("ring",)}, "kinds must be some of none, random"), ({"hidden": (0,)}, "hidden must hold one number"),
     ({"seeds": ()}, "seeds must hold one number"), ({"shapes": ("flat",)}, "shapes must be some of recurrent")],
)  # fmt: skip
def test_studies_out_of_range(wrong: dict, message: str):
    with pytest.raises(SettingError, match=message):
        Study(**wrong)


def test_scaling_measures_and_draws(tmp_path: Path):
    small = {**scaling.USUAL, "duration": 100.0, "hidden": 6, "spikes": 500, "longest": 20.0}
    found = scaling.row({**small, "by": "EventDriven", "repeats": 1})
    assert found["ms_per_sample"] > 0
    assert found["rate_hz"] > 0
    rows = [{**found, **scaling.USUAL, "longest": longest} for longest in (64.0, 128.0)]
    scaling.draw(rows, tmp_path / "scaling.png")
    assert (tmp_path / "scaling.png").stat().st_size > 10_000
