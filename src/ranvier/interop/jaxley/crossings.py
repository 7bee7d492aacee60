"""When a voltage that is known at the ends of steps crossed its threshold, by the parabola through three of them.

A straight line through two finds the time as well, but its slope, and with it every derivative, is wrong by O(dt).
"""

import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Bool, Float

from ranvier._concrete import concrete

UNKNOWN = 1e6
"""A voltage (mV) that has not been seen yet: above every threshold, so that no crossing starts from it."""


def rises(
    old: Float[Array, "*shape"], new: Float[Array, "*shape"], threshold: Float[Array, "*#shape"]
) -> Bool[Array, "*shape"]:
    """Whether a voltage crossed its threshold from below in a step, after which it may just be at it."""
    return (old < threshold) & (threshold <= new)


def crossing(
    older: Float[Array, "*shape"],
    old: Float[Array, "*shape"],
    new: Float[Array, "*shape"],
    threshold: Float[Array, "*#shape"],
) -> Float[Array, "*shape"]:
    """The part of the last step that had passed when the voltage crossed its threshold from below.

    With `x = -1, 0, 1` at the three voltages, `a x^2 + b x + c = 0` where the parabola through them, less the
    threshold, is 0; the root in (0, 1] is `-2 c / (b + sqrt(b^2 - 4 a c))`.

    Args:
        older: Voltage two steps ago; `UNKNOWN` where there was none, for a straight line.
        old: Voltage one step ago.
        new: Voltage now.
        threshold: The threshold.

    Returns:
        The part, in (0, 1]; `inf` where there was no crossing.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.interop.jaxley.crossings import crossing
        >>> [float(crossing(*map(jnp.asarray, (1e6, -3.0, v, 0.0)))) for v in (1.0, -1.0)]
        [0.75, inf]
    """
    crossed = rises(old, new, threshold)
    bend = jnp.where(crossed & (older < UNKNOWN / 2), (new - 2.0 * old + older) / 2.0, 0.0)
    slope = jnp.where(crossed, new - old - bend, 1.0)
    below = jnp.where(crossed, old - threshold, -1.0)
    inside = jnp.where(crossed, slope * slope - 4.0 * bend * below, 1.0)
    safe = jnp.where(inside > 0, inside, 1.0)  # 0 only where the parabola just touches at the end of the step
    part = -2.0 * below / (slope + jnp.where(inside > 0, jnp.sqrt(safe), 0.0))
    return jnp.where(crossed, part, jnp.inf)


def crossing_times(
    voltage: Float[Array, "*batch steps"], v_th: ArrayLike, dt: float, max_spikes: int
) -> Float[Array, "*batch spikes"]:
    """Spike times of recorded voltages, differentiable, for losses.

    Args:
        voltage: What `jaxley.integrate` returns: the voltage (mV) at 0, dt, 2 dt, ...
        v_th: Threshold (mV), crossed from below.
        dt: The step (ms).
        max_spikes: Number of places, at least the number of spikes.

    Returns:
        Times (ms) in order; free places hold `inf`.

    Raises:
        ValueError: `max_spikes` is not a whole number of at least 1, or, where values are known, there are more spikes.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.interop.jaxley import crossing_times
        >>> crossing_times(jnp.array([-3.0, -1.0, 1.0, -2.0, 2.0]), 0.0, dt=0.5, max_spikes=3).round(2).tolist()
        [0.75, 1.84, inf]
    """
    if isinstance(max_spikes, bool) or not isinstance(max_spikes, int) or max_spikes < 1:
        msg = f"crossing_times: `max_spikes` must be a whole number of at least 1; got {max_spikes!r}."
        raise ValueError(msg)
    unknown = jnp.full_like(voltage[..., :1], UNKNOWN)
    older = jnp.concatenate([unknown, voltage[..., :-2]], axis=-1)
    part = crossing(older, voltage[..., :-1], voltage[..., 1:], jnp.asarray(v_th, voltage.dtype))
    start = dt * jnp.arange(part.shape[-1], dtype=voltage.dtype)
    crossed = part < jnp.inf
    times = jnp.where(crossed, start + dt * jnp.where(crossed, part, 0.0), jnp.inf)
    count = jnp.max(jnp.sum(crossed, axis=-1), initial=0)
    known = concrete(count)
    if known is not None and int(known) > max_spikes:
        msg = f"crossing_times: `max_spikes` = {max_spikes}, but a voltage crosses the threshold {int(known)} times."
        raise ValueError(msg)
    short = max(max_spikes - part.shape[-1], 0)
    padded = jnp.concatenate([times, jnp.full((*times.shape[:-1], short), jnp.inf, times.dtype)], axis=-1)
    return jnp.sort(padded, axis=-1)[..., :max_spikes]
