"""JAX does here once what it does anew for each program or shape: the tests compile tens of thousands of small ones.

Both are inside JAX: where another release has none of them, nothing is changed, and the tests take longer.
"""

import functools
from typing import Any

import jax
import numpy as np
from jax._src.interpreters import mlir
from jax._src.lax import lax


def hurry() -> None:
    """One context of MLIR for all programs, and no program to make an array of JAX of one of NumPy."""
    if hasattr(mlir, "make_ir_context"):
        mlir.make_ir_context = functools.cache(mlir.make_ir_context)  # a fifth of the time of a small program
    if hasattr(lax, "stage_p"):  # of `jnp.asarray`; without this each shape is a program of its own
        plain = lax.stage_p.impl
        lax.stage_p.def_impl(functools.partial(_stage, plain))


def _stage(plain: Any, value: Any) -> Any:
    return jax.device_put(np.array(value)) if type(value) is np.ndarray else plain(value)
