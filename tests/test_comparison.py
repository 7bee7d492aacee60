"""Comparing runs: seeds together, configurations apart, fair tests, and no comparison of what cannot be compared."""

import json
import math
import re
from collections.abc import Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser import browse
from ranvier.lab import experiment
from ranvier.lab.cli import execute
from ranvier.lab.comparison import compare_runs, fair_test
from ranvier.lab.comparison.showing import as_text, comparison_page, sentences, spread
from ranvier.lab.config_file import write_config
from ranvier.pages import write_page
from ranvier.train import RunError, RunFolder

IMPLIED = {"training data": "a", "validation data": "b", "key": [0, 1]}


def a_run(folder: Path, test: float | None = 0.9, *, implied: dict[str, Any] = IMPLIED, **options: Any) -> Path:
    """A run folder as `ranvier train` leaves it (as `fit` does, without options), of three epochs."""
    files, whole = RunFolder(folder), {"name": "yin-yang", "delay": "none", "seed": 0} | options
    files.path.mkdir(parents=True)
    files.start(whole if options else {}, implied, {}, resume=False)
    accuracies = np.linspace(0.5, 0.9 if test is None else test, 3)
    for epoch, accuracy in enumerate(accuracies, 1):
        files.append_epoch(
            {"epoch": epoch, "validation_loss": 1 - accuracy, "validation_accuracy": accuracy, "seconds": 2.0}
        )
    files.samples.write_bytes(b"")
    if test is not None:
        files.finish({"test_accuracy": test, "parameters": 12})
    return folder


def seeds(folder: Path, tests: Sequence[float], **options: Any) -> Path:
    for seed, test in enumerate(tests):
        a_run(folder / f"seed-{seed}", test, seed=seed, **options)
    return folder


FIRST, SECOND = (0.9, 0.93, 0.91, 0.95, 0.94, 0.92), (0.88, 0.92, 0.91, 0.9, 0.93, 0.86)


def test_seeds_of_one_configuration_are_one_group(tmp_path: Path):
    found = compare_runs(seeds(tmp_path / "a", FIRST, delay="axonal"), seeds(tmp_path / "b", SECOND))
    assert [(group.name, len(group.runs)) for group in found.groups] == [("A", 6), ("B", 6)]
    assert found.measure == "test accuracy"
    assert found.differences == [("delay", ["axonal", "none"])]
    assert spread(found.groups[0], "test accuracy") == "92.50 % (91.25 to 93.75)"
    assert spread(found.groups[0], "seconds") == "6"
    ((one, other, test),) = found.tests
    assert (one, other, test.paired, test.counts) == ("A", "B", True, (6, 6))
    gaps = np.subtract(FIRST, SECOND)
    flipped = [abs(np.mean(gaps * signs)) for signs in product((1, -1), repeat=6)]
    assert test.p == pytest.approx(np.mean(np.array(flipped) >= abs(gaps.mean()) - 1e-12))
    assert test.difference == pytest.approx(gaps.mean())
    text = as_text(found)
    assert f"A  {tmp_path / 'a'}: delay axonal" in text
    assert "A minus B: mean difference +2.50 points, p = 0.062 (6 pairs of seeds, all sign flips)" in text


def test_without_the_same_seeds_the_test_is_one_of_permutations():
    one, other = {"0": 0.9, "1": 0.95, "2": 0.93}, {"5": 0.88, "6": 0.85, "7": 0.91, "8": 0.86}
    found, both = fair_test(one, other), [*one.values(), *other.values()]
    assert not found.paired
    gaps = []
    for chosen in combinations(range(7), 3):
        mine = [both[at] for at in chosen]
        gaps.append(abs(np.mean(mine) - np.mean([both[at] for at in range(7) if at not in chosen])))
    assert found.p == pytest.approx(np.mean(np.array(gaps) >= abs(found.difference) - 1e-12))
    assert found.least == pytest.approx(2 / math.comb(7, 3))
    assert fair_test(other, one).difference == -found.difference


def test_many_seeds_are_tested_by_drawn_exchanges_and_few_are_told(tmp_path: Path):
    many = {str(seed): 0.9 + 0.001 * (seed % 5) for seed in range(20)}
    found = fair_test(many, {seed: value - 0.01 for seed, value in many.items()})
    assert not found.exact
    assert found.p == pytest.approx(1e-5, rel=0.2)
    few = fair_test({"0": 0.9, "1": 0.95}, {"0": 0.8, "1": 0.82})
    assert (few.p, str(few)) == (
        0.5,
        "p = 0.5 (2 pairs of seeds, all sign flips); with so few seeds p is never below 0.5",
    )
    alone = fair_test({"0": 0.9}, {"0": 0.8})
    assert str(alone) == "no test: one seed says nothing about chance; train at least 6 seeds of each"
    assert alone.difference == pytest.approx(0.1)


def test_chance_has_as_many_tries_as_there_are_tests(tmp_path: Path):
    found = compare_runs(seeds(tmp_path / "a", FIRST, delay="axonal"), seeds(tmp_path / "b", SECOND),
                         seeds(tmp_path / "c", np.subtract(FIRST, 0.2), delay="synaptic"))  # fmt: skip
    alone = [fair_test(*(group.values("test accuracy") for group in found.groups[:2])).p, 2 / 64, 2 / 64]
    assert alone[0] == 4 / 64
    assert [test.p for *_, test in found.tests] == pytest.approx([3 / 32, 3 / 32, 3 / 32])  # the order of p is kept
    assert found.tests[0][2].least == pytest.approx(6 / 64)
    assert all("Holm for 3 tests" in one for one in sentences(found))


REFUSED = [
    ({"name": "mnist"}, {}, "one learned yin-yang, the other mnist. Compare runs of one task."),
    ({"t_late": 3.0}, {"validation data": "c"}, "they have other validation data, so their .* differ in t_late"),
    ({"delay": "none"}, {}, "have the same configuration and the same seed .0.; a seed counts once"),
]


@pytest.mark.parametrize(("options", "implied", "message"), REFUSED)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, options: dict, implied: dict, message: str):
    a_run(tmp_path / "a", delay="none")
    a_run(tmp_path / "b", implied=IMPLIED | implied, **options)
    with pytest.raises(ValueError, match=message):
        compare_runs(tmp_path / "a", tmp_path / "b")


def test_folders_without_two_runs_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(RunError, match="holds no run: there is no metrics.jsonl in it or below it"):
        compare_runs(tmp_path)
    with pytest.raises(ValueError, match="there is one run only"):
        compare_runs(a_run(tmp_path / "a", delay="none"))
    (tmp_path / "a" / "samples.npz").unlink()
    assert execute(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 1
    assert "is not finished, 3 epochs are done; go on with it by --resume" in capsys.readouterr().err


def test_other_encodings_of_the_same_samples_are_compared(tmp_path: Path):
    """Their spikes differ, and so the digests, but not the features and labels."""
    for name, late in (("a", 2.0), ("b", 3.0), ("c", 3.0)):
        place = a_run(tmp_path / name, implied=IMPLIED | {"training data": name}, t_late=late)
        write_config(experiment("yin-yang", t_late=late), place / "config.toml")
    assert ("t_late", ["2", "3"]) in compare_runs(tmp_path / "a", tmp_path / "b").differences
    write_config(experiment("intervals"), tmp_path / "c" / "config.toml")
    with pytest.raises(ValueError, match="they have other training data"):
        compare_runs(tmp_path / "a", tmp_path / "c")


def test_runs_of_ones_own_are_told_apart_by_all_but_what_a_seed_decides(tmp_path: Path):
    """Neither the random key nor the values of the initial weights are the configuration."""
    for seed, rate in ((0, 0.1), (1, 0.1), (2, 0.5)):
        own = {
            "key": [0, seed],
            "optimiser.learning_rate": rate,
            "network.connections.0.weight": f"float32[20, 3] {seed}af",
        }
        a_run(tmp_path / str(seed), None, implied=IMPLIED | own)
    found = compare_runs(tmp_path)
    assert [len(group.runs) for group in found.groups] == [2, 1]
    assert found.differences == [("optimiser.learning_rate", ["0.1", "0.5"])]
    assert found.measure == "validation accuracy"
    assert "also chose the epochs" in as_text(found)


def test_of_two_kinds_of_a_part_only_the_learning_rates_are_told(tmp_path: Path):
    kinds: tuple[dict, ...] = (
        {
            "optimiser": "optax.adam",
            "optimiser.b1": 0.9,
            "optimiser.learning_rate": 0.1,
            "loss.scale": 1.0,
            "batch": 2,
        },
        {
            "optimiser": "by_path",
            "optimiser.weight": "sgd",
            "optimiser.weight.learning_rate": 0.5,
            "loss.margin": 2.0,
            "batch": 3,
        },
    )
    for name, own in zip("ab", kinds, strict=True):
        a_run(tmp_path / name, None, implied=IMPLIED | own)
    found = compare_runs(tmp_path)
    assert dict(found.differences) == {
        "optimiser": ["optax.adam", "by_path"], "optimiser.learning_rate": ["0.1", "-"], "batch": ["2", "3"],
        "optimiser.weight.learning_rate": ["-", "0.5"], "loss.scale": ["1", "-"], "loss.margin": ["-", "2"],
    }  # fmt: skip
    assert found.groups[0].words.endswith(": batch 2, optimiser optax.adam")


def test_a_study_whose_seeds_train_together_is_compared_by_its_rows(tmp_path: Path):
    RunFolder(tmp_path).start({}, {}, {"study": "delays-yin-yang"}, resume=False)
    row = lambda kind, tests: {
        "kind": kind, "hidden": 5, "parameters": 35, "test": {"median": 0.9},
        "seeds": {str(seed): {"test": test, "validation": test, "epoch": 3} for seed, test in enumerate(tests)},
    }  # fmt: skip
    rows = [row("weights", SECOND), row("axonal", FIRST)]
    (tmp_path / "results.json").write_text(json.dumps({"rows": rows}))
    found = compare_runs(tmp_path)
    assert found.differences == [("kind", ["weights", "axonal"])]
    assert found.groups[1].values("test accuracy") == {str(seed): test for seed, test in enumerate(FIRST)}
    assert found.tests[0][2].difference == pytest.approx(-0.025)


def test_the_page_of_a_comparison(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    first, second = seeds(tmp_path / "a<b>", FIRST, delay="axonal"), seeds(tmp_path / "b", SECOND)
    page = tmp_path / "c.html"
    assert execute(["compare", str(first), str(second), "--html", str(page)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2] == f"page: {page}"
    assert said[-1] == "result: measure='test accuracy' groups=2 median_A=0.925 median_B=0.905 p_A_B=0.0625"
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    titles = {section["title"]: section["figures"] for section in json.loads(data)["sections"]}
    assert list(titles) == ["Result", "What they differ in", "Learning", "Every run"]
    assert len(titles["Every run"][0]["rows"]) == 12
    points = titles["Result"][1]["groups"]
    assert [round(value) for _, value in points[0][1]] == [90, 93, 91, 95, 94, 92]
    found = browse(page, "", "--dump-dom", size=(390, 800))
    assert 'data-ready="7"' in found
    assert found.count("<circle") == 12
    whole = write_page(tmp_path / "d.html", comparison_page(compare_runs(first)))
    assert 'data-ready="6"' in browse(whole, "", "--dump-dom")
