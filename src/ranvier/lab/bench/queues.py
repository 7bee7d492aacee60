"""Queues next to adseq 0.9.4, if it can be imported: many independent Poisson queues, and a recurrent network.

Poisson (adseq's protocol): n queues, a spike every 400 steps on average, delay 80 steps, time in steps, float32; every
step pops and pushes. With gradient: of a sum over deliveries, with respect to n delays, in reverse mode. Network: 100
LIF neurons, 10,000 synapses with a queue each, delays 4 +- 0.5 ms, dt 0.025 ms, float32; gradient of the number of
spikes with respect to 10,000 weights, in reverse mode. Spikes are precomputed, so that no random numbers are timed.

The programs that are compared do the same work: neither counts losses. Ours has the counters, but XLA removes what
nobody reads; "counted" is the forward pass of a program that returns all of them.

Before anything is timed both are compared with heapq; a row whose events differ is marked and has no ratio.
"""

import dataclasses
import heapq
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import queues
from ranvier.lab.bench import queue_network, queue_peer

RATE, DELAY = 1 / 400, 80
SIZES = {1000: 2000, 10_000: 400, 100_000: 40}
"""Queues, and steps of one run."""
NETWORK = (10_000, 1000)
"""Steps of the network, forward and with gradient: 10,000 with gradient do not fit an ordinary machine."""
LEAST = 0.02
"""Seconds for which a program is called again and again each time it is its turn."""


@dataclasses.dataclass(frozen=True)
class Pair:
    """One of our queues and its counterpart in adseq: the class, and its capacity if it takes one.

    `promises` names the streams on which the kind has to agree with heapq: "order" (one delay per line), "any" (delays
    that differ); none for a queue that loses events by rule. `network` replaces the queue in the network.
    """

    name: str
    queue: queues.AbstractQueue
    peer: str
    capacity: int | None = None
    promises: tuple[str, ...] = ("order",)
    network: queues.AbstractQueue | None = None


RING = queues.RingQueue(280.0, 1.0, per_step=1)
PAIRS = (
    Pair("FifoQueue(4)", queues.FifoQueue(4), "FIFORing", 4),
    Pair("SortedQueue(4)", queues.SortedQueue(4), "SortedArray", 4, ("order", "any")),
    Pair("RingQueue", queues.RingQueue(float(DELAY), 1.0, per_step=1), "Ring", None, ("order", "any"), RING),
    Pair("LossyQueue(4)", queues.LossyQueue(4), "LossyRing", 4, ()),
    Pair("SingleQueue", queues.SingleQueue(), "SingleSpike", None, ()),
    Pair("HeapQueue(7)", queues.HeapQueue(7), "BinaryHeap", 7, ("order", "any")),
)

Run = Callable[[], Any]


def spikes(size: int, steps: int, rate: float = RATE) -> np.ndarray:
    """Which queue gets an event in which step, (steps, size)."""
    return np.random.default_rng(0).random((steps, size)) < rate


def poisson(queue: queues.AbstractQueue) -> Callable:
    """Total time of all deliveries, and the counters, as a function of the delays (steps)."""

    def run(delay: jax.Array, fires: jax.Array) -> tuple[jax.Array, queues.Counters]:
        def step(carry: tuple, given: tuple) -> tuple:
            (state, total), (now, fire) = carry, given
            state, due = queue.pop(state, now)
            state = queue.push(state, now, jnp.where(fire, now + delay, jnp.inf))
            return (state, total + jnp.sum(jnp.where(due.time == jnp.inf, 0.0, due.time))), None

        clock = jnp.arange(fires.shape[0], dtype=jnp.float32)
        start = (queue.empty(dtype=jnp.float32, shape=fires.shape[1:]), jnp.float32(0))
        (state, total), _ = jax.lax.scan(step, start, (clock, fires))
        return total, state.counters

    return run


def counts(queue: queues.AbstractQueue) -> Callable:
    """Number of events that a queue delivers in each step."""

    def pop(delays: np.ndarray, fires: np.ndarray) -> jax.Array:
        def step(state: queues.QueueState, given: tuple) -> tuple:
            now, delay, fire = given
            state, due = queue.pop(state, now)
            state = queue.push(state, now, jnp.where(fire, now + delay, jnp.inf))
            return state, jnp.sum(due.time < jnp.inf, axis=0, dtype=jnp.int32)

        clock = jnp.arange(len(fires), dtype=jnp.float32)
        return jax.lax.scan(step, queue.empty(dtype=jnp.float32, shape=fires.shape[1:]), (clock, delays, fires))[1]

    return pop


def stream(kind: str, size: int = 32, steps: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Delays and spikes: three spikes every 100 steps, with one delay ("order") or arriving in any order ("any")."""
    rng = np.random.default_rng(1)
    fires, delays = np.zeros((steps, size), bool), np.full((steps, size), 40.0, np.float32)
    for start in range(5, steps - 100, 100):
        for line in range(size):
            at = start + np.sort(rng.choice(20, 3, replace=False))
            fires[at, line] = True
            if kind == "any":
                delays[at, line] = start + rng.choice(np.arange(25, 75), 3, replace=False) - at
    return delays, fires


def agrees(pop: Callable, kind: str) -> bool:
    """Whether `pop(delays, fires)` delivers in every step what heapq does."""
    delays, fires = stream(kind)
    expected = np.zeros(fires.shape, int)
    for line in range(fires.shape[1]):
        waiting: list[float] = []
        for now in range(len(fires)):
            while waiting and waiting[0] <= now:
                heapq.heappop(waiting)
                expected[now, line] += 1
            if fires[now, line]:
                heapq.heappush(waiting, now + delays[now, line])
    return bool((np.asarray(pop(delays, fires)) == expected).all())


def runs(run: Callable, delay: jax.Array, fires: jax.Array) -> list[Run]:
    """Forward, gradient with respect to the delays, and forward with all that is counted."""
    value = lambda delay, fires: run(delay, fires)[0]
    programs = [jax.jit(value), jax.jit(jax.grad(value)), jax.jit(run)]
    return [lambda program=program: program(delay, fires) for program in programs]


def timed(
    programs: Sequence[Run], steps: int, repeats: int, summarize: Callable[[list[float]], float] = statistics.median
) -> list[float]:
    """Microseconds per step of each, taking turns: medians, or as `summarize` says."""
    for run in programs:
        jax.block_until_ready(run())  # compiles
    many = [max(1, round(LEAST / _wall(run, 1))) for run in programs]
    walls = [[_wall(run, calls) / calls for run, calls in zip(programs, many, strict=True)] for _ in range(repeats)]
    return [1e6 * summarize(list(wall)) / steps for wall in zip(*walls, strict=True)]


def _wall(run: Run, calls: int) -> float:
    """Seconds that some calls take, one after the other."""
    start = time.perf_counter()
    for _ in range(calls):
        jax.block_until_ready(run())
    return time.perf_counter() - start


def row(ours: Sequence[Run], theirs: Sequence[Run], steps: Sequence[int], repeats: int) -> dict[str, Any]:
    """Forward and with gradient, next to the peer where there is one and it runs."""
    found: dict[str, Any] = {}
    counted, ours = ours[2:], ours[:2]
    for at, name in enumerate(("forward", "gradient")):
        both, told = None, "not run" if theirs else "-"
        if at < len(theirs):
            try:
                both = timed([ours[at], theirs[at]], steps[at], repeats)
            except (NotImplementedError, TypeError, ValueError, RuntimeError) as crash:
                told = f"fails ({type(crash).__name__})"
        mine = both[0] if both else timed([ours[at]], steps[at], repeats)[0]
        found |= {f"{name}_us": mine, f"adseq_{name}_us": both[1] if both else told}
        found |= {f"{name}_ratio": both[1] / both[0] if both else "-"}
    return found | {"counted_us": timed(counted, steps[0], repeats)[0] if counted else "-"}


def measure(
    repeats: int = 5, sizes: Mapping[int, int] = SIZES, network_steps: tuple[int, int] = NETWORK
) -> list[dict[str, Any]]:
    """All rows: Poisson for every size, then the network.

    Args:
        repeats: How many turns each program has; the table has medians.
        sizes: Numbers of queues, and the steps of a run with so many.
        network_steps: Steps of the network, forward and with gradient.
    """
    peer = importlib.import_module("adseq") if importlib.util.find_spec("adseq") else None
    rows = []
    for pair in PAIRS:
        other = queue_peer.find(peer, pair.peer, pair.capacity)
        verdict = _verdict(pair, other)
        for size, steps in sizes.items():
            delay, fires = jnp.full(size, jnp.float32(DELAY)), jnp.asarray(spikes(size, steps))
            ours = runs(poisson(pair.queue), delay, fires)
            theirs = runs(queue_peer.poisson(other, DELAY), delay, fires) if other else []
            rows.append({"case": f"poisson {size}", "queue": pair.name, **row(ours, theirs, [steps] * 2, repeats)})
            rows[-1] |= verdict
        ours = queue_network.runs(queue_network.ours(pair.network or pair.queue), *network_steps)
        theirs = queue_network.runs(queue_peer.network(other), *network_steps) if other else []
        if pair.network:  # reverse mode in adseq keeps the whole buffer for each step, tens of GB: not run
            theirs = theirs[:1]
        rows.append({"case": "network", "queue": pair.name, **row(ours, theirs, network_steps, min(repeats, 2))})
        rows[-1] |= verdict
    return [_compared(each) for each in rows]


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Geometric mean and minimum of the ratios."""
    ratios = [each[name] for each in rows for name in ("forward_ratio", "gradient_ratio")]
    numbers = [ratio for ratio in ratios if not isinstance(ratio, str)]
    if not numbers:
        return "adseq cannot be imported (`pip install 'ranvier[peers]'`): nothing to compare with."
    mean = statistics.geometric_mean(numbers)
    return f"adseq over ours, {len(numbers)} ratios: geometric mean {mean:.2f}, smallest {min(numbers):.2f}."


def drops(loads: Sequence[float] = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0), size: int = 500) -> list[dict[str, Any]]:
    """Share of events lost (%) against the load: the mean number of events on their way, delay times rate."""
    kinds = [queues.SingleQueue(queues.First()), queues.SingleQueue()]
    kinds += [make(places) for places in (2, 4, 8) for make in (queues.LossyQueue, queues.FifoQueue)]
    rows = []
    for load in loads:
        fires = jnp.asarray(spikes(size, 2000, load / DELAY))
        delay = jnp.full(size, jnp.float32(DELAY))
        lost = [jax.jit(poisson(queue))(delay, fires)[1].dropped for queue in kinds]
        names = [
            "single first",
            "single latest",
            *(f"{kind} {places}" for places in (2, 4, 8) for kind in ("lossy", "fifo")),
        ]
        shares = [100 * float(each.sum()) / float(fires.sum()) for each in lost]
        rows.append({"load": load, **dict(zip(names, shares, strict=True))})
    return rows


def _verdict(pair: Pair, other: Any) -> dict[str, str]:
    """Whether each keeps what its kind promises: heapq's deliveries in every step."""
    if not pair.promises:
        return {"exact": "lossy", "adseq_exact": "lossy"}
    word = lambda pop: "yes" if all(agrees(pop, kind) for kind in pair.promises) else "NO"
    return {"exact": word(counts(pair.queue)), "adseq_exact": word(queue_peer.counts(other)) if other else "-"}


def _compared(found: dict[str, Any]) -> dict[str, Any]:
    """No ratio with a queue that delivers wrong events."""
    wrong = "NO" in (found["exact"], found["adseq_exact"])
    return found | ({"forward_ratio": "-", "gradient_ratio": "-"} if wrong else {})
