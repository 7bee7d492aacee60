"""Address maps: which unit an address of a sensor or chip is."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Int


class AddressMap(eqx.Module):
    """From addresses to units.

    Args:
        size: Number of units.
        unit: A function from an array of addresses to units; -1 for what is no event.

    Raises:
        ValueError: `size` is not a whole number of at least 1.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.recordings import AddressMap
        >>> AddressMap(4, lambda address: address % 4).unit(np.array([5])).tolist()
        [1]
    """

    size: int = eqx.field(static=True)
    unit: Callable[[Any], Any] = eqx.field(static=True)

    def __init__(self, size: int, unit: Callable[[Any], Any]):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            msg = f"AddressMap: `size` must be a whole number of units, at least 1; got {size!r}."
            raise ValueError(msg)
        self.size, self.unit = size, unit


def bits(*fields: tuple[int, int], shape: Sequence[int], ignore: int = 0) -> AddressMap:
    """Units from fields of bits, in row-major order of their values.

    Args:
        *fields: First bit and number of bits of each field, the slowest first: `(y, x, polarity)`.
        shape: Number of values of each field; a value beyond it is an error.
        ignore: Events with one of these bits set are left out.

    Raises:
        ValueError: there are not as many fields as sizes, or a field has no room for its values.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.recordings import bits
        >>> dvs128 = bits((8, 7), (1, 7), (0, 1), shape=(128, 128, 2), ignore=1 << 15)
        >>> dvs128.unit(np.array([(3 << 8) | (5 << 1) | 1, 1 << 15])).tolist()
        [779, -1]
    """
    if len(fields) != len(shape) or any(n < 1 or n > 1 << count for n, (_, count) in zip(shape, fields, strict=False)):
        msg = f"bits: each field needs a number of values that its bits can hold; got {fields} and {tuple(shape)}."
        raise ValueError(msg)

    def unit(address: Int[np.ndarray, " events"]) -> Int[np.ndarray, " events"]:
        found = np.zeros(address.shape, np.int64)
        left_out = (address & ignore) != 0
        for (first, count), values in zip(fields, shape, strict=True):
            value = (address >> first) & ((1 << count) - 1)
            if (value[~left_out] >= values).any():
                at = int(np.argmax((value >= values) & ~left_out))
                msg = f"bits: event {at} has {value[at]} in the field at bit {first}, which has {values} values."
                raise ValueError(msg)
            found = found * values + value
        return np.where(left_out, -1, found)

    return AddressMap(int(np.prod(shape)), unit)


def table(units: Sequence[int] | Int[np.ndarray, " addresses"], size: int) -> AddressMap:
    """Units from a table, one per address.

    Args:
        units: Unit of each address; -1 for addresses whose events are left out.
        size: Number of units.

    Raises:
        ValueError: a unit is not in -1..size - 1.

    Example:
        >>> import numpy as np
        >>> from ranvier.interop.recordings import table
        >>> table([2, -1, 0], size=3).unit(np.array([0, 1])).tolist()
        [2, -1]
    """
    known = np.asarray(units)
    if known.ndim != 1 or known.dtype.kind not in "iu" or ((known < -1) | (known >= size)).any():
        msg = (
            f"table: `units` must be whole numbers in -1..{size - 1}, one per address; got {known.dtype} {known.shape}."
        )
        raise ValueError(msg)

    def unit(address: Int[np.ndarray, " events"]) -> Int[np.ndarray, " events"]:
        wrong = address >= len(known)
        if wrong.any():
            at = int(np.argmax(wrong))
            msg = f"table: event {at} has the address {address[at]}, but the table has {len(known)} addresses."
            raise ValueError(msg)
        return known[address]

    return AddressMap(size, unit)
