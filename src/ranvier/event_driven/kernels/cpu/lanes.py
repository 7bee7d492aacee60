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
def ranks(typing_context: Any, values: Any, count: Any, places: Any) -> Any:
    """For each of `count` float64 values, how many of them come before it; of equal ones, the earlier does.

    Reads and writes up to the next multiple of WIDTH; what is there must not be smaller.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, into = (make_array(signature.args[at])(context, builder, arguments[at]).data for at in (0, 2))
        wide, vector = ir.IntType(64), ir.VectorType(ir.DoubleType(), WIDTH)
        numbers, zeros = ir.VectorType(wide, WIDTH), [0] * WIDTH
        address = lambda array, place, kind: builder.bitcast(builder.gep(array, [place]), kind.as_pointer())
        spread = lambda value, kind: builder.shuffle_vector(
            builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.IntType(32)(0)),
            ir.Constant(kind, ir.Undefined), ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), zeros),
        )  # fmt: skip
        before = cgutils.alloca_once(builder, numbers)
        with cgutils.for_range_slice(builder, wide(0), arguments[1], wide(WIDTH)) as (first, _):
            mine = builder.load(address(data, first, vector), align=8)
            own = builder.add(spread(first, numbers), ir.Constant(numbers, list(range(WIDTH))))
            builder.store(ir.Constant(numbers, zeros), before)
            with cgutils.for_range(builder, arguments[1]) as each:
                other = spread(builder.load(builder.gep(data, [each.index])), vector)
                earlier = builder.icmp_signed("<", spread(each.index, numbers), own)
                tied = builder.and_(builder.fcmp_ordered("==", other, mine), earlier)
                less = builder.sext(builder.or_(builder.fcmp_ordered("<", other, mine), tied), numbers)
                builder.store(builder.sub(builder.load(before), less), before)
            builder.store(builder.load(before), address(into, first, numbers), align=8)
        return context.get_dummy_value()

    return types.void(values, count, places), build


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
