"""The doctor: networks that are sick in a known way, and what is found first."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import datasets
from ranvier.checks import Diagnosis, Symptom, diagnose
from ranvier.initializers import constant, normal
from ranvier.lab.cli import execute
from ranvier.train import adam, diagnose_fit
from ranvier.train.stuck import examine, tell

UNITS, HIDDEN, CLASSES, T_END = 10, 20, 3, 150.0
KEY = jax.random.key(0)
MANIFOLDS = datasets.draw_manifolds(classes=CLASSES, units=UNITS, smoothness=3.0, key=KEY)
DATA = datasets.random_manifolds(90, 1, 1, manifolds=MANIFOLDS, key=jax.random.key(1)).train
SPIKES = datasets.channel_spikes(100.0 * DATA.feature, UNITS)
LOSS = partial(rv.losses.cross_entropy, scale=10.0)
GUARDED, GRAZING = rv.EventDriven(max_spikes=30, max_inverse_slope=20.0), rv.EventDriven(max_spikes=30)
READOUT = rv.readouts.MaxPotential("output")


def network(
    neuron: rv.LIF = rv.LIF(20.0, 5.0),  # noqa: B008
    *,
    layers: tuple[int, ...] = (HIDDEN,),
    weight: Any = None,
    delay: Any = None,
    readout: Any = rv.LI(20.0, 5.0),  # noqa: B008
) -> rv.Network:
    """A healthy network, but for what is given."""
    usual = [normal(1.5, 1.5), *[normal(1.0, 1.0)] * (len(layers) - 1), normal(0.0, 0.5)]
    kind = rv.synaptic(0.0, 20.0, init=rv.initializers.uniform(5.0, 15.0)) if delay is None else delay
    sizes = [UNITS, *layers, CLASSES]
    return rv.feedforward(sizes, neuron=neuron, readout=readout, delay=kind, weight=weight or usual, key=KEY)


@dataclasses.dataclass
class Case:
    """What is examined: a healthy one, changed."""

    network: rv.Network = dataclasses.field(default_factory=network)
    spikes: rv.Spikes = SPIKES
    target: np.ndarray = dataclasses.field(default_factory=lambda: DATA.label)
    t_end: float = T_END
    readout: Any = READOUT
    loss: Any = LOSS
    rates: dict[str, float] = dataclasses.field(default_factory=lambda: {"weight": 0.02})
    history: tuple[dict[str, float], ...] = ()
    simulator: Any = GUARDED

    def examined(self) -> Diagnosis:
        return diagnose(
            self.network, self.spikes, self.simulator, t_end=self.t_end, readout=self.readout, loss=self.loss,
            target=self.target, rates=self.rates, history=self.history,
        )  # fmt: skip


def scaled(factor: float, *links: str) -> rv.Network:
    made = network()
    for name in links or ("input->hidden", "hidden->output"):
        made = eqx.tree_at(lambda tree, name=name: tree[name].weight, made, made[name].weight * factor)
    return made


def timed(change: Callable[[Any], Any]) -> rv.Spikes:
    return dataclasses.replace(SPIKES, time=change(SPIKES.time))


SPIKING = rv.readouts.FirstSpike("output")
FIRST = partial(rv.losses.first_spike_cross_entropy, tau=5.0)


def grazing() -> Case:
    """One neuron comes to its threshold by 1e-13 of it."""
    one = rv.Spikes(5.0 + 0.1 * np.arange(20.0)[:, None], np.zeros((20, 1), int), size=1)
    populations = {"input": rv.Population(1), "hidden": rv.Population(1, rv.LIF(20.0, 5.0)),
                   "output": rv.Population(2, rv.LI(20.0, 5.0))}  # fmt: skip
    peak = np.max(np.exp(-(t := np.linspace(0, 60, 2_000_001)) / 20) - np.exp(-t / 5)) * 5 / 15
    weight = jnp.array([[(1 + 1e-12) / peak]])
    links = [rv.Connection("input", "hidden", weight), rv.Connection("hidden", "output", jnp.array([[0.6, 0.2]]))]
    return Case(rv.Network(populations, links), one, np.arange(20) % 2, 60.0,
                rv.readouts.Potential("output", 30.0), simulator=GRAZING)  # fmt: skip


def collapsed() -> rv.Network:
    made = network()
    raised = made["hidden->output"].weight.at[:, 1].add(2.0)
    return eqx.tree_at(lambda tree: tree["hidden->output"].weight, made, raised)


def not_finite() -> rv.Network:
    made = network()
    broken = made["input->hidden"].weight.at[0, 0].set(jnp.nan)
    return eqx.tree_at(lambda tree: tree["input->hidden"].weight, made, broken)


SHUFFLED = np.random.default_rng(5).permutation(DATA.label)
SICK: dict[str, tuple[Callable[[], Case], Symptom, str]] = {
    "weights 30 times too small": (lambda: Case(scaled(1 / 30)), Symptom.SILENT, "hidden"),
    "weights 30 times too large": (lambda: Case(scaled(30.0)), Symptom.SATURATED, "hidden"),
    "inhibitory weights": (lambda: Case(scaled(-1.0, "input->hidden")), Symptom.SILENT, "hidden"),
    "a threshold of 50": (lambda: Case(network(rv.LIF(20.0, 5.0, v_threshold=50.0))), Symptom.SILENT, "hidden"),
    "delays beyond the end": (
        lambda: Case(network(delay=rv.synaptic(0.0, 400.0, init=rv.initializers.uniform(160.0, 300.0)))),
        Symptom.LATE_ARRIVAL, "hidden",
    ),
    "one dead layer": (
        lambda: Case(network(layers=(HIDDEN, HIDDEN), weight=[normal(1.5, 1.5), normal(0.0, 1e-3), normal(0.0, 0.5)])),
        Symptom.SILENT, "hidden2",
    ),
    "learning rate too high": (lambda: Case(rates={"weight": 2.0}), Symptom.STEP_TOO_LARGE, "weight"),
    "a loss that rises": (
        lambda: Case(rates={"weight": 0.1}, history=({"loss": 1.1}, {"loss": 2.0}, {"loss": 4.0})),
        Symptom.STEP_TOO_LARGE, "weight",
    ),
    "learning rate too low": (lambda: Case(rates={"weight": 1e-7}), Symptom.STEP_TOO_SMALL, "weight"),
    "labels shuffled": (lambda: Case(target=SHUFFLED), Symptom.LABELS, "labels"),
    "one class only": (lambda: Case(target=np.ones(90, int)), Symptom.ONE_LABEL, "labels"),
    "inputs in seconds": (lambda: Case(spikes=timed(lambda time: time / 1000)), Symptom.TIME_UNIT, "input"),
    "inputs in microseconds": (lambda: Case(spikes=timed(lambda time: time * 1000)), Symptom.TIME_UNIT, "input"),
    "the simulation ends too early": (
        lambda: Case(t_end=40.0, readout=rv.readouts.MaxPotential("output")),
        Symptom.LATE_INPUT, "input",
    ),
    "no input spikes": (
        lambda: Case(spikes=dataclasses.replace(SPIKES, time=jnp.full_like(SPIKES.time, jnp.inf))),
        Symptom.NO_INPUT, "input",
    ),
    "all spikes of one unit": (
        lambda: Case(spikes=rv.Spikes(SPIKES.time, np.zeros_like(SPIKES.unit)).with_size(UNITS)),
        Symptom.NO_INPUT, "input",
    ),
    "time constants in seconds": (lambda: Case(network(rv.LIF(0.02, 0.005))), Symptom.TIME_CONSTANT, "hidden"),
    "outputs without weights": (lambda: Case(scaled(0.0, "hidden->output")), Symptom.READOUT, "output"),
    "outputs that never fire": (
        lambda: Case(network(readout=None, weight=[normal(1.5, 1.5), normal(0.0, 0.02)]), readout=SPIKING, loss=FIRST),
        Symptom.SILENT, "output",
    ),
    "one answer to everything": (lambda: Case(collapsed()), Symptom.COLLAPSE, "output 1"),
    "delays at a bound": (
        lambda: Case(network(delay=rv.synaptic(0.0, 20.0, init=constant(0.01)))), Symptom.DELAY_AT_BOUND,
        "input->hidden",
    ),
    "a spike that grazes its threshold": (grazing, Symptom.EXPLODING, "input->hidden.weight"),
    "weights that are not finite": (lambda: Case(not_finite()), Symptom.NOT_FINITE, "input->hidden"),
    "a loss that hardly depends on outputs": (
        lambda: Case(loss=partial(rv.losses.cross_entropy, scale=1e-12)), Symptom.VANISHING, "input->hidden.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SICK)
def test_what_is_wrong_is_found_first(name: str):
    make, symptom, where = SICK[name]
    found = make().examined()
    assert found.findings, found
    first = found.findings[0]
    assert (first.symptom, first.where) == (symptom, where), str(found)
    assert first.cause.endswith(".")
    assert first.advice.endswith(".")


def test_a_healthy_network_has_nothing():
    found = Case().examined()
    assert found.healthy, str(found)
    assert "Nothing conspicuous" in str(found)
    assert found.vitals.answers is not None


def test_numbers_are_those_of_the_simulation():
    case = Case(scaled(1 / 30))
    found = case.examined()
    record = {"hidden": np.linspace(0, T_END, 101)[1:]}
    solution = rv.simulate(case.network, SPIKES, case.simulator, t_end=T_END, record=record)
    peak = np.asarray(solution.voltages["hidden"]).max(axis=(0, 1))
    assert found.findings[0].number == pytest.approx(np.median(peak))
    assert f"Multiply them by {1.5 / np.median(peak):.2g}" in found.findings[0].advice
    gradient = found.vitals.gradients
    assert set(gradient) == {
        f"{link}.{field}" for link in ("input->hidden", "hidden->output") for field in ("weight", "delay")
    }


def test_findings_are_sorted_and_told_in_words():
    found = Case(scaled(30.0), rates={"weight": 1e9}).examined()
    ranks = [finding.likelihood for finding in found.findings]
    assert ranks == sorted(ranks, reverse=True)
    assert len(ranks) >= 2
    assert str(found).startswith("1. ")


def test_the_advice_helps():
    """Weights multiplied as advised: the neurons fire, and nothing is left."""
    sick = Case(scaled(1 / 30, "input->hidden"))
    factor = float(sick.examined().findings[0].advice.split(" by ")[1].rstrip("."))
    better = eqx.tree_at(lambda tree: tree["input->hidden"].weight, sick.network, replace_fn=lambda w: factor * w)
    assert Symptom.SILENT not in [one.symptom for one in Case(better).examined().findings]


def test_a_diagnosis_is_drawn():
    found = Case(scaled(1 / 30)).examined()
    axes = found.draw().axes
    assert [one.get_title(loc="left") for one in axes[:2]] == ["spikes per sample", "largest potential"]
    words = "".join(text.get_text() for text in axes[-1].texts)
    assert "silent neurons" in words


def test_a_gradient_that_is_refused_is_told():
    found = Case(
        readout=rv.readouts.SpikeCount("hidden"), loss=lambda value, target: value.sum(), simulator=GRAZING
    ).examined()
    assert "No gradient" in str(found)


def test_spikes_without_a_batch_are_refused():
    with pytest.raises(ValueError, match="must have shape"):
        diagnose(network(), rv.Spikes([1.0], [0], size=UNITS), rv.EventDriven(), t_end=9.0)


# In training ---------------------------------------------------------------------------------------------------------


def fitted(weight: Any, **options: Any) -> rv.train.Fitted:
    train = rv.Dataset(SPIKES, DATA.label)
    recipe = rv.Recipe(GUARDED, t_end=T_END, readout=READOUT, loss=LOSS, optimiser=adam(0.01), epochs=4, batch=30)
    return rv.fit(network(weight=weight), train, train, recipe, key=KEY, **options)


def test_training_that_does_not_move_calls_the_doctor_once(caplog: pytest.LogCaptureFixture):
    called = []
    fitted(constant(1e-6), stuck=lambda story, found: called.append((story, found)))
    assert len(called) == 1
    assert called[0][0].startswith("Training makes no progress: the loss was 1.099 in epoch 1")
    assert called[0][1].findings[0].symptom is Symptom.SILENT
    tell(*called[0])
    assert "silent neurons (hidden)" in caplog.text
    assert "fit(..., stuck=None)" in caplog.text


def test_training_that_moves_and_one_that_wants_no_doctor_do_not_call_it(caplog: pytest.LogCaptureFixture):
    fitted(constant(1e-6), stuck=None)
    fitted(None)
    assert caplog.text == ""


def test_a_run_and_a_task_are_diagnosed_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert execute(["train", "temporal-order", "--epochs", "1", "--out", str(tmp_path / "run"), "--quiet"]) == 0
    picture = tmp_path / "health.png"
    assert execute(["diagnose", str(tmp_path / "run"), "--picture", str(picture)]) == 0
    assert "population" in capsys.readouterr().out
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert execute(["diagnose", "nothing"]) == 2
    assert "TARGET must be a run folder" in capsys.readouterr().err


def test_the_folder_of_a_fit_is_diagnosed(tmp_path: Path):
    fitted(constant(1e-6), stuck=None, out=tmp_path)
    assert diagnose_fit(tmp_path).findings[0].symptom is Symptom.SILENT


def test_advice_never_ends_training(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    def broken(*given: object, **options: object) -> None:
        message = "too many samples"
        raise MemoryError(message)

    monkeypatch.setattr("ranvier.train.loop.examine", broken)
    assert len(fitted(constant(1e-6)).epochs) == 4
    assert "There is no diagnosis: too many samples" in caplog.text


def test_samples_sorted_by_class_are_not_of_one_class():
    order = np.argsort(np.tile(DATA.label, 10), kind="stable")
    spikes = jax.tree.map(lambda leaf: np.tile(leaf, (10, 1))[order], SPIKES)
    data = rv.Dataset(spikes, np.tile(DATA.label, 10)[order])
    recipe = rv.Recipe(GUARDED, t_end=T_END, readout=READOUT, loss=LOSS, optimiser=adam(0.01), epochs=1, batch=30)
    found = examine(network(), data, recipe)
    assert len(np.unique(found.vitals.target)) == 3
    assert Symptom.ONE_LABEL not in [finding.symptom for finding in found.findings]


def test_one_sample_of_each_class_says_nothing_of_labels():
    ten = np.arange(10)
    found = Case(spikes=jax.tree.map(lambda leaf: leaf[:10], SPIKES), target=ten % 3).examined()
    assert Symptom.LABELS not in [finding.symptom for finding in found.findings]
