"""Eight events at a time: the inner loop of the backward pass, as vector instructions.

For an event of one spike, with late = 1 if it arrives a window later than its shift says (`flow.wraps`), (p_I, p_u) in
the cell where it arrived, (syn, kernel, mem) the spike's factors of its kind (`deposit.set_factors`), and
(decay_syn, decay_mem, kappa) of its synapse (`arrays.Synapses`):

    x_I = syn (p_I decay_syn + p_u kappa) + kernel p_u decay_mem        x_u = mem p_u decay_mem

Written for LLVM because neighbouring events read cells far apart: Numba leaves such a loop scalar, or uses gather
instructions, which are slower than eight loads of a pair each.
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

WIDTH = 8
REASSOCIATE = ("contract", "reassoc", "nsz")
WIDE, NARROW, BYTE = ir.IntType(64), ir.IntType(32), ir.IntType(8)
FIRST, SECOND = ((0, 1), (4, 5)), ((2, 3), (6, 7))  # so that one cheap shuffle then parts p_I from p_u
EVEN, ODD = (0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15)


class _Loop:
    """The arguments of `gather`, unpacked, and the code for `width` events from number j on."""

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any) -> None:
        self.builder, self.element = builder, context.get_data_type(kinds[0].dtype)
        self.size = context.get_abi_sizeof(self.element)
        parts = [self._unpack(context, kind, value) for kind, value in zip(kinds, values, strict=True)]
        self.ring, self.synapse, self.sums, self.spike, factors, self.count, self.noted, *self.gains = parts
        self.factors = [builder.load(builder.gep(factors, [WIDE(place)])) for place in range(8)]

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
        return self.builder.fmul(one, other, flags=REASSOCIATE)

    def add(self, one: Any, other: Any) -> Any:
        return self.builder.fadd(one, other, flags=REASSOCIATE)

    def pairs(self, j: Any, width: int, late: Any) -> tuple[Any, Any]:
        """(p_I, p_u) of the cells in which the events arrived."""
        builder, (_, _, base, neurons, around), lanes = self.builder, self.spike, self.vector(width, NARROW)
        none = ir.Constant(lanes, [0] * width)
        cells = builder.add(self.load(self.synapse[0], j, lanes), self.spread(base, width))
        cells = builder.add(cells, builder.select(late, self.spread(neurons, width), none))
        beyond = builder.icmp_signed(">=", cells, self.spread(around, width))
        cells = builder.sub(cells, builder.select(beyond, self.spread(around, width), none))
        place = lambda n: builder.shl(builder.zext(builder.extract_element(cells, NARROW(n)), WIDE), WIDE(1))
        pair = [self.load(self.ring, place(n), self.vector(2)) for n in range(width)]
        if width == 1:
            return self.shuffle(pair[0], [0]), self.shuffle(pair[0], [1])
        two = lambda ends: self.shuffle(pair[ends[0]], range(4), pair[ends[1]])
        low, high = (self.shuffle(two(group[0]), range(8), two(group[1])) for group in (FIRST, SECOND))
        return self.shuffle(low, EVEN, high), self.shuffle(low, ODD, high)

    def byte(self, j: Any) -> Any:
        """Address of the byte of `noted` that holds event j's bit."""
        return self.builder.gep(self.builder.bitcast(self.noted, BYTE.as_pointer()), [self.builder.lshr(j, WIDE(3))])

    def note(self, j: Any, width: int, p_i: Any) -> None:
        """One bit for each event: whether it met `pieces.MARK`."""
        builder, bits = self.builder, ir.IntType(8 * self.size)
        lanes = self.vector(width, bits)
        met = builder.icmp_unsigned(
            "==", builder.bitcast(p_i, lanes), ir.Constant(lanes, [1 << (8 * self.size - 1)] * width)
        )
        byte = self.byte(j)
        if width == WIDTH:
            builder.store(builder.bitcast(met, BYTE), byte)
        else:
            place = builder.trunc(builder.and_(j, WIDE(7)), BYTE)
            bit = builder.shl(builder.zext(builder.extract_element(met, NARROW(0)), BYTE), place)
            builder.store(builder.or_(builder.load(byte), bit), byte)

    def events(self, j: Any, width: int, total: Any) -> None:
        """All of it for `width` events; what their sender is owed is added to `total`, if there is one."""
        builder, numbers, (offset, window, *_) = self.builder, self.vector(width), self.spike
        _, frac, decay_syn, decay_mem, kappa = (
            array if at == 0 else self.load(array, j, numbers) for at, array in enumerate(self.synapse)
        )
        reached = builder.fadd(self.spread(offset, width), frac)
        late = builder.fcmp_ordered(">=", reached, self.spread(window, width))
        p_i, p_u = self.pairs(j, width, late)
        self.note(j, width, p_i)
        syn, kernel, mem = (
            builder.select(late, self.spread(self.factors[4 + at], width), self.spread(self.factors[at], width))
            for at in (0, 1, 3)
        )
        held = self.multiply(p_u, decay_mem)
        x_i = self.multiply(syn, self.add(self.multiply(p_i, decay_syn), self.multiply(p_u, kappa)))
        x_i, x_u = self.add(x_i, self.multiply(kernel, held)), self.multiply(mem, held)
        self.add_to(self.sums[0], j, x_i)
        self.add_to(self.sums[1], j, x_u)
        if total is not None:
            weight, (rate_syn, rate_mem) = self.load(self.gains[0], j, numbers), self.gains[1]
            slope = builder.fsub(
                self.multiply(x_i, self.spread(rate_syn, width)), self.multiply(x_u, self.spread(rate_mem, width)),
                flags=REASSOCIATE,
            )  # fmt: skip
            builder.store(self.add(builder.load(total), self.multiply(weight, slope)), total)

    def run(self) -> Any:
        """Over all events, those beyond the last eight one by one; what their sender is owed, if that is wanted."""
        builder, owed = self.builder, None
        whole = builder.and_(self.count, WIDE(-WIDTH))
        for width, begin, end in ((WIDTH, WIDE(0), whole), (1, whole, self.count)):
            nothing = ir.Constant(self.vector(width), [0.0] * width)
            total = cgutils.alloca_once_value(builder, nothing) if self.gains else None
            with cgutils.for_range_slice(builder, begin, end, WIDE(width)) as (j, _):
                self.events(j, width, total)
            for place in range(width if self.gains else 0):
                part = builder.extract_element(builder.load(total), NARROW(place))
                owed = part if owed is None else builder.fadd(owed, part, flags=REASSOCIATE)
        return owed


@no_type_check
@intrinsic
def gather(
    typing_context: Any, ring: Any, synapse: Any, sums: Any, spike: Any, factors: Any, count: Any, noted: Any
) -> Any:
    """For the `count` events of one spike: `sums[0] += x_I`, `sums[1] += x_u`.

    `ring` holds pairs (p_I, p_u). `synapse`: cell, frac, decay_syn, decay_mem, kappa. `spike`: offset and window, of
    the dtype of the ring; first cell of its window, and how many cells a window and the ring have (int32). `noted`:
    bits of words, lowest first, set for the events that met `pieces.MARK`; the last word must be zero before.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Loop(context, builder, signature.args, arguments).run()
        return context.get_dummy_value()

    return types.void(ring, synapse, sums, spike, factors, count, noted), build


@no_type_check
@intrinsic
def gather_and_weigh(
    typing_context: Any, ring: Any, synapse: Any, sums: Any, spike: Any, factors: Any, count: Any, noted: Any,
    weight: Any, rates: Any,
) -> Any:  # fmt: skip
    """`gather`, and the sum of weight (x_I rates[0] - x_u rates[1])."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _Loop(context, builder, signature.args, arguments).run()

    return ring.dtype(ring, synapse, sums, spike, factors, count, noted, weight, rates), build
