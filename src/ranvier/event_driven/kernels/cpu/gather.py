"""The inner loop of the backward pass: what the events of one spike are owed.

With (p_I, p_u) in the cell where an event arrived, (syn, mem, kernel) the spike's factors for those in time or those
that are late (`fan_out.set_factors`), (decay_syn, kappa) of its synapse (`arrays.Synapses`), and skew = 1 -
tau_mem/tau_syn, so that e^{frac/tau_mem} = decay_syn - skew kappa,

    x_I = decay_syn (p_I syn + p_u kernel) + kappa p_u mem        x_u = (decay_syn - skew kappa) p_u mem
"""

from typing import Any, no_type_check

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from ranvier.event_driven.kernels.cpu.octets import NARROW, REASSOCIATE, WIDE, WIDTH, Octets

BYTE = ir.IntType(8)
FIRST, SECOND = ((0, 1), (4, 5)), ((2, 3), (6, 7))  # so that one cheap shuffle then parts p_I from p_u
EVEN, ODD = (0, 2, 8, 10, 4, 6, 12, 14), (1, 3, 9, 11, 5, 7, 13, 15)


class _Gather(Octets):
    """The inner loop."""

    def __init__(self, context: Any, builder: Any, kinds: Any, values: Any) -> None:
        super().__init__(context, builder, kinds, values)
        self.ring, self.events, self.synapse, self.sums, factors, self.count, self.noted, *self.gains = self.parts
        self.spike = self.read(factors, 8)

    def pairs(self, j: Any, width: int) -> tuple[Any, Any]:
        """(p_I, p_u) of the cells in which the events arrived."""
        place = lambda n: self.builder.lshr(self.place(self.events, j, n), WIDE(1))  # two numbers a cell, not LANES
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

    def add_up(self, j: Any, width: int, totals: list[Any]) -> None:
        """All of it for `width` events; what their sender is owed, and what it is worth, as far as there are totals."""
        builder, numbers = self.builder, self.vector(width)
        decay_syn, kappa = (self.load(array, j, numbers) for array in self.synapse[:2])
        p_i, p_u = self.pairs(j, width)
        self.note(j, width, p_i)
        syn, mem, kernel = self.factors(self.spike, self.late(self.events, j, width), width)
        held = self.multiply(p_u, mem)
        x_i = self.add(self.multiply(p_i, syn), self.multiply(p_u, kernel))
        x_i = self.add(self.multiply(decay_syn, x_i), self.multiply(kappa, held))
        skewed = self.multiply(self.spread(self.synapse[2], width), kappa)
        x_u = self.multiply(builder.fsub(decay_syn, skewed, flags=REASSOCIATE), held)
        self.add_to(self.sums[0], j, x_i)
        self.add_to(self.sums[1], j, x_u)
        if totals:
            weight, (rate_syn, rate_mem) = self.load(self.gains[0], j, numbers), self.gains[1]
            slope = builder.fsub(
                self.multiply(x_i, self.spread(rate_syn, width)), self.multiply(x_u, self.spread(rate_mem, width)),
                flags=REASSOCIATE,
            )  # fmt: skip
            for total, factor in zip(totals, (slope, x_i), strict=False):
                builder.store(self.add(builder.load(total), self.multiply(weight, factor)), total)

    def run(self, sums: int) -> list[Any]:
        """Over all events; what their sender is owed, and what it is worth: as many of these `sums` as are wanted."""
        nothing = {width: ir.Constant(self.vector(width), [0.0] * width) for width in (WIDTH, 1)}
        totals = {
            width: [cgutils.alloca_once_value(self.builder, zeros) for _ in range(sums)]
            for width, zeros in nothing.items()
        }
        self.for_all(self.count, lambda j, width: self.add_up(j, width, totals[width]))
        found = []
        for n in range(sums):
            total = self.element(0.0)
            for size, place in [(width, place) for width in totals for place in range(width)]:
                part = self.builder.extract_element(self.builder.load(totals[size][n]), NARROW(place))
                total = self.builder.fadd(total, part, flags=REASSOCIATE)
            found.append(total)
        return found


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
        _Gather(context, builder, signature.args, arguments).run(0)
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
        return _Gather(context, builder, signature.args, arguments).run(1)[0]

    return ring.dtype(ring, events, synapse, sums, factors, count, noted, weight, rates), build


@no_type_check
@intrinsic
def gather_and_value(
    typing_context: Any, ring: Any, events: Any, synapse: Any, sums: Any, factors: Any, count: Any, noted: Any,
    weight: Any, rates: Any,
) -> Any:  # fmt: skip
    """`gather_and_weigh`, and the sum of weight x_I."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = _Gather(context, builder, signature.args, arguments).run(2)
        return context.make_tuple(builder, signature.return_type, found)

    both = types.UniTuple(ring.dtype, 2)
    return both(ring, events, synapse, sums, factors, count, noted, weight, rates), build
