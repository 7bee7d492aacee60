"""Plain Python models of the queues, one queue and one event at a time: a heap of what waits, and a rule for losses."""

import dataclasses
import heapq
import math
from collections import Counter
from collections.abc import Callable

import ranvier as rv

Event = tuple[float, int]
"""Arrival time, and the number that the event carries."""


@dataclasses.dataclass
class Model:
    """What waits, ordered by heapq, and what was counted. `rule(model, now, event)` admits an event or loses one."""

    queue: rv.queues.AbstractQueue
    rule: Callable[["Model", float, Event], None]
    waiting: list[Event] = dataclasses.field(default_factory=list)
    pushed: list[Event] = dataclasses.field(default_factory=list)
    dropped: int = 0
    late: int = 0
    clamped: int = 0
    peak: int = 0

    def push(self, now: float, event: Event):
        if event[0] < math.inf:
            time, number = event
            self.late += time < now
            clamps = isinstance(self.queue.policy, rv.queues.Clamp)
            self.rule(self, now, (max(time, now) if clamps else time, number))

    def keep(self, event: Event):
        heapq.heappush(self.waiting, event)

    def lose(self, event: Event):
        self.dropped += 1
        self.waiting.remove(event)
        heapq.heapify(self.waiting)

    def pop(self, until: float) -> list[Event]:
        due = []
        while self.waiting and self.waiting[0][0] <= until:
            due.append(heapq.heappop(self.waiting))
        return due


def drops_newest(model: Model, now: float, event: Event):
    """Fifo and heap: a full queue loses the event that comes."""
    model.keep(event)
    if len(model.waiting) > model.queue.places:
        model.lose(event)
    model.peak = max(model.peak, len(model.waiting))


def drops_last_due(model: Model, now: float, event: Event):
    """Sorted: a full queue loses the event due last, the latest pushed of equals."""
    model.keep(event)
    if len(model.waiting) > model.queue.places:
        model.lose(max(model.waiting))
    model.peak = max(model.peak, len(model.waiting))


def forgets_oldest(model: Model, now: float, event: Event):
    """Lossy: an event is lost by the push that comes `capacity` pushes later."""
    model.pushed.append(event)
    model.keep(event)
    gone = model.pushed[-1 - model.queue.places] if len(model.pushed) > model.queue.places else None
    if gone in model.waiting:
        model.lose(gone)
    model.peak = max(model.peak, len(model.waiting))


def keeps_first(model: Model, now: float, event: Event):
    """Single: the event that waits stays."""
    drops_newest(model, now, event)


def keeps_latest(model: Model, now: float, event: Event):
    """Single: the event that comes goes in."""
    if model.waiting:
        model.lose(model.waiting[0])
    model.keep(event)
    model.peak = 1


def in_slots(model: Model, now: float, event: Event):
    """Ring: a step delivers `width` events at most, and nothing lies further ahead than the slots."""
    queue, (time, number) = model.queue, event
    step, due = round(now / queue.dt), lambda t: math.ceil(t / queue.dt)
    if due(time) > step + queue.slots:
        if not isinstance(queue.policy, rv.queues.Clamp):
            model.dropped += 1
            return
        model.clamped += 1
        time = (step + queue.slots) * queue.dt
    slot = max(due(time), step + 1)
    there = Counter(max(due(t), step + 1) for t, _ in model.waiting)[slot]
    if there == queue.width:
        model.dropped += 1
        return
    model.keep((time, number))
    model.peak = max(model.peak, there + 1)
