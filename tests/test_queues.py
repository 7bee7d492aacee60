"""Queues of future events against heapq and plain models of their rules; their gradients; their errors."""

import functools
import inspect
import re
from pathlib import Path

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from queue_models import (
    Model,
    drops_last_due,
    drops_newest,
    forgets_oldest,
    in_slots,
    keeps_first,
    keeps_latest,
)
from ranvier.queues import (
    Clamp,
    FifoQueue,
    First,
    HeapQueue,
    Latest,
    LossyQueue,
    Raise,
    RingQueue,
    SingleQueue,
    SortedQueue,
)

DT, STEPS, PUSHES, STREAMS, EXAMPLES = 0.25, 24, 2, 64, 18
CASES = [
    (FifoQueue(1), drops_newest),
    (FifoQueue(4), drops_newest),
    (FifoQueue(3, Clamp()), drops_newest),
    (SortedQueue(4), drops_last_due),
    (SortedQueue(3, Clamp()), drops_last_due),
    (HeapQueue(1), drops_newest),
    (HeapQueue(7), drops_newest),
    (HeapQueue(3, Clamp()), drops_newest),
    (RingQueue(5 * DT, DT, per_step=1), in_slots),
    (RingQueue(5 * DT, DT, per_step=3), in_slots),
    (RingQueue(3 * DT, DT, per_step=2, policy=Clamp()), in_slots),
    (LossyQueue(3), forgets_oldest),
    (LossyQueue(2, Raise()), forgets_oldest),
    (SingleQueue(First()), keeps_first),
    (SingleQueue(Latest(), Raise()), keeps_latest),
]
QUEUES = [queue for queue, _ in CASES]
ONE_OF_EACH = [
    FifoQueue(3),
    SortedQueue(3, Clamp()),
    HeapQueue(3),
    RingQueue(5 * DT, DT, 2),
    LossyQueue(3),
    SingleQueue(),
]


def test_no_queue_is_missing():
    final = {
        kind
        for _, kind in inspect.getmembers(rv.queues, inspect.isclass)
        if issubclass(kind, rv.queues.AbstractQueue) and not inspect.isabstract(kind)
    }
    assert {type(queue) for queue in QUEUES} == {type(queue) for queue in ONE_OF_EACH} == final
    assert {type(queue.keep) for queue in QUEUES if isinstance(queue, SingleQueue)} == {First, Latest}


@functools.cache
def simulation(queue: rv.queues.AbstractQueue, shape: tuple[int, ...]):
    """Compiled: in every step two pushes, the first before the pop of the step, and what each pop delivers."""

    def step(state, step_input):
        now, time, number = step_input
        carry = lambda at: {"number": number[at], "pair": jnp.stack([time[at], -time[at]], axis=-1)}
        state = queue.push(state, now, time[0], carry(0))
        state, due = queue.pop(state, now + DT)
        return queue.push(state, now + DT, time[1], carry(1)), due

    def run(now, time, number):
        event = {"number": jnp.int32(0), "pair": jnp.zeros(2)}
        return jax.lax.scan(step, queue.empty(event, shape=shape), (now, time, number))

    return jax.jit(run)


def streams(seed: int, share: float, reach: float, grid: float, shape=(STREAMS,)):
    """Events out of order, coincident, late, and some far away; `share` is the chance of an event per push."""
    rng = np.random.default_rng(seed)
    now = DT * np.arange(STEPS)
    size = (STEPS, PUSHES, *shape)
    ahead = rng.uniform(-1.5 * DT, reach, size)
    time = np.floor((now.reshape(-1, *[1] * (len(size) - 1)) + ahead) / grid) * grid
    time = np.where(rng.random(size) < share, time, np.inf)
    return now, time, np.arange(time.size, dtype=np.int32).reshape(size)


@pytest.mark.parametrize(("queue", "rule"), CASES, ids=lambda value: getattr(value, "__name__", str(value)))
@hypothesis.settings(max_examples=EXAMPLES, deadline=None)
@hypothesis.given(
    seed=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.1, 0.4, 1.0]),
    reach=st.sampled_from([2 * DT, 5 * DT, 9 * DT]),
    grid=st.sampled_from([DT, DT / 4, 2.0**-40]),
)
def test_queues_deliver_what_a_plain_model_does(queue, rule, seed, share, reach, grid):
    """1,152 streams for each queue: what is delivered, when, with what payload, and all counters, exactly."""
    now, time, number = streams(seed, share, reach, grid)
    state, due = jax.tree.map(np.asarray, simulation(queue, (STREAMS,))(now, time, number))
    if isinstance(queue, HeapQueue):
        assert (state.time[[(place - 1) // 2 for place in range(1, queue.places)]] <= state.time[1:]).all()
    for stream in range(STREAMS):
        model = Model(queue, rule)
        for step in range(STEPS):
            model.push(now[step], (time[step, 0, stream], number[step, 0, stream]))
            expected = model.pop(now[step] + DT)
            model.push(now[step] + DT, (time[step, 1, stream], number[step, 1, stream]))
            got = due.time[step, :, stream]
            there = got < np.inf
            rows = list(zip(got[there], due.payload["number"][step, there, stream], strict=True))
            if isinstance(queue, SortedQueue):
                assert rows == expected
                assert not there[len(rows) :].any()
            assert sorted(rows) == expected
            asked = time.reshape(STEPS * PUSHES, STREAMS)[[n // STREAMS for _, n in rows], stream]
            assert (due.payload["pair"][step, there, stream] == np.stack([asked, -asked], axis=-1)).all()
        assert sorted(state.time[:, stream][state.time[:, stream] < np.inf]) == sorted(t for t, _ in model.waiting)
        counted = [int(total[stream]) for total in jax.tree.leaves(state.counters)]
        assert counted == [model.dropped, model.late, model.clamped, model.peak]


@pytest.mark.parametrize("queue", ONE_OF_EACH, ids=str)
def test_one_queue_a_grid_of_queues_and_vmap_agree(queue):
    now, time, number = streams(1, 0.5, 4 * DT, DT / 4, (2, 3))
    state, due = simulation(queue, (2, 3))(now, time, number)
    one = simulation(queue, ())
    over = jax.vmap(one, in_axes=(None, 2, 2), out_axes=-1)(now, time[..., 1, :], number[..., 1, :])
    single = one(now, time[..., 1, 2], number[..., 1, 2])
    assert jnp.array_equal(due.time[..., 1, 2], single[1].time)
    assert jnp.array_equal(due.time[..., 1, :], over[1].time)
    assert jnp.array_equal(state.counters.dropped[1], over[0].counters.dropped)


@pytest.mark.parametrize("queue", ONE_OF_EACH, ids=str)
def test_gradients_of_delivered_times_and_payloads(queue):
    """Against central differences of the same pass, and forward mode against reverse mode."""
    now, time, _ = streams(3, 0.5, 4 * DT, 2.0**-40, (2,))
    there = np.isfinite(time)
    draw = np.random.default_rng(0)
    delay, weight = np.zeros(time.shape), draw.normal(size=time.shape)

    def outcome(delay, weight):
        def step(state, step_input):
            now, time, weight = step_input
            state = queue.push(queue.push(state, now, time[0], weight[0]), now, time[1], weight[1])
            state, due = queue.pop(state, now + DT)
            arrived = jnp.isfinite(due.time)
            since = jnp.where(arrived, now + DT - jnp.where(arrived, due.time, 0.0), 0.0)
            return state, jnp.sum(jnp.where(arrived, due.payload * jnp.exp(-since / 0.7), 0.0), axis=0)

        arrivals = jnp.where(there, jnp.where(there, time, 0.0) + delay, jnp.inf)
        inputs = (jnp.asarray(now), arrivals, weight)
        return jnp.sum(jax.lax.scan(step, queue.empty(0.0, shape=(2,)), inputs)[1] ** 2)

    along = jax.jit(lambda delay, weight, *way: jax.jvp(outcome, (delay, weight), way))
    reverse = jax.jit(jax.grad(outcome, (0, 1)))(delay, weight)
    for at, given in enumerate(reverse):
        for _ in range(3):
            way = [np.zeros(time.shape)] * 2
            way[at] = draw.normal(size=time.shape)
            forward = along(delay, weight, *way)[1]
            assert forward == pytest.approx(float(np.sum(given * way[at])), rel=1e-10, abs=1e-12)
            ahead, back = (along(delay + h * way[0], weight + h * way[1], *way)[0] for h in (1e-6, -1e-6))
            assert forward == pytest.approx(float(ahead - back) / 2e-6, rel=1e-6, abs=1e-8)
    assert float(jnp.abs(reverse[1]).sum()) > 0
    assert float(jnp.abs(reverse[0]).sum()) > 0


def test_float32_grid_times_are_due_in_their_step():
    """k dt is rounded in float32; the ring has to agree with `time <= until` all the same.

    The times are given: a compiler may compute `now + delay` twice, and fuse it with the product once.
    """
    ring, fifo = RingQueue(7.0, 0.025), FifoQueue(4)
    grid = np.arange(32600, 33001, dtype=np.float32) * np.float32(0.025)
    delays = np.asarray([1.0, 2.0, 3.0], np.float32) * np.float32(0.025)

    @jax.jit
    def run(nows, untils, times):
        def step(states, moment):
            now, until, time = moment
            pushed = [queue.push(state, now, time) for queue, state in zip((ring, fifo), states, strict=True)]
            popped = [queue.pop(state, until) for queue, state in zip((ring, fifo), pushed, strict=True)]
            return [state for state, _ in popped], [jnp.min(due.time, axis=0) for _, due in popped]

        start = [queue.empty(dtype=jnp.float32, shape=(6,)) for queue in (ring, fifo)]
        return jax.lax.scan(step, start, (nows, untils, times))

    times = grid[:-1, None] + delays
    times = np.concatenate([times, np.nextafter(times, np.float32(np.inf))], axis=1)  # just after a step, too
    states, (from_ring, from_fifo) = run(grid[:-1], grid[1:], times)
    assert jnp.array_equal(from_ring, from_fifo)
    assert [int(state.counters.dropped.sum()) for state in states] == [0, 0]


@pytest.mark.parametrize(("delay", "rate"), [(20.0, 0.1), (7.3, 0.31), (0.5, 0.9), (30.0, 0.1)])
def test_the_capacity_that_is_told_suffices(delay: float, rate: float):
    """Spikes no closer than 1/rate, every delay up to the longest: nothing is lost, and one place less would lose."""
    rng = np.random.default_rng(0)
    queue = FifoQueue(rv.queues.capacity(delay, rate))
    steps, size = int(200 / DT), 32
    gaps = 1 / rate + rng.exponential(0.3, (200, size)) * (np.arange(size) > 0)
    fires = np.zeros((steps, size), bool)
    rows = np.ceil(np.cumsum(gaps, axis=0) / DT).astype(int)
    for column in range(size):
        fires[rows[:, column][rows[:, column] < steps], column] = True

    def step(state, step_input):
        now, fire = step_input
        state, _ = queue.pop(state, now)
        return queue.push(state, now, jnp.where(fire, now + delay, jnp.inf)), None

    state, _ = jax.jit(
        lambda: jax.lax.scan(step, queue.empty(shape=(size,)), (jnp.asarray(DT * np.arange(steps)), fires))
    )()
    assert int(state.counters.dropped.sum()) == 0
    assert int(state.counters.peak.max()) >= queue.capacity - 1


def test_losses_raise_with_advice_or_are_forgiven():
    for queue, told in [
        (FifoQueue(1), "FifoQueue: expected no event to be dropped; got 1, with a peak of 1. Raise `capacity` from 1"),
        (
            RingQueue(1.0, 1.0, 1),
            "RingQueue: expected no event to be dropped; got 1, with a peak of 1. Raise `per_step`",
        ),
        (SingleQueue(policy=Raise()), "Take a queue with more places"),
    ]:
        state = queue.push(queue.push(queue.empty(), 0.0, 0.5), 0.0, 0.75)
        with pytest.raises(ValueError, match=re.escape(told)):
            queue.check(state)
        assert jax.jit(lambda state, queue=queue: (queue.check(state), 1)[1])(state) == 1
    late = FifoQueue(1).push(FifoQueue(1).empty(), 2.0, 1.0)
    with pytest.raises(ValueError, match="arrive before `now`; got 1"):
        FifoQueue(1).check(late)
    FifoQueue(1, Clamp()).check(late)
    FifoQueue(1).check(FifoQueue(1).empty())
    far = RingQueue(1.0, 1.0).push(RingQueue(1.0, 1.0).empty(), 0.0, 9.0)
    with pytest.raises(ValueError, match=re.escape("or else `horizon` (now 1.0 ms)")):
        RingQueue(1.0, 1.0).check(far)


@pytest.mark.parametrize("queue", ONE_OF_EACH, ids=str)
def test_never_is_not_an_event_and_nan_is_lost_loudly(queue):
    state = queue.push(queue.empty(), 0.0, jnp.inf)
    assert sum(int(total) for total in jax.tree.leaves(state.counters)) == 0
    state, due = queue.pop(queue.push(state, 0.0, jnp.nan), DT)
    assert int(state.counters.dropped) == 1
    assert jnp.isinf(due.time).all()


def test_wrong_input_is_told():
    queue = FifoQueue(2)
    state = queue.empty({"weight": 0.0}, shape=(3,))
    for push, told in [
        (lambda: queue.push(state, 0.0, jnp.zeros(2), {"weight": jnp.zeros(2)}), "shape of the queues, (3,); got (2,)"),
        (lambda: queue.push(state, 0.0, jnp.zeros(3), jnp.zeros(3)), "`payload` must have the structure"),
        (lambda: queue.push(state, 0.0, jnp.zeros(3), {"weight": jnp.zeros(2)}), "must have shape (3,); got (2,)"),
        (lambda: FifoQueue(0), "`capacity` must be a whole number, at least 1; got 0"),
        (lambda: SortedQueue(-3), "got -3"),
        (lambda: HeapQueue(-1), "got -1"),
        (lambda: LossyQueue(0), "LossyQueue"),
        (lambda: RingQueue(0.0, 0.1), "`horizon` must be a positive"),
        (lambda: RingQueue(1.0, float("nan")), "`dt` must be a positive"),
        (lambda: RingQueue(1.0, 0.1, 0), "`per_step` must be a whole number"),
        (lambda: rv.queues.capacity(-1.0, 0.1), "`delay_max` must be finite"),
        (lambda: rv.queues.capacity(1.0, np.inf), "`rate_max` must be finite"),
    ]:
        with pytest.raises(ValueError, match=re.escape(told)):
            push()


def test_the_example_in_the_docs_runs_and_its_gradient_is_right():
    text = (Path(__file__).parents[1] / "docs" / "tutorials" / "own-simulator.md").read_text(encoding="utf-8")
    example = re.findall(r"```python\n(import.*?)```", text, re.DOTALL)[1].replace("jnp.arange(300.0)", "STEPS")
    names = {"STEPS": jnp.arange(300).astype(float)}
    exec(compile(example, "docs/tutorials/own-simulator.md", "exec"), names)
    at, value = jnp.array([3.3, 4.7]), jax.jit(lambda delay: names["final_potential"](delay)[0])
    for line in range(2):
        ahead, back = (value(at.at[line].add(h)) for h in (1e-6, -1e-6))
        assert float(names["slope"][line]) == pytest.approx(float(ahead - back) / 2e-6, rel=1e-6, abs=1e-9)
    assert float(jnp.abs(names["slope"]).min()) > 0


def test_a_queue_is_recommended_by_measured_times():
    few = rv.queues.recommend_queue(10_000, delay_max=7.0, rate_max=0.1, dt=0.025)
    assert few.queue == FifoQueue(2)
    assert "us per step with gradient for 10000 queues on cpu" in few.reason
    many = rv.queues.recommend_queue(1000, delay_max=1000.0, rate_max=2.0, dt=0.5)
    assert isinstance(many.queue, RingQueue)
    assert many.queue.slots >= 2000
    with pytest.raises(ValueError, match="nothing was measured on `device` 'abacus'; there is"):
        rv.queues.recommend_queue(1000, 7.0, 0.1, 0.025, device="abacus")
    with pytest.raises(ValueError, match="`dt` must be positive and finite; got 0.0"):
        rv.queues.recommend_queue(1000, 7.0, 0.1, 0.0)


def test_every_queue_that_loses_nothing_may_be_recommended(monkeypatch: pytest.MonkeyPatch):
    """Whichever was fastest in the table, at the nearest number of queues and with enough places; no lossy one."""
    exact = ("FifoQueue", "SortedQueue", "HeapQueue", "RingQueue")
    for best in exact:
        spent = {"LossyQueue": 1.0, "SingleQueue": 1.0, **dict.fromkeys(exact, 3.0), best: 2.0}
        rows = [
            {"device": "tpu", "queue": kind, "queues": queues, "places": places, "step_us": scale * spent[kind]}
            for kind in spent
            for queues, places, scale in ((1000, 900, 1.0), (1000, 1, 0.1 / spent[kind]), (100, 900, 1 / spent[kind]))
        ]
        monkeypatch.setattr("ranvier.queues.recommend.measured", lambda rows=rows: rows)
        choice = rv.queues.recommend_queue(900, delay_max=20.0, rate_max=0.1, dt=0.1, device="tpu")
        assert type(choice.queue).__name__ == best
        assert choice.reason.startswith(f"{best} with {choice.queue.places} places: 2 us per step")
        assert choice.reason.count("3 us of") == 3
