"""The folder of any `fit`: it can be drawn, checked and loaded without the code that trained, whatever was trained."""

import dataclasses
import json
import math
import re
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import losses, readouts
from ranvier.train import (
    Dataset,
    Fitted,
    Recipe,
    RunError,
    RunFolder,
    adam,
    answers,
    check_fit,
    draw_fit,
    evaluate,
    fit,
    write_fit_page,
)
from ranvier.train.fit_facts import advice, known_of_fit
from ranvier.train.picture import read_fit
from ranvier.train.portable import from_json, to_json
from ranvier.train.samples import read_samples

KEY = jax.random.key(3)


def trains(samples: int, seed: int) -> rv.Spikes:
    times = np.sort(np.random.RandomState(seed).rand(samples, 3) * 10, axis=1)
    return rv.Spikes(times, np.random.RandomState(seed + 1).randint(0, 2, times.shape).astype(np.int32), 2)


def classes(samples: int, seed: int) -> Dataset:
    return Dataset(trains(samples, seed), np.random.RandomState(seed).randint(0, 3, samples), classes=3)


def numbers(samples: int, seed: int) -> Dataset:
    return Dataset(trains(samples, seed), np.random.RandomState(seed).rand(samples, 3))


SPIKING = Recipe(
    rv.EventDriven(max_spikes=1),
    t_end=30.0,
    readout=readouts.FirstSpike("output"),
    loss=partial(losses.relative_time_mse, margin=0.3),
    optimiser=adam(0.01),
    epochs=2,
    batch=10,
)
QUIET = dataclasses.replace(
    SPIKING, readout=readouts.Potential("output", 20.0), loss=losses.squared_error, simulator=rv.EventDriven()
)


def network(readout: Any = None) -> rv.Network:
    neuron = rv.LIF(10.0, 5.0, refractory=math.inf)
    weight, delay = rv.initializers.normal(3.0, 1.0), rv.synaptic(0.0, 5.0)
    return rv.feedforward([2, 4, 3], neuron=neuron, readout=readout, delay=delay, weight=weight, key=KEY)


def trained(folder: Path, recipe: Recipe = SPIKING, data: Any = classes, net: rv.Network | None = None) -> Fitted:
    net = network(rv.LI(10.0, 5.0) if recipe is QUIET else None) if net is None else net
    return fit(net, data(30, 0), data(20, 1), recipe, out=folder, key=KEY)


def same(one: rv.Network, other: rv.Network) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return jax.tree.structure(one) == jax.tree.structure(other) and all(np.array_equal(a, b) for a, b in pairs)


def test_a_folder_of_classes_has_networks_samples_and_all_answers(tmp_path: Path):
    fitted, files = trained(tmp_path), RunFolder(tmp_path)
    assert same(rv.load(files.network), fitted.network)
    assert same(rv.load(files.initial), network())
    kept, data = read_samples(files), classes(20, 1)
    assert (kept.label == np.asarray(data.target)).all()
    assert (kept.answer == answers(fitted.network, data, SPIKING)).all()
    accuracy = evaluate(fitted.network, data, SPIKING)["accuracy"]
    assert float(np.mean(kept.answer == kept.label)) == accuracy
    first = [int(np.flatnonzero(kept.label == kind)[0]) for kind in range(3)]
    assert np.array_equal(kept.spikes["input"].time, data.spikes.time[np.array(first)])
    assert kept.target.tolist() == [0, 1, 2]
    assert kept.simulator == SPIKING.simulator
    assert draw_fit(tmp_path).read_bytes().startswith(b"\x89PNG")
    run = read_fit(files)
    assert list(run.spikes) == ["input", "hidden", "output"]
    assert run.voltages == {}
    wanted = rv.simulate(fitted.network, kept.spikes, SPIKING.simulator, t_end=30.0).spikes["output"].time
    assert np.array_equal(run.spikes["output"].time, wanted)


def sections(page: Path) -> list[str]:
    (data,) = re.findall(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    return [section["title"] for section in json.loads(data)["sections"]]


def test_the_folder_of_any_fit_has_a_page(tmp_path: Path):
    trained(tmp_path)
    page = write_fit_page(tmp_path, tmp_path / "mine.html")
    assert page == tmp_path / "mine.html"
    assert sections(page) == ["Summary", "Learning", "Answers", "Samples", "Weights and delays", "Operations", "Doctor",
                              "Configuration"]  # fmt: skip
    assert advice(lambda: check_fit(tmp_path / "none", key=KEY)) == [
        ("There is no diagnosis", f"{tmp_path / 'none'} is not a run folder: it has no config.json.")
    ]
    versions = RunFolder(tmp_path).config()["versions"]
    assert f'["jax","{versions["jax"]}"]' in page.read_text()
    run, known = known_of_fit(tmp_path, doctor=False)
    firsts = [int(np.flatnonzero(run.label == kind)[0]) for kind in range(3)]
    assert known.right == [bool(run.answer[at] == kind) for kind, at in enumerate(firsts)]
    first = RunFolder(tmp_path).epochs()[0]["quantiles"]["input->hidden.weight"]
    assert len(first) == 5
    assert first == sorted(first)


def test_a_run_that_was_refused_leaves_its_folder_to_the_corrected_one(tmp_path: Path):
    with pytest.raises(ValueError, match="population 'hidden' needs neurons that are linear between events"):
        trained(tmp_path / "run", net=rv.feedforward([2, 4, 3], neuron=rv.QIF(), key=KEY))
    folder = RunFolder(tmp_path / "run")
    folder.refuse_run()
    line = {"epoch": 1, "loss": 0.5, "validation_loss": 0.5, "seconds": 1.0}
    folder.start({}, {}, {}, resume=False)
    folder.append_epoch(line)
    folder.forget()
    assert folder.epochs() == [line]  # what was learned is never taken back


def test_a_folder_of_numbers_shows_potentials_instead(tmp_path: Path):
    trained(tmp_path, QUIET, numbers)
    run = read_fit(RunFolder(tmp_path))
    assert run.label is None
    assert run.voltages["output"][1].shape == (10, 400, 3)
    assert run.target.shape == (10, 3)
    assert draw_fit(str(tmp_path)) == tmp_path / "report.png"


def test_a_resumed_run_keeps_the_answers_of_the_best_network(tmp_path: Path):
    """The best epoch may be one before the interruption."""
    spoilt = dataclasses.replace(SPIKING, optimiser=adam(lambda step: jnp.where(step < 3, 0.01, 3.0)), epochs=1)
    trained(tmp_path / "run", spoilt)
    more = dataclasses.replace(spoilt, epochs=3)
    fitted = fit(network(), classes(30, 0), classes(20, 1), more, out=tmp_path / "run", resume=True, key=KEY)
    kept = read_samples(RunFolder(tmp_path / "run"))
    assert fitted.best_epoch == 1
    assert (kept.answer == answers(fitted.network, classes(20, 1), SPIKING)).all()
    assert same(rv.load(tmp_path / "run" / "network.npz"), fitted.network)


def test_gradients_of_a_folder_are_checked_with_its_own_simulator(tmp_path: Path):
    trained(tmp_path, dataclasses.replace(QUIET, learn=("input->hidden.weight", "delay")), numbers,
            network(rv.LI(10.0, 5.0)))  # fmt: skip
    report = check_fit(tmp_path, samples=2, key=KEY)
    assert report.passed, str(report)
    assert [field.name for field in report.fields] == ["input->hidden.weight", "delay"]


class Stop(Exception):
    pass


def test_a_run_that_is_not_finished_shows_its_curves_and_says_so(tmp_path: Path):
    def stop(metrics: Any, network: Any) -> None:
        raise Stop

    with pytest.raises(Stop):
        fit(network(), classes(30, 0), classes(20, 1), SPIKING, out=tmp_path, on_epoch_end=stop, key=KEY)
    run = read_fit(RunFolder(tmp_path))
    assert "not finished" in run.note
    assert len(run.history) == 1
    draw_fit(tmp_path)
    assert sections(write_fit_page(tmp_path)) == ["Summary", "Learning", "Weights and delays", "Configuration"]
    with pytest.raises(RunError, match=r"is not finished; go on with fit\(\.\.\., out=.*, resume=True\) first"):
        check_fit(tmp_path, key=KEY)
    with pytest.raises(RunError, match=r"is not a run folder: it has no config\.json"):
        draw_fit(tmp_path / "nothing")


class Mine(rv.simulation.AbstractSimulator):
    """A simulator of the user's own, which no file can hold."""

    def run(self, network: rv.Network, spikes: dict[str, rv.Spikes], t_end: float, record: Any) -> rv.Solution:
        return SPIKING.simulator.run(network, spikes, t_end, record)


def test_a_simulator_of_ones_own_is_no_obstacle_to_the_rest(tmp_path: Path):
    trained(tmp_path, dataclasses.replace(SPIKING, simulator=Mine()))
    run = read_fit(RunFolder(tmp_path))
    assert "Mine is not a part of ranvier, so no file can hold it" in run.note
    assert (run.spikes, run.label is None) == ({}, False)
    draw_fit(tmp_path)
    assert sections(write_fit_page(tmp_path)) == [
        "Summary", "Learning", "Answers", "Weights and delays", "Configuration"
    ]  # fmt: skip
    with pytest.raises(RunError, match=r"Mine is not a part .*; call ranvier\.checks\.check_gradients with it"):
        check_fit(tmp_path, key=KEY)


def test_a_neuron_of_ones_own_leaves_the_curves(tmp_path: Path):
    """No file holds its functions, and the command line has nobody who could give them."""
    trained(tmp_path, SPIKING)
    state = {"condition": lambda state, own: state[0] - 1.0, "reset": lambda state, own: state, "initial": [0.0]}
    neuron = rv.ODENeuron(lambda t, state, current, own: [current], parameters={}, **state)
    for name in ("network.npz", "initial.npz"):
        rv.save(tmp_path / name, rv.feedforward([2, 2], neuron=neuron, key=KEY))
    assert "functions of your own, which no file holds" in read_fit(RunFolder(tmp_path)).note
    draw_fit(tmp_path)
    assert sections(write_fit_page(tmp_path)) == ["Summary", "Learning", "Weights and delays", "Configuration"]


SIMULATORS = [
    rv.EventDriven(max_spikes=3, max_inverse_slope=math.inf, threads=2),
    rv.EventDriven(gradient=rv.SpikeValue()),
    rv.FirstSpike(),
    rv.ClockDriven(0.1, layout=rv.clock_driven.Exact(history=1, events=5), max_spikes=1),
]


@pytest.mark.parametrize("simulator", SIMULATORS, ids=repr)
def test_simulators_come_back_as_they_were(simulator: Any):
    assert from_json(to_json(simulator)) == simulator


@pytest.mark.parametrize(
    ("fact", "message"),
    [
        ({"class": "os:system", "fields": {}}, "os:system is not known"),
        ({"function": "ranvier.train.portable:importlib"}, "is not known|is not a part of ranvier"),
        ({"class": "ranvier.gone:EventDriven", "fields": {}}, "ranvier.gone:EventDriven is not known to this version"),
        ({"class": "ranvier.closed_form.simulator:FirstSpike", "fields": {"x": 1}}, "has other fields in this version"),
    ],
)
def test_a_file_makes_nothing_but_parts_of_ranvier(fact: Any, message: str):
    with pytest.raises(ValueError, match=message):
        from_json(fact)
