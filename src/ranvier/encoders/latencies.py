"""Latency codes: one spike per channel, whose time is the value."""

import math

import jax.numpy as jnp
from jaxtyping import ArrayLike, Float

from ranvier.encoders.values import check_unit_values
from ranvier.events import Spikes


def latency(value: Float[ArrayLike, "*batch n"], *, t_early: float, t_late: float, never: float = math.inf) -> Spikes:
    """One spike per channel, the later the larger its value.

    Unit i fires at `t_i = t_early + (t_late - t_early) value_i`, 0 included, unless `value_i >= never`.

    Args:
        value: Values in [0, 1], shape (n,) or (batch, n).
        t_early: Time (ms) of value 0, >= 0.
        t_late: Time (ms) of value 1, after `t_early`.
        never: Value from which on a channel is silent, such as 1 for the dark ground of an image; default none is.

    Returns:
        Spikes of the same shape, sorted by time; channels of equal value keep their order. Those that are silent are
        padding at the end.

    Raises:
        ValueError: `value` is not floating-point with a channel axis, a value is NaN or outside [0, 1]
            (checked unless `value` is traced), or the times are not finite with 0 <= t_early < t_late.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.encoders import latency
        >>> spikes = latency(jnp.array([1.0, 0.0, 0.5]), t_early=1.0, t_late=3.0)
        >>> spikes.time.tolist(), spikes.unit.tolist()
        ([1.0, 2.0, 3.0], [1, 2, 0])

    Source: Göltz et al., "DelGrad", Nat. Commun. 16 (2025), doi:10.1038/s41467-025-63120-y: for the Yin-Yang
    data set t_early = 0.15 tau_syn, t_late = 2 tau_syn.
    """
    if not 0 <= t_early < t_late < math.inf:
        msg = (
            f"latency: `t_early` and `t_late` must be times in ms with 0 <= t_early < t_late < inf; "
            f"got t_early = {t_early}, t_late = {t_late}."
        )
        raise ValueError(msg)
    check_unit_values("latency", value)
    array = jnp.asarray(value)
    time = jnp.where(array < never, t_early + (t_late - t_early) * array, jnp.inf)
    order = jnp.argsort(time, axis=-1, stable=True).astype(jnp.int32)
    time = jnp.take_along_axis(time, order, axis=-1)
    return Spikes(time, jnp.where(time < jnp.inf, order, -1), size=array.shape[-1])
