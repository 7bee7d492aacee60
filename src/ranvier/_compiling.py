"""How the programs of `ClockDriven` are compiled: on a CPU quickly rather than thoroughly.

Such a program is hundreds of small loops, and compiling them takes longer than most runs. Without XLA's newer way of
writing loops and with fewer passes of LLVM it takes a third less time to compile and no more time to run. XLA takes
options for a whole program only: for those that ranvier compiles itself, not for what is part of the user's.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp

Options = Mapping[str, bool | int]

QUICKLY: dict[str, bool | int] = {"xla_cpu_use_fusion_emitters": False, "xla_backend_optimization_level": 1}
"""Options of XLA, of which a release may have no more than some."""


def options(wanted: Options) -> dict[str, Any]:
    """The options where they help, on a CPU, and of them those that the XLA here knows."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in wanted.items() if _known(name, value)}


@functools.cache
def _known(name: str, value: bool | int) -> bool:
    """Whether XLA takes an option: each release has its own, and refuses all others."""
    chosen: dict[str, Any] = {name: value}
    try:
        jax.jit(lambda: 0).lower().compile(chosen)
    except jax.errors.JaxRuntimeError:
        return False
    return True


def quickly(function: Callable[..., Any]) -> Callable[..., Any]:
    """`equinox.filter_jit` of a function, with the options where it is a program of its own.

    That is where it is called on arrays, outside of `jit`, `grad`, `vmap` and the like: JAX allows no options for a
    program that becomes a part of another one, such as the gradient that `jax.vjp` prepares.

    Args:
        function: The function.

    Example:
        >>> import jax.numpy as jnp
        >>> float(quickly(lambda x: 2.0 * x)(jnp.array(3.0)))
        6.0
    """
    plain = eqx.filter_jit(function)

    @functools.cache
    def quick() -> Callable[..., Any]:
        chosen: dict[str, Any] = {"compiler_options": options(QUICKLY)}
        return eqx.filter_jit(function, **chosen)

    def call(*args: Any) -> Any:
        alone = jax.default_backend() == "cpu" and not _traced((args, jnp.zeros(())))
        return (quick() if alone else plain)(*args)

    return call


def _traced(args: Any) -> bool:
    """Whether something here is traced; an array made inside `jit` is, whatever its arguments are."""
    return any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(args))
