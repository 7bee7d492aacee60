"""How Jaxley calls a synapse: the order of the arguments in 0.14, and the one announced for 1.0."""

from typing import Any


def arguments(given: tuple[Any, ...]) -> tuple[Any, Any, Any, Any]:
    """Step (ms), voltages (mV) of the sending and the receiving compartment, and parameters, of either order.

    0.14: `update_states(states, dt, pre, post, params)` and `compute_current(states, pre, post, params)`.
    1.0: both `(states, params, pre, post, pre_states, post_states, pre_params, post_params, dt)`.

    Args:
        given: The arguments after the states.

    Raises:
        TypeError: there are as many arguments as in neither.

    Example:
        >>> from ranvier.interop.jaxley.interface import arguments
        >>> arguments((0.025, -65.0, -60.0, {})) == arguments(({}, -65.0, -60.0, {}, {}, {}, {}, 0.025))
        True
    """
    if len(given) == 8:
        params, pre, post, *_, dt = given
    elif len(given) == 4:
        dt, pre, post, params = given
    elif len(given) == 3:
        dt, (pre, post, params) = 0.0, given
    else:
        msg = (
            f"a synapse must get 4 or 5 arguments (Jaxley 0.14), or 9 (1.0); got {len(given) + 1}. "
            "This version of Jaxley is not known to ranvier."
        )
        raise TypeError(msg)
    return dt, pre, post, params


def suffixed(name: str, suffix: str) -> str:
    """A name that ends in the suffix, once."""
    return name if name.endswith(suffix) else name + suffix
