"""Spikes that can be counted and whose count has no derivative: to ask for one raises."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

REFUSED = (
    "spike_count: the gradient of a spike count is not available here, since the exact derivative sees spikes move, "
    "not appear or vanish: it would be 0 everywhere. Use the value of a spike, for example "
    "EventDriven(gradient=SpikeValue()), which estimates it; or a loss of spike times or potentials; or, if the count "
    "is only looked at, jax.lax.stop_gradient(spikes)."
)


@jax.custom_jvp
def counted_only(time: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 where there is a spike, 0 where there is none.

    In reverse mode a derivative of it raises when it is used, not when it is only computed beside others; in forward
    mode, where nobody knows, it is NaN.

    Args:
        time: Spike times (ms), inf for none.
    """
    return jnp.isfinite(time).astype(time.dtype)


@counted_only.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    return counted_only(*primals), _refused.bind(*tangents)


_refused = Primitive("refused_derivative")


def _nothing(tangent: Any) -> Array:
    return jnp.full_like(tangent, jnp.nan)


def _transpose(cotangent: Any, tangent: Any) -> list[Any]:
    if type(cotangent) is ad.Zero:
        return [ad.Zero(tangent.aval)]
    raise ValueError(REFUSED)


_refused.def_impl(_nothing)
_refused.def_abstract_eval(lambda tangent: tangent)
ad.deflinear2(_refused, _transpose)
batching.defvectorized(_refused)
mlir.register_lowering(_refused, mlir.lower_fun(_nothing, multiple_results=False))
