"""Latency codes: one spike per channel, whose time is the value."""

import math

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ranvier.encoders.values import check_positive, check_unit_values, check_values
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
    return _one_each(jnp.where(array < never, t_early + (t_late - t_early) * array, jnp.inf))


def lif_latency(current: Float[ArrayLike, "*batch n"], *, tau: float, threshold: float = 0.2) -> Spikes:
    """One spike per channel, when a leaky integrator that a constant current charges would reach its threshold.

    `T = tau ln(x / (x - threshold))` for `x > threshold`; the channel is silent for any other current. `lif_current` is
    the inverse.

    Args:
        current: Currents x, such as brightnesses, >= 0, shape (n,) or (batch, n).
        tau: Time constant (ms) of the integrator.
        threshold: Its threshold, in the unit of the currents.

    Returns:
        Spikes of the same shape, sorted by time; channels that are silent are padding at the end.

    Raises:
        ValueError: `current` is not floating-point with a channel axis, a current is NaN, infinite or below 0 (checked
            unless it is traced), or a number is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.encoders import lif_latency
        >>> spikes = lif_latency(jnp.array([0.2, 0.5, 1.0]), tau=20.0)
        >>> spikes.time.round(2).tolist(), spikes.unit.tolist()
        ([4.46, 10.22, inf], [2, 1, -1])

    Source: Zenke & Vogels, Neural Comput. 33 (2021), doi:10.1162/neco_a_01367.
    """
    check_positive("lif_latency", tau=tau, threshold=threshold)
    check_values("lif_latency", "current", current, lambda x: (x >= 0) & (x < math.inf), "finite and >= 0")
    array = jnp.asarray(current)
    fires = array > threshold
    safe = jnp.where(fires, array, 2 * threshold)
    return _one_each(jnp.where(fires, -tau * jnp.log1p(-threshold / safe), jnp.inf))


def lif_current(time: Float[ArrayLike, "*shape"], *, tau: float, threshold: float = 0.2) -> Float[Array, "*shape"]:
    """The current behind a spike of `lif_latency`: `x = threshold / (1 - exp(-T / tau))`.

    Args:
        time: Spike times T (ms), above 0; `inf` where a channel is silent.
        tau: Time constant (ms).
        threshold: Threshold.

    Returns:
        Currents, of the same shape; of a silent channel the largest that it may have had, the threshold.

    Raises:
        ValueError: a time is not above 0 (checked unless it is traced), or a number is not above 0.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.encoders import lif_current, lif_latency
        >>> lif_current(lif_latency(jnp.array([0.5]), tau=20.0).time, tau=20.0).round(4).tolist()
        [0.5]
    """
    check_positive("lif_current", tau=tau, threshold=threshold)
    check_values("lif_current", "time", time, lambda t: t > 0, "above 0 ms")
    return threshold / -jnp.expm1(-jnp.asarray(time) / tau)


def _one_each(time: Float[Array, "*batch n"]) -> Spikes:
    """One spike for each unit, `inf` for none, in order."""
    order = jnp.argsort(time, axis=-1, stable=True).astype(jnp.int32)
    time = jnp.take_along_axis(time, order, axis=-1)
    return Spikes(time, jnp.where(time < jnp.inf, order, -1), size=time.shape[-1])
