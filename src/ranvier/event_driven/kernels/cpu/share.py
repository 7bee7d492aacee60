"""Sharing a batch: chunks of samples, taken one by one by whichever thread is free.

`taken` counts them in its first place; a second place that is not 0 tells all threads to leave what they do undone.
"""

from typing import no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ranvier.event_driven.kernels.cpu.borrow import uncounted


@no_type_check
@intrinsic
def take(typing_context: object, taken: types.Array) -> tuple:
    """`taken[0]`, which is counted up in the same breath: no two threads get the same number."""

    @no_type_check
    def build(context: object, builder: ir.IRBuilder, signature: object, arguments: tuple) -> object:
        data = make_array(taken)(context, builder, arguments[0]).data
        return builder.atomic_rmw("add", data, cgutils.intp_t(1), "monotonic")

    return types.intp(taken), build


@no_type_check
@uncounted()
def bounds(chunk: int, chunks: int, batch: int) -> tuple[int, int]:
    """First sample of a chunk, and the first one after it."""
    return chunk * batch // chunks, (chunk + 1) * batch // chunks
