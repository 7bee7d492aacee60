"""Ctrl-C between epochs rather than in the middle of one."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def deferred_interrupt(tell: Callable[[], None] = lambda: None) -> Iterator[Callable[[], bool]]:
    """Within this block the first Ctrl-C is only noted; a second one interrupts at once.

    A callback that is interrupted inside a compiled program would end it with an error about that callback, so
    training asks between epochs whether there was an interrupt. Outside the main thread this does nothing.

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
