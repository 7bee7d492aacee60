"""Arguments that are no such thing at all: one clear sentence each."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.simulation.arguments import check_kinds
from ranvier.simulation.validity import check_record

POPULATIONS = {"input": rv.Population(2), "output": rv.Population(1, rv.LI())}
NET = rv.Network(POPULATIONS, [rv.Connection("input", "output", jnp.ones((2, 1)))])
TRAIN = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1]))
RIGHT = {"network": NET, "spikes": TRAIN, "simulator": rv.EventDriven(), "t_end": 5.0, "record": None}


def test_what_the_other_tests_spoil_is_right():
    check_kinds(**RIGHT)
    check_kinds(**RIGHT | {"spikes": {"input": TRAIN}, "t_end": np.float32(5), "record": {"output": [1.0]}})
    check_kinds(**RIGHT | {"t_end": jnp.asarray(5.0)})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("simulator", rv.EventDriven, "`simulator` is the class EventDriven; add parentheses: EventDriven\\(\\)"),
        ("simulator", "event-driven", "`simulator` must be a simulator, such as .*; got str 'event-driven'"),
        (
            "network",
            rv.partition(NET, "weight")[1],
            "`network` is one part of a partition.*ranvier.combine\\(learn, fixed\\)",
        ),
        ("network", TRAIN, "`network` must be a ranvier.Network; got a Spikes"),
        ("spikes", jnp.zeros((20, 2)), "`spikes` must be .*; got an array of shape \\(20, 2\\).*Spikes.from_dense"),
        ("spikes", {"input": np.zeros((20, 2))}, "`spikes` of 'input' must be .*Spikes.from_dense"),
        ("spikes", [1.0, 2.0], "`spikes` must be .*; got a list"),
        ("t_end", "5 ms", "`t_end` must be one number, a time in ms; got str '5 ms'"),
        ("t_end", np.array([1.0, 2.0]), "`t_end` must be one number"),
        ("t_end", None, "`t_end` must be one number"),
        ("record", ["output"], "`record` must map names of populations to times.*; got a list"),
        ("record", np.array([1.0]), "`record` must map names of populations.*; got an array of shape"),
    ],
)
def test_of_the_wrong_kind(name: str, value: object, message: str):
    with pytest.raises(ValueError, match=f"simulate: {message}"):
        check_kinds(**RIGHT | {name: value})


def test_a_traced_end():
    with pytest.raises(ValueError, match=r"`t_end` must be known when JAX traces.*static_argnames='t_end'"):
        jax.jit(lambda end: check_kinds(**RIGHT | {"t_end": end}))(5.0)


@pytest.mark.parametrize("times", ["all", True, [[1.0], [1.0, 2.0]]])
def test_record_times_that_are_no_numbers(times: object):
    with pytest.raises(ValueError, match=r"the times in ms at which to record 'output', such as record="):
        check_record(NET, {"output": times}, 5.0, 1)


def test_nothing_else_comes_first():
    """As a user meets it, without the tests' own checks of types."""
    code = """
import jax.numpy as jnp, ranvier as rv
network = rv.Network({"i": rv.Population(1), "o": rv.Population(1, rv.LI())}, [rv.Connection("i", "o", jnp.ones((1, 1)))])
train = rv.Spikes(jnp.array([1.0]), jnp.array([0]))
for wrong in [(network, train, rv.EventDriven), (network, jnp.ones((9, 1)), rv.EventDriven()), (None, train, None)]:
    try:
        rv.simulate(*wrong, t_end=5.0)
    except ValueError as error:
        print(error)
import jax
for wrong in [{"neuron": rv.LIF}, {"delay": 5.0}, {"weight": 0.5}, {"key": 0}]:
    try:
        rv.feedforward([3, 4], **{"neuron": rv.LIF(), "key": jax.random.key(0)} | wrong)
    except ValueError as error:
        print(error)
"""
    one = "must be one such as"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split("; ")[0] for line in shown] == [
        "simulate: `simulator` is the class EventDriven",
        "simulate: `spikes` must be ranvier.Spikes",
        "simulate: `network` must be a ranvier.Network",
        f"feedforward: `neuron` {one} ranvier.LIF(), for all, or a list of 1, one for each layer after the input",
        f"feedforward: `delay` {one} ranvier.fixed(5.0) or ranvier.synaptic(0.0, 5.0), for all, or a list of 1, one for "
        "each connection",
        f"feedforward: `weight` {one} ranvier.initializers.normal(0.5, 0.1), for all, or a list of 1, one for each "
        "connection",
        "feedforward: `key` must be a random key, such as jax.random.key(0)",
    ]
