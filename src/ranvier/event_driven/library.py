"""The compiled engine, made known to XLA, and called.

On the CPU XLA calls it directly; a program on another device calls the same library from the host.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from ranvier._native import library
from ranvier.event_driven.plan import Plan


class _View(ctypes.Structure):
    """`ranvier::View` of `engine/call.h`."""

    _fields_ = (("data", ctypes.c_void_p), ("dimensions", ctypes.POINTER(ctypes.c_int64)), ("rank", ctypes.c_int64))


_PASSES = ("ranvier_forward", "ranvier_backward")
for _name in _PASSES:
    jax.ffi.register_ffi_target(_name, jax.ffi.pycapsule(getattr(library, _name)), platform="cpu")


def run(plan: Plan, shapes: Sequence[jax.ShapeDtypeStruct], arrays: Sequence[Array], *, backward: bool) -> list[Array]:
    """One pass of the engine: arrays in the order of `engine/call.h`.

    Args:
        plan: The plan.
        shapes: Shapes and dtypes of the results.
        arrays: The arrays.
        backward: Which pass.
    """
    integers, numbers = plan.integers(), plan.numbers()

    def direct(*given: Array) -> list[Array]:
        call = jax.ffi.ffi_call(_PASSES[backward], list(shapes), vmap_method="expand_dims")
        return list(call(*given, plan=integers, numbers=numbers))

    def host(*given: Any) -> list[np.ndarray]:
        return _run_on_host(integers, numbers, shapes, given, backward)

    def by_callback(*given: Array) -> list[Array]:
        return jax.pure_callback(host, list(shapes), *given, vmap_method="expand_dims")

    return jax.lax.platform_dependent(*arrays, cpu=direct, default=by_callback)


def _run_on_host(
    integers: np.ndarray, numbers: np.ndarray, shapes: Sequence[jax.ShapeDtypeStruct], given: Sequence[Any],
    backward: bool,
) -> list[np.ndarray]:  # fmt: skip
    """The same without XLA; `vmap` has put axes in front of the arrays, of length 1 where one is the same for all."""
    arrays = [np.ascontiguousarray(array) for array in given]
    axes = arrays[0].ndim - 1  # of weights there is one axis without `vmap`
    lead = np.broadcast_shapes(*(array.shape[:axes] for array in arrays))
    results = [np.empty((*lead, *shape.shape), shape.dtype) for shape in shapes]
    status = library.ranvier_call(
        ctypes.c_int(backward), ctypes.c_int(arrays[0].dtype == np.float64), _address(integers), _address(numbers),
        _views(arrays), _views(results),
    )  # fmt: skip
    if status != 0:
        raise MemoryError
    return results


def _address(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _views(arrays: Sequence[np.ndarray]) -> ctypes.Array[_View]:
    lengths = [(ctypes.c_int64 * array.ndim)(*array.shape) for array in arrays]
    return (_View * len(arrays))(
        *(_View(array.ctypes.data, shape, array.ndim) for array, shape in zip(arrays, lengths, strict=True))
    )


def level() -> str:
    """The vector level at which the engine runs on this machine."""
    library.ranvier_level.restype = ctypes.c_char_p
    return library.ranvier_level().decode()


class _Grid(ctypes.Structure):
    """`ranvier::Grid` of `engine/grid.h`."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("spikes", "targets", "mask")),
        *((name, ctypes.c_void_p) for name in ("step", "unit", "weight", "delay", "ring", "slope", "into_weight",
                                               "into_delay", "into_time")),
    )  # fmt: skip


def run_grid(
    step: np.ndarray, unit: np.ndarray, weight: np.ndarray, delay: np.ndarray, ring: np.ndarray, slope: np.ndarray,
    into_weight: np.ndarray, into_delay: np.ndarray, into_time: np.ndarray, *, backward: bool,
) -> None:  # fmt: skip
    """One pass of the loop that `ranvier bench cochlea` compares the engine with: see `engine/grid.h`.

    Args:
        step: Steps of the spikes, int64, ascending.
        unit: Their senders, int64.
        weight: Weights (senders, targets), float32.
        delay: Delays in steps, int32.
        ring: What has been added up, (steps, targets), a power of two of steps, float32.
        slope: The same of slopes, backward.
        into_weight: Gradient of weights, added to.
        into_delay: Gradient of delays, added to.
        into_time: Gradient of the spikes' times.
        backward: Which pass.
    """
    arrays = step, unit, weight, delay, ring, slope, into_weight, into_delay, into_time
    kinds = (np.int64, np.int64, np.float32, np.int32, *(np.float32,) * 5)
    assert all(array.flags.c_contiguous and array.dtype == kind for array, kind in zip(arrays, kinds, strict=True))
    grid = _Grid(len(step), weight.shape[1], len(ring) - 1, *(array.ctypes.data for array in arrays))
    library.ranvier_grid(ctypes.c_int(backward), ctypes.byref(grid))
