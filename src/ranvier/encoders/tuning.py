"""Population codes: several units per value, each of which prefers another one."""

import math

import jax.numpy as jnp
from jaxtyping import ArrayLike, Float

from ranvier.encoders.latencies import latency
from ranvier.encoders.values import check_positive, check_values
from ranvier.events import Spikes


def population(
    value: Float[ArrayLike, "*batch n"],
    units: int,
    *,
    t_early: float,
    t_late: float,
    low: float = 0.0,
    high: float = 1.0,
    width: float | None = None,
    least: float = 0.1,
) -> Spikes:
    """Each value goes to several units with bell-shaped tuning; the better a unit is met, the earlier it fires.

    Unit j of a value v responds by `r_j = exp(-(v - c_j)^2 / (2 width^2))`, the centres `c_j` evenly spaced from `low`
    to `high`, and fires at `t_early + (t_late - t_early) (1 - r_j)` unless `r_j <= least`.

    Args:
        value: Values, finite, shape (n,) or (batch, n).
        units: Units for each value, at least 2; unit j of channel i has number `i units + j`.
        t_early: Time (ms) of a unit whose centre is met.
        t_late: Time (ms) that the weakest response comes near.
        low: First centre.
        high: Last centre.
        width: Width of the tuning; default the distance of two centres, over 1.5.
        least: Response up to which a unit is silent, in [0, 1).

    Returns:
        Spikes of `n units` units, shape (n * units,) or (batch, n * units); silent units are padding at the end.
        Differentiable with respect to the values.

    Raises:
        ValueError: a number is out of range, or a value is not finite (checked unless it is traced).

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.encoders import population
        >>> population(jnp.array([0.5]), 3, t_early=0.0, t_late=10.0).unit.tolist()
        [1, 0, 2]

    Source: Bohte, Kok & La Poutré, Neurocomputing 48 (2002), doi:10.1016/S0925-2312(01)00658-0.
    """
    if units < 2 or not low < high:
        msg = f"population: needs `units` >= 2 and `low` < `high`; got {units} units from {low} to {high}."
        raise ValueError(msg)
    if not 0 <= least < 1:
        msg = f"population: `least` must be in [0, 1); got {least}."
        raise ValueError(msg)
    wide = (high - low) / (units - 1) / 1.5 if width is None else width
    check_positive("population", width=wide)
    check_values("population", "value", value, lambda x: abs(x) < math.inf, "finite")
    array = jnp.asarray(value)
    centre = jnp.linspace(low, high, units, dtype=array.dtype)
    distance = (array[..., None] - centre.reshape((1,) * array.ndim + (units,))) / wide
    late = -jnp.expm1(-(distance**2) / 2)
    flat = late.reshape(*array.shape[:-1], array.shape[-1] * units)
    return latency(flat, t_early=t_early, t_late=t_late, never=1 - least)
