"""Memory: how much is free, and a refusal, before it starts, of what would need more.

The needs that are told are lower bounds, so nothing is refused that would fit. Without it the system would end the
process in the middle of its work, with no word of why.
"""

from collections.abc import Mapping
from pathlib import Path

import jax

ASKED = 1 << 28
"""Bytes below which nobody asks, since asking takes a tenth of a millisecond."""
GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of a container, in two versions of Linux's interface."""


def free() -> int | None:
    """Free bytes of the device that JAX computes on; None where nobody knows."""
    if jax.default_backend() != "cpu":
        found = jax.devices()[0].memory_stats() or {}
        return found["bytes_limit"] - found["bytes_in_use"] if {"bytes_limit", "bytes_in_use"} <= set(found) else None
    lines = _text("/proc/meminfo").splitlines()
    kilobytes = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    if not kilobytes:
        return None
    limits = [(_text(limit).strip(), _text(used).strip()) for limit, used in GROUPS]
    left = [int(limit) - int(used) for limit, used in limits if limit.isdigit() and used.isdigit()]
    return min([1024 * int(kilobytes[0]), *left])


def refuse_beyond(owner: str, needs: Mapping[str, int], advice: str) -> None:
    """Refuse what needs more memory than is free.

    Args:
        owner: Who needs it, for the message.
        needs: What for, and how many bytes at least.
        advice: What to do about it, a sentence.

    Raises:
        ValueError: they are more than there are.

    Example:
        >>> from ranvier._memory import refuse_beyond
        >>> refuse_beyond("example", {"weights": 1 << 60}, "Take fewer.")  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        ValueError: example: needs at least 1.15e+09 GB of memory, for weights; ... GB are free. Take fewer.
    """
    total = sum(needs.values())
    there = free() if total > ASKED else None
    if there is None or total <= there:
        return
    parts = [f"{what} {size / 1e9:.3g} GB" for what, size in needs.items() if size > total / 100]
    told = ", ".join(parts) if len(parts) > 1 else next(what for what, size in needs.items() if size > total / 100)
    msg = f"{owner}: needs at least {total / 1e9:.3g} GB of memory, for {told}; {there / 1e9:.3g} GB are free. {advice}"
    raise ValueError(msg)


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8")
    except OSError:
        return ""
