"""The compiled library, found and loaded: the engine of `EventDriven`, and errors of programs that run on the CPU.

Its sources are in `event_driven/engine`. CMake compiles them when the package is installed.
"""

import ctypes
from pathlib import Path


def _load() -> ctypes.CDLL:
    for found in sorted((Path(__file__).parent / "event_driven").glob("libengine.*")):
        return ctypes.CDLL(str(found))
    msg = (
        "ranvier: the compiled engine is missing. Most likely the sources alone were put on Python's path: install the "
        "package, with a C++20 compiler: pip install -e . in its folder."
    )
    raise ImportError(msg)


library = _load()
