"""Ctrl-C between epochs rather than in the middle of one."""

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, TypeVar

import jax
from jaxtyping import PyTree

T = TypeVar("T", bound=PyTree)


@contextlib.contextmanager
def deferred_interrupt(tell: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Within this block the first Ctrl-C is only noted; a second one interrupts at once.

    A simulation that is interrupted has no results, so training asks between epochs whether there was an interrupt.
    Outside the main thread this does nothing.

    Args:
        tell: Called at the first Ctrl-C, to say that the end of the epoch is waited for.

    Example:
        >>> from ranvier.train.interrupt import deferred_interrupt
        >>> with deferred_interrupt() as interrupted:
        ...     interrupted()
        False
    """
    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted.is_set
        return
    before = signal.getsignal(signal.SIGINT)

    def note(number: int, frame: FrameType | None) -> None:
        del number, frame
        noted.set()
        signal.signal(signal.SIGINT, before)
        tell()

    signal.signal(signal.SIGINT, note)
    try:
        yield noted.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def patiently(arrays: T, ask: Callable[[], None] = lambda: None) -> T:
    """The arrays, once they are there; waited for in Python code, where a Ctrl-C is seen at once.

    `jax.block_until_ready` waits outside of Python, where no handler of a signal runs.

    Args:
        arrays: Any tree of arrays.
        ask: Called again and again while they are not there; what it raises ends the waiting.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.train.interrupt import patiently
        >>> patiently({"one": jnp.ones(())})["one"].is_ready()
        True
    """
    pause, leaves = 1e-4, [leaf for leaf in jax.tree.leaves(arrays) if isinstance(leaf, jax.Array)]
    leaf: Any
    for leaf in leaves:
        while not leaf.is_ready():
            ask()
            time.sleep(pause)
            pause = min(2 * pause, 0.02)
    return arrays
