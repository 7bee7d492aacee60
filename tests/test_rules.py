"""One rulebook: every simulator gives every wrong number the same status and the same sentence."""

import re
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import pytest

import build
import ranvier as rv
from ranvier.hardware import BrainScaleS2, EmulatedChip, InTheLoop
from ranvier.rules import check
from ranvier.status import STATUS, first_status

T_END = 60.0
NEURON = rv.LIF(6.0, 6.0, refractory=jnp.inf)
NET = build.network(
    {"input": 2},
    {"hidden": NEURON, "output": NEURON},
    {"hidden": 3, "output": 2},
    [
        rv.Connection("input", "hidden", jnp.full((2, 3), 0.3), rv.AxonalDelay(jnp.array([[12.5], [12.5]]), 12.0, 21.0, rv.delays.Clip())),
        rv.Connection("hidden", "output", jnp.full((3, 2), 0.3)),
    ],
)  # fmt: skip
TRAIN = rv.Spikes(jnp.array([1.0, 2.0]), jnp.array([0, 1], jnp.int32))
SIMULATORS = {
    "event-driven": rv.EventDriven(),
    "first-spike": rv.FirstSpike(),
    "clock-driven": rv.ClockDriven(dt=0.5),
    "surrogate": rv.Surrogate(dt=0.5),
    "chip in the loop": InTheLoop(EmulatedChip(BrainScaleS2())),
}
of_hidden = lambda field: lambda net: getattr(net["hidden"].neuron, field)
WRONG = {
    "weight nan": (4, lambda net: net.connections[1].weight, jnp.full((3, 2), jnp.nan)),
    "weight inf": (4, lambda net: net.connections[0].weight, jnp.full((2, 3), -jnp.inf)),
    "delay nan": (5, lambda net: net.connections[0].delay.raw, jnp.array([[12.5], [jnp.nan]])),
    "delay short": (5, lambda net: net.connections[0].delay.raw, jnp.array([[12.5], [11.9]])),
    "delay long": (5, lambda net: net.connections[0].delay.raw, jnp.array([[12.5], [21.1]])),
    "reset": (2, of_hidden("v_reset"), jnp.array(1.0)),
    "reset above": (2, of_hidden("v_reset"), jnp.array(2.0)),
    "leak": (3, of_hidden("v_leak"), jnp.array(1.5)),
    "tau_mem negative": (6, of_hidden("tau_mem"), jnp.array(-1.0)),
    "tau_mem nan": (6, of_hidden("tau_mem"), jnp.array(jnp.nan)),
    "tau_mem inf": (6, of_hidden("tau_mem"), jnp.array(jnp.inf)),
    "tau_syn 0": (6, of_hidden("tau_syn"), jnp.array(0.0)),
    "refractory negative": (6, of_hidden("refractory"), jnp.array(-2.0)),
    "bias nan": (6, of_hidden("bias"), jnp.array(jnp.nan)),
    "bias inf": (6, of_hidden("bias"), jnp.array(jnp.inf)),
    "refractory nan": (6, of_hidden("refractory"), jnp.array(jnp.nan)),
    "threshold nan": (2, of_hidden("v_threshold"), jnp.array(jnp.nan)),
}
TRAINS = {
    "negative": ([-0.5, 1.0], [0, 1]),
    "nan": ([1.0, jnp.nan], [0, 1]),
    "unsorted": ([2.0, 1.0], [0, 1]),
    "late": ([1.0, 60.5], [0, 1]),
    "unit too large": ([1.0, 2.0], [0, 2]),
    "unit below 0": ([1.0, 2.0], [-1, 0]),
}


TIMES = jnp.array([2.0, 3.0])


def run(
    net: rv.Network, spikes: rv.Spikes, simulator: rv.EventDriven, times: jax.Array = TIMES, **options: object
) -> jax.Array:
    """Status of a simulation that records, but on a chip in the loop, which cannot."""
    record = {} if isinstance(simulator, InTheLoop) else {"output": times}
    return rv.simulate(net, spikes, simulator, t_end=T_END, record=record, **options).stats.status


def told(error: pytest.ExceptionInfo) -> str:
    """The message."""
    return str(error.value)


@pytest.fixture(scope="module", params=list(SIMULATORS))
def simulator(request: pytest.FixtureRequest) -> rv.EventDriven:
    return SIMULATORS[request.param]


@pytest.fixture(scope="module")
def traced(simulator: rv.EventDriven) -> Callable[..., jax.Array]:
    """The status where every number is traced, by one compiled program."""
    compiled = eqx.filter_jit(lambda net, spikes, times: run(net, spikes, simulator, times, throw=False))
    return lambda net, spikes, times=TIMES: compiled(net, spikes, times)


def test_the_valid_network_is_valid(simulator: rv.EventDriven, traced: Callable):
    assert int(run(NET, TRAIN, simulator)) == int(traced(NET, TRAIN)) == 0


@pytest.mark.parametrize("name", list(WRONG))
def test_wrong_numbers_of_a_network(name: str, simulator: rv.EventDriven, traced: Callable):
    """Known: one sentence with the number, whoever simulates; unknown: the same status.

    So has what is known and passes: of delays not asked, as each is a program of its own.
    """
    status, where, value = WRONG[name]
    wrong = eqx.tree_at(where, NET, value)
    sentence = None
    for part, rules in wrong.rules():
        try:
            check(f"simulate: {part}".removesuffix(": "), rules)
        except ValueError as error:
            sentence = str(error)
            break
    assert sentence
    with pytest.raises(ValueError, match=re.escape(sentence)):
        run(wrong, TRAIN, simulator)
    assert int(traced(wrong, TRAIN)) == status
    if not name.startswith("delay"):
        assert int(run(wrong, TRAIN, simulator, throw=False)) == status


@pytest.mark.parametrize("name", list(TRAINS))
def test_wrong_input_spikes(name: str, simulator: rv.EventDriven, traced: Callable):
    time, unit = TRAINS[name]
    wrong = rv.Spikes(jnp.asarray(time), jnp.asarray(unit, jnp.int32))
    with pytest.raises(ValueError, match="simulate: `spikes` of 'input': "):
        run(NET, wrong, simulator)
    assert int(traced(NET, wrong)) == 7


@pytest.mark.parametrize("times", [[2.0, 65.0], [-1.0, 2.0], [2.0, jnp.nan], [2.0, 1.0]])
def test_wrong_record_times(times: list[float], simulator: rv.EventDriven, traced: Callable):
    if isinstance(simulator, InTheLoop):
        pytest.skip("it records nothing")
    assert int(traced(NET, TRAIN, jnp.asarray(times))) == 8
    with pytest.raises(ValueError, match="simulate: `record` times of 'output' must be ascending and in"):
        run(NET, TRAIN, simulator, jnp.asarray(times))


@pytest.mark.parametrize("field", ["tau_mem", "tau_adapt", "v_reset", "a"])
def test_other_neurons_have_rules_too(field: str):
    """Training may change them as any other parameter."""
    net = rv.feedforward([2, 3], neuron=rv.AdaptiveLIF(), key=jax.random.key(0))
    wrong = eqx.tree_at(lambda net: getattr(net["output"].neuron, field), net, jnp.asarray(jnp.nan))
    status = 2 if field == "v_reset" else 6
    simulator = rv.ClockDriven(dt=0.5)
    with pytest.raises(ValueError, match=f"simulate: population 'output': `{field}` must be .*; got nan"):
        run(wrong, TRAIN, simulator)
    assert int(run(wrong, TRAIN, simulator, throw=False)) == status


def test_the_arguments_come_before_what_they_cause():
    assert int(first_status([(9, True), (1, True), (10, False)])) == 1
    assert int(first_status([(1, True)], before=6)) == 6
    assert int(first_status([], before=0)) == 0
    assert all(STATUS.values())
