"""Errors of a callback: raised as themselves where the compiled program was called that called back.

JAX turns whatever a callback raises into an error of its own, of many lines, and prints another. So the callback ends
well, and what it has to say is raised in the caller's frame, at the call, as soon as the program is done: a Ctrl-C is a
KeyboardInterrupt, and a sentence is all that the user reads. The program's result means nothing, and nobody gets it.

Python runs the handler of a signal between two instructions, and the first such moment after the program is before its
result is taken. So a signal is noted again and again until it is handled there.
"""

import ctypes
import signal
import sys
import threading
from types import FrameType

CALLBACK = "jax._src.callback"
"""The module of the frames between a compiled program and the function that it calls back."""

_waiting: list[BaseException] = []

_SIGNAL = ctypes.pythonapi.PyErr_SetInterruptEx
_ask_again = ctypes.pythonapi.Py_AddPendingCall
"""Called as `_ask_again(_SIGNAL, number)`: Python soon notes a signal, whose handler then runs at the next chance.

`signal.raise_signal` would run the handler at once, inside of itself."""


def on_its_way() -> bool:
    """Whether an error waits for the program to end: whoever is called back till then has nothing to do.

    Example:
        >>> from ranvier._callbacks import on_its_way
        >>> on_its_way()
        False
    """
    return bool(_waiting)


def raise_outside(error: BaseException) -> None:
    """Raise `error` where the program was called that has called back; the callback is to return at once.

    In another thread than the main one, and outside of a callback, it is raised here.

    Args:
        error: What to raise.
    """
    main, before = threading.current_thread() is threading.main_thread(), signal.getsignal(signal.SIGINT)
    caller = _caller(sys._getframe())
    if not main or before is None or caller is None:
        raise error
    if _waiting:
        return
    call = caller.f_lasti

    def deliver(number: int, frame: FrameType | None) -> None:
        del number
        above = None if frame is caller or caller.f_lasti != call else frame
        while above is not None and above is not caller:
            above = above.f_back
        if above is not None:  # code that runs inside of the program's call
            _ask_again(_SIGNAL, signal.SIGINT)  # the last step: what it starts begins outside of this function
            return
        _waiting.clear()
        signal.signal(signal.SIGINT, before)
        raise error.with_traceback(None) from None

    _waiting.append(error)
    signal.signal(signal.SIGINT, deliver)
    _ask_again(_SIGNAL, signal.SIGINT)


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame that called the compiled program that called back; None if none did."""
    entered = False
    while frame is not None:
        known = frame.f_globals.get("__name__") == CALLBACK
        if entered and not known:
            return frame
        entered, frame = entered or known, frame.f_back
    return None
