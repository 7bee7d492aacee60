"""Ctrl-C inside of a callback: a KeyboardInterrupt where the compiled program was called, or a moment later.

JAX turns whatever a callback raises into an error of its own. So a callback that is interrupted ends well, with a
result that means nothing, and the main thread is interrupted again as soon as it has left the callback.
"""

import _thread
import sys
import threading
import time
from types import FrameType

CALLBACK = "jax._src.callback"
"""The module of the frames between a compiled program and the function that it calls back."""


def interrupt_outside() -> None:
    """Interrupt the main thread once it runs no callback: what its handler of SIGINT raises is raised there.

    Example:
        >>> from ranvier._callbacks import interrupt_outside
        >>> callable(interrupt_outside)  # calling it would end this example
        True
    """
    main = threading.main_thread().ident

    def press() -> None:
        while main is not None and _inside(sys._current_frames().get(main)):
            time.sleep(0)  # next in turn when the main thread leaves Python for the program
        _thread.interrupt_main()

    threading.Thread(target=press, daemon=True).start()


def _inside(frame: FrameType | None) -> bool:
    """Whether a frame was called, however deep, by a compiled program."""
    while frame is not None:
        if frame.f_globals.get("__name__") == CALLBACK:
            return True
        frame = frame.f_back
    return False
