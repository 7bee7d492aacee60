"""Neuron models against Brian2, run with the same equations, parameters and events."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from brian_reference import DT, EVENTS, EVERY, MODELS, T_END
from populations import run
from ranvier.neurons import AbstractODENeuron

HERE = Path(__file__).parent
FROZEN = json.loads((HERE / "data" / "brian.json").read_text("utf-8"))
CONDUCTANCE = rv.synapses.ConductanceExponential(5.0, e_rev=0.0)
NEURONS = {
    "AdaptiveLIF": rv.AdaptiveLIF(tau_mem=10.0, tau_adapt=50.0, a=0.1, b=0.4, v_reset=-0.1, bias=1.4),
    "QIF": rv.QIF(tau_mem=5.0, v_reset=-0.2, bias=0.7),
    "Izhikevich": rv.Izhikevich(bias=12.0),
    "AdEx": rv.AdEx(bias=900.0, synapse=CONDUCTANCE),
    "HodgkinHuxley": rv.HodgkinHuxley(bias=12.0, synapse=CONDUCTANCE),
}


def spikes_and_potentials(neuron: AbstractODENeuron, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Spike times, and the potential every `EVERY * DT` ms."""
    times, weights = jnp.array(EVENTS), jnp.full((len(EVENTS), 1), weight)
    every = DT * EVERY
    until = jax.jit(lambda steps: run(neuron, times, weights, every / 40, steps, rv.integrators.RK4()))
    found = [until(40 * index) for index in range(round(T_END / every) + 1)]
    spikes = np.asarray(found[-1][0][:, 0])
    return spikes[np.isfinite(spikes)], np.array([float(v[0]) for _, v, _ in found[:-1]])


@pytest.mark.parametrize("name", NEURONS)
def test_spikes_and_trajectories_are_those_of_brian(name: str):
    neuron, frozen = NEURONS[name], FROZEN[name]
    spikes, potentials = spikes_and_potentials(neuron, MODELS[name]["weight"])
    assert len(spikes) == len(frozen["spikes"]) > 1
    # Brian's spikes come at the ends of its steps, and where it resets what follows is late by as much.
    resets = np.ones(len(spikes)) if name == "HodgkinHuxley" else np.arange(1, len(spikes) + 1)
    late = np.array(frozen["spikes"]) + DT - spikes
    assert (late > -1e-5).all()
    assert (late < resets * DT + 1e-5).all()
    times = DT * EVERY * np.arange(len(potentials))
    same = times < (np.inf if name == "HodgkinHuxley" else spikes[0])
    np.testing.assert_allclose(potentials[same], np.array(frozen["v"])[same], rtol=2e-5, atol=2e-4)


@pytest.mark.skipif(not importlib.util.find_spec("brian2"), reason="Brian2 needs Python 3.12 or newer")
def test_the_frozen_reference_is_what_brian_says():
    command = [sys.executable, str(HERE / "brian_reference.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    found = json.loads(result.stdout)
    assert found.keys() == FROZEN.keys() == NEURONS.keys()
    for name, frozen in FROZEN.items():
        assert found[name]["spikes"] == frozen["spikes"]
        np.testing.assert_allclose(found[name]["v"], frozen["v"], rtol=1e-9)
