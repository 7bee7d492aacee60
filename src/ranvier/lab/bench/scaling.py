"""Time and memory of a gradient against delay, duration, size, rate, batch and threads, beside other libraries.

A recurrent layer with a delay for each synapse, float32, value and gradient of a loss by all that learns. One number is
varied at a time around the `Load` of `ranvier.lab.bench.peers`: 128 neurons, 250 ms, 1 s, 2,500 input spikes a sample,
140 inputs, batch 16, two cores; input weights are such that neurons fire some times a second. Each row runs in a
process of its own that may use as many cores as it says. Its memory is its peak resident size less that of the same
process after a gradient of a short and sparse input. A row that fails, or takes too long, says so.

Beside it the other libraries that are installed (`pip install "ranvier[peers]"`), on the same input: those on a grid at
some of the same sizes, and all of them on a `SMALL` problem, for those that work event by event cannot do a large one.
"""

import dataclasses
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ranvier.lab.bench.peers import PEERS, Load, Outcome, Peer

Row = dict[str, Any]
USUAL = Load()
SMALL = Load(longest=20.0, duration=100.0, hidden=10, spikes=300, batch=1, inputs=10)
"""A problem that every library can be asked for."""
LONG = dataclasses.replace(USUAL, duration=4000.0)
"""Around which the longest delay is varied: long against it, so that nearly as many events arrive whatever it is."""
TAPS, WIDE = (64.0, 256.0), dataclasses.replace(USUAL, inputs=700, spikes=8000)
"""Longest delays at which DCLS is measured, beside ours on the same input, and a larger input as a cochlea gives it."""
OURS = "EventDriven"
SIZES = (64, 256, 512, 1024, 2048)
VARIED: Mapping[str, Mapping[str, tuple[float, ...]]] = {
    OURS: {
        "longest": (64.0, 128.0, 256.0, 512.0, 1024.0),
        "duration": (500.0, 2000.0, 4000.0, 8000.0),
        "hidden": SIZES,
        "spikes": (1250, 5000, 10000),
        "batch": (1, 64),
        "threads": (1,),
    },
    "spyx": {"duration": (500.0, 2000.0, 4000.0), "hidden": SIZES, "batch": (1, 64), "threads": (1,)},
    "jaxpike": {"duration": (500.0, 2000.0, 4000.0), "hidden": SIZES, "batch": (1, 64), "threads": (1,)},
}
"""What is varied around `USUAL` (`LONG` for the longest delay), one number at a time."""
LIMIT, LEAST, ENOUGH = 120.0, 1.0, 20.0
"""Seconds that a row may take, compiling included; that it is repeated for at least, for threads need some time to find
their cores; and after which it is not repeated again."""


def measure(repeats: int = 5, by: Collection[str] = (), limit: float = LIMIT) -> list[Row]:
    """All rows.

    Args:
        repeats: Gradients of a row, at least; the table has their median.
        by: Names of `PEERS`; default ours and those that are installed.
        limit: Seconds that a row may take.

    Raises:
        ValueError: a name is not in `PEERS`.
    """
    unknown = [name for name in by if name not in PEERS]
    if unknown:
        msg = f"there is no {unknown[0]} to compare with; there are {', '.join(PEERS)}"
        raise ValueError(msg)
    peers = [PEERS[name] for name in by] if by else [peer for peer in PEERS.values() if peer.installed]
    return [in_process(peer.name, load, repeats, limit) for peer in peers for load in loads(peer)]


def loads(peer: Peer) -> list[Load]:
    """What a peer is asked for: the usual problem and its variations, and the small one.

    Args:
        peer: Of `PEERS`.
    """
    varied = VARIED.get(peer.name, {})
    around = [
        dataclasses.replace(LONG if name == "longest" else USUAL, **{name: value})
        for name, values in varied.items()
        for value in values
    ]
    taps = [dataclasses.replace(load, longest=longest) for load in (USUAL, WIDE) for longest in TAPS]
    return [*([USUAL] if varied else []), *around, *(taps if peer.name in (OURS, "DCLS") else []), SMALL]


def in_process(by: str, load: Load, repeats: int, limit: float = LIMIT) -> Row:
    """One row, in a fresh process.

    Args:
        by: A name of `PEERS`.
        load: The problem.
        repeats: Gradients.
        limit: Seconds, after which it is ended.
    """
    work = json.dumps({"by": by, "load": dataclasses.asdict(load), "repeats": repeats})
    whole = os.environ | {"JAX_TRACEBACK_FILTERING": "off"}  # the last line is then the error, not a remark of JAX's
    command = [sys.executable, "-m", "ranvier.lab.bench.scaling", work]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=whole)
    except subprocess.TimeoutExpired:
        return _told(by, load, failed=f"not done after {limit:g} s")
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return _told(by, load, failed=said[-1][:160] if said else f"ended with status {done.returncode}")


def _told(by: str, load: Load, *, failed: str | None = None, **found: float | None) -> Row:
    """A row: who, what, and what was found or why not."""
    measured = dict.fromkeys(("rate_hz", "ms_per_sample", "mb", "first_s")) | found
    return {"by": by, "delays": PEERS[by].delays, **dataclasses.asdict(load), **measured, "failed": failed}


def row(by: str, load: Load, repeats: int) -> Row:
    """What a row costs, in this process.

    Args:
        by: A name of `PEERS`.
        load: The problem.
        repeats: Gradients.
    """
    prepare = PEERS[by].prepare
    prepare(dataclasses.replace(load, spikes=20, duration=50.0, longest=min(load.longest, 20.0)))()
    before, start = _peak(), time.perf_counter()
    run = prepare(load)
    outcome, first = run(), time.perf_counter() - start
    walls, begun = [], time.perf_counter()
    while (len(walls) < repeats or start - begun < LEAST) and start - begun < ENOUGH:
        start = time.perf_counter()
        run()
        walls.append(time.perf_counter() - start)
    rate = outcome.spikes / load.duration * 1000.0
    return _told(
        by, load, failed=_wrong(outcome), rate_hz=rate if math.isfinite(rate) else None, mb=_peak() - before,
        ms_per_sample=1e3 * statistics.median(walls) / load.batch, first_s=first,
    )  # fmt: skip


def _wrong(outcome: Outcome) -> str | None:
    """Why what was computed is no gradient of a loss."""
    if not math.isfinite(outcome.value):
        return f"its value is {outcome.value}"
    return None if 0.0 < outcome.steepest < math.inf else f"its largest derivative is {outcome.steepest}"


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def summary(rows: Sequence[Row]) -> str:
    """What the rows say of the longest delay, of memory, and of ours against others on the same problem.

    Args:
        rows: What `measure` gave.
    """
    whole, lines = [one for one in rows if one["failed"] is None], []
    ours = [one for one in whole if one["by"] == OURS]
    flat = [one["ms_per_sample"] for one in along(ours, "longest", LONG)]
    if len(flat) > 1:
        lines.append(f"longest delay: slowest over fastest {max(flat) / min(flat):.2f}")
    long = along(ours, "duration")
    if len(long) > 2:
        spikes = [
            one["batch"] * one["duration"] / 1e3 * (one["spikes"] + one["hidden"] * one["rate_hz"]) for one in long
        ]
        memory = [one["mb"] for one in long]
        slope, start = np.polyfit(spikes, memory, 1)
        off = max(abs(np.polyval((slope, start), spikes) - memory))
        lines.append(f"memory: {start:.0f} MB and {slope * 2**20:.0f} bytes a spike, within {off:.1f} MB")
    for one in whole:
        same = [mine for mine in ours if _problem(mine) == _problem(one) and one["by"] != OURS]
        lines += [f"{one['by']} {_words(one)}: {one['ms_per_sample'] / mine['ms_per_sample']:.3g} times ours"
                  for mine in same]  # fmt: skip
    return "\n".join(lines)


def along(rows: Sequence[Row], name: str, around: Load = USUAL) -> list[Row]:
    """Rows that differ from a problem by one number at most, in its order.

    Args:
        rows: Whole rows of one library.
        name: The number.
        around: The problem.
    """
    usual = dataclasses.asdict(around)
    found = [one for one in rows if all(one[other] == value for other, value in usual.items() if other != name)]
    return sorted(found, key=lambda one: one[name])


def _problem(one: Row) -> tuple[Any, ...]:
    """The problem of a row."""
    return tuple(one[field.name] for field in dataclasses.fields(Load))


def _words(one: Row) -> str:
    if _problem(one) == dataclasses.astuple(SMALL):
        return "small"
    other = [f"{name} {one[name]:g}" for name, value in dataclasses.asdict(USUAL).items() if one[name] != value]
    return ", ".join(other) or "usual"


def main(arguments: Sequence[str]) -> None:
    """What the fresh process runs."""
    work = json.loads(arguments[0])
    load = Load(**work["load"])
    if hasattr(os, "sched_setaffinity") and load.threads < len(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: load.threads])  # what JAX and PyTorch count as theirs
    sys.stdout.write(json.dumps(row(work["by"], load, work["repeats"])) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
