"""What the C library does with memory that is freed."""

import ctypes
import os
import platform

OPTIONS = {"TRIM_THRESHOLD": (-1, 1 << 30), "TOP_PAD": (-2, 1 << 26), "MMAP_THRESHOLD": (-3, 1 << 30)}
"""Settings of glibc's `mallopt`: number, and value in bytes."""


def keep_freed() -> bool:
    """Let this process keep memory that is freed for its next use, as long as it runs.

    Each step of a training frees some tens of megabytes and asks for as many. The C library of Linux (glibc) gives
    large blocks back to the system, and gets them anew page by page, which takes up to a quarter of a training's time.
    What is free at the end of its heap beyond 1 GiB is still given back.

    Returns:
        Whether it was set: not where the C library is another one, nor where the environment has settings of its own
        (`MALLOC_TRIM_THRESHOLD_`, `MALLOC_TOP_PAD_`, `MALLOC_MMAP_THRESHOLD_`).

    Example:
        >>> from ranvier._allocator import keep_freed
        >>> keep_freed() in (True, False)
        True
    """
    if platform.libc_ver()[0] != "glibc" or any(f"MALLOC_{name}_" in os.environ for name in OPTIONS):
        return False
    set_option = ctypes.CDLL(None).mallopt
    return min(set_option(*option) for option in OPTIONS.values()) == 1
