"""The delay study: runs trained in one program are trained as alone, and study and search go on where they stopped."""

import dataclasses
import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import ranvier as rv
from ranvier.hardware import AbstractSubstrate, InTheLoop, Measured
from ranvier.lab import composition, methods
from ranvier.lab.settings import values
from ranvier.lab.studies import delays_yin_yang, delays_yin_yang_search
from ranvier.lab.studies.delays import cases
from ranvier.lab.studies.delays.cases import KINDS, Case, numbers_for, read_numbers
from ranvier.lab.studies.delays_yin_yang import Study, run_study
from ranvier.lab.studies.delays_yin_yang_search import Search, Stage, draw_numbers, run_search
from ranvier.lab.studies.together import case as case_module
from ranvier.lab.studies.together import rows as rows_module
from ranvier.lab.studies.together import training as together
from ranvier.lab.studies.together.case import Numbers, train_case
from ranvier.train import RunError, evaluate, fit

FAST = Numbers(weight_lr=0.1, delay_lr=0.05, weight_mean=2.0, weight_std=1.0, delay_std=0.1)


class Smooth(AbstractSubstrate):
    """Stands for the closed form where only the study is tested: smooth times that depend on weights and delays."""

    def written(self, network: rv.Network) -> rv.Network:
        return network

    def measure(self, network: rv.Network, inputs: dict[str, Array], t_end: float, *, key: Array) -> Measured:
        one, two = network.connections
        arrive = lambda sent, link: sent[:, :, None] + network.delay(link)[None]
        hidden = 2.0 + jnp.tanh(jnp.mean(arrive(inputs["input"], one) * one.weight[None] / 4, axis=1))
        output = 3.0 + jnp.tanh(jnp.mean(arrive(hidden, two) * two.weight[None] / 8, axis=1))
        passed = lambda sent, link: arrive(sent, link)[:, :, 0]
        return Measured({"hidden": hidden, "output": output}, (passed(inputs["input"], one), passed(hidden, two)))


@pytest.fixture(autouse=True)
def smooth(monkeypatch: pytest.MonkeyPatch):
    """Programs that compile at once, few batches, and a checkpoint after every epoch."""
    monkeypatch.setattr(methods.FirstSpike, "simulator", lambda self, network, max_spikes, threads: InTheLoop(Smooth()))
    monkeypatch.setattr(together, "CHECKPOINT_SECONDS", -1.0)
    composition._recipe.cache_clear()
    yield
    composition._recipe.cache_clear()


@pytest.fixture
def chosen(tmp_path: Path) -> Path:
    path = tmp_path / "numbers.json"
    of = {"numbers": dataclasses.asdict(FAST)}
    path.write_text(json.dumps({"chosen": {"axonal": {"3": of, "12": of}}}))
    return path


def arrays(path: Path, name: str) -> list[np.ndarray]:
    """Arrays of a checkpoint whose names contain a word, runs along the first axis."""
    with np.load(path) as file:
        names = [array["name"] for array in json.loads(bytes(file["header"]))["arrays"]]
        members = [member for member in file.files if member != "header"]
        return [file[member] for member, whose in zip(members, names, strict=True) if name in whose]


def test_runs_trained_in_one_program_are_trained_as_alone():
    """Twelve runs, hence groups: each with rates, initial values and an order of samples of its own."""
    slow, slower = (
        dataclasses.replace(FAST, weight_lr=0.005, delay_lr=0.01),
        dataclasses.replace(FAST, weight_lr=0.001, delay_lr=0.005, weight_mean=1.0),
    )
    runs = [(slower if seed == 3 else slow, seed) for seed in range(12)]
    trained = train_case(Case("axonal", 3), runs, epochs=1)
    for at in (3, 11):
        numbers, seed = runs[at]
        alone = Case("axonal", 3).experiment(numbers, epochs=1, seed=seed)
        train, validation, _ = alone.data()
        found = fit(alone.network(), train, validation, alone.recipe(train.size), key=alone.keys[1])
        accuracy = [(line["accuracy"], line["validation_accuracy"]) for line in found.epochs]
        np.testing.assert_allclose(trained.history[at], accuracy, atol=2e-3)
        mine, alone = jax.tree.leaves(trained.own), jax.tree.leaves(rv.partition(found.network)[0])
        for one, other in zip(mine, alone, strict=True):
            np.testing.assert_allclose(one[at], other, atol=1e-5)
            assert not np.allclose(one[at], one[0], atol=1e-2)
    assert trained.doubts == ""


def test_weights_that_do_not_learn_stay(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(KINDS, "delays-only", {"delay": "axonal", "weight": "fixed"})
    case = Case("delays-only", 3)
    steep = dataclasses.replace(FAST, weight_mean=8.0)
    before = case.experiment(steep, seed=5).network()
    trained = train_case(case, [(steep, 5), (steep, 6)], epochs=1)
    for link, at_first in zip(trained.own.connections, before.connections, strict=True):
        np.testing.assert_array_equal(link.weight[0], at_first.weight)
        assert not np.allclose(link.delay.raw[0], at_first.delay.raw, atol=1e-2)


def test_an_epoch_that_cannot_be_trusted_is_counted_and_never_chosen():
    wild = dataclasses.replace(FAST, weight_lr=1e38)
    trained = train_case(Case("axonal", 3), [(wild, 0), (FAST, 0)], epochs=2)
    assert trained.untrusted.tolist() == [2, 0]
    assert trained.epoch[0] == 0
    assert trained.epoch[1] > 0
    assert trained.accuracy[1] == trained.history[1, trained.epoch[1] - 1, 1] == trained.history[1, :, 1].max()
    assert trained.doubts.startswith("2 epochs of 1 runs could not be trusted")


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_those_that_learn(kind: str):
    case = Case(kind, 4)
    recipe = case.recipe(1)
    learn = rv.partition(case.experiment().network(), *recipe.learn)[0]
    assert case.parameters == sum(leaf.size for leaf in jax.tree.leaves(learn))


def test_an_interrupted_study_goes_on(chosen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(together, "CHECKPOINT_SECONDS", math.inf)  # what it goes on from is kept as it stops
    study = Study(("axonal",), (3,), (0, 1), epochs=2, numbers=str(chosen))
    whole = run_study(study, tmp_path / "whole")

    def interrupt(text: str) -> None:
        if "1/1 axonal-3: epoch 1/2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path / "study", say=interrupt)
    with pytest.raises(RunError, match="already holds a run"):
        run_study(study, tmp_path / "study")
    with pytest.raises(RunError, match="epochs was 2, now 3"):
        run_study(dataclasses.replace(study, epochs=3), tmp_path / "study", resume=True)
    said: list[str] = []
    resumed = run_study(study, tmp_path / "study", resume=True, say=said.append)
    assert any("epoch 2/2" in text for text in said)
    assert not any("epoch 1/2" in text for text in said)
    with monkeypatch.context() as patch:
        patch.setattr(rows_module, "train_case", None)  # nothing is trained again
        assert run_study(study, tmp_path / "study", resume=True) == resumed
    without = lambda rows: [{name: value for name, value in row.items() if name != "seconds"} for row in rows]
    assert without(resumed) == without(whole)
    stored = json.loads((tmp_path / "study" / "results.json").read_text())
    assert stored["rows"] == resumed
    assert {"versions", "commit", "device"} <= set(stored)
    path = tmp_path / "study" / "axonal-3.npz"
    steps = {int(count) for counts in arrays(path, "count") for count in counts}
    assert steps == {2 * math.ceil(5000 / 150)}  # the optimiser goes on from epoch to epoch
    trained = train_case(Case("axonal", 3), [(FAST, 0), (FAST, 1)], epochs=2, path=path)
    for at in (0, 1):
        network = rv.combine(jax.tree.map(lambda leaf, at=at: leaf[at], trained.own), trained.fixed)
        tested = evaluate(network, case_module.data().test, Case("axonal", 3).recipe(2))
        assert resumed[0]["seeds"][str(at)]["test"] == pytest.approx(tested["accuracy"], abs=1e-3)
    assert resumed[0]["test"]["median"] == pytest.approx(np.median([it["test"] for it in resumed[0]["seeds"].values()]))
    assert (tmp_path / "study" / "error.png").stat().st_size > 1000


def test_the_search_ends_with_the_best_of_its_last_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    search = Search(("axonal",), (3,), small_stages=(Stage(3, 2, 1), Stage(2, 3, 2)))

    def interrupt(text: str) -> None:
        if "6 runs: epoch 1/2" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_search(search, tmp_path / "search", say=interrupt)
    said: list[str] = []
    found = run_search(search, tmp_path / "search", resume=True, say=said.append)
    assert not any("runs: epoch 1/" in text for text in said)  # neither a finished stage again nor half of this one
    first, last = (json.loads((tmp_path / "search" / f"axonal-3-stage-{at}.json").read_text()) for at in (1, 2))
    drawn = [dataclasses.asdict(numbers) for numbers in draw_numbers(Case("axonal", 3), 3)]
    assert sorted(map(str, drawn)) == sorted(str(row["numbers"]) for row in first)
    assert [len(row["seeds"]) for row in first + last] == [2, 2, 2, 3, 3]
    assert {str(row["numbers"]) for row in last} == {str(row["numbers"]) for row in first[:2]}
    assert last[0]["validation"] == max(row["validation"] for row in last)
    assert found["chosen"]["axonal"]["3"] == last[0]
    assert read_numbers(tmp_path / "search" / "delay_numbers.json")["axonal"][3] == Numbers(**last[0]["numbers"])
    monkeypatch.setattr(delays_yin_yang_search, "train_case", None)  # nothing is trained again
    assert run_search(search, tmp_path / "search", resume=True)["chosen"] == found["chosen"]


def test_every_case_of_the_study_has_committed_numbers():
    chosen = read_numbers()
    for case in Study().cases:
        numbers_for(case, chosen)
    for kind in ("weights", "axonal", "dendritic", "synaptic"):  # and training starts from what was chosen
        usual = values(Case(kind, 30).experiment())
        for field, value in dataclasses.asdict(chosen[kind][30]).items():
            assert usual.get(field) == value or (kind, field[:5]) == ("weights", "delay"), (kind, field)
    committed = json.loads((Path(cases.__file__).parent / cases.CHOSEN).read_text())
    assert committed["search"] == delays_yin_yang_search._plain(Search())


def test_what_makes_no_sense_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="kind must be one of weights, axonal.*got 'radial'"):
        Study(kinds=("radial",))
    with pytest.raises(ValueError, match="hidden must be at least 1; got 0"):
        Search(hidden=(0,))
    with pytest.raises(ValueError, match="fewer candidates from stage to stage"):
        Search(stages=(Stage(2, 1, 1), Stage(3, 1, 1)))
    with pytest.raises(ValueError, match="no numbers were chosen for axonal"):
        numbers_for(Case("axonal", 3), {})
    other = tmp_path / "other.json"
    other.write_text("{}")
    with pytest.raises(ValueError, match="was not written by"):
        delays_yin_yang.Study(numbers=str(other)).describe()
