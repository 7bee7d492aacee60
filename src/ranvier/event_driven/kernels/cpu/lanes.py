"""Four numbers at a time: the three inner loops over the events of one spike, as vector instructions.

An event knows its cell in a ring and whether it is late (see `flow.wraps`); both are in one number of `index`: four
times the cell, plus 1 if late. `factors` has four numbers for an event in time and four for a late one. Written for
LLVM because Numba, which turns loops into vectors across iterations only, leaves these scalar: a cell's four lanes
are neighbours, its cells are not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 4
BITS, WIDTH = 64, 8
REASSOCIATE = ("contract", "reassoc", "nsz")
SPREAD = (0, 1, 1, 1)  # (p_I, p_u) as (p_I, p_u, p_u, p_u)
CROSS = (3, 2, 1, 3)  # (I, m, k, 0) as (0, k, m, 0)


class _Event(NamedTuple):
    """Its number, where its cell of the ring starts, its synapse's lanes, and the factors of its kind."""

    number: Any
    cell: Any
    place: Any
    late: Any


class _Loop:
    """What the loops share: `data` (ring, index, table, factors, count, ...), of one element type, four at a time."""

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
    def events(self, width: int) -> Iterator[_Event]:
        """Over all events."""
        builder, wide = self.builder, ir.IntType(64)
        _, index, _, _, count = self.data[:5]
        with cgutils.for_range(builder, count) as each:
            packed = builder.zext(builder.load(builder.gep(index, [each.index])), wide)
            late = builder.mul(builder.and_(packed, wide(1)), wide(LANES))
            cell = builder.lshr(builder.and_(packed, wide(-LANES)), wide(LANES // width - 1))
            yield _Event(each.index, cell, builder.mul(each.index, each.index.type(LANES)), late)

    def spread(self, cell: Any) -> Any:
        """The pair (p, q) in a cell as (p, q, q, q)."""
        return self.shuffle(self.load(self.data[0], cell, 2), SPREAD)

    @contextmanager
    def noted(self, noted: Any) -> Iterator[_Event]:
        """Over all events; those with p = `pieces.MARK` in their cell are written down: their number, then which."""
        builder, bits, kind = self.builder, ir.IntType(8 * self.size), noted.type.pointee
        found = cgutils.alloca_once_value(builder, kind(0))
        with self.events(LANES // 2) as event:
            place = builder.add(builder.load(found), kind(1))
            builder.store(builder.trunc(event.number, kind), builder.gep(noted, [builder.zext(place, ir.IntType(64))]))
            held = builder.load(builder.bitcast(builder.gep(self.data[0], [event.cell]), bits.as_pointer()))
            is_mark = builder.icmp_unsigned("==", held, bits(1 << (8 * self.size - 1)))
            builder.store(builder.add(builder.load(found), builder.zext(is_mark, kind)), found)
            yield event
        builder.store(builder.load(found), noted)


@no_type_check
@intrinsic
def scatter(typing_context: Any, ring: Any, index: Any, lanes: Any, factors: Any, count: Any) -> Any:
    """For every event, with (a, b, c, 0) its lanes times its factors: cell += (a, b + c, max(b + c, 0), 0)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        cells, table = loop.data[0], loop.data[2]
        lowest = loop.constant(float("-inf"), float("-inf"), 0.0, 0.0)
        with loop.events(LANES) as event:
            gain = builder.fmul(loop.load(table, event.place), loop.load(loop.data[3], event.late))
            gain = builder.fadd(gain, loop.shuffle(gain, CROSS))
            gain = builder.select(builder.fcmp_ordered(">", gain, lowest), gain, lowest)
            loop.store(builder.fadd(loop.load(cells, event.cell), gain), cells, event.cell)
        return context.get_dummy_value()

    return types.void(ring, index, lanes, factors, count), build


@no_type_check
@intrinsic
def gather(typing_context: Any, ring: Any, index: Any, sums: Any, factors: Any, count: Any, noted: Any) -> Any:
    """For every event, with (p, q) in its cell: sums += (p, q, q, q) times its factors; or it is noted (`pieces`)."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        into, noted = loop.data[2], loop.data[5]
        with loop.noted(noted) as event:
            gain = builder.fmul(loop.spread(event.cell), loop.load(loop.data[3], event.late), flags=REASSOCIATE)
            loop.store(builder.fadd(loop.load(into, event.place), gain, flags=REASSOCIATE), into, event.place)
        return context.get_dummy_value()

    return types.void(ring, index, sums, factors, count, noted), build


@no_type_check
@intrinsic
def gather_and_weigh(
    typing_context: Any, ring: Any, index: Any, sums: Any, factors: Any, count: Any, noted: Any, lanes: Any, gains: Any
) -> Any:
    """`gather`, and the sum over events of (p, q, q, q) times its lanes times its `gains`, all lanes added."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        loop = _Loop(context, builder, signature, arguments)
        into, noted, table, weights = loop.data[2], *loop.data[5:]
        total = cgutils.alloca_once_value(builder, loop.constant(0.0, 0.0, 0.0, 0.0))
        with loop.noted(noted) as event:
            pair = loop.spread(event.cell)
            gain = builder.fmul(pair, loop.load(loop.data[3], event.late), flags=REASSOCIATE)
            loop.store(builder.fadd(loop.load(into, event.place), gain, flags=REASSOCIATE), into, event.place)
            owed = builder.fmul(loop.load(table, event.place), loop.load(weights, event.late))
            owed = builder.fmul(pair, owed, flags=REASSOCIATE)
            builder.store(builder.fadd(builder.load(total), owed, flags=REASSOCIATE), total)
        parts = builder.load(total)
        lane = [builder.extract_element(parts, ir.Constant(ir.IntType(32), at)) for at in range(LANES)]
        return builder.fadd(builder.fadd(lane[0], lane[1]), builder.fadd(lane[2], lane[3]))

    return ring.dtype(ring, index, sums, factors, count, noted, lanes, gains), build


@no_type_check
@intrinsic
def marked(typing_context: Any, bytes_: Any, first: Any) -> Any:
    """Which of the BITS bytes from `first` on are not zero: a word, the first byte lowest."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        vector = ir.VectorType(ir.IntType(8), BITS)
        address = builder.bitcast(builder.gep(data, [arguments[1]]), vector.as_pointer())
        held = builder.icmp_unsigned("!=", builder.load(address, align=1), ir.Constant(vector, [0] * BITS))
        return builder.bitcast(held, ir.IntType(BITS))

    return types.uint64(bytes_, first), build


@no_type_check
@intrinsic
def rank(typing_context: Any, values: Any, place: Any, count: Any) -> Any:
    """How many of the first `count` float64 values come before the one at `place`; of equal ones, the earlier does.

    Reads up to the next multiple of WIDTH; what is there must not be smaller.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, arguments[0]).data
        wide, vector = ir.IntType(64), ir.VectorType(ir.DoubleType(), WIDTH)
        places = ir.VectorType(wide, WIDTH)
        place, none = arguments[1], [0] * WIDTH
        spread = lambda value, kind: builder.shuffle_vector(
            builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0)),
            ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), none),
        )  # fmt: skip
        mine, own = spread(builder.load(builder.gep(data, [place])), vector), spread(place, places)
        before = cgutils.alloca_once_value(builder, wide(0))
        blocks = builder.sdiv(builder.add(arguments[2], wide(WIDTH - 1)), wide(WIDTH))
        with cgutils.for_range(builder, blocks) as each:
            first = builder.mul(each.index, wide(WIDTH))
            address = builder.bitcast(builder.gep(data, [first]), vector.as_pointer())
            here = builder.load(address, align=8)
            index = builder.add(spread(first, places), ir.Constant(places, list(range(WIDTH))))
            tied = builder.and_(builder.fcmp_ordered("==", here, mine), builder.icmp_signed("<", index, own))
            earlier = builder.bitcast(builder.or_(builder.fcmp_ordered("<", here, mine), tied), ir.IntType(WIDTH))
            number = builder.zext(builder.ctpop(earlier), wide)
            builder.store(builder.add(builder.load(before), number), before)
        return builder.load(before)

    return types.int64(values, place, count), build


@no_type_check
@intrinsic
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Place of the lowest set bit of a 64-bit word that is not zero."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), build


@no_type_check
@intrinsic
def power_of_two(typing_context: Any, exponent: Any) -> Any:
    """2^n as float64, for whole -1022 <= n <= 1023."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(64)
        bits = builder.shl(builder.add(arguments[0], wide(1023)), wide(52))
        return builder.bitcast(bits, ir.DoubleType())

    return types.float64(types.int64), build


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
