"""The functions that a caller sees, compiled once per machine and kept on disk.

Numba renews its cache when the file of the compiled function changes, but not when a file that it calls does. A digest
of all of this package's sources, closed over, becomes part of the cache's key.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, no_type_check

from numba import njit

from ranvier.event_driven.kernels.cpu.backward import run_backward
from ranvier.event_driven.kernels.cpu.forward import run_forward
from ranvier.event_driven.kernels.cpu.settle import run_settle
from ranvier.event_driven.kernels.cpu.tabulate import run_tabulate


def _digest() -> str:
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _compile_tables(digest: str) -> Callable[..., Any]:
    """What comes before the passes; `digest` is used only to be part of the cache's key."""

    @no_type_check
    @njit(nogil=True, cache=True)
    def tabulate(*arguments: object) -> None:
        if len(digest) > 0:
            run_tabulate(*arguments)

    return tabulate


def _compile_passes(digest: str) -> tuple[Callable[..., Any], ...]:
    """The passes, and what makes gradients of the backward pass's sums."""

    @no_type_check
    @njit(nogil=True, cache=True)
    def forward(*arguments: object) -> None:
        if len(digest) > 0:
            run_forward(*arguments)

    @no_type_check
    @njit(nogil=True, cache=True)
    def backward(*arguments: object) -> None:
        if len(digest) > 0:
            run_backward(*arguments)

    @no_type_check
    @njit(nogil=True, cache=True)
    def settle(*arguments: object) -> None:
        if len(digest) > 0:
            run_settle(*arguments)

    return forward, backward, settle


tabulate = _compile_tables(_digest())
forward, backward, settle = _compile_passes(_digest())
