"""What went wrong with a simulation, told: with its numbers where they are known, else when the program runs."""

import os
from typing import Any

import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Int

from ranvier._concrete import concrete
from ranvier._native import library
from ranvier.simulation.solution import Solution
from ranvier.status import DROPPED, STATUS

_REFUSE = "ranvier_refuse"
jax.ffi.register_ffi_target(_REFUSE, jax.ffi.pycapsule(library.ranvier_refuse), platform="cpu")


def refuse(solution: Solution) -> Solution:
    """The solution, if its status is 0.

    Args:
        solution: A simulation's.

    Raises:
        RuntimeError: it is not. Inside a traced function that is when it runs, and JAX makes a ValueError of it where
            it does not hand the work to a thread; the environment variable EQX_ON_ERROR may ask for something else
            there, as for any error of Equinox.
    """
    code = solution.stats.status
    known = concrete(code)
    if known is not None:
        if known.any():
            raise RuntimeError(_sentence(int(known.max())) + _measured(solution, int(known.max())))
        return solution
    if os.environ.get("EQX_ON_ERROR", "raise") != "raise":
        messages = [_sentence(code) for code in STATUS]
        return eqx.branched_error_if(solution, jnp.any(code > 0), jnp.max(code), messages)
    worst = eqxi.unvmap_max(lax.stop_gradient(code))
    leaves, structure = jax.tree.flatten(solution)
    return structure.unflatten(_unless(tuple(leaves), worst))


@jax.custom_jvp
def _unless(values: tuple[Array, ...], code: Int[Array, ""]) -> tuple[Array, ...]:
    """The values if `code` is 0, else an error when it is known.

    On the CPU the compiled library gives the error, and nothing comes before its sentence: an error of a callback
    stands at the end of three tracebacks, and JAX keeps no program with a callback for the next process.
    """
    kinds = tuple(jax.ShapeDtypeStruct(value.shape, value.dtype) for value in values)

    def direct(code: Int[Array, ""]) -> tuple[Array, ...]:
        found: Any = jax.ffi.ffi_call(_REFUSE, kinds)(code, sentences="\n".join(map(_sentence, range(len(STATUS)))))
        return tuple(found)

    def by_callback(code: Int[Array, ""]) -> tuple[Array, ...]:
        return jax.pure_callback(tell, kinds, code)

    def tell(code: Int[Array, ""]) -> tuple[np.ndarray, ...]:
        raise RuntimeError(_sentence(int(code)))

    fail = lambda: lax.platform_dependent(code, cpu=direct, default=by_callback)
    return lax.cond(code > 0, fail, lambda: values)


@_unless.defjvp
def _(primals: tuple[Any, Any], tangents: tuple[Any, Any]) -> tuple[Any, Any]:
    return _unless(*primals), tangents[0]


def _sentence(code: int) -> str:
    return f"simulate: {STATUS[code]}."


def _measured(solution: Solution, code: int) -> str:
    """Of spikes that did not fit: how many there were for each neuron of a population, and how many were lost."""
    if code != DROPPED:
        return ""
    parts = []
    for name, dropped in solution.stats.dropped.items():
        lost = int(np.max(dropped))
        if lost and name in solution.spikes:
            rate = float(np.max(np.asarray(solution.stats.spikes[name]) + np.asarray(dropped)))
            size = solution.spikes[name].size
            parts.append(f"{rate / size:.3g} spikes per neuron of {name!r} ({lost} spikes lost)" if size else name)
    return f" Measured, in the busiest sample: {', '.join(parts)}." if parts else ""
