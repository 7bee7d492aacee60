"""Studies: chips trained side by side are trained as alone, an interrupted study goes on, and its files say everything."""

import dataclasses
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import ranvier as rv
from ranvier.hardware import (
    AbstractSubstrate,
    BrainScaleS2,
    DelayTable,
    EmulatedChip,
    InTheLoop,
    Measured,
    measure_delays,
)
from ranvier.lab.studies import brainscales
from ranvier.lab.studies.chips import transfer as chip_transfer
from ranvier.lab.studies.chips.protocol import Protocol, SharedDelay, build_data, build_network, build_recipe
from ranvier.lab.studies.chips.training import train_chips
from ranvier.lab.studies.together.training import Trained
from ranvier.train import Dataset, RunError
from ranvier.train.programs import programs
from ranvier.train.step import initial_state

SMALL = {"hidden": 4, "batch": 1000}


class Toy(AbstractSubstrate):
    """Stands for an emulated chip where only the study is tested: smooth times that depend on all it is given."""

    chip: BrainScaleS2

    def written(self, network: rv.Network) -> rv.Network:
        return network

    def measure(self, network: rv.Network, inputs: dict[str, Array], t_end: float, *, key: Array) -> Measured:
        one, two = network.connections
        own = 0.05 * jnp.asarray(self.chip.chip_seed, jnp.float32)
        noise = own + 0.1 * jax.random.normal(key, (network.size("hidden"),), jnp.float32)
        arrival = inputs["input"] + network.delay(one)[None, :, 0]
        hidden = 3.0 + jnp.exp(-jnp.square(arrival @ one.weight / 8)) + noise[None]
        late = hidden + network.delay(two)[None, :, 0]
        return Measured({"hidden": hidden, "output": 6.0 + jnp.tanh(late @ two.weight / 8)}, (arrival, late))


def test_rows_and_delays_are_aligned():
    """Unit 5 c + r carries coordinate c, and all five rows of a coordinate have its delay."""
    protocol = Protocol("axonal")
    train = build_data(protocol.rows)[0]
    value = (rv.first_spike(train.spikes) - 0.15) / 1.85
    by_row = np.asarray(value).reshape(-1, 4, 5)
    assert np.array_equal(by_row, np.broadcast_to(by_row[:, :, :1], by_row.shape))
    np.testing.assert_allclose(by_row[:, 0, 0] + by_row[:, 2, 0], 1.0, atol=1e-6)
    network = build_network(protocol, 3)
    link = network.connections[0]
    assert isinstance(link.delay, SharedDelay)
    delay = np.asarray(network.delay(link))
    assert len(np.unique(delay)) == 4
    assert np.array_equal(delay.reshape(4, 5), np.repeat(delay[::5], 5, axis=1))
    assert protocol.parameters == sum(
        leaf.size for leaf in jax.tree.leaves(rv.partition(build_network(protocol, 0), "weight", "delay")[0])
    )


def test_chips_trained_side_by_side_are_trained_as_alone():
    protocol = dataclasses.replace(Protocol("axonal", epochs=1), **SMALL)
    make = lambda seed: Toy(BrainScaleS2(seed))
    both = train_chips(protocol, make, np.array([3, 5]))
    recipe = build_recipe(protocol, InTheLoop(make(5)))
    key, one = jax.random.fold_in(jax.random.key(5), 1), jnp.asarray(1, jnp.int32)
    state, _ = programs(recipe).train(
        recipe, initial_state(build_network(protocol, 5), recipe), build_data(5)[0], key, one
    )
    for mine, alone in zip(both.own.connections, state.network.connections, strict=True):
        np.testing.assert_allclose(mine.weight[1], alone.weight, atol=2e-5)
        assert not np.allclose(mine.weight[0], alone.weight, atol=1e-2)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> brainscales.Study:
    """A study of one way, one kind, two chips, two epochs."""
    for module in (brainscales, chip_transfer):
        monkeypatch.setattr(module, "EmulatedChip", Toy)
    monkeypatch.setattr(brainscales, "measure_delays", lambda *_, **__: DelayTable(np.arange(3.0), np.ones((5, 3, 4))))
    monkeypatch.setattr(brainscales, "WAYS", ("chip",))
    monkeypatch.setattr(brainscales, "Protocol", lambda kind, epochs: Protocol(kind, epochs=epochs, **SMALL))
    coarse = chip_transfer.DISTURBANCES[2]._replace(sizes=((4, {"weight_bits": 4}),))
    monkeypatch.setattr(chip_transfer, "DISTURBANCES", (coarse,))
    return brainscales.Study(chips=2, others=1, epochs=2, kinds=("weights",))


def test_an_interrupted_study_goes_on(small: brainscales.Study, tmp_path: Path):
    """Ctrl-C waits for the end of an epoch: the one that training has told of is kept."""

    def interrupt(text: str) -> None:
        if "epoch 1/2" in text:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.1)
            said.append("went on")

    said: list[str] = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            brainscales.run_study(small, tmp_path / "study", say=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert said == ["went on"]
    with pytest.raises(RunError, match="already holds a run"):
        brainscales.run_study(small, tmp_path / "study")
    with pytest.raises(RunError, match="epochs was 2, now 3"):
        brainscales.run_study(dataclasses.replace(small, epochs=3), tmp_path / "study", resume=True)
    said.clear()
    results = brainscales.run_study(small, tmp_path / "study", resume=True, say=said.append)
    assert not any("epoch 1/2" in text for text in said)
    whole = train_chips(small.protocol("weights"), small.substrate("chip"), np.arange(2))
    row: dict[str, Any] = results["transfer"][0]
    assert row["epoch"] == whole.epoch.tolist()
    assert row["validation"]["median"] == pytest.approx(float(np.median(whole.accuracy)))
    assert np.shape(row["seeds"]["others"]) == (2, 1)
    stored = json.loads((tmp_path / "study" / "results.json").read_text())
    assert {"transfer", "robustness", "delay_elements", "versions", "commit"} <= set(stored)
    assert (tmp_path / "study" / "robustness.png").stat().st_size > 1000


def test_networks_are_tested_on_their_own_chip_and_on_one_they_all_share(monkeypatch: pytest.MonkeyPatch):
    """What is tested where, told by a number that is made of network and chip."""
    protocol, seeds = Protocol("weights", **SMALL), np.array([3, 5])
    networks = [rv.partition(build_network(protocol, int(seed))) for seed in seeds]
    own = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(learned for learned, _ in networks))
    trained = Trained(own, networks[0][1], *(np.zeros(2),) * 3, np.zeros((2, 1, 2)))
    of = lambda network: network.connections[0].weight[0, 0]

    def told(_: Protocol, network: rv.Network, chip: EmulatedChip, data: Dataset, key: Array) -> Array:
        assert data is build_data(protocol.rows)[2]  # the test data
        return jnp.asarray(chip.chip.chip_seed, jnp.float32) + of(network)

    monkeypatch.setattr(chip_transfer, "accuracy_on", told)
    found = chip_transfer.transfer(protocol, trained, seeds, BrainScaleS2, others=2)
    mine = np.array([of(learned) for learned, _ in networks])
    np.testing.assert_allclose(found["same"], seeds + mine, rtol=1e-6)
    np.testing.assert_allclose(found["others"], chip_transfer.OTHERS + np.arange(2)[None] + mine[:, None], rtol=1e-6)


def test_delay_elements_are_measured_as_they_are_made():
    chip = dataclasses.replace(BrainScaleS2(2), delay_offset=0.3, delay_jitter=0.06)
    table = measure_delays(EmulatedChip(chip), [10.0, 20.0, 30.0], elements=100, trials=40, key=jax.random.key(0))
    told = table.summary()
    assert abs(told["spread_us"] / 0.3 - 1) < 3 / np.sqrt(200)
    assert abs(told["jitter_us"] / 0.06 - 1) < 0.1
    assert np.ptp(table.deviation, axis=1).max() < 0.1
