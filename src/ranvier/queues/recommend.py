"""Which queue to take, looked up in a table of measured times that comes with the package."""

import importlib.resources
import json
import math
from typing import Any

import equinox as eqx

from ranvier.queues.abstract import AbstractQueue
from ranvier.queues.fifo import FifoQueue
from ranvier.queues.heap import HeapQueue
from ranvier.queues.ring import RingQueue
from ranvier.queues.sizing import capacity
from ranvier.queues.sorted import SortedQueue


class Recommendation(eqx.Module):
    """A queue, and why this one.

    Args:
        queue: The queue to use.
        reason: The measured times behind the choice, in words.
    """

    queue: AbstractQueue
    reason: str = eqx.field(static=True)


def recommend_queue(
    queues: int, delay_max: float, rate_max: float, dt: float, *, device: str = "cpu"
) -> Recommendation:
    """The fastest of the queues that lose nothing and were measured, each just large enough.

    Compared are times of one step with gradient, measured by `ranvier bench queue-table` for the nearest number of
    queues and for at least as many places (for more than were measured, in proportion). `LossyQueue` and `SingleQueue`
    are left out: they lose events by rule.

    Args:
        queues: Number of queues: of synapses, or of neurons with an axonal delay.
        delay_max: Longest delay (ms).
        rate_max: Highest rate (spikes per ms): the inverse of the shortest interval between two spikes.
        dt: Step (ms).
        device: Backend as JAX names it, "cpu", "gpu" or "tpu".

    Returns:
        The queue and the reason.

    Raises:
        ValueError: an argument is not positive, or nothing was measured on this device.

    Example:
        >>> import ranvier as rv
        >>> rv.queues.recommend_queue(10_000, delay_max=7.0, rate_max=0.1, dt=0.025).queue.capacity
        2
    """
    for name, value in (("queues", queues), ("delay_max", delay_max), ("rate_max", rate_max), ("dt", dt)):
        if not 0 < value < math.inf:
            msg = f"recommend_queue: `{name}` must be positive and finite; got {value!r}."
            raise ValueError(msg)
    rows = measured()
    here = [row for row in rows if row["device"] == device]
    if not here:
        known = ", ".join(sorted({row["device"] for row in rows}))
        msg = f"recommend_queue: nothing was measured on `device` {device!r}; there is {known}. "
        raise ValueError(msg + "Run `ranvier bench queue-table` there.")
    near = min({row["queues"] for row in here}, key=lambda count: abs(math.log(count / queues)))
    places = capacity(delay_max, rate_max)
    choices = (FifoQueue(places), SortedQueue(places), HeapQueue(places), RingQueue(delay_max, dt))
    rows = [row for row in here if row["queues"] == near]
    kinds = {row["queue"] for row in rows}
    told = [(_time(rows, queue), queue) for queue in choices if type(queue).__name__ in kinds]
    (best, queue), *others = sorted(told, key=lambda pair: pair[0])
    against = " and ".join(f"{spent:.3g} us of {type(other).__name__} with {other.places}" for spent, other in others)
    reason = (
        f"{type(queue).__name__} with {queue.places} places: {best:.3g} us per step with gradient for {near} queues on "
        f"{device}, against {against}."
    )
    return Recommendation(queue, reason)


def measured() -> list[dict[str, Any]]:
    """The rows of the table: device, kind of queue, number of queues, places, and time of a step (us)."""
    text = importlib.resources.files("ranvier.queues").joinpath("measured.json").read_text(encoding="utf-8")
    return json.loads(text)["rows"]


def _time(rows: list[dict[str, Any]], queue: AbstractQueue) -> float:
    """Measured time (us) of a queue of this kind, or of the largest measured one in proportion."""
    known = {row["places"]: row["step_us"] for row in rows if row["queue"] == type(queue).__name__}
    enough = [places for places in known if places >= queue.places]
    return known[min(enough)] if enough else known[max(known)] * queue.places / max(known)
