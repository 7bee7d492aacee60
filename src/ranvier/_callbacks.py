"""Errors of a callback: raised as themselves where the compiled program was called that called back.

JAX turns whatever a callback raises into an error of its own, of many lines, and prints another. So what is raised
inside of one is raised again by the first step of Python code outside of it: Ctrl-C is a KeyboardInterrupt, and a
sentence is all that the user reads.
"""

import contextlib
import logging
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

CALLBACK = "jax._src.callback"
"""The module of the frames between a compiled program and the function that it calls back."""


@contextlib.contextmanager
def handed_on() -> Iterator[None]:
    """Within this block, in a callback: what is raised to end the program ends it as itself.

    That is what is no `Exception`: KeyboardInterrupt, SystemExit and the like. They reach the main thread only.

    Example:
        >>> from ranvier._callbacks import handed_on
        >>> with handed_on():
        ...     "the work of a callback"
        'the work of a callback'
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        raise_outside(error)


def _caller(frame: FrameType | None) -> FrameType | None:
    """The frame that called the compiled program that called back; None if none did."""
    entered = False
    while frame is not None:
        known = frame.f_globals.get("__name__") == CALLBACK
        if entered and not known:
            return frame
        entered, frame = entered or known, frame.f_back
    return None


def raise_outside(error: BaseException) -> NoReturn:
    """Raise `error` here, and in the main thread once more at the first step of Python code outside of the callback.

    Until then Python code runs inside of the program's call, where nobody would hear of an error: the rest of the
    callback, and what cleans up after it. All of it stands above the program's caller, whose instruction is the call.
    """
    caller = _caller(sys._getframe())
    if caller is None or threading.current_thread() is not threading.main_thread():
        raise error
    before, call, log = sys.getprofile(), caller.f_lasti, logging.getLogger(CALLBACK)
    of_others = lambda record: not (record.exc_info and record.exc_info[1] is error)

    def watch(frame: FrameType, event: str, argument: object) -> None:
        del argument
        above: FrameType | None = frame
        while above is not None and above is not caller:
            above = above.f_back
        if above is None or caller.f_lasti != call or (frame is caller and event == "return"):
            sys.setprofile(before)
            log.removeFilter(of_others)
            raise error.with_traceback(None) from None

    log.addFilter(of_others)  # JAX would print that its callback failed
    sys.setprofile(watch)
    raise error
