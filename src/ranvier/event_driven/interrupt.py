"""Ctrl-C during a call: a KeyboardInterrupt, not an error about the callback that it struck.

JAX turns whatever a callback raises into an error of its own. So what a signal handler raises inside of one is raised
again where the callback's program was called: at the first step of Python code outside of it.
"""

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType

CALLBACK = "jax._src.callback"
"""The module of the frames between a compiled program and the function that it calls back."""


@contextlib.contextmanager
def handed_on() -> Iterator[None]:
    """Within this block, in a callback: what is raised to end the program ends it as itself.

    That is what is no `Exception`: KeyboardInterrupt, SystemExit and the like. They reach the main thread only.

    Example:
        >>> from ranvier.event_driven.interrupt import handed_on
        >>> with handed_on():
        ...     "the work of a callback"
        'the work of a callback'
    """
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        _raise_outside(error, _frames_of_callback(sys._getframe()))
        raise


def _frames_of_callback(frame: FrameType | None) -> list[FrameType]:
    """This frame and those around it up to the compiled program that called back; none if no program did."""
    found, entered = [], False
    while frame is not None:
        known = frame.f_globals.get("__name__") == CALLBACK
        if entered and not known:
            return found
        entered = entered or known
        found.append(frame)
        frame = frame.f_back
    return []


def _raise_outside(error: BaseException, inside: list[FrameType]) -> None:
    """Have this thread raise `error` at its next call or return outside of the frames `inside`."""
    if not inside:
        return
    before = sys.getprofile()

    def watch(frame: FrameType | None, event: str, argument: object) -> None:
        del event, argument
        while frame is not None:
            if frame in inside:
                return
            frame = frame.f_back
        inside.clear()
        sys.setprofile(before)
        raise error.with_traceback(None)

    sys.setprofile(watch)
