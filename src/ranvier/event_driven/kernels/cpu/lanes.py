"""Small tools as vector instructions, written for LLVM: Numba turns loops into vectors across iterations only, and
leaves these scalar."""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

LANES = 4
WIDTH = 8


@no_type_check
@intrinsic
def drain(typing_context: Any, cells: Any, sums: Any, count: Any) -> Any:
    """Move the first three numbers of each of `count` cells to the rows of `sums`, and leave zeros."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        ring = make_array(cells)(context, builder, arguments[0]).data
        table = make_array(sums)(context, builder, arguments[1])
        element, wide = context.get_data_type(cells.dtype), ir.IntType(64)
        stride = cgutils.unpack_tuple(builder, table.shape)[1]
        address = lambda array, place, kind: builder.bitcast(builder.gep(array, [place]), kind.as_pointer())
        size, whole = context.get_abi_sizeof(element), builder.and_(arguments[2], wide(-2 * WIDTH))
        for width, begin, end in ((2 * WIDTH, wide(0), whole), (1, whole, arguments[2])):
            many, few = ir.VectorType(element, LANES * width), ir.VectorType(element, width)
            with cgutils.for_range_slice(builder, begin, end, wide(width)) as (j, _):
                place = address(ring, builder.mul(j, wide(LANES)), many)
                held = builder.load(place, align=size)
                builder.store(ir.Constant(many, [0.0] * LANES * width), place, align=size)
                for lane in range(LANES - 1):
                    lanes = [LANES * cell + lane for cell in range(width)]
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), width), lanes)
                    row = address(table.data, builder.add(j, builder.mul(stride, wide(lane))), few)
                    builder.store(builder.shuffle_vector(held, held, mask), row, align=size)
        return context.get_dummy_value()

    return types.void(cells, sums, count), build


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
