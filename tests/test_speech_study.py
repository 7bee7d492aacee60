"""The study of delays on spoken words, small."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

from ranvier.lab import experiment
from ranvier.lab.ranges import SettingError
from ranvier.lab.runs import load_run
from ranvier.lab.studies.speech_delays import CHANGES, Study, learned, run_study, table_rows
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


@pytest.mark.parametrize("kind", ["none", "random", "axonal", "dendritic", "synaptic", "spatial"])
@pytest.mark.parametrize(("layers", "recurrent", "density"), [(1, True, 1.0), (2, True, 0.6), (2, False, 1.0)])
def test_what_learns_is_counted(words: str, kind: str, layers: int, recurrent: bool, density: float):
    made = experiment(words, delay=kind, hidden=4, layers=layers, recurrent=recurrent, density=density)
    leaves = jax.tree.leaves(partition(made.network(), *made.model.rates)[0])
    assert learned(made) == sum(leaf.size for leaf in leaves)


def first(study: Study, kind: str) -> list[np.ndarray]:
    """The delays of inputs and of the layer onto itself, before training."""
    (case,) = [one for one in study.cases if one.kind == kind]
    net = study.experiment(case).network()
    return [np.ravel(net.delay(link)) for link in net.connections[:2]]


def test_delays_start_alike(words: str):
    """Of the same mean, and in three dimensions of the spread of free ones."""
    kinds = ("random", "1d", "2d", "3d", "8d", "synaptic")
    study = Study(words, kinds, hidden=(200,), longest=600.0, seeds=(0,), start="alike")  # so long that few ways bend
    found = {kind: first(study, kind) for kind in kinds}
    for place in (0, 1):
        for kind in kinds:
            assert found[kind][place].mean() == pytest.approx(200.0, rel=0.1), kind
        share = lambda kind, place=place: found[kind][place].std() / found[kind][place].mean()
        assert share("1d") > share("2d") > share("3d") > share("8d")
        assert share("synaptic") == pytest.approx(share("3d"), rel=0.2)
    published = Study(words, ("2d", "synaptic"), hidden=(200,), longest=600.0, seeds=(0,), start="published")
    assert first(published, "2d")[0].mean() == pytest.approx(1.0 + np.sqrt(2) * 20.0 * np.sqrt(np.pi / 2), rel=0.1)
    assert first(published, "synaptic")[0].mean() == pytest.approx(8.0, rel=0.05)
    assert first(published, "synaptic")[0].std() == pytest.approx(1.0, rel=0.1)


def test_a_study_in_space_is_sparse_recurrent_and_tested_afterwards(words: str, tmp_path: Path):
    study = Study(words, ("2d",), hidden=(6,), epochs=1, longest=20.0, seeds=(0,), start="alike", densities=(0.5,),
                  places=("recurrent",), afterwards=True)  # fmt: skip
    (case,), (row,) = study.cases, run_study(study, tmp_path / "study")
    assert case.name == "2d-value-1x6-recurrent-density0.5-only-0"
    made, network = load_run(tmp_path / "study" / case.name)
    inputs, own, out = network.connections
    assert [link.weight.size for link in (inputs, own)] == [round(0.5 * made.task.inputs * 6), 18]
    assert out.weight.size == 6 * len(made.task.classes)
    assert np.unique(network.delay(inputs)).tolist() == [1.0]  # only those of the layer onto itself have lengths
    assert list(row["delays"]) == [inputs.name, own.name]
    assert len(np.unique(network.delay(own))) > 5
    assert set(row["afterwards"]) == set(CHANGES)
    assert all(0.0 <= value <= 1.0 for value in row["afterwards"].values())
    weight = lambda name: np.asarray(CHANGES[name][0](network).connections[0].weight)
    assert np.count_nonzero(weight("60% pruned by weight")) == inputs.weight.size - round(0.6 * inputs.weight.size)
    assert len(np.unique(np.abs(weight("3 bits, delays in 4 ms")))) <= 8


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"kinds": ("ring",)}, "kinds must be some of none, random"), ({"hidden": (0,)}, "hidden must hold one number"),
     ({"seeds": ()}, "seeds must hold one number"), ({"shapes": ("flat",)}, "shapes must be some of recurrent"),
     ({"places": ("here",)}, "places must be some of all, recurrent"),
     ({"kinds": ("2d",), "shapes": ("forward",), "places": ("recurrent",)}, "places must be all where shapes has forward"), ({"densities": (0.0,)}, "densities must be above 0")],
)  # fmt: skip
def test_studies_out_of_range(wrong: dict, message: str):
    with pytest.raises(SettingError, match=message):
        Study(**wrong)


def test_lengths_that_no_delay_has_are_refused(words: str):
    with pytest.raises(SettingError, match="delay_inputs must be true in a network that is not recurrent"):
        experiment(words, delay="spatial", delay_inputs=False, recurrent=False)
