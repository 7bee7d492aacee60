"""The host's side: from the arrays of a call to the kernel's arrays, and back. NumPy only; no JAX.

`forward_call` and `backward_call` are what JAX calls back. Both make the kernel's tables from weights and delays, or
find them made, check values that only exist at run time, and share a batch out over threads: fixed chunks of it, added
up in their order, so that results do not depend on the number of threads.
"""

import math
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import NamedTuple

import numpy as np

from ranvier.event_driven import tables
from ranvier.event_driven.kernels.cpu import arrays, entry
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.plan import Plan, window_length
from ranvier.event_driven.tables import Call, Prepared

CHUNKS = 8
"""A batch is cut into at most this many chunks, each with gradient sums of its own."""


def check_numbers(plan: Plan, call: Call) -> int:
    """First status that applies to the network of a call (keys of `ranvier.simulation.STATUS`), or 0."""
    bounds = zip(call.delays, plan.low, plan.high, strict=True)
    slack = 1e-6 if plan.dtype == "float64" else 1e-4
    spiking = plan.spiking[plan.inputs :]
    pairs = [(rho, theta) for rho, theta, spikes in zip(call.rho, call.theta, spiking, strict=True) if spikes]
    if not all(np.all(rho < theta) for rho, theta in pairs):
        return 2
    if not all(np.all(theta > 0) for _, theta in pairs):
        return 3
    if not all(np.isfinite(weight).all() for weight in call.weights):
        return 4
    if not all(np.all((delay >= low - slack) & (delay <= high + slack) & (delay < 1e9)) for delay, low, high in bounds):
        return 5
    taus = [*call.tau_mem, *call.tau_syn]
    if not (all(np.all((tau > 0) & (tau < 1e9)) for tau in taus) and all(np.all(r >= 0) for r in call.refractory)):
        return 6
    return 0


def check_times(plan: Plan, call: Call) -> int:
    """The same for input spikes and record times."""
    if not all(_valid_train(plan, p, call.times[p], call.units[p]) for p in range(plan.inputs)):
        return 7
    end = plan.t_end * (1 + 1e-6)
    ordered = all(np.all(at[:, 1:] >= at[:, :-1]) for at in call.records)
    return 0 if ordered and all(np.all((at >= 0) & (at <= end)) for at in call.records) else 8


def _valid_train(plan: Plan, p: int, time: np.ndarray, unit: np.ndarray) -> bool:
    spike = time < np.inf
    inside = (time >= 0) & (time <= plan.t_end * (1 + 1e-6)) & (unit >= 0) & (unit < plan.sizes[p])
    return bool(
        np.all(inside | (time == np.inf)) and np.all(time[:, 1:] >= time[:, :-1]) and not np.isnan(time[spike]).any()
    )


class _Last(NamedTuple):
    """The network of the latest call, and what was made of it."""

    plan: Plan
    numbers: list[np.ndarray]
    status: int
    ready: Prepared | None


_latest: list[_Last] = []


def prepare(plan: Plan, call: Call) -> tuple[int, Prepared | None]:
    """The network's status and, if that is 0, the kernel's arrays; taken from the latest call if nothing changed.

    So a backward pass finds the tables of its forward pass.
    """
    numbers = [array for group in call[: Call._fields.index("times")] for array in group]
    for last in _latest:
        if last.plan == plan and all(map(np.array_equal, numbers, last.numbers)):
            return last.status, last.ready
    status = check_numbers(plan, call)
    ready = _build(plan, call) if status == 0 else None
    _latest[:] = [_Last(plan, [array.copy() for array in numbers], status, ready)]
    return status, ready


def _build(plan: Plan, call: Call) -> Prepared:
    taus = [float(tau.min()) for tau in (*call.tau_mem, *call.tau_syn)]
    window = window_length(plan.longest_window, min(taus), plan.dtype)
    windows = max(1, math.ceil(plan.t_end / window))
    wiring, membranes = tables.wiring(plan), tables.membranes(plan, call)
    synapses = tables.synapses(plan, wiring, call)
    delay = np.concatenate([delay.reshape(-1) for delay in call.delays])
    entry.tabulate(wiring, membranes, delay, np.array(plan.low), window, windows, synapses)
    span = int(synapses.longest.max(initial=0)) + 2
    if 2 * span * membranes.theta.size * LANES >= 2**31:
        msg = (
            f"{membranes.theta.size} neurons with delays of up to {span - 2} windows of {window} ms do not "
            "fit a ring of 2^31 numbers; use a longer window, shorter delays, or fewer neurons."
        )
        raise ValueError(msg)
    margin = 1e-10 if plan.dtype == "float64" else 1e-5
    clock = arrays.Clock(window, windows, plan.t_end - (windows - 1) * window, span, margin)
    return Prepared(wiring, synapses, membranes, clock)


def forward_call(plan: Plan, call: Call, train: arrays.Train) -> tuple[arrays.Output, int]:
    """Simulate one batch: what a user sees, and the status; `train`, zeros at first, is for the backward pass."""
    batch = call.times[0].shape[0]
    output = tables.empty_output(plan, batch)
    status, ready = prepare(plan, call)
    status = status or check_times(plan, call)
    if ready is None or status != 0:
        return output, status
    tables.load_inputs(plan, call, ready.clock.window, ready.clock.windows, train)
    record = tables.record(plan, call, ready.clock.window, ready.clock.windows)

    def work(chunk: int, samples: np.ndarray) -> None:
        del chunk
        entry.forward(*ready, record, train, output, plan.cap, samples)

    _share(plan, work, _chunks(batch))
    return output, 1 if output.dropped.any() else 9 if output.broken.any() else 0


def backward_call(
    plan: Plan, call: Call, train: arrays.Train, owed: np.ndarray, seed: np.ndarray, timed: bool = True
) -> tuple[tuple[np.ndarray, ...], ...]:
    """Gradient of one batch: per connection (weights, delays), per population (theta, rho, refractory), per input.

    Args:
        plan: The plan.
        call: The same numbers as forward.
        train: Spikes of the forward pass.
        owed: dL/d(spike time) by place, (batch, places).
        seed: dL/d(recorded potential), (batch, values).
        timed: Whether the gradient of input times is wanted; incomplete if not.
    """
    status, ready = prepare(plan, call)
    if ready is None or (status or check_times(plan, call)) != 0:
        return tables.nan_gradient(plan, call)
    record = tables.record(plan, call, ready.clock.window, ready.clock.windows)
    chunks = _chunks(owed.shape[0])
    sums, parts = tables.empty_gradients(ready, len(chunks))
    owed = owed.astype(np.float64)

    def work(chunk: int, samples: np.ndarray) -> None:
        entry.backward(*ready, record, train, owed, seed, plan.cap, timed, parts[chunk], samples)

    _share(plan, work, chunks)
    return tables.split_gradient(plan, call, ready, sums, owed)


def _chunks(batch: int) -> list[np.ndarray]:
    return np.array_split(np.arange(batch), min(CHUNKS, batch))


def _share(plan: Plan, work: Callable[[int, np.ndarray], None], chunks: list[np.ndarray]) -> None:
    """Run `work` on every chunk, on as many threads as there are cores; this thread does its share."""
    threads = min(len(chunks), plan.threads or cores())

    def run(first: int) -> None:
        for at in range(first, len(chunks), threads):
            work(at, chunks[at])

    others = [_pool().submit(run, first) for first in range(1, threads)]
    run(0)
    for other in others:
        other.result()


def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, cores()), thread_name_prefix="ranvier")
