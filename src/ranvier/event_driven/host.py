"""The host's side: from the arrays of a call to the kernel's arrays, and back. NumPy only; no JAX.

`forward_call` and `backward_call` are what JAX calls back. Both make the kernel's tables from weights and delays, or
find them made, check values that only exist at run time, and share a batch out over threads: backward in fixed chunks,
added up in their order, so that results do not depend on the number of threads.
"""

import contextlib
import math
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import NamedTuple

import numpy as np

from ranvier.event_driven import tables
from ranvier.event_driven.kernels.cpu import arrays, entry
from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.plan import MOST_WINDOWS, Plan, window_length
from ranvier.event_driven.tables import Call, Prepared
from ranvier.status import DROPPED, NOT_FINITE, RING, WINDOWS

CHUNKS = 8
"""Backward, a batch is cut into at most this many chunks, each with gradient sums of its own."""


class _Last(NamedTuple):
    """The network of the latest call, byte for byte, and what was made of it."""

    plan: Plan
    numbers: bytes
    ready: Prepared | int


_latest: list[_Last] = []


def prepare(plan: Plan, call: Call) -> Prepared | int:
    """The kernel's arrays of a network that keeps the rules, or a status; the latest call's if nothing changed.

    So a backward pass finds the tables of its forward pass.
    """
    numbers = b"".join([array.tobytes() for group in call[: Call._fields.index("times")] for array in group])
    for last in _latest:
        if last.numbers == numbers and last.plan == plan:
            return last.ready
    ready = _build(plan, call)
    _latest[:] = [_Last(plan, numbers, ready)]
    return ready


def _build(plan: Plan, call: Call) -> Prepared | int:
    wiring, membranes = tables.wiring(plan), tables.membranes(plan, call)
    weight, delay = (np.concatenate([array.reshape(-1) for array in group]) for group in (call.weights, call.delays))
    shortest = float(min(membranes.rate_mem.min(), membranes.rate_syn.min()))  # rates come later: time constants still
    synapses = tables.synapses(plan, weight)
    window = window_length(plan.longest_window, shortest, plan.dtype)
    windows = max(1, math.ceil(plan.t_end / window))
    if windows > MOST_WINDOWS:
        return WINDOWS
    entry.tabulate(wiring, membranes, delay, tables.lowest(plan), window, windows, synapses)
    span = int(synapses.longest.max(initial=0)) + 2
    if LANES * span * membranes.theta.size >= 2**31:
        return RING
    margin = 1e-10 if plan.dtype == "float64" else 1e-5
    clock = arrays.Clock(window, windows, plan.t_end - (windows - 1) * window, span, margin)
    return Prepared(wiring, synapses, membranes, clock)


SLICE = 0.1
"""How long (s) the main thread waits at a time."""


def forward_call(plan: Plan, call: Call, trains: arrays.Trains) -> tuple[arrays.Output, int]:
    """Simulate one batch: what a user sees, and the status; `trains`, zeros at first, is for the backward pass."""
    batch = call.times[0].shape[0]
    output = tables.empty_output(plan, batch)
    status = int(call.status[0][0])
    if status != 0:
        return output, status
    ready = prepare(plan, call)
    if isinstance(ready, int):
        return output, ready
    inputs, record = tables.inputs(call), tables.record(plan, call, ready.clock.window, ready.clock.windows)
    rest, taken = (record, inputs, trains, output, plan.parts.max_inverse_slope), np.zeros(2, np.intp)
    _share(plan, batch, taken, lambda: entry.forward(*ready, *rest, taken))
    return output, DROPPED if output.dropped.any() else NOT_FINITE if output.broken.any() else 0


def backward_call(
    plan: Plan, call: Call, trains: arrays.Trains, direct: np.ndarray, seed: np.ndarray, presence: np.ndarray,
    timed: bool = True,
) -> tuple[tuple[np.ndarray, ...], ...]:  # fmt: skip
    """Gradient of one batch: per connection (weights, delays), per population (theta, rho, refractory), per input.

    Args:
        plan: The plan.
        call: The same numbers as forward.
        trains: Spikes of neurons, from the forward pass.
        direct: dL/d(spike time) by place, (batch, places).
        seed: dL/d(recorded potential), (batch, values).
        presence: dL/d(presence of a spike) by place; without places if the derivative is exact.
        timed: Whether the gradient of input times is wanted; if not, there is none.
    """
    ready = prepare(plan, call) if call.status[0][0] == 0 else int(call.status[0][0])
    if isinstance(ready, int):
        return tables.nan_gradient(plan, call, timed)
    inputs, record = tables.inputs(call), tables.record(plan, call, ready.clock.window, ready.clock.windows)
    chunks, taken = min(CHUNKS, direct.shape[0]), np.zeros(2, np.intp)
    sums = tables.gradient_sums(plan, ready, chunks)
    early = np.empty(inputs.time.shape if timed else (0, 0), plan.dtype)
    timing, scale, cap, reset, refractory = plan.parts
    parts = timing, scale, reset, refractory
    rest = record, inputs, trains, direct, seed, presence, parts, cap, early, sums, taken
    _share(plan, chunks, taken, lambda: entry.backward(*ready, *rest))
    weight, delay = tables.empty_synapses(plan)
    entry.settle(ready.wiring, ready.synapses, ready.membranes, sums, weight, delay)
    gradient = tables.split_gradient(plan, call, weight, delay, sums, early if timed else None)
    tables.spare(sums)
    return gradient


def _share(plan: Plan, parts: int, taken: np.ndarray, work: Callable[[], None]) -> None:
    """Run `work` on as many threads as there are cores, until all `parts` are taken; see `kernels.cpu.share`.

    Any other thread does its share; the main thread waits, for it alone sees signals, and only in Python code. What
    their handlers raise, such as KeyboardInterrupt, stops the work within a window.
    """
    main, threads = threading.current_thread() is threading.main_thread(), min(parts, plan.threads or cores())
    others = [_pool().submit(work) for _ in range(threads if main else threads - 1)]
    try:
        if not main:
            work()
        while wait(others, timeout=SLICE).not_done:
            pass  # another thread may have got the signal: its handler runs here, once this one is in Python again
    except BaseException:
        taken[1] = 1
        while not all(other.done() for other in others):
            with contextlib.suppress(BaseException):  # an impatient Ctrl-C: the work still holds the arrays
                wait(others)
        raise
    for other in others:
        other.result()


@cache
def cores() -> int:
    """Number of cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, cores()), thread_name_prefix="ranvier")
