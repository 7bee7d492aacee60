"""The table behind `queues.recommend_queue`: time of a step with gradient, for numbers of queues and of places.

Poisson spikes as in `ranvier.lab.bench.queues`, float32; the fastest of the repeats, since only their order matters.
`ranvier bench queue-table --json FILE` writes the rows, which are shipped as `ranvier/queues/measured.json`.
"""

from typing import Any

import jax
import jax.numpy as jnp

from ranvier import queues
from ranvier.lab.bench.queues import DELAY, poisson, runs, spikes, timed

SIZES = {1000: 400, 10_000: 60, 100_000: 8}
PLACES = (2, 4, 8, 32)
SLOTS = (81, 641)


def measure(repeats: int = 5) -> list[dict[str, Any]]:
    """One row for each kind, number of queues and number of places on this device."""
    kinds: list[queues.AbstractQueue] = [queues.RingQueue(slots - 1.0, 1.0) for slots in SLOTS]
    kinds += [kind(places) for kind in (queues.FifoQueue, queues.SortedQueue, queues.HeapQueue) for places in PLACES]
    rows = []
    for size, steps in SIZES.items():
        delay, fires = jnp.full(size, jnp.float32(DELAY)), jnp.asarray(spikes(size, steps))
        for queue in kinds:
            spent = timed(runs(poisson(queue), delay, fires)[1:2], steps, repeats, min)[0]
            row = {"queue": type(queue).__name__, "queues": size, "places": queue.places, "step_us": spent}
            rows.append({"device": jax.default_backend(), **row})
    return rows
