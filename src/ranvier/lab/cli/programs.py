"""Compiled programs that are kept: a command waits for the compiler once, the next one does not.

JAX keeps them, in a folder of the user's cache; each kind of processor has its own, as people share a home folder
between machines. `JAX_COMPILATION_CACHE_DIR` names another folder, `JAX_ENABLE_COMPILATION_CACHE=false` keeps none.
"""

import contextlib
import hashlib
import os
import platform
from pathlib import Path

import jax

LEAST_SECONDS = "0.3"
"""A program that was compiled faster is not kept."""
MOST_BYTES = 2**30
"""When there is more than this, what is oldest goes until half of it is left."""
_FOLDER, _LEAST = "JAX_COMPILATION_CACHE_DIR", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"


def keep_programs() -> Path | None:
    """Tell JAX where to keep programs, in this process and in those it starts. For a command, not for a library.

    Returns:
        The folder, or None where the user has named one, or none can be written.
    """
    if os.environ.get(_FOLDER) is not None:
        return None
    folder = user_cache() / "ranvier" / "programs" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_old(folder, MOST_BYTES)
    except OSError:
        return None
    if not os.access(folder, os.W_OK):
        return None
    os.environ[_FOLDER] = str(folder)
    os.environ.setdefault(_LEAST, LEAST_SECONDS)
    jax.config.update("jax_compilation_cache_dir", os.environ[_FOLDER])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", float(os.environ[_LEAST]))
    return folder


def user_cache() -> Path:
    """The user's folder for what can be made again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def clear_old(folder: Path, most: int) -> None:
    """Remove the oldest files of a folder of more than `most` bytes, until half of that is left.

    Args:
        folder: The folder.
        most: Bytes.
    """
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another command does the same
            found.append((path.stat().st_mtime, path.stat().st_size, path))
    total = sum(size for _, size, _ in found)
    if total <= most:
        return
    for _, size, path in sorted(found):
        path.unlink(missing_ok=True)
        total -= size
        if total <= most / 2:
            return


def _processor() -> str:
    """A short name for what programs are compiled for."""
    told = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        told += sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))})
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]
