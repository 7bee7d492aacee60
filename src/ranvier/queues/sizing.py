"""How many places a queue needs."""

import math


def capacity(delay_max: float, rate_max: float) -> int:
    """Places with which nothing is lost while spikes come at `rate_max` or more slowly: `ceil(d f) + 1`.

    Args:
        delay_max: Longest delay (ms).
        rate_max: Highest rate (spikes per ms; 100 Hz is 0.1), for example the inverse of the refractory time.

    Returns:
        Number of places.

    Raises:
        ValueError: an argument is negative or not finite.

    Example:
        >>> import ranvier as rv
        >>> rv.queues.capacity(delay_max=20.0, rate_max=0.1)
        3
    """
    for name, value, unit in (("delay_max", delay_max, "ms"), ("rate_max", rate_max, "spikes per ms")):
        if not 0 <= value < math.inf:
            msg = f"capacity: `{name}` must be finite and not negative ({unit}); got {value!r}."
            raise ValueError(msg)
    # 0.1 x 30 is 3.0000000000000004 in binary: a product that is whole but for rounding counts as whole.
    return math.ceil(delay_max * rate_max - 1e-9) + 1
