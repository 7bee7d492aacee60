"""The methods of an experiment: each trains, resumes, reports, and is what it says it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.lab import experiment, load_run, run
from ranvier.lab.cli import execute
from ranvier.lab.composition import Experiment
from ranvier.lab.settings import settings
from ranvier.lab.tasks.yin_yang import splits
from ranvier.plots import report
from ranvier.train import RunFolder, evaluate, fit

METHODS = settings(experiment("yin-yang"))["method"].choices
STEPS = {"clock-driven": {"dt": 4.0}, "surrogate": {"dt": 0.5, "beta": 20.0}}
KIND = {"event-driven": rv.EventDriven, "first-spike": rv.FirstSpike, "surrogate": rv.Surrogate}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A tiny run of each method, on few samples and with a coarse map."""
    with pytest.MonkeyPatch.context() as patch:
        few = rv.datasets.Splits(*(rv.datasets.yin_yang_samples(60, seed) for seed in (42, 41, 40)))
        patch.setattr("ranvier.lab.tasks.yin_yang.yin_yang_splits", lambda: few)
        splits.cache_clear()
        patch.setattr(report, "GRID", 4)
        patch.setattr(report, "CHUNK", 30)
        found = {}
        for method in METHODS:
            found[method] = tmp_path_factory.mktemp(method)
            small = {"delay": "axonal", "hidden": 4, "epochs": 1, "batch": 30, "dtype": "float64"}
            run(experiment("yin-yang", method=method, **small, **STEPS.get(method, {})), found[method])
        yield found
    splits.cache_clear()


def test_the_methods_are_those_that_are_named():
    assert list(METHODS) == ["event-driven", "first-spike", "clock-driven", "surrogate"]
    assert [name for name, method in METHODS.items() if not method.exact] == ["surrogate"]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_of_every_method_is_whole(folders: dict[str, Path], method: str):
    result = RunFolder(folders[method]).result()
    assert result["method"] == method
    assert (folders[method] / "report.png").read_bytes().startswith(b"\x89PNG")
    made, network = load_run(folders[method])
    assert made.method.name == method
    simulator = made.recipe(60).simulator
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
    same = ["train", "yin-yang", "--delay", "axonal", "--hidden", "4", "--epochs", "1", "--batch", "30"]
    same += ["--dtype", "float64", "--resume", "--dt", "0.5", "--out", str(folders["surrogate"])]
    assert execute([*same, "--method", "surrogate", "--beta", "20"]) == 0
    assert execute([*same, "--method", "clock-driven"]) == 1
    said = capsys.readouterr().err
    assert "method was 'surrogate', now 'clock-driven'" in said
    assert said.endswith("more. Resume with the same, or choose another folder.\n")


def test_gradients_of_a_surrogate_are_not_checked(folders: dict[str, Path], capsys: pytest.CaptureFixture[str]):
    assert execute(["check-gradients", str(folders["surrogate"])]) == 2
    assert "surrogate gradients, which are not the derivatives of the simulation" in capsys.readouterr().err


# Temporal order


def orders(method: str, **changes: Any) -> Experiment:
    return experiment("temporal-order", method=method, dtype="float64", **changes)


def test_the_known_delays_solve_temporal_order_and_the_opposite_is_always_wrong():
    made = orders("event-driven", delay_std=0.0)
    data, recipe, start = made.data().test, made.recipe(2), made.network()
    assert np.asarray(start.delay(start.connections[0])).tolist() == [[0.0, 10.0], [10.0, 0.0]]
    assert evaluate(start, data, recipe)["accuracy"] == 0.0
    solved = eqx.tree_at(lambda net: net.connections[0].delay.raw, start, 10.0 * jnp.eye(2))
    assert evaluate(solved, data, recipe)["accuracy"] == 1.0
    equal = eqx.tree_at(lambda net: net.connections[0].delay.raw, start, jnp.zeros((2, 2)))
    assert evaluate(equal, data, recipe)["accuracy"] == 0.0  # a tie is no answer


@pytest.mark.parametrize("method", ["event-driven", "surrogate"])
def test_temporal_order_is_learned(method: str):
    made = orders(method, **({"dt": 0.5} if method == "surrogate" else {}))
    data = made.data()
    fitted = fit(made.network(), data.train, data.validation, made.recipe(2), key=jax.random.key(0))
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
    assert load_run(tmp_path)[0] == experiment("temporal-order", seed=2)
    assert execute(["check-gradients", str(tmp_path), "--samples", "1"]) == 0
    assert "delay " in capsys.readouterr().out


def test_the_gap_must_be_a_time():
    with pytest.raises(ValueError, match="`gap` must be a time in ms above 0; got 0"):
        rv.datasets.temporal_order_samples(0.0)
