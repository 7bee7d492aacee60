"""Readouts: what they read, by hand and against plain NumPy, alone and in batches, and that they ask for what they need."""

import math
from inspect import unwrap
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier import readouts, summaries
from ranvier.readouts import AbstractReadout

TIMES, FINE = np.arange(1.0, 30.0, 0.5), np.linspace(0.0, 30.0, 6001)
EVERY = {
    "first": readouts.FirstSpike("hidden"),
    "count": readouts.SpikeCount("hidden"),
    "at": readouts.Potential("output", 12.0),
    "several": readouts.Potential("output", TIMES),
    "max": readouts.MaxPotential("output"),
    "mean": readouts.MeanPotential("output"),
    "weighted": readouts.MeanPotential("output", tau=7.0),
    "integral": readouts.IntegralPotential("output", tau=7.0),
    "custom": readouts.Custom(lambda solution: solution.voltages["output"][..., -1, :], {"output": TIMES}),
    "range": readouts.Custom(
        lambda solution: solution.voltages["output"][..., 0, :] - solution.voltages["output"][..., 1, :],
        {"output": [summaries.Maximum(), summaries.Mean()]},
    ),
}


def network() -> rv.Network:
    weight = [rv.initializers.normal(9.0, 3.0), rv.initializers.normal(1.0, 1.0)]
    return rv.feedforward([3, 4, 2], neuron=rv.LIF(), readout=rv.LI(), weight=weight, key=jax.random.key(0))


SPIKES = rv.Spikes(np.array([[1.0, 2.0, 9.0], [0.5, 3.0, np.inf]]), np.array([[0, 1, 2], [2, 0, -1]]))


def solve(record: Any, spikes: rv.Spikes = SPIKES) -> rv.Solution:
    return rv.simulate(network(), spikes, rv.EventDriven(), t_end=30.0, record=record)


WHOLE = {"output": TIMES}


def by_hand(name: str, solution: rv.Solution) -> np.ndarray:
    voltage, train = np.asarray(solution.voltages["output"]), solution.spikes["hidden"]
    train_rows = np.asarray(train.time), np.asarray(train.unit)
    mine = [[time[unit == n] for n in range(4)] for time, unit in zip(*train_rows, strict=True)]
    fine = np.asarray(solve({"output": FINE}).voltages["output"])
    whole = lambda tau: np.trapezoid(fine * np.exp(-FINE / tau)[:, None], FINE, axis=1)
    return {
        "first": lambda: np.array([[min(times, default=math.inf) for times in sample] for sample in mine]),
        "count": lambda: np.array([[len(times) for times in sample] for sample in mine]),
        "at": lambda: voltage[:, int(np.argmin(np.abs(TIMES - 12.0)))],
        "several": lambda: voltage,
        "max": lambda: fine.max(axis=1),
        "mean": lambda: whole(np.inf) / 30.0,
        "weighted": lambda: whole(7.0) / (7.0 * -np.expm1(-30.0 / 7.0)),
        "integral": lambda: whole(7.0),
        "custom": lambda: voltage[:, -1],
        "range": lambda: fine.max(axis=1) - whole(np.inf) / 30.0,
    }[name]()


@pytest.mark.parametrize("name", EVERY)
def test_a_readout_reads_what_it_says_with_and_without_a_batch(name: str):
    readout = EVERY[name]
    value = readout(solve(readout.record))
    exact = 1e-5 if name in ("max", "mean", "weighted", "integral", "range") else 1e-12  # of a fine grid
    np.testing.assert_allclose(value, by_hand(name, solve(WHOLE)), rtol=exact)
    assert value.dtype == jnp.float64
    for sample in range(2):
        alone = solve(readout.record, rv.Spikes(SPIKES.time[sample], SPIKES.unit[sample]))
        np.testing.assert_allclose(readout(alone), value[sample], rtol=1e-12)


def test_all_readouts_are_in_the_list():
    assert {type(one) for one in EVERY.values()} == set(AbstractReadout.__subclasses__())


@pytest.mark.parametrize("name", EVERY)
def test_a_readout_is_a_value(name: str):
    """It can be compared and does not hold on to arrays that someone may change."""
    readout = EVERY[name]
    kinds = float | summaries.AbstractSummary
    assert all(isinstance(at, kinds) for wanted in readout.record.values() for at in wanted)
    if not isinstance(readout, readouts.Custom):
        assert hash(readout) == hash(type(readout)(*vars(readout).values()))
        assert readout == type(readout)(*vars(readout).values())


def test_the_answer_is_the_earliest_or_the_highest_and_a_tie_is_none():
    first = jnp.array([[1.0, 2.0, math.inf], [2.0, 1.0, 1.0], [math.inf] * 3, [1.0, math.nan, 2.0]])
    assert readouts.earliest(first).tolist() == [0, -1, -1, -1]
    value = jnp.array([[[0.1, 0.3], [0.4, 0.2]], [[0.5, 0.5], [-1.0, -2.0]]])
    assert readouts.highest(value).tolist() == [[1, 0], [-1, 0]]
    assert EVERY["first"].decide is readouts.earliest
    assert all(EVERY[name].decide is readouts.highest for name in ("count", "at", "several", "max", "mean", "integral"))
    assert EVERY["custom"].decide is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: readouts.Potential("output", []),
            r"Potential: `times` must be finite, .* at least one; got \[\]",
        ),
        (lambda: readouts.Potential("output", [2.0, 1.0]), "Potential: `times` must be .* ascending"),
        (lambda: readouts.Potential("output", -1.0), r"`times` must be finite, >= 0 ms .*; got -1\.0"),
        (lambda: readouts.Potential("output", math.nan), r"`times` must be finite, .*; got nan"),
        (
            lambda: readouts.MeanPotential("output", tau=0.0),
            r"`tau` must be a time in ms above 0, or inf; got 0",
        ),
        (lambda: readouts.Custom(abs, {"output": [3.0, 3.0]}), "Custom: `times` must be .* ascending"),
        (lambda: readouts.as_readout(readouts.FirstSpike), r"got the class FirstSpike, without \(\)"),
        (lambda: unwrap(readouts.as_readout)(3.0), r"`readout` must be a readout such as .*, or a function; got 3\.0"),
        (lambda: readouts.FirstSpike("output")(solve({})), r"has spikes of \['hidden'\] only"),
        (
            lambda: readouts.Potential("output", TIMES)(solve({})),
            "needs the potentials of 'output'.*; none were rec",
        ),
        (lambda: readouts.Potential("output", 1.0)(solve(WHOLE)), "at its 1 times; 58 were recorded. Pass record="),
        (
            lambda: readouts.MaxPotential("output")(solve(WHOLE)),
            r"the Maximum\(\) of 'output'; 58 were recorded. Pass rec",
        ),
        (
            lambda: readouts.IntegralPotential("output", math.nan),
            r"IntegralPotential: `tau` must be a time .*; got nan",
        ),
        (lambda: summaries.Mean(-1.0), r"Mean: `tau` must be a time in ms above 0, or inf; got -1"),
        (
            lambda: solve({"hidden": summaries.Maximum()}),
            r"asks for Maximum\(\) of 'hidden', whose neurons spike; .*ranvier.LI",
        ),
        (lambda: solve({"output": [summaries.Maximum(), 1.0]}), "`record` must give the times in ms .*, or summaries"),
    ],
)
def test_wrong_use_is_told_in_a_sentence(make: Any, message: str):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)
