"""The study of delays by distance: kinds start alike, numbers are searched alike, and it goes on where it stopped."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.hardware import InTheLoop
from ranvier.lab import composition, experiment, methods, run
from ranvier.lab.cli import execute
from ranvier.lab.ranges import SettingError
from ranvier.lab.spacing import spacing
from ranvier.lab.studies import spatial
from ranvier.lab.studies.space import search as search_module
from ranvier.lab.studies.space.afterwards import _evaluation, _numbers, moved_spikes, pruned, rounded
from ranvier.lab.studies.space.cases import KINDS, Case
from ranvier.lab.studies.spatial import Study, run_study
from ranvier.lab.studies.together import rows as rows_module
from ranvier.lab.studies.together import training as together
from ranvier.lab.studies.together.case import Numbers, data
from ranvier.lab.studies.together.training import Trained
from ranvier.lab.view import view
from ranvier.train import RunError
from test_delay_studies import Smooth

NUMBERS = Numbers(weight_lr=0.05, delay_lr=0.02, weight_mean=2.0, weight_std=1.0, delay_std=0.1)


@pytest.mark.parametrize("dimensions", [1, 2, 3, 8])
def test_layers_are_spaced_so_that_delays_start_as_wanted(dimensions: int):
    apart, spread = spacing(0.5, 0.1, dimensions)
    rng = np.random.default_rng(1)
    one, other = (rng.normal(0.0, spread, (20_000, dimensions)) for _ in range(2))
    far = np.linalg.norm(one - other + apart * np.eye(dimensions)[0], axis=1)
    assert far.mean() == pytest.approx(0.5, rel=0.01)
    assert far.std() == pytest.approx(0.1, rel=0.02)
    with pytest.raises(SettingError, match="is too large for distances of mean 0.5 in 8 dimensions"):
        spacing(0.5, 0.2, 8)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "none"])
def test_every_kind_starts_with_the_same_delays(kind: str):
    """Over seeds: three output neurons alone have no mean position to speak of."""
    nets = [Case(kind, 50).experiment(NUMBERS, seed=seed).network() for seed in range(12)]
    net, delay = nets[0], np.concatenate([np.ravel(net.delay("hidden->output")) for net in nets])
    assert delay.mean() == pytest.approx(0.5, abs=0.03)
    assert delay.std() == pytest.approx(0.1, abs=0.03)
    for link in net.connections:
        assert (link.delay.low, link.delay.high) == (0.0, 1.0)


def test_what_learns_by_kind():
    counts = {"none": 7, "random": 7, "1d": 7 + 1, "3d": 7 + 3, "axonal": 7 + 1, "synaptic": 14}
    more = {"1d": 7, "3d": 21, "axonal": 4}
    for kind, each in counts.items():
        assert Case(kind, 10).parameters == 10 * each + more.get(kind, 0)
    assert Case("random", 10).experiment().model.rates.keys() == {"weight"}
    with pytest.raises(SettingError, match="must be one of none, random, 1d.*got 'radial'"):
        Study(kinds=("radial",))


def test_networks_are_rounded_and_pruned():
    net = Case("2d", 10).experiment(NUMBERS).network()
    link, coarse = net.connections[0], rounded(3, 0.2)(net).connections[0]
    steps = np.asarray(coarse.weight) / float(np.abs(link.weight).max()) * 7
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-4)
    assert np.abs(coarse.weight - link.weight).max() <= float(np.abs(link.weight).max()) / 14 * 1.001
    assert set(np.unique(np.asarray(coarse.delay.value, float).round(4))) <= {0.0, 0.2, 0.4, 0.6, 0.8, 1.0}
    fine = rounded(20, 1e-4)(net)
    np.testing.assert_allclose(fine.connections[0].weight, link.weight, atol=1e-4)
    np.testing.assert_allclose(fine.delay("input->hidden"), net.delay("input->hidden"), atol=1e-4)
    for by, worth in (("weight", np.abs(link.weight)), ("length", -np.asarray(net.delay(link)))):
        left = np.asarray(pruned(0.25, by)(net).connections[0].weight) != 0
        assert left.sum() == 30
        assert worth[left].min() > worth[~left].max()
    assert np.count_nonzero(pruned(0.5, "random")(net).connections[0].weight) == 20


def test_spikes_are_moved_and_in_order():
    test = data().test
    moved = moved_spikes(test, 0.05)
    assert (np.diff(moved.spikes.time, axis=1) >= 0).all()
    at = lambda spikes: np.take_along_axis(np.asarray(spikes.time), np.argsort(spikes.unit, axis=1), axis=1)
    assert (at(moved.spikes) - at(test.spikes)).std() == pytest.approx(0.05, rel=0.05)


@pytest.fixture
def smooth(monkeypatch: pytest.MonkeyPatch):
    """Programs that compile at once."""
    monkeypatch.setattr(methods.FirstSpike, "simulator", lambda self, network, max_spikes, threads: InTheLoop(Smooth()))
    monkeypatch.setattr(together, "CHECKPOINT_SECONDS", -1.0)
    composition._recipe.cache_clear()
    yield
    composition._recipe.cache_clear()


@pytest.mark.usefixtures("smooth")
def test_networks_are_judged_as_they_were_changed():
    case, test = Case("2d", 8), data().test
    strong = Numbers(weight_lr=0.05, delay_lr=0.02, weight_mean=0.0, weight_std=6.0, delay_std=0.1)
    nets = [case.experiment(strong, seed=seed).network() for seed in (0, 1)]
    own = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(rv.partition(net)[0] for net in nets))
    none = np.zeros(2)
    trained = Trained(own, rv.partition(nets[0])[1], none, none.astype(int), none.astype(int), np.zeros((2, 1, 2)))
    evaluate, change = _evaluation(trained, case.recipe(1)), pruned(0.3, "length")
    found = evaluate(_numbers(trained, change), test)
    alone = [rv.train.evaluate(change(net), test, case.recipe(1))["accuracy"] for net in nets]
    np.testing.assert_allclose(found, alone, atol=1e-3)
    assert (found != evaluate(_numbers(trained, lambda net: net), test)).any()


@pytest.mark.usefixtures("smooth")
def test_a_study_searches_trains_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    study = Study(kinds=("2d", "axonal"), hidden=(4,), seeds=(0, 1), epochs=2, candidates=4, search_epochs=1)

    def interrupt(text: str) -> None:
        if "2/2 axonal-4: search, stage 1" in text:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_study(study, tmp_path / "study", say=interrupt)
    with pytest.raises(RunError, match="already holds a run"):
        run_study(study, tmp_path / "study")
    said: list[str] = []
    rows = run_study(study, tmp_path / "study", resume=True, say=said.append)
    assert not any("2d-4: epoch" in text for text in said)  # its row was kept
    assert [row["kind"] for row in rows] == ["2d", "axonal"]
    kept = json.loads((tmp_path / "study" / "axonal-4-stage-1.json").read_text())
    assert len(kept) == 4
    first = json.loads((tmp_path / "study" / "2d-4-stage-1.json").read_text())
    assert {str(row["numbers"]) for row in kept} == {str(row["numbers"]) for row in first}  # the same candidates
    assert kept[0]["validation"] == max(row["validation"] for row in kept)
    for row in rows:
        assert row["delays"][0] == pytest.approx(0.5, abs=0.05)
        assert set(row["afterwards"]) >= {"jitter 0.05 ms", "30% pruned by length", "4 bits, delays in 0.1 ms"}
        assert row["test"]["median"] == pytest.approx(
            np.median([one["test"] for one in row["seeds"].values()]), abs=1e-3
        )
    assert (tmp_path / "study" / "error.png").stat().st_size > 1000
    monkeypatch.setattr(rows_module, "train_case", None)  # nothing is trained again
    monkeypatch.setattr(search_module, "train_case", None)
    assert run_study(study, tmp_path / "study", resume=True) == rows
    assert "2d" in spatial.STUDY.summary(rows, tmp_path)


def test_a_run_can_be_viewed(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    folder = tmp_path / "run"
    run(experiment("temporal-order", epochs=1), folder)
    assert execute(["view", str(folder)]) == 0
    page = (folder / "view.html").read_text()
    assert '"units":["input 0 first","input 1 first"]' in page
    assert '"answer":[' in page  # of leaky integrators: the one that rises highest
    assert view(folder, tmp_path / "one.png", sample=1, place="delays").stat().st_size > 1000
    for wrong, message in [
        (["--sample", "9"], "`sample` must be from 0 to 1"),
        (["--out", str(tmp_path / "x.txt")], "the file must end in .html, .gif, .mp4, .png; got x.txt"),
        (["--place", "nowhere"], "nowhere"),
    ]:
        assert execute(["view", str(folder), *wrong]) > 0
        assert message in capsys.readouterr().err
    assert execute(["view", str(tmp_path)]) == 1


def test_positions_count_as_parameters(tmp_path: Path):
    made = experiment("yin-yang", delay="spatial", hidden=5)
    learn = rv.partition(made.network(), *made.recipe(10).learn)[0]
    assert sum(leaf.size for leaf in jax.tree.leaves(learn)) == 7 * 5 + 2 * (4 + 5 + 3)
