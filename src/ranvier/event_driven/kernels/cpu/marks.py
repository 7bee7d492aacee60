"""A few marked places among many: bytes or bits that are set, found a word at a time."""

from typing import Any, no_type_check

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ranvier.event_driven.kernels.cpu.borrow import uncounted

BITS = 64

USUAL = 4
"""Words of few marks are taken apart without a branch, which no processor could predict."""


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
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Place of the lowest set bit of a 64-bit word; BITS if there is none."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), build


@no_type_check
@intrinsic
def count_bits(typing_context: Any, word: Any) -> Any:
    """How many bits of a 64-bit word are set."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@no_type_check
@uncounted(forceinline=True)
def _take_apart(word: int, first: int, found: int, places: np.ndarray) -> int:
    """Write down `first` plus the place of each bit, after `found` others; how many there are then."""
    one, at, found = np.uint64(1), found, found + count_bits(word)
    for _ in range(USUAL):
        places[np.uintp(at)] = first + lowest_bit(word)
        word &= word - one
        at += 1
    while word != 0:
        places[np.uintp(at)] = first + lowest_bit(word)
        word &= word - one
        at += 1
    return found


@no_type_check
@uncounted(forceinline=True)
def list_marked(marks: np.ndarray, count: int, places: np.ndarray) -> int:
    """Write down, in order, which of the first `count` bytes are set; their number.

    The bytes up to the next multiple of BITS must be zero. `places` needs room for USUAL more than there are.
    """
    found = 0
    for first in range(0, count, BITS):
        found = _take_apart(marked(marks, first), first, found, places)
    return found


@no_type_check
@uncounted(forceinline=True)
def list_bits(words: np.ndarray, count: int, places: np.ndarray) -> int:
    """The same of the first `count` bits of words, lowest first; the others of the last word must not be set."""
    found = 0
    for first in range(0, count, BITS):
        found = _take_apart(words[first // BITS], first, found, places)
    return found
