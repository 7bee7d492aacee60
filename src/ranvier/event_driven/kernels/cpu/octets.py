"""Eight events at a time: the inner loop of the backward pass, as vector instructions.

For an event of one spike, with (p_I, p_u) in the cell where it arrived, (syn, mem, kernel) the spike's factors for
those in time or those that are late (`fan_out.set_factors`), (decay_syn, kappa) of its synapse (`arrays.Synapses`), and
skew = 1 - tau_mem/tau_syn, so that e^{frac/tau_mem} = decay_syn - skew kappa,

    x_I = decay_syn (p_I syn + p_u kernel) + kappa p_u mem        x_u = (decay_syn - skew kappa) p_u mem

Written for LLVM because neighbouring events read cells far apart: Numba leaves such a loop scalar, or uses gather
instructions, which are slower than eight loads of a pair each.
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from ranvier.event_driven.kernels.cpu.lanes import LANES

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
        self.ring, self.events, self.synapse, self.sums, factors, self.count, self.noted, *self.gains = parts
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

    def pairs(self, j: Any, width: int) -> tuple[Any, Any]:
        """(p_I, p_u) of the cells in which the events arrived."""
        builder, mask, half = self.builder, WIDE(-LANES), WIDE(1)  # LANES numbers a cell there, and two here
        number = lambda n: builder.zext(builder.load(builder.gep(self.events, [builder.add(j, WIDE(n))])), WIDE)
        place = lambda n: builder.lshr(builder.and_(number(n), mask), half)
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

    def add_up(self, j: Any, width: int, total: Any) -> None:
        """All of it for `width` events; what their sender is owed is added to `total`, if there is one."""
        builder, numbers, lanes = self.builder, self.vector(width), self.vector(width, NARROW)
        decay_syn, kappa = (self.load(array, j, numbers) for array in self.synapse[:2])
        ones, none = (ir.Constant(lanes, [bit] * width) for bit in (1, 0))
        late = builder.icmp_unsigned("!=", builder.and_(self.load(self.events, j, lanes), ones), none)
        p_i, p_u = self.pairs(j, width)
        self.note(j, width, p_i)
        syn, mem, kernel = (
            builder.select(late, self.spread(self.factors[4 + at], width), self.spread(self.factors[at], width))
            for at in range(3)
        )
        held = self.multiply(p_u, mem)
        x_i = self.add(self.multiply(p_i, syn), self.multiply(p_u, kernel))
        x_i = self.add(self.multiply(decay_syn, x_i), self.multiply(kappa, held))
        skewed = self.multiply(self.spread(self.synapse[2], width), kappa)
        x_u = self.multiply(builder.fsub(decay_syn, skewed, flags=REASSOCIATE), held)
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
                self.add_up(j, width, total)
            for place in range(width if self.gains else 0):
                part = builder.extract_element(builder.load(total), NARROW(place))
                owed = part if owed is None else builder.fadd(owed, part, flags=REASSOCIATE)
        return owed


@no_type_check
@intrinsic
def gather(
    typing_context: Any, ring: Any, events: Any, synapse: Any, sums: Any, factors: Any, count: Any, noted: Any
) -> Any:
    """For the `count` events of one spike: `sums[0] += x_I`, `sums[1] += x_u`.

    `ring` holds pairs (p_I, p_u). `events`: see `fan_out.locate`. `synapse`: decay_syn, kappa, skew. `noted`: bits of
    words, lowest first, set for the events that met `pieces.MARK`; the last word must be zero before.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _Loop(context, builder, signature.args, arguments).run()
        return context.get_dummy_value()

    return types.void(ring, events, synapse, sums, factors, count, noted), build


@no_type_check
@intrinsic
def gather_and_weigh(
    typing_context: Any, ring: Any, events: Any, synapse: Any, sums: Any, factors: Any, count: Any, noted: Any,
    weight: Any, rates: Any,
) -> Any:  # fmt: skip
    """`gather`, and the sum of weight (x_I rates[0] - x_u rates[1])."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _Loop(context, builder, signature.args, arguments).run()

    return ring.dtype(ring, events, synapse, sums, factors, count, noted, weight, rates), build
