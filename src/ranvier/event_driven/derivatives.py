"""Which derivatives there are: the first, in reverse mode. The others are refused by name.

JAX would refuse them too, with words about callbacks and `custom_vjp` that name neither the simulator nor a way out.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

FORWARD = (
    "EventDriven: forward-mode differentiation (jax.jvp, jax.jacfwd, jax.linearize) is not available, since its "
    "gradient runs backward through time. Use reverse mode (jax.grad, jax.vjp, jax.jacrev), or ClockDriven, which has "
    "both modes."
)

SECOND = (
    "EventDriven: second derivatives (jax.hessian, jax.grad of jax.grad, jax.jacrev of jax.jacrev) are not available; "
    "it gives first ones, in reverse mode. Use ClockDriven or FirstSpike, which have them, or differences of gradients."
)


def _refuse_forward(*given: object, **options: object) -> Any:
    raise ValueError(FORWARD)


backward_only = Primitive("event_driven_backward_only")
"""The identity, for tangents: reverse mode transposes it; whoever computes it or batches it is in forward mode."""

backward_only.def_impl(_refuse_forward)
backward_only.def_abstract_eval(lambda tangent: tangent)
ad.deflinear2(backward_only, lambda cotangent, tangent: [cotangent])
batching.primitive_batchers[backward_only] = _refuse_forward
mlir.register_lowering(backward_only, _refuse_forward)


def _derivative(numbers: tuple[Any], tangents: tuple[Any]) -> tuple[Any, Any]:
    (number,), (tangent,) = numbers, tangents
    passes = isinstance(tangent, ad.Zero)
    return differentiated.bind(number), tangent if passes else backward_only.bind(tangent)


differentiated = Primitive("event_driven_differentiated")
"""The identity, whose derivative is `backward_only`."""

differentiated.def_impl(lambda number: number)
differentiated.def_abstract_eval(lambda number: number)
ad.primitive_jvps[differentiated] = _derivative
batching.defvectorized(differentiated)
mlir.register_lowering(differentiated, lambda context, number: [number])


def reverse_mode(number: Array) -> Array:
    """An array as it is; its derivative raises in forward mode.

    Args:
        number: The array.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from ranvier.event_driven.derivatives import reverse_mode
        >>> float(jax.grad(lambda x: 3.0 * reverse_mode(x))(jnp.asarray(1.0)))
        3.0
    """
    return differentiated.bind(number)


def first_order(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of arrays as it is; its own derivative raises.

    Args:
        function: What calls the host.
    """

    def refuse(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        raise ValueError(SECOND)

    guarded = jax.custom_jvp(function)
    guarded.defjvp(refuse, symbolic_zeros=True)
    return guarded
