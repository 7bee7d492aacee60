"""Eight events at a time: what the inner loops of both passes share, as vector instructions written for LLVM.

Neighbouring events of a spike have their numbers side by side, but their cells lie far apart: Numba leaves such a loop
scalar, or uses gather instructions, which are slower than eight loads.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.np.arrayobj import make_array

from ranvier.event_driven.kernels.cpu.lanes import LANES

WIDTH = 8
REASSOCIATE = ("contract", "reassoc", "nsz")
WIDE, NARROW = ir.IntType(64), ir.IntType(32)


class Octets:
    """The arguments of an inner loop, unpacked in `parts`, and tools to write it for `width` events at a time.

    The first argument, an array, says what kind of real numbers there are.
    """

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any) -> None:
        self.builder, self.element = builder, context.get_data_type(kinds[0].dtype)
        self.size = context.get_abi_sizeof(self.element)
        self.parts = [self._unpack(context, kind, value) for kind, value in zip(kinds, values, strict=True)]

    def _unpack(self, context: Any, kind: Any, value: Any) -> Any:
        if issubclass(type(kind), types.BaseTuple):
            inner = cgutils.unpack_tuple(self.builder, value)
            return [self._unpack(context, *pair) for pair in zip(kind.types, inner, strict=True)]
        return make_array(kind)(context, self.builder, value).data if isinstance(kind, types.Array) else value

    def vector(self, width: int, element: Any = None) -> Any:
        """The type of `width` numbers."""
        return ir.VectorType(self.element if element is None else element, width)

    def load(self, array: Any, j: Any, kind: Any) -> Any:
        """Neighbouring elements from number j on."""
        return self.builder.load(self.builder.bitcast(self.builder.gep(array, [j]), kind.as_pointer()), align=4)

    def read(self, array: Any, count: int) -> list[Any]:
        """The first `count` elements of an array."""
        return [self.builder.load(self.builder.gep(array, [WIDE(place)])) for place in range(count)]

    def add_to(self, array: Any, j: Any, value: Any) -> None:
        """`array[j:] += value`."""
        address = self.builder.bitcast(self.builder.gep(array, [j]), value.type.as_pointer())
        total = self.builder.fadd(self.builder.load(address, align=self.size), value, flags=REASSOCIATE)
        self.builder.store(total, address, align=self.size)

    def spread(self, value: Any, width: int) -> Any:
        """One number `width` times."""
        kind = self.vector(width, value.type)
        return self.shuffle(self.builder.insert_element(ir.Constant(kind, ir.Undefined), value, NARROW(0)), [0] * width)

    def shuffle(self, one: Any, pattern: Any, other: Any = None) -> Any:
        """Elements of `one`, and of `other` behind them."""
        mask = ir.Constant(self.vector(len(pattern), NARROW), list(pattern))
        return self.builder.shuffle_vector(one, one if other is None else other, mask)

    def multiply(self, one: Any, other: Any) -> Any:
        """The product."""
        return self.builder.fmul(one, other, flags=REASSOCIATE)

    def add(self, one: Any, other: Any) -> Any:
        """The sum."""
        return self.builder.fadd(one, other, flags=REASSOCIATE)

    def late(self, events: Any, j: Any, width: int) -> Any:
        """Which events are late; see `fan_out.locate`."""
        lanes = self.vector(width, NARROW)
        ones, none = (ir.Constant(lanes, [bit] * width) for bit in (1, 0))
        return self.builder.icmp_unsigned("!=", self.builder.and_(self.load(events, j, lanes), ones), none)

    def factors(self, factors: list[Any], late: Any, width: int) -> list[Any]:
        """(syn, mem, kernel) of every event's spike; see `fan_out.set_factors`."""
        kinds = [[self.spread(factors[LANES * kind + at], width) for kind in (1, 0)] for at in range(3)]
        return [self.builder.select(late, *kind) for kind in kinds]

    def place(self, events: Any, j: Any, n: int) -> Any:
        """LANES times the cell of event j + n."""
        number = self.builder.load(self.builder.gep(events, [self.builder.add(j, WIDE(n))]))
        return self.builder.and_(self.builder.zext(number, WIDE), WIDE(-LANES))

    def for_all(self, count: Any, body: Callable[[Any, int], None]) -> None:
        """`body(j, WIDTH)` over all events by eights, and `body(j, 1)` over those beyond the last eight."""
        whole = self.builder.and_(count, WIDE(-WIDTH))
        for width, begin, end in ((WIDTH, WIDE(0), whole), (1, whole, count)):
            with cgutils.for_range_slice(self.builder, begin, end, WIDE(width)) as (j, _):
                body(j, width)
