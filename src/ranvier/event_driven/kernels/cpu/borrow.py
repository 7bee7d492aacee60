"""Kernels without reference counts.

Numba counts references to every array at every use, with atomic instructions that two threads fight over: in kernels
of many small steps that is most of the time. A function compiled with `uncounted` counts nothing (and so cannot make
arrays). `borrow` gives, to the function above, views whose owner is unknown, so that there is nothing to count. The
caller must keep the owner alive, which holds for the arguments of a function while it runs.
"""

from functools import partial
from typing import Any, cast, no_type_check

from llvmlite import ir
from numba import njit
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array

uncounted: Any = partial(cast(Any, njit), nogil=True, error_model="numpy", _nrt=False)
"""`njit` without the GIL, without reference counts, and without a branch at every division.

What takes whole named tuples is inlined (`inline="always"`): to pass some sixty arrays by value costs 0.2 us a call."""


@no_type_check
@intrinsic
def borrow(typing_context: object, group: types.BaseTuple) -> tuple:
    """A named tuple with the same arrays, borrowed. Scalars are passed through."""

    @no_type_check
    def build(context: object, builder: ir.IRBuilder, signature: object, arguments: tuple) -> object:
        parts = []
        for kind, value in zip(group.types, cgutils.unpack_tuple(builder, arguments[0]), strict=True):
            if isinstance(kind, types.Array):
                array = make_array(kind)(context, builder, value)
                array.meminfo = ir.Constant(array.meminfo.type, None)
                array.parent = ir.Constant(array.parent.type, None)
                value = array._getvalue()
            parts.append(value)
        return context.make_tuple(builder, group, parts)

    return group(group), build


@no_type_check
@intrinsic
def part(typing_context: object, array: types.Array, start: types.Integer, size: types.Integer) -> Any:
    """`array[start : start + size]` of one axis, borrowed, and without looking whether it lies inside."""

    @no_type_check
    def build(context: object, builder: ir.IRBuilder, signature: object, arguments: tuple) -> object:
        whole, found = make_array(array)(context, builder, arguments[0]), make_array(array)(context, builder)
        populate_array(
            found, data=builder.gep(whole.data, [arguments[1]]), shape=cgutils.pack_array(builder, [arguments[2]]),
            strides=whole.strides, itemsize=whole.itemsize, meminfo=None, parent=None,
        )  # fmt: skip
        return found._getvalue()

    return array(array, types.intp, types.intp), build
