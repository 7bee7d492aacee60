"""The methods of an experiment: each trains, resumes, reports, and is what it says it is."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ranvier.experiments import EXACT, EXPERIMENTS, METHODS, TemporalOrder, load_run, run, yin_yang
from ranvier.experiments.experiment import METHODS as NAMES
from ranvier.experiments.yin_yang_experiment import splits

import ranvier as rv
from ranvier.lab.cli import execute
from ranvier.plots import report
from ranvier.train import RunFolder, evaluate, fit

STEPS = {"clock-driven": {"dt": 4.0}, "surrogate": {"dt": 0.5, "beta": 20.0}}
KIND = {"event-driven": rv.EventDriven, "first-spike": rv.FirstSpike}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A tiny run of each method, on few samples and with a coarse map."""
    with pytest.MonkeyPatch.context() as patch:
        few = rv.datasets.Splits(*(rv.datasets.yin_yang_samples(60, seed) for seed in (42, 41, 40)))
        patch.setattr("ranvier.experiments.yin_yang_experiment.yin_yang_splits", lambda: few)
        splits.cache_clear()
        patch.setattr(report, "GRID", 4)
        patch.setattr(report, "CHUNK", 30)
        found = {}
        for method in METHODS:
            found[method] = tmp_path_factory.mktemp(method)
            experiment = yin_yang(
                "axonal", method=method, hidden=4, epochs=1, batch=30, dtype="float64", **STEPS.get(method, {})
            )
            run(experiment, found[method])
        yield found
    splits.cache_clear()


def test_the_methods_are_those_that_are_named():
    assert tuple(METHODS) == NAMES
    assert set(EXACT) == set(METHODS) - {"surrogate"}


@pytest.mark.parametrize("method", NAMES)
def test_a_run_of_every_method_is_whole(folders: dict[str, Path], method: str):
    result = RunFolder(folders[method]).result()
    assert result["method"] == method
    assert (folders[method] / "report.png").read_bytes().startswith(b"\x89PNG")
    experiment, network = load_run(folders[method])
    assert experiment.method == method
    simulator = experiment.recipe(60).simulator
    assert isinstance(simulator, KIND.get(method, rv.ClockDriven))
    assert len(network.connections) == 2


@pytest.mark.parametrize("method", ["first-spike", "clock-driven"])
def test_exact_methods_train_the_same_network(folders: dict[str, Path], method: str):
    """Two steps of Adam, in float64: spikes and gradients are the same, so the networks are."""
    one, other = (jax.tree.leaves(load_run(folders[name])[1]) for name in ("event-driven", method))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


def test_surrogate_training_is_another_one(folders: dict[str, Path]):
    start = jax.tree.leaves(load_run(folders["surrogate"])[0].network())
    exact, other = (jax.tree.leaves(load_run(folders[name])[1]) for name in ("event-driven", "surrogate"))
    moved = [np.abs(a - b).max() for a, b in zip(start, other, strict=True)]
    assert max(moved) > 1e-3
    assert any(not np.allclose(a, b, rtol=1e-3) for a, b in zip(exact, other, strict=True))


def test_a_finished_run_is_read_by_the_same_method_only(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    same = [
        "train",
        "yin-yang",
        "--delay",
        "axonal",
        "--hidden",
        "4",
        "--epochs",
        "1",
        "--batch",
        "30",
        "--dtype",
        "float64",
        "--resume",
        "--set",
        "dt=0.5",
    ]
    same += ["--out", str(folders["surrogate"])]
    assert execute([*same, "--method", "surrogate", "--set", "beta=20"]) == 0
    assert execute([*same, "--method", "clock-driven"]) == 1
    said = capsys.readouterr().err
    assert "method was 'surrogate', now 'clock-driven'" in said
    assert "beta was 20.0, now 100.0" in said


def test_a_run_from_before_methods_is_loaded_and_resumed(folders: dict[str, Path], tmp_path: Path):
    old = json.loads((folders["event-driven"] / "config.json").read_text())
    for name in ("method", "dt", "beta", "detach_time"):
        del old["options"][name]
    del old["implied"]["record"]
    for path in folders["event-driven"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(old))
    experiment, _ = load_run(tmp_path)
    assert experiment.method == "event-driven"
    assert run(experiment, tmp_path, resume=True) == RunFolder(tmp_path).result()
    done = RunFolder(tmp_path).result()
    (tmp_path / "metrics.json").unlink()  # not finished: it goes on from its checkpoint
    assert run(experiment, tmp_path, resume=True)["test_loss"] == done["test_loss"]


def test_gradients_of_a_surrogate_are_not_checked(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    assert execute(["check-gradients", str(folders["surrogate"])]) == 2
    assert "surrogate gradients, which are no derivatives of the simulation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "guess"}, "method must be one of event-driven, first-spike, clock-driven, surrogate; got 'guess'"),
        ({"method": "surrogate", "dt": math.nan}, "dt must be above 0; got nan"),
        ({"dt": 0.5}, "dt is of no use to the method event-driven, only to clock-driven and surrogate; leave it out"),
        ({"method": "clock-driven", "beta": 5.0}, "beta is of no use to the method clock-driven, only to surrogate"),
        (
            {"method": "clock-driven", "max_inverse_slope": 9.0},
            "max_inverse_slope is of no use to the method clock-driven",
        ),
    ],
)
def test_numbers_that_a_method_has_no_use_for_are_refused(changes: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        yin_yang(**changes)


def test_what_suits_a_method_gives_way_to_what_is_asked_for():
    surrogate, asked = (
        yin_yang("none", method="surrogate"),
        yin_yang("none", method="surrogate", loss="relative", batch=7),
    )
    assert (surrogate.loss, surrogate.batch, surrogate.weight_mean) == ("potential", 25, 1.0)
    assert (surrogate.weight_std, surrogate.delay_std, surrogate.weight_lr) == (2.0, 0.06, 0.04)  # none of the kind's
    assert (asked.loss, asked.batch) == ("relative", 7)
    assert surrogate.times[-1] < surrogate.t_end
    assert asked.times == ()
    assert not surrogate.network().neurons["output"].spiking
    assert asked.network().neurons["output"].spiking


# Temporal order


def orders(method: str, **changes: Any) -> Any:
    return TemporalOrder(method=method, dtype="float64", **changes)


def test_the_known_delays_solve_temporal_order_and_the_opposite_is_always_wrong():
    experiment = orders("event-driven", delay_std=0.0)
    data, recipe, start = experiment.data().test, experiment.recipe(2), experiment.network()
    assert np.asarray(start.delay(start.connections[0])).tolist() == [[0.0, 10.0], [10.0, 0.0]]
    assert evaluate(start, data, recipe)["accuracy"] == 0.0
    solved = eqx.tree_at(lambda net: net.connections[0].delay.raw, start, 10.0 * jnp.eye(2))
    assert evaluate(solved, data, recipe)["accuracy"] == 1.0
    equal = eqx.tree_at(lambda net: net.connections[0].delay.raw, start, jnp.zeros((2, 2)))
    assert evaluate(equal, data, recipe)["accuracy"] == 0.0  # a tie is no answer


@pytest.mark.parametrize("method", ["event-driven", "surrogate"])
def test_temporal_order_is_learned(method: str):
    experiment = orders(method, record_every=1.0, **({"dt": 0.5} if method == "surrogate" else {}))
    data = experiment.data()
    fitted = fit(experiment.network(), data.train, data.validation, experiment.recipe(2), key=jax.random.key(0))
    seen = [line["validation_accuracy"] for line in fitted.epochs]
    assert seen[0] == 0.0
    assert seen.index(1.0) < 8


def test_a_run_of_temporal_order_is_drawn_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert execute(["train", "temporal-order", "--out", str(tmp_path), "--seed", "2", "--quiet"]) == 0
    result = RunFolder(tmp_path).result()
    assert (result["name"], result["parameters"], result["delays"], result["test_accuracy"]) == (
        "temporal-order",
        4,
        4,
        1,
    )
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(load_run(tmp_path)[0], EXPERIMENTS["temporal-order"])
    assert execute(["check-gradients", str(tmp_path), "--samples", "1"]) == 0
    assert "delay " in capsys.readouterr().out


def test_the_gap_must_be_a_time():
    with pytest.raises(ValueError, match="`gap` must be a time in ms above 0; got 0"):
        rv.datasets.temporal_order_samples(0.0)
