"""Parts of a study for tests of what runs them: functions of a module that imports next to nothing."""

import os
import signal
import time
from typing import Any


def squared(number: int, say: Any) -> int:
    if number == 3:
        time.sleep(0.2)  # it is not the first to end
    say(f"squares {number}")
    return number**2


def fails(say: Any) -> None:
    msg = "no"
    raise LookupError(msg)


def waits(say: Any) -> None:
    time.sleep(150.0)


def dies(say: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def interrupted(say: Any) -> None:
    os.kill(os.getppid(), signal.SIGINT)  # as `kill -INT` of the command does
    time.sleep(150.0)
