"""The engine's own pieces, compiled for the tests at two vector levels, as functions of NumPy arrays."""

import ctypes
import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parent
ENGINE = TESTS.parent / "src" / "ranvier" / "event_driven" / "engine"
LEVELS = ("plain", "native")


def compiler() -> str:
    """The C++ compiler that also builds the package."""
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    return next(found for name in names if name and (found := shutil.which(name)))


@cache
def compiled(level: str, folder: Path) -> ctypes.CDLL:
    """The pieces at one vector level."""
    library = folder / f"pieces_{level}.so"
    flags = ["-march=native" if platform.machine() in ("x86_64", "AMD64") else "-mcpu=native"] * (level == "native")
    command = [compiler(), "-std=gnu++20", "-O2", "-ffp-contract=fast", "-fno-trapping-math", "-fno-math-errno", "-Wno-psabi", "-shared", "-fPIC", f"-DRANVIER_LEVEL={level}", *flags,
               f"-I{ENGINE}", str(TESTS / "engine_pieces.cc"), "-o", str(library)]  # fmt: skip
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(library))


class Pieces:
    """Calls of the pieces: arrays are passed as they lie, whole numbers as int64, others as float64."""

    def __init__(self, level: str, folder: Path):
        self.library = compiled(level, folder)

    def __call__(self, name: str, *given: Any, result: Any = None, small: tuple[int, ...] = ()) -> Any:
        """Call `name`; `small` are the places of numbers that are C's int, or float for real ones."""
        function = getattr(self.library, name)
        function.restype = result
        return function(*(_passed(value, place in small) for place, value in enumerate(given)))


def _passed(value: Any, small: bool) -> Any:
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        return ctypes.c_void_p(value.ctypes.data)
    if isinstance(value, int | np.integer):
        return (ctypes.c_int if small else ctypes.c_int64)(int(value))
    return (ctypes.c_float if small else ctypes.c_double)(float(value))
