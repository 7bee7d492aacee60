"""Four numbers at a time: the three inner loops over the events of one spike, as vector instructions.

An event knows its cell in a ring and whether it is late (see `flow.wraps`); both are in one number of `index`: four
times the cell, plus 1 if late. `factors` has four numbers for an event in time and four for a late one. Written for
LLVM because Numba, which turns loops into vectors across iterations only, leaves these scalar: a cell's four lanes
are neighbours, its cells are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 4
REASSOCIATE = ("contract", "reassoc", "nsz")
SPREAD = (0, 1, 1, 1)  # (p_I, p_u) as (p_I, p_u, p_u, p_u)
CROSS = (3, 2, 1, 3)  # (I, m, k, 0) as (0, k, m, 0)


class _Loop:
    """What the loops share: `data` (ring, index, table, factors, count), of one element type, four at a time."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.builder = builder
        self.data = [
            make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        self.element = context.get_data_type(signature.args[0].dtype)
        self.vector = ir.VectorType(self.element, LANES)
        self.size = context.get_abi_sizeof(self.element)

    def at(self, array: Any, place: Any, lanes: int = LANES) -> Any:
        """Address of `lanes` neighbouring elements."""
        vector = ir.VectorType(self.element, lanes)
        return self.builder.bitcast(self.builder.gep(array, [place]), vector.as_pointer())

    def load(self, array: Any, place: Any, lanes: int = LANES) -> Any:
        """`lanes` neighbouring elements."""
        return self.builder.load(self.at(array, place, lanes), align=self.size)

    def store(self, value: Any, array: Any, place: Any) -> None:
        """Write four neighbouring elements."""
        self.builder.store(value, self.at(array, place), align=self.size)

    def constant(self, *lanes: float) -> Any:
        """Four given numbers."""
        return ir.Constant(self.vector, [ir.Constant(self.element, lane) for lane in lanes])

    def shuffle(self, value: Any, pattern: tuple[int, ...]) -> Any:
        """The lanes of `value` in another order."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), list(pattern))
        return self.builder.shuffle_vector(value, ir.Constant(value.type, ir.Undefined), mask)

    @contextmanager
    def events(self, width: int) -> Iterator[tuple[Any, Any, Any]]:
        """Over all events: where the event's cell of `width` numbers starts, its synapse's lanes, and its factors."""
        builder, wide = self.builder, ir.IntType(64)
        _, index, _, factors, count = self.data
        with cgutils.for_range(builder, count) as each:
            packed = builder.zext(builder.load(builder.gep(index, [each.index])), wide)
            late = builder.and_(packed, wide(1))
            cell = builder.lshr(builder.and_(packed, wide(-LANES)), wide(LANES // width - 1))
            gains = self.load(factors, builder.mul(late, wide(LANES)))
            yield cell, builder.mul(each.index, each.index.type(LANES)), gains

    def spread(self, cell: Any) -> Any:
        """The pair (p, q) in a cell as (p, q, q, q)."""
        return self.shuffle(self.load(self.data[0], cell, 2), SPREAD)


@no_type_check
@intrinsic
def scatter(typing_context: Any, ring: Any, index: Any, lanes: Any, factors: Any, count: Any) -> Any:
    """For every event, with (a, b, c, 0) its lanes times its factors: cell += (a, b + c, max(b + c, 0), 0)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        cells, table = loop.data[0], loop.data[2]
        lowest = loop.constant(float("-inf"), float("-inf"), 0.0, 0.0)
        with loop.events(LANES) as (cell, place, factor):
            gain = builder.fmul(loop.load(table, place), factor)
            gain = builder.fadd(gain, loop.shuffle(gain, CROSS))
            gain = builder.select(builder.fcmp_ordered(">", gain, lowest), gain, lowest)
            loop.store(builder.fadd(loop.load(cells, cell), gain), cells, cell)
        return context.get_dummy_value()

    return types.void(ring, index, lanes, factors, count), build


@no_type_check
@intrinsic
def gather(typing_context: Any, ring: Any, index: Any, sums: Any, factors: Any, count: Any) -> Any:
    """For every event, with (p, q) in its cell: sums += (p, q, q, q) times its factors."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        into = loop.data[2]
        with loop.events(LANES // 2) as (cell, place, factor):
            gain = builder.fmul(loop.spread(cell), factor, flags=REASSOCIATE)
            loop.store(builder.fadd(loop.load(into, place), gain, flags=REASSOCIATE), into, place)
        return context.get_dummy_value()

    return types.void(ring, index, sums, factors, count), build


@no_type_check
@intrinsic
def weigh(typing_context: Any, ring: Any, index: Any, lanes: Any, factors: Any, count: Any) -> Any:
    """Sum over events, with (p, q) in its cell: (p, q, q, q) times its lanes times its factors, all lanes added."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        total = cgutils.alloca_once_value(builder, loop.constant(0.0, 0.0, 0.0, 0.0))
        with loop.events(LANES // 2) as (cell, place, factor):
            gain = builder.fmul(loop.load(loop.data[2], place), factor)
            gain = builder.fmul(loop.spread(cell), gain, flags=REASSOCIATE)
            builder.store(builder.fadd(builder.load(total), gain, flags=REASSOCIATE), total)
        parts = builder.load(total)
        lane = [builder.extract_element(parts, ir.Constant(ir.IntType(32), at)) for at in range(LANES)]
        return builder.fadd(builder.fadd(lane[0], lane[1]), builder.fadd(lane[2], lane[3]))

    return ring.dtype(ring, index, lanes, factors, count), build


@no_type_check
@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Place of the lowest set bit of a 64-bit word that is not zero."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@no_type_check
@intrinsic
def prefetch(typing_context: Any, array: Any, place: Any) -> Any:
    """Ask for an element that will be read soon."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        address = builder.bitcast(builder.gep(data, [arguments[1]]), cgutils.voidptr_t)
        narrow = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, narrow, narrow, narrow])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [address, narrow(0), narrow(3), narrow(1)])
        return context.get_dummy_value()

    return types.void(array, place), build
