"""The inner loop of the forward pass: the events of one spike, each added to the cell of its neuron and window.

With (a, b) what the event was, taken back by the rest of its delay (`fan_out.py`), and (syn, mem, kernel) the spike's
factors for events in time or those that are late,

    cell += (I, u, max(u, 0), 0)        I = a syn        u = a kernel + b mem
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from ranvier.event_driven.kernels.cpu.lanes import LANES
from ranvier.event_driven.kernels.cpu.octets import WIDTH, Octets

LOW, HIGH = (0, 8, 1, 9, 4, 12, 5, 13), (2, 10, 3, 11, 6, 14, 7, 15)  # of each half: cheap shuffles stay inside halves
FIRST, SECOND = (0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)


class _Scatter(Octets):
    """The inner loop."""

    def cells(self, columns: list[Any], width: int) -> list[Any]:
        """What to add to the cell of every event: the columns I, u, lift and zeros, transposed."""
        i, u, lift, none = columns
        if width == 1:
            return [self.shuffle(self.shuffle(i, (0, 1), u), range(LANES), self.shuffle(lift, (0, 1), none))]
        found = {}
        for half, place in ((LOW, 0), (HIGH, 2)):
            left, right = self.shuffle(i, half, u), self.shuffle(lift, half, none)
            for pattern, event in ((FIRST, place), (SECOND, place + 1)):
                two = self.shuffle(left, pattern, right)
                found[event], found[event + LANES] = self.shuffle(two, range(4)), self.shuffle(two, range(4, 8))
        return [found[event] for event in range(WIDTH)]

    def run(self) -> None:
        """Over all events."""
        ring, events, (into_current, into_u), factors, count = self.parts
        spike = self.read(factors, 8)

        def add(j: Any, width: int) -> None:
            numbers = self.vector(width)
            syn, mem, kernel = self.factors(spike, self.late(events, j, width), width)
            a, none = self.load(into_current, j, numbers), ir.Constant(numbers, [0.0] * width)
            u = self.add(self.multiply(a, kernel), self.multiply(self.load(into_u, j, numbers), mem))
            lift = self.builder.select(self.builder.fcmp_ordered(">", u, none), u, none)
            for n, cell in enumerate(self.cells([self.multiply(a, syn), u, lift, none], width)):
                self.add_to(ring, self.place(events, j, n), cell)

        self.for_all(count, add)


@no_type_check
@intrinsic
def scatter(typing_context: Any, ring: Any, events: Any, pairs: Any, factors: Any, count: Any) -> Any:
    """Add the `count` events of one spike to the ring, LANES numbers a cell.

    `events`: see `fan_out.locate`. `pairs`: two arrays, all a and all b.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Scatter(context, builder, signature.args, arguments).run()
        return context.get_dummy_value()

    return types.void(ring, events, pairs, factors, count), build
